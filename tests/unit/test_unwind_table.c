/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables of files that we made; tests/e2e/test_unwind_tables.c compares those of real
 * ones with libdw.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "elf/elf_cfi.h"
#include "tests/unit/build_cfi.h"
#include "tests/unit/build_elf.h"
#include "unwind/unwind_table.h"

#define TEXT	  0x10000ull
#define TEXT_SIZE 0x30000ull /* three pages of a table */
#define EH_FRAME  0x60000ull

#define RSP_PLUS_CFA UNWIND_CFA(UNWIND_REGISTER, REG_RSP)

static u8 text[TEXT_SIZE];

static struct elf_builder *builder(void)
{
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);

	elf_builder_add_code(b, ".text", TEXT, text, sizeof(text));
	return b;
}

static void add_eh_frame(struct elf_builder *b, const struct cfi_builder *cfi)
{
	elf_builder_add_section(b, ".eh_frame", SHT_PROGBITS, SHF_ALLOC, cfi->address, cfi->bytes, cfi->size);
}

static struct unwind_table *build(struct elf_builder *b)
{
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	struct unwind_table *table = NULL;

	cr_assert_not_null(file);
	cr_assert_eq(unwind_table_build(file, &table), 0);
	return table;
}

static struct unwind_table *build_eh_frame(const struct cfi_builder *cfi)
{
	struct elf_builder *b = builder();

	add_eh_frame(b, cfi);
	return build(b);
}

/* A function that keeps its caller at rsp+8 throughout. */
static void add_function(struct cfi_builder *cfi, size_t cie, u64 start, u64 size)
{
	cfi_add_fde(cfi, cie, start, size, CFI_BYTES(0));
}

static u8 kind_at(const struct unwind_table *table, u64 address)
{
	return UNWIND_KIND(unwind_table_find(table, address));
}

static s32 cfa_at(const struct unwind_table *table, u64 address)
{
	const struct unwind_rule *rule = unwind_table_find(table, address);

	return rule->cfa == RSP_PLUS_CFA ? rule->cfa_offset : -1;
}

/* What the kernel side relies on. */
static void expect_sound(const struct unwind_table *table)
{
	cr_expect_eq(UNWIND_KIND(&table->rules[0]), UNWIND_NONE);
	for (u32 p = 0; p < table->page_cnt; p++) {
		const struct unwind_page *page = &table->pages[p];

		cr_assert_leq(page->cnt, (u32)MAX_ROWS_IN_PAGE);
		cr_assert_leq(page->row + page->cnt, table->row_cnt);
		for (u32 i = 0; i < page->cnt; i++) {
			const struct unwind_row *row = &table->rows[page->row + i];

			cr_assert_lt(row->rule, table->rule_cnt);
			if (i)
				cr_assert_gt(row->pc, row[-1].pc);
			else
				cr_assert_eq(row->pc, 0);
		}
	}
}

/*
 * Rows
 */

Test(unwind_table, a_function_begins_and_ends_where_it_says)
{
	struct cfi_builder cfi = {.address = EH_FRAME};

	cfi_add_fde(&cfi, cfi_add_usual_cie(&cfi), TEXT + 16, 32, CFI_BYTES(ADVANCE(4), CFA_OFFSET(16)));
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_expect_eq(kind_at(table, TEXT + 15), UNWIND_NONE);
	cr_expect_eq(cfa_at(table, TEXT + 16), 8);
	cr_expect_eq(cfa_at(table, TEXT + 19), 8);
	cr_expect_eq(cfa_at(table, TEXT + 20), 16);
	cr_expect_eq(cfa_at(table, TEXT + 47), 16);
	cr_expect_eq(kind_at(table, TEXT + 48), UNWIND_NONE);
	cr_expect_eq(kind_at(table, 0), UNWIND_NONE);
	cr_expect_eq(kind_at(table, UINT64_MAX), UNWIND_NONE);
	cr_expect_eq(table->fde_cnt, 1);
	cr_expect_eq(table->covered_size, 32);
	cr_expect_eq(table->code_size, TEXT_SIZE);
	cr_expect_str_eq(table->source, ".eh_frame");
	cr_expect_not(table->frame_pointers);
}

Test(unwind_table, functions_in_any_order_are_found)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);

	/* Each has its own CFA; 37 is prime to 200. */
	for (u32 i = 0; i < 200; i++) {
		u32 n = i * 37 % 200;

		cfi_add_fde(&cfi, cie, TEXT + n * 16, 16, CFI_BYTES(CFA_OFFSET(n % 100)));
	}
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	for (u32 n = 0; n < 200; n++) {
		cr_expect_eq(cfa_at(table, TEXT + n * 16), (s32)(n % 100));
		cr_expect_eq(cfa_at(table, TEXT + n * 16 + 15), (s32)(n % 100));
	}
}

Test(unwind_table, equal_neighbours_are_one_row)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);

	add_function(&cfi, cie, TEXT, 16);
	add_function(&cfi, cie, TEXT + 16, 16);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	cr_expect_eq(table->row_cnt, 2, "%u: the functions, and nothing behind them", table->row_cnt);
}

Test(unwind_table, a_function_across_pages_is_found_in_each)
{
	struct cfi_builder cfi = {.address = EH_FRAME};

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT + 0x100, 0x2ff00 - 0x100);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_expect_eq(table->page_cnt, 3);
	cr_expect_eq(cfa_at(table, TEXT + 0x100), 8);
	cr_expect_eq(cfa_at(table, TEXT + 0x10000), 8);
	cr_expect_eq(cfa_at(table, TEXT + 0x2feff), 8);
	cr_expect_eq(kind_at(table, TEXT + 0x2ff00), UNWIND_NONE);
}

Test(unwind_table, a_page_without_functions_has_no_rows)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);

	add_function(&cfi, cie, TEXT, 16);
	add_function(&cfi, cie, TEXT + 0x20000, 16);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_assert_eq(table->page_cnt, 3);
	cr_expect_eq(table->pages[1].cnt, 0);
	cr_expect_eq(kind_at(table, TEXT + 0x10000), UNWIND_NONE);
	cr_expect_eq(cfa_at(table, TEXT + 0x20000), 8);
}

Test(unwind_table, a_page_with_more_rows_than_a_search_finds_claims_the_first_ones)
{
	enum { ROWS = MAX_ROWS_IN_PAGE + 1000 };
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);
	u8 program[3 * ROWS];

	for (u32 i = 0; i < ROWS; i++)
		memcpy(&program[3 * i], (const u8[]){ADVANCE(1), CFA_OFFSET(16 + i % 2)}, 3);
	cfi_add_fde(&cfi, cie, TEXT, ROWS + 1000, program, sizeof(program));
	add_function(&cfi, cie, TEXT + 0x10000, 16);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_expect_eq(cfa_at(table, TEXT), 8);
	cr_expect_eq(cfa_at(table, TEXT + 4001), 16);
	cr_expect_eq(kind_at(table, TEXT + MAX_ROWS_IN_PAGE), UNWIND_UNSUPPORTED);
	cr_expect_eq(kind_at(table, TEXT + ROWS + 500), UNWIND_UNSUPPORTED);
	cr_expect_eq(cfa_at(table, TEXT + 0x10000), 8);
	cr_expect_eq(table->unsupported_cnt, 1);
}

Test(unwind_table, what_is_malformed_is_unsupported_up_to_the_functions_end)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);

	cfi_add_fde(&cfi, cie, TEXT, 32, CFI_BYTES(ADVANCE(8), 0x3f));
	add_function(&cfi, cie, TEXT + 32, 16);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	cr_expect_eq(cfa_at(table, TEXT + 7), 8);
	cr_expect_eq(kind_at(table, TEXT + 8), UNWIND_UNSUPPORTED);
	cr_expect_eq(kind_at(table, TEXT + 31), UNWIND_UNSUPPORTED);
	cr_expect_eq(cfa_at(table, TEXT + 32), 8);
}

Test(unwind_table, more_rules_than_real_files_have_are_unsupported)
{
	static struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);
	u8 program[4 * 6000];

	for (u32 i = 0; i < 6000; i++)
		memcpy(&program[4 * i], (const u8[]){ADVANCE(16), CFA_OFFSET(0x80 | (i & 0x7f)), i >> 7}, 4);
	cfi_add_fde(&cfi, cie, TEXT, 6001 * 16, program, sizeof(program));
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_expect_eq(cfa_at(table, TEXT + 1000 * 16), 999);
	cr_expect_eq(kind_at(table, TEXT + 6000 * 16), UNWIND_UNSUPPORTED);
	cr_expect_leq(table->rule_cnt, (u32)MAX_UNWIND_RULES);
}

/*
 * Claims
 */

Test(unwind_table, a_claim_of_more_than_the_code_ends_with_it)
{
	static const u64 claims[] = {TEXT_SIZE, 1ull << 32, 1ull << 62};

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		struct elf_builder *b = builder();
		struct cfi_builder cfi = {0};

		add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT + 16, claims[i]);
		elf_builder_add_section(b, ".debug_frame", SHT_PROGBITS, 0, 0, cfi.bytes, cfi.size);
		_cleanup_(unwind_table) struct unwind_table *table = build(b);

		expect_sound(table);
		cr_expect_eq(table->page_cnt, 3);
		cr_expect_eq(cfa_at(table, TEXT + TEXT_SIZE - 1), 8);
		cr_expect_eq(kind_at(table, TEXT + TEXT_SIZE), UNWIND_NONE);
	}
}

Test(unwind_table, what_is_not_code_has_no_rows)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	size_t cie = cfi_add_usual_cie(&cfi);

	add_function(&cfi, cie, 0x100, 16);
	add_function(&cfi, cie, EH_FRAME, 16);
	add_function(&cfi, cie, TEXT, 16);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	cr_expect_eq(table->fde_cnt, 1);
	cr_expect_eq(kind_at(table, 0x100), UNWIND_NONE);
	cr_expect_eq(kind_at(table, EH_FRAME), UNWIND_NONE);
	cr_expect_eq(cfa_at(table, TEXT), 8);
}

/* Code at both ends of the address space, in a file of a few pages. */
Test(unwind_table, code_that_lies_too_far_apart_is_refused)
{
	struct elf_builder *b = builder();
	struct cfi_builder cfi = {0};
	size_t cie = cfi_add_usual_cie(&cfi);
	struct unwind_table *table = NULL;

	elf_builder_add_code(b, ".far", 0x700000000000, text, 16);
	add_function(&cfi, cie, TEXT, 16);
	add_function(&cfi, cie, 0x700000000000, 16);
	elf_builder_add_section(b, ".debug_frame", SHT_PROGBITS, 0, 0, cfi.bytes, cfi.size);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	cr_expect_eq(unwind_table_build(file, &table), -E2BIG);
}

Test(unwind_table, another_machines_file_is_refused)
{
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_AARCH64);
	struct unwind_table *table = NULL;

	elf_builder_add_code(b, ".text", TEXT, text, 16);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	cr_expect_eq(unwind_table_build(file, &table), -ENOEXEC);
}

Test(unwind_table, a_file_that_was_cut_after_it_was_opened_gives_what_is_left)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	struct unwind_table *table = NULL;
	struct elf_builder *b = builder();
	struct elf_file *opened;
	size_t size;

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 16);
	add_eh_frame(b, &cfi);
	_cleanup_(free) void *bytes = elf_builder_finish(b, &size);
	int fd = memfd_create("cut", MFD_CLOEXEC);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	cr_assert_eq(elf_file_open_fd(fd, "cut", &opened), 0);
	_cleanup_(elf_file) struct elf_file *file = opened;
	cr_assert_eq(ftruncate(fd, 8192), 0);
	int err = unwind_table_build(file, &table);
	cr_expect(err == -ENOEXEC || (!err && !table->row_cnt), "%d", err);
	unwind_table_free(table);
}

/*
 * Where call frame information comes from
 */

Test(unwind_table, debug_frame_fills_in_what_eh_frame_leaves_out)
{
	struct cfi_builder eh = {.address = EH_FRAME}, debug = {0};
	struct elf_builder *b = builder();
	size_t cie = cfi_add_usual_cie(&debug);

	add_function(&eh, cfi_add_usual_cie(&eh), TEXT + 0x100, 0x100);
	add_eh_frame(b, &eh);
	cfi_add_fde(&debug, cie, TEXT, 0x100, CFI_BYTES(CFA_OFFSET(32)));
	cfi_add_fde(&debug, cie, TEXT + 0x180, 0x80, CFI_BYTES(CFA_OFFSET(32)));
	cfi_add_fde(&debug, cie, TEXT + 0x200, 0x100, CFI_BYTES(CFA_OFFSET(32)));
	elf_builder_add_section(b, ".debug_frame", SHT_PROGBITS, 0, 0, debug.bytes, debug.size);
	_cleanup_(unwind_table) struct unwind_table *table = build(b);

	expect_sound(table);
	cr_expect_str_eq(table->source, ".eh_frame, .debug_frame");
	cr_expect_eq(table->fde_cnt, 3);
	cr_expect_eq(cfa_at(table, TEXT), 32);
	cr_expect_eq(cfa_at(table, TEXT + 0x100), 8);
	cr_expect_eq(cfa_at(table, TEXT + 0x1ff), 8);
	cr_expect_eq(cfa_at(table, TEXT + 0x200), 32);
	cr_expect_eq(kind_at(table, TEXT + 0x300), UNWIND_NONE);
}

/* A section with these bytes before the compressed ones. */
static struct elf_builder *with_compressed(const char *name, u64 flags, const void *head, size_t head_size,
					   const struct cfi_builder *cfi)
{
	static u8 bytes[1 << 17];
	struct elf_builder *b = builder();
	uLongf size = sizeof(bytes) - head_size;

	memcpy(bytes, head, head_size);
	cr_assert_eq(compress(bytes + head_size, &size, cfi->bytes, cfi->size), Z_OK);
	elf_builder_add_section(b, name, SHT_PROGBITS, flags, 0, bytes, head_size + size);
	return b;
}

static struct elf_builder *with_compressed_debug_frame(u32 type, u64 claimed, const struct cfi_builder *cfi)
{
	Elf64_Chdr head = {.ch_type = type, .ch_size = claimed, .ch_addralign = 1};

	return with_compressed(".debug_frame", SHF_COMPRESSED, &head, sizeof(head), cfi);
}

Test(unwind_table, a_compressed_debug_frame_is_read_both_ways)
{
	struct cfi_builder cfi = {0};

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 16);
	u8 zlib[12] = {'Z', 'L', 'I', 'B', [11] = cfi.size};
	cr_assert_lt(cfi.size, 256u);
	_cleanup_(unwind_table) struct unwind_table *now = build(
		with_compressed_debug_frame(ELFCOMPRESS_ZLIB, cfi.size, &cfi));
	_cleanup_(unwind_table) struct unwind_table *before = build(
		with_compressed(".zdebug_frame", 0, zlib, 12, &cfi));

	cr_expect_eq(cfa_at(now, TEXT), 8);
	cr_expect_eq(cfa_at(before, TEXT), 8);
	cr_expect_str_eq(now->source, ".debug_frame");
	cr_expect_str_eq(before->source, ".debug_frame");
}

Test(unwind_table, a_compressed_debug_frame_that_lies_about_its_size_is_left_out)
{
	struct cfi_builder cfi = {0};

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 16);
	u64 claims[] = {0, cfi.size - 1, cfi.size + 1, 1ull << 32, UINT64_MAX};
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		_cleanup_(unwind_table) struct unwind_table *table = build(
			with_compressed_debug_frame(ELFCOMPRESS_ZLIB, claims[i], &cfi));
		cr_expect_eq(table->fde_cnt, 0);
	}
	_cleanup_(unwind_table) struct unwind_table *table = build(with_compressed_debug_frame(77, cfi.size, &cfi));
	cr_expect_eq(table->fde_cnt, 0);
}

/* .eh_frame_hdr with its pointer alone: relative to itself, 4 bytes. */
static void add_eh_frame_hdr(struct elf_builder *b, u64 address, u64 eh_frame, u8 encoding)
{
	u8 bytes[12] = {1, encoding, 0xff, 0xff};
	s32 distance = eh_frame - (address + 4);

	memcpy(bytes + 4, &distance, sizeof(distance));
	elf_builder_add_section(b, ".eh_frame_hdr", SHT_PROGBITS, SHF_ALLOC, address, bytes, sizeof(bytes));
}

/* As a linker has it: .eh_frame follows, ends with a zero, and something else is behind it. */
static struct unwind_table *build_without_section_headers(u8 encoding)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	struct elf_builder *b = builder();
	size_t cie = cfi_add_usual_cie(&cfi);

	add_function(&cfi, cie, TEXT, 16);
	cfi_put(&cfi, (u32[]){0}, sizeof(u32));
	add_function(&cfi, cie, TEXT + 0x100, 16);
	add_eh_frame(b, &cfi);
	add_eh_frame_hdr(b, EH_FRAME + 0x10000, EH_FRAME, encoding);
	elf_builder_strip_section_headers(b);

	size_t size;
	_cleanup_(free) u8 *bytes = elf_builder_finish(b, &size);
	/* The builder makes no PT_GNU_EH_FRAME: the last PT_LOAD, which is .eh_frame_hdr's, becomes it. */
	built_elf_segment(bytes, built_elf_header(bytes)->e_phnum - 1)->p_type = PT_GNU_EH_FRAME;
	_cleanup_(elf_file) struct elf_file *file = NULL;
	struct unwind_table *table = NULL;
	cr_assert_eq(elf_file_open_memory(bytes, size, "headerless", &file), 0);
	cr_assert_eq(unwind_table_build(file, &table), 0);
	return table;
}

Test(unwind_table, a_file_without_section_headers_is_read_by_its_eh_frame_hdr)
{
	_cleanup_(unwind_table) struct unwind_table *table = build_without_section_headers(0x1b);

	cr_expect_eq(cfa_at(table, TEXT), 8);
	cr_expect_eq(kind_at(table, TEXT + 0x100), UNWIND_NONE, "behind the terminator");
	cr_expect_eq(table->code_size, TEXT_SIZE);
}

Test(unwind_table, an_eh_frame_hdr_that_points_nowhere_is_left_out)
{
	static const u8 encodings[] = {0xff, 0x9b, 0x0b, 0x5b, 0x1f};

	for (size_t i = 0; i < sizeof(encodings); i++) {
		_cleanup_(unwind_table) struct unwind_table *table = build_without_section_headers(encodings[i]);

		cr_expect_eq(table->fde_cnt, 0, "encoding %x", encodings[i]);
	}
}

/*
 * Frame pointers, and code that is known
 */

Test(unwind_table, a_file_without_any_information_is_taken_to_keep_frame_pointers)
{
	_cleanup_(unwind_table) struct unwind_table *table = build(builder());

	expect_sound(table);
	cr_expect(table->frame_pointers);
	cr_expect_eq(table->row_cnt, 0);
	cr_expect_str_eq(table->source, "");
}

Test(unwind_table, go_keeps_frame_pointers_where_it_has_no_rows)
{
	struct cfi_builder cfi = {.address = EH_FRAME};
	struct elf_builder *b = builder();

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 16);
	add_eh_frame(b, &cfi);
	elf_builder_add_data(b, ".go.buildinfo", 0x80000, "\xff Go buildinf:", 14);
	_cleanup_(unwind_table) struct unwind_table *table = build(b);
	cr_expect(table->frame_pointers);
	cr_expect_eq(cfa_at(table, TEXT), 8);
}

Test(unwind_table, go_is_known_by_its_magic_without_section_headers)
{
	static const u8 data[64] = "................\xff Go buildinf:";
	struct elf_builder *b = builder();
	struct cfi_builder cfi = {.address = EH_FRAME};

	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 16);
	add_eh_frame(b, &cfi);
	elf_builder_add_data(b, ".data", 0x80000, data, sizeof(data));
	elf_builder_strip_section_headers(b);
	/* No .eh_frame is found here, so that frame pointers would be believed anyway: look at the reader itself. */
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	_cleanup_(elf_cfi) struct elf_cfi *found = NULL;
	cr_assert_eq(elf_cfi_read(file, &found), 0);
	cr_expect(found->go);
}

#define SIGNAL_RETURN "\x48\xc7\xc0\x0f\0\0\0\x0f\x05"

Test(unwind_table, a_signal_return_without_a_row_gets_one_from_the_byte_before_it_on)
{
	struct cfi_builder cfi = {.address = EH_FRAME};

	memset(text, 0x90, 0x200);
	memcpy(text + 0x100, SIGNAL_RETURN, 9);
	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 0x80);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	expect_sound(table);
	cr_expect_eq(kind_at(table, TEXT + 0xfe), UNWIND_NONE);
	cr_expect_eq(kind_at(table, TEXT + 0xff), UNWIND_SIGNAL);
	cr_expect_eq(kind_at(table, TEXT + 0x108), UNWIND_SIGNAL);
	cr_expect_eq(kind_at(table, TEXT + 0x109), UNWIND_NONE);
	cr_expect_not(table->frame_pointers);
}

Test(unwind_table, a_signal_return_across_two_chunks_of_reading_is_found)
{
	for (u64 at = 0xffc0; at < 0x10010; at++) {
		memset(text, 0x90, sizeof(text));
		memcpy(text + at, SIGNAL_RETURN, 9);
		_cleanup_(unwind_table) struct unwind_table *table = build(builder());

		cr_expect_eq(kind_at(table, TEXT + at - 1), UNWIND_SIGNAL);
		cr_expect_eq(kind_at(table, TEXT + at + 8), UNWIND_SIGNAL);
		cr_expect_eq(kind_at(table, TEXT + at + 9), UNWIND_NONE);
	}
}

/* Where no program has code, for the last page is never mapped. */
Test(unwind_table, a_signal_return_that_ends_with_user_space_is_left_out)
{
	const u64 start = (1ull << 47) - 0x1010;
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);

	memset(text, 0x90, 0x1010);
	memcpy(text + 0x1010 - 9, SIGNAL_RETURN, 9);
	elf_builder_add_code(b, ".text", start, text, 0x1010);
	_cleanup_(unwind_table) struct unwind_table *table = build(b);

	expect_sound(table);
	cr_expect_eq(table->row_cnt, 0);
}

Test(unwind_table, debug_frame_is_not_believed_about_a_signal_return)
{
	struct cfi_builder debug = {0};
	struct elf_builder *b;

	memset(text, 0x90, 0x200);
	memcpy(text + 0x100, SIGNAL_RETURN, 9);
	b = builder();
	add_function(&debug, cfi_add_usual_cie(&debug), TEXT, 0x200);
	elf_builder_add_section(b, ".debug_frame", SHT_PROGBITS, 0, 0, debug.bytes, debug.size);
	_cleanup_(unwind_table) struct unwind_table *table = build(b);

	expect_sound(table);
	cr_expect_eq(cfa_at(table, TEXT + 0xfe), 8);
	cr_expect_eq(kind_at(table, TEXT + 0x100), UNWIND_SIGNAL);
	cr_expect_eq(cfa_at(table, TEXT + 0x109), 8);
	cr_expect_eq(kind_at(table, TEXT + 0x200), UNWIND_NONE);
}

Test(unwind_table, a_signal_return_with_a_row_in_eh_frame_keeps_it)
{
	struct cfi_builder cfi = {.address = EH_FRAME};

	memcpy(text + 0x100, SIGNAL_RETURN, 9);
	add_function(&cfi, cfi_add_usual_cie(&cfi), TEXT, 0x200);
	_cleanup_(unwind_table) struct unwind_table *table = build_eh_frame(&cfi);

	cr_expect_eq(cfa_at(table, TEXT + 0x100), 8);
}

/*
 * Keys
 */

static struct unwind_table *build_one(u64 start, u8 cfa_offset)
{
	struct cfi_builder cfi = {.address = EH_FRAME};

	cfi_add_fde(&cfi, cfi_add_usual_cie(&cfi), start, 16, CFI_BYTES(CFA_OFFSET(cfa_offset)));
	return build_eh_frame(&cfi);
}

static bool keys_equal(const struct unwind_table *a, const struct unwind_table *b)
{
	return !memcmp(a->key, b->key, sizeof(a->key));
}

Test(unwind_table, equal_tables_have_equal_keys_and_others_do_not)
{
	_cleanup_(unwind_table) struct unwind_table *table = build_one(TEXT, 8), *same = build_one(TEXT, 8);
	_cleanup_(unwind_table) struct unwind_table *shifted = build_one(TEXT + 1, 8), *other = build_one(TEXT, 16);
	_cleanup_(unwind_table) struct unwind_table *page = build_one(TEXT + 0x10000, 8);

	cr_expect(keys_equal(table, same));
	cr_expect_not(keys_equal(table, shifted));
	cr_expect_not(keys_equal(table, other));
	cr_expect_not(keys_equal(table, page));
}
