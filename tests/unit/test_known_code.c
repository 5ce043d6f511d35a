/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "unwind/known_code.h"

/* `mov $15, %rax; syscall`, as musl's restore.s assembles. */
#define SIGNAL_RETURN 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05
/* A stub of libffi 3.5's trampoline_code_table behind its endbr64, as objdump shows it. */
#define CLOSURE                                                                                                        \
	0x48, 0x83, 0xec, 0x10, 0x4c, 0x89, 0x14, 0x24, 0x4c, 0x8b, 0x15, 0xed, 0x0f, 0, 0, 0x4c, 0x89, 0x54, 0x24, 8, \
		0x4c, 0x8b, 0x15, 0xe9, 0x0f, 0, 0, 0x41, 0xff, 0xe2
#define ENDBR64 0xf3, 0x0f, 0x1e, 0xfa

static void expect_piece(enum known_code code, const u8 *bytes, size_t size, size_t *from, size_t start, size_t end,
			 u8 cfa, s32 offset)
{
	struct known_piece piece = {0};

	cr_assert(known_code_next(code, bytes, size, *from, &piece), "nothing from %zu on", *from);
	cr_expect_eq(piece.start, start, "start %zu", piece.start);
	cr_expect_eq(piece.end, end, "end %zu", piece.end);
	cr_expect_eq(piece.rule.cfa, cfa);
	cr_expect_eq(piece.rule.cfa_offset, offset);
	*from = piece.end;
}

static void expect_no_more(enum known_code code, const u8 *bytes, size_t size, size_t from)
{
	struct known_piece piece;

	cr_expect_not(known_code_next(code, bytes, size, from, &piece));
}

Test(known_code, a_return_from_a_signal_handler_is_found_with_the_padding_before_it)
{
	static const u8 bytes[] = {0xc3, 0x90, SIGNAL_RETURN, 0xc3, SIGNAL_RETURN, 0xcc};
	size_t from = 0;

	expect_piece(KNOWN_SIGNAL_RETURN, bytes, sizeof(bytes), &from, 1, 11, UNWIND_SIGNAL, 0);
	expect_piece(KNOWN_SIGNAL_RETURN, bytes, sizeof(bytes), &from, 12, 21, UNWIND_SIGNAL, 0);
	expect_no_more(KNOWN_SIGNAL_RETURN, bytes, sizeof(bytes), from);
}

Test(known_code, another_system_call_is_none)
{
	static const u8 bytes[] = {0x48, 0xc7, 0xc0, 14, 0, 0, 0, 0x0f, 0x05, 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f};

	expect_no_more(KNOWN_SIGNAL_RETURN, bytes, sizeof(bytes), 0);
}

Test(known_code, a_closure_has_a_piece_before_and_one_behind_its_sub)
{
	static const u8 bytes[] = {0xc3, ENDBR64, CLOSURE, 0x66, 0x0f, 0x1f, 0x44, 0, 0, ENDBR64, CLOSURE};
	static const u8 rsp_plus = UNWIND_CFA(UNWIND_REGISTER, REG_RSP);
	size_t from = 0;

	expect_piece(KNOWN_CLOSURE, bytes, sizeof(bytes), &from, 1, 9, rsp_plus, 8);
	expect_piece(KNOWN_CLOSURE, bytes, sizeof(bytes), &from, 9, 35, rsp_plus, 24);
	expect_piece(KNOWN_CLOSURE, bytes, sizeof(bytes), &from, 41, 49, rsp_plus, 8);
	expect_piece(KNOWN_CLOSURE, bytes, sizeof(bytes), &from, 49, 75, rsp_plus, 24);
	expect_no_more(KNOWN_CLOSURE, bytes, sizeof(bytes), from);
}

Test(known_code, a_closure_without_endbr64_begins_at_its_sub)
{
	static const u8 bytes[] = {0xc3, CLOSURE};
	size_t from = 0;

	expect_piece(KNOWN_CLOSURE, bytes, sizeof(bytes), &from, 1, 5, UNWIND_CFA(UNWIND_REGISTER, REG_RSP), 8);
}

Test(known_code, half_a_closure_is_none)
{
	static const u8 bytes[] = {ENDBR64, CLOSURE};
	u8 spoiled[sizeof(bytes)];

	for (size_t size = 0; size < sizeof(bytes); size++)
		expect_no_more(KNOWN_CLOSURE, bytes, size, 0);
	memcpy(spoiled, bytes, sizeof(bytes));
	spoiled[sizeof(bytes) - 1] = 0xe3; /* jmp *%r11 */
	expect_no_more(KNOWN_CLOSURE, spoiled, sizeof(spoiled), 0);
}

/* Bytes of three builds, as their processes have them. */
Test(known_code, pythons_trampolines_without_frame_pointers_are_known)
{
	static const u8 plain[] = {0x48, 0x83, 0xec, 8,	   0xff, 0xd1, 0x48, 0x83,
				   0xc4, 8,    0xc3, 0x48, 0x83, 0xec, 8,    0xff};
	static const u8 cet[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 8, 0xff, 0xd1, 0x48, 0x83, 0xc4, 8, 0xc3, 0};
	static const u8 with_frame_pointer[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5,
						0xff, 0xd1, 0x5d, 0xc3, 0,    0,    0,	  0};

	cr_assert(known_code_is_perf_trampolines(plain, sizeof(plain)));
	cr_assert(known_code_is_perf_trampolines(cet, sizeof(cet)));
	cr_assert_not(known_code_is_perf_trampolines(with_frame_pointer, sizeof(with_frame_pointer)));
	cr_assert_not(known_code_is_perf_trampolines(plain, 10));
	cr_assert_not(known_code_is_perf_trampolines(cet, 4));
}
