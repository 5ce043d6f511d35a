/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory is short: what could not be put into the table is freed again. */
#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "process/process.h"

struct process_entry {
	struct process process; /* first, see entry_of */
	struct process_entry *prev, *next; /* in `exited` or `evicted` */
	bool failed; /* not in a hash, for want of memory */
	bool is_newest; /* in by_pid */
	UT_hash_handle hh, hh_pid;
};

struct process_table {
	struct mapped_file_cache *files; /* borrowed */
	struct process_entry *by_id;
	struct process_entry *by_pid; /* of each pid the newest only */
	struct process_entry *exited; /* the longest exited first */
	struct process_entry *evicted; /* had to make room: out of the hashes, freed when the caller can be told */
	u64 sweep_next_ns;
	u32 last_key;
};

#define SWEEP_WAIT_NS (10 * NS_PER_S)

static struct process_entry *entry_of(struct process *process)
{
	return (struct process_entry *)process;
}

static void process_free(struct process *process)
{
	if (process->python_file)
		mapped_file_unref(process->python_file);
	mapping_table_unref(process->mappings);
	mapping_table_unref(process->exec_mappings);
	process_words_deinit(&process->words);
	free(entry_of(process));
}
DEFINE_CLEANUP(process, struct process *, process_free)

int process_table_new(struct mapped_file_cache *files, struct process_table **ret)
{
	struct process_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->files = files;
	*ret = table;
	return 0;
}

/* Takes it out of the hashes. */
static void table_remove(struct process_table *table, struct process_entry *entry)
{
	HASH_DELETE(hh, table->by_id, entry);
	if (entry->is_newest)
		HASH_DELETE(hh_pid, table->by_pid, entry);
	entry->is_newest = false;
}

void process_table_free(struct process_table *table)
{
	struct process_entry *entry, *next;

	if (!table)
		return;
	DL_FOREACH_SAFE(table->evicted, entry, next)
	process_free(&entry->process);
	HASH_ITER(hh, table->by_id, entry, next)
	{
		table_remove(table, entry);
		process_free(&entry->process);
	}
	free(table);
}

u32 process_table_cnt(const struct process_table *table)
{
	return HASH_CNT(hh, table->by_id);
}

struct mapped_file_cache *process_table_files(struct process_table *table)
{
	return table->files;
}

struct process *process_table_find(struct process_table *table, const struct process_id *id)
{
	struct process_id key = {.start_ns = id->start_ns, .exec_id = id->exec_id, .pid = id->pid};
	struct process_entry *entry;

	HASH_FIND(hh, table->by_id, &key, sizeof(key), entry);
	return entry ? &entry->process : NULL;
}

struct process *process_table_newest(struct process_table *table, u32 pid)
{
	struct process_entry *entry;

	HASH_FIND(hh_pid, table->by_pid, &pid, sizeof(pid), entry);
	return entry ? &entry->process : NULL;
}

static bool is_newer(const struct process_id *a, const struct process_id *b)
{
	return a->start_ns != b->start_ns ? a->start_ns > b->start_ns : a->exec_id > b->exec_id;
}

static void table_set_exited(struct process_table *table, struct process *process, u64 time_ns)
{
	if (process->exited)
		return;
	process->exited = true;
	process->exited_ns = time_ns;
	DL_APPEND(table->exited, entry_of(process));
}

/* The last resort against exits that we were not told of. */
static void table_sweep(struct process_table *table)
{
	struct process_entry *entry, *next;
	u64 now_ns = clock_monotonic_ns();

	if (now_ns < table->sweep_next_ns)
		return;
	table->sweep_next_ns = now_ns + SWEEP_WAIT_NS;
	HASH_ITER(hh, table->by_id, entry, next)
	{
		if (kill(entry->process.id.pid, 0) && errno == ESRCH)
			table_set_exited(table, &entry->process, now_ns);
	}
}

static int table_make_room(struct process_table *table)
{
	struct process_entry *oldest = table->exited;

	if (process_table_cnt(table) < MAX_PROCESSES)
		return 0;
	if (!oldest) {
		table_sweep(table);
		oldest = table->exited;
	}
	if (!oldest)
		return -ENOSPC;
	DL_DELETE(table->exited, oldest);
	table_remove(table, oldest);
	DL_APPEND(table->evicted, oldest);
	return 0;
}

/* What the side-band told of the new program before we heard of the exec. It is complete: an exec starts from nothing. */
static void process_take_exec_mappings(struct process *process, struct process *old)
{
	if (!old->exec_mappings)
		return;
	mapping_table_unref(process->mappings);
	process->mappings = take(old->exec_mappings);
	process->mappings_ns = old->exec_mappings_ns;
	process->mappings_read = true;
	process->python_checked = false;
}

/* Makes it the one that its pid means, unless it is older than that. */
static void table_add_newest(struct process_table *table, struct process_entry *entry, u64 time_ns)
{
	struct process *process = &entry->process, *old = process_table_newest(table, process->id.pid);

	if (old && is_newer(&old->id, &process->id)) {
		table_set_exited(table, process, time_ns);
		return;
	}
	if (old) {
		if (old->id.start_ns == process->id.start_ns)
			process_take_exec_mappings(process, old);
		table_set_exited(table, old, time_ns);
		HASH_DELETE(hh_pid, table->by_pid, entry_of(old));
		entry_of(old)->is_newest = false;
	}
	HASH_ADD(hh_pid, table->by_pid, process.id.pid, sizeof(process->id.pid), entry);
	entry->is_newest = !entry->failed;
}

static int table_get(struct process_table *table, const struct process_id *id, const char *comm, u64 time_ns,
		     struct process **ret)
{
	struct process *known = process_table_find(table, id);

	if (known) {
		*ret = known;
		return 0;
	}
	int err = table_make_room(table);
	if (err)
		return err;

	struct process_entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	_cleanup_(process) struct process *process = &entry->process;
	process->id = (struct process_id){.start_ns = id->start_ns, .exec_id = id->exec_id, .pid = id->pid};
	snprintf(process->comm, sizeof(process->comm), "%.*s", THREAD_COMM_SIZE - 1, comm ? comm : "");
	process->mappings = mapping_table_new();
	if (!process->mappings)
		return -ENOMEM;
	HASH_ADD(hh, table->by_id, process.id, sizeof(process->id), entry);
	if (entry->failed)
		return -ENOMEM;
	process->key = ++table->last_key;
	table_add_newest(table, entry, time_ns);
	*ret = take(process);
	return 0;
}

int process_table_get(struct process_table *table, const struct process_id *id, const char *comm, struct process **ret)
{
	return table_get(table, id, comm, clock_monotonic_ns(), ret);
}

static void process_share_memory(struct process *child, struct process *parent)
{
	mapping_table_unref(child->mappings);
	child->mappings = mapping_table_ref(parent->mappings);
	child->mappings_read = parent->mappings_read;
	child->mappings_ns = parent->mappings_ns;
	child->replaced_ns = parent->replaced_ns;
	child->replaced_cnt = parent->replaced_cnt;

	/* Nor is what it says of itself another, until it execs. */
	child->words_read = parent->words_read && !process_words_copy(&parent->words, &child->words);

	child->python_checked = parent->python_checked;
	child->python_file = parent->python_file ? mapped_file_ref(parent->python_file) : NULL;
	child->python_bias = parent->python_bias;
	child->python_runtime = parent->python_runtime;
	child->python_start = parent->python_start;
	child->python_end = parent->python_end;
}

int process_table_fork(struct process_table *table, const struct process_record *record, struct process **ret)
{
	bool is_known = process_table_find(table, &record->process);
	struct process *child;

	int err = table_get(table, &record->process, record->comm, record->record.time_ns, &child);
	if (err)
		return err;
	struct process *parent = process_table_find(table, &record->parent);
	if (!is_known && parent)
		process_share_memory(child, parent);
	*ret = child;
	return 0;
}

int process_table_exec(struct process_table *table, const struct process_record *record, struct process **ret)
{
	struct process *process;

	int err = table_get(table, &record->process, record->comm, record->record.time_ns, &process);
	if (err)
		return err;
	/* A sample may have come first, and made it known under the name that it had before. */
	memcpy(process->comm, record->comm, sizeof(process->comm));
	process->comm[sizeof(process->comm) - 1] = 0;
	process->exec_ns = record->record.time_ns;
	process_take_exec_mappings(process, process);
	*ret = process;
	return 0;
}

void process_table_exit(struct process_table *table, const struct process_record *record)
{
	struct process *process = process_table_find(table, &record->process);

	if (process)
		table_set_exited(table, process, record->record.time_ns);
}

/*
 * An exec has begun. What follows belongs to the next program, which becomes
 * known by RECORD_EXEC; if that was applied already, to this one.
 */
static int process_begin_exec(struct process *process, u64 time_ns)
{
	struct mapping_table *table = mapping_table_new();

	if (!table)
		return -ENOMEM;
	if (time_ns > process->exec_ns) {
		mapping_table_unref(process->exec_mappings);
		process->exec_mappings = table;
		process->exec_mappings_ns = time_ns;
		return 0;
	}
	if (process->mappings_read && time_ns <= process->mappings_ns) {
		mapping_table_unref(table);
		return 0;
	}
	mapping_table_unref(process->mappings);
	process->mappings = table;
	process->mappings_ns = time_ns;
	process->mappings_read = true;
	process->python_checked = false;
	return 0;
}

static int process_insert_mapping(struct process *process, const struct mapping *mapping, u64 time_ns)
{
	if (process->exec_mappings)
		return mapping_table_insert(&process->exec_mappings, mapping);
	if (process->mappings_read && time_ns < process->mappings_ns)
		return 0;

	if (mapping_table_replaces(process->mappings, mapping)) {
		process->replaced_ns = time_ns;
		process->replaced_cnt++;
	}
	int err = mapping_table_insert(&process->mappings, mapping);
	if (err == -ENOMEM)
		process->mappings_read = false;
	process->mappings_wait_ns = 0;
	/* A JIT's memory is no news, unless it covers the interpreter. */
	if (mapping->inode || (mapping->start < process->python_end && mapping->end > process->python_start))
		process->python_checked = false;
	return err;
}

int process_table_map(struct process_table *table, const struct mapping_record *record, struct process **ret)
{
	struct process *process = process_table_newest(table, record->pid);
	char *path = (char *)(record + 1);

	if (!record->path_size || record->path_size > record->record.size - sizeof(*record) ||
	    path[record->path_size - 1])
		return -EINVAL;
	if (!process) {
		*ret = NULL;
		return 0;
	}

	const struct mapping mapping = {
		.start = record->start,
		.end = record->end,
		.file_offset = record->file_offset,
		.inode = record->inode,
		.dev_major = record->dev_major,
		.dev_minor = record->dev_minor,
		.path = path, /* copied */
	};
	u64 time_ns = record->record.time_ns;
	int err = !record->start && !record->end ? process_begin_exec(process, time_ns)
						 : process_insert_mapping(process, &mapping, time_ns);
	if (err)
		return err;
	*ret = process;
	return 0;
}

void process_table_forget_mappings(struct process_table *table)
{
	struct process_entry *entry, *next;

	mapped_file_cache_recheck(table->files);
	HASH_ITER(hh, table->by_id, entry, next)
	{
		struct process *process = &entry->process;

		if (process->exited)
			continue;
		process->mappings_read = false;
		process->python_checked = false;
		process->mappings_wait_ns = 0;
		process->mappings_next_ns = 0;
		mapping_table_unref(take(process->exec_mappings));
	}
}

void process_table_retire(struct process_table *table, u64 now_ns, u64 keep_ns,
			  void (*gone)(void *ctx, struct process *process), void *ctx)
{
	struct process_entry *entry, *next;

	DL_FOREACH_SAFE(table->exited, entry, next)
	{
		/* Exits arrive nearly in order, so the first that is too young ends it. */
		if (now_ns <= entry->process.exited_ns || now_ns - entry->process.exited_ns <= keep_ns)
			break;
		DL_DELETE(table->exited, entry);
		table_remove(table, entry);
		DL_APPEND(table->evicted, entry);
	}
	DL_FOREACH_SAFE(table->evicted, entry, next)
	{
		if (gone)
			gone(ctx, &entry->process);
		process_free(&entry->process);
	}
	table->evicted = NULL;
}

int process_table_for_each(struct process_table *table, int (*visit)(void *ctx, struct process *process), void *ctx)
{
	struct process_entry *entry, *next;

	HASH_ITER(hh, table->by_id, entry, next)
	{
		int err = visit(ctx, &entry->process);

		if (err)
			return err;
	}
	return 0;
}
