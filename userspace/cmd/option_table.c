/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/option_table.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/option_lists.h"
#include "sink/place_path.h"

#define ARRAY_CNT(a)  (sizeof(a) / sizeof((a)[0]))
#define SECONDS_MAX   1000000000 /* 31 years: nanoseconds fit in 64 bits with room to add */
#define WINDOW_NS_MIN (NS_PER_S / 10)
#define WINDOW_NS_MAX (3600 * NS_PER_S)

int option_line_error(struct option_line *line, const char *format, ...)
{
	va_list args;
	char message[1024];

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	strbuf_clear(line->error);
	strbuf_put_clean(line->error, message, strlen(message));
	return -EINVAL;
}

/* A whole decimal number and nothing else: no sign, no blanks, which strtoul would both accept. */
static int u32_parse(const char *text, size_t size, u32 max, u32 *ret)
{
	u64 value = 0;

	if (!size)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (text[i] - '0');
		if (value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

int seconds_parse(const char *text, u64 *ret_ns)
{
	size_t whole = strspn(text, "0123456789");
	const char *fraction = text[whole] == '.' ? text + whole + 1 : text + whole;
	size_t digits = strspn(fraction, "0123456789");
	u32 seconds = 0;

	if (fraction[digits] || whole + digits == 0)
		return -EINVAL;
	int err = whole ? u32_parse(text, whole, SECONDS_MAX, &seconds) : 0;
	if (err)
		return err;

	u64 ns = seconds * NS_PER_S;
	u64 place = NS_PER_S / 10;
	for (size_t i = 0; i < digits && place; i++, place /= 10)
		ns += (fraction[i] - '0') * place;
	*ret_ns = ns;
	return 0;
}

void option_formats_put(struct strbuf *b, bool suffixes)
{
	for (const struct format *f = formats; f->name; f++)
		strbuf_printf(b, "%s%s", f == formats ? "" : f[1].name ? ", " : " or ", suffixes ? f->suffix : f->name);
}

static int apply_all(struct option_line *line, const char *value)
{
	line->all = true;
	return 0;
}

static int pid_add(struct record_options *o, u32 pid)
{
	for (size_t i = 0; i < o->pid_cnt; i++)
		if (o->pids[i] == pid)
			return 0;

	u32 *more = realloc(o->pids, (o->pid_cnt + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	o->pids = more;
	o->pids[o->pid_cnt++] = pid;
	return 0;
}

static int apply_pids(struct option_line *line, const char *value)
{
	for (const char *at = value;; at++) {
		size_t size = strcspn(at, ",");
		u32 pid = 0;

		if (u32_parse(at, size, INT_MAX, &pid) || !pid)
			return option_line_error(
				line, "'%.*s' is no process id: -p takes numbers separated by commas, as in -p 12,34",
				(int)size, at);
		int err = pid_add(line->options, pid);
		if (err)
			return err;
		at += size;
		if (!*at)
			return 0;
	}
}

static int apply_frequency(struct option_line *line, const char *value)
{
	if (u32_parse(value, strlen(value), FREQUENCY_HZ_MAX, &line->options->frequency_hz) ||
	    !line->options->frequency_hz)
		return option_line_error(line, "--frequency takes a whole number from 1 to %d, not '%s'",
					 FREQUENCY_HZ_MAX, value);
	return 0;
}

static int apply_duration(struct option_line *line, const char *value)
{
	if (seconds_parse(value, &line->options->duration_ns) || !line->options->duration_ns)
		return option_line_error(line, "--duration takes seconds, more than 0, as in 10 or 0.5, not '%s'",
					 value);
	return 0;
}

static int apply_window(struct option_line *line, const char *value)
{
	u64 *ns = &line->options->window_ns;

	if (seconds_parse(value, ns) || *ns < WINDOW_NS_MIN || *ns > WINDOW_NS_MAX)
		return option_line_error(line, "--window takes seconds from 0.1 to 3600, not '%s'", value);
	return 0;
}

static int apply_output(struct option_line *line, const char *value)
{
	if (!*value)
		return option_line_error(line, "-o takes the name of a file, or - for stdout, not an empty word");
	STRBUF(why);
	int err = place_path_check(value, &why);
	if (err)
		return err == -EINVAL ? option_line_error(line, "-o %s: %s", value, why.at) : err;
	line->options->output = value;
	return 0;
}

static int apply_per(struct option_line *line, const char *value)
{
	if (per_find(value, &line->options->view.per))
		return option_line_error(line, "--per takes container, process, thread or comm, not '%s'", value);
	return 0;
}

static int apply_label(struct option_line *line, const char *value)
{
	STRBUF(why);
	int err = common_labels_add(&line->options->common, value, &why);

	return err == -EINVAL ? option_line_error(line, "--label %s: %s", value, why.at) : err;
}

/* option: for the sentence that refuses an empty word. */
static int file_take(struct option_line *line, const char *option, const char *value, const char **ret)
{
	if (!*value)
		return option_line_error(line, "%s takes the name of a file, not an empty word", option);
	*ret = value;
	return 0;
}

static int apply_stats(struct option_line *line, const char *value)
{
	return file_take(line, "--stats", strcmp(value, "-") ? value : "/dev/stdout", &line->options->stats);
}

static int apply_format(struct option_line *line, const char *value)
{
	STRBUF(known);

	line->options->format = format_find(value);
	if (line->options->format)
		return 0;
	option_formats_put(&known, false);
	return option_line_error(line, "there is no format '%s': --format takes %s", value, known.at);
}

static int apply_native(struct option_line *line, const char *value)
{
	static const char *const words[] = {
		[NATIVE_ALL] = "all", [NATIVE_EXTENSIONS] = "extensions", [NATIVE_NONE] = "none"};

	for (size_t i = 0; i < ARRAY_CNT(words); i++) {
		if (strcmp(value, words[i]))
			continue;
		line->options->native = i;
		return 0;
	}
	return option_line_error(line, "--native takes all, extensions or none, not '%s'", value);
}

/* Bytes, or with a K behind it so many times 1024. */
static int apply_stack_copy(struct option_line *line, const char *value)
{
	size_t size = strlen(value);
	bool kilo = size && value[size - 1] == 'K';
	u32 unit = kilo ? 1024 : 1, bytes;

	if (!u32_parse(value, size - kilo, MAX_STACK_COPY / unit, &bytes) && !(bytes * unit % STACK_COPY_UNIT)) {
		line->options->stack_copy_size = bytes * unit;
		return 0;
	}
	return option_line_error(line,
				 "--stack-copy takes bytes, a multiple of %d up to %d, as in 16384 or 16K, not '%s'",
				 STACK_COPY_UNIT, MAX_STACK_COPY, value);
}

static int apply_token_file(struct option_line *line, const char *value)
{
	return file_take(line, "--export-token-file", value, &line->options->token_file);
}

static int apply_ca(struct option_line *line, const char *value)
{
	return file_take(line, "--export-ca", value, &line->options->ca_file);
}

static int apply_spool(struct option_line *line, const char *value)
{
	if (*value != '/')
		return option_line_error(
			line, "--spool takes a folder's whole path, as in /var/lib/pyprof-bpf/spool, not '%s'", value);
	line->options->spool = value;
	return 0;
}

static int apply_spool_size(struct option_line *line, const char *value)
{
	size_t size = strlen(value);
	u64 unit = size && value[size - 1] == 'M' ? 1u << 20 : size && value[size - 1] == 'G' ? 1u << 30 : 0;
	u32 number;

	if (!unit || u32_parse(value, size - 1, 1u << 20, &number) || !number)
		return option_line_error(
			line, "--spool-size takes a number with M or G behind it, as in 256M, not '%s'", value);
	line->options->spool_size = number * unit;
	return 0;
}

static int apply_help(struct option_line *line, const char *value)
{
	line->options->action = ACTION_HELP;
	return 0;
}

static int apply_version(struct option_line *line, const char *value)
{
	line->options->action = ACTION_VERSION;
	return 0;
}

static int apply_list_losses(struct option_line *line, const char *value)
{
	line->options->action = ACTION_LIST_LOSSES;
	return 0;
}

#define FLAG(member, to) .flag = offsetof(struct record_options, member), .flag_value = to

const struct option_row option_rows[] = {
	{.help = "What to profile, exactly one of:"},
	{"all", 0, NULL, "every process of this host, until Ctrl-C", .apply = apply_all},
	{"pid", 'p', "PID[,PID...]", "these processes, until they are gone", .apply = apply_pids},
	{.help = "  -- COMMAND ARGS...       a command, from its first instruction to its last"},

	{.help = "Of the whole host only these, --all or not; each again for more:"},
	{"container", 0, "NAME",
	 "what runs in this container: its name, its id or 12 digits of it, or a pattern of names; also when it starts "
	 "later",
	 .apply = apply_container},
	{"pod", 0, "NAMESPACE/NAME", "what runs in this pod of Kubernetes; patterns too", .apply = apply_pod},
	{"cgroup", 0, "PATH", "what runs in this cgroup and below", .apply = apply_cgroup},

	{.help = "How:"},
	{"frequency", 'F', "HZ",
	 "samples a second of each CPU, 1 to 10000 (default 99; 19 when --all streams to something that is not a "
	 "terminal)",
	 .apply = apply_frequency},
	{"duration", 'd', "SECONDS", "stop after this long; fractions allowed", .apply = apply_duration},
	{"children", 0, NULL, "with -p: also what these processes start (a COMMAND's children are always in)",
	 FLAG(children, true)},
	{"no-kernel", 0, NULL, "leave kernel frames out", FLAG(kernel, false)},
	{"stack-copy", 0, "BYTES",
	 "copy so much of a stack that no table leads through, and unwind it later; a multiple of 4096 up to 64K, "
	 "0 for never (default 16K)",
	 .apply = apply_stack_copy},
	{"force", 0, NULL, "sample even on a kernel that is known to hang (see doctor)", FLAG(force, true)},

	{.help = "Where the profile goes:"},
	{"output", 'o', "FILE",
	 "write one profile at the end; its suffix chooses the format; - is stdout; with {container} in its name, one "
	 "for each container, unit, and the host",
	 .apply = apply_output},
	{"format", 0, "NAME", NULL, .apply = apply_format},
	{"window", 0, "SECONDS", "length of one window of a stream, 0.1 to 3600 (default 10)", .apply = apply_window},
	{"export", 0, "KIND=URL",
	 "send each window, gzipped, to an engine: otlp=http://collector:4318 or pyroscope=https://USER:PASSWORD@HOST; "
	 "again for more",
	 .apply = apply_export},
	{"export-header", 0, "NAME:VALUE", "a header for them, as X-Scope-OrgID:team; again for more",
	 .apply = apply_export_header},
	{"export-token-file", 0, "FILE", "send what is in this file as bearer token; read anew each time",
	 .apply = apply_token_file},
	{"export-ca", 0, "FILE", "trust the certificates in this file, instead of the system's", .apply = apply_ca},
	{"spool", 0, "FOLDER", "keep there what cannot be sent yet, through restarts too; else it is kept in memory",
	 .apply = apply_spool},
	{"spool-size", 0, "SIZE", "at most so much of it, as 256M (default) or 2G; then the oldest goes",
	 .apply = apply_spool_size},
	{"stats", 0, "FILE", "at the end, write as JSON what was sampled, lost and spent", .apply = apply_stats},

	{.help = "What it shows:"},
	{"native", 0, "WHICH",
	 "native frames among Python ones: all; extensions, without the interpreter's own (default); none",
	 .apply = apply_native},
	{"per", 0, "WHAT", "what stands at the root: container, process (default), thread or comm, a process's name",
	 .apply = apply_per},
	{"label", 0, "KEY=VALUE", "say this of all that is written or sent, as region=eu-1; again for more",
	 .apply = apply_label},
	{"no-lines", 0, NULL, "functions and files, without line numbers", FLAG(view.lines, false)},
	{"no-source", 0, NULL, "flame graphs tell columns, not the text of hot expressions", FLAG(source, false)},
	{"with-command-line", 0, NULL, "label processes with their command lines, in which secrets may stand",
	 FLAG(command_lines, true)},
	{"with-env", 0, "NAME[,NAME...]", "label processes with these variables of their environment",
	 .apply = apply_env},
	{"no-pid", 0, NULL, "processes of the same name are one", FLAG(view.pids, false)},
	{"threads", 0, NULL, "tell the threads of a process apart", FLAG(view.threads, true)},

	{.help = "Other:"},
	{"verbose", 'v', NULL, "say more on stderr", FLAG(verbose, true)},
	{"list-losses", 0, NULL, "every reason why something can be missing from a profile",
	 .apply = apply_list_losses},
	{"help", 'h', NULL, "this text", .apply = apply_help},
	{"version", 0, NULL, "the version", .apply = apply_version},
};

const size_t option_row_cnt = ARRAY_CNT(option_rows);
_Static_assert(ARRAY_CNT(option_rows) <= OPTION_ROW_MAX, "OPTION_ROW_MAX is too small");
