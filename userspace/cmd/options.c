/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cmd/cmd.h"
#include "cmd/option_table.h"

#define ARRAY_CNT(a)	  (sizeof(a) / sizeof((a)[0]))
#define WINDOW_DEFAULT_NS (10 * NS_PER_S)
#define SEE_HELP	  "; pyprof-bpf --help shows how"
#define LONG_OPTION_BASE  256 /* what getopt_long gives for row 0: beyond every letter */

static int row_apply(const struct option_row *row, struct option_line *line, const char *value)
{
	if (row->apply)
		return row->apply(line, value);
	*(bool *)((char *)line->options + row->flag) = row->flag_value;
	return 0;
}

/* What getopt_long wants to know, made from the table. */
struct getopt_tables {
	struct option longs[OPTION_ROW_MAX + 1];
	char letters[2 * OPTION_ROW_MAX + 3];
};

static void getopt_tables_init(struct getopt_tables *t)
{
	size_t cnt = 0;
	char *letter = t->letters;

	memset(t, 0, sizeof(*t));
	*letter++ = '+'; /* stop at the first word that is no option: it begins nothing we know */
	*letter++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < option_row_cnt; i++) {
		if (!option_row_is_option(&option_rows[i]))
			continue;
		t->longs[cnt++] = (struct option){.name = option_rows[i].name,
						  .has_arg = option_rows[i].value ? required_argument : no_argument,
						  .val = LONG_OPTION_BASE + (int)i};
		if (!option_rows[i].letter)
			continue;
		*letter++ = option_rows[i].letter;
		if (option_rows[i].value)
			*letter++ = ':';
	}
}

static const struct option_row *row_find(int key)
{
	if (key >= LONG_OPTION_BASE)
		return &option_rows[key - LONG_OPTION_BASE];
	for (size_t i = 0; i < option_row_cnt; i++)
		if (option_row_is_option(&option_rows[i]) && option_rows[i].letter == key)
			return &option_rows[i];
	return NULL;
}

/* A long option that getopt_long refused: no such name, or the beginning of several. */
static int long_option_error(struct option_line *line, const char *word)
{
	size_t size = strcspn(word + 2, "=");
	STRBUF(fitting);

	for (size_t i = 0; i < option_row_cnt; i++)
		if (option_row_is_option(&option_rows[i]) && !strncmp(option_rows[i].name, word + 2, size))
			strbuf_printf(&fitting, "%s--%s", fitting.size ? ", " : "", option_rows[i].name);
	if (fitting.size)
		return option_line_error(line, "'%.*s' could be any of %s: write more of it", (int)size + 2, word,
					 fitting.at);
	return option_line_error(line, "there is no option '%.*s'" SEE_HELP, (int)size + 2, word);
}

static int option_error(struct option_line *line, int key, char **argv)
{
	const struct option_row *row = optopt ? row_find(optopt) : NULL;

	if (row && key == ':')
		return option_line_error(line, "--%s needs a value: --%s %s", row->name, row->name, row->value);
	if (row)
		return option_line_error(line, "--%s takes no value", row->name);
	if (optopt)
		return option_line_error(line, "there is no option '-%c'" SEE_HELP, optopt);
	return long_option_error(line, argv[optind - 1]);
}

/* What stands behind the options: nothing, or `-- COMMAND ARGS`. */
static int command_read(struct option_line *line, char **rest, bool dashes)
{
	if (dashes && !*rest)
		return option_line_error(line, "-- needs a command behind it, as in: pyprof-bpf -- python3 app.py");
	if (*rest && !dashes)
		return option_line_error(line,
					 "'%s' is neither a command of pyprof-bpf nor an option; to profile a program, "
					 "write: pyprof-bpf -- %s",
					 *rest, *rest);
	if (*rest)
		line->options->command = rest;
	return 0;
}

static int words_read(struct option_line *line, int argc, char **argv)
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

static int target_choose(struct option_line *line)
{
	struct record_options *o = line->options;
	bool host = line->all || o->selection_cnt; /* of which, perhaps, some containers */
	int given = host + !!o->pid_cnt + !!o->command;

	if (!given)
		return option_line_error(line,
					 "say what to profile: --all, -p PID, --container NAME or -- COMMAND" SEE_HELP);
	if (given > 1)
		return option_line_error(line, "choose one of %s, -p PID and -- COMMAND: they exclude each other",
					 o->selection_cnt ? "--container, --pod, --cgroup" : "--all");
	o->target = o->command ? TARGET_COMMAND : o->pid_cnt ? TARGET_PIDS : TARGET_ALL;
	if (o->command)
		o->children = true;
	return 0;
}

/* --format, else the suffix of -o, else what fits: a picture of a command, folded windows of the rest. */
static int format_choose(struct option_line *line)
{
	struct record_options *o = line->options;
	bool streams = !o->output && (o->destination_cnt || o->target != TARGET_COMMAND);

	if (o->format && streams && o->format != format_find("folded"))
		return option_line_error(line, "--format %s needs -o FILE: what is streamed is always folded",
					 o->format->name);
	if (o->format)
		return 0;
	o->format = o->output ? format_of_file(o->output) : format_find(streams ? "folded" : "svg");
	if (o->format)
		return 0;

	STRBUF(known);
	option_formats_put(&known, true);
	return option_line_error(line, "no format has the suffix of '%s': use %s, or choose one with --format",
				 o->output, known.at);
}

/* --per against what else says what is told apart. */
static int view_choose(struct option_line *line)
{
	struct view *view = &line->options->view;

	if (view->per == PER_THREAD && !view->pids)
		return option_line_error(line, "--per thread tells all threads apart, --no-pid not even processes: "
					       "choose one of them");
	view->threads |= view->per == PER_THREAD;
	view->pids &= view->per != PER_COMM;
	return 0;
}

static int outputs_check(struct option_line *line)
{
	const struct record_options *o = line->options;

	if (o->output && o->stats && !strcmp(o->output, o->stats))
		return option_line_error(line, "-o and --stats cannot both write '%s': name two files", o->output);
	if (o->output && o->destination_cnt && o->target == TARGET_ALL && !o->duration_ns)
		return option_line_error(line,
					 "-o beside --export needs -d SECONDS: a profile without end has no file");
	if (!o->destination_cnt && (o->headers.cnt || o->token_file || o->ca_file || o->spool))
		return option_line_error(line, "%s is of use only with --export KIND=URL",
					 o->headers.cnt	 ? "--export-header"
					 : o->token_file ? "--export-token-file"
					 : o->ca_file	 ? "--export-ca"
							 : "--spool");
	return 0;
}

int record_options_parse(int argc, char **argv, struct record_options *ret, struct strbuf *error)
{
	static int (*const steps[])(struct option_line *) = {target_choose, view_choose, format_choose, outputs_check};
	struct option_line line = {.options = ret, .error = error};

	*ret = (struct record_options){.view = {.lines = true, .pids = true},
				       .source = true,
				       .kernel = true,
				       .native = NATIVE_EXTENSIONS,
				       .stack_copy_size = STACK_COPY_DEFAULT,
				       .spool_size = SPOOL_SIZE_DEFAULT,
				       .window_ns = WINDOW_DEFAULT_NS};
	int err = words_read(&line, argc, argv);
	for (size_t i = 0; !err && ret->action == ACTION_RECORD && i < ARRAY_CNT(steps); i++)
		err = steps[i](&line);
	return err;
}

void record_options_deinit(struct record_options *options)
{
	common_labels_deinit(&options->common);
	free(options->pids);
	options->pids = NULL;
	options->pid_cnt = 0;
	free(options->selections);
	options->selections = NULL;
	for (size_t i = 0; i < options->destination_cnt; i++)
		destination_deinit(&options->destinations[i]);
	free(options->destinations);
	options->destinations = NULL;
	options->selection_cnt = options->destination_cnt = 0;
	text_list_deinit(&options->headers);
	text_list_deinit(&options->variables);
}

enum output record_options_output(const struct record_options *options, bool stdout_is_terminal)
{
	if (!options->output && options->destination_cnt)
		return OUTPUT_EXPORT;
	if (options->output || options->target == TARGET_COMMAND)
		return OUTPUT_FILE;
	return stdout_is_terminal ? OUTPUT_TABLE : OUTPUT_STREAM;
}

u32 record_options_frequency_hz(const struct record_options *options, bool stdout_is_terminal)
{
	if (options->frequency_hz)
		return options->frequency_hz;
	bool for_hours = options->destination_cnt ||
			 (options->target == TARGET_ALL &&
			  record_options_output(options, stdout_is_terminal) == OUTPUT_STREAM);
	return for_hours ? FREQUENCY_HZ_CONTINUOUS : FREQUENCY_HZ_DEFAULT;
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
	bool is_record = ret->action == ACTION_RECORD;
	if (!err && is_record)
		err = common_labels_add_host(&ret->common);
	if (!err && is_record)
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
