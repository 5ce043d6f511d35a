/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/thread_join.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "process/process.h"
#include "python/thread_list.h"
#include "inspect/thread_name.h"

/* Sub-interpreters beyond these have numbers in the order of CPython's list. */
#define NUMBERED_MAX 256

void thread_join_free(struct thread_join *join)
{
	if (!join)
		return;
	free(join->interpreters);
	free(join->threads);
	free(join);
}

/*
 * Interpreters
 */

static struct read_interpreter *interpreter_find(const struct thread_join *join, u64 address)
{
	for (size_t i = 0; i < join->interpreter_cnt; i++)
		if (join->interpreters[i].address == address)
			return &join->interpreters[i];
	return NULL;
}

static int interpreter_add(struct thread_join *join, u64 address, u32 id)
{
	struct read_interpreter *at = array_reserve(join->interpreters, &join->interpreter_capacity,
						    join->interpreter_cnt + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	join->interpreters = at;
	at[join->interpreter_cnt++] = (struct read_interpreter){.address = address, .id = id};
	return 0;
}

static int compare_interpreters(const void *a, const void *b)
{
	const struct read_interpreter *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static int interpreters_read(struct thread_join *join, const struct thread_reader *r)
{
	struct python_interpreter numbered[NUMBERED_MAX];
	size_t cnt = NUMBERED_MAX;
	int err = 0;

	if (!r->objects || interpreter_list_read(r->objects, numbered, &cnt))
		return 0;
	for (size_t i = 0; !err && i < cnt; i++)
		err = interpreter_add(join, numbered[i].address, numbered[i].id);
	return err;
}

static void gils_read(struct thread_join *join, const struct thread_reader *r)
{
	for (size_t i = 0; r->objects && i < join->interpreter_cnt; i++) {
		struct read_interpreter *interpreter = &join->interpreters[i];

		if (gil_read(r->objects, r->current, interpreter->address, &interpreter->gil))
			interpreter->gil = (struct python_gil){0};
	}
}

/*
 * Threads
 */

struct states {
	struct python_thread *at;
	size_t cnt, capacity;
};

static int on_state(void *ctx, const struct python_thread *thread)
{
	struct states *states = ctx;
	struct python_thread *at = array_reserve(states->at, &states->capacity, states->cnt + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	states->at = at;
	at[states->cnt++] = *thread;
	return 0;
}

static int states_read(const struct thread_reader *r, struct states *ret)
{
	const struct remote_memory memory = remote_memory_of_process(r->process->id.pid);
	const struct python_layout *layout = &r->process->python_file->python.layout;

	return thread_list_read(&memory, layout, r->process->python_runtime, on_state, ret);
}

static int thread_add(struct thread_join *join, const struct thread_record *record, const struct python_thread *state,
		      const struct read_interpreter *interpreter)
{
	struct read_thread *at = array_reserve(join->threads, &join->thread_capacity, join->thread_cnt + 1,
					       sizeof(*at));
	if (!at)
		return -ENOMEM;
	join->threads = at;
	at += join->thread_cnt++;
	*at = (struct read_thread){.interpreter = interpreter};
	at->thread.name = "";
	at->thread.wait = (struct dump_wait){.fd = -1, .on = ""};
	at->thread.loss = at->stack.loss = LOSS_NONE;
	if (state) {
		at->thread.ident = state->thread_pointer;
		at->thread.state = state->state;
		at->thread.interpreter = interpreter->id;
	}
	if (record)
		read_thread_own(at, record);
	return 0;
}

static bool has_tid(const struct thread_join *join, u32 tid, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (join->threads[i].thread.tid == tid)
			return true;
	return false;
}

/* One that has ended since the listing before is known by that. */
static const struct thread_record *owner_of(const struct thread_reader *r, const struct python_thread *state)
{
	const struct thread_record *now = thread_listing_find_pointer(r->now, state->thread_pointer);

	return now ? now : thread_listing_find_pointer(r->before, state->thread_pointer);
}

/* A thread that began after the listing has a PyThreadState in the list, and would be taken for one that is no more. */
static int owners_complete(struct thread_reader *r, const struct states *states)
{
	r->before->size = r->before->cnt = 0;
	for (size_t i = 0; i < states->cnt; i++)
		if (!thread_listing_find_pointer(r->now, states->at[i].thread_pointer))
			return thread_reader_look(r);
	return 0;
}

static int threads_make(struct thread_join *join, const struct thread_reader *r, const struct states *states)
{
	size_t python_cnt;
	int err = 0;

	/* What is no interpreter's that was listed came after that: it is numbered behind those. */
	for (size_t i = 0; !err && i < states->cnt; i++)
		if (!interpreter_find(join, states->at[i].interpreter))
			err = interpreter_add(join, states->at[i].interpreter, join->interpreter_cnt);
	if (err)
		return err;
	if (join->interpreter_cnt)
		qsort(join->interpreters, join->interpreter_cnt, sizeof(*join->interpreters), compare_interpreters);
	gils_read(join, r);

	for (size_t j = 0; j < join->interpreter_cnt; j++)
		for (size_t i = 0; !err && i < states->cnt; i++)
			if (states->at[i].interpreter == join->interpreters[j].address)
				err = thread_add(join, owner_of(r, &states->at[i]), &states->at[i],
						 &join->interpreters[j]);
	python_cnt = join->thread_cnt;
	for (size_t i = 0; !err && r->options->native_threads && i < r->now->cnt; i++) {
		const struct thread_record *record = thread_listing_at(r->now, i);

		if (!has_tid(join, record->tid, python_cnt))
			err = thread_add(join, record, NULL, NULL);
	}
	return err;
}

int thread_join_make(struct thread_reader *r, struct thread_join **ret)
{
	_cleanup_(thread_join) struct thread_join *join = calloc(1, sizeof(*join));
	if (!join)
		return -ENOMEM;
	struct states states = {0};
	int err = interpreters_read(join, r);

	if (!err)
		err = states_read(r, &states);
	if (!err)
		err = owners_complete(r, &states);
	if (!err)
		err = threads_make(join, r, &states);
	free(states.at);
	if (err)
		return err;
	r->threads = join->threads;
	r->cnt = join->thread_cnt;
	*ret = take(join);
	return 0;
}

/* To 3.11 a new PyThreadState carries its creator's ident until its thread begins, and has no frames. */
static bool is_idle_double(const struct thread_join *join, const struct read_thread *t)
{
	if (!t->thread.state || t->stack.python_cnt)
		return false;
	for (size_t i = 0; i < join->thread_cnt; i++) {
		const struct read_thread *other = &join->threads[i];

		if (other != t && other->thread.ident == t->thread.ident && !other->is_gone && other->thread.state &&
		    (other->stack.python_cnt || other < t))
			return true;
	}
	return false;
}

void thread_join_settle(struct thread_join *join, struct thread_reader *r)
{
	size_t cnt = 0;

	for (size_t i = 0; i < join->thread_cnt; i++)
		if (!join->threads[i].is_gone && is_idle_double(join, &join->threads[i]))
			join->threads[i].is_gone = true;
	for (size_t i = 0; i < join->thread_cnt; i++)
		if (!join->threads[i].is_gone)
			join->threads[cnt++] = join->threads[i];
	r->cnt = join->thread_cnt = cnt;
}

struct naming {
	struct thread_reader *reader;
	const struct read_interpreter *interpreter;
};

static int on_name(void *ctx, u64 ident, const char *name)
{
	struct naming *naming = ctx;
	struct thread_reader *r = naming->reader;

	for (size_t i = 0; i < r->cnt; i++) {
		struct read_thread *t = &r->threads[i];

		if (t->interpreter != naming->interpreter || t->thread.ident != ident)
			continue;
		t->thread.name = snapshot_text(r->snapshot, name);
		if (!t->thread.name)
			return -ENOMEM;
	}
	return 0;
}

int thread_join_name(struct thread_join *join, struct thread_reader *r)
{
	int err = 0;

	/* Names that cannot be read are missing, and nothing else. */
	for (size_t i = 0; err != -ENOMEM && r->objects && i < join->interpreter_cnt; i++) {
		struct naming naming = {.reader = r, .interpreter = &join->interpreters[i]};

		err = thread_names_read(r->objects, join->interpreters[i].address, on_name, &naming);
	}
	return err == -ENOMEM ? err : 0;
}
