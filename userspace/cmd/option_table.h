/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * option_table.h - the options of `record` as a table: parsing (options.c) and --help
 * (options_help.c) both read its rows.
 */
#ifndef PYPROF_OPTION_TABLE_H
#define PYPROF_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "cmd/options.h"

/* A line while it is read. */
struct option_line {
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
	int (*apply)(struct option_line *line, const char *value);
	size_t flag;
	bool flag_value;
};

#define OPTION_ROW_MAX 64

extern const struct option_row option_rows[];
extern const size_t option_row_cnt;

/* Else a heading: a row without name. */
static inline bool option_row_is_option(const struct option_row *row)
{
	return row->name;
}

/* Says in one sentence what to do instead; always -EINVAL. */
__attribute__((format(printf, 2, 3))) int option_line_error(struct option_line *line, const char *format, ...);
/* ".folded or .svg", "folded or svg" */
void option_formats_put(struct strbuf *b, bool suffixes);

#endif
