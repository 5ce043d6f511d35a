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
	u64 previous, next, interpreter;
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
	int err = remote_read(memory, state, window, sizeof(window));
	if (err)
		return err;

	*ret = (struct thread_window){
		.previous = window_u64(window, layout->thread_previous),
		.next = window_u64(window, layout->thread_next),
		.interpreter = window_u64(window, layout->thread_interpreter),
		.thread = {.state = state,
			   .thread_pointer = window_u64(window, layout->thread_id),
			   .frame = window_u64(window, layout->thread_frame)},
	};
	return 0;
}

/*
 * One pass. Torn: something changed under way. A circle ends at its first state
 * met twice: each link back names one predecessor, so that can only be the head.
 */
static int interpreter_pass(const struct remote_memory *memory, const struct python_layout *layout, u64 interpreter,
			    struct collection *collection, bool *torn)
{
	u64 head, state, previous = 0;
	int err = read_u64(memory, interpreter + layout->interpreter_threads, &head);

	*torn = false;
	for (state = err ? 0 : head; !err && state && collection->cnt < PYTHON_THREADS_MAX;) {
		struct thread_window window;

		err = thread_window_read(memory, layout, state, &window);
		if (err && err != -EFAULT)
			return err;
		if (err || window.interpreter != interpreter || (previous && state == head)) {
			*torn = true;
			return 0;
		}
		/* The head may have got a newer neighbour since; all others must lead back. */
		if (window.previous != previous) {
			*torn = true;
			if (previous)
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
