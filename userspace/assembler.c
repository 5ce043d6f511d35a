/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "assembler.h"

#include <errno.h>

#include "profile/part_table.h"

struct assembler {
	struct profile_tables tables;
	struct symbolizer *symbolizer;
	struct part_table *parts;
	u32 frames[MAX_NATIVE_FRAMES + 2]; /* a part under construction */
};

int assembler_new(const struct profile_tables *tables, struct symbolizer *symbolizer, struct assembler **ret)
{
	struct assembler *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->tables = *tables;
	a->symbolizer = symbolizer;
	int err = part_table_new(&a->parts);
	if (err) {
		free(a);
		return err;
	}
	*ret = a;
	return 0;
}

void assembler_free(struct assembler *a)
{
	if (!a)
		return;
	part_table_free(a->parts);
	free(a);
}

void assembler_forget(struct assembler *a)
{
	part_table_clear(a->parts);
}

/* ---- cold: first sight of a part. */

static int part_push_loss(struct assembler *a, enum loss loss, u32 *cnt, u32 *losses)
{
	int err = frame_table_loss(a->tables.frames, loss, &a->frames[*cnt]);

	if (err)
		return err;
	*losses |= 1u << loss;
	++*cnt;
	return 0;
}

static int kernel_part_build(struct assembler *a, const struct sample *sample, u32 *ret_cnt)
{
	u32 cnt = 0;

	for (u32 i = sample->kernel_cnt; i-- > 0;) {
		int err = symbolize_kernel(a->symbolizer, sample_kernel(sample)[i], &a->frames[cnt++]);
		if (err)
			return err;
	}
	*ret_cnt = cnt;
	return 0;
}

static int python_part_build(struct assembler *a, struct process *process, const struct sample *sample, u32 *ret_cnt,
			     u32 *ret_losses)
{
	u32 cnt = 0, losses = 0;
	int err = 0;

	if (sample->python_end != LOSS_NONE)
		err = part_push_loss(a, sample->python_end, &cnt, &losses);
	for (u32 i = sample->python_cnt; i-- > 0 && !err;) {
		enum loss loss;

		err = symbolize_python(a->symbolizer, process, &sample_python(sample)[i], &a->frames[cnt], &loss);
		if (loss != LOSS_NONE)
			losses |= 1u << loss;
		cnt += a->frames[cnt] != FRAME_NONE;
	}
	*ret_cnt = cnt;
	*ret_losses = losses;
	return err;
}

/*
 * The leaf, then callers as long as their return addresses follow a call. Under
 * Python frames only the leaf, and only when it is not the interpreter itself.
 */
static int native_part_build(struct assembler *a, struct process *process, const struct sample *sample,
			     bool under_python, u32 *ret_cnt, u32 *ret_losses)
{
	const u64 *native = sample_native(sample);
	u32 cnt = 0, losses = 0, kept = sample->native_cnt;
	enum loss end = sample->native_end;
	int err = 0;

	if (under_python) {
		kept = kept && !process_is_interpreter(process, native[0]);
		end = LOSS_NONE;
	} else {
		for (u32 i = 1; i < kept; i++) {
			if (!symbolizer_follows_call(a->symbolizer, process, native[i])) {
				kept = i;
				end = LOSS_FRAME_POINTER;
			}
		}
		if (sample->flags & SAMPLE_PYTHON) /* frame pointers were not tried: CPython keeps none */
			end = LOSS_FRAME_POINTER;
	}
	if (end != LOSS_NONE)
		err = part_push_loss(a, end, &cnt, &losses);
	for (u32 i = kept; i-- > 0 && !err;)
		err = symbolize_native(a->symbolizer, process, native[i], i > 0, &a->frames[cnt++]);
	/* A leaf that lies nowhere is a loss of its own. */
	for (u32 i = 0; i < cnt && !err; i++) {
		const struct frame *frame = frame_table_get(a->tables.frames, a->frames[i]);
		if (frame->kind == FRAME_LOSS)
			losses |= 1u << frame->loss;
	}
	*ret_cnt = cnt;
	*ret_losses = losses;
	return err;
}

enum part_kind { PART_KERNEL, PART_PYTHON, PART_NATIVE, PART_NATIVE_UNDER_PYTHON };

static int part_build(struct assembler *a, struct process *process, const struct sample *sample, enum part_kind kind,
		      u64 id, u32 *ret)
{
	u32 cnt = 0, losses = 0;
	int err;

	switch (kind) {
	case PART_KERNEL:
		err = kernel_part_build(a, sample, &cnt);
		break;
	case PART_PYTHON:
		err = python_part_build(a, process, sample, &cnt, &losses);
		break;
	default:
		err = native_part_build(a, process, sample, kind == PART_NATIVE_UNDER_PYTHON, &cnt, &losses);
		break;
	}
	return err ? err : part_table_add(a->parts, id, a->frames, cnt, losses, ret);
}

/* ---- hot: parts that are known */

static int stack_push_loss(struct assembler *a, enum loss loss, u32 *stack, u32 *losses)
{
	u32 frame;
	int err = frame_table_loss(a->tables.frames, loss, &frame);

	*losses |= 1u << loss;
	return err ? err : stack_table_push(a->tables.stacks, *stack, frame, stack);
}

/*
 * Puts one part of a sample inside of *stack. Hot when the part is known: two
 * look-ups.
 */
static int part_join(struct assembler *a, struct process *process, const struct sample *sample, enum part_kind kind,
		     u64 id, u32 frame_cnt, u32 *stack, u32 *losses)
{
	u32 part;

	if (!id)
		return 0;
	if (part_table_find(a->parts, id, &part)) {
		if (!frame_cnt) /* the record that had it was lost */
			return stack_push_loss(a, LOSS_PART_MISSING, stack, losses);
		int err = part_build(a, process, sample, kind, id, &part);
		if (err)
			return err;
	}
	*losses |= part_table_at(a->parts, part)->losses;
	return part_table_join(a->parts, a->tables.stacks, *stack, part, stack);
}

int assembler_stack(struct assembler *a, struct process *process, const struct sample *sample, enum loss doubt,
		    u32 *ret, u32 *ret_losses, u32 *ret_python_losses)
{
	u32 stack = STACK_ROOT, losses = 0;
	int err = 0;

	if (doubt != LOSS_NONE)
		err = stack_push_loss(a, doubt, &stack, &losses);
	if (!err && !sample->python_id && sample->python_end != LOSS_NONE)
		err = stack_push_loss(a, sample->python_end, &stack, &losses);
	if (!err)
		err = part_join(a, process, sample, PART_PYTHON, sample->python_id, sample->python_cnt, &stack,
				&losses);
	*ret_python_losses = losses;
	if (!err)
		err = part_join(a, process, sample, sample->python_id ? PART_NATIVE_UNDER_PYTHON : PART_NATIVE,
				sample->native_id, sample->native_cnt, &stack, &losses);
	if (!err)
		err = part_join(a, process, sample, PART_KERNEL, sample->kernel_id, sample->kernel_cnt, &stack,
				&losses);
	*ret = stack;
	*ret_losses = losses;
	return err;
}
