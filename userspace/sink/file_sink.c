/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* file_sink.c - one profile, in one file, at the end. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "sink/sink.h"

struct file_sink {
	struct sink sink;
	struct atomic_file *file; /* NULL: stdout */
};

static int file_open(const struct sink_options *options, struct sink **ret)
{
	struct file_sink *s = calloc(1, sizeof(*s));
	int err = 0;

	if (!s)
		return -ENOMEM;
	s->sink = (struct sink){&file_sink, *options};
	if (strcmp(options->path, "-")) {
		/* A person's own symlink is followed; one that lay in wait under a name that we chose is not. */
		int (*open)(const char *path, uid_t uid, gid_t gid, struct atomic_file **ret) =
			options->path_is_chosen ? atomic_file_open : atomic_file_open_plain;

		err = open(options->path, options->uid, options->gid, &s->file);
	}
	if (err) {
		free(s);
		return err;
	}
	*ret = &s->sink;
	return 0;
}

static int file_consume(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last)
{
	struct file_sink *s = (struct file_sink *)sink;
	FILE *out = s->file ? atomic_file_stream(s->file) : stdout;

	if (!last)
		return 0;
	int err = sink->options.format->write(profile, truth, &sink->options.view, out);
	if (!s->file)
		return err ? err : fflush(out) ? -errno : 0;
	return atomic_file_finish(take(s->file), err);
}

static u64 file_period_ns(const struct sink *sink)
{
	return 0;
}

static void file_put_words(const struct sink *sink, struct strbuf *b)
{
	if (strcmp(sink->options.path, "-"))
		strbuf_printf(b, "wrote %s", sink->options.path);
}

static void file_close(struct sink *sink)
{
	struct file_sink *s = (struct file_sink *)sink;

	atomic_file_abandon(s->file);
	free(s);
}

const struct sink_type file_sink = {
	.open = file_open,
	.consume = file_consume,
	.period_ns = file_period_ns,
	.put_words = file_put_words,
	.close = file_close,
};
