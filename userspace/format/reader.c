/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/reader.h"

#include <errno.h>
#include <string.h>

#include "format/gzip.h"

static int read_profile_init(struct read_profile *ret)
{
	*ret = (struct read_profile){.truth = {.from_file = true, .losses_unknown = true}};
	int err = profile_tables_new(&ret->tables);

	if (!err)
		err = profile_new(&ret->tables, &ret->profile);
	if (!err)
		profile_set_common(ret->profile, &ret->common);
	return err;
}

void read_profile_deinit(struct read_profile *read)
{
	profile_free(read->profile);
	profile_tables_free(&read->tables);
	common_labels_deinit(&read->common);
	read->profile = NULL;
}

/* Protobuf's first byte is the key of pprof's first field, a newline; no line of folded text is empty. */
static bool is_pprof(const u8 *bytes, size_t size)
{
	return gzip_is(bytes, size) || (size && bytes[0] == 0x0a) || memchr(bytes, 0, size < 4096 ? size : 4096);
}

int profile_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why)
{
	int err = read_profile_init(ret);

	if (err || !size)
		return err;
	err = is_pprof(bytes, size) ? pprof_read(bytes, size, ret, why) : folded_read(bytes, size, ret, why);
	if (ret->truth.hz > READ_HZ_MAX)
		ret->truth.hz = 0;
	return err;
}

int read_string(struct read_profile *read, const char *text, size_t size, u32 *ret)
{
	_cleanup_(free) char *copy = strndup(text, size);

	return copy ? string_table_intern(read->tables.strings, copy, ret) : -ENOMEM;
}

int read_frame(struct read_profile *read, const struct frame *frame, u32 *ret)
{
	bool has_file = frame->kind == FRAME_NATIVE || frame->kind == FRAME_KERNEL;
	struct frame key = {.kind = frame->kind,
			    .scope = frame->file,
			    .address = frame->address,
			    .detail = (u64)frame->function << 32 | (has_file ? frame->file_id : frame->line)};
	bool is_new;

	int err = frame_table_intern(read->tables.frames, &key, ret, &is_new);
	if (err || !is_new)
		return err;
	struct frame *at = frame_table_at(read->tables.frames, *ret);
	at->function = frame->function;
	at->file = frame->file;
	at->line = frame->line;
	if (has_file)
		at->file_id = frame->file_id;
	at->named = true;
	return 0;
}

int read_bracketed(struct read_profile *read, const char *text, size_t size, u32 *ret)
{
	char copy[64];
	struct frame frame;

	if (size >= sizeof(copy) || !size || text[0] != '[')
		return -ENOENT;
	memcpy(copy, text, size);
	copy[size] = 0;
	if (frame_of_brackets(copy, &frame))
		return -ENOENT;
	return frame.kind == FRAME_LOSS ? frame_table_loss(read->tables.frames, frame.loss, ret)
					: frame_table_mark(read->tables.frames, frame.mark, ret);
}

/* The losses that a stack shows, each once. */
static void count_losses(struct read_profile *read, u32 stack, u64 samples)
{
	u32 losses = 0;

	for (; stack != STACK_ROOT; stack = stack_table_parent(read->tables.stacks, stack)) {
		const struct frame *frame = frame_table_get(read->tables.frames,
							    stack_table_frame(read->tables.stacks, stack));

		if (frame->kind == FRAME_LOSS)
			losses |= 1u << frame->loss;
	}
	for (; losses; losses &= losses - 1)
		read->truth.incomplete[__builtin_ctz(losses)] += samples;
}

int read_sample(struct read_profile *read, const struct origin *origin, u32 stack, u64 samples)
{
	u32 id;
	int err = profile_origin(read->profile, origin, &id);

	if (!err)
		err = profile_add(read->profile, id, stack, samples);
	if (err)
		return err;
	read->truth.samples += samples;
	read->view.pids |= origin->pid;
	read->view.threads |= origin->tid;
	count_losses(read, stack, samples);
	return 0;
}
