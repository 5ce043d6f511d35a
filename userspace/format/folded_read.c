/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * folded_read.c - folded text: our own (README, "Folded output"), windows of a stream
 * added up, and that of others as far as it reads like ours. Where others begin a line with a
 * function, and not with a process, the process stays without a name.
 *
 *	COMM (PID);frame;frame;frame COUNT
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "format/reader.h"

/* Text that is not ended by a NUL. */
struct piece {
	const char *at;
	size_t size;
};

struct folded_reader {
	struct read_profile *read;
	struct strbuf *why;
	u64 line; /* number of it, for people */
	bool lines, no_lines; /* Python frames with and without a line were there */
};

static int refuse(struct folded_reader *r, const char *what)
{
	strbuf_printf(r->why, "line %llu %s", r->line, what);
	return -EBADMSG;
}

/* Decimal digits, nothing else. */
static bool number_of(struct piece piece, u64 max, u64 *ret)
{
	u64 number = 0;

	for (size_t i = 0; i < piece.size; i++) {
		if (piece.at[i] < '0' || piece.at[i] > '9')
			return false;
		number = number * 10 + (u64)(piece.at[i] - '0');
		if (number > max)
			return false;
	}
	*ret = number;
	return piece.size;
}

/* Cuts at the next c; false: that was the last. */
static bool piece_next(struct piece *rest, char c, struct piece *ret)
{
	const char *end = memchr(rest->at, c, rest->size);

	*ret = *rest;
	if (!end) {
		rest->size = 0;
		return false;
	}
	ret->size = (size_t)(end - rest->at);
	rest->at = end + 1;
	rest->size -= ret->size + 1;
	return true;
}

/* "NAME (INSIDE)" in two, at the parenthesis that the last one closes. */
static bool parenthesis_cut(struct piece *name, struct piece *ret_inside)
{
	size_t depth = 0;

	if (!name->size || name->at[name->size - 1] != ')')
		return false;
	for (size_t i = name->size; i-- > 1;) {
		depth += name->at[i] == ')';
		if (name->at[i] != '(' || --depth)
			continue;
		if (name->at[i - 1] != ' ')
			return false;
		*ret_inside = (struct piece){name->at + i + 1, name->size - i - 2};
		name->size = i - 1;
		return true;
	}
	return false;
}

static bool piece_ends(struct piece piece, const char *end)
{
	size_t size = strlen(end);

	return piece.size >= size && !memcmp(piece.at + piece.size - size, end, size);
}

/* ---- levels ---- */

/* FILE:LINE or FILE:?; what is left of the piece is the file. */
static bool line_cut(struct piece *file, u32 *ret)
{
	const char *colon = memrchr(file->at, ':', file->size);
	struct piece number;
	u64 line = 0;

	if (!colon)
		return false;
	number = (struct piece){colon + 1, file->size - (size_t)(colon + 1 - file->at)};
	if (!piece_ends(number, "?") && !number_of(number, 0xffffffff, &line))
		return false;
	if (piece_ends(number, "?") && number.size != 1)
		return false;
	file->size = (size_t)(colon - file->at);
	*ret = line;
	return true;
}

static bool is_python_file(struct piece file)
{
	return piece_ends(file, ".py") || (file.size > 2 && file.at[0] == '<' && file.at[file.size - 1] == '>');
}

static int frame_fill(struct folded_reader *r, struct piece text, struct frame *ret)
{
	struct piece file = {"", 0};

	*ret = (struct frame){.kind = FRAME_NATIVE};
	if (text.size > 4 && piece_ends(text, "_[k]")) {
		ret->kind = FRAME_KERNEL;
		text.size -= 4;
	} else if (parenthesis_cut(&text, &file)) {
		if (line_cut(&file, &ret->line)) {
			ret->kind = FRAME_PYTHON;
			r->lines = true;
		} else if (is_python_file(file)) {
			ret->kind = FRAME_PYTHON;
			r->no_lines = true;
		}
	}
	int err = read_string(r->read, text.at, text.size, &ret->function);
	return err ? err : read_string(r->read, file.at, file.size, &ret->file);
}

static int frame_read(struct folded_reader *r, struct piece text, u32 *stack)
{
	struct frame frame;
	u32 id;
	int err = read_bracketed(r->read, text.at, text.size, &id);

	if (err == -ENOENT) {
		err = frame_fill(r, text, &frame);
		if (!err)
			err = read_frame(r->read, &frame, &id);
	}
	return err ? err : stack_table_push(r->read->tables.stacks, *stack, id, stack);
}

/* "COMM (ID)"; without an id the text as it is, id 0. */
static int named_read(struct folded_reader *r, struct piece text, u32 *ret_comm, u32 *ret_id)
{
	struct piece name = text, inside;
	u64 id = 0;

	if (parenthesis_cut(&name, &inside) && number_of(inside, 0xffffffff, &id))
		text = name;
	*ret_id = id;
	return read_string(r->read, text.at, text.size, ret_comm);
}

static bool is_thread(struct piece text)
{
	struct piece inside;
	u64 tid;

	return parenthesis_cut(&text, &inside) && number_of(inside, 0xffffffff, &tid) && tid;
}

/* A function where the process should be. */
static bool is_frame(struct piece text)
{
	struct piece inside;
	u64 pid;

	return parenthesis_cut(&text, &inside) && !number_of(inside, 0xffffffff, &pid);
}

/* ---- lines ---- */

static int stack_read(struct folded_reader *r, struct piece text, u64 samples)
{
	struct origin origin = {.pid = 0};
	struct piece rest = text, level;
	u32 stack = STACK_ROOT, depth = 0;
	int err = 0;

	for (bool more = true; more && !err; depth++) {
		more = piece_next(&rest, ';', &level);
		if (depth > READ_DEPTH_MAX)
			return refuse(r, "is deeper than any stack");
		if (!depth && !is_frame(level))
			err = named_read(r, level, &origin.comm, &origin.pid);
		else if (depth == 1 && origin.pid && is_thread(level))
			err = named_read(r, level, &origin.thread_comm, &origin.tid);
		else
			err = frame_read(r, level, &stack);
	}
	return err ? err : read_sample(r->read, &origin, stack, samples);
}

/* "# window START SECONDS HZ SAMPLES LOST", of a stream. */
static void window_read(struct folded_reader *r, struct piece text)
{
	unsigned long long samples, lost;
	double seconds;
	char line[128];
	u32 hz;

	if (text.size >= sizeof(line))
		return;
	memcpy(line, text.at, text.size);
	line[text.size] = 0;
	if (sscanf(line, "# window %*s %lf %u %llu %llu", &seconds, &hz, &samples, &lost) != 4)
		return;
	if (isfinite(seconds) && seconds > 0)
		r->read->truth.seconds += seconds;
	r->read->truth.hz = hz;
	r->read->lost += lost;
}

static int line_read(struct folded_reader *r, struct piece text)
{
	const char *space;
	u64 samples;

	if (text.size && text.at[text.size - 1] == '\r')
		text.size--;
	if (!text.size)
		return 0;
	/* A process may be called #: what is said about a profile has no frames. */
	if (text.size > 1 && !memcmp(text.at, "# ", 2) && !memchr(text.at, ';', text.size)) {
		window_read(r, text);
		return 0;
	}
	space = memrchr(text.at, ' ', text.size);
	if (!space ||
	    !number_of((struct piece){space + 1, text.size - (size_t)(space + 1 - text.at)}, 1ull << 53, &samples))
		return refuse(r, "does not end in a number of samples");
	text.size = (size_t)(space - text.at);
	if (samples)
		return stack_read(r, text, samples);
	r->read->skipped++;
	return 0;
}

int folded_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why)
{
	struct folded_reader r = {.read = ret, .why = why};
	struct piece rest = {bytes, size}, line;
	int err = 0;

	while (rest.size && !err) {
		r.line++;
		piece_next(&rest, '\n', &line);
		err = line_read(&r, line);
	}
	ret->view.lines = r.lines || !r.no_lines;
	return err;
}
