/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "registrar.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/remote_memory.h"
#include "python/thread_list.h"

#define THREAD_LIST_PERIOD_NS (50 * NS_PER_MS) /* reading 10,000 threads takes some 20 ms */
#define THREADS_SLACK	      256
#define STATELESS_MAX	      4096 /* threads that are known to have no PyThreadState */

/* A registered process, by its key. */
struct registered {
	u32 process;
	struct process_row row;
	u64 told_ns; /* when the kernel side was told of the row */
	u64 list_read_ns;
	u64 *threads; /* thread pointers that we put in the map: to be taken out */
	u32 thread_cnt, thread_capacity;
	u32 listed_cnt; /* how many the process's own list had */
	UT_hash_handle hh;
};

struct id_queue {
	struct process_id *ids;
	size_t cnt, next, capacity;
};

struct registrar {
	struct registrar_options options;
	struct capture *capture;
	struct process_table *processes;
	struct supplier *supplier;
	struct registered *registered;
	struct id_queue noted; /* each once in a row at least */
	struct id_queue backlog;
	struct thread_key stateless[STATELESS_MAX];
	u32 stateless_cnt;
};

int registrar_new(const struct registrar_options *options, struct capture *capture, struct process_table *processes,
		  struct supplier *supplier, struct registrar **ret)
{
	struct registrar *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->options = *options;
	r->capture = capture;
	r->processes = processes;
	r->supplier = supplier;
	*ret = r;
	return 0;
}

static void registered_free(struct registrar *r, struct registered *known)
{
	HASH_DEL(r->registered, known);
	free(known->threads);
	free(known);
}

void registrar_free(struct registrar *r)
{
	struct registered *known, *next;

	if (!r)
		return;
	HASH_ITER(hh, r->registered, known, next)
	registered_free(r, known);
	free(r->noted.ids);
	free(r->backlog.ids);
	free(r);
}

static struct registered *registered_get(struct registrar *r, const struct process *process)
{
	struct registered *known;

	HASH_FIND(hh, r->registered, &process->key, sizeof(process->key), known);
	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->process = process->key;
	HASH_ADD(hh, r->registered, process, sizeof(known->process), known);
	return known;
}

static int thread_put(struct registrar *r, struct registered *known, u32 pid, u64 thread_pointer, u64 state)
{
	if (known->thread_cnt == known->thread_capacity) {
		u32 capacity = known->thread_capacity ? 2 * known->thread_capacity : 8;
		u64 *threads = realloc(known->threads, capacity * sizeof(*threads));
		if (!threads)
			return -ENOMEM;
		known->threads = threads;
		known->thread_capacity = capacity;
	}
	int err = capture_set_thread(r->capture, pid, thread_pointer, state);
	if (!err)
		known->threads[known->thread_cnt++] = thread_pointer;
	return err;
}

struct thread_visit {
	struct registrar *registrar;
	struct registered *known;
	u32 pid;
	u64 wanted;
	bool found;
};

static int on_thread(void *ctx, const struct python_thread *thread)
{
	struct thread_visit *visit = ctx;

	/*
	 * A state without a frame is of a thread that has not started, or that runs no
	 * Python now; the latter is found by the sampler once it does.
	 */
	if (!thread->frame || !thread->thread_pointer)
		return 0;
	visit->found |= thread->thread_pointer == visit->wanted;
	return thread_put(visit->registrar, visit->known, visit->pid, thread->thread_pointer, thread->state);
}

static void threads_forget(struct registrar *r, struct registered *known, u32 pid)
{
	for (u32 i = 0; i < known->thread_cnt; i++)
		capture_forget_thread(r->capture, pid, known->threads[i]);
	known->thread_cnt = 0;
}

/* Registers all threads anew: states of threads that ended go, so that the map cannot fill up with them. */
static bool threads_read(struct registrar *r, struct registered *known, struct process *process, u64 wanted)
{
	struct remote_memory memory = remote_memory_of_process(process->id.pid);
	struct thread_visit visit = {.registrar = r, .known = known, .pid = process->id.pid, .wanted = wanted};

	known->list_read_ns = clock_monotonic_ns();
	threads_forget(r, known, process->id.pid);
	thread_list_read(&memory, &process->python_file->python.layout, process->python_runtime, on_thread, &visit);
	known->listed_cnt = known->thread_cnt;
	return visit.found;
}

static int row_fill(struct registrar *r, struct process *process, struct process_row *ret)
{
	struct process_row row = {
		.start_ns = process->id.start_ns,
		.exec_id = process->id.exec_id,
		.flags = PROCESS_KNOWN | (r->options.all ? 0 : PROCESS_SELECTED) |
			 (r->options.children ? PROCESS_CHILDREN : 0),
	};

	if (process->python_file && process->python_file->python.supported) {
		int err = capture_add_layout(r->capture, &process->python_file->python.layout, &row.layout);
		if (err)
			return err;
		row.runtime = process->python_runtime;
	}
	int err = supplier_map(r->supplier, process, &row);
	if (err)
		return err;
	*ret = row;
	return 0;
}

int registrar_learn(struct registrar *r, struct process *process)
{
	struct process_row row;

	if (process->exited || (!r->options.all && !process->selected))
		return 0;
	process_check_python(r->processes, process);

	int err = row_fill(r, process, &row);
	if (err)
		return err;
	struct registered *known = registered_get(r, process);
	if (!known)
		return -ENOMEM;
	if (!memcmp(&known->row, &row, sizeof(row)))
		return 0;

	err = capture_set_process(r->capture, process->id.pid, &row);
	if (err)
		return err;
	bool is_new_python = row.runtime && row.runtime != known->row.runtime;

	known->row = row;
	known->told_ns = clock_monotonic_ns();
	if (is_new_python)
		threads_read(r, known, process, 0);
	if (!r->options.all)
		supplier_expect(r->supplier, process);
	return 0;
}

int registrar_remind(struct registrar *r, struct process *process, u64 time_ns)
{
	struct registered *known;

	HASH_FIND(hh, r->registered, &process->key, sizeof(process->key), known);
	if (known && time_ns > known->told_ns)
		memset(&known->row, 0, sizeof(known->row));
	return registrar_learn(r, process);
}

static int id_put(struct id_queue *queue, const struct process_id *id)
{
	struct process_id *ids = array_reserve(queue->ids, &queue->capacity, queue->cnt + 1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	queue->ids = ids;
	queue->ids[queue->cnt++] = *id;
	return 0;
}

/* Learns the next one of the queue, that is not empty. */
static int id_take(struct registrar *r, struct id_queue *queue)
{
	struct process *process = process_table_find(r->processes, &queue->ids[queue->next++]);

	if (queue->next == queue->cnt)
		queue->next = queue->cnt = 0;
	return process ? registrar_learn(r, process) : 0;
}

int registrar_note(struct registrar *r, const struct process *process)
{
	struct id_queue *noted = &r->noted;

	if (noted->cnt && !memcmp(&noted->ids[noted->cnt - 1], &process->id, sizeof(process->id)))
		return 0;
	return id_put(noted, &process->id);
}

int registrar_turn(struct registrar *r)
{
	int err = 0;

	while (r->noted.cnt && err != -ENOMEM)
		err = id_take(r, &r->noted);
	r->noted.next = r->noted.cnt = 0;
	return err == -ENOMEM ? err : 0;
}

int registrar_postpone(struct registrar *r, const struct process *process)
{
	return id_put(&r->backlog, &process->id);
}

void registrar_catch_up(struct registrar *r, u64 slice_ns)
{
	for (u64 until = clock_monotonic_ns() + slice_ns; r->backlog.cnt && clock_monotonic_ns() < until;)
		id_take(r, &r->backlog);
}

bool registrar_is_behind(const struct registrar *r)
{
	return r->backlog.cnt;
}

void registrar_add_thread(struct registrar *r, struct process *process, u64 thread_pointer, u64 state)
{
	struct registered *known = registered_get(r, process);

	if (!known || process->exited)
		return;
	/* Threads come and go without telling us: now and then, only those that live are kept. */
	if (known->thread_cnt > 2 * known->listed_cnt + THREADS_SLACK && process->python_file)
		threads_read(r, known, process, 0);
	thread_put(r, known, process->id.pid, thread_pointer, state);
}

bool registrar_find_thread(struct registrar *r, struct process *process, u64 thread_pointer)
{
	struct registered *known = registered_get(r, process);

	if (!known || process->exited || !process->python_file || !process->python_file->python.supported)
		return false;
	/* Too soon after the last time to know; then it is not called stateless either. */
	if (clock_monotonic_ns() - known->list_read_ns < THREAD_LIST_PERIOD_NS)
		return true;
	if (threads_read(r, known, process, thread_pointer))
		return true;
	if (r->stateless_cnt < STATELESS_MAX &&
	    !capture_set_thread(r->capture, process->id.pid, thread_pointer, THREAD_STATE_NONE))
		r->stateless[r->stateless_cnt++] = (struct thread_key){process->id.pid, thread_pointer};
	return false;
}

void registrar_tick(struct registrar *r)
{
	while (r->stateless_cnt) {
		struct thread_key *key = &r->stateless[--r->stateless_cnt];
		capture_forget_thread(r->capture, key->pid, key->thread_pointer);
	}
}

void registrar_forget(struct registrar *r, const struct process *process)
{
	struct registered *known;

	HASH_FIND(hh, r->registered, &process->key, sizeof(process->key), known);
	if (known) {
		capture_forget_process(r->capture, &process->id);
		threads_forget(r, known, process->id.pid);
		registered_free(r, known);
	}
	supplier_forget(r->supplier, process);
}
