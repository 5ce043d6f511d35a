/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/maps_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A number and the character behind it. */
static u64 maps_number(struct cursor *c, unsigned int base, u8 delimiter)
{
	u64 number = 0;

	for (size_t digits = 0; digits <= 20; digits++) {
		u8 character = cursor_u8(c);
		unsigned int digit;

		if (character == delimiter && digits)
			return number;
		if (character >= '0' && character <= '9')
			digit = character - '0';
		else if (character >= 'a' && character <= 'f')
			digit = character - 'a' + 10;
		else
			break;
		if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			break;
	}
	c->bad = true;
	return 0;
}

/* The rest of the line, without its newline. */
static const char *maps_rest(struct cursor *c, size_t *ret_size)
{
	size_t left = cursor_left(c);
	const void *newline = left ? memchr(c->at, '\n', left) : NULL;
	size_t size = newline ? (size_t)((const u8 *)newline - c->at) : left;
	const char *rest = cursor_take(c, size);

	if (newline)
		cursor_take(c, 1);
	*ret_size = size;
	return rest;
}

int maps_line_parse(struct cursor *c, struct maps_line *ret)
{
	struct maps_line line = {0};
	struct mapping *mapping = &line.mapping;

	mapping->start = maps_number(c, 16, '-');
	mapping->end = maps_number(c, 16, ' ');
	const char *permissions = cursor_take(c, 5);
	mapping->file_offset = maps_number(c, 16, ' ');
	mapping->dev_major = maps_number(c, 16, ':');
	mapping->dev_minor = maps_number(c, 16, ' ');
	mapping->inode = maps_number(c, 10, ' ');
	if (c->bad || mapping->start >= mapping->end)
		return -EINVAL;

	line.is_executable = permissions[2] == 'x';
	line.path = maps_rest(c, &line.path_size);
	while (line.path_size && *line.path == ' ') {
		line.path++;
		line.path_size--;
	}
	*ret = line;
	return 0;
}

/* A newline is the one character that the kernel escapes, a backslash in a name is not. */
int maps_line_path(const struct maps_line *line, char **ret)
{
	const char *text = line->path;
	size_t size = line->path_size;
	static const char escape[] = "\\012";
	const size_t escape_size = sizeof(escape) - 1;

	char *path = malloc(size + 1);
	size_t path_size = 0;
	if (!path)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++) {
		bool escaped = size - i >= escape_size && !memcmp(text + i, escape, escape_size);

		path[path_size++] = escaped ? '\n' : text[i];
		i += escaped ? escape_size - 1 : 0;
	}
	path[path_size] = 0;
	*ret = path;
	return 0;
}
