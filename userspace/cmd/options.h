/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * options.h - the command line of `record`, as values. Parsing reads nothing but
 * argv; what depends on the terminal is asked of pure functions afterwards.
 */
#ifndef PYPROF_OPTIONS_H
#define PYPROF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "container/selection.h"
#include "export/destination.h"
#include "format/format.h"
#include "profile/common_labels.h"
#include "profile/profile.h"
#include "pyprof/limits.h"
#include "pyprof/types.h"

#define FREQUENCY_HZ_MAX	10000
#define FREQUENCY_HZ_DEFAULT	99 /* not a divisor of common timers: no lockstep with what is profiled */
#define FREQUENCY_HZ_CONTINUOUS 19 /* of --all into a pipe or a journal, for hours */
#define SPOOL_SIZE_DEFAULT	(256ull << 20)
#define STACK_COPY_DEFAULT	16384 /* holds nearly every stack from where tables do not lead further */
#define STACK_COPY_UNIT		4096 /* whole pages are copied; at most MAX_STACK_COPY bytes */

struct strbuf;

enum target {
	TARGET_ALL,
	TARGET_PIDS,
	TARGET_COMMAND,
};

/* Where the profile goes. */
enum output {
	OUTPUT_TABLE, /* live, on the terminal */
	OUTPUT_STREAM, /* windows on stdout */
	OUTPUT_EXPORT, /* windows to a fleet's engines, and nothing here */
	OUTPUT_FILE, /* one profile; with output NULL its name is pyprof-bpf-PID and the format's suffix */
};

/* What the line asks for; all but ACTION_RECORD is answered at once. */
enum action {
	ACTION_RECORD,
	ACTION_HELP,
	ACTION_VERSION,
	ACTION_LIST_LOSSES,
};

struct text_list {
	char **at; /* ends with NULL; NULL: empty */
	size_t cnt, capacity;
};

void text_list_deinit(struct text_list *list);

struct record_options {
	enum action action;

	enum target target;
	u32 *pids; /* TARGET_PIDS, each once; owned */
	size_t pid_cnt;
	char **command; /* TARGET_COMMAND: ends with NULL; borrowed from argv */
	struct selection *selections; /* of TARGET_ALL: these places alone; owned, the texts borrowed from argv */
	size_t selection_cnt, selection_capacity;
	bool children; /* of the pids; always set with TARGET_COMMAND */

	u32 frequency_hz; /* 0: not given, see record_options_frequency_hz */
	u64 duration_ns; /* 0: until stopped */
	u64 window_ns;

	const char *output; /* NULL: not given; "-": stdout; borrowed from argv */
	const struct format *format; /* never NULL */
	struct destination *destinations; /* --export; owned */
	size_t destination_cnt, destination_capacity;
	struct text_list headers; /* NAME:VALUE */
	const char *token_file, *ca_file, *spool; /* NULL: none; borrowed from argv */
	u64 spool_size; /* bytes on disk */
	const char *stats; /* NULL: not wanted; borrowed from argv */
	struct view view; /* its members agree: --per thread has threads, --per comm no pids */
	struct common_labels common; /* host and --label; owned */
	bool source; /* texts of programs may be shown */
	bool command_lines; /* as labels; secrets may stand there */
	struct text_list variables; /* likewise these variables of processes' environments */
	bool kernel; /* kernel stacks are wanted */
	enum native_frames native; /* of threads that run Python */
	u32 stack_copy_size; /* bytes, a multiple of STACK_COPY_UNIT; 0: none */
	bool verbose;
	bool force; /* also on kernels that are known or suspected to hang, see probe.h */
};

/*
 * Fills *ret in any case (release with record_options_deinit). -EINVAL: a wrong
 * line, `error` says in one sentence what to do instead. -ENOMEM.
 */
int record_options_parse(int argc, char **argv, struct record_options *ret, struct strbuf *error);
void record_options_deinit(struct record_options *options);

/*
 * What record_main does first: parses, and answers help, version, losses and
 * wrong lines itself. False: the answer was given, leave with *ret_status.
 */
bool record_options_read(int argc, char **argv, struct record_options *ret, int *ret_status);

enum output record_options_output(const struct record_options *options, bool stdout_is_terminal);
u32 record_options_frequency_hz(const struct record_options *options, bool stdout_is_terminal);

/* --help and --list-losses. program: argv[0] of the command, so that `record --help` is about record alone. */
void record_options_put_help(const char *program, struct strbuf *b);
void record_options_put_losses(struct strbuf *b);

/* Decimal seconds to nanoseconds, exactly: "10", "0.25". -EINVAL, -ERANGE. Fine digits beyond a nanosecond are cut. */
int seconds_parse(const char *text, u64 *ret_ns);

#endif
