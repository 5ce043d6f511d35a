/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cmd/cmd.h"
#include "profile/losses.h"

#define ARRAY_CNT(a)	  (sizeof(a) / sizeof((a)[0]))
#define SECONDS_MAX	  1000000000 /* 31 years: nanoseconds fit in 64 bits with room to add */
#define WINDOW_DEFAULT_NS (10 * NS_PER_S)
#define WINDOW_NS_MIN	  (NS_PER_S / 10)
#define WINDOW_NS_MAX	  (3600 * NS_PER_S)
#define SEE_HELP	  "; pyprof-bpf --help shows how"
#define HELP_TEXT_COLUMN  27
#define HELP_COLUMNS	  80
#define LONG_OPTION_BASE  256 /* what getopt_long gives for row 0: beyond every letter */

/* A line while it is read. */
struct line {
	struct record_options *options;
	struct strbuf *error;
	bool all;
};

/*
 * One option: parsing and --help both read this. `apply` is for those with a
 * value or a meaning beyond setting one bool, `flag` (an offset) for the rest.
 */
struct option_row {
	const char *name;
	char letter; /* 0: none */
	const char *value; /* its name in --help; NULL: takes none */
	const char *help;
	int (*apply)(struct line *line, const char *value);
	size_t flag;
	bool flag_value;
};

__attribute__((format(printf, 2, 3))) static int line_error(struct line *line, const char *format, ...)
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

static int apply_all(struct line *line, const char *value)
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

static int apply_pids(struct line *line, const char *value)
{
	for (const char *at = value;; at++) {
		size_t size = strcspn(at, ",");
		u32 pid = 0;

		if (u32_parse(at, size, INT_MAX, &pid) || !pid)
			return line_error(
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

static int apply_frequency(struct line *line, const char *value)
{
	if (u32_parse(value, strlen(value), FREQUENCY_HZ_MAX, &line->options->frequency_hz) ||
	    !line->options->frequency_hz)
		return line_error(line, "--frequency takes a whole number from 1 to %d, not '%s'", FREQUENCY_HZ_MAX,
				  value);
	return 0;
}

static int apply_duration(struct line *line, const char *value)
{
	if (seconds_parse(value, &line->options->duration_ns) || !line->options->duration_ns)
		return line_error(line, "--duration takes seconds, more than 0, as in 10 or 0.5, not '%s'", value);
	return 0;
}

static int apply_window(struct line *line, const char *value)
{
	u64 *ns = &line->options->window_ns;

	if (seconds_parse(value, ns) || *ns < WINDOW_NS_MIN || *ns > WINDOW_NS_MAX)
		return line_error(line, "--window takes seconds from 0.1 to 3600, not '%s'", value);
	return 0;
}

static int apply_output(struct line *line, const char *value)
{
	if (!*value)
		return line_error(line, "-o takes the name of a file, or - for stdout, not an empty word");
	line->options->output = value;
	return 0;
}

static int apply_stats(struct line *line, const char *value)
{
	if (!*value)
		return line_error(line, "--stats takes the name of a file, not an empty word");
	line->options->stats = strcmp(value, "-") ? value : "/dev/stdout";
	return 0;
}

/* ".folded or .svg", "folded or svg" */
static void formats_put(struct strbuf *b, bool suffixes)
{
	for (const struct format *f = formats; f->name; f++)
		strbuf_printf(b, "%s%s", f == formats ? "" : f[1].name ? ", " : " or ", suffixes ? f->suffix : f->name);
}

static int apply_format(struct line *line, const char *value)
{
	STRBUF(known);

	line->options->format = format_find(value);
	if (line->options->format)
		return 0;
	formats_put(&known, false);
	return line_error(line, "there is no format '%s': --format takes %s", value, known.at);
}

static int apply_native(struct line *line, const char *value)
{
	static const char *const words[] = {
		[NATIVE_ALL] = "all", [NATIVE_EXTENSIONS] = "extensions", [NATIVE_NONE] = "none"};

	for (size_t i = 0; i < ARRAY_CNT(words); i++) {
		if (strcmp(value, words[i]))
			continue;
		line->options->native = i;
		return 0;
	}
	return line_error(line, "--native takes all, extensions or none, not '%s'", value);
}

/* Bytes, or with a K behind it so many times 1024. */
static int apply_stack_copy(struct line *line, const char *value)
{
	size_t size = strlen(value);
	bool kilo = size && value[size - 1] == 'K';
	u32 unit = kilo ? 1024 : 1, bytes;

	if (!u32_parse(value, size - kilo, MAX_STACK_COPY / unit, &bytes) && !(bytes * unit % STACK_COPY_UNIT)) {
		line->options->stack_copy_size = bytes * unit;
		return 0;
	}
	return line_error(line, "--stack-copy takes bytes, a multiple of %d up to %d, as in 16384 or 16K, not '%s'",
			  STACK_COPY_UNIT, MAX_STACK_COPY, value);
}

static int apply_help(struct line *line, const char *value)
{
	line->options->action = ACTION_HELP;
	return 0;
}

static int apply_version(struct line *line, const char *value)
{
	line->options->action = ACTION_VERSION;
	return 0;
}

static int apply_list_losses(struct line *line, const char *value)
{
	line->options->action = ACTION_LIST_LOSSES;
	return 0;
}

#define FLAG(member, to) .flag = offsetof(struct record_options, member), .flag_value = to

/* A row without letter, value and effect is a heading. */
static const struct option_row rows[] = {
	{.help = "What to profile, exactly one of:"},
	{"all", 0, NULL, "every process of this host, until Ctrl-C", .apply = apply_all},
	{"pid", 'p', "PID[,PID...]", "these processes, until they are gone", .apply = apply_pids},
	{.help = "  -- COMMAND ARGS...       a command, from its first instruction to its last"},

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
	 "copy so much of a stack that no table leads through, and unwind it later; a multiple of 4096 up to 64K, 0 "
	 "for "
	 "never (default 16K)",
	 .apply = apply_stack_copy},
	{"force", 0, NULL, "sample even on a kernel that is known to hang (see doctor)", FLAG(force, true)},

	{.help = "Where the profile goes:"},
	{"output", 'o', "FILE", "write one profile at the end; its suffix chooses the format; - is stdout",
	 .apply = apply_output},
	{"format", 0, "NAME", NULL, .apply = apply_format},
	{"window", 0, "SECONDS", "length of one window of a stream, 0.1 to 3600 (default 10)", .apply = apply_window},
	{"stats", 0, "FILE", "at the end, write as JSON what was sampled, lost and spent", .apply = apply_stats},

	{.help = "What it shows:"},
	{"native", 0, "WHICH",
	 "native frames among Python ones: all; extensions, without the interpreter's own (default); none",
	 .apply = apply_native},
	{"no-lines", 0, NULL, "functions and files, without line numbers", FLAG(view.lines, false)},
	{"no-pid", 0, NULL, "processes of the same name are one", FLAG(view.pids, false)},
	{"threads", 0, NULL, "tell the threads of a process apart", FLAG(view.threads, true)},

	{.help = "Other:"},
	{"verbose", 'v', NULL, "say more on stderr", FLAG(verbose, true)},
	{"list-losses", 0, NULL, "every reason why something can be missing from a profile",
	 .apply = apply_list_losses},
	{"help", 'h', NULL, "this text", .apply = apply_help},
	{"version", 0, NULL, "the version", .apply = apply_version},
};

static bool row_is_option(const struct option_row *row)
{
	return row->name;
}

static int row_apply(const struct option_row *row, struct line *line, const char *value)
{
	if (row->apply)
		return row->apply(line, value);
	*(bool *)((char *)line->options + row->flag) = row->flag_value;
	return 0;
}

/* What getopt_long wants to know, made from the table. */
struct getopt_tables {
	struct option longs[ARRAY_CNT(rows) + 1];
	char letters[2 * ARRAY_CNT(rows) + 3];
};

static void getopt_tables_init(struct getopt_tables *t)
{
	size_t cnt = 0;
	char *letter = t->letters;

	memset(t, 0, sizeof(*t));
	*letter++ = '+'; /* stop at the first word that is no option: it begins nothing we know */
	*letter++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		if (!row_is_option(&rows[i]))
			continue;
		t->longs[cnt++] = (struct option){.name = rows[i].name,
						  .has_arg = rows[i].value ? required_argument : no_argument,
						  .val = LONG_OPTION_BASE + (int)i};
		if (!rows[i].letter)
			continue;
		*letter++ = rows[i].letter;
		if (rows[i].value)
			*letter++ = ':';
	}
}

static const struct option_row *row_find(int key)
{
	if (key >= LONG_OPTION_BASE)
		return &rows[key - LONG_OPTION_BASE];
	for (size_t i = 0; i < ARRAY_CNT(rows); i++)
		if (row_is_option(&rows[i]) && rows[i].letter == key)
			return &rows[i];
	return NULL;
}

/* A long option that getopt_long refused: no such name, or the beginning of several. */
static int long_option_error(struct line *line, const char *word)
{
	size_t size = strcspn(word + 2, "=");
	STRBUF(fitting);

	for (size_t i = 0; i < ARRAY_CNT(rows); i++)
		if (row_is_option(&rows[i]) && !strncmp(rows[i].name, word + 2, size))
			strbuf_printf(&fitting, "%s--%s", fitting.size ? ", " : "", rows[i].name);
	if (fitting.size)
		return line_error(line, "'%.*s' could be any of %s: write more of it", (int)size + 2, word, fitting.at);
	return line_error(line, "there is no option '%.*s'" SEE_HELP, (int)size + 2, word);
}

static int option_error(struct line *line, int key, char **argv)
{
	const struct option_row *row = optopt ? row_find(optopt) : NULL;

	if (row && key == ':')
		return line_error(line, "--%s needs a value: --%s %s", row->name, row->name, row->value);
	if (row)
		return line_error(line, "--%s takes no value", row->name);
	if (optopt)
		return line_error(line, "there is no option '-%c'" SEE_HELP, optopt);
	return long_option_error(line, argv[optind - 1]);
}

/* What stands behind the options: nothing, or `-- COMMAND ARGS`. */
static int command_read(struct line *line, char **rest, bool dashes)
{
	if (dashes && !*rest)
		return line_error(line, "-- needs a command behind it, as in: pyprof-bpf -- python3 app.py");
	if (*rest && !dashes)
		return line_error(line,
				  "'%s' is neither a command of pyprof-bpf nor an option; to profile a program, "
				  "write: pyprof-bpf -- %s",
				  *rest, *rest);
	if (*rest)
		line->options->command = rest;
	return 0;
}

static int words_read(struct line *line, int argc, char **argv)
{
	struct getopt_tables tables;
	int key, before;

	getopt_tables_init(&tables);
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while (before = optind, (key = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		if (key == '?' || key == ':')
			return option_error(line, key, argv);
		int err = row_apply(row_find(key), line, optarg);
		if (err || line->options->action != ACTION_RECORD)
			return err;
	}
	/* Only the "--" that getopt took as the end, not one that was an option's value. */
	bool dashes = optind > (before ? before : 1) && !strcmp(argv[optind - 1], "--");
	return command_read(line, argv + optind, dashes);
}

static int target_choose(struct line *line)
{
	struct record_options *o = line->options;
	int given = line->all + !!o->pid_cnt + !!o->command;

	if (!given)
		return line_error(line, "say what to profile: --all, -p PID or -- COMMAND" SEE_HELP);
	if (given > 1)
		return line_error(line, "choose one of --all, -p PID and -- COMMAND: they exclude each other");
	o->target = o->command ? TARGET_COMMAND : o->pid_cnt ? TARGET_PIDS : TARGET_ALL;
	if (o->command)
		o->children = true;
	return 0;
}

/* --format, else the suffix of -o, else what fits: a picture of a command, folded windows of the rest. */
static int format_choose(struct line *line)
{
	struct record_options *o = line->options;
	bool streams = !o->output && o->target != TARGET_COMMAND;

	if (o->format && streams && o->format != format_find("folded"))
		return line_error(line, "--format %s needs -o FILE: what is streamed is always folded",
				  o->format->name);
	if (o->format)
		return 0;
	o->format = o->output ? format_of_file(o->output) : format_find(streams ? "folded" : "svg");
	if (o->format)
		return 0;

	STRBUF(known);
	formats_put(&known, true);
	return line_error(line, "no format has the suffix of '%s': use %s, or choose one with --format", o->output,
			  known.at);
}

static int outputs_check(struct line *line)
{
	const struct record_options *o = line->options;

	if (o->output && o->stats && !strcmp(o->output, o->stats))
		return line_error(line, "-o and --stats cannot both write '%s': name two files", o->output);
	return 0;
}

int record_options_parse(int argc, char **argv, struct record_options *ret, struct strbuf *error)
{
	static int (*const steps[])(struct line *) = {target_choose, format_choose, outputs_check};
	struct line line = {.options = ret, .error = error};

	*ret = (struct record_options){.view = {.lines = true, .pids = true},
				       .kernel = true,
				       .native = NATIVE_EXTENSIONS,
				       .stack_copy_size = STACK_COPY_DEFAULT,
				       .window_ns = WINDOW_DEFAULT_NS};
	int err = words_read(&line, argc, argv);
	for (size_t i = 0; !err && ret->action == ACTION_RECORD && i < ARRAY_CNT(steps); i++)
		err = steps[i](&line);
	return err;
}

void record_options_deinit(struct record_options *options)
{
	free(options->pids);
	options->pids = NULL;
	options->pid_cnt = 0;
}

enum output record_options_output(const struct record_options *options, bool stdout_is_terminal)
{
	if (options->output || options->target == TARGET_COMMAND)
		return OUTPUT_FILE;
	return stdout_is_terminal ? OUTPUT_TABLE : OUTPUT_STREAM;
}

u32 record_options_frequency_hz(const struct record_options *options, bool stdout_is_terminal)
{
	if (options->frequency_hz)
		return options->frequency_hz;
	bool for_hours = options->target == TARGET_ALL &&
			 record_options_output(options, stdout_is_terminal) == OUTPUT_STREAM;
	return for_hours ? FREQUENCY_HZ_CONTINUOUS : FREQUENCY_HZ_DEFAULT;
}

/* Words in the text column, which begins at HELP_TEXT_COLUMN; at: where the cursor is now. */
static void help_put_wrapped(struct strbuf *b, size_t at, const char *text)
{
	while (*text) {
		size_t size = strcspn(text, " ");
		bool first = at < HELP_TEXT_COLUMN;

		if (first || at + 1 + size > HELP_COLUMNS) {
			if (!first)
				strbuf_put_char(b, '\n');
			strbuf_printf(b, "%*s", HELP_TEXT_COLUMN - (first ? (int)at : 0), "");
			at = HELP_TEXT_COLUMN;
		} else {
			strbuf_put_char(b, ' ');
			at++;
		}
		strbuf_put_size(b, text, size);
		at += size;
		text += size + (text[size] == ' ');
	}
	strbuf_put_char(b, '\n');
}

static void help_put_option(struct strbuf *b, const struct option_row *row)
{
	STRBUF(left);
	STRBUF(text);

	if (row->letter)
		strbuf_printf(&left, "  -%c, --%s", row->letter, row->name);
	else
		strbuf_printf(&left, "      --%s", row->name);
	if (row->value)
		strbuf_printf(&left, " %s", row->value);

	if (row->help) {
		strbuf_put(&text, row->help);
	} else {
		formats_put(&text, false);
		strbuf_put(&text, ", whatever the suffix");
	}
	strbuf_put(b, left.at);
	if (left.size + 1 < HELP_TEXT_COLUMN) {
		help_put_wrapped(b, left.size, text.at);
	} else {
		strbuf_put_char(b, '\n');
		help_put_wrapped(b, 0, text.at);
	}
}

static void help_put_options(struct strbuf *b)
{
	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		if (row_is_option(&rows[i]))
			help_put_option(b, &rows[i]);
		else
			strbuf_printf(b, "%s%s\n", rows[i].help[0] == ' ' ? "" : "\n", rows[i].help);
	}
}

static void help_put_commands(struct strbuf *b)
{
	strbuf_put(b, "\nCommands:\n");
	for (const struct command *c = commands; c->name; c++) {
		strbuf_printf(b, "  %s", c->name);
		help_put_wrapped(b, 2 + strlen(c->name), c->summary);
	}
}

static const char help_examples[] = "Who is burning CPU on this host?\n"
				    "    pyprof-bpf --all\n"
				    "A flame graph of ten seconds of the whole host, or of two processes:\n"
				    "    pyprof-bpf --all -d 10 -o host.svg\n"
				    "    pyprof-bpf -p 1234,1240 -d 30 -o app.svg\n"
				    "A program from its first instruction to its last, with all that it starts:\n"
				    "    pyprof-bpf -o app.svg -- python3 app.py --its args\n"
				    "One line per stack, for other tools:\n"
				    "    pyprof-bpf -p 1234 -d 30 -F 499 -o app.folded\n"
				    "    pyprof-bpf --all -d 5 -o - | grep psycopg2\n"
				    "For hours, a window a minute:\n"
				    "    pyprof-bpf --all --window 60 >> profile.log\n"
				    "It does not work here?\n"
				    "    pyprof-bpf doctor\n";

static const char help_where[] = "\nWithout -o, --all and -p show the hottest functions on a terminal (keys: q quit,\n"
				 "p pause, s sort) and otherwise write a folded window at a time to stdout. A COMMAND\n"
				 "keeps the terminal; its flame graph is pyprof-bpf-PID.svg.\n"
				 "\nExit status: 0 a profile was written, 1 it could not be, 2 wrong command line;\n"
				 "with a COMMAND its own, 128+N for signal N, 126 not executable, 127 not found.\n";

void record_options_put_help(const char *program, struct strbuf *b)
{
	bool overview = strcmp(program, "record");

	strbuf_printf(b, "Usage: pyprof-bpf %s [OPTION...] (--all | -p PID,... | -- COMMAND ARGS...)\n",
		      overview ? "[record]" : "record");
	if (overview)
		strbuf_put(b, "       pyprof-bpf doctor [--json]\n");
	strbuf_put(b, "Shows which Python, native and kernel code uses the CPUs; programs need no change.\n\n");
	strbuf_put(b, help_examples);
	if (overview)
		help_put_commands(b);
	help_put_options(b);
	strbuf_put(b, help_where);
}

void record_options_put_losses(struct strbuf *b)
{
	for (int i = 0; i < LOSS_CNT; i++)
		strbuf_printf(b, "%s\t%s\n", loss_reason(i), loss_sentence(i));
}

static int answer(enum action action, const char *program)
{
	STRBUF(text);

	switch (action) {
	case ACTION_HELP:
		record_options_put_help(program, &text);
		break;
	case ACTION_LIST_LOSSES:
		record_options_put_losses(&text);
		break;
	default:
		strbuf_put(&text, "pyprof-bpf " PYPROF_VERSION "\n");
	}
	if (fputs(text.at, stdout) >= 0 && !fflush(stdout))
		return EXIT_OK;
	log_error_errno(-errno, "cannot write to stdout");
	return EXIT_FAILED;
}

bool record_options_read(int argc, char **argv, struct record_options *ret, int *ret_status)
{
	STRBUF(error);

	int err = record_options_parse(argc, argv, ret, &error);
	if (!err && ret->action == ACTION_RECORD)
		return true;

	if (!err)
		*ret_status = answer(ret->action, argv[0]);
	else if (error.size)
		log_error("%s", error.at);
	else
		log_error_errno(err, "cannot read the command line");
	if (err)
		*ret_status = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	record_options_deinit(ret);
	return false;
}
