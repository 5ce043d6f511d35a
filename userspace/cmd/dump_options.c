/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/dump_options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#define SEE_HELP	 "; pyprof-bpf dump --help shows how"
#define LONG_OPTION_BASE 256 /* what getopt_long gives for row 0: beyond every letter */

/* A line while it is read. */
struct line {
	struct dump_options *options;
	struct strbuf *error;
};

/* One option: either `flag` (an offset of a bool) or, of those with a value, `apply`. A row without name is a heading. */
struct row {
	const char *name;
	char letter;
	const char *value; /* its name in --help; NULL: takes none */
	const char *help; /* lines are broken where they stand in --help */
	size_t flag;
	int (*apply)(struct line *line, const char *value);
};

__attribute__((format(printf, 2, 3))) static int refuse(struct line *line, const char *format, ...)
{
	va_list args;
	char message[512];

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	strbuf_clear(line->error);
	strbuf_put_clean(line->error, message, strlen(message));
	return -EINVAL;
}

static int apply_pid(struct line *line, const char *value)
{
	char *end;

	errno = 0;
	unsigned long pid = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
	if (!pid || errno || *end || pid > INT_MAX)
		return refuse(line, "'%s' is no process id: dump takes one number, as in pyprof-bpf dump -p 1234",
			      value);
	if (line->options->pid && line->options->pid != pid)
		return refuse(line,
			      "dump takes one process, not %u and %lu; --children adds what it started, "
			      "--all is every Python process",
			      line->options->pid, pid);
	line->options->pid = pid;
	return 0;
}

static int apply_format(struct line *line, const char *value)
{
	STRBUF(names);

	line->options->format = dump_format_find(value);
	if (line->options->format)
		return 0;
	for (const struct dump_format *f = dump_formats; f->name; f++)
		strbuf_printf(&names, "%s%s", f == dump_formats ? "" : f[1].name ? ", " : " or ", f->name);
	return refuse(line, "there is no format '%s': --format takes %s", value, names.at);
}

static int apply_output(struct line *line, const char *value)
{
	if (!*value)
		return refuse(line, "-o takes the name of a file, or - for stdout, not an empty word");
	line->options->output = strcmp(value, "-") ? value : NULL;
	return 0;
}

#define FLAG(member) offsetof(struct dump_options, member)

static const struct row rows[] = {
	{.help = "Which process, one of:"},
	{"pid", 'p', "PID", "this one; a bare PID does too", 0, apply_pid},
	{"all", 'a', NULL, "every Python process of the host: a table, then each", FLAG(all), NULL},
	{"children", 0, NULL, "with -p: and the Python processes that it started", FLAG(children), NULL},
	{.help = "What is shown, in the formats text and json:"},
	{"native", 'n', NULL, "C frames, each run of Python frames inside of the one\nthat executed it",
	 FLAG(native_all), NULL},
	{"native-last", 0, NULL,
	 "only those inside of the last Python frame, which say\nwhat it is in (the default of text)",
	 FLAG(native_last), NULL},
	{"no-native", 0, NULL, "no C frames", FLAG(native_none), NULL},
	{"kernel", 'k', NULL, "kernel frames", FLAG(snapshot.kernel), NULL},
	{"locals", 'l', NULL, "arguments and local variables; no code of the process\nis run for that",
	 FLAG(snapshot.locals), NULL},
	{"asyncio", 0, NULL, "the tasks of asyncio and what each awaits (3.11 or newer)", FLAG(snapshot.tasks), NULL},
	{"threads-only", 0, NULL, "names and states, no stacks", FLAG(snapshot.threads_only), NULL},
	{"native-threads", 0, NULL, "also threads that are none of Python's", FLAG(snapshot.native_threads), NULL},
	{.help = "How:"},
	{"running", 0, NULL,
	 "sample threads that run, instead of reading them when\nthey stop: shows who has the GIL at work. Takes "
	 "some\n0.2 s to begin with",
	 FLAG(snapshot.running), NULL},
	{"freeze", 0, NULL, "stop the process while it is read, some milliseconds:\nall threads at one instant",
	 FLAG(snapshot.freeze), NULL},
	{"format", 'f', "FORMAT", NULL, 0, apply_format},
	{"output", 'o', "FILE", "there instead of stdout", 0, apply_output},
	{"leaf-first", 0, NULL, "text: the most recent call first", FLAG(leaf_first), NULL},
	{"whole", 0, NULL, "text: also the frames by which threads and imports start", FLAG(whole), NULL},
	{"no-color", 0, NULL, "text: no colours (also: NO_COLOR in the environment)", FLAG(no_colour), NULL},
	{"verbose", 'v', NULL, "say more on stderr", FLAG(verbose), NULL},
	{"help", 'h', NULL, "this text", FLAG(help), NULL},
};

#define ROW_CNT (sizeof(rows) / sizeof(rows[0]))

/*
 * Help
 */

#define HELP_TEXT_COLUMN 27

static void help_put_text(struct strbuf *b, size_t at, const char *text)
{
	strbuf_printf(b, "%*s", HELP_TEXT_COLUMN - (int)at, "");
	for (; *text; text++) {
		strbuf_put_char(b, *text);
		if (*text == '\n')
			strbuf_printf(b, "%*s", HELP_TEXT_COLUMN, "");
	}
	strbuf_put_char(b, '\n');
}

static void help_put_formats(struct strbuf *b)
{
	for (const struct dump_format *f = dump_formats; f->name; f++) {
		STRBUF(left);

		strbuf_printf(&left, "        %s", f->name);
		strbuf_put(b, left.at);
		help_put_text(b, left.size, f->summary);
	}
}

static void help_put_row(struct strbuf *b, const struct row *row)
{
	STRBUF(left);

	if (!row->name) {
		strbuf_printf(b, "\n%s\n", row->help);
		return;
	}
	if (row->letter)
		strbuf_printf(&left, "  -%c, --%s", row->letter, row->name);
	else
		strbuf_printf(&left, "      --%s", row->name);
	if (row->value)
		strbuf_printf(&left, " %s", row->value);
	strbuf_put(b, left.at);
	if (row->help) {
		help_put_text(b, left.size, row->help);
	} else {
		help_put_text(b, left.size, "one of (the first is the default):");
		help_put_formats(b);
	}
}

static const char help_begin[] =
	"Usage: pyprof-bpf dump [OPTION...] (-p PID | --all)\n"
	"Shows where every Python thread of a process is now. The process is not stopped.\n"
	"\n"
	"Which lines is this service at?\n"
	"    pyprof-bpf dump -p 1234\n"
	"Why does it hang? Names, states, who waits for whom, deadlocks:\n"
	"    pyprof-bpf dump -p 1234 -f text\n"
	"The same with the values of variables, or with the tasks of asyncio:\n"
	"    pyprof-bpf dump -p 1234 -f text --locals\n"
	"    pyprof-bpf dump -p 1234 -f text --asyncio\n"
	"What does Python on this host do?\n"
	"    pyprof-bpf dump --all -f text\n"
	"For scripts:\n"
	"    pyprof-bpf dump 1234 -f json | jq '.threads[] | select(.holds_gil or .had_gil).frames[0]'\n";

static const char help_end[] = "\nExit status: 0 threads were printed, or there really is none (stderr says so);\n"
			       "1 why not, on stderr; 2 wrong command line.\n";

void dump_options_put_help(struct strbuf *b)
{
	strbuf_put(b, help_begin);
	for (size_t i = 0; i < ROW_CNT; i++)
		help_put_row(b, &rows[i]);
	strbuf_put(b, help_end);
}

/*
 * Parsing
 */

struct getopt_tables {
	struct option longs[ROW_CNT + 1];
	char letters[2 * ROW_CNT + 2];
};

static void getopt_tables_init(struct getopt_tables *t)
{
	size_t cnt = 0;
	char *letter = t->letters;

	memset(t, 0, sizeof(*t));
	*letter++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < ROW_CNT; i++) {
		if (!rows[i].name)
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

static const struct row *row_find(int key)
{
	if (key >= LONG_OPTION_BASE)
		return &rows[key - LONG_OPTION_BASE];
	for (size_t i = 0; i < ROW_CNT; i++)
		if (rows[i].name && rows[i].letter == key)
			return &rows[i];
	return NULL;
}

static int option_refuse(struct line *line, int key, const char *word)
{
	const struct row *row = optopt ? row_find(optopt) : NULL;

	if (row && key == ':')
		return refuse(line, "--%s needs a value: --%s %s", row->name, row->name, row->value);
	if (row)
		return refuse(line, "--%s takes no value", row->name);
	if (optopt)
		return refuse(line, "there is no option '-%c'" SEE_HELP, optopt);
	return refuse(line, "there is no option '%s', or it could be several" SEE_HELP, word);
}

static int words_read(struct line *line, int argc, char **argv)
{
	struct getopt_tables tables;
	int key, err = 0;

	getopt_tables_init(&tables);
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while (!err && (key = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		if (key == '?' || key == ':')
			return option_refuse(line, key, argv[optind - 1]);
		const struct row *row = row_find(key);

		if (row->apply)
			err = row->apply(line, optarg);
		else
			*(bool *)((char *)line->options + row->flag) = true;
	}
	for (; !err && optind < argc; optind++)
		err = apply_pid(line, argv[optind]);
	return err;
}

/* What Pyflame's format has no place for: asked for all the same, it is a mistake. */
static int pyflame_check(struct line *line)
{
	const struct dump_options *o = line->options;
	const char *word = o->native_all		? "--native"
			   : o->native_last		? "--native-last"
			   : o->snapshot.kernel		? "--kernel"
			   : o->snapshot.locals		? "--locals"
			   : o->snapshot.tasks		? "--asyncio"
			   : o->snapshot.threads_only	? "--threads-only"
			   : o->snapshot.native_threads ? "--native-threads"
			   : o->leaf_first		? "--leaf-first"
			   : o->whole			? "--whole"
			   : o->all			? "--all"
			   : o->children		? "--children"
							: NULL;

	return word ? refuse(line, "%s needs --format text or json: Pyflame's format has no place for it", word) : 0;
}

static int line_check(struct line *line)
{
	struct dump_options *o = line->options;
	bool is_text = !strcmp(o->format->name, "text");

	if (o->all && o->pid)
		return refuse(line, "either --all or -p %u, not both", o->pid);
	if (o->all && o->children)
		return refuse(line, "--children belongs to -p; --all has them anyway");
	if (!o->all && !o->pid)
		return refuse(line, "which process? -p PID, or --all for every Python process" SEE_HELP);
	if (o->native_all + o->native_last + o->native_none > 1)
		return refuse(line, "only one of --native, --native-last and --no-native");
	if (o->format == dump_formats)
		return pyflame_check(line);
	if (o->native_all || o->native_last || (is_text && !o->native_none && !o->snapshot.threads_only))
		o->snapshot.native = o->native_all ? DUMP_NATIVE_ALL : DUMP_NATIVE_LAST;
	return 0;
}

int dump_options_parse(int argc, char **argv, struct dump_options *ret, struct strbuf *error)
{
	struct line line = {.options = ret, .error = error};

	*ret = (struct dump_options){.format = dump_formats};
	int err = words_read(&line, argc, argv);
	if (err || ret->help)
		return err;
	err = line_check(&line);
	/* It prints neither names nor what is waited for. */
	ret->snapshot.stacks_only = ret->format == dump_formats;
	return err;
}
