/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "build_profile.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <string.h>

#include "profile/losses.h"

static u32 string_id(struct built_profile *built, const char *text)
{
	u32 id = 0;

	cr_assert_eq(string_table_intern(built->tables.strings, text, &id), 0);
	return id;
}

/* "NAME (INSIDE)" cut in two at its last parenthesis; NULL when it does not read so. */
static char *cut_parenthesis(char *text)
{
	size_t size = strlen(text);

	if (!size || text[size - 1] != ')')
		return NULL;
	for (char *at = text + size - 1; at > text; at--) {
		if (at[0] == '(' && at[-1] == ' ') {
			text[size - 1] = 0;
			at[-1] = 0;
			return at + 1;
		}
	}
	return NULL;
}

static bool parse_loss(struct built_profile *built, const char *text, struct frame *frame)
{
	char reason[64];
	enum loss loss;

	if (sscanf(text, "[unknown: %63[a-z-]]", reason) != 1 && sscanf(text, "[truncated: %63[a-z-]]", reason) != 1)
		return false;
	cr_assert_eq(loss_find(reason, &loss), 0, "no such loss: %s", reason);
	*frame = (struct frame){.kind = FRAME_LOSS, .loss = loss, .named = true};
	return true;
}

static struct frame parse_frame(struct built_profile *built, char *text)
{
	struct frame frame = {.kind = FRAME_NATIVE, .named = true};
	size_t size = strlen(text);

	/* Frames that read differently lie at different places. */
	frame.address = string_id(built, text);
	char *number = strrchr(text, '#');
	if (number && number > text && strspn(number + 1, "0123456789") == strlen(number + 1) && number[1])
		*number = 0, size = strlen(text);

	if (!strcmp(text, "[unmerged]") || !strcmp(text, "[greenlet]"))
		return (struct frame){
			.kind = FRAME_MARK, .mark = text[1] == 'u' ? MARK_UNMERGED : MARK_GREENLET, .named = true};
	if (parse_loss(built, text, &frame))
		return frame;
	if (size > 4 && !strcmp(text + size - 4, "_[k]")) {
		text[size - 4] = 0;
		frame.kind = FRAME_KERNEL;
		frame.function = string_id(built, text);
		return frame;
	}

	char *file = cut_parenthesis(text);
	char *line = file ? strrchr(file, ':') : NULL;
	if (line) {
		*line = 0;
		frame.kind = FRAME_PYTHON;
		frame.line = strtoul(line + 1, NULL, 10);
	}
	frame.function = string_id(built, text);
	frame.file = string_id(built, file ? file : "");
	return frame;
}

static struct origin parse_process(struct built_profile *built, char *text)
{
	char *pid = cut_parenthesis(text);

	return (struct origin){.pid = pid ? strtoul(pid, NULL, 10) : 1, .comm = string_id(built, text)};
}

static void parse_thread(struct built_profile *built, char *text, struct origin *origin)
{
	char *tid = cut_parenthesis(text);

	cr_assert(tid);
	origin->tid = strtoul(tid, NULL, 10);
	origin->thread_comm = string_id(built, text);
}

/* "{web=0123}" */
static u32 parse_place(struct built_profile *built, char *text)
{
	struct label_set set = {0};
	u32 labels = 0;

	text[strcspn(text, "}")] = 0;
	char *id = strchr(text, '=');
	if (id) {
		*id++ = 0;
		set.values[LABEL_CONTAINER_ID] = string_id(built, id);
	}
	set.values[strstr(text, ".service") ? LABEL_SYSTEMD_UNIT : LABEL_CONTAINER_NAME] = string_id(built, text + 1);
	cr_assert_eq(label_table_intern(built->tables.labels, &set, &labels), 0);
	return labels;
}

static void parse_line(struct built_profile *built, char *line)
{
	char *space = strrchr(line, ' '), *rest = line, *text;
	u32 stack = STACK_ROOT, frame_id, origin_id;

	cr_assert(space, "no count: %s", line);
	u64 samples = strtoull(space + 1, NULL, 10);
	*space = 0;

	u32 labels = *line == '{' ? parse_place(built, strsep(&rest, ";")) : LABEL_SET_EMPTY;
	struct origin origin = parse_process(built, strsep(&rest, ";"));
	origin.labels = labels;
	built->truth.samples += samples;
	while ((text = strsep(&rest, ";"))) {
		if (*text == '@') {
			parse_thread(built, text + 1, &origin);
			continue;
		}
		struct frame frame = parse_frame(built, text);
		if (frame.kind == FRAME_LOSS)
			built->truth.incomplete[frame.loss] += samples;
		cr_assert_eq(frame_table_intern(built->tables.frames, &frame, &frame_id, NULL), 0);
		cr_assert_eq(stack_table_push(built->tables.stacks, stack, frame_id, &stack), 0);
	}
	cr_assert_eq(profile_origin(built->profile, &origin, &origin_id), 0);
	cr_assert_eq(profile_add(built->profile, origin_id, stack, samples), 0);
}

void profile_build(const char *folded, struct built_profile *ret)
{
	_cleanup_(free) char *copy = strdup(folded);
	char *rest = copy, *line;

	*ret = (struct built_profile){0};
	cr_assert_eq(profile_tables_new(&ret->tables), 0);
	cr_assert_eq(profile_new(&ret->tables, &ret->profile), 0);
	while ((line = strsep(&rest, "\n")))
		if (*line && strncmp(line, "# ", 2))
			parse_line(ret, line);
}

void profile_build_file(struct built_profile *built, const char *function, const char *path, const char *build_id)
{
	struct file_row row = {string_id(built, path), string_id(built, build_id)};
	u32 name = string_id(built, function), id, changed = 0;

	cr_assert_eq(file_table_intern(built->tables.files, &row, &id), 0);
	for (u32 i = 0; i < frame_table_cnt(built->tables.frames); i++) {
		struct frame *frame = frame_table_at(built->tables.frames, i);

		if (frame->function != name || (frame->kind != FRAME_NATIVE && frame->kind != FRAME_KERNEL))
			continue;
		frame->file_id = id;
		changed++;
	}
	cr_assert(changed, "there is no native frame %s", function);
}

void profile_build_deinit(struct built_profile *built)
{
	profile_free(built->profile);
	profile_tables_free(&built->tables);
}
