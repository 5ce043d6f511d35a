/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "assemble/assembler.h"

#include <errno.h>

#include "assemble/part_builder.h"
#include "profile/id_index.h"
#include "profile/part_table.h"
#include "unwind/fallback.h"

struct assembler {
	struct assembler_options options;
	struct profile_tables tables;
	struct part_table *parts;
	struct part_builder *builder;
};

int assembler_new(const struct assembler_options *options, const struct profile_tables *tables,
		  struct symbolizer *symbolizer, struct assembler **ret)
{
	_cleanup_(assembler) struct assembler *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->options = *options;
	a->tables = *tables;

	int err = part_table_new(&a->parts);
	if (!err)
		err = part_builder_new(options->native, tables, symbolizer, a->parts, &a->builder);
	if (err)
		return err;
	*ret = take(a);
	return 0;
}

void assembler_free(struct assembler *a)
{
	if (!a)
		return;
	part_builder_free(a->builder);
	part_table_free(a->parts);
	free(a);
}

void assembler_forget(struct assembler *a)
{
	part_table_clear(a->parts);
}

static int stack_push_loss(struct assembler *a, enum loss loss, struct assembled *ret)
{
	u32 frame;
	int err = frame_table_loss(a->tables.frames, loss, &frame);

	ret->losses |= 1u << loss;
	return err ? err : stack_table_push(a->tables.stacks, ret->stack, frame, &ret->stack);
}

/* -ENOENT: the record that had it was lost. */
static int part_get(struct assembler *a, const struct assembly *s, enum part_kind kind, u64 id, u32 cnt,
		    struct known_part *ret)
{
	const struct known_part *known = part_table_find(a->parts, id);
	struct known_part made = {.id = id};

	if (known) {
		*ret = *known;
		return 0;
	}
	if (!cnt)
		return -ENOENT;
	int err = part_builder_build(a->builder, s, kind, &made);
	if (err)
		return err;
	*ret = made;
	/* A leaf that lies nowhere may lie somewhere the next time: what is mapped is learned late. */
	if (kind >= PART_LEAF && part_table_at(a->parts, made.forms[FORM_WHOLE])->losses)
		return 0;
	return part_table_add(a->parts, &made);
}

static int leaf_get(struct assembler *a, const struct assembly *s, enum part_kind kind, u32 *ret)
{
	/* The same address may lie in another library later. */
	u64 where = (u64)s->process->key << 32 | s->process->replaced_cnt;
	u64 id = id_hash(id_hash(where, s->sample->ip), kind << 1 | s->python);
	struct known_part known;

	int err = part_get(a, s, kind, id, 1, &known);
	if (!err)
		*ret = known.forms[FORM_WHOLE];
	return err;
}

/* A stack that the fallback finished is another part than the one that the kernel side sent. */
static u64 unwound_id(const struct process *process, const struct unwound *unwound, bool python)
{
	u64 id = id_hash(process->key, (u64)unwound->end << 8 | (python ? 2 : 1));

	for (u32 i = 0; i < unwound->cnt; i++)
		id = id_hash(id, unwound->words[i]);
	return id;
}

static void assembly_init(struct assembly *s, struct process *process, const struct sample *sample,
			  const struct unwound *unwound)
{
	*s = (struct assembly){
		.process = process,
		.sample = sample,
		.python = sample->python_id,
		.unmerged = sample->flags & SAMPLE_UNMERGED,
		.counted = process->python_file && python_layout_is_counted(&process->python_file->python.layout),
		.native_id = sample->native_id,
		.words = sample_native(sample),
		.word_cnt = sample->native_cnt,
		.end = sample->native_end,
	};
	if (!unwound)
		return;
	s->unmerged = unwound->unmerged;
	s->native_id = unwound_id(process, unwound, s->python);
	s->words = unwound->words;
	s->word_cnt = unwound->cnt;
	s->end = unwound->end;
}

static int part_join(struct assembler *a, const struct seam *seam, struct assembled *ret)
{
	const u32 parts[] = {seam->python, seam->native, seam->leaf};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i] != PART_NONE)
			ret->losses |= part_table_at(a->parts, parts[i])->losses;
	return part_table_join(a->parts, a->tables.stacks, seam, &ret->stack);
}

/* Runs are counted, not compared: the kernel side has told which frames have one. */
static enum part_form form_choose(const struct assembler *a, const struct assembly *s, u32 python,
				  const struct known_part *native, enum merge *ret)
{
	u32 runs, places = part_table_at(a->parts, native->forms[FORM_WHOLE])->run_cnt;

	*ret = MERGE_NONE;
	if (!s->python)
		return FORM_WHOLE;
	if (python == PART_NONE)
		return s->unmerged ? FORM_APART : FORM_INNER;
	runs = part_table_at(a->parts, python)->run_cnt;
	if (a->options.native != NATIVE_NONE)
		*ret = s->counted ? MERGE_COUNTED : MERGE_VERIFIED;
	if (*ret && (s->unmerged || native->greenlet || runs < places || (runs > places && native->complete)))
		*ret = MERGE_UNMERGED;
	/*
	 * A run beside a whole native stack that has no place: either something is wrong,
	 * or the Python stack was cut, and what is left of its outermost run has no anchor.
	 * That run is outward of all that is shown, where the thread's start is not.
	 */
	bool is_cut = s->sample->python_end != LOSS_NONE && a->options.native == NATIVE_EXTENSIONS;
	if (s->unmerged || native->greenlet || (*ret == MERGE_UNMERGED && runs > places && !is_cut))
		return FORM_APART;
	return runs > places ? FORM_WHOLE : FORM_INNER;
}

static int python_side(struct assembler *a, const struct assembly *s, u32 *ret_part, struct assembled *ret)
{
	struct known_part known;

	*ret_part = PART_NONE;
	if (!s->python)
		return s->sample->python_end == LOSS_NONE ? 0 : stack_push_loss(a, s->sample->python_end, ret);
	int err = part_get(a, s, PART_PYTHON, s->sample->python_id, s->sample->python_cnt, &known);
	if (err == -ENOENT)
		return stack_push_loss(a, LOSS_PART_MISSING, ret);
	if (!err)
		*ret_part = known.forms[FORM_WHOLE];
	return err;
}

/* Of a native part that did not arrive a loss stands in its place. */
static int native_join(struct assembler *a, const struct assembly *s, struct seam *seam, u8 *ret_leaf,
		       struct assembled *ret)
{
	struct known_part native;
	int err = part_get(a, s, PART_NATIVE, s->native_id, s->word_cnt, &native), missing = err == -ENOENT;

	if (!err) {
		ret->native_complete = native.complete;
		seam->native = native.forms[form_choose(a, s, seam->python, &native, &ret->merge)];
		*ret_leaf = part_table_at(a->parts, seam->native)->leaf;
		if (*ret_leaf == LEAF_INSIDE)
			err = leaf_get(a, s, PART_LEAF_INSIDE, &seam->leaf);
	}
	if (!err || missing)
		err = part_join(a, seam, ret);
	if (!err && missing && !(s->python && a->options.native == NATIVE_NONE))
		err = stack_push_loss(a, LOSS_PART_MISSING, ret);
	return err;
}

/* With one native part come many leaves: so the leaf is joined apart where nothing is inside of it. */
static int leaf_join(struct assembler *a, const struct assembly *s, struct assembled *ret)
{
	struct seam seam = {ret->stack, PART_NONE, PART_NONE, PART_NONE};
	int err = leaf_get(a, s, PART_LEAF, &seam.leaf);

	return err ? err : part_join(a, &seam, ret);
}

static int user_join(struct assembler *a, const struct assembly *s, struct assembled *ret)
{
	struct seam seam = {.leaf = PART_NONE, .native = PART_NONE};
	u8 leaf = LEAF_INNERMOST;

	int err = python_side(a, s, &seam.python, ret);
	if (err)
		return err;
	ret->python_losses = ret->losses;
	if (seam.python != PART_NONE)
		ret->python_losses |= part_table_at(a->parts, seam.python)->losses;
	seam.prefix = ret->stack;
	ret->has_native = s->native_id;
	if (!s->native_id)
		return part_join(a, &seam, ret);
	err = native_join(a, s, &seam, &leaf, ret);
	return err || leaf != LEAF_INNERMOST ? err : leaf_join(a, s, ret);
}

static int kernel_join(struct assembler *a, const struct assembly *s, struct assembled *ret)
{
	struct known_part kernel;

	if (!s->sample->kernel_id)
		return 0;
	int err = part_get(a, s, PART_KERNEL, s->sample->kernel_id, s->sample->kernel_cnt, &kernel);
	if (err == -ENOENT)
		return stack_push_loss(a, LOSS_PART_MISSING, ret);
	if (err)
		return err;
	return part_join(a, &(struct seam){ret->stack, PART_NONE, kernel.forms[FORM_WHOLE], PART_NONE}, ret);
}

int assembler_stack(struct assembler *a, struct process *process, const struct sample *sample,
		    const struct unwound *unwound, enum loss doubt, struct assembled *ret)
{
	struct assembly s;
	int err = 0;

	*ret = (struct assembled){.stack = STACK_ROOT};
	/* The kernel side will send its part as an id from now on: for samples without a copy of their stack. */
	if (unwound && sample->native_cnt) {
		struct known_part sent;

		assembly_init(&s, process, sample, NULL);
		err = part_get(a, &s, PART_NATIVE, s.native_id, s.word_cnt, &sent);
		if (err)
			return err;
	}
	assembly_init(&s, process, sample, unwound);
	if (doubt != LOSS_NONE)
		err = stack_push_loss(a, doubt, ret);
	if (!err)
		err = user_join(a, &s, ret);
	return err ? err : kernel_join(a, &s, ret);
}
