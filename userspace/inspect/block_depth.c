/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/block_depth.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

#define TABLE_MAX (1 << 20) /* bytes of a co_exceptiontable that are read */

/* Six bits a byte, the highest first; bit 6: one more follows. Bit 7 marks the first byte of an entry. */
static u32 varint_take(struct cursor *c)
{
	u8 byte = cursor_u8(c);
	u32 value = byte & 63;

	while (byte & 64 && !c->bad) {
		byte = cursor_u8(c);
		value = value << 6 | (byte & 63);
	}
	return value;
}

u32 exception_table_depth(const void *table, size_t size, u32 instr)
{
	struct cursor c = cursor_of(table, size);
	u32 unit = instr / 2;

	while (cursor_left(&c)) {
		u32 start = varint_take(&c), cnt = varint_take(&c);
		varint_take(&c); /* where the handler is */
		u32 depth = varint_take(&c) >> 1; /* the low bit: whether the instruction is pushed too */

		/* In order of their start, and they do not overlap. */
		if (c.bad || start > unit)
			return 0;
		if (unit - start < cnt)
			return depth;
	}
	return 0;
}

static int table_depth_read(struct python_locks *locks, const struct python_stack *stack, size_t index, u32 *ret)
{
	const struct python_objects *objects = locks->objects;
	const struct python_frame *frame = &stack->frames[index];
	u64 code = frame->code & ~PYTHON_RUN_BEGIN, table, size;
	u8 few[256];

	*ret = 0;
	if (frame->instr == PYTHON_INSTR_UNKNOWN || frame->instr == PYTHON_INSTR_BEFORE)
		return 0;
	int err = object_word(objects, code + objects->object.object_size + locks->layout->code_exceptions, &table);
	if (!err)
		err = object_word(objects, table + objects->layout->bytes_size, &size);
	if (err || !size)
		return err;
	if (size > TABLE_MAX)
		return -EINVAL;

	_cleanup_(free) u8 *many = size > sizeof(few) ? malloc(size) : NULL;
	u8 *bytes = size > sizeof(few) ? many : few;
	if (!bytes)
		return -ENOMEM;
	err = remote_read(objects->memory, table + objects->layout->bytes_data, bytes, size);
	if (!err)
		*ret = exception_table_depth(bytes, size, frame->instr);
	return err;
}

static int blocks_depth_read(struct python_locks *locks, u64 frame, u32 *ret)
{
	const struct remote_memory *memory = locks->objects->memory;
	u32 cnt;
	int err = remote_read(memory, frame + locks->layout->frame_block_cnt, &cnt, sizeof(cnt));

	*ret = 0;
	if (err || !cnt)
		return err;
	if (cnt > BLOCK_MAX)
		return -EINVAL;
	/* The innermost one stands highest. */
	return remote_read(memory, frame + locks->layout->frame_blocks + (cnt - 1) * BLOCK_SIZE + BLOCK_LEVEL, ret,
			   sizeof(*ret));
}

int block_depth_read(struct python_locks *locks, const struct python_stack *stack, size_t index, u32 *ret)
{
	const struct python_frame *frame = &stack->frames[index];
	u64 code = frame->code & ~PYTHON_RUN_BEGIN;

	if (locks->layout->code_exceptions == ABSENT)
		return blocks_depth_read(locks, stack->addresses[index], ret);

	__auto_type known = &locks->depths[(code >> 4 ^ code >> 12 ^ frame->instr >> 1) % BLOCK_DEPTHS];
	if (known->code != code || known->signature != frame->signature || known->instr != frame->instr) {
		int err = table_depth_read(locks, stack, index, &known->depth);

		known->code = err ? 0 : code;
		known->signature = frame->signature;
		known->instr = frame->instr;
		if (err)
			return err;
	}
	*ret = known->depth;
	return 0;
}
