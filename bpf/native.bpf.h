/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * native.bpf.h - one native frame back, by frame pointer: the way for code that
 * keeps them. (The walk by unwind tables will be a second way in native_step().)
 *
 * A frame pointer points to the caller's frame pointer, the return address above
 * it. It is believed as long as it is higher on the stack than the one before;
 * that a return address follows a call is checked in user space, once per address.
 */
#ifndef PYPROF_NATIVE_BPF_H
#define PYPROF_NATIVE_BPF_H

#include "bound.bpf.h"
#include "pyprof/losses.h"
#include "scratch.bpf.h"

#define MAX_FRAME_SIZE (8u << 20) /* a step further up the stack than this is no frame */

/* Reads the stack from address up, at least two words. */
static __always_inline int stack_window_fill(struct window *window, u64 address)
{
	u64 size = PAGE_SIZE - (address & (PAGE_SIZE - 1));

	if (size < 16)
		size = 16;
	if (size > WINDOW_SIZE)
		size = WINDOW_SIZE;
	window->start = address;
	window->size = size;
	if (!read_user(window->bytes, size, address))
		return 0;
	window->size = 0;
	return -1;
}

static __always_inline void native_push(struct scratch *s, u64 ip)
{
	u32 word = s->word_cnt;

	s->words[BOUND(word, SAMPLE_WORDS - 1)] = ip;
	s->word_cnt = word + 1;
	s->native.cnt++;
	s->native.id = hash_mix(s->native.id, ip);
}

/* Moves from the frame under way to its caller. WALK_ON, WALK_END or an enum loss. */
__weak int native_step(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return WALK_END;
	struct native_walk *w = &s->native;
	u64 bp = w->bp;

	/* The outermost frame has 0; but a leaf with 0 just does not use it. */
	if (!bp && w->cnt > 1)
		return WALK_END;
	if (bp < w->stack || bp - w->stack > MAX_FRAME_SIZE || bp & 7)
		return LOSS_FRAME_POINTER;
	if (w->cnt >= MAX_NATIVE_FRAMES)
		return LOSS_NATIVE_DEPTH;

	u64 offset = bp - w->window.start;
	if (offset > WINDOW_SIZE || offset + 16 > w->window.size) {
		if (stack_window_fill(&w->window, bp)) {
			w->fault_address = bp;
			return LOSS_NATIVE_FAULT;
		}
		offset = 0;
	}
	u64 *frame = (u64 *)(w->window.bytes + BOUND(offset, WINDOW_SIZE - 1));

	w->stack = bp + 16;
	w->bp = frame[0];
	if (!frame[1])
		return w->bp ? LOSS_FRAME_POINTER : WALK_END;
	native_push(s, frame[1]);
	return WALK_ON;
}

#endif
