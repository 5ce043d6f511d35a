/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dump_options.h - the command line of `dump`, as values, from a table that --help reads too. */
#ifndef PYPROF_DUMP_OPTIONS_H
#define PYPROF_DUMP_OPTIONS_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "report/dump_format.h"
#include "dump/snapshot.h"

struct dump_options {
	bool help;
	u32 pid; /* 0: all */
	bool all, children;
	const struct dump_format *format;
	const char *output; /* NULL: stdout; borrowed from argv */
	struct snapshot_options snapshot;
	bool verbose;

	/* as given, before what goes together is decided */
	bool native_all, native_last, native_none;
	bool leaf_first, whole, no_colour;
};

/*
 * -EINVAL: a wrong line, `error` says in one sentence what to do instead. argv is as main() has it, without
 * the name of the program.
 */
int dump_options_parse(int argc, char **argv, struct dump_options *ret, struct strbuf *error);
void dump_options_put_help(struct strbuf *b);

#endif
