/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "assembler.h"

#include <errno.h>
#include <string.h>

#include "profile/id_index.h"
#include "profile/part_table.h"
#include "unwind/fallback.h"

enum part_kind { PART_KERNEL, PART_PYTHON, PART_NATIVE, PART_LEAF };

/* A part at its largest: a place for a run beside each frame, a loss, a leaf, a mark. */
#define ITEM_MAX (2 * MAX_NATIVE_FRAMES + 8)

struct assembler {
	struct assembler_options options;
	struct profile_tables tables;
	struct symbolizer *symbolizer;
	struct part_table *parts;
	u32 unmerged, greenlet; /* frames: the marks */

	u32 items[ITEM_MAX]; /* a part under construction, outermost first */
	u32 item_cnt;
};

/* One sample while it is put together. Its native side is the kernel side's or the fallback's. */
struct assembly {
	struct process *process;
	const struct sample *sample;
	bool python; /* it has Python frames, and so filters its native ones */
	bool unmerged;
	u64 native_id; /* 0: none */
	const u64 *words; /* innermost first; of the first one only its bits */
	u32 word_cnt; /* 0: known under its id */
	enum loss end;
};

int assembler_new(const struct assembler_options *options, const struct profile_tables *tables,
		  struct symbolizer *symbolizer, struct assembler **ret)
{
	_cleanup_(assembler) struct assembler *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->options = *options;
	a->tables = *tables;
	a->symbolizer = symbolizer;

	int err = part_table_new(&a->parts);
	if (!err)
		err = frame_table_mark(a->tables.frames, MARK_UNMERGED, &a->unmerged);
	if (!err)
		err = frame_table_mark(a->tables.frames, MARK_GREENLET, &a->greenlet);
	if (err)
		return err;
	*ret = take(a);
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

/* ---- cold: first sight of a part */

static void item_push(struct assembler *a, u32 item)
{
	if (a->item_cnt < ITEM_MAX) /* what record_check() has passed is smaller */
		a->items[a->item_cnt++] = item;
}

static int item_push_loss(struct assembler *a, enum loss loss)
{
	u32 frame;
	int err = frame_table_loss(a->tables.frames, loss, &frame);

	if (!err)
		item_push(a, frame);
	return err;
}

/* What the items from `first` on show is missing. */
static u32 items_losses(const struct assembler *a, u32 first)
{
	u32 losses = 0;

	for (u32 i = first; i < a->item_cnt; i++) {
		if (a->items[i] >= ITEM_RUN)
			continue;
		const struct frame *frame = frame_table_get(a->tables.frames, a->items[i]);
		if (frame->kind == FRAME_LOSS)
			losses |= 1u << frame->loss;
	}
	return losses;
}

static int items_intern(struct assembler *a, u32 first, u32 *ret)
{
	return part_table_intern(a->parts, a->items + first, a->item_cnt - first, items_losses(a, first), ret);
}

static int kernel_part_build(struct assembler *a, const struct sample *sample, struct known_part *ret)
{
	for (u32 i = sample->kernel_cnt; i-- > 0;) {
		u32 frame;
		int err = symbolize_kernel(a->symbolizer, sample_kernel(sample)[i], &frame);

		if (err)
			return err;
		item_push(a, frame);
	}
	return items_intern(a, 0, &ret->forms[FORM_WHOLE]);
}

/* A run is marked at its innermost frame: the next frame outward is the innermost of another one. */
static bool is_outermost_of_run(const struct sample *sample, u32 i)
{
	return i + 1 == sample->python_cnt || sample_python(sample)[i + 1].code & PYTHON_RUN_BEGIN;
}

static int python_part_build(struct assembler *a, const struct assembly *s, struct known_part *ret)
{
	const struct sample *sample = s->sample;

	for (u32 i = sample->python_cnt; i-- > 0;) {
		struct python_frame python = sample_python(sample)[i];
		enum loss loss;
		u32 frame;
		int err = 0;

		if (is_outermost_of_run(sample, i))
			item_push(a, ITEM_RUN);
		if (i + 1 == sample->python_cnt && sample->python_end != LOSS_NONE)
			err = item_push_loss(a, sample->python_end);
		python.code &= ~PYTHON_RUN_BEGIN;
		if (!err)
			err = symbolize_python(a->symbolizer, s->process, &python, &frame, &loss);
		if (err)
			return err;
		if (frame != FRAME_NONE)
			item_push(a, frame);
	}
	return items_intern(a, 0, &ret->forms[FORM_WHOLE]);
}

/* Where the instruction is that a word stands for: a return address is the one behind it. */
static u64 word_pc(u64 word)
{
	return (word & NATIVE_ADDRESS) - !(word & NATIVE_EXACT);
}

static bool pc_is_shown(const struct assembler *a, const struct assembly *s, u64 pc)
{
	if (!s->python || a->options.native == NATIVE_ALL)
		return true;
	return a->options.native == NATIVE_EXTENSIONS && !process_is_interpreter(s->process, pc);
}

/* Guesses are believed as far as each follows a call; the first one that does not ends the walk. */
static u32 words_believed(struct assembler *a, const struct assembly *s)
{
	u32 i = 1;

	while (i < s->word_cnt && (!(s->words[i] & NATIVE_GUESS) ||
				   symbolizer_follows_call(a->symbolizer, s->process, s->words[i] & NATIVE_ADDRESS)))
		i++;
	return i < s->word_cnt ? i : s->word_cnt;
}

/* The file's name is all that is asked, and that the mapping knows itself. */
static bool is_in_greenlet(struct process *process, u64 word)
{
	const struct mapping *mapping = process_mapping(process, word_pc(word));
	const char *slash = mapping ? strrchr(mapping->path, '/') : NULL;

	return slash && !strncmp(slash + 1, "_greenlet.", strlen("_greenlet."));
}

/*
 * A greenlet runs on the stack of the thread, where the greenlet stood that started
 * it; what lies outward of its first frames, which are of greenlet's own extension,
 * is not its caller. Gives the index of the outermost of these; 0: there is none.
 */
static u32 words_greenlet(const struct assembly *s, u32 cnt)
{
	u32 i = cnt;

	while (i > 0 && !(s->words[i - 1] & NATIVE_RUN))
		i--;
	if (!i) /* no run is placed: nothing says where this greenlet's stack begins */
		return 0;
	while (i < cnt && !is_in_greenlet(s->process, s->words[i]))
		i++;
	if (i == cnt)
		return 0;
	while (i + 1 < cnt && is_in_greenlet(s->process, s->words[i + 1]))
		i++;
	return i;
}

/* Gives where the form begins in which all runs have their places; it may change the item there. */
static u32 items_find_inner(struct assembler *a, u32 greenlet_item)
{
	if (a->options.native == NATIVE_ALL) {
		if (!greenlet_item)
			return 0;
		a->items[greenlet_item - 1] = a->greenlet;
		return greenlet_item - 1;
	}
	for (u32 i = 0; i < a->item_cnt; i++)
		if (a->items[i] == ITEM_RUN)
			return i;
	return 0;
}

/* Instead of a place for each run, one for all, inside of everything. */
static void items_set_apart(struct assembler *a)
{
	u32 cnt = 0;

	for (u32 i = 0; i < a->item_cnt; i++)
		if (a->items[i] != ITEM_RUN && a->items[i] != ITEM_LEAF)
			a->items[cnt++] = a->items[i];
	a->item_cnt = cnt;
	item_push(a, ITEM_LEAF);
	item_push(a, ITEM_PYTHON);
	item_push(a, a->unmerged);
}

static int native_forms_intern(struct assembler *a, u32 greenlet_item, struct known_part *ret)
{
	int err = items_intern(a, 0, &ret->forms[FORM_WHOLE]);
	if (err)
		return err;

	u32 before = greenlet_item ? a->items[greenlet_item - 1] : 0;
	err = items_intern(a, items_find_inner(a, greenlet_item), &ret->forms[FORM_INNER]);
	if (err)
		return err;
	if (greenlet_item)
		a->items[greenlet_item - 1] = before;
	items_set_apart(a);
	return items_intern(a, 0, &ret->forms[FORM_APART]);
}

static int native_push_word(struct assembler *a, const struct assembly *s, u64 word)
{
	if (pc_is_shown(a, s, word_pc(word))) {
		u32 frame;
		int err = symbolize_native(a->symbolizer, s->process, word & NATIVE_ADDRESS, !(word & NATIVE_EXACT),
					   &frame);

		if (err)
			return err;
		item_push(a, frame);
	}
	if (word & NATIVE_RUN)
		item_push(a, ITEM_RUN);
	return 0;
}

/* Everything but the leaf, which is another one in each sample: of that the place alone. */
static int native_part_build(struct assembler *a, const struct assembly *s, struct known_part *ret)
{
	u32 cnt = words_believed(a, s), greenlet = s->python ? words_greenlet(s, cnt) : 0, greenlet_item = 0;
	enum loss end = cnt < s->word_cnt ? LOSS_FRAME_POINTER : s->end;
	int err = 0;

	ret->complete = end == LOSS_NONE;
	if (end != LOSS_NONE && !(s->python && a->options.native == NATIVE_NONE))
		err = item_push_loss(a, end);
	for (u32 i = cnt; i-- > 1 && !err;) {
		if (i == greenlet)
			greenlet_item = a->item_cnt;
		err = native_push_word(a, s, s->words[i]);
	}
	item_push(a, ITEM_LEAF);
	if (s->words[0] & NATIVE_RUN)
		item_push(a, ITEM_RUN);
	return err ? err : native_forms_intern(a, greenlet_item, ret);
}

static int leaf_part_build(struct assembler *a, const struct assembly *s, struct known_part *ret)
{
	if (pc_is_shown(a, s, s->sample->ip)) {
		u32 frame;
		int err = symbolize_native(a->symbolizer, s->process, s->sample->ip, false, &frame);

		if (err)
			return err;
		item_push(a, frame);
	}
	return items_intern(a, 0, &ret->forms[FORM_WHOLE]);
}

static int part_build(struct assembler *a, const struct assembly *s, enum part_kind kind, struct known_part *ret)
{
	a->item_cnt = 0;
	switch (kind) {
	case PART_KERNEL:
		return kernel_part_build(a, s->sample, ret);
	case PART_PYTHON:
		return python_part_build(a, s, ret);
	case PART_NATIVE:
		return native_part_build(a, s, ret);
	default:
		return leaf_part_build(a, s, ret);
	}
}

/* ---- hot: parts that are known */

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
	int err = part_build(a, s, kind, &made);
	if (err)
		return err;
	*ret = made;
	/* A leaf that lies nowhere may lie somewhere the next time: what is mapped is learned late. */
	if (kind == PART_LEAF && part_table_at(a->parts, made.forms[FORM_WHOLE])->losses)
		return 0;
	return part_table_add(a->parts, &made);
}

static u64 leaf_id(const struct assembly *s)
{
	return id_hash(id_hash(s->process->key, s->sample->ip), s->python ? 2 : 1);
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
		*ret = MERGE_VERIFIED;
	if (*ret && (s->unmerged || runs < places || (runs > places && native->complete)))
		*ret = MERGE_UNMERGED;
	if (s->unmerged)
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

/* The native part, then the leaf, if that is not inside of it: with one native part come many leaves. */
static int native_join(struct assembler *a, const struct assembly *s, struct seam *seam, struct assembled *ret)
{
	struct known_part native, leaf;
	u8 place = LEAF_INNERMOST;

	int err = part_get(a, s, PART_LEAF, leaf_id(s), 1, &leaf);
	if (err)
		return err;
	err = part_get(a, s, PART_NATIVE, s->native_id, s->word_cnt, &native);
	if (err == -ENOENT) {
		err = part_join(a, seam, ret);
		if (!err && !(s->python && a->options.native == NATIVE_NONE))
			err = stack_push_loss(a, LOSS_PART_MISSING, ret);
	} else if (!err) {
		ret->native_complete = native.complete;
		seam->native = native.forms[form_choose(a, s, seam->python, &native, &ret->merge)];
		place = part_table_at(a->parts, seam->native)->leaf;
		if (place == LEAF_INSIDE)
			seam->leaf = leaf.forms[FORM_WHOLE];
		err = part_join(a, seam, ret);
	}
	if (err || place != LEAF_INNERMOST)
		return err;
	return part_join(a, &(struct seam){ret->stack, PART_NONE, PART_NONE, leaf.forms[FORM_WHOLE]}, ret);
}

static int user_join(struct assembler *a, const struct assembly *s, struct assembled *ret)
{
	struct seam seam = {.leaf = PART_NONE, .native = PART_NONE};

	int err = python_side(a, s, &seam.python, ret);
	if (err)
		return err;
	ret->python_losses = ret->losses;
	if (seam.python != PART_NONE)
		ret->python_losses |= part_table_at(a->parts, seam.python)->losses;
	seam.prefix = ret->stack;
	ret->has_native = s->native_id;
	return s->native_id ? native_join(a, s, &seam, ret) : part_join(a, &seam, ret);
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
	assembly_init(&s, process, sample, unwound);
	if (doubt != LOSS_NONE)
		err = stack_push_loss(a, doubt, ret);
	if (!err)
		err = user_join(a, &s, ret);
	return err ? err : kernel_join(a, &s, ret);
}
