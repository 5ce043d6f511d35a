/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dump.c - where every Python thread is now: of one process, of it and what it started, of all. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "capture/rights.h"
#include "cmd/cmd.h"
#include "cmd/dump_explain.h"
#include "cmd/dump_options.h"
#include "dump/process_list.h"
#include "dump/dumper.h"

struct dumps {
	const struct dump_options *options;
	struct thread_capture *capture;
	struct mapped_file_cache *files;
	struct snapshot **at;
	size_t cnt, capacity;
	size_t python_cnt, failed_cnt;
	struct snapshot_counts threads;
	size_t closed_cnt; /* of many, those that we may not look into: who knows what they are */
};

static void dumps_deinit(struct dumps *dumps)
{
	for (size_t i = 0; i < dumps->cnt; i++)
		snapshot_free(dumps->at[i]);
	free(dumps->at);
	thread_capture_close(dumps->capture);
	mapped_file_cache_free(dumps->files);
}

static void on_message(const char *message)
{
	log_debug("libbpf: %s", message);
}

static int dumps_open(struct dumps *dumps)
{
	const struct thread_capture_options capture = {
		.kernel_stacks = dumps->options->snapshot.kernel,
		.on_message = on_message,
	};
	const char *step = "";

	dumps->files = mapped_file_cache_new();
	if (!dumps->files)
		return log_error_errno(-ENOMEM, "out of memory: free some");
	int err = thread_capture_open(&capture, &dumps->capture, &step);
	if (err)
		dump_explain_capture(err, step);
	return err;
}

static int dumps_keep(struct dumps *dumps, struct snapshot *snapshot)
{
	struct snapshot **at = array_reserve(dumps->at, &dumps->capacity, dumps->cnt + 1, sizeof(*at));

	if (!at) {
		snapshot_free(snapshot);
		return -ENOMEM;
	}
	dumps->at = at;
	at[dumps->cnt++] = snapshot;
	struct snapshot_counts threads = snapshot_count(snapshot);
	dumps->threads.read += threads.read;
	dumps->threads.lost += threads.lost;
	return 0;
}

/* must: asked for by its number, else one of many: then what is no Python, or is over already, is passed over. */
static int dumps_add(struct dumps *dumps, u32 pid, bool must)
{
	_cleanup_(snapshot) struct snapshot *snapshot = NULL;
	_cleanup_(dumper) struct dumper *dumper = NULL;

	int err = dumper_new(&dumps->options->snapshot, dumps->capture, pid, dumps->files, &dumper);
	if (!err)
		err = dumper_take(dumper, &snapshot);
	if (err == -ENOMEM)
		return err;
	dumps->python_cnt += snapshot->phase != PYTHON_NONE;
	if (err) {
		bool is_closed = err == -EPERM && snapshot->phase == PYTHON_NONE;
		bool is_other = is_closed || err == -ENOEXEC || err == -ENODATA || err == -ESRCH;

		if (must || !is_other)
			dump_explain(pid, err, snapshot);
		dumps->failed_cnt += must || !is_other;
		dumps->closed_cnt += is_closed && !must;
		/* The table of many tells of those too that could not be looked into, and are still there. */
		if (must || snapshot->phase == PYTHON_NONE || err == -ESRCH)
			return 0;
		snapshot->err = err;
		return dumps_keep(dumps, take(snapshot));
	}
	dump_explain_missing(snapshot, must);
	return dumps_keep(dumps, take(snapshot));
}

static int dumps_take(struct dumps *dumps)
{
	const struct dump_options *o = dumps->options;
	_cleanup_(free) u32 *pids = NULL;
	size_t cnt = 0;
	int err = 0;

	if (o->pid)
		err = dumps_add(dumps, o->pid, true);
	if (err || (o->pid && !o->children))
		return err;
	err = process_list_read(o->pid, &pids, &cnt);
	for (size_t i = 0; !err && i < cnt; i++)
		if (pids[i] != o->pid && (o->pid || pids[i] != (u32)getpid()))
			err = dumps_add(dumps, pids[i], false);
	return err;
}

static bool wants_colour(const struct dump_options *o)
{
	const char *no_colour = getenv("NO_COLOR");

	return !o->no_colour && !o->output && isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

static int dumps_write(const struct dumps *dumps)
{
	const struct dump_options *o = dumps->options;
	const struct dump_view view = {
		.colour = wants_colour(o),
		.leaf_first = o->leaf_first,
		.whole = o->whole,
		.many = o->all || o->children,
	};
	const struct snapshot *const *snapshots = (const struct snapshot *const *)dumps->at;
	struct atomic_file *file;

	if (!o->output)
		return dump_write(o->format, snapshots, dumps->cnt, &view, stdout);
	int err = atomic_file_open(o->output, -1, -1, &file);
	if (err)
		return err;
	err = dump_write(o->format, snapshots, dumps->cnt, &view, atomic_file_stream(file));
	return atomic_file_finish(file, err);
}

static int dumps_finish(const struct dumps *dumps)
{
	const struct dump_options *o = dumps->options;

	/* Of one process that could not be looked into all is said; so of many, if none is a Python process. */
	if (o->all && !dumps->python_cnt && !dumps->failed_cnt)
		log_error("there is no Python process here");
	if (dumps->closed_cnt)
		log_warning(
			"%zu of all processes may not be looked into, Python's or not: run as root on the host itself",
			dumps->closed_cnt);
	if (!dumps->cnt)
		return EXIT_FAILED;
	int err = dumps_write(dumps);
	if (err == -EPIPE)
		return EXIT_FAILED;
	if (err) {
		log_error_errno(err, "cannot write %s: give it a place that takes it",
				o->output ? o->output : "stdout");
		return EXIT_FAILED;
	}
	return dumps->threads.read || !(dumps->failed_cnt + dumps->threads.lost) ? EXIT_OK : EXIT_FAILED;
}

/* A descriptor for each file that is mapped in one of many processes. */
static void open_files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int help_print(void)
{
	STRBUF(help);

	dump_options_put_help(&help);
	return help.failed || fputs(help.at, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

int dump_main(int argc, char **argv)
{
	__attribute__((cleanup(dumps_deinit))) struct dumps dumps = {0};
	struct dump_options options;
	STRBUF(error);

	/* Whoever reads no more has seen enough: an error of the write, not the end by a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (dump_options_parse(argc, argv, &options, &error)) {
		log_error("%s", error.at);
		return EXIT_USAGE;
	}
	if (options.help)
		return help_print();
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (options.pid && dump_explain_if_none(options.pid))
		return EXIT_FAILED;
	dumps.options = &options;
	open_files_raise();
	if (dumps_open(&dumps))
		return EXIT_FAILED;
	int err = dumps_take(&dumps);
	if (err) {
		log_error_errno(err, "the dump could not be made");
		return EXIT_FAILED;
	}
	return dumps_finish(&dumps);
}
