/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/dump_format.h"

#include <errno.h>
#include <string.h>

const struct dump_format dump_formats[] = {
	{"pyflame", "IDENT*: and FILE:FUNCTION:LINE, innermost first, as Pyflame prints", pyflame_format_put},
	{"text", "for people: names, states, what is waited for, like stacks once", text_format_put},
	{"json", "one JSON object with everything that is known", json_format_put},
	{0},
};

const struct dump_format *dump_format_find(const char *name)
{
	for (const struct dump_format *format = dump_formats; format->name; format++)
		if (!strcmp(format->name, name))
			return format;
	return NULL;
}

int dump_write(const struct dump_format *format, const struct snapshot *const *snapshots, size_t cnt,
	       const struct dump_view *view, FILE *out)
{
	STRBUF(text);
	int err = format->put(snapshots, cnt, view, &text);

	if (err)
		return err;
	if (text.failed)
		return -ENOMEM;
	errno = 0;
	if ((text.size && fwrite(text.at, text.size, 1, out) != 1) || fflush(out))
		return errno ? -errno : -EIO;
	return 0;
}
