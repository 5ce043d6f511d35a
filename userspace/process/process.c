/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own_memory.h"
#include "process/proc.h"

#define MAPS_SIZE_MAX (64 << 20) /* half a million ranges */
#define TASK_TRIES    16 /* threads asked for their view when the first is gone */

/*
 * An address that no mapping covers is mostly none: a guessed caller, data. So
 * /proc is asked again only so often, less while that brings nothing, and never
 * for more than about 1 % of our time.
 */
#define READ_WAIT_MIN_NS (100 * NS_PER_MS)
#define READ_WAIT_MAX_NS (10 * NS_PER_S)
#define READ_COST_FACTOR 100

/* How long an exec may take; after that we have lost its record. */
#define EXEC_MAX_NS NS_PER_S

/* The process's first thread has ended and so has no memory any more: ask another one. */
static int proc_read_task_maps(int directory, char **ret, size_t *ret_size)
{
	int fd = openat(directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	_cleanup_(directory) DIR *tasks = fdopendir(fd);
	if (!tasks) {
		close(fd);
		return -ENOMEM;
	}

	const struct dirent *task;
	for (int tries = 0; tries < TASK_TRIES && (task = readdir(tasks));) {
		char name[300];

		if (!isdigit((unsigned char)task->d_name[0]))
			continue;
		tries++;
		snprintf(name, sizeof(name), "%s/maps", task->d_name);
		if (proc_read(fd, name, MAPS_SIZE_MAX, ret, ret_size))
			continue;
		if (*ret_size)
			return 0;
		free(take(*ret));
	}
	/* A kernel thread has none; nor does a process in its last moment. */
	return -ESRCH;
}

static int proc_read_maps(u32 pid, int directory, char **ret, size_t *ret_size)
{
	/* The thread that asks has not ended. */
	if (pid == (u32)getpid())
		return file_read("/proc/thread-self/maps", MAPS_SIZE_MAX, ret, ret_size);
	int err = proc_read(directory, "maps", MAPS_SIZE_MAX, ret, ret_size);
	if (err || *ret_size)
		return err == -ESRCH ? proc_read_task_maps(directory, ret, ret_size) : err;
	free(take(*ret));
	return proc_read_task_maps(directory, ret, ret_size);
}

static int process_read_maps(struct process *process)
{
	_cleanup_(free) char *maps = NULL;
	size_t size = 0;

	_cleanup_(fd) int directory = -1;

	int err = proc_open(&process->id, &directory);
	if (err)
		return err;
	err = proc_read_maps(process->id.pid, directory, &maps, &size);
	return err ? err : mapping_table_parse(&process->mappings, maps, size);
}

/* During an exec /proc may already show the next program, which is another process. */
static bool process_is_in_exec(const struct process *process, u64 now_ns)
{
	return process->exec_mappings && now_ns < process->exec_mappings_ns + EXEC_MAX_NS;
}

/* True when the table was read just now. */
static bool process_refresh(struct process *process)
{
	if (process->exited || !process->id.pid)
		return false;
	u64 begin_ns = clock_monotonic_ns();
	if (begin_ns < process->mappings_next_ns || process_is_in_exec(process, begin_ns))
		return false;
	mapping_table_unref(take(process->exec_mappings));

	int err = process_read_maps(process);
	u64 end_ns = clock_monotonic_ns(), cost_ns = (end_ns - begin_ns) * READ_COST_FACTOR;
	if (process->mappings_wait_ns < READ_WAIT_MIN_NS)
		process->mappings_wait_ns = READ_WAIT_MIN_NS;
	process->mappings_next_ns = end_ns +
				    (cost_ns > process->mappings_wait_ns ? cost_ns : process->mappings_wait_ns);
	if (err == -ESRCH || err == -ENOENT)
		process->mappings_next_ns = UINT64_MAX;
	if (err)
		return false;

	process->mappings_read = true;
	process->mappings_ns = begin_ns;
	process->python_checked = false;
	return true;
}

struct mapping *process_mapping(struct process *process, u64 address)
{
	bool is_fresh = !process->mappings_read && process_refresh(process);
	struct mapping *mapping = mapping_table_find(process->mappings, address);

	if (mapping || is_fresh || !process_refresh(process))
		return mapping;
	mapping = mapping_table_find(process->mappings, address);
	if (mapping)
		process->mappings_wait_ns = READ_WAIT_MIN_NS;
	else if (process->mappings_wait_ns < READ_WAIT_MAX_NS)
		process->mappings_wait_ns *= 2;
	return mapping;
}

static struct mapped_file *process_open_file(struct process_table *table, struct process *process,
					     struct mapping *mapping)
{
	const struct mapped_file *before = mapping->file;
	struct mapped_file *file = mapped_file_get(process_table_files(table), process->exited ? 0 : process->id.pid,
						   mapping);

	/* A file that was rewritten: of a CPython's, all that is known is of what it was. */
	if (before && file != before)
		process->python_checked = false;
	return file;
}

struct mapping *process_mapping_file(struct process_table *table, struct process *process, u64 address)
{
	struct mapping *mapping = process_mapping(process, address);

	if (mapping)
		process_open_file(table, process, mapping);
	return mapping;
}

/*
 * A CPython in a process: a file at one bias. Usually there is one. There are
 * more when a program that is linked to one libpython loads another, or when an
 * executable and its libpython both have the object _PyRuntime. Then the one
 * counts that has an interpreter in memory; before any has, one we support, and
 * one with a section .PyRuntime: an executable that took a copy (R_X86_64_COPY)
 * of the object has none, and no code to walk either.
 */
struct candidate {
	struct mapped_file *file; /* borrowed from its mapping */
	u64 bias, start, end;
};

#define CANDIDATES_MAX 8

static void candidates_add(struct candidate *at, size_t *cnt, const struct mapping *mapping)
{
	u64 address;

	/* By the segment that holds the offset: a file may have several, of which the first proves nothing. */
	if (elf_file_address_of_offset(mapping->file->elf, mapping->file_offset, &address))
		return;
	u64 bias = mapping->start - address;
	for (size_t i = 0; i < *cnt; i++) {
		if (at[i].file != mapping->file || at[i].bias != bias)
			continue;
		at[i].end = mapping->end;
		return;
	}
	if (*cnt == CANDIDATES_MAX)
		return;
	at[(*cnt)++] = (struct candidate){
		.file = mapping->file,
		.bias = bias,
		.start = mapping->start,
		.end = mapping->end,
	};
}

static size_t process_find_candidates(struct process_table *table, struct process *process, struct candidate *ret)
{
	size_t cnt = 0;

	for (size_t i = 0; i < mapping_table_cnt(process->mappings); i++) {
		struct mapping *mapping = mapping_table_at(process->mappings, i);
		const struct mapped_file *file = process_open_file(table, process, mapping);

		if (file && file->elf && file->python.version)
			candidates_add(ret, &cnt, mapping);
	}
	return cnt;
}

enum { RANK_SECTION = 1, RANK_SUPPORTED = 2, RANK_ALIVE = 4 };

static int candidate_rank(const struct process *process, const struct candidate *candidate)
{
	const struct python_file *python = &candidate->file->python;
	const struct remote_memory memory = own_or_remote_memory(process->id.pid);
	u64 address, size, interpreter;
	int rank = 0;

	if (!elf_file_section(candidate->file->elf, ".PyRuntime", &address, &size))
		rank |= RANK_SECTION;
	if (!python->supported)
		return rank;
	rank |= RANK_SUPPORTED;
	address = candidate->bias + python->runtime + python->layout.runtime_interpreters;
	if (!process->exited && !remote_read(&memory, address, &interpreter, sizeof(interpreter)) && interpreter)
		rank |= RANK_ALIVE;
	return rank;
}

/* NULL: none. Not settled: several, and no interpreter in any yet. */
static const struct candidate *candidates_choose(const struct process *process, const struct candidate *at, size_t cnt,
						 bool *ret_settled)
{
	const struct candidate *best = at;
	int best_rank = -1;

	*ret_settled = true;
	if (cnt <= 1)
		return cnt ? at : NULL;
	for (size_t i = 0; i < cnt; i++) {
		int rank = candidate_rank(process, &at[i]);

		if (rank <= best_rank)
			continue;
		best = &at[i];
		best_rank = rank;
	}
	*ret_settled = best_rank & RANK_ALIVE;
	return best;
}

/* True when that is another answer than before. */
static bool process_set_python(struct process *process, const struct candidate *candidate)
{
	struct mapped_file *file = candidate ? candidate->file : NULL;
	u64 bias = candidate ? candidate->bias : 0;
	u64 start = candidate ? candidate->start : 0, end = candidate ? candidate->end : 0;

	if (process->python_file == file && process->python_bias == bias && process->python_start == start &&
	    process->python_end == end)
		return false;
	if (file)
		mapped_file_ref(file);
	if (process->python_file)
		mapped_file_unref(process->python_file);
	process->python_file = file;
	process->python_bias = bias;
	process->python_runtime = file ? bias + file->python.runtime : 0;
	process->python_start = start;
	process->python_end = end;
	return true;
}

bool process_check_python(struct process_table *table, struct process *process)
{
	struct candidate candidates[CANDIDATES_MAX];
	bool settled;

	if (process->python_checked)
		return false;
	if (!process->mappings_read)
		process_refresh(process);

	size_t cnt = process_find_candidates(table, process, candidates);
	const struct candidate *best = candidates_choose(process, candidates, cnt, &settled);
	/* Nothing new can come from a process that cannot be read, but from events. */
	bool is_complete = process->mappings_read || process->exited || process->mappings_next_ns == UINT64_MAX;
	process->python_checked = settled && is_complete;
	return process_set_python(process, best);
}

bool process_is_interpreter(struct process *process, u64 address)
{
	if (!process->python_file || address < process->python_start || address >= process->python_end)
		return false;
	const struct mapping *mapping = mapping_table_find(process->mappings, address);
	return mapping && mapping->file == process->python_file;
}
