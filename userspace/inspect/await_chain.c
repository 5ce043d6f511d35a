/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/await_chain.h"

#include <errno.h>
#include <string.h>

#include "python/code_object.h"

#define TRIES	       3
#define WRAPPERS_MAX   16 /* one inside of the other, without a frame between them */
#define COROUTINE_SIZE 256 /* bytes of a coroutine's head and its frame that are read; no layout has more */
#define STACK_MAX      65536 /* words; frames of functions are smaller by far */
#define AWAIT_ARGUMENT 2 /* RESUME's argument after `yield from`; 3: after `await` */

/* A coroutine as it was in one moment: one read has its state and its frame. */
struct coroutine {
	u64 address;
	size_t size;
	u8 bytes[COROUTINE_SIZE];
};

/* What is told of a coroutine, and what tells whether it went on since. No holes: compared as bytes. */
struct level {
	u64 coroutine;
	u64 code;
	u64 instr;
	u64 bytecode_index; /* which copy of the bytecode that is into */
	u64 awaited; /* 0: nothing */
	s64 state;
};

struct levels {
	struct level at[AWAIT_CHAIN_MAX]; /* outermost first */
	size_t cnt;
	enum chain_end end;
};

static u64 coroutine_u64(const struct coroutine *coroutine, size_t offset)
{
	u64 value = 0;

	if (offset + sizeof(value) <= coroutine->size)
		memcpy(&value, coroutine->bytes + offset, sizeof(value));
	return value;
}

static u8 coroutine_u8(const struct coroutine *coroutine, size_t offset)
{
	return offset < coroutine->size ? coroutine->bytes[offset] : 0;
}

static int coroutine_read(const struct asyncio_objects *asyncio, u64 address, struct coroutine *ret)
{
	size_t size = asyncio->layout.coroutine_frame + asyncio->objects->layout->frame_window;

	if (size > sizeof(ret->bytes))
		return -EINVAL;
	ret->address = address;
	ret->size = size;
	return remote_read(asyncio->objects->memory, address, ret->bytes, size);
}

static u32 bytecode_index(const struct python_layout *layout, const u8 *frame)
{
	u32 index = 0;

	if (layout->frame_bytecode_index != ABSENT)
		memcpy(&index, frame + layout->frame_bytecode_index, sizeof(index));
	return index;
}

/* Where the copy of the bytecode begins that a frame runs; see code_bytecodes. */
static int bytecode_find(const struct asyncio_objects *asyncio, u64 code, u32 index, u64 *ret)
{
	const struct python_layout *layout = asyncio->objects->layout;
	u64 copies;

	if (!index || layout->code_bytecodes == ABSENT) {
		*ret = code + layout->code_bytecode;
		return 0;
	}
	int err = object_word(asyncio->objects, code + layout->code_bytecodes, &copies);

	return err ? err
		   : object_word(asyncio->objects, copies + layout->bytecodes_entries + (u64)index * sizeof(*ret), ret);
}

static u32 instr_offset(u64 bytecode, u64 instr)
{
	u64 offset = instr - bytecode;

	if ((s64)offset < 0 && (s64)offset >= -2)
		return PYTHON_INSTR_BEFORE;
	return offset < 1u << 30 ? offset : PYTHON_INSTR_UNKNOWN;
}

static int signature_get(struct asyncio_objects *asyncio, u64 code, u32 *ret)
{
	size_t place = code / 16 % ASYNCIO_CODES;
	u32 signature;

	if (asyncio->codes[place].code != code || !code) {
		int err = code_object_signature(asyncio->objects->memory, asyncio->objects->layout, code, &signature);
		if (err)
			return err;
		asyncio->codes[place].code = code;
		asyncio->codes[place].signature = signature;
	}
	*ret = asyncio->codes[place].signature;
	return 0;
}

static int frame_make(struct asyncio_objects *asyncio, u64 address, u64 code, u64 instr, u32 index,
		      struct asyncio_frame *ret)
{
	const struct python_layout *layout = asyncio->objects->layout;
	u32 signature;
	u64 bytecode;

	code &= layout->frame_code_mask;
	int err = signature_get(asyncio, code, &signature);
	if (!err)
		err = bytecode_find(asyncio, code, index, &bytecode);
	if (err)
		return err;
	*ret = (struct asyncio_frame){
		.frame = {.code = code, .signature = signature, .instr = instr_offset(bytecode, instr)},
		.address = address,
	};
	return 0;
}

/* The address of the word on a suspended frame's stack that says what is awaited; 0: it does not add up. */
static u64 awaited_word(const struct asyncio_objects *asyncio, const struct coroutine *coroutine)
{
	const struct asyncio_layout *layout = &asyncio->layout;
	u64 frame = coroutine->address + layout->coroutine_frame;
	u64 first = frame + asyncio->objects->object.frame_locals;
	u64 top = coroutine_u64(coroutine, layout->coroutine_frame + layout->frame_stack_top);

	if (layout->frame_stack_indexed)
		top = first + 8 * (u64)(u32)top;
	top -= 8 * layout->await_depth;
	return top >= first && top - first < 8 * STACK_MAX ? top : 0;
}

/* To 3.12 the state does not tell a frame that awaits from one that yielded; the next instruction does. */
static bool resumes_await(const struct asyncio_objects *asyncio, const struct coroutine *coroutine)
{
	u64 instr = coroutine_u64(coroutine, asyncio->layout.coroutine_frame + asyncio->objects->layout->frame_instr);
	u8 next[2];

	if (asyncio->layout.resume_opcode == ABSENT)
		return true;
	return !remote_read(asyncio->objects->memory, instr + 2, next, sizeof(next)) &&
	       (next[0] == asyncio->layout.resume_opcode || next[0] == asyncio->layout.resume_opcode_changed) &&
	       next[1] >= AWAIT_ARGUMENT;
}

/* What this coroutine awaits; 0 and how the chain ends here when it is nothing. */
static int awaited_of(const struct asyncio_objects *asyncio, const struct coroutine *coroutine, u64 *ret,
		      enum chain_end *ret_end)
{
	const struct asyncio_layout *layout = &asyncio->layout;
	s8 state = (s8)coroutine_u8(coroutine, layout->coroutine_state);
	u64 word;

	*ret = 0;
	*ret_end = state == layout->state_created     ? CHAIN_NOT_BEGUN
		   : state == layout->state_executing ? CHAIN_EXECUTING
		   : state < layout->state_executing  ? CHAIN_YIELDED
						      : CHAIN_FINISHED;
	if (state < layout->state_await_first || state > layout->state_await_last || !resumes_await(asyncio, coroutine))
		return 0;
	u64 address = awaited_word(asyncio, coroutine);
	if (!address)
		return -ESTALE;
	int err = object_word(asyncio->objects, address, &word);
	if (!err)
		*ret = object_slot_of(asyncio->objects, word).address;
	return err;
}

/* Through what only passes on to something else. */
static enum asyncio_kind unwrap(struct asyncio_objects *asyncio, u64 *address)
{
	enum asyncio_kind kind = asyncio_kind_of(asyncio, *address);

	for (int i = 0; kind == ASYNCIO_WRAPPER && i < WRAPPERS_MAX; i++)
		kind = asyncio_member(asyncio, *address, address) ? ASYNCIO_OTHER : asyncio_kind_of(asyncio, *address);
	return kind;
}

static int level_read(const struct asyncio_objects *asyncio, u64 address, struct level *ret, enum chain_end *ret_end)
{
	const struct python_layout *layout = asyncio->objects->layout;
	size_t frame = asyncio->layout.coroutine_frame;
	struct coroutine coroutine;
	u64 awaited;
	int err = coroutine_read(asyncio, address, &coroutine);

	if (!err)
		err = awaited_of(asyncio, &coroutine, &awaited, ret_end);
	if (!err && *ret_end != CHAIN_FINISHED &&
	    coroutine_u8(&coroutine, frame + asyncio->layout.frame_owner) != asyncio->layout.frame_owner_generator)
		err = -ESTALE;
	if (err)
		return err;
	*ret = (struct level){
		.coroutine = address,
		.code = coroutine_u64(&coroutine, frame + layout->frame_code) & layout->frame_code_mask,
		.instr = coroutine_u64(&coroutine, frame + layout->frame_instr),
		.bytecode_index = bytecode_index(layout, coroutine.bytes + frame),
		.awaited = awaited,
		.state = (s8)coroutine_u8(&coroutine, asyncio->layout.coroutine_state),
	};
	return 0;
}

static int levels_collect(struct asyncio_objects *asyncio, u64 awaited, struct levels *levels)
{
	for (levels->cnt = 0; levels->cnt < AWAIT_CHAIN_MAX;) {
		struct level *level = &levels->at[levels->cnt];

		if (unwrap(asyncio, &awaited) != ASYNCIO_COROUTINE) {
			levels->end = CHAIN_OTHER;
			return 0;
		}
		int err = level_read(asyncio, awaited, level, &levels->end);
		if (err)
			return err;
		/* One that has finished gave its code away. */
		if (levels->end == CHAIN_FINISHED)
			return 0;
		levels->cnt++;
		awaited = level->awaited;
		if (!awaited)
			return 0;
	}
	levels->end = CHAIN_CUT;
	return 0;
}

static bool levels_equal(const struct levels *a, const struct levels *b)
{
	return a->cnt == b->cnt && a->end == b->end && !memcmp(a->at, b->at, a->cnt * sizeof(*a->at));
}

/*
 * A coroutine that has not begun stands before what CPython shows of a frame. It is
 * no less the one that its task will execute: as if it had just begun.
 */
static void frame_begin(const struct asyncio_objects *asyncio, struct python_frame *frame)
{
	const struct python_layout *layout = asyncio->objects->layout;
	s32 first;

	if (!remote_read(asyncio->objects->memory, frame->code + layout->code_first_traceable, &first, sizeof(first)) &&
	    first >= 0 && first < 1 << 24)
		frame->instr = 2 * first;
}

static int frames_make(struct asyncio_objects *asyncio, const struct levels *levels, struct await_chain *chain)
{
	int err = 0;

	chain->end = levels->end;
	chain->frame_cnt = 0;
	for (size_t i = levels->cnt; !err && i-- > 0;) {
		const struct level *level = &levels->at[i];

		err = frame_make(asyncio, level->coroutine + asyncio->layout.coroutine_frame, level->code, level->instr,
				 level->bytecode_index, &chain->frames[chain->frame_cnt++]);
	}
	if (!err && levels->end == CHAIN_NOT_BEGUN)
		frame_begin(asyncio, &chain->frames[0].frame);
	return err;
}

/* What only means that the target went on: to be tried again. */
static bool is_torn(int err)
{
	return err == -EFAULT || err == -EINVAL || err == -ESTALE;
}

int await_chain_read(struct asyncio_objects *asyncio, u64 coroutine, struct await_chain *ret)
{
	struct levels before, after;

	for (int i = 0; i < TRIES; i++) {
		int err = levels_collect(asyncio, coroutine, &before);

		if (!err)
			err = frames_make(asyncio, &before, ret);
		if (!err)
			err = levels_collect(asyncio, coroutine, &after);
		if (!err && levels_equal(&before, &after))
			return 0;
		if (err && !is_torn(err))
			return err;
	}
	ret->frame_cnt = 0;
	return -ESTALE;
}

/* The innermost frame of a thread; to 3.12 by way of its _PyCFrame. */
static int innermost_frame(const struct asyncio_objects *asyncio, u64 state, u64 *ret)
{
	const struct python_layout *layout = asyncio->objects->layout;
	u64 frame;
	int err = object_word(asyncio->objects, state + layout->thread_frame, &frame);

	if (!err && layout->cframe_frame != ABSENT)
		err = object_word(asyncio->objects, frame + layout->cframe_frame, &frame);
	if (!err)
		*ret = frame;
	return err;
}

static int thread_collect(struct asyncio_objects *asyncio, u64 frame, u64 outermost, struct await_chain *chain)
{
	const struct python_layout *layout = asyncio->objects->layout;

	chain->frame_cnt = 0;
	for (size_t i = 0; i < 2 * AWAIT_CHAIN_MAX && chain->frame_cnt < AWAIT_CHAIN_MAX; i++) {
		u8 window[FRAME_WINDOW];
		u64 code, instr, previous;
		int err = frame && layout->frame_window <= sizeof(window)
				  ? remote_read(asyncio->objects->memory, frame, window, layout->frame_window)
				  : -ESTALE;
		if (err)
			return err;
		memcpy(&code, window + layout->frame_code, sizeof(code));
		memcpy(&instr, window + layout->frame_instr, sizeof(instr));
		memcpy(&previous, window + layout->frame_previous, sizeof(previous));
		if (layout->frame_owner == ABSENT || window[layout->frame_owner] < layout->frame_owner_shim)
			err = frame_make(asyncio, frame, code, instr, bytecode_index(layout, window),
					 &chain->frames[chain->frame_cnt++]);
		if (err || frame == outermost)
			return err;
		frame = previous;
	}
	return -ESTALE;
}

int await_chain_of_thread(struct asyncio_objects *asyncio, u64 state, u64 outermost, struct await_chain *ret)
{
	for (int i = 0; i < TRIES; i++) {
		u64 before, after;
		int err = innermost_frame(asyncio, state, &before);

		if (!err)
			err = thread_collect(asyncio, before, outermost, ret);
		if (!err)
			err = innermost_frame(asyncio, state, &after);
		if (!err && before == after) {
			ret->end = CHAIN_EXECUTING;
			return 0;
		}
		if (err && !is_torn(err))
			return err;
	}
	ret->frame_cnt = 0;
	return -ESTALE;
}
