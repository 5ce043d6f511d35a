/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/mount_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What stands before the next delimiter, or the end; false when nothing is left. */
static bool text_split(struct mount_text *rest, char delimiter, struct mount_text *ret)
{
	if (!rest->size)
		return false;
	const char *end = memchr(rest->at, delimiter, rest->size);
	size_t size = end ? (size_t)(end - rest->at) : rest->size;

	*ret = (struct mount_text){rest->at, size};
	rest->at += size + !!end;
	rest->size -= size + !!end;
	return true;
}

bool mount_text_is(const struct mount_text *text, const char *word)
{
	return text->size == strlen(word) && !memcmp(text->at, word, text->size);
}

bool mount_text_has(const struct mount_text *text, const char *word)
{
	struct mount_text rest = *text, one;

	while (text_split(&rest, ',', &one))
		if (mount_text_is(&one, word))
			return true;
	return false;
}

int mount_line_parse(struct cursor *c, struct mount_line *ret)
{
	struct mount_text rest = {(const char *)c->at, cursor_left(c)}, line, text = {0};
	struct mount_line found = {0};

	if (!text_split(&rest, '\n', &line))
		return -EINVAL;
	cursor_take(c, (const u8 *)rest.at - c->at);
	for (size_t i = 0; i < 6; i++) { /* id, parent, device, root, target, options of the mount */
		if (!text_split(&line, ' ', &text))
			return -EINVAL;
		if (i == 3)
			found.root = text;
		else if (i == 4)
			found.target = text;
	}
	do {
		if (!text_split(&line, ' ', &text))
			return -EINVAL;
	} while (!mount_text_is(&text, "-"));
	if (!text_split(&line, ' ', &found.type) || !text_split(&line, ' ', &text))
		return -EINVAL;
	text_split(&line, ' ', &found.options);
	*ret = found;
	return 0;
}

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' && at[2] <= '7';
}

int mount_text_copy(const struct mount_text *text, char **ret)
{
	char *copy = malloc(text->size + 1), *end = copy;

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < text->size; i++) {
		const char *at = text->at + i;

		if (*at == '\\' && text->size - i > 3 && is_octal(at + 1)) {
			*end++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			i += 3;
		} else {
			*end++ = *at;
		}
	}
	*end = 0;
	*ret = copy;
	return 0;
}
