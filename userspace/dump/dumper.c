/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/dumper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "dump/about.h"
#include "dump/freeze.h"
#include "process/process.h"
#include "inspect/gil.h"
#include "dump/stack_reader.h"
#include "dump/task_reader.h"
#include "dump/thread_join.h"
#include "dump/thread_listing.h"
#include "dump/thread_reader.h"
#include "dump/thread_waits.h"

#define FREEZE_TIMEOUT_NS (200 * NS_PER_MS)

struct dumper {
	struct snapshot_options options;
	struct thread_capture *capture; /* borrowed */
	u32 pid;
	struct mapped_file_cache *own_files; /* NULL: others' */
	struct process_table *processes;
	struct process *process; /* of the table; NULL: not looked at */
	struct process_id id; /* of the last listing */
	struct remote_memory memory;
	struct python_objects objects;
	bool has_objects;
	struct stack_reader *stacks;
	struct thread_listing listings[3]; /* now, before, and before it was frozen */
};

int dumper_new(const struct snapshot_options *options, struct thread_capture *capture, u32 pid,
	       struct mapped_file_cache *files, struct dumper **ret)
{
	_cleanup_(dumper) struct dumper *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->options = *options;
	d->capture = capture;
	d->pid = pid;
	d->memory = remote_memory_of_process(pid);
	if (!files) {
		files = d->own_files = mapped_file_cache_new();
		if (!files)
			return -ENOMEM;
	}
	int err = process_table_new(files, &d->processes);
	if (err)
		return err;
	*ret = take(d);
	return 0;
}

void dumper_free(struct dumper *d)
{
	if (!d)
		return;
	thread_listing_deinit(&d->listings[0]);
	thread_listing_deinit(&d->listings[1]);
	thread_listing_deinit(&d->listings[2]);
	stack_reader_free(d->stacks);
	process_table_free(d->processes);
	mapped_file_cache_free(d->own_files);
	free(d);
}

/*
 * Who it is
 */

/* The pid means another process, or another program, than the last time. */
static bool is_other(const struct dumper *d, const struct process_id *id)
{
	return d->id.pid && (d->id.start_ns != id->start_ns || d->id.exec_id != id->exec_id);
}

static int identity_check(struct dumper *d, const struct thread_listing *listing)
{
	if (!listing->cnt)
		return -ESRCH;
	const struct process_id *id = &thread_listing_at(listing, 0)->process;
	int err = is_other(d, id) ? -ESTALE : 0;

	d->id = *id;
	return err;
}

static int listing_read(struct dumper *d)
{
	int err = thread_listing_read(&d->listings[0], d->capture, d->pid, d->options.kernel);

	return err ? err : identity_check(d, &d->listings[0]);
}

/*
 * What kind of process
 */

static int explain_no_mappings(u32 pid)
{
	_cleanup_(free) char *maps = NULL;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	int err = file_read(path, 64 << 20, &maps, &size);
	if (err == -ENOENT || err == -ESRCH)
		return -ESRCH;
	if (err == -EACCES || err == -EPERM)
		return -EPERM;
	return -ENODATA;
}

/* Finds its CPython, or why there is none to be found. */
static int process_look(struct dumper *d)
{
	/* A start of 0 is compared with nothing: whoever has the pid now. */
	const struct process_id id = {.pid = d->pid};
	int err = 0;

	if (!d->process)
		err = process_table_get(d->processes, d->id.pid ? &d->id : &id, "", &d->process);
	if (err)
		return err;
	process_mapping(d->process, 0);
	if (!d->process->mappings_read || !mapping_table_cnt(d->process->mappings))
		return explain_no_mappings(d->pid);
	process_check_python(d->processes, d->process);
	return d->process->python_file ? 0 : -ENOEXEC;
}

/* It may become another program while we look: so who it is is asked before, and again when its threads are listed. */
static int process_find(struct dumper *d)
{
	int err = process_look(d);

	if (err || d->id.pid)
		return err;
	err = listing_read(d);
	if (err)
		return err;
	d->process = NULL;
	return process_look(d);
}

static int stacks_open(struct dumper *d)
{
	const struct python_file *python = &d->process->python_file->python;

	if (d->stacks && !stack_reader_is_full(d->stacks))
		return 0;
	stack_reader_free(take(d->stacks));
	int err = python_objects_init(&d->objects, &d->memory, &python->layout, d->process->python_runtime);
	if (err && err != -ENOTSUP && err != -EFAULT)
		return err;
	d->has_objects = !err;
	return stack_reader_new(&d->options, d->processes, d->process, d->has_objects ? &d->objects : NULL, &d->stacks);
}

/* The first word tells whether we may look, and whether there is anything. */
static int runtime_look(struct dumper *d)
{
	const struct python_layout *layout = &d->process->python_file->python.layout;
	u64 interpreter;
	int err = remote_read(&d->memory, d->process->python_runtime + layout->runtime_interpreters, &interpreter,
			      sizeof(interpreter));

	return err ? err : interpreter ? 0 : -EAGAIN;
}

static enum python_phase phase_of(const struct dumper *d)
{
	enum runtime_state state;

	if (!d->has_objects || runtime_state_read(&d->objects, &state))
		return PYTHON_RUNNING;
	return state == RUNTIME_STARTING     ? PYTHON_STARTING
	       : state == RUNTIME_FINALIZING ? PYTHON_FINALIZING
					     : PYTHON_RUNNING;
}

static int python_look(struct dumper *d, struct snapshot *snapshot)
{
	int err = process_find(d);

	if (err)
		return err;
	const struct python_file *python = &d->process->python_file->python;
	snapshot->version = python->version;
	snapshot->free_threaded = python->supported && python->layout.free_threaded;
	snapshot->runtime = d->process->python_runtime;
	snapshot->phase = PYTHON_UNSUPPORTED;
	if (!python->supported)
		return -ENOTSUP;
	snapshot->phase = PYTHON_STARTING;
	err = runtime_look(d);
	if (err && err != -EAGAIN)
		return err;
	int open_err = stacks_open(d);
	if (open_err)
		return open_err;
	snapshot->phase = phase_of(d);
	if (err && snapshot->phase == PYTHON_RUNNING)
		snapshot->phase = PYTHON_STARTING;
	return err;
}

/*
 * The threads
 */

/*
 * Who has the GIL runs, and is mostly read a moment later, when it stands and waits to
 * get it back. So where nobody was read with it, who had it in the beginning is told.
 */
static void gil_settle_begin(struct thread_reader *r)
{
	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];
		bool had_gil = t->interpreter && t->interpreter->gil.exists &&
			       t->interpreter->gil.holder == t->thread.state;

		for (size_t j = 0; j < r->cnt && had_gil; j++)
			had_gil = !r->threads[j].thread.holds_gil ||
				  !interpreters_share_gil(t->interpreter, r->threads[j].interpreter);
		t->thread.had_gil = had_gil;
	}
}

/* Everybody shares one GIL, or each interpreter has its own: of those that have one, who was read last has it. */
static void gil_settle(struct thread_reader *r)
{
	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		for (size_t j = 0; j < i && t->thread.holds_gil; j++) {
			struct read_thread *other = &r->threads[j];

			if (!other->thread.holds_gil || !interpreters_share_gil(t->interpreter, other->interpreter))
				continue;
			if (other->read_ns <= t->read_ns)
				other->thread.holds_gil = false;
			else
				t->thread.holds_gil = false;
		}
	}
	gil_settle_begin(r);
}

/* Instead of stacks: the state of each, and who has the GIL. */
static void threads_only(struct thread_reader *r)
{
	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];
		const struct thread_record *record = thread_listing_find(r->now, t->thread.tid);

		t->stack.loss = LOSS_NONE;
		t->is_gone = !record && (!t->thread.tid || read_thread_has_ended(r, t));
		if (record)
			read_thread_record(r, t, record);
		t->thread.holds_gil = !t->is_gone && t->interpreter && t->interpreter->gil.exists &&
				      t->interpreter->gil.holder == t->thread.state;
	}
}

static int threads_keep(struct thread_reader *r, struct snapshot *snapshot)
{
	snapshot->threads = snapshot_room(snapshot, r->cnt, sizeof(*snapshot->threads));
	if (!snapshot->threads)
		return -ENOMEM;
	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		t->thread.loss = t->stack.loss;
		t->thread.frames = t->stack.frames;
		t->thread.frame_cnt = t->stack.cnt;
		t->thread.python_cnt = t->stack.python_cnt;
		snapshot->threads[i] = t->thread;
	}
	snapshot->thread_cnt = r->cnt;
	return 0;
}

/* What is read while the process may be frozen. */
static int threads_read(struct dumper *d, struct thread_reader *r, struct thread_join *join)
{
	int err = 0;

	if (d->options.threads_only)
		threads_only(r);
	else
		err = thread_reader_read(r);
	if (err)
		return err;
	thread_join_settle(join, r);
	gil_settle(r);
	if (!d->options.stacks_only)
		err = thread_join_name(join, r);
	if (!err && !d->options.stacks_only)
		err = thread_waits_explain(r);
	if (!err)
		err = threads_keep(r, r->snapshot);
	if (!err && !d->options.stacks_only && !d->options.threads_only)
		err = thread_waits_find_deadlocks(r, r->snapshot);
	if (d->options.tasks && !d->has_objects)
		r->snapshot->tasks_read = TASKS_SOME;
	for (size_t i = 0; !err && d->options.tasks && d->has_objects && i < join->interpreter_cnt; i++)
		err = tasks_read(&d->objects, join->interpreters[i].address, join->interpreters[i].id, d->stacks,
				 r->snapshot);
	return err;
}

/* Native frames are named last: that opens files, and no thread has to wait for it. */
static int frames_name(struct thread_reader *r)
{
	int err = stack_reader_name_all(r->stacks);

	for (size_t i = 0; !err && i < r->cnt; i++)
		err = stack_reader_name(r->stacks, r->snapshot, &r->threads[i].stack);
	return err;
}

/*
 * Snapshots
 */

static int process_freeze(struct dumper *d, struct freeze **ret)
{
	int err = thread_listing_read(&d->listings[2], d->capture, d->pid, false);

	return err ? err : freeze_begin(d->pid, FREEZE_TIMEOUT_NS, ret);
}

static int snapshot_fill(struct dumper *d, struct snapshot *snapshot, struct freeze **freeze)
{
	_cleanup_(thread_join) struct thread_join *join = NULL;
	int err = python_look(d, snapshot);

	if (err)
		return err;
	if (d->options.freeze)
		err = process_freeze(d, freeze);
	if (!err)
		err = listing_read(d);
	if (err)
		return err;

	const struct python_file *python = &d->process->python_file->python;
	struct thread_reader r = {
		.options = &d->options,
		.capture = d->capture,
		.process = d->process,
		.objects = d->has_objects ? &d->objects : NULL,
		.current = python->current ? python->current + d->process->python_bias : 0,
		.stacks = d->stacks,
		.snapshot = snapshot,
		.now = &d->listings[0],
		.before = &d->listings[1],
		.awake = d->options.freeze ? &d->listings[2] : NULL,
	};
	err = thread_join_make(&r, &join);
	if (!err)
		err = threads_read(d, &r, join);
	if (!err)
		err = identity_check(d, r.now);
	if (*freeze)
		snapshot->frozen_ns = freeze_end(take(*freeze));
	if (!err)
		err = frames_name(&r);
	snapshot->has_native = !err && d->options.native != DUMP_NATIVE_NONE;
	return err;
}

/* Before the first line of the program, and after the last, there are no threads to be shown. */
static int check_phase(const struct snapshot *snapshot)
{
	if (snapshot->phase != PYTHON_STARTING && snapshot->phase != PYTHON_FINALIZING)
		return 0;
	for (size_t i = 0; i < snapshot->thread_cnt; i++)
		if (snapshot->threads[i].python_cnt || snapshot->threads[i].taken == TAKEN_NOT)
			return 0;
	return -EAGAIN;
}

int dumper_take(struct dumper *d, struct snapshot **ret)
{
	u64 begin_ns = clock_monotonic_ns();
	int err = -ESTALE;

	/* It may become another program under our eyes; not for ever. */
	for (int i = 0; err == -ESTALE && i < 3; i++) {
		_cleanup_(freeze) struct freeze *freeze = NULL;
		_cleanup_(snapshot) struct snapshot *snapshot = NULL;

		err = snapshot_new(d->pid, &snapshot);
		if (!err)
			err = about_read(snapshot);
		if (err)
			return err;
		err = snapshot_fill(d, snapshot, &freeze);
		/* What could not be read may be where the program before had it. */
		if (err && err != -ENOMEM && err != -ESTALE && d->id.pid && listing_read(d) == -ESTALE)
			err = -ESTALE;
		if (!err)
			err = check_phase(snapshot);
		if (err)
			snapshot->thread_cnt = 0;
		if (err == -ESTALE && i < 2) {
			stack_reader_free(take(d->stacks));
			d->process = NULL;
			continue;
		}
		snapshot->wall_ns = clock_monotonic_ns() - begin_ns;
		*ret = take(snapshot);
	}
	return err == -ESTALE ? -EAGAIN : err;
}

int dump_process(const struct snapshot_options *options, struct thread_capture *capture, u32 pid, struct snapshot **ret)
{
	_cleanup_(dumper) struct dumper *dumper = NULL;
	int err = dumper_new(options, capture, pid, NULL, &dumper);

	return err ? err : dumper_take(dumper, ret);
}
