/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "sink/place_path.h"
#include "sink/sink.h"

#define PATH_SIZE	 4096
#define SINKS_MAX	 2 /* on this machine, and the fleet */
#define SPOOL_MEMORY_MAX (16ull << 20)

struct outputs {
	const struct record_options *options;
	enum output output;
	char path[PATH_SIZE]; /* of a file */
	uid_t uid;
	gid_t gid;
	struct exporter_options export;
	struct sink *sinks[SINKS_MAX];
	size_t sink_cnt;
	u64 period_ns;
	bool sums; /* a sink wants the whole at the end, beside one that wants windows: */
	struct profile *whole; /* all windows so far; NULL: none yet */
	u64 whole_lost; /* samples for which it had no room */
};

static int path_fill(struct outputs *o, pid_t pid)
{
	int size;

	if (o->options->output)
		size = snprintf(o->path, sizeof(o->path), "%s", o->options->output);
	else
		size = snprintf(o->path, sizeof(o->path), "pyprof-bpf-%d%s", pid, o->options->format->suffix);
	return size < (int)sizeof(o->path) ? 0 : -ENAMETOOLONG;
}

static int sink_open(struct outputs *o, const struct sink_type *type, const char **ret_step)
{
	struct sink_options options = {
		.path = o->path,
		.path_is_chosen = o->options->output,
		.format = o->options->format,
		.view = o->options->view,
		.window_ns = o->options->window_ns,
		.export = &o->export,
		.ret_step = ret_step,
		.whole_host = o->options->target == TARGET_ALL,
		.uid = o->uid,
		.gid = o->gid,
	};
	struct sink *sink;

	int err = type->open(&options, &sink);
	if (err)
		return err;
	o->sinks[o->sink_cnt++] = sink;
	u64 period_ns = type->period_ns(sink);
	if (period_ns)
		o->period_ns = period_ns;
	else
		o->sums = true;
	return 0;
}

static int local_open(struct outputs *o, pid_t pid)
{
	static const struct sink_type *const types[] = {
		[OUTPUT_TABLE] = &live_sink,
		[OUTPUT_STREAM] = &stream_sink,
		[OUTPUT_FILE] = &file_sink,
	};

	if (o->output == OUTPUT_EXPORT)
		return 0;
	int err = path_fill(o, pid);
	if (!err)
		err = sink_open(
			o, o->output == OUTPUT_FILE && place_path_is(o->path) ? &place_files_sink : types[o->output],
			NULL);
	if (err == -ENOENT && o->output == OUTPUT_FILE)
		return log_error_errno(err, "cannot write '%s', make its folder first or choose another with -o",
				       o->path);
	if (err && o->output == OUTPUT_FILE)
		return log_error_errno(err, "cannot write '%s', choose another place with -o", o->path);
	if (err)
		return log_error_errno(err, "cannot use the terminal, write to a file with -o");
	return 0;
}

/* Of the exporter's threads, too. */
static void on_export_message(void *ctx, bool is_error, const char *line)
{
	if (is_error)
		log_warning("%s", line);
	else
		log_info("%s", line);
}

static int export_open(struct outputs *o)
{
	const struct record_options *options = o->options;
	const char *step = "out of memory";

	if (!options->destination_cnt)
		return 0;
	o->export = (struct exporter_options){
		.destinations = options->destinations,
		.destination_cnt = options->destination_cnt,
		.headers = (const char *const *)options->headers.at,
		.header_cnt = options->headers.cnt,
		.token_file = options->token_file,
		.ca_file = options->ca_file,
		.spool_path = options->spool,
		.memory_max = SPOOL_MEMORY_MAX,
		.disk_max = options->spool_size,
		.on_message = on_export_message,
	};
	int err = sink_open(o, &export_sink, &step);
	return err ? log_error_errno(err, "%s", step) : 0;
}

int outputs_open(const struct record_options *options, pid_t pid, uid_t uid, gid_t gid, struct outputs **ret)
{
	_cleanup_(outputs) struct outputs *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->options = options;
	o->output = record_options_output(options, isatty(STDOUT_FILENO));
	o->uid = uid;
	o->gid = gid;

	int err = local_open(o, pid);
	if (!err)
		err = export_open(o);
	if (err)
		return err;
	o->sums &= !!o->period_ns;
	*ret = take(o);
	return 0;
}

void outputs_leave_terminal(struct outputs *o)
{
	while (o->sink_cnt)
		sink_close(o->sinks[--o->sink_cnt]);
}

void outputs_close(struct outputs *o)
{
	if (!o)
		return;
	outputs_leave_terminal(o);
	profile_free(o->whole);
	free(o);
}

u64 outputs_period_ns(const struct outputs *o)
{
	return o->period_ns;
}

static int whole_add(struct outputs *o, const struct profile *window)
{
	int err = 0;

	if (!o->whole) {
		err = profile_new(profile_tables_of(window), &o->whole);
		if (!err)
			profile_set_common(o->whole, profile_common(window));
	}
	u64 lost = 0;
	if (!err)
		err = profile_merge(o->whole, window, &lost);
	o->whole_lost += lost;
	return err;
}

void outputs_tell_losses(const struct outputs *o, struct truth *truth)
{
	truth->lost[LOSS_TABLE_FULL] += o->whole_lost;
}

int outputs_consume(struct outputs *o, const struct profile *window, const struct truth *truth, bool last)
{
	int whole_err = o->sums ? whole_add(o, window) : 0, err = whole_err;
	struct truth whole_truth = *truth;

	outputs_tell_losses(o, &whole_truth);
	for (size_t i = 0; (!err || last) && i < o->sink_cnt; i++) {
		struct sink *sink = o->sinks[i];
		bool wants_whole = o->sums && !sink->type->period_ns(sink);

		if (wants_whole && whole_err)
			continue;
		int sink_err = wants_whole ? sink->type->consume(sink, o->whole, &whole_truth, last)
					   : sink->type->consume(sink, window, truth, last);
		err = err ? err : sink_err;
	}
	return err;
}

void outputs_flush(struct outputs *o, bool (*is_over)(void *ctx), void *ctx)
{
	for (size_t i = 0; i < o->sink_cnt; i++)
		if (o->sinks[i]->type->flush)
			o->sinks[i]->type->flush(o->sinks[i], is_over, ctx);
}

bool outputs_forget(struct outputs *o)
{
	if (o->sums)
		return false;
	for (size_t i = 0; i < o->sink_cnt; i++)
		if (o->sinks[i]->type->forget)
			o->sinks[i]->type->forget(o->sinks[i]);
	return true;
}

const struct profile *outputs_whole(const struct outputs *o, const struct profile *last)
{
	return o->whole ? o->whole : last;
}

/* The first is the one on this machine, which may have the terminal. */
static struct sink *local_of(const struct outputs *o)
{
	return o->output == OUTPUT_EXPORT || !o->sink_cnt ? NULL : o->sinks[0];
}

int outputs_fd(const struct outputs *o)
{
	const struct sink *local = local_of(o);

	return local && local->type->fd ? local->type->fd(local) : -1;
}

int outputs_speak(struct outputs *o, bool *ret_quit)
{
	struct sink *local = local_of(o);

	return local->type->speak(local, ret_quit);
}

bool outputs_own_terminal(const struct outputs *o)
{
	const struct sink *local = local_of(o);

	return local && local->type->owns_terminal;
}

const char *outputs_path(const struct outputs *o)
{
	return o->output == OUTPUT_FILE && strcmp(o->path, "-") ? o->path : "standard output";
}

void outputs_put_words(const struct outputs *o, struct strbuf *b)
{
	for (size_t i = 0; i < o->sink_cnt; i++) {
		STRBUF(words);

		if (o->sinks[i]->type->put_words)
			o->sinks[i]->type->put_words(o->sinks[i], &words);
		if (words.size)
			strbuf_printf(b, "%s\n", words.at);
	}
}
