/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/format.h"

#include <string.h>

const struct format formats[] = {
	{"folded", ".folded", "one line per stack, root first, for scripts and other tools", folded_write},
	{"svg", ".svg", "a flame graph that any browser opens, with zoom and search", flamegraph_svg_write},
	{0},
};

const struct format *format_find(const char *name)
{
	for (const struct format *format = formats; format->name; format++)
		if (!strcmp(format->name, name))
			return format;
	return NULL;
}

const struct format *format_of_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *suffix = strrchr(slash ? slash + 1 : path, '.');

	if (!suffix)
		return format_find("folded");
	for (const struct format *format = formats; format->name; format++)
		if (!strcmp(format->suffix, suffix))
			return format;
	return NULL;
}
