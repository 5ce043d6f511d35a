// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_unwind.c - how fast unwind tables are made, and how large they are. Linked
 * with the profiler's own code; in CPU time of this process, from a file that is in
 * the page cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_file.h"
#include "tests/bench/bench.h"
#include "unwind/unwind_table.h"

#define MAX_ROUNDS	   64
#define TABLE_CPU_NS	   (300 * NS_PER_MS) /* a table is made anew until this is used up */
#define BYTES_PER_ROW_GOAL 4

/* One table, made from the start: the file opened, and closed again. */
static int table_make(const char *path, struct unwind_table **ret)
{
	_cleanup_(elf_file) struct elf_file *elf = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int err = elf_file_open_fd(fd, path, &elf);
	return err ? err : unwind_table_build(elf, ret);
}

static void table_line(const char *what, const char *file, double value, const char *unit, double goal)
{
	char name[96];

	snprintf(name, sizeof(name), "unwind_table_%s_%s", what, file);
	bench_line(name, value, unit, goal);
}

/* The goal is for a row alone. In memory a file takes less than `all`, since files share rules. */
static void table_report(const char *file, const struct unwind_table *table, double ns)
{
	double rows_size = (double)table->row_cnt * sizeof(*table->rows);
	double size = rows_size + (double)table->page_cnt * sizeof(*table->pages) +
		      (double)table->rule_cnt * sizeof(*table->rules);

	table_line("time", file, ns / 1e6, "ms", NO_GOAL);
	if (!table->row_cnt)
		return;
	table_line("rows", file, table->row_cnt, "rows", NO_GOAL);
	table_line("speed", file, table->row_cnt / ns * 1e3, "million rows/s", NO_GOAL);
	table_line("row", file, rows_size / table->row_cnt, "bytes/row", BYTES_PER_ROW_GOAL);
	table_line("all", file, size / table->row_cnt, "bytes/row, pages and rules included", NO_GOAL);
	table_line("size", file, size / 1e6, "MB", NO_GOAL);
	table_line("unsupported", file, 100.0 * table->unsupported_cnt / table->row_cnt, "% of rows", NO_GOAL);
}

static void measure_table(const char *file, const char *path)
{
	double ns[MAX_ROUNDS];
	u64 start_ns = bench_cpu_ns();
	u32 cnt = 0;

	while (cnt < MAX_ROUNDS && (!cnt || bench_cpu_ns() - start_ns < TABLE_CPU_NS)) {
		_cleanup_(unwind_table) struct unwind_table *table = NULL;
		u64 before_ns = bench_cpu_ns();
		int err = table_make(path, &table);

		ns[cnt++] = bench_cpu_ns() - before_ns;
		if (err) {
			bench_skip("unwind_table", "%s: %s", path, strerror(-err));
			return;
		}
		if (cnt == MAX_ROUNDS || bench_cpu_ns() - start_ns >= TABLE_CPU_NS)
			table_report(file, table, bench_median(ns, cnt));
	}
}

/* What is large, and on nearly every host. The last of several versions. */
static const struct subject {
	const char *file, *pattern;
} subjects[] = {
	{"libc", "/lib/*-linux-gnu/libc.so.6"},
	{"libcrypto", "/usr/lib/*-linux-gnu/libcrypto.so.[0-9]*"},
	{"libLLVM", "/usr/lib/*-linux-gnu/libLLVM-*.so.1"},
};

static void measure_tables(void)
{
	const char *interpreter = getenv("BENCH_INTERPRETER");

	if (interpreter && *interpreter)
		measure_table("cpython", interpreter);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		glob_t found;

		if (glob(subjects[i].pattern, 0, NULL, &found))
			bench_skip("unwind_table", "there is no %s", subjects[i].pattern);
		else
			measure_table(subjects[i].file, found.gl_pathv[found.gl_pathc - 1]);
		globfree(&found);
	}
}

int main(void)
{
	measure_tables();
	return 0;
}
