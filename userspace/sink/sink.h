/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sink.h - where profiles go over time: a file at the end, windows on stdout or to a fleet, the screen. */
#ifndef PYPROF_SINK_H
#define PYPROF_SINK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "export/exporter.h"
#include "format/format.h"
#include "profile/profile.h"

struct sink;
struct strbuf;

struct sink_options {
	/* file: where to; "-" is stdout. place_files: with its placeholder (place_path.h). Borrowed. */
	const char *path;
	bool path_is_chosen; /* by a person; else it is our own default */
	const struct format *format;
	struct view view;
	u64 window_ns; /* stream, export: length of a window; live: how far back the table looks */
	const struct exporter_options *export; /* export; borrowed for the sink's life */
	const char **ret_step; /* export: what was refused, in words, when it cannot be opened */
	bool whole_host;
	uid_t uid; /* who shall own files; (uid_t)-1: we */
	gid_t gid;
};

struct sink_type {
	/* Tries the place: what fails later would have failed now. */
	int (*open)(const struct sink_options *options, struct sink **ret);
	/*
	 * The profile of the time since the last call, named. last: there is no more,
	 * and what waits must be out when this returns, but for what flush waits for. -EPIPE: nobody reads any more.
	 */
	int (*consume)(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last);
	/*
	 * After the last: waits for some seconds until what is under way has arrived, or until is_over says that it is
	 * enough. What put_words says is final then. NULL: nothing is ever under way.
	 */
	void (*flush)(struct sink *sink, bool (*is_over)(void *ctx), void *ctx);
	/* A descriptor on which the person may speak, and what is done then. NULL: never. */
	int (*fd)(const struct sink *sink);
	int (*speak)(struct sink *sink, bool *ret_quit);
	/* How often consume is to be called, 0: once, at the end. */
	u64 (*period_ns)(const struct sink *sink);
	/* A sentence for the summary, about what it did. NULL: there is nothing to say. */
	void (*put_words)(const struct sink *sink, struct strbuf *b);
	/* Drops what it kept of earlier profiles: their ids lose their meaning. NULL: keeps nothing. */
	void (*forget)(struct sink *sink);
	void (*close)(struct sink *sink);
	bool owns_terminal; /* no status line beside it */
};

/* What every sink begins with. */
struct sink {
	const struct sink_type *type;
	struct sink_options options;
};

extern const struct sink_type export_sink, file_sink, place_files_sink, stream_sink, live_sink;

static inline void sink_close(struct sink *sink)
{
	if (sink)
		sink->type->close(sink);
}
DEFINE_CLEANUP(sink, struct sink *, sink_close)

#endif
