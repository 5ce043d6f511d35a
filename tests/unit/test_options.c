/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "cmd/options.h"
#include "profile/losses.h"

#define WORDS_MAX 32

/* A command line as a person types it, split at blanks; `words` must live as long as the options. */
struct typed {
	char text[512];
	char *words[WORDS_MAX];
	int cnt;
};

static void type(struct typed *t, const char *line)
{
	snprintf(t->text, sizeof(t->text), "pyprof-bpf %s", line);
	t->cnt = 0;
	for (char *word = strtok(t->text, " "); word; word = strtok(NULL, " "))
		t->words[t->cnt++] = word;
	t->words[t->cnt] = NULL;
}

static struct typed typed;

static struct record_options parse(const char *line)
{
	struct record_options options;
	STRBUF(error);

	type(&typed, line);
	int err = record_options_parse(typed.cnt, typed.words, &options, &error);
	cr_assert_eq(err, 0, "'%s': %s", line, error.at);
	return options;
}

static void assert_refused(const char *line, const char *expected)
{
	struct record_options options;
	STRBUF(error);

	type(&typed, line);
	int err = record_options_parse(typed.cnt, typed.words, &options, &error);
	cr_assert_eq(err, -EINVAL, "'%s' was accepted", line);
	cr_assert_not_null(strstr(error.at, expected), "'%s' says: %s", line, error.at);
	cr_assert_null(strchr(error.at, '\n'));
	record_options_deinit(&options);
}

Test(options, all_alone_streams_everything_with_defaults)
{
	struct record_options o = parse("--all");

	cr_assert_eq(o.action, ACTION_RECORD);
	cr_assert_eq(o.target, TARGET_ALL);
	cr_assert_eq(o.frequency_hz, 0);
	cr_assert_eq(o.duration_ns, 0);
	cr_assert_eq(o.window_ns, 10 * NS_PER_S);
	cr_assert_null(o.output);
	cr_assert_str_eq(o.format->name, "folded");
	cr_assert_null(o.stats);
	cr_assert(o.view.lines && o.view.pids && !o.view.threads);
	cr_assert(o.kernel && !o.verbose && !o.force && !o.children);
	cr_assert_eq(o.native, NATIVE_EXTENSIONS);
	cr_assert_eq(o.stack_copy_size, 16384);
}

Test(options, every_option_in_one_line)
{
	struct record_options o = parse(
		"-p 12,34 -p 34,56 --children -F 499 -d 0.25 -o x.folded --format svg "
		"--no-kernel --no-lines --no-pid --threads --window 0.1 --stats s.json -v --force "
		"--native all --stack-copy 32K");

	cr_assert_eq(o.target, TARGET_PIDS);
	cr_assert_eq(o.pid_cnt, 3, "a pid given twice counts once");
	cr_assert(o.pids[0] == 12 && o.pids[1] == 34 && o.pids[2] == 56);
	cr_assert(o.children && o.verbose && o.force);
	cr_assert_eq(o.frequency_hz, 499);
	cr_assert_eq(o.duration_ns, NS_PER_S / 4);
	cr_assert_eq(o.window_ns, NS_PER_S / 10);
	cr_assert_str_eq(o.output, "x.folded");
	cr_assert_str_eq(o.format->name, "svg", "--format overrides the suffix");
	cr_assert_str_eq(o.stats, "s.json");
	cr_assert_eq(o.native, NATIVE_ALL);
	cr_assert_eq(o.stack_copy_size, 32768);
	cr_assert(!o.kernel && !o.view.lines && !o.view.pids && o.view.threads);
	record_options_deinit(&o);
}

Test(options, a_command_keeps_its_own_options)
{
	struct record_options o = parse("-F 999 -- python3 --all -o y");

	cr_assert_eq(o.target, TARGET_COMMAND);
	cr_assert_str_eq(o.command[0], "python3");
	cr_assert_str_eq(o.command[3], "y");
	cr_assert_null(o.command[4]);
	cr_assert(o.children, "what a command forks is always followed");
	cr_assert_str_eq(o.format->name, "svg");
}

Test(options, a_command_may_look_like_an_option)
{
	struct record_options o = parse("-- --help");

	cr_assert_eq(o.action, ACTION_RECORD);
	cr_assert_str_eq(o.command[0], "--help");
}

Test(options, dashes_as_the_value_of_an_option_begin_no_command)
{
	struct record_options o = parse("--all -o --");

	cr_assert_str_eq(o.output, "--");
	assert_refused("--all -o -- x", "'x' is neither");
}

Test(options, long_names_may_be_cut_short_and_the_last_one_counts)
{
	struct record_options o = parse("--al --freq=5 -F7 --dur 3 --wind=2");

	cr_assert_eq(o.frequency_hz, 7);
	cr_assert_eq(o.duration_ns, 3 * NS_PER_S);
	cr_assert_eq(o.window_ns, 2 * NS_PER_S);
}

Test(options, short_options_may_be_bundled)
{
	struct record_options o = parse("-vp7 -d1.5");

	cr_assert(o.verbose);
	cr_assert_eq(o.pids[0], 7);
	cr_assert_eq(o.duration_ns, 3 * NS_PER_S / 2);
	record_options_deinit(&o);
}

Test(options, the_suffix_chooses_the_format)
{
	cr_assert_str_eq(parse("--all -o a.svg").format->name, "svg");
	cr_assert_str_eq(parse("--all -o a.folded").format->name, "folded");
	cr_assert_str_eq(parse("--all -o dir.svg/plain").format->name, "folded");
	cr_assert_str_eq(parse("--all -o -").format->name, "folded");
	cr_assert_str_eq(parse("--all -o a.png --format svg").format->name, "svg");
	assert_refused("--all -o a.png", "use .folded, .svg");
}

Test(options, exactly_one_target)
{
	assert_refused("", "say what to profile");
	assert_refused("-F 99", "say what to profile");
	assert_refused("--all -p 1", "choose one");
	assert_refused("--all -- ls", "choose one");
	assert_refused("-p 1 -- ls", "choose one");
	assert_refused("--", "-- needs a command");
	assert_refused("python3 app.py", "pyprof-bpf -- python3");
	assert_refused("--all later", "'later' is neither");
}

Test(options, what_cannot_be_an_option_is_refused_by_name)
{
	assert_refused("--bogus --all", "no option '--bogus'");
	assert_refused("--bogus=3 --all", "no option '--bogus'");
	assert_refused("-Z --all", "no option '-Z'");
	assert_refused("--no --all", "--no-kernel, --no-lines, --no-source, --no-pid");
	assert_refused("--all=1", "--all takes no value");
	assert_refused("--all -F", "--frequency needs a value");
	assert_refused("--all --stats", "--stats needs a value");
}

Test(options, pids_are_numbers_of_processes)
{
	static const char *const lines[] = {"-p 0",  "-p -1", "-p x",  "-p 1,,2",
					    "-p 1,", "-p ,1", "-p 1x", "-p 2147483648"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_refused(lines[i], "is no process id");
	struct record_options o = parse("-p 2147483647"); /* a number, though no such process will be found */
	record_options_deinit(&o);
}

Test(options, numbers_stay_in_their_ranges)
{
	static const char *const frequencies[] = {"0", "10001", "-1", "9.5", "1e3", "99Hz", "99999999999999999999"};
	static const char *const durations[] = {"0",   "0.0",  "-1", "1e3",   "inf",
						"nan", "0x10", ".",  "1.2.3", "9999999999"};
	static const char *const windows[] = {"0", "0.099", "3600.1", "x"};
	static const char *const copies[] = {"4095",	   "1",	 "K",  "-4K", "65K", "68K", "69632",
					     "4294967296", "5K", "4k", "16M", "4KK", "x",   "4.5K"};
	char line[64];

	for (size_t i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
		snprintf(line, sizeof(line), "--all -F %s", frequencies[i]);
		assert_refused(line, "from 1 to 10000");
	}
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		snprintf(line, sizeof(line), "--all -d %s", durations[i]);
		assert_refused(line, "--duration takes seconds");
	}
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		snprintf(line, sizeof(line), "--all --window %s", windows[i]);
		assert_refused(line, "from 0.1 to 3600");
	}
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		snprintf(line, sizeof(line), "--all --stack-copy %s", copies[i]);
		assert_refused(line, "a multiple of 4096 up to 65536");
	}
	cr_assert_eq(parse("--all --stack-copy 0").stack_copy_size, 0);
	cr_assert_eq(parse("--all --stack-copy 0K").stack_copy_size, 0);
	cr_assert_eq(parse("--all --stack-copy 4096").stack_copy_size, 4096);
	cr_assert_eq(parse("--all --stack-copy 64K").stack_copy_size, 65536);
	cr_assert_eq(parse("--all -F 1").frequency_hz, 1);
	cr_assert_eq(parse("--all -F 10000").frequency_hz, 10000);
	cr_assert_eq(parse("--all --window 3600").window_ns, 3600 * NS_PER_S);
}

Test(options, native_frames_are_one_of_three_words)
{
	cr_assert_eq(parse("--all --native all").native, NATIVE_ALL);
	cr_assert_eq(parse("--all --native extensions").native, NATIVE_EXTENSIONS);
	cr_assert_eq(parse("--all --native none").native, NATIVE_NONE);
	assert_refused("--all --native", "needs a value");
	assert_refused("--all --native some", "takes all, extensions or none, not 'some'");
	assert_refused("--all --native=", "takes all, extensions or none");
}

Test(options, formats_and_outputs_must_make_sense)
{
	assert_refused("--all --format png -o x", "--format takes folded, svg");
	assert_refused("--all --format svg", "needs -o FILE");
	assert_refused("--all -o x --stats x", "name two files");
	cr_assert_str_eq(parse("--format folded -- ls").format->name, "folded");
	cr_assert_str_eq(parse("--all --format folded").format->name, "folded");
}

Test(options, help_version_and_losses_need_no_target)
{
	cr_assert_eq(parse("--help").action, ACTION_HELP);
	cr_assert_eq(parse("-h --all -p 1").action, ACTION_HELP);
	cr_assert_eq(parse("--version").action, ACTION_VERSION);
	cr_assert_eq(parse("--list-losses").action, ACTION_LIST_LOSSES);
}

Test(options, seconds_are_exact)
{
	u64 ns = 0;

	cr_assert_eq(seconds_parse("0.000000001", &ns), 0);
	cr_assert_eq(ns, 1);
	cr_assert_eq(seconds_parse("0.1", &ns), 0);
	cr_assert_eq(ns, NS_PER_S / 10);
	cr_assert_eq(seconds_parse("12.0000000019", &ns), 0);
	cr_assert_eq(ns, 12 * NS_PER_S + 1);
	cr_assert_eq(seconds_parse(".5", &ns), 0);
	cr_assert_eq(ns, NS_PER_S / 2);
	cr_assert_eq(seconds_parse("", &ns), -EINVAL);
}

Test(options, the_rate_is_lower_only_for_what_runs_for_hours)
{
	struct record_options all = parse("--all");

	cr_assert_eq(record_options_output(&all, true), OUTPUT_TABLE);
	cr_assert_eq(record_options_frequency_hz(&all, true), 99);
	cr_assert_eq(record_options_output(&all, false), OUTPUT_STREAM);
	cr_assert_eq(record_options_frequency_hz(&all, false), 19);

	struct record_options file = parse("--all -o x.svg");
	cr_assert_eq(record_options_output(&file, false), OUTPUT_FILE);
	cr_assert_eq(record_options_frequency_hz(&file, false), 99);

	struct record_options pid = parse("-p 1");
	cr_assert_eq(record_options_output(&pid, false), OUTPUT_STREAM);
	cr_assert_eq(record_options_frequency_hz(&pid, false), 99);
	record_options_deinit(&pid);

	struct record_options asked = parse("--all -F 50");
	cr_assert_eq(record_options_frequency_hz(&asked, false), 50);
}

Test(options, containers_are_chosen_of_the_whole_host)
{
	struct record_options some = parse("--container web --pod prod/api-* --container db");

	cr_assert_eq(some.target, TARGET_ALL);
	cr_assert_eq(some.selection_cnt, 3);
	cr_assert_eq(some.selections[1].kind, SELECT_POD);
	cr_assert_str_eq(some.selections[1].text, "prod/api-*");
	cr_assert_eq(some.selections[2].kind, SELECT_CONTAINER);
	record_options_deinit(&some);

	struct record_options all = parse("--all --cgroup /docker");
	cr_assert_eq(all.target, TARGET_ALL);
	cr_assert_eq(all.selection_cnt, 1);
	record_options_deinit(&all);

	assert_refused("--container web -p 1", "choose one of --container");
	assert_refused("--container web -- ls", "choose one of --container");
	assert_refused("--pod web", "NAMESPACE/NAME");
}

Test(options, what_is_exported_is_sampled_for_hours_and_goes_nowhere_else)
{
	struct record_options one = parse(
		"--all --export otlp=http://localhost:4318 --export-header X-Scope-OrgID:team "
		"--spool /var/lib/x --spool-size 2G");

	cr_assert_eq(record_options_output(&one, false), OUTPUT_EXPORT);
	cr_assert_eq(record_options_output(&one, true), OUTPUT_EXPORT);
	cr_assert_eq(record_options_frequency_hz(&one, true), 19);
	cr_assert_eq(one.destination_cnt, 1);
	cr_assert_str_eq(one.destinations[0].kind->name, "otlp");
	cr_assert_str_eq(one.headers.at[0], "X-Scope-OrgID:team");
	cr_assert_null(one.headers.at[1]);
	cr_assert_eq(one.spool_size, 2ull << 30);
	record_options_deinit(&one);

	struct record_options both = parse("--all -d 60 -o x.svg --export pyroscope=http://localhost:4040");
	cr_assert_eq(record_options_output(&both, false), OUTPUT_FILE);
	cr_assert_eq(record_options_frequency_hz(&both, false), 19);
	record_options_deinit(&both);
}

Test(options, what_belongs_to_an_export_is_refused_where_it_is_wrong_or_without_one)
{
	assert_refused("--all --export-header a:b", "only with --export");
	assert_refused("--all --export-token-file /x", "only with --export");
	assert_refused("--all --export-ca /x", "only with --export");
	assert_refused("--all --spool /x", "only with --export");
	assert_refused("--all --spool here", "whole path");
	assert_refused("--all --spool-size 2", "M or G");
	assert_refused("--all --spool-size 0M", "M or G");
	assert_refused("--all --spool-size -1M", "M or G");
	assert_refused("--all --export-header novalue", "NAME:VALUE");
	assert_refused("--all --export-header :v", "NAME:VALUE");
	assert_refused("--all --export-header a\rb:v", "NAME:VALUE");
	assert_refused("--all --export-header a:b\nInjected:1", "control");
	assert_refused("--all -o x.svg --export otlp=http://localhost", "-d SECONDS");
	assert_refused("--all --export statsd=http://localhost", "otlp");
	assert_refused("--all --export otlp", "otlp=");
}

Test(options, secrets_do_not_stay_on_the_line_that_everybody_may_read)
{
	struct record_options o = parse(
		"--all --export otlp=https://me:hunter2@host.example/x --export-header Authorization:hunter3");

	for (int i = 0; i < typed.cnt; i++)
		cr_assert_null(strstr(typed.words[i], "hunter"), "%s", typed.words[i]);
	cr_assert_str_eq(o.destinations[0].password, "hunter2");
	cr_assert_str_eq(o.headers.at[0], "Authorization:hunter3");
	record_options_deinit(&o);
}

Test(options, of_the_environment_only_what_is_named_is_shown)
{
	struct record_options some = parse("--all --with-env SERVICE,REGION --with-env TIER");

	cr_assert_eq(some.variables.cnt, 3);
	cr_assert_str_eq(some.variables.at[1], "REGION");
	cr_assert_null(some.variables.at[3]);
	cr_assert_not(some.command_lines);
	record_options_deinit(&some);
	assert_refused("--all --with-env A,,B", "names of variables");
	assert_refused("--all --with-env A=1", "names of variables");
}

Test(options, help_fits_a_terminal_and_names_every_format)
{
	STRBUF(text);

	record_options_put_help("pyprof-bpf", &text);
	for (const char *at = text.at; *at; at += strcspn(at, "\n") + 1)
		cr_assert_leq(strcspn(at, "\n"), 88, "too wide: %.100s", at);
	for (const struct format *f = formats; f->name; f++)
		cr_assert_not_null(strstr(text.at, f->name));
	cr_assert_not_null(strstr(text.at, "doctor"));
}

Test(options, every_loss_is_listed_on_a_line_of_two_fields)
{
	STRBUF(text);
	size_t lines = 0;

	record_options_put_losses(&text);
	for (const char *at = text.at; *at; at += strcspn(at, "\n") + 1, lines++)
		cr_assert_lt(strcspn(at, "\t"), strcspn(at, "\n"));
	cr_assert_eq(lines, LOSS_CNT);
	cr_assert(!strncmp(text.at, "ring-full\t", 10));
}

Test(options, per_brings_what_its_roots_need)
{
	struct record_options o = parse("--all --per container");

	cr_expect_eq(o.view.per, PER_CONTAINER);
	cr_expect(o.view.pids && !o.view.threads);
	record_options_deinit(&o);
	o = parse("--all --per thread");
	cr_expect_eq(o.view.per, PER_THREAD);
	cr_expect(o.view.pids && o.view.threads);
	record_options_deinit(&o);
	o = parse("--all --per comm --threads");
	cr_expect_eq(o.view.per, PER_COMM);
	cr_expect(!o.view.pids && o.view.threads);
	record_options_deinit(&o);
	o = parse("--all --per comm --per process");
	cr_expect_eq(o.view.per, PER_PROCESS);
	cr_expect(o.view.pids, "the last one counts, and leaves no trace of the one before");
	record_options_deinit(&o);
	o = parse("--all --no-pid --per container");
	cr_expect(!o.view.pids);
	record_options_deinit(&o);

	assert_refused("--all --per pod", "container, process, thread or comm");
	assert_refused("--all --per thread --no-pid", "choose one");
	assert_refused("--all --no-pid --per thread", "choose one");
}

Test(options, a_label_is_kept_and_a_wrong_one_is_refused_with_its_text)
{
	struct record_options o = parse("--all --label region=eu-1 --label team=a");

	cr_assert_eq(o.common.cnt, 2);
	cr_expect_str_eq(o.common.at[1].name, "team");
	record_options_deinit(&o);
	assert_refused("--all --label region", "--label region: a label is KEY=VALUE");
	assert_refused("--all --label pid=1", "choose another KEY");
}

Test(options, a_file_for_each_container_has_the_one_word_there_is)
{
	struct record_options o = parse("--all -o flames/{container}.svg");

	cr_expect_str_eq(o.format->name, "svg");
	record_options_deinit(&o);
	assert_refused("--all -o {pod}.svg", "there is {container} alone");
	assert_refused("--all -o {container}/x.svg", "folder");
}
