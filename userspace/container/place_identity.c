/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_identity.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define MAX_NESTING   8
#define RANDOM_DIGITS 32 /* hexadecimal: 128 bits are nobody's choice */

static bool id_is_random(const struct path_piece *id)
{
	size_t digits = 0;

	for (size_t i = 0; i < id->size; i++)
		digits += !!isxdigit((unsigned char)id->at[i]);
	return digits >= RANDOM_DIGITS;
}

/* The container around the one that ends at `size`, whose size it gives; false: there is none. */
static bool outer_read(const char *path, size_t size, struct cgroup_path *ret, char **ret_text)
{
	while (size && path[size - 1] != '/')
		size--;
	while (size && path[size - 1] == '/')
		size--;
	_cleanup_(free) char *text = strndup(path, size);
	if (!size || !text)
		return false;
	cgroup_path_read(text, ret);
	if (!ret->runtime || !ret->size)
		return false;
	*ret_text = take(text);
	return true;
}

bool cgroup_path_is_nested(const char *path, const struct cgroup_path *read)
{
	_cleanup_(free) char *text = NULL;
	struct cgroup_path outer;

	return outer_read(path, read->size, &outer, &text);
}

static void container_put(struct strbuf *b, const char *path, const struct cgroup_path *read)
{
	strbuf_put(b, read->runtime);
	strbuf_put_char(b, '/');
	strbuf_put_size(b, read->id.at, read->id.size);
	if (!id_is_random(&read->id))
		strbuf_put_size(b, path, read->size);
}

void place_identity_put(struct strbuf *b, const char *path, const struct cgroup_path *read)
{
	_cleanup_(free) char *text = NULL;
	struct cgroup_path inner = *read, outer;

	if (!read->runtime) {
		strbuf_put_size(b, path, read->size);
		return;
	}
	container_put(b, path, read);
	for (size_t i = 0; i < MAX_NESTING; i++) {
		char *outer_text = NULL;

		if (!outer_read(text ? text : path, inner.size, &outer, &outer_text))
			return;
		free(text);
		text = outer_text;
		inner = outer;
		strbuf_put(b, "//"); /* stands in no path */
		container_put(b, text, &outer);
	}
	strbuf_put_size(b, path, read->size); /* deeper than anybody nests: nothing is shared */
}
