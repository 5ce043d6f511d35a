/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ucontext.h>

/* The C library numbers registers in its own way. */
#undef REG_RAX
#undef REG_RBP
#undef REG_RSP
#undef REG_RIP

#include "unwind/cfi_rule.h"

#define RBP REG_RBP
#define RSP REG_RSP
#define RIP REG_RIP

static const struct cfi_cie usual = {.return_register = RIP};
static const struct cfi_cie signal_cie = {.return_register = RIP, .signal = true};

/* At the first instruction of a function. */
static struct cfi_state entry(void)
{
	struct cfi_state state = {0};

	state.cfa = (struct cfi_value){.kind = CFI_REGISTER, .number = RSP, .offset = 8};
	state.registers[RIP] = (struct cfi_value){.kind = CFI_OFFSET, .offset = -8};
	return state;
}

static struct cfi_value expression(enum cfi_kind kind, const u8 *bytes, size_t size)
{
	return (struct cfi_value){.kind = kind, .number = size, .expression = bytes};
}
#define AT(...)	   expression(CFI_EXPRESSION, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))
#define VALUE(...) expression(CFI_VAL_EXPRESSION, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static void expect_rule(struct cfi_state state, u8 cfa, s32 cfa_offset, u8 rbp, s16 rbp_offset)
{
	struct unwind_rule rule = cfi_rule_of(&usual, &state);

	cr_expect_eq(rule.cfa, cfa, "cfa %x", rule.cfa);
	cr_expect_eq(rule.cfa_offset, cfa_offset, "cfa_offset %x", rule.cfa_offset);
	cr_expect_eq(rule.rbp, rbp, "rbp %d", rule.rbp);
	cr_expect_eq(rule.rbp_offset, rbp_offset, "rbp_offset %d", rule.rbp_offset);
}

static void expect_unsupported(struct cfi_state state)
{
	expect_rule(state, UNWIND_UNSUPPORTED, 0, 0, 0);
}

static void expect_cfa(struct cfi_value cfa, u8 kind, s32 offset)
{
	struct cfi_state state = entry();

	state.cfa = cfa;
	expect_rule(state, kind, offset, UNWIND_RBP_SAME, 0);
}

static void expect_rbp(struct cfi_value value, u8 rbp, s16 offset)
{
	struct cfi_state state = entry();

	state.registers[RBP] = value;
	expect_rule(state, UNWIND_CFA(UNWIND_REGISTER, RSP), 8, rbp, offset);
}

static void expect_rbp_unsupported(struct cfi_value value)
{
	struct cfi_state state = entry();

	state.registers[RBP] = value;
	expect_unsupported(state);
}

Test(cfi_rule, a_cfa_is_any_general_register_plus_32_bits)
{
	for (u32 i = 0; i < 16; i++)
		expect_cfa((struct cfi_value){.kind = CFI_REGISTER, .number = i, .offset = -5},
			   UNWIND_CFA(UNWIND_REGISTER, i), -5);
	expect_cfa((struct cfi_value){.kind = CFI_REGISTER, .number = RSP, .offset = INT32_MAX},
		   UNWIND_CFA(UNWIND_REGISTER, RSP), INT32_MAX);
	expect_cfa((struct cfi_value){.kind = CFI_REGISTER, .number = RSP, .offset = INT32_MAX + 1ll},
		   UNWIND_UNSUPPORTED, 0);
	expect_cfa((struct cfi_value){.kind = CFI_REGISTER, .number = 17, .offset = 8}, UNWIND_UNSUPPORTED, 0);
	expect_cfa((struct cfi_value){0}, UNWIND_UNSUPPORTED, 0);
}

Test(cfi_rule, a_cfa_behind_a_pointer_may_have_something_added)
{
	/* gcc: DW_OP_breg6 -8; DW_OP_deref. */
	expect_cfa(AT(0x76, 0x78, 0x06), UNWIND_CFA(UNWIND_DEREF, RBP), 0xfff8);
	/* OpenSSL: DW_OP_breg7 152; DW_OP_deref; DW_OP_plus_uconst 8. */
	expect_cfa(AT(0x77, 0x98, 0x01, 0x06, 0x23, 8), UNWIND_CFA(UNWIND_DEREF, RSP), 152 | 8 << 16);
}

Test(cfi_rule, a_cfa_behind_a_pointer_out_of_range_is_unsupported)
{
	expect_cfa(AT(0x77, 0xff, 0xff, 0x01, 0x06), UNWIND_CFA(UNWIND_DEREF, RSP), 32767);
	expect_cfa(AT(0x77, 0x80, 0x80, 0x02, 0x06), UNWIND_UNSUPPORTED, 0); /* 32768 */
	expect_cfa(AT(0x77, 0, 0x06, 0x23, 0x80, 0x80, 0x04), UNWIND_UNSUPPORTED, 0); /* 65536 */
}

Test(cfi_rule, a_cfa_by_another_expression_is_unsupported)
{
	expect_cfa(AT(0x77, 8), UNWIND_UNSUPPORTED, 0);
	expect_cfa(AT(0x77, 8, 0x06, 0x06), UNWIND_UNSUPPORTED, 0);
	expect_cfa(AT(0x77, 8, 0x06, 0x23), UNWIND_UNSUPPORTED, 0);
	expect_cfa(AT(0x77, 8, 0x06, 0x23, 8, 0x96), UNWIND_UNSUPPORTED, 0);
	expect_cfa(AT(0x80, 8, 0x06), UNWIND_UNSUPPORTED, 0); /* *(rip + 8) */
	expect_cfa(AT(0x06), UNWIND_UNSUPPORTED, 0);
	expect_cfa((struct cfi_value){.kind = CFI_EXPRESSION, .expression = (const u8 *)""}, UNWIND_UNSUPPORTED, 0);
}

Test(cfi_rule, the_expression_of_plt_is_known)
{
	/* What ld writes: breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus. With IBT lit9 or lit10. */
	expect_cfa(AT(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), UNWIND_PLT, 11);
	expect_cfa(AT(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x39, 0x2a, 0x33, 0x24, 0x22), UNWIND_PLT, 9);
	expect_cfa(AT(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x34, 0x24, 0x22), UNWIND_UNSUPPORTED, 0);
	expect_cfa(AT(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x50, 0x2a, 0x33, 0x24, 0x22), UNWIND_UNSUPPORTED, 0);
}

Test(cfi_rule, rbp_is_kept_saved_or_lost)
{
	expect_rbp((struct cfi_value){.kind = CFI_UNSPECIFIED}, UNWIND_RBP_SAME, 0);
	expect_rbp((struct cfi_value){.kind = CFI_SAME}, UNWIND_RBP_SAME, 0);
	expect_rbp((struct cfi_value){.kind = CFI_UNDEFINED}, UNWIND_RBP_UNDEFINED, 0);
	expect_rbp((struct cfi_value){.kind = CFI_OFFSET, .offset = -16}, UNWIND_RBP_CFA, -16);
	expect_rbp((struct cfi_value){.kind = CFI_OFFSET, .offset = INT16_MIN}, UNWIND_RBP_CFA, INT16_MIN);
	expect_rbp(AT(0x76, 0), UNWIND_RBP_BP, 0);
	expect_rbp(AT(0x76, 0x70), UNWIND_RBP_BP, -16);
}

Test(cfi_rule, rbp_elsewhere_is_unsupported)
{
	expect_rbp_unsupported((struct cfi_value){.kind = CFI_OFFSET, .offset = INT16_MIN - 1});
	expect_rbp_unsupported((struct cfi_value){.kind = CFI_REGISTER, .number = 3});
	expect_rbp_unsupported((struct cfi_value){.kind = CFI_VAL_OFFSET, .offset = -16});
	expect_rbp_unsupported(VALUE(0x76, 0));
	expect_rbp_unsupported(AT(0x77, 0));
	expect_rbp_unsupported(AT(0x76, 0, 0x06));
}

Test(cfi_rule, a_return_address_elsewhere_than_below_the_cfa_is_unsupported)
{
	struct cfi_state state = entry();

	state.registers[RIP].offset = -16;
	expect_unsupported(state);
	state.registers[RIP] = (struct cfi_value){0};
	expect_unsupported(state);
	state.registers[RIP] = AT(0x77, 0);
	expect_unsupported(state);

	state = entry();
	struct cfi_cie other = {.return_register = 15};
	cr_expect_eq(cfi_rule_of(&other, &state).cfa, UNWIND_UNSUPPORTED);
}

/* glibc's vfork: CFA = rsp+0, the return address is in rdi. */
Test(cfi_rule, a_return_address_in_a_register_is_a_link)
{
	struct cfi_state state = entry();

	state.cfa.offset = 0;
	state.registers[RIP] = (struct cfi_value){.kind = CFI_REGISTER, .number = 5};
	expect_rule(state, UNWIND_CFA(UNWIND_LINK, 5), 0, UNWIND_RBP_SAME, 0);
	state.registers[RIP].number = 17;
	expect_unsupported(state);
	state.registers[RIP].number = 5;
	state.cfa.number = RBP;
	expect_unsupported(state);
}

Test(cfi_rule, a_caller_whose_rsp_is_not_the_cfa_is_unsupported)
{
	struct cfi_state state = entry();

	state.registers[RSP] = (struct cfi_value){.kind = CFI_OFFSET, .offset = -16};
	expect_unsupported(state);
}

Test(cfi_rule, an_undefined_return_address_is_the_end_whatever_else_is_said)
{
	struct cfi_state state = entry();

	state.registers[RIP] = (struct cfi_value){.kind = CFI_UNDEFINED};
	state.cfa = AT(0x06);
	expect_rule(state, UNWIND_END, 0, 0, 0);
}

Test(cfi_rule, a_malformed_row_is_unsupported)
{
	cr_expect_eq(cfi_rule_of(&usual, NULL).cfa, UNWIND_UNSUPPORTED);
}

/*
 * Signal frames, where the C library's own header says that the registers are
 */

static void put_sleb128(u8 *to, size_t *size, long value)
{
	to[(*size)++] = (value & 0x7f) | 0x80;
	to[(*size)++] = value >> 7;
}

struct signal_frame {
	struct cfi_state state;
	u8 expressions[REG_CNT][4];
	u8 cfa[4];
};

/* By DWARF number. The index in gregs, of which <sys/ucontext.h> has the names. */
static const u8 greg_of[REG_CNT] = {13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16};

static long offset_of(u32 i)
{
	return offsetof(ucontext_t, uc_mcontext) + greg_of[i] * sizeof(greg_t);
}

static void signal_frame_init(struct signal_frame *frame)
{
	for (u32 i = 0; i < REG_CNT; i++) {
		size_t size = 1;

		frame->expressions[i][0] = 0x77;
		put_sleb128(frame->expressions[i], &size, offset_of(i));
		frame->state.registers[i] = expression(CFI_EXPRESSION, frame->expressions[i], size);
	}
	size_t size = 1;
	frame->cfa[0] = 0x77;
	put_sleb128(frame->cfa, &size, offset_of(RSP));
	frame->cfa[size++] = 0x06;
	frame->state.cfa = expression(CFI_EXPRESSION, frame->cfa, size);
}

Test(cfi_rule, a_signal_frame_has_all_registers_where_the_kernel_puts_them)
{
	struct signal_frame frame = {0};

	signal_frame_init(&frame);
	cr_expect_eq(cfi_rule_of(&signal_cie, &frame.state).cfa, UNWIND_SIGNAL);
	cr_expect_eq(cfi_rule_of(&usual, &frame.state).cfa, UNWIND_UNSUPPORTED, "without the S");
	frame.state.registers[RSP] = (struct cfi_value){0};
	cr_expect_eq(cfi_rule_of(&signal_cie, &frame.state).cfa, UNWIND_SIGNAL, "rsp is the CFA");
}

Test(cfi_rule, a_signal_frame_with_one_register_elsewhere_is_unsupported)
{
	for (u32 i = 0; i < REG_CNT; i++) {
		struct signal_frame frame = {0};

		signal_frame_init(&frame);
		frame.expressions[i][1] ^= 8;
		cr_expect_eq(cfi_rule_of(&signal_cie, &frame.state).cfa, UNWIND_UNSUPPORTED, "register %u", i);
	}
	struct signal_frame frame = {0};
	signal_frame_init(&frame);
	frame.cfa[1] ^= 8;
	cr_expect_eq(cfi_rule_of(&signal_cie, &frame.state).cfa, UNWIND_UNSUPPORTED);
}

Test(cfi_rule, an_ordinary_frame_that_says_it_is_a_signals_is_unsupported)
{
	struct cfi_state state = entry();

	cr_expect_eq(cfi_rule_of(&signal_cie, &state).cfa, UNWIND_UNSUPPORTED);
	/* Once read as an expression of 11 bytes that is nowhere. */
	state.cfa = (struct cfi_value){.kind = CFI_REGISTER, .number = 11};
	cr_expect_eq(cfi_rule_of(&signal_cie, &state).cfa, UNWIND_UNSUPPORTED);
}
