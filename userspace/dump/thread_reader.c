/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/thread_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pyprof/unwind.h"

/*
 * Every thread that waits for the GIL wakes up each 5 ms, be it to see that it has to
 * go on waiting. So a batch must take much less than that, and as many threads are in
 * one as held still lately.
 */
#define BATCH_FIRST 8
#define BATCH_MAX   64

/* Who ran is tried again after so long: a turn at the GIL lasts 5 ms. */
static const u64 pauses_ns[] = {0, 300000, 700000, 1500000, 3000000};
#define PASS_CNT (sizeof(pauses_ns) / sizeof(*pauses_ns))

#define SAMPLE_TIMEOUT_NS  (200 * NS_PER_MS)
#define RUNNING_TIMEOUT_NS (10 * NS_PER_MS) /* who runs is sampled in a quarter of a millisecond; or it has stopped */
#define STACK_SIZE_MAX	   (1ull << 30)
#define ROUND_CNT	   3 /* of passes, then samples: a thread that sleeps when it is to be sampled stands, and so on */

int thread_reader_look(struct thread_reader *r)
{
	struct thread_listing *next = r->before;

	r->before = r->now;
	r->now = next;
	return thread_listing_read(r->now, r->capture, r->process->id.pid, r->options->kernel);
}

void read_thread_own(struct read_thread *t, const struct thread_record *record)
{
	t->thread.tid = record->tid;
	t->thread.is_main = record->tid == record->process.pid;
	memcpy(t->thread.comm, record->comm, sizeof(t->thread.comm));
	t->thread.comm[sizeof(t->thread.comm) - 1] = 0;
	t->thread.record = *record;
	t->thread.record.kernel_cnt = 0;
	t->thread.record.record.size = sizeof(*record);
}

static void pause_ns(u64 ns)
{
	const struct timespec pause = {.tv_nsec = ns};

	if (ns)
		nanosleep(&pause, NULL);
}

/* Whether it has the GIL at this moment. */
static bool holds_gil(const struct thread_reader *r, const struct read_thread *t)
{
	struct python_gil gil;

	return t->interpreter && r->objects && !gil_read(r->objects, r->current, t->interpreter->address, &gil) &&
	       gil.exists && gil.holder == t->thread.state;
}

/* Being stopped it left its sleep, and goes on sleeping afterwards: what it was in when it was told to stop is meant. */
static bool did_not_go_on(const struct thread_record *awake, const struct thread_record *frozen)
{
	return !(awake->flags & THREAD_ON_CPU) && awake->registers[REG_RIP] == frozen->registers[REG_RIP] &&
	       awake->registers[REG_RSP] == frozen->registers[REG_RSP];
}

/*
 * What a thread was at until we stopped it; awake: the last look before, NULL if it began
 * later. It is traced (state t) by nobody but us, for who has a tracer is not frozen.
 */
static struct thread_record record_unfrozen(const struct thread_record *awake, const struct thread_record *frozen)
{
	struct thread_record record = *frozen;

	if (frozen->state != 't')
		return record;
	if (awake && did_not_go_on(awake, frozen)) {
		record = *awake;
		record.switches = frozen->switches;
		return record;
	}
	/* It ran. In a system call that is to begin again, it had gone to sleep in the meantime. */
	bool sleeps = frozen->flags & THREAD_IN_SYSCALL;
	u32 runs = awake ? awake->flags & THREAD_ON_CPU : 0;

	record.state = sleeps ? 'S' : 'R';
	if (!sleeps)
		record.flags |= runs ? runs : THREAD_RUNNABLE;
	if (runs)
		record.cpu = awake->cpu;
	if (runs && !sleeps)
		record.off_cpu_ns = 0;
	return record;
}

void read_thread_record(const struct thread_reader *r, struct read_thread *t, const struct thread_record *record)
{
	const struct thread_record *awake = r->awake ? thread_listing_find(r->awake, t->thread.tid) : NULL;

	t->thread.record = r->awake ? record_unfrozen(awake, record) : *record;
	t->thread.record.kernel_cnt = 0;
	t->thread.record.record.size = sizeof(*record);
}

static void thread_take(const struct thread_reader *r, struct read_thread *t, const struct thread_record *record,
			enum taken taken)
{
	t->is_done = true;
	t->thread.taken = taken;
	if (record)
		read_thread_record(r, t, record);
}

/* By a sample: it ran, whatever it was at when it was listed. */
static void thread_take_sample(const struct thread_reader *r, struct read_thread *t, const struct sample *sample)
{
	struct thread_record *record = &t->thread.record;

	thread_take(r, t, thread_listing_find(r->now, t->thread.tid), TAKEN_ON_CPU);
	record->state = 'R';
	record->flags = (record->flags & ~(THREAD_RUNNABLE | THREAD_IN_SYSCALL)) | THREAD_ON_CPU;
	record->cpu = sample->cpu;
	record->off_cpu_ns = 0;
	record->syscall = 0;
	memset(record->arguments, 0, sizeof(record->arguments));
}

/* As it stands now; to be believed or not. */
static int thread_read(struct thread_reader *r, struct read_thread *t, const struct thread_record *record)
{
	struct stack_frames stack;
	int err = stack_reader_rest(r->stacks, r->snapshot, record, t->thread.state, t->thread.ident, &stack);

	if (err == -ENOMEM)
		return err;
	t->stack = (struct stack_frames){.loss = LOSS_PYTHON_FAULT};
	if (!err)
		t->stack = stack;
	t->is_gone = err == -ESRCH;
	t->read_ns = clock_monotonic_ns();
	t->thread.holds_gil = holds_gil(r, t);
	return 0;
}

/* glibc and musl have a thread's stack right below its thread pointer; the first thread's is the system's. */
static bool has_on_stack(const struct thread_record *record, u64 address)
{
	return address >= record->registers[REG_RSP] && address < record->thread_pointer;
}

/*
 * A PyThreadState says who made it. To 3.12 another thread may have taken it over, with
 * the sub-interpreter that it belongs to: then that one's C stack is where its frames
 * have their anchors. Gives that thread, or NULL when it is the one that we took it for.
 */
static const struct thread_record *true_owner(const struct thread_reader *r, const struct read_thread *t)
{
	const struct thread_record *record = thread_listing_find(r->now, t->thread.tid), *owner = NULL;

	if (!t->stack.anchor || !record || has_on_stack(record, t->stack.anchor))
		return NULL;
	for (size_t i = 0; i < r->now->cnt; i++) {
		const struct thread_record *other = thread_listing_at(r->now, i);
		bool is_main = other->tid == other->process.pid;

		if (!is_main && has_on_stack(other, t->stack.anchor) &&
		    (!owner || other->thread_pointer < owner->thread_pointer))
			owner = other;
	}
	return owner && owner->thread_pointer - t->stack.anchor < STACK_SIZE_MAX ? owner : NULL;
}

/* The kernel's list may have broken off before it came to this one. */
bool read_thread_has_ended(const struct thread_reader *r, const struct read_thread *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u", r->process->id.pid, t->thread.tid);
	return access(path, F_OK) != 0;
}

/* It is read again, for it was the wrong thread that held still. */
static bool thread_move(const struct thread_reader *r, struct read_thread *t)
{
	const struct thread_record *owner = t->interpreter && t->interpreter->id ? true_owner(r, t) : NULL;

	if (!owner || owner->tid == t->thread.tid)
		return false;
	read_thread_own(t, owner);
	return true;
}

/* Its stack counts if it did not run since the listing before the last one. */
static bool thread_confirm(struct thread_reader *r, struct read_thread *t)
{
	const struct thread_record *before = thread_listing_find(r->before, t->thread.tid);
	const struct thread_record *now = thread_listing_find(r->now, t->thread.tid);

	if ((!before || !now) && read_thread_has_ended(r, t)) {
		t->is_done = t->is_gone = true;
		return true;
	}
	if (!before || !now || thread_move(r, t) || !thread_record_held_still(before, now)) {
		t->is_gone = false;
		r->snapshot->reread_cnt++;
		return false;
	}
	thread_take(r, t, before, r->awake ? TAKEN_FROZEN : TAKEN_AT_REST);
	return true;
}

static int batch_read(struct thread_reader *r, struct read_thread **batch, size_t cnt, size_t *ret_confirmed)
{
	size_t confirmed = 0;
	int err = 0;

	for (size_t i = 0; !err && i < cnt; i++)
		err = thread_read(r, batch[i], thread_listing_find(r->now, batch[i]->thread.tid));
	if (!err)
		err = thread_reader_look(r);
	for (size_t i = 0; !err && i < cnt; i++)
		confirmed += thread_confirm(r, batch[i]);
	*ret_confirmed = confirmed;
	return err;
}

/* Can be read where it stands, as far as the last listing knows. */
static bool can_read(const struct thread_reader *r, struct read_thread *t)
{
	const struct thread_record *record = thread_listing_find(r->now, t->thread.tid);

	if (!record && read_thread_has_ended(r, t))
		t->is_done = t->is_gone = true;
	return record && !(record->flags & THREAD_ON_CPU);
}

/* Once over all that are not done. *ret_left: how many still are not. */
static int pass(struct thread_reader *r, size_t *batch_max, size_t *ret_left)
{
	struct read_thread *batch[BATCH_MAX];
	size_t cnt = 0, confirmed, left = 0;
	int err = 0;

	for (size_t i = 0; !err && i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		if (!t->is_done && can_read(r, t))
			batch[cnt++] = t;
		if (!cnt || (cnt < *batch_max && i + 1 < r->cnt))
			continue;
		err = batch_read(r, batch, cnt, &confirmed);
		if (confirmed == cnt && *batch_max < BATCH_MAX)
			*batch_max *= 2;
		else if (confirmed<cnt && * batch_max> 1)
			*batch_max /= 2;
		cnt = 0;
	}
	for (size_t i = 0; i < r->cnt; i++)
		left += !r->threads[i].is_done;
	*ret_left = left;
	return err;
}

static int read_at_rest(struct thread_reader *r, size_t pass_cnt, size_t *ret_left)
{
	size_t batch_max = r->options->locals ? 1 : BATCH_FIRST;
	int err = 0;

	for (size_t i = 0; !err && i < pass_cnt; i++) {
		if (i) {
			pause_ns(pauses_ns[i]);
			err = thread_reader_look(r);
		}
		if (!err)
			err = pass(r, &batch_max, ret_left);
		if (!*ret_left)
			break;
	}
	return err;
}

/*
 * On their own CPUs
 */

/* Of a thread with several PyThreadStates the sample is about one. */
static struct read_thread *sampled_thread(struct thread_reader *r, const struct sample *sample)
{
	struct read_thread *only = NULL;
	size_t cnt = 0;

	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		if (t->thread.tid != sample->tid)
			continue;
		if (t->thread.state == sample->thread_state)
			return t;
		only = t;
		cnt++;
	}
	return cnt == 1 ? only : NULL;
}

static int on_sample(void *ctx, const struct thread_sample *sample)
{
	struct thread_reader *r = ctx;
	struct read_thread *t = sampled_thread(r, sample->sample);

	/* A list that is changed at that instant hides a state from the kernel side. */
	if (!t || t->is_done || (t->thread.state && !sample->sample->thread_state))
		return 0;
	/* First, for it does not last. */
	bool has_gil = holds_gil(r, t);
	int err = stack_reader_sample(r->stacks, r->snapshot, sample, &t->stack);
	if (err)
		return err == -ENOMEM ? err : 0;
	t->thread.holds_gil = has_gil;
	t->read_ns = sample->sample->record.time_ns;
	thread_take_sample(r, t, sample->sample);
	return 0;
}

/* all: also those that are off their CPUs at the moment. */
static int read_on_cpu(struct thread_reader *r, bool all, u64 timeout_ns)
{
	const struct mapped_file *file = r->process->python_file;
	_cleanup_(free) u32 *tids = calloc(r->cnt + 1, sizeof(*tids));
	struct process_id id = {0};
	size_t cnt = 0;

	if (!tids)
		return -ENOMEM;
	for (size_t i = 0; i < r->cnt; i++) {
		u32 tid = r->threads[i].thread.tid;
		const struct thread_record *record = thread_listing_find(r->now, tid);

		if (!r->threads[i].is_done && record && (all || record->flags & THREAD_ON_CPU) &&
		    (!cnt || tids[cnt - 1] != tid))
			tids[cnt++] = tid;
	}
	if (!cnt)
		return 0;
	id = thread_listing_at(r->now, 0)->process;
	int err = thread_capture_sample(r->capture, &id, &file->python.layout, r->process->python_runtime, tids, cnt,
					timeout_ns, on_sample, r);
	if (!err)
		err = thread_reader_look(r);
	return err;
}

/* What could not be had is said of each thread. */
static void give_up(struct thread_reader *r)
{
	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		if (t->is_done)
			continue;
		t->stack = (struct stack_frames){.loss = LOSS_TIME};
		t->thread.holds_gil = false;
		thread_take(r, t, thread_listing_find(r->now, t->thread.tid), TAKEN_NOT);
	}
}

/* No thread belongs to these PyThreadStates, before and after: so nobody changed their frames. */
static void ownerless_confirm(struct thread_reader *r, struct read_thread *t)
{
	const struct thread_record *owner = thread_listing_find_pointer(r->now, t->thread.ident);

	/* It has begun meanwhile: then it is read like all others. */
	if (owner) {
		read_thread_own(t, owner);
		t->is_gone = false;
		return;
	}
	t->is_gone = t->is_gone || !t->stack.python_cnt;
	thread_take(r, t, NULL, r->awake ? TAKEN_FROZEN : TAKEN_AT_REST);
}

static int read_ownerless(struct thread_reader *r)
{
	size_t cnt = 0;
	int err = 0;

	for (size_t i = 0; !err && i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];
		const struct thread_record record = {.process = r->process->id, .thread_pointer = t->thread.ident};

		if (t->thread.tid)
			continue;
		err = thread_read(r, t, &record);
		cnt++;
	}
	if (err || !cnt)
		return err;
	err = thread_reader_look(r);
	for (size_t i = 0; !err && i < r->cnt; i++)
		if (!r->threads[i].thread.tid)
			ownerless_confirm(r, &r->threads[i]);
	return err;
}

int thread_reader_read(struct thread_reader *r)
{
	size_t left = 0;
	int err = read_ownerless(r);

	/* Where the kernel cannot sample, they are read like all others. */
	if (!err && r->options->running && !r->awake && read_on_cpu(r, false, RUNNING_TIMEOUT_NS) == -ENOMEM)
		return -ENOMEM;
	for (size_t round = 0; !err && round < ROUND_CNT; round++) {
		err = read_at_rest(r, PASS_CNT, &left);
		if (err || !left || r->awake)
			break;
		err = read_on_cpu(r, true, SAMPLE_TIMEOUT_NS);
		/* Where the kernel cannot sample, who never stands is not read. */
		if (err && err != -ENOMEM) {
			err = 0;
			break;
		}
	}
	if (!err)
		give_up(r);
	return err;
}
