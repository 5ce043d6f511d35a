/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/interp_head.h"

#include <criterion/criterion.h>
#include <errno.h>

/* What gcc and clang make of `PyInterpreterState *PyInterpreterState_Head(void) { return interp_head; }`. */
static const struct {
	const char *what;
	u64 address;
	u8 code[INTERP_HEAD_CODE_SIZE];
	u64 expected; /* 0: not to be understood */
} rows[] = {
	{"Debian's 2.7", 0xab0ae, {0x48, 0x8b, 0x05, 0xbb, 0xa4, 0x2b, 0x00, 0xc3}, 0x365570},
	{"backwards", 0x116e00, {0x48, 0x8b, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xc3}, 0x116e00},
	{"-fcf-protection", 0x1000, {0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8b, 0x05, 0xf5, 0x0f, 0, 0, 0xc3}, 0x2000},
	{"-O0", 0x1000, {0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x05, 0xf5, 0x0f, 0, 0, 0x5d, 0xc3}, 0x2000},
	{"-mcmodel=kernel", 0x1000, {0x48, 0x8b, 0x04, 0x25, 0x10, 0x20, 0x60, 0, 0xc3}, 0x602010},
	{"no ret", 0x1000, {0x48, 0x8b, 0x05, 0xf9, 0x0f, 0, 0, 0x90}, 0},
	{"no pop", 0x1000, {0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x05, 0xf5, 0x0f, 0, 0, 0xc3}, 0},
	{"through the GOT", 0x1000, {0x48, 0x8b, 0x05, 0xf9, 0x0f, 0, 0, 0x48, 0x8b, 0, 0xc3}, 0},
	{"another register", 0x1000, {0x48, 0x8b, 0x0d, 0xf9, 0x0f, 0, 0, 0xc3}, 0},
	{"no pointer's place", 0x1000, {0x48, 0x8b, 0x05, 0xfa, 0x0f, 0, 0, 0xc3}, 0},
	{"zeros", 0x1000, {0}, 0},
};

Test(interp_head, is_what_the_one_instruction_loads)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		u64 found = 0;
		int err = interp_head_decode(rows[i].code, sizeof(rows[i].code), rows[i].address, &found);

		cr_assert_eq(err, rows[i].expected ? 0 : -ENOTSUP, "%s", rows[i].what);
		cr_assert_eq(found, rows[i].expected, "%s: %#llx", rows[i].what, found);
	}
}

Test(interp_head, of_code_that_breaks_off_is_not_found)
{
	const u8 *code = rows[0].code;
	u64 found;

	for (size_t size = 0; size < 8; size++)
		cr_assert_eq(interp_head_decode(code, size, 0x1000, &found), -ENOTSUP);
	cr_assert_eq(interp_head_decode(code, 8, rows[0].address, &found), 0);
}
