/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expectations are DWARF 5's, section 6.4, and the Linux Standard Base's of .eh_frame. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/build_cfi.h"
#include "unwind/cfi.h"

#define START 0x1000
#define SIZE  0x40

#define MAX_ROWS 32

/* The rows of the first FDE. */
struct result {
	bool found;
	u64 start, end;
	size_t cnt;
	u64 starts[MAX_ROWS];
	bool malformed[MAX_ROWS];
	struct cfi_state states[MAX_ROWS];
};

static void keep(void *data, u64 start, const struct cfi_state *state)
{
	struct result *result = data;

	cr_assert_lt(result->cnt, (size_t)MAX_ROWS);
	result->starts[result->cnt] = start;
	result->malformed[result->cnt] = !state;
	if (state)
		result->states[result->cnt] = *state;
	result->cnt++;
}

static struct result run_section(const struct cfi_section *section)
{
	struct result result = {0};
	struct cfi_reader reader;
	struct cfi_fde fde;

	cfi_reader_init(&reader, section);
	result.found = cfi_reader_next(&reader, &fde);
	if (result.found) {
		result.start = fde.start;
		result.end = fde.end;
		cfi_fde_run(&fde, keep, &result);
	}
	return result;
}

static struct cfi_section section_of(const struct cfi_builder *b)
{
	return (struct cfi_section){
		.bytes = b->bytes, .size = b->size, .address = b->address, .debug_frame = !b->address};
}

static struct result run(const struct cfi_builder *b)
{
	struct cfi_section section = section_of(b);

	return run_section(&section);
}

/* One function with this program. */
static struct result run_program(const u8 *program, size_t size)
{
	struct cfi_builder b = {.address = 0x3000};

	cfi_add_fde(&b, cfi_add_usual_cie(&b), START, SIZE, program, size);
	return run(&b);
}

static size_t count_fdes(const struct cfi_section *section)
{
	struct cfi_reader reader;
	struct cfi_fde fde;
	size_t cnt = 0;

	cfi_reader_init(&reader, section);
	while (cfi_reader_next(&reader, &fde))
		cnt++;
	return cnt;
}

static void expect_cfa(const struct result *result, size_t row, u32 number, s64 offset)
{
	cr_assert_lt(row, result->cnt);
	cr_expect_eq(result->states[row].cfa.kind, CFI_REGISTER);
	cr_expect_eq(result->states[row].cfa.number, number);
	cr_expect_eq(result->states[row].cfa.offset, offset);
}

/*
 * Programs
 */

Test(cfi, a_row_holds_until_the_next_advance)
{
	struct result r = run_program(
		CFI_BYTES(ADVANCE(1), CFA_OFFSET(16), OFFSET_OF(RBP, 2), ADVANCE(3), CFA_REGISTER(RBP)));

	cr_assert_eq(r.cnt, 3);
	cr_expect_eq(r.start, START);
	cr_expect_eq(r.end, START + SIZE);
	cr_expect_eq(r.starts[0], START);
	expect_cfa(&r, 0, RSP, 8);
	cr_expect_eq(r.states[0].registers[RBP].kind, CFI_UNSPECIFIED);
	cr_expect_eq(r.states[0].registers[RIP].kind, CFI_OFFSET);
	cr_expect_eq(r.states[0].registers[RIP].offset, -8);
	cr_expect_eq(r.starts[1], START + 1);
	expect_cfa(&r, 1, RSP, 16);
	cr_expect_eq(r.states[1].registers[RBP].offset, -16);
	cr_expect_eq(r.starts[2], START + 4);
	expect_cfa(&r, 2, RBP, 16);
}

Test(cfi, advances_come_in_all_sizes)
{
	struct result r = run_program(CFI_BYTES(0x02, 2, 0x03, 3, 0, 0x04, 4, 0, 0, 0, 0x1d, 5, 0, 0, 0, 0, 0, 0, 0));

	cr_assert_eq(r.cnt, 5);
	cr_expect_eq(r.starts[1], START + 2);
	cr_expect_eq(r.starts[2], START + 5);
	cr_expect_eq(r.starts[3], START + 9);
	cr_expect_eq(r.starts[4], START + 14);
}

Test(cfi, an_advance_by_nothing_changes_the_same_row)
{
	struct result r = run_program(CFI_BYTES(CFA_OFFSET(16), ADVANCE(0), CFA_OFFSET(24)));

	cr_assert_eq(r.cnt, 1);
	expect_cfa(&r, 0, RSP, 24);
}

Test(cfi, what_lies_behind_the_end_is_not_run)
{
	struct result r = run_program(CFI_BYTES(ADVANCE(0x3f), CFA_OFFSET(16), ADVANCE(1), 0x3f));

	cr_assert_eq(r.cnt, 2);
	expect_cfa(&r, 1, RSP, 16);
	cr_expect_not(r.malformed[1]);
}

Test(cfi, restore_takes_what_the_cie_said)
{
	struct result r = run_program(CFI_BYTES(OFFSET_OF(RIP, 5), ADVANCE(1), RESTORE(RIP), ADVANCE(1), 0x06, RBP));

	cr_assert_eq(r.cnt, 3);
	cr_expect_eq(r.states[0].registers[RIP].offset, -40);
	cr_expect_eq(r.states[1].registers[RIP].offset, -8);
}

Test(cfi, remembered_states_come_back_in_reverse_with_their_cfa)
{
	struct result r = run_program(CFI_BYTES(REMEMBER, CFA_OFFSET(16), REMEMBER, CFA_OFFSET(24), OFFSET_OF(RBP, 3),
						ADVANCE(1), RECALL, ADVANCE(1), RECALL));

	cr_assert_eq(r.cnt, 3);
	expect_cfa(&r, 0, RSP, 24);
	expect_cfa(&r, 1, RSP, 16);
	cr_expect_eq(r.states[1].registers[RBP].kind, CFI_UNSPECIFIED);
	expect_cfa(&r, 2, RSP, 8);
}

Test(cfi, recalling_what_was_not_remembered_is_malformed)
{
	struct result r = run_program(CFI_BYTES(ADVANCE(1), RECALL));

	cr_assert_eq(r.cnt, 2);
	cr_expect_not(r.malformed[0]);
	cr_expect(r.malformed[1]);
}

Test(cfi, remembering_without_end_is_malformed)
{
	u8 program[1000];

	memset(program, REMEMBER, sizeof(program));
	struct result r = run_program(program, sizeof(program));
	cr_assert_eq(r.cnt, 1);
	cr_expect(r.malformed[0]);
}

Test(cfi, an_unknown_opcode_spoils_only_what_follows)
{
	struct result r = run_program(CFI_BYTES(CFA_OFFSET(16), ADVANCE(2), 0x3f, CFA_OFFSET(24), ADVANCE(2)));

	cr_assert_eq(r.cnt, 2);
	expect_cfa(&r, 0, RSP, 16);
	cr_expect_eq(r.starts[1], START + 2);
	cr_expect(r.malformed[1]);
}

Test(cfi, an_offset_for_a_cfa_that_is_an_expression_is_malformed)
{
	struct result r = run_program(CFI_BYTES(CFA_EXPRESSION(2), 0x77, 8, CFA_OFFSET(16)));

	cr_assert_eq(r.cnt, 1);
	cr_expect(r.malformed[0]);
}

Test(cfi, an_expression_ends_with_its_fde)
{
	struct result r = run_program(CFI_BYTES(EXPRESSION(RBP, 2), 0x76, 0, ADVANCE(1), CFA_EXPRESSION(0x7f), 0x77));

	cr_assert_eq(r.cnt, 2);
	cr_expect_eq(r.states[0].registers[RBP].kind, CFI_EXPRESSION);
	cr_expect_eq(r.states[0].registers[RBP].number, 2);
	cr_expect_eq(r.states[0].registers[RBP].expression[0], 0x76);
	cr_expect(r.malformed[1]);
}

Test(cfi, registers_that_nobody_follows_are_passed_over)
{
	struct result r = run_program(CFI_BYTES(0x05, 0xff, 0x7f, 3, OFFSET_OF(33, 4), 0x2e, 8, CFA_OFFSET(16)));

	cr_assert_eq(r.cnt, 1);
	cr_expect_not(r.malformed[0]);
	expect_cfa(&r, 0, RSP, 16);
}

Test(cfi, signed_and_negative_offsets_are_factored)
{
	struct result r = run_program(CFI_BYTES(0x11, RBP, 0x7e, ADVANCE(1), 0x2f, RBP, 2, ADVANCE(1), 0x12, RBP, 0x7e,
						ADVANCE(1), 0x13, 0x7d, 0x14, RBP, 1));

	cr_assert_eq(r.cnt, 4);
	cr_expect_eq(r.states[0].registers[RBP].offset, 16);
	cr_expect_eq(r.states[1].registers[RBP].offset, 16);
	expect_cfa(&r, 2, RBP, 16);
	expect_cfa(&r, 3, RBP, 24);
	cr_expect_eq(r.states[3].registers[RBP].kind, CFI_VAL_OFFSET);
}

Test(cfi, an_offset_that_no_signed_number_holds_is_malformed)
{
	/* DW_CFA_GNU_negative_offset_extended by 2^63, which has no opposite. */
	struct result r = run_program(
		CFI_BYTES(ADVANCE(1), 0x2f, RBP, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01));

	cr_assert_eq(r.cnt, 2);
	cr_expect_not(r.malformed[0]);
	cr_expect(r.malformed[1]);
}

Test(cfi, set_loc_is_an_address_and_goes_forward_only)
{
	/* Relative to itself: the operand is at 0x3000 + 24 (CIE) + 17 (FDE's head) + 1. */
	s32 forward = START + 8 - (0x3000 + 24 + 17 + 1), back = START - 8 - (0x3000 + 24 + 17 + 1);
	u8 program[] = {0x01, 0, 0, 0, 0, CFA_OFFSET(16)};

	memcpy(program + 1, &forward, sizeof(forward));
	struct result r = run_program(program, sizeof(program));
	cr_assert_eq(r.cnt, 2);
	cr_expect_eq(r.starts[1], START + 8);
	expect_cfa(&r, 1, RSP, 16);

	memcpy(program + 1, &back, sizeof(back));
	r = run_program(program, sizeof(program));
	cr_assert_eq(r.cnt, 1);
	cr_expect(r.malformed[0]);
}

/*
 * CIEs
 */

static bool usable(const char *augmentation, const u8 *data, size_t data_size, const u8 *program, size_t size)
{
	struct cfi_builder b = {.address = 0x3000};
	size_t cie = cfi_add_cie(&b, augmentation, data, data_size, program, size);

	cfi_add_fde(&b, cie, START, SIZE, CFI_BYTES(0));
	return run(&b).found;
}

Test(cfi, the_augmentations_of_compilers_are_known_and_others_are_left_out)
{
	cr_expect(usable("zR", CFI_BYTES(0x1b), CFI_BYTES(0)));
	cr_expect(usable("zPLR", CFI_BYTES(0x9b, 1, 2, 3, 4, 0x1b, 0x1b), CFI_BYTES(0)));
	cr_expect(usable("zRS", CFI_BYTES(0x1b), CFI_BYTES(0)));
	cr_expect(usable("zRB", CFI_BYTES(0x1b), CFI_BYTES(0)));
	cr_expect_not(usable("zX", CFI_BYTES(0x1b), CFI_BYTES(0)));
	cr_expect_not(usable("eh", CFI_BYTES(0x1b), CFI_BYTES(0)));
	cr_expect_not(usable("zPLR", CFI_BYTES(0x1b), CFI_BYTES(0)), "the data is too short");
}

Test(cfi, indirect_and_unknown_pointers_are_left_out)
{
	cr_expect_not(usable("zR", CFI_BYTES(0x9b), CFI_BYTES(0)), "indirect");
	cr_expect_not(usable("zR", CFI_BYTES(0x3b), CFI_BYTES(0)), "relative to data that nobody names");
	cr_expect_not(usable("zR", CFI_BYTES(0x5b), CFI_BYTES(0)), "aligned");
	cr_expect_not(usable("zR", CFI_BYTES(0x1f), CFI_BYTES(0)), "no format");
	cr_expect_not(usable("zR", CFI_BYTES(0xff), CFI_BYTES(0)), "omitted");
}

Test(cfi, a_cie_must_not_advance_nor_restore)
{
	cr_expect_not(usable("zR", CFI_BYTES(0x1b), CFI_BYTES(ADVANCE(1))));
	cr_expect_not(usable("zR", CFI_BYTES(0x1b), CFI_BYTES(RESTORE(RBP))));
}

Test(cfi, a_cie_is_not_longer_than_real_ones)
{
	u8 program[2000] = {0};

	cr_expect(usable("zR", CFI_BYTES(0x1b), program, 900));
	cr_expect_not(usable("zR", CFI_BYTES(0x1b), program, sizeof(program)));
}

Test(cfi, a_signal_frame_says_so)
{
	struct cfi_builder b = {.address = 0x3000};
	struct cfi_reader reader;
	struct cfi_fde fde;

	cfi_add_fde(&b, cfi_add_cie(&b, "zRS", CFI_BYTES(0x1b), CFI_BYTES(0)), START, SIZE, CFI_BYTES(0));
	cfi_add_fde(&b, cfi_add_usual_cie(&b), START, SIZE, CFI_BYTES(0));
	struct cfi_section section = section_of(&b);
	cfi_reader_init(&reader, &section);
	cr_assert(cfi_reader_next(&reader, &fde));
	cr_expect(fde.cie->signal);
	cr_assert(cfi_reader_next(&reader, &fde));
	cr_expect_not(fde.cie->signal);
}

/*
 * Sections
 */

Test(cfi, debug_frame_has_absolute_addresses_and_offsets_of_cies)
{
	for (u8 version = 1; version <= 4; version++) {
		struct cfi_builder b = {.version = version};

		cfi_add_usual_cie(&b);
		cfi_add_fde(&b, cfi_add_usual_cie(&b), START, SIZE, CFI_BYTES(ADVANCE(1), CFA_OFFSET(16)));
		struct result r = run(&b);
		cr_expect_eq(r.found, version != 2);
		if (!r.found)
			continue;
		cr_expect_eq(r.start, START);
		cr_expect_eq(r.end, START + SIZE);
		expect_cfa(&r, 0, RSP, 8);
		expect_cfa(&r, 1, RSP, 16);
	}
}

Test(cfi, debug_frame_may_have_64_bit_lengths)
{
	struct cfi_builder b = {0};
	static const u8 cie[] = {0xff, 0xff, 0xff, 0xff, 16,   0,    0,	   0, 0, 0, 0,	  0,   0xff,
				 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, RIP, DEF_CFA(RSP, 8)};
	static const u8 fde[] = {0xff, 0xff, 0xff, 0xff, 24, 0, 0, 0, 0, 0, 0,	  0, 0, 0, 0, 0, 0, 0,
				 0,    0,    0,	   0x10, 0,  0, 0, 0, 0, 0, SIZE, 0, 0, 0, 0, 0, 0, 0};

	cfi_put(&b, cie, sizeof(cie));
	cfi_put(&b, fde, sizeof(fde));
	struct result r = run(&b);
	cr_assert(r.found);
	cr_expect_eq(r.start, START);
	cr_expect_eq(r.end, START + SIZE);
	expect_cfa(&r, 0, RSP, 8);
}

Test(cfi, a_zero_length_is_passed_over_unless_it_is_the_end)
{
	struct cfi_builder b = {.address = 0x3000};
	size_t cie = cfi_add_usual_cie(&b);

	cfi_add_fde(&b, cie, START, SIZE, CFI_BYTES(0));
	cfi_put(&b, (u32[]){0}, sizeof(u32));
	cfi_add_fde(&b, cie, START + SIZE, SIZE, CFI_BYTES(0));
	struct cfi_section section = section_of(&b);
	cr_expect_eq(count_fdes(&section), 2);
	section.ends_at_zero = true;
	cr_expect_eq(count_fdes(&section), 1);
}

Test(cfi, a_section_that_was_cut_gives_what_is_whole)
{
	struct cfi_builder b = {.address = 0x3000};
	size_t cie = cfi_add_usual_cie(&b);
	size_t second = 0;

	cfi_add_fde(&b, cie, START, SIZE, CFI_BYTES(0));
	second = cfi_add_fde(&b, cie, START + SIZE, SIZE, CFI_BYTES(0));
	for (size_t size = 0; size <= b.size; size++) {
		/* A copy of just that size, so that ASan sees a step too far. */
		u8 *bytes = malloc(size + !size);
		struct cfi_section section = {.bytes = bytes, .size = size, .address = b.address};

		memcpy(bytes, b.bytes, size);
		cr_expect_eq(count_fdes(&section), (size >= second) + (size >= b.size), "%zu bytes", size);
		free(bytes);
	}
}

Test(cfi, an_fde_without_a_cie_is_left_out)
{
	struct cfi_builder b = {.address = 0x3000};
	size_t cie = cfi_add_usual_cie(&b);
	size_t first = cfi_add_fde(&b, cie, START, SIZE, CFI_BYTES(0));

	cfi_add_fde(&b, first, START + SIZE, SIZE, CFI_BYTES(0)); /* names an FDE */
	cfi_add_fde(&b, 0x10000, START + SIZE, SIZE, CFI_BYTES(0)); /* names what is before the section */
	struct cfi_section section = section_of(&b);
	cr_expect_eq(count_fdes(&section), 1);
}

Test(cfi, an_fde_of_no_bytes_or_of_all_is_left_out)
{
	struct cfi_builder b = {0};
	size_t cie = cfi_add_usual_cie(&b);

	cfi_add_fde(&b, cie, START, 0, CFI_BYTES(0));
	cfi_add_fde(&b, cie, START, UINT64_MAX, CFI_BYTES(0));
	struct cfi_section section = section_of(&b);
	cr_expect_eq(count_fdes(&section), 0);
}
