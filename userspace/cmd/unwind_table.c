/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* unwind_table.c - the command that prints how an ELF file's code is unwound, for people and for comparing. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cmd/cmd.h"
#include "elf/elf_file.h"
#include "unwind/unwind_table.h"

static const char help[] = "Usage: pyprof-bpf unwind-table [--at ADDRESS] FILE\n"
			   "Prints how the kernel side gets from a frame in FILE, an ELF program or library,\n"
			   "to its caller: the table that it makes of .eh_frame or .debug_frame. One line for\n"
			   "each row, in the notation of `readelf --debug-dump=frames-interp`:\n"
			   "\n"
			   "  START CFA RBP RA     0000000000001020 rsp+16 c-16 c-8\n"
			   "\n"
			   "START  hexadecimal address in FILE; a row holds up to the next one's\n"
			   "CFA    the caller's stack pointer. `exp`: an expression, which follows after #;\n"
			   "       `end`: there is no caller; `none`: the file says nothing about this code;\n"
			   "       `unsupported`: it says what a table cannot hold: finished by libunwind\n"
			   "RBP    the caller's rbp: u not touched, c-16 saved at CFA-16, lost for good\n"
			   "RA     where the return address is; u: there is none\n"
			   "\n"
			   "      --at ADDRESS         only the row that holds this hexadecimal address\n"
			   "  -h, --help               this text\n"
			   "\n"
			   "A summary goes to stderr. Exit status: 0 printed, 1 FILE cannot be read, 2 wrong\n"
			   "command line.\n";

struct unwind_table_options {
	const char *path;
	bool one; /* --at */
	u64 at;
};

/* By DWARF number, as readelf names them. */
static const char *const registers[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
					"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/*
 * Rows as text
 */

static void describe_rbp(const struct unwind_rule *rule, struct strbuf *out)
{
	switch (rule->rbp) {
	case UNWIND_RBP_SAME:
		strbuf_printf(out, "u");
		break;
	case UNWIND_RBP_CFA:
		strbuf_printf(out, "c%+d", rule->rbp_offset);
		break;
	case UNWIND_RBP_BP:
		strbuf_printf(out, "exp");
		break;
	default:
		strbuf_printf(out, "lost");
	}
}

static void describe_deref(const struct unwind_rule *rule, struct strbuf *out)
{
	s16 offset = (s16)rule->cfa_offset;
	u16 add = (u32)rule->cfa_offset >> 16;

	strbuf_printf(out, " # CFA *(%s%+d)%+d", registers[UNWIND_REG(rule)], offset, add);
}

/* What `exp` means. */
static void describe_expressions(const struct unwind_rule *rule, struct strbuf *out)
{
	if (UNWIND_KIND(rule) == UNWIND_DEREF)
		describe_deref(rule, out);
	if (UNWIND_KIND(rule) == UNWIND_PLT)
		strbuf_printf(out, " # CFA rsp+8, rsp+16 where (rip & 15) >= %d", rule->cfa_offset);
	if (rule->rbp == UNWIND_RBP_BP)
		strbuf_printf(out, " # RBP *(rbp%+d)", rule->rbp_offset);
}

static void describe_rule(const struct unwind_rule *rule, struct strbuf *out)
{
	switch (UNWIND_KIND(rule)) {
	case UNWIND_NONE:
		strbuf_printf(out, "none u u");
		return;
	case UNWIND_UNSUPPORTED:
		strbuf_printf(out, "unsupported u u");
		return;
	case UNWIND_END:
		strbuf_printf(out, "end u u");
		return;
	case UNWIND_FRAME_POINTER:
		strbuf_printf(out, "rbp+16 c-16 c-8 # no information: a guess");
		return;
	case UNWIND_SIGNAL:
		strbuf_printf(out, "exp exp exp # all registers are in the ucontext_t at rsp: a signal was delivered");
		return;
	case UNWIND_LINK:
		strbuf_printf(out, "rsp%+d ", rule->cfa_offset);
		describe_rbp(rule, out);
		strbuf_printf(out, " %s", registers[UNWIND_REG(rule)]);
		return;
	case UNWIND_REGISTER:
		strbuf_printf(out, "%s%+d ", registers[UNWIND_REG(rule)], rule->cfa_offset);
		break;
	default:
		strbuf_printf(out, "exp ");
	}
	describe_rbp(rule, out);
	strbuf_printf(out, " c-8");
	describe_expressions(rule, out);
}

static void print_row(u64 start, const struct unwind_rule *rule)
{
	STRBUF(text);

	describe_rule(rule, &text);
	printf("%016llx %s\n", start, text.at);
}

/*
 * Rows of a table
 */

/* Goes through the rows; pages are an affair of the table, so a row that only continues the last one is none. */
struct rows {
	const struct unwind_table *table;
	u32 page, row; /* the next: page, and row in it */
	u16 rule; /* the last one's */
};

static bool rows_next(struct rows *rows, u64 *ret_start, const struct unwind_rule **ret_rule)
{
	const struct unwind_table *table = rows->table;

	for (; rows->page < table->page_cnt; rows->page++, rows->row = 0) {
		const struct unwind_page *page = &table->pages[rows->page];
		u64 base = (table->first + rows->page) << UNWIND_PAGE_SHIFT;
		/* A page of nothing has no rows. */
		u32 cnt = page->cnt ? page->cnt : 1;

		while (rows->row < cnt) {
			struct unwind_row nothing = {0};
			const struct unwind_row *row = page->cnt ? &table->rows[page->row + rows->row] : &nothing;

			rows->row++;
			if (row->rule == rows->rule)
				continue;
			rows->rule = row->rule;
			*ret_start = base + row->pc;
			*ret_rule = &table->rules[row->rule];
			return true;
		}
	}
	return false;
}

static void print_all(const struct unwind_table *table)
{
	struct rows rows = {.table = table};
	const struct unwind_rule *rule;
	u64 start;

	while (rows_next(&rows, &start, &rule))
		print_row(start, rule);
}

/* Before the first row, and without any, nothing is known. */
static void print_one(const struct unwind_table *table, u64 at)
{
	struct rows rows = {.table = table};
	const struct unwind_rule *rule;
	u64 start, found = 0;

	while (rows_next(&rows, &start, &rule) && start <= at)
		found = start;
	print_row(found, unwind_table_find(table, at));
}

/*
 * The command
 */

static double percent(u64 part, u64 all)
{
	return all ? 100.0 * (double)part / (double)all : 100;
}

static void print_summary(const char *path, const struct unwind_table *table)
{
	u32 claimed = table->row_cnt - table->unsupported_cnt;

	log_info("%s: %u functions in %s; %u rows of %u rules, %.3f %% without libunwind; rows for %.1f %% of the "
		 "code%s",
		 path, table->fde_cnt, table->source[0] ? table->source : "no call frame information", table->row_cnt,
		 table->rule_cnt, percent(claimed, table->row_cnt), percent(table->covered_size, table->code_size),
		 table->frame_pointers ? ", the rest by frame pointers" : "");
}

static bool parse_address(const char *text, u64 *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 16);
	return !errno && end != text && !*end && text[0] != '-';
}

/* false: leave with *ret_status. */
static bool read_options(int argc, char **argv, struct unwind_table_options *ret, int *ret_status)
{
	*ret_status = EXIT_USAGE;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			*ret_status = fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
			return false;
		}
		if (!strcmp(argv[i], "--at")) {
			ret->one = true;
			if (++i == argc || !parse_address(argv[i], &ret->at)) {
				log_error("--at needs a hexadecimal address, such as 1020");
				return false;
			}
		} else if (argv[i][0] == '-' || ret->path) {
			log_error("unwind-table takes --at ADDRESS, --help and one FILE, not '%s'", argv[i]);
			return false;
		} else {
			ret->path = argv[i];
		}
	}
	if (!ret->path)
		log_error("unwind-table needs a FILE, see pyprof-bpf unwind-table --help");
	return ret->path;
}

static int build(const char *path, struct unwind_table **ret)
{
	_cleanup_(elf_file) struct elf_file *file = NULL;
	/* A FIFO would keep us waiting. */
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int err = elf_file_open_fd(take_fd(fd), path, &file);
	return err ? err : unwind_table_build(file, ret);
}

int unwind_table_main(int argc, char **argv)
{
	_cleanup_(unwind_table) struct unwind_table *table = NULL;
	struct unwind_table_options options = {0};
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	int err = build(options.path, &table);
	if (err == -ENOEXEC) {
		log_error("'%s' is no ELF program or library for x86-64: name one", options.path);
		return EXIT_FAILED;
	}
	if (err) {
		log_error_errno(err, "cannot read '%s'", options.path);
		return EXIT_FAILED;
	}

	if (options.one)
		print_one(table, options.at);
	else
		print_all(table);
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to stdout: give it a place that takes it");
		return EXIT_FAILED;
	}
	print_summary(options.path, table);
	return EXIT_OK;
}
