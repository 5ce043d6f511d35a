/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/thread_list.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * Threads come and go while we read: a state that was freed under us leads
 * anywhere. So a pass over one interpreter's list collects, notices a broken
 * link, and is repeated; only what the last pass found is told.
 */
#define PASSES 4

struct collection {
	struct python_thread *threads;
	size_t cnt, capacity;
};

static void collection_free(struct collection *collection)
{
	free(collection->threads);
	free(collection);
}
DEFINE_CLEANUP(collection, struct collection *, collection_free)

static int collection_add(struct collection *collection, const struct python_thread *thread)
{
	if (collection->cnt == collection->capacity) {
		size_t capacity = collection->capacity ? 2 * collection->capacity : 16;
		struct python_thread *threads = realloc(collection->threads, capacity * sizeof(*threads));
		if (!threads)
			return -ENOMEM;
		collection->threads = threads;
		collection->capacity = capacity;
	}
	collection->threads[collection->cnt++] = *thread;
	return 0;
}

static int read_u64(const struct remote_memory *memory, u64 address, u64 *ret)
{
	return remote_read(memory, address, ret, sizeof(*ret));
}

/* What is read of one PyThreadState. */
struct thread_window {
	u64 previous; /* 0: the head, or a version without this link */
	u64 next, interpreter;
	struct python_thread thread;
};

static u64 window_u64(const u8 *window, u16 offset)
{
	u64 value;

	memcpy(&value, window + offset, sizeof(value));
	return value;
}

static int thread_window_read(const struct remote_memory *memory, const struct python_layout *layout, u64 state,
			      struct thread_window *ret)
{
	u8 window[THREAD_STATE_WINDOW];
	int err = remote_read(memory, state, window, layout->thread_window);
	if (err)
		return err;

	*ret = (struct thread_window){
		.previous = layout->thread_previous == ABSENT ? 0 : window_u64(window, layout->thread_previous),
		.next = window_u64(window, layout->thread_next),
		.interpreter = window_u64(window, layout->thread_interpreter),
		.thread = {.state = state,
			   .thread_pointer = window_u64(window, layout->thread_id),
			   .interpreter = window_u64(window, layout->thread_interpreter),
			   .frame = window_u64(window, layout->thread_frame)},
	};
	return 0;
}

/*
 * Does the state's link lead back to where we came from? The head may have got a newer
 * neighbour since: then this pass is torn, yet goes on; all others must lead back. 2.7
 * has no such link: there, the interpreter that each state names must do.
 */
static bool link_leads_back(const struct python_layout *layout, const struct thread_window *window, u64 previous,
			    bool *torn)
{
	if (layout->thread_previous == ABSENT || window->previous == previous)
		return true;
	*torn = true;
	return !previous;
}

/*
 * A circle is found as Brent's algorithm does: one state is remembered, for twice as
 * long each time, until it is met again. (Where links lead back, only the head can be.)
 */
struct circle {
	u64 state;
	size_t at, limit; /* its place in the list; for how many states it is remembered */
};

static bool circle_closes(struct circle *circle, u64 state, size_t at)
{
	if (state == circle->state)
		return true;
	if (at - circle->at == circle->limit) {
		circle->state = state;
		circle->at = at;
		circle->limit = circle->limit ? 2 * circle->limit : 1;
	}
	return false;
}

/* Takes what was collected more than once; the circle is as long as it took to come round. */
static void circle_cut(const struct circle *circle, struct collection *collection, size_t begin)
{
	size_t length = collection->cnt - begin - circle->at;

	for (size_t i = begin; i + length < collection->cnt; i++)
		if (collection->threads[i].state == collection->threads[i + length].state)
			collection->cnt = i + length;
}

/* One pass. Torn: something changed under way. */
static int interpreter_pass(const struct remote_memory *memory, const struct python_layout *layout, u64 interpreter,
			    struct collection *collection, bool *torn)
{
	struct circle circle = {0};
	size_t begin = collection->cnt;
	u64 head, state, previous = 0;
	int err = read_u64(memory, interpreter + layout->interpreter_threads, &head);

	*torn = false;
	for (state = err ? 0 : head; !err && state && collection->cnt < PYTHON_THREADS_MAX;) {
		struct thread_window window;

		err = thread_window_read(memory, layout, state, &window);
		if (err && err != -EFAULT)
			return err;
		if (err || window.interpreter != interpreter || (previous && state == head) ||
		    !link_leads_back(layout, &window, previous, torn)) {
			*torn = true;
			return 0;
		}
		if (circle_closes(&circle, state, collection->cnt - begin)) {
			circle_cut(&circle, collection, begin);
			*torn = true;
			return 0;
		}
		err = collection_add(collection, &window.thread);
		previous = state;
		state = window.next;
	}
	return err;
}

static int interpreter_collect(const struct remote_memory *memory, const struct python_layout *layout, u64 interpreter,
			       struct collection *collection)
{
	size_t before = collection->cnt;
	bool torn = true;
	int err = 0;

	for (int pass = 0; torn && !err && pass < PASSES; pass++) {
		collection->cnt = before;
		err = interpreter_pass(memory, layout, interpreter, collection, &torn);
	}
	return err;
}

static bool contains(const u64 *addresses, size_t cnt, u64 address)
{
	for (size_t i = 0; i < cnt; i++)
		if (addresses[i] == address)
			return true;
	return false;
}

static int process_collect(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
			   struct collection *collection)
{
	u64 seen[PYTHON_INTERPRETERS_MAX];
	size_t cnt = 0;
	u64 interpreter;
	int err = read_u64(memory, runtime + layout->runtime_interpreters, &interpreter);

	while (!err && interpreter && cnt < PYTHON_INTERPRETERS_MAX && !contains(seen, cnt, interpreter)) {
		seen[cnt++] = interpreter;
		err = interpreter_collect(memory, layout, interpreter, collection);
		if (!err)
			err = read_u64(memory, interpreter + layout->interpreter_next, &interpreter);
	}
	/* An interpreter that was freed under us ends the list, as the last one does. */
	return err == -EFAULT && cnt ? 0 : err;
}

int thread_list_read(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
		     int (*visit)(void *ctx, const struct python_thread *thread), void *ctx)
{
	_cleanup_(collection) struct collection *collection = calloc(1, sizeof(*collection));
	if (!collection)
		return -ENOMEM;
	int err = process_collect(memory, layout, runtime, collection);

	for (size_t i = 0; !err && i < collection->cnt; i++)
		err = visit(ctx, &collection->threads[i]);
	return err;
}
