/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_identity.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "container/group_maker.h"

#define RANDOM_DIGITS 32 /* hexadecimal: 128 bits are nobody's choice */

static bool id_is_random(const struct path_piece *id)
{
	size_t digits = 0;

	for (size_t i = 0; i < id->size; i++)
		digits += !!isxdigit((unsigned char)id->at[i]);
	return digits >= RANDOM_DIGITS;
}

static void container_put(struct strbuf *b, const char *path, const struct cgroup_path *read)
{
	strbuf_put(b, read->runtime);
	strbuf_put_char(b, '/');
	strbuf_put_size(b, read->id.at, read->id.size);
	if (!id_is_random(&read->id))
		strbuf_put_size(b, path, read->size);
	if (read->user.size) {
		strbuf_put(b, "//user/");
		strbuf_put_size(b, read->user.at, read->user.size);
	}
}

/* Two slashes stand in no path of the kernel's. */
void place_identity_put(struct strbuf *b, const char *path, const struct cgroup_path *read, u32 maker)
{
	struct cgroup_path outer;

	if (!read->runtime) {
		strbuf_put_size(b, path, read->size);
		return;
	}
	container_put(b, path, read);
	if (maker != MAKER_ROOT) {
		strbuf_printf(b, "//by/%u", maker);
		strbuf_put_size(b, path, read->size);
	}
	if (!read->outer_size)
		return;
	_cleanup_(free) char *outer_path = strndup(path, read->outer_size);
	if (!outer_path) {
		b->failed = true;
		return;
	}
	cgroup_path_read(outer_path, &outer);
	strbuf_put(b, "//in/");
	if (outer.runtime)
		container_put(b, outer_path, &outer);
	strbuf_put_char(b, '/');
	strbuf_put_size(b, path + read->outer_size, read->size - read->outer_size);
}
