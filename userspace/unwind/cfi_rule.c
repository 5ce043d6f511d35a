/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/cfi_rule.h"

#include <stdint.h>
#include <string.h>

#include "elf/dwarf_value.h"

#define RETURN_ADDRESS_OFFSET -8
#define GENERAL_REGISTER_CNT  16

/* DWARF 5, section 7.7.1. */
#define DW_OP_DEREF	  0x06
#define DW_OP_PLUS_UCONST 0x23
#define DW_OP_LIT0	  0x30
#define DW_OP_BREG0	  0x70

/* Where the kernel's ucontext_t has them from rsp on, by DWARF number. */
static const u8 ucontext_offsets[REG_CNT] = {
#define X(slot, number) [number] = UCONTEXT_REGISTERS + 8 * (slot),
	FOR_EACH_UCONTEXT_REGISTER(X)
#undef X
		[REG_RIP] = UCONTEXT_REGISTERS + 8 * UCONTEXT_RIP,
};

static const struct unwind_rule unsupported = {.cfa = UNWIND_UNSUPPORTED};

/* Empty for what is none. */
static struct cursor expression_of(const struct cfi_value *value)
{
	if (value->kind != CFI_EXPRESSION)
		return cursor_of("", 0);
	return cursor_of(value->expression, value->number);
}

/* register + offset, one of the general ones. */
static bool read_register(struct cursor *c, u8 *ret_register, s64 *ret_offset)
{
	u8 number = cursor_u8(c) - DW_OP_BREG0;

	*ret_register = number;
	*ret_offset = cursor_sleb128(c);
	return !c->bad && number < GENERAL_REGISTER_CNT;
}

static bool is_at_end(const struct cursor *c)
{
	return !c->bad && c->at == c->end;
}

/* Saved at rsp + what the kernel's frame has for this register. */
static bool is_in_ucontext(const struct cfi_value *value, u32 number)
{
	struct cursor c = expression_of(value);
	s64 offset;
	u8 base;

	return value->kind == CFI_EXPRESSION && read_register(&c, &base, &offset) && is_at_end(&c) && base == REG_RSP &&
	       offset == ucontext_offsets[number];
}

/* __restore_rt of glibc says all of this; a CFA of *(rsp + 160) makes the caller's rsp. */
static bool is_signal_frame(const struct cfi_state *state)
{
	struct cursor c = expression_of(&state->cfa);
	s64 offset;
	u8 base;

	if (state->cfa.kind != CFI_EXPRESSION || !read_register(&c, &base, &offset) || cursor_u8(&c) != DW_OP_DEREF ||
	    !is_at_end(&c) || base != REG_RSP || offset != ucontext_offsets[REG_RSP])
		return false;
	for (u32 i = 0; i < REG_CNT; i++) {
		bool implied = i == REG_RSP && state->registers[i].kind == CFI_UNSPECIFIED;

		if (!implied && !is_in_ucontext(&state->registers[i], i))
			return false;
	}
	return true;
}

/*
 * What linkers write for .plt: rsp + 8 + ((rip & 15) >= N) << 3: breg7 8; breg16 0;
 * lit15; and; litN; ge; lit3; shl; plus. A stub pushes its number at N.
 */
static bool is_plt(const struct cfi_value *cfa, s32 *ret_push)
{
	static const u8 before[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a}, after[] = {0x2a, 0x33, 0x24, 0x22};

	if (cfa->number != sizeof(before) + 1 + sizeof(after) || memcmp(cfa->expression, before, sizeof(before)) ||
	    memcmp(cfa->expression + sizeof(before) + 1, after, sizeof(after)))
		return false;
	*ret_push = cfa->expression[sizeof(before)] - DW_OP_LIT0;
	return *ret_push >= 0 && *ret_push <= 15;
}

/*
 * register + offset; deref; and perhaps a constant: functions that realign their
 * stack (gcc keeps the CFA at rbp - n), and OpenSSL's assembly (the caller's rsp is
 * in some slot).
 */
static bool is_deref(const struct cfi_value *cfa, struct unwind_rule *rule)
{
	struct cursor c = expression_of(cfa);
	u64 add = 0;
	s64 offset;
	u8 base;

	if (!read_register(&c, &base, &offset) || cursor_u8(&c) != DW_OP_DEREF)
		return false;
	if (cursor_left(&c)) {
		if (cursor_u8(&c) != DW_OP_PLUS_UCONST)
			return false;
		add = cursor_uleb128(&c);
	}
	if (!is_at_end(&c) || offset < INT16_MIN || offset > INT16_MAX || add > UINT16_MAX)
		return false;
	rule->cfa = UNWIND_CFA(UNWIND_DEREF, base);
	rule->cfa_offset = (s32)((u32)(u16)offset | (u32)add << 16);
	return true;
}

static bool set_cfa(const struct cfi_value *cfa, struct unwind_rule *rule)
{
	if (cfa->kind == CFI_REGISTER) {
		if (cfa->number >= GENERAL_REGISTER_CNT || cfa->offset < INT32_MIN || cfa->offset > INT32_MAX)
			return false;
		rule->cfa = UNWIND_CFA(UNWIND_REGISTER, cfa->number);
		rule->cfa_offset = (s32)cfa->offset;
		return true;
	}
	if (cfa->kind != CFI_EXPRESSION)
		return false;
	if (is_plt(cfa, &rule->cfa_offset)) {
		rule->cfa = UNWIND_PLT;
		return true;
	}
	return is_deref(cfa, rule);
}

static bool set_rbp_at(struct unwind_rule *rule, enum unwind_rbp rbp, s64 offset)
{
	if (offset < INT16_MIN || offset > INT16_MAX)
		return false;
	rule->rbp = rbp;
	rule->rbp_offset = (s16)offset;
	return true;
}

static bool set_rbp(const struct cfi_value *value, struct unwind_rule *rule)
{
	struct cursor c;
	s64 offset;
	u8 base;

	switch (value->kind) {
	case CFI_UNSPECIFIED: /* the callee's to keep */
	case CFI_SAME:
		rule->rbp = UNWIND_RBP_SAME;
		return true;
	case CFI_UNDEFINED:
		rule->rbp = UNWIND_RBP_UNDEFINED;
		return true;
	case CFI_OFFSET:
		return set_rbp_at(rule, UNWIND_RBP_CFA, value->offset);
	case CFI_EXPRESSION:
		c = expression_of(value);
		return read_register(&c, &base, &offset) && is_at_end(&c) && base == REG_RBP &&
		       set_rbp_at(rule, UNWIND_RBP_BP, offset);
	default:
		return false;
	}
}

/* The return address was taken off the stack into a register (glibc's vfork, which shares its stack with the child). */
static struct unwind_rule link_rule(const struct cfi_state *state)
{
	const struct cfi_value *rip = &state->registers[REG_RIP];
	struct unwind_rule rule = {.cfa = UNWIND_CFA(UNWIND_LINK, rip->number)};

	if (rip->number >= GENERAL_REGISTER_CNT || state->cfa.kind != CFI_REGISTER || state->cfa.number != REG_RSP ||
	    state->cfa.offset < 0 || state->cfa.offset > INT16_MAX ||
	    state->registers[REG_RSP].kind != CFI_UNSPECIFIED || !set_rbp(&state->registers[REG_RBP], &rule))
		return unsupported;
	rule.cfa_offset = (s32)state->cfa.offset;
	return rule;
}

struct unwind_rule cfi_rule_of(const struct cfi_cie *cie, const struct cfi_state *state)
{
	struct unwind_rule rule = {0};

	if (!state || cie->return_register != REG_RIP)
		return unsupported;

	const struct cfi_value *rip = &state->registers[REG_RIP];
	if (rip->kind == CFI_UNDEFINED)
		return (struct unwind_rule){.cfa = UNWIND_END};
	if (cie->signal)
		return is_signal_frame(state) ? (struct unwind_rule){.cfa = UNWIND_SIGNAL} : unsupported;
	if (rip->kind == CFI_REGISTER)
		return link_rule(state);
	if (rip->kind != CFI_OFFSET || rip->offset != RETURN_ADDRESS_OFFSET)
		return unsupported;
	if (!set_cfa(&state->cfa, &rule) || !set_rbp(&state->registers[REG_RBP], &rule))
		return unsupported;
	/* The caller's rsp is the CFA unless somebody says otherwise. */
	if (state->registers[REG_RSP].kind != CFI_UNSPECIFIED)
		return unsupported;
	return rule;
}
