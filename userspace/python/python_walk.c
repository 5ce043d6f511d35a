/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/python_walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pyprof/losses.h"
#include "python/layout.h"

#include "bpf/scratch.bpf.h"

struct python_walker {
	struct remote_memory memory;
	struct scratch scratch;
	struct signature_cache signatures; /* kept from walk to walk, under the process's generation */
	struct python_layout layout;
	u64 runtime;
	u64 thread_state;
	u32 reads;
};

/*
 * The walker's functions take one scalar, for the verifier, and find their state
 * by it. Here that is the walk under way on this thread, and NULL in between. A signal
 * handler may walk too: it puts back the walk that it interrupted.
 */
static _Thread_local struct python_walker *under_way;

#define WALK_HOST (*under_way)
#include "bpf/python_host.h"

#include "bpf/python.bpf.h"

#define STEPS_MAX (MAX_PYTHON_FRAMES + MAX_PYTHON_RUNS + 1)

int python_walker_new(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
		      struct python_walker **ret)
{
	int err = python_layout_check(layout);
	if (err)
		return err;

	struct python_walker *walker = calloc(1, sizeof(*walker));
	if (!walker)
		return -ENOMEM;
	walker->memory = *memory;
	walker->layout = *layout;
	walker->runtime = runtime;
	*ret = walker;
	return 0;
}

void python_walker_free(struct python_walker *walker)
{
	free(walker);
}

static void walk_init(struct python_walker *walker, u64 thread_pointer)
{
	struct scratch *s = &walker->scratch;
	struct python_walk *w = &s->python;

	s->word_cnt = 0;
	s->sample.record.time_ns = clock_monotonic_ns();
	s->runs[0] = (struct python_run){0};
	/* The window's bytes stay: they are not meant. */
	w->layout = 0;
	w->runtime = walker->runtime;
	w->thread_pointer = thread_pointer;
	w->first_word = w->cnt = w->run_cnt = w->fresh = 0;
	w->anchor_shift = 0;
	w->id = w->fault_address = 0;
	w->window.size = 0;
}

/* The state's bytes, for python_begin(). A state that died, or is another thread's, is none. */
static int state_read(struct python_walker *walker, u64 state, u64 thread_pointer)
{
	struct scratch *s = &walker->scratch;
	const struct python_layout *l = &walker->layout;
	int err = remote_read(&walker->memory, state, s->object, l->thread_window);

	if (err)
		return err;
	s->python.state = state;
	if (MEMBER(s->object, l->thread_id, u64) != thread_pointer)
		return -ESRCH;
	/* 2.7's states are only linked by their frames: one without frames has nothing to walk, be it dead or alive. */
	if (l->thread_previous == ABSENT && !MEMBER(s->object, l->thread_frame, u64))
		return 0;
	return thread_state_is_linked(s, l, state) ? 0 : -ESRCH;
}

/* All frames, with what the kernel side has no use for: where they lie. Returns why it ended. */
static int frames_visit(struct python_walker *walker, u64 addresses[MAX_PYTHON_FRAMES])
{
	struct python_walk *w = &walker->scratch.python;
	int end = python_begin(&walker->scratch, &walker->layout, walker->scratch.sample.record.time_ns);

	if (end)
		return end;
	for (u32 i = 0; i < STEPS_MAX; i++) {
		u64 frame = w->frame;
		u32 cnt = w->cnt;

		w->fresh = 0; /* nobody wants them sent; so there is always room to remember one */
		end = python_step(0);
		if (end == WALK_RESTART)
			python_restart(&walker->scratch, &walker->layout);
		else if (w->cnt > cnt)
			addresses[cnt] = frame;
		if (end != WALK_ON && end != WALK_RESTART)
			return end == WALK_END ? LOSS_NONE : end;
	}
	return LOSS_PYTHON_DEPTH;
}

static void stack_fill(struct scratch *s, u64 sp, int end, struct python_stack *ret)
{
	const struct python_walk *w = &s->python;

	ret->cnt = w->cnt;
	ret->run_cnt = w->run_cnt;
	ret->end = end;
	ret->fault_address = w->fault_address;
	ret->id = w->cnt ? w->id : 0;
	memcpy(ret->frames, &s->words[w->first_word], w->cnt * sizeof(*ret->frames));
	for (u32 i = 0; i < w->run_cnt; i++) {
		bool has_frames = run_at(s, i)->first != run_at(s, i + 1)->first;
		bool is_leaving = !i && w->anchor_shift < 0; /* its CFrame is gone: it is what is being executed */

		ret->anchors[i] = !has_frames ? 0 : is_leaving ? sp : run_at(s, i + w->anchor_shift)->anchor;
	}
}

int python_walk(struct python_walker *walker, u64 state, u64 thread_pointer, u64 sp, struct python_stack *ret)
{
	struct python_walker *interrupted = under_way;

	under_way = walker;
	walk_init(walker, thread_pointer);

	int err = state_read(walker, state, thread_pointer);
	if (!err)
		stack_fill(&walker->scratch, sp, frames_visit(walker, ret->addresses), ret);
	under_way = interrupted;
	return err;
}
