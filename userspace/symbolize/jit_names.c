/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/jit_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <uthash.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "process/process_root.h"
#include "symbolize/perf_map.h"

#define MAX_MAP_SIZE	  (64u << 20)
#define MAX_BYTES	  (128u << 20) /* of all maps; then no more is read */
#define MAX_JIT_PROCESSES 1024 /* each may hold a descriptor */
#define MAX_WAITING	  16384 /* frames of one process */
#define READ_SIZE	  (256u << 10) /* at once; longer than any line */
#define READ_WAIT_NS	  NS_PER_S
#define READ_COST	  100 /* so much longer than its CPU time it rests: 1 % of a CPU */

struct waiting {
	u64 address;
	u32 frame;
};

struct jit_process {
	u32 key;
	struct process_id id;
	int fd; /* -1: no map so far, or not kept open */
	u64 inode; /* of the map */
	u64 offset; /* read up to here */
	u64 looked_ns, rest_ns; /* when last, and how long it then rests; UINT64_MAX: for good */
	u64 tried_offset; /* frames that wait were tried with what was read up to here */
	bool is_over; /* looked at after its end */
	struct perf_map *map;
	struct waiting *waiting;
	size_t waiting_cnt, waiting_capacity;
	UT_hash_handle hh;
};

struct jit_names {
	struct jit_process *processes;
	size_t bytes; /* of maps */
	bool without_descriptors;
};

int jit_names_new(struct jit_names **ret)
{
	struct jit_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	*ret = names;
	return 0;
}

int jit_names_new_without_descriptors(struct jit_names **ret)
{
	int err = jit_names_new(ret);

	if (!err)
		(*ret)->without_descriptors = true;
	return err;
}

static void jit_process_free(struct jit_process *process)
{
	if (process->fd >= 0)
		close(process->fd);
	perf_map_free(process->map);
	free(process->waiting);
	free(process);
}

static void jit_names_drop(struct jit_names *names, struct jit_process *process)
{
	HASH_DEL(names->processes, process);
	names->bytes -= perf_map_bytes(process->map);
	jit_process_free(process);
}

void jit_names_free(struct jit_names *names)
{
	struct jit_process *process, *next;

	if (!names)
		return;
	HASH_ITER(hh, names->processes, process, next)
	jit_names_drop(names, process);
	free(names);
}

static struct jit_process *jit_process_find(struct jit_names *names, u32 key)
{
	struct jit_process *process;

	HASH_FIND(hh, names->processes, &key, sizeof(key), process);
	return process;
}

/* NULL: memory is short, or there are too many. */
static struct jit_process *jit_process_get(struct jit_names *names, const struct process *of)
{
	struct jit_process *process = jit_process_find(names, of->key);

	if (process)
		return process;
	if (HASH_COUNT(names->processes) >= MAX_JIT_PROCESSES)
		return NULL;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->key = of->key;
	process->id = of->id;
	process->fd = -1;
	if (perf_map_new(&process->map)) {
		free(process);
		return NULL;
	}
	HASH_ADD(hh, names->processes, key, sizeof(process->key), process);
	return process;
}

/*
 * Reading
 */

/* From /proc/PID/status: its pid in its own pid namespace (the last one), and its effective user (the second). */
static int read_status(u32 pid, u32 *ret_own_pid, u32 *ret_uid)
{
	_cleanup_(free) char *status = NULL;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	int err = file_read(path, 65536, &status, &size);
	if (err)
		return err;
	const char *uids = strstr(status, "\nUid:"), *pids = strstr(status, "\nNSpid:");
	if (!uids || sscanf(uids, "\nUid: %*u %u", ret_uid) != 1)
		return -EBADMSG;
	*ret_own_pid = pid;
	if (pids) {
		const char *last = pids + strcspn(pids + 1, "\n") + 1;

		while (last > pids && last[-1] != '\t')
			last--;
		*ret_own_pid = strtoul(last, NULL, 10);
	}
	return 0;
}

static int map_open(u32 pid, int *ret)
{
	u32 own_pid, uid;
	char path[64];
	struct stat st;
	int fd_;

	int err = read_status(pid, &own_pid, &uid);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", own_pid);
	err = process_root_open(pid, path, RESOLVE_NO_SYMLINKS, &fd_);
	if (err)
		return err;
	_cleanup_(fd) int fd = fd_;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid && st.st_uid != uid)
		return -EPERM;
	*ret = take_fd(fd);
	return 0;
}

/* What was written since. What is no line after so many bytes never will be one. */
static int map_read(struct jit_process *process, u64 size)
{
	_cleanup_(free) char *text = malloc(READ_SIZE);
	size_t used;

	if (!text)
		return -ENOMEM;
	if (size > MAX_MAP_SIZE)
		size = MAX_MAP_SIZE;
	while (process->offset < size) {
		ssize_t got = pread(process->fd, text, READ_SIZE, process->offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		int err = perf_map_add(process->map, text, got, &used);
		if (err)
			return err;
		if (!used && got < (ssize_t)READ_SIZE) /* a line that is being written */
			return 0;
		process->offset += used ? used : (size_t)got;
	}
	return 0;
}

/* Written anew from the start. */
static int map_restart(struct jit_process *process)
{
	struct perf_map *empty;

	int err = perf_map_new(&empty);
	if (err)
		return err;
	perf_map_free(process->map);
	process->map = empty;
	process->offset = 0;
	return 0;
}

static int map_update(struct jit_names *names, struct jit_process *process)
{
	struct stat st;

	if (process->fd < 0 || fstat(process->fd, &st))
		return 0;
	bool is_other = (u64)st.st_size < process->offset || st.st_ino != process->inode;
	if (!is_other && (u64)st.st_size == process->offset)
		return 0;
	process->inode = st.st_ino;

	size_t before = perf_map_bytes(process->map);
	int err = is_other ? map_restart(process) : 0;
	if (!err && names->bytes <= MAX_BYTES)
		err = map_read(process, st.st_size);
	perf_map_find(process->map, 0); /* sorts what is new, and that belongs to the cost */
	names->bytes += perf_map_bytes(process->map) - before;
	return err;
}

/* One that has ended writes no more: once is enough, and at once. Else not before so long after the last time. */
static void jit_process_look(struct jit_names *names, struct jit_process *process, bool is_alive, u64 wait_ns)
{
	u64 rest_ns = process->rest_ns > wait_ns ? process->rest_ns : wait_ns;

	if (is_alive && process->looked_ns && clock_monotonic_ns() - process->looked_ns < rest_ns)
		return;
	if (process->is_over)
		return;
	process->is_over = !is_alive;
	u64 cpu_ns = clock_own_cpu_ns();
	if (process->fd < 0 && is_alive)
		map_open(process->id.pid, &process->fd);
	int err = map_update(names, process);
	if (names->without_descriptors) {
		fd_cleanup_(&process->fd);
		process->fd = -1;
	}
	process->looked_ns = clock_monotonic_ns();
	process->rest_ns = err == -E2BIG ? UINT64_MAX : (clock_own_cpu_ns() - cpu_ns) * READ_COST;
}

const char *jit_names_find(struct jit_names *names, const struct process *of, u64 address)
{
	struct jit_process *process = jit_process_get(names, of);

	if (!process)
		return NULL;
	const char *name = perf_map_find(process->map, address);
	if (name)
		return name;
	jit_process_look(names, process, !of->exited, READ_WAIT_NS);
	return perf_map_find(process->map, address);
}

/*
 * Waiting
 */

int jit_names_wait(struct jit_names *names, const struct process *of, u64 address, u32 frame)
{
	struct jit_process *process = jit_process_get(names, of);

	if (!process || process->waiting_cnt == MAX_WAITING)
		return 0;
	struct waiting *waiting = array_reserve(process->waiting, &process->waiting_capacity, process->waiting_cnt + 1,
						sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	process->waiting = waiting;
	process->waiting[process->waiting_cnt++] = (struct waiting){.address = address, .frame = frame};
	return 0;
}

static int jit_process_retry(struct jit_names *names, struct jit_process *process, bool is_alive, jit_named_fn *named,
			     void *ctx)
{
	size_t kept = 0;
	int err = 0;

	if (!process->waiting_cnt)
		return 0;
	jit_process_look(names, process, is_alive, 0);
	if (process->offset == process->tried_offset)
		return 0;
	process->tried_offset = process->offset;
	for (size_t i = 0; i < process->waiting_cnt; i++) {
		struct waiting *next = &process->waiting[i];
		const char *name = err ? NULL : perf_map_find(process->map, next->address);

		if (name)
			err = named(ctx, next->frame, name);
		else
			process->waiting[kept++] = *next;
	}
	process->waiting_cnt = kept;
	return err;
}

int jit_names_retry(struct jit_names *names, struct process_table *processes, jit_named_fn *named, void *ctx)
{
	struct jit_process *process, *next;
	int err = 0;

	HASH_ITER(hh, names->processes, process, next)
	{
		const struct process *known = process_table_find(processes, &process->id);

		if (!err)
			err = jit_process_retry(names, process, known && !known->exited, named, ctx);
	}
	return err;
}

int jit_names_forget(struct jit_names *names, const struct process *of, jit_named_fn *named, void *ctx)
{
	struct jit_process *process = jit_process_find(names, of->key);

	if (!process)
		return 0;
	int err = jit_process_retry(names, process, false, named, ctx);
	jit_names_drop(names, process);
	return err;
}
