/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "assemble/part_builder.h"

#include <errno.h>
#include <string.h>

/* A part at its largest: a place for a run beside each frame, a loss, a leaf, a mark. */
#define ITEM_MAX (2 * MAX_NATIVE_FRAMES + 8)

struct part_builder {
	enum native_frames native;
	struct profile_tables tables;
	struct symbolizer *symbolizer;
	struct part_table *parts;
	u32 unmerged, greenlet; /* frames: the marks */

	u32 items[ITEM_MAX]; /* a part under construction, outermost first */
	u32 item_cnt;
	u32 start_item; /* of a whole native stack: the first inside of the thread's start, which the interpreter was called from */
};

int part_builder_new(enum native_frames native, const struct profile_tables *tables, struct symbolizer *symbolizer,
		     struct part_table *parts, struct part_builder **ret)
{
	_cleanup_(part_builder) struct part_builder *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->native = native;
	b->tables = *tables;
	b->symbolizer = symbolizer;
	b->parts = parts;

	int err = frame_table_mark(b->tables.frames, MARK_UNMERGED, &b->unmerged);
	if (!err)
		err = frame_table_mark(b->tables.frames, MARK_GREENLET, &b->greenlet);
	if (err)
		return err;
	*ret = take(b);
	return 0;
}

void part_builder_free(struct part_builder *b)
{
	free(b);
}

static void item_push(struct part_builder *b, u32 item)
{
	if (b->item_cnt < ITEM_MAX) /* what record_check() has passed is smaller */
		b->items[b->item_cnt++] = item;
}

static int item_push_loss(struct part_builder *b, enum loss loss)
{
	u32 frame;
	int err = frame_table_loss(b->tables.frames, loss, &frame);

	if (!err)
		item_push(b, frame);
	return err;
}

/* What the items from `first` on show is missing. */
static u32 items_losses(const struct part_builder *b, u32 first)
{
	u32 losses = 0;

	for (u32 i = first; i < b->item_cnt; i++) {
		if (b->items[i] >= ITEM_RUN)
			continue;
		const struct frame *frame = frame_table_get(b->tables.frames, b->items[i]);
		if (frame->kind == FRAME_LOSS)
			losses |= 1u << frame->loss;
	}
	return losses;
}

static int items_intern(struct part_builder *b, u32 first, u32 *ret)
{
	return part_table_intern(b->parts, b->items + first, b->item_cnt - first, items_losses(b, first), ret);
}

static int kernel_part_build(struct part_builder *b, const struct sample *sample, struct known_part *ret)
{
	for (u32 i = sample->kernel_cnt; i-- > 0;) {
		u32 frame;
		int err = symbolize_kernel(b->symbolizer, sample_kernel(sample)[i], &frame);

		if (err)
			return err;
		item_push(b, frame);
	}
	return items_intern(b, 0, &ret->forms[FORM_WHOLE]);
}

/* A run is marked at its innermost frame: the next frame outward is the innermost of another one. */
static bool is_outermost_of_run(const struct sample *sample, u32 i)
{
	return i + 1 == sample->python_cnt || sample_python(sample)[i + 1].code & PYTHON_RUN_BEGIN;
}

static int python_part_build(struct part_builder *b, const struct assembly *s, struct known_part *ret)
{
	const struct sample *sample = s->sample;

	for (u32 i = sample->python_cnt; i-- > 0;) {
		struct python_frame python = sample_python(sample)[i];
		enum loss loss;
		u32 frame;
		int err = 0;

		if (is_outermost_of_run(sample, i))
			item_push(b, ITEM_RUN);
		if (i + 1 == sample->python_cnt && sample->python_end != LOSS_NONE)
			err = item_push_loss(b, sample->python_end);
		python.code &= ~PYTHON_RUN_BEGIN;
		if (!err)
			err = symbolize_python(b->symbolizer, s->process, &python, &frame, &loss);
		if (err)
			return err;
		if (frame != FRAME_NONE)
			item_push(b, frame);
	}
	return items_intern(b, 0, &ret->forms[FORM_WHOLE]);
}

/* Where the instruction is that a word stands for: a return address is the one behind it. */
static u64 word_pc(u64 word)
{
	return (word & NATIVE_ADDRESS) - !(word & NATIVE_EXACT);
}

static bool pc_is_shown(const struct part_builder *b, const struct assembly *s, u64 pc)
{
	if (!s->python || b->native == NATIVE_ALL)
		return true;
	return b->native == NATIVE_EXTENSIONS && !process_is_interpreter(s->process, pc);
}

/* Guesses are believed as far as each follows a call; the first one that does not ends the walk. */
static u32 words_believed(struct part_builder *b, const struct assembly *s)
{
	u32 i = 1;

	while (i < s->word_cnt && (!(s->words[i] & NATIVE_GUESS) ||
				   symbolizer_follows_call(b->symbolizer, s->process, s->words[i] & NATIVE_ADDRESS)))
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

/* Where runs are counted, the activations outward of a greenlet are counted as well, and are not its frames'. */
static bool words_count_others(struct process *process, const u64 *words, u32 cnt)
{
	for (u32 i = 0; i < cnt; i++)
		if (is_in_greenlet(process, words[i]))
			return true;
	return false;
}

/*
 * A greenlet runs on the stack of the thread, where the greenlet stood that started
 * it; what lies outward of its first frames, which are of greenlet's own extension,
 * is not its caller. Gives the index of the outermost of these; 0: there is none.
 */
static u32 words_greenlet(const struct part_builder *b, const struct assembly *s, u32 cnt)
{
	u32 i = cnt;

	if (!s->python || b->native != NATIVE_ALL) /* else they are left out anyway */
		return 0;
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

/* Where the form begins in which all runs have their places. */
static u32 items_find_inner(const struct part_builder *b, u32 greenlet_item)
{
	if (b->native == NATIVE_ALL)
		return greenlet_item ? greenlet_item - 1 : 0; /* room for the mark */
	for (u32 i = 0; i < b->item_cnt; i++)
		if (b->items[i] == ITEM_RUN)
			return i;
	return 0;
}

/* Instead of a place for each run, one for all, inside of everything. */
static void items_set_apart(struct part_builder *b)
{
	u32 cnt = 0;

	for (u32 i = 0; i < b->item_cnt; i++)
		if (b->items[i] != ITEM_RUN && b->items[i] != ITEM_LEAF)
			b->items[cnt++] = b->items[i];
	b->item_cnt = cnt;
	item_push(b, ITEM_LEAF);
	item_push(b, ITEM_PYTHON);
	item_push(b, b->unmerged);
}

static int native_forms_intern(struct part_builder *b, u32 greenlet_item, struct known_part *ret)
{
	int err = items_intern(b, ret->complete ? b->start_item : 0, &ret->forms[FORM_WHOLE]);
	if (err)
		return err;

	u32 first = items_find_inner(b, greenlet_item), outward = b->items[first];
	if (greenlet_item)
		b->items[first] = b->greenlet;
	err = items_intern(b, first, &ret->forms[FORM_INNER]);
	if (err)
		return err;
	b->items[first] = outward;
	items_set_apart(b);
	return items_intern(b, 0, &ret->forms[FORM_APART]);
}

static int native_push_word(struct part_builder *b, const struct assembly *s, u64 word)
{
	if (pc_is_shown(b, s, word_pc(word))) {
		u32 frame;
		int err = symbolize_native(b->symbolizer, s->process, word & NATIVE_ADDRESS, !(word & NATIVE_EXACT),
					   &frame);

		if (err)
			return err;
		item_push(b, frame);
	}
	if (word & NATIVE_RUN)
		item_push(b, ITEM_RUN);
	return 0;
}

/* Everything but the leaf, which is another one in each sample: of that the place alone. */
static int native_part_build(struct part_builder *b, const struct assembly *s, struct known_part *ret)
{
	u32 cnt = words_believed(b, s), greenlet = words_greenlet(b, s, cnt), greenlet_item = 0;
	bool in_interpreter = false;
	enum loss end = cnt < s->word_cnt ? LOSS_FRAME_POINTER : s->end;
	int err = 0;

	ret->complete = end == LOSS_NONE;
	ret->greenlet = s->counted && words_count_others(s->process, s->words, cnt);
	if (end != LOSS_NONE && !(s->python && b->native == NATIVE_NONE))
		err = item_push_loss(b, end);
	b->start_item = 0;
	for (u32 i = cnt; i-- > 1 && !err;) {
		if (i == greenlet)
			greenlet_item = b->item_cnt;
		if (!in_interpreter && !pc_is_shown(b, s, word_pc(s->words[i]))) {
			in_interpreter = true;
			b->start_item = b->item_cnt;
		}
		err = native_push_word(b, s, s->words[i]);
	}
	item_push(b, ITEM_LEAF);
	if (s->words[0] & NATIVE_RUN)
		item_push(b, ITEM_RUN);
	return err ? err : native_forms_intern(b, greenlet_item, ret);
}

static int leaf_part_build(struct part_builder *b, const struct assembly *s, bool innermost, struct known_part *ret)
{
	u64 ip = s->sample->ip;

	if (pc_is_shown(b, s, ip)) {
		u32 frame;
		int err = innermost ? symbolize_native(b->symbolizer, s->process, ip, false, &frame)
				    : symbolize_function(b->symbolizer, s->process, ip, &frame);

		if (err)
			return err;
		item_push(b, frame);
	}
	return items_intern(b, 0, &ret->forms[FORM_WHOLE]);
}

int part_builder_build(struct part_builder *b, const struct assembly *s, enum part_kind kind, struct known_part *ret)
{
	b->item_cnt = 0;
	switch (kind) {
	case PART_KERNEL:
		return kernel_part_build(b, s->sample, ret);
	case PART_PYTHON:
		return python_part_build(b, s, ret);
	case PART_NATIVE:
		return native_part_build(b, s, ret);
	default:
		return leaf_part_build(b, s, kind == PART_LEAF, ret);
	}
}
