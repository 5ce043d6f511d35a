/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/format.h"

#include <stdbool.h>
#include <string.h>

const struct format formats[] = {
	{"folded", ".folded", "one line per stack, root first, for scripts and other tools", folded_write, false},
	{"svg", ".svg", "a flame graph that any browser opens, with zoom and search", flamegraph_svg_write, true},
	{"speedscope", ".speedscope.json", "for speedscope.app: a profile for each process or thread", speedscope_write,
	 false},
	{"firefox", ".firefox.json", "for profiler.firefox.com: a track for each process or thread", firefox_write,
	 false},
	{"pprof", ".pb.gz", "for `go tool pprof`, Pyroscope, Parca and whatever else reads pprof", pprof_write, false},
	{"otlp", ".otlp.pb", "OpenTelemetry's profiles signal, as a collector takes it (OTLP 1.10 and newer)",
	 otlp_write, false},
	{0},
};

const struct format *format_find(const char *name)
{
	for (const struct format *format = formats; format->name; format++)
		if (!strcmp(format->name, name))
			return format;
	return NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && !strcmp(text + size - end_size, end);
}

const struct format *format_of_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!strchr(name, '.'))
		return format_find("folded");
	for (const struct format *format = formats; format->name; format++)
		if (ends_with(name, format->suffix))
			return format;
	return NULL;
}
