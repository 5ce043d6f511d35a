/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* convert.c - the command that reads a profile in one format and writes it in another. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cmd/cmd.h"
#include "cmd/option_table.h"
#include "format/format.h"
#include "format/reader.h"

/* What is read is in memory as a whole. */
#define INPUT_MAX (512u << 20)

static const char usage[] = "Usage: pyprof-bpf convert [OPTION...] FROM TO\n"
			    "Reads a profile and writes it in another format.\n"
			    "\n"
			    "  pyprof-bpf convert host.pb.gz host.svg\n"
			    "  pyprof-bpf convert app.folded app.speedscope.json\n"
			    "  perf script | stackcollapse-perf.pl | pyprof-bpf convert - app.pb.gz\n"
			    "\n"
			    "FROM is folded text, also a stream of windows, or pprof, packed or not: which of them\n"
			    "shows by its content; - is stdin. The suffix of TO chooses its format; - is stdout.\n"
			    "\n";

static const char options_help[] = "      --no-lines           functions and files without line numbers\n"
				   "      --no-pid             processes of the same name are one\n"
				   "      --per WHAT           what stands at the root: container, process (default),\n"
				   "                           thread or comm\n"
				   "  -h, --help               this text\n"
				   "\n"
				   "Exit status: 0 written, 1 FROM cannot be read or TO cannot be written, 2 wrong\n"
				   "command line.\n";

struct convert_options {
	const char *from, *to;
	const struct format *format;
	bool no_lines, no_pid;
	enum per per;
};

static int help(void)
{
	STRBUF(text);

	strbuf_put(&text, usage);
	strbuf_put(&text, "      --format NAME        of TO, whatever its suffix:\n");
	for (const struct format *f = formats; f->name; f++)
		strbuf_printf(&text, "        %-11s %-16s  %s\n", f->name, f->suffix, f->summary);
	strbuf_put(&text, options_help);
	return fputs(text.at, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static bool format_set(struct convert_options *options, const char *name)
{
	STRBUF(known);

	options->format = format_find(name);
	if (options->format)
		return true;
	option_formats_put(&known, false);
	log_error("there is no format '%s': --format takes %s", name, known.at);
	return false;
}

static bool per_set(struct convert_options *options, const char *word)
{
	if (!per_find(word, &options->per))
		return true;
	log_error("--per takes container, process, thread or comm, not '%s'", word);
	return false;
}

/* The suffix, unless --format was given. */
static bool format_choose(struct convert_options *options)
{
	STRBUF(known);

	if (!options->format)
		options->format = format_of_file(options->to);
	if (options->format)
		return true;
	option_formats_put(&known, true);
	log_error("no format has the suffix of '%s': use %s, or choose one with --format", options->to, known.at);
	return false;
}

/* false: leave with *ret_status. */
static bool read_options(int argc, char **argv, struct convert_options *ret, int *ret_status)
{
	static const struct option longs[] = {
		{"format", required_argument, NULL, 'f'}, {"no-lines", no_argument, NULL, 'l'},
		{"no-pid", no_argument, NULL, 'p'},	  {"per", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},	  {0}};
	int key;

	*ret_status = EXIT_USAGE;
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while ((key = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (key) {
		case 'f':
			if (!format_set(ret, optarg))
				return false;
			break;
		case 'l':
			ret->no_lines = true;
			break;
		case 'p':
			ret->no_pid = true;
			break;
		case 'r':
			if (!per_set(ret, optarg))
				return false;
			break;
		case 'h':
			*ret_status = help();
			return false;
		case ':':
			log_error("%s needs a value, see pyprof-bpf convert --help", argv[optind - 1]);
			return false;
		default:
			log_error("there is no option '%s', see pyprof-bpf convert --help", argv[optind - 1]);
			return false;
		}
	}
	if (ret->per == PER_THREAD && ret->no_pid) {
		log_error("--per thread tells all threads apart, --no-pid not even processes: choose one of them");
		return false;
	}
	if (argc - optind != 2) {
		log_error("convert needs two files, FROM and TO, see pyprof-bpf convert --help");
		return false;
	}
	ret->from = argv[optind];
	ret->to = argv[optind + 1];
	return format_choose(ret);
}

static int bytes_read(const char *path, char **ret, size_t *ret_size)
{
	return strcmp(path, "-") ? file_read(path, INPUT_MAX, ret, ret_size)
				 : file_read_fd(STDIN_FILENO, INPUT_MAX, ret, ret_size);
}

static int profile_from(const char *path, struct read_profile *ret)
{
	_cleanup_(free) char *bytes = NULL;
	size_t size;
	STRBUF(why);

	int err = bytes_read(path, &bytes, &size);
	if (err)
		return log_error_errno(err, "cannot read '%s'", path);
	err = profile_read(bytes, size, ret, &why);
	if (err == -EBADMSG)
		log_error("'%s' is neither folded text nor pprof: %s", path, why.at);
	else if (err == -EFBIG || err == -ENOSPC)
		log_error("'%s' holds more than can be read: split it", path);
	else if (err)
		log_error_errno(err, "cannot read '%s'", path);
	if (!err && ret->lost)
		log_warning("'%s' says that %llu samples were lost, but not why: that is left out", path, ret->lost);
	if (!err && ret->skipped)
		log_warning("'%s' has %llu stacks without samples: they are left out", path, ret->skipped);
	return err;
}

static int write_to(const struct convert_options *options, const struct read_profile *read, FILE *out)
{
	return options->format->write(read->profile, &read->truth, &read->view, out);
}

static int profile_to(const struct convert_options *options, const struct read_profile *read)
{
	struct atomic_file *file;
	int err;

	if (!strcmp(options->to, "-")) {
		err = write_to(options, read, stdout);
	} else {
		err = atomic_file_open(options->to, (uid_t)-1, (gid_t)-1, &file);
		if (!err)
			err = atomic_file_finish(file, write_to(options, read, atomic_file_stream(file)));
	}
	return err ? log_error_errno(err, "cannot write '%s'", options->to) : 0;
}

int convert_main(int argc, char **argv)
{
	struct convert_options options = {.from = NULL};
	struct read_profile read = {.profile = NULL};
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	int err = profile_from(options.from, &read);
	read.view.lines &= !options.no_lines;
	read.view.pids &= !options.no_pid && options.per != PER_COMM;
	read.view.per = options.per;
	if (!err)
		err = profile_to(&options, &read);
	read_profile_deinit(&read);
	return err ? EXIT_FAILED : EXIT_OK;
}
