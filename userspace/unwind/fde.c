/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/fde.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "elf/dwarf_value.h"

/* Bytes of a CIE or an FDE in a file. Those of real files have 20 to 3,000. */
#define ENTRY_MAX 65536
/* Those of real files have 3 (a realigned stack) to 12 (.plt). */
#define EXPRESSION_MAX 256

/*
 * Expressions
 */

enum operand { NOTHING, BYTES_1, BYTES_2, BYTES_4, BYTES_8, LEB128, FORBIDDEN };

/*
 * Forbidden: div and mod (an overflow is a SIGFPE), skip and bra (a loop; a jump into
 * the middle of an operation), addr (it would not be relocated), what names a register
 * instead of its value, and breg for registers that we do not have.
 */
#define OPERATION_PLUS	 0x22
#define OPERATION_CONSTS 0x11
#define OPERATION_BREG0	 0x70
static const struct {
	u8 first, last;
	u8 operand;
} operations[] = {
	{0x06, 0x06, NOTHING}, /* deref */
	{0x08, 0x09, BYTES_1}, /* const1u, const1s, and so on */
	{0x0a, 0x0b, BYTES_2},
	{0x0c, 0x0d, BYTES_4},
	{0x0e, 0x0f, BYTES_8},
	{0x10, OPERATION_CONSTS, LEB128}, /* constu, consts */
	{0x12, 0x14, NOTHING}, /* dup, drop, over */
	{0x15, 0x15, BYTES_1}, /* pick */
	{0x16, 0x17, NOTHING}, /* swap, rot */
	{0x19, 0x1a, NOTHING}, /* abs, and */
	{0x1c, 0x1c, NOTHING}, /* minus */
	{0x1e, OPERATION_PLUS, NOTHING}, /* mul, neg, not, or, plus */
	{0x23, 0x23, LEB128}, /* plus_uconst */
	{0x24, 0x27, NOTHING}, /* shl, shr, shra, xor */
	{0x29, 0x2e, NOTHING}, /* eq, ge, gt, le, lt, ne */
	{0x30, 0x4f, NOTHING}, /* lit0 ... lit31 */
	{OPERATION_BREG0, OPERATION_BREG0 + REG_CNT - 1, LEB128}, /* breg0 ... breg16 */
	{0x94, 0x94, BYTES_1}, /* deref_size */
	{0x96, 0x96, NOTHING}, /* nop */
};

static enum operand operation_operand(u8 operation)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (operation >= operations[i].first && operation <= operations[i].last)
			return operations[i].operand;
	}
	return FORBIDDEN;
}

int fde_expression_check(const void *bytes, size_t size)
{
	static const u8 sizes[] = {[NOTHING] = 0, [BYTES_1] = 1, [BYTES_2] = 2, [BYTES_4] = 4, [BYTES_8] = 8};
	struct cursor c = cursor_of(bytes, size);

	while (cursor_left(&c)) {
		enum operand operand = operation_operand(cursor_u8(&c));

		if (operand == FORBIDDEN)
			return -ENOTSUP;
		if (operand == LEB128)
			cursor_uleb128(&c);
		else
			cursor_take(&c, sizes[operand]);
	}
	return c.bad ? -EBADMSG : 0;
}

/*
 * Writing
 */

#define CIE_SIZE	  14
#define FDE_HEADER_SIZE	  24
#define LEB128_MAX	  10
#define REGISTER_SIZE_MAX (1 + 1 + LEB128_MAX + EXPRESSION_MAX) /* instruction, register, size, expression */
#define FDE_BYTES_MAX	  (FDE_TABLE_SIZE + CIE_SIZE + FDE_HEADER_SIZE + (REG_CNT + 1) * REGISTER_SIZE_MAX)

/* DWARF 5, section 7.24 */
enum opcode {
	DEF_CFA_EXPRESSION = 0x0f,
	EXPRESSION = 0x10,
	OFFSET_EXTENDED_SF = 0x11,
	DEF_CFA_SF = 0x12,
	VAL_EXPRESSION = 0x16,
};

struct writer {
	size_t size;
	u8 bytes[FDE_BYTES_MAX];
};

static void put(struct writer *w, const void *bytes, size_t size)
{
	memcpy(w->bytes + w->size, bytes, size);
	w->size += size;
}

static void put_u8(struct writer *w, u8 value)
{
	put(w, &value, sizeof(value));
}

static void put_u32(struct writer *w, u32 value)
{
	put(w, &value, sizeof(value));
}

static void put_u64(struct writer *w, u64 value)
{
	put(w, &value, sizeof(value));
}

/* Always 10 bytes: padded ones are valid. */
static void put_sleb128(struct writer *w, s64 value)
{
	for (int i = 0; i < LEB128_MAX - 1; i++) {
		put_u8(w, (value & 0x7f) | 0x80);
		value >>= 7;
	}
	put_u8(w, value & 0x7f);
}

static int put_expression(struct writer *w, const struct cfi_value *value)
{
	if (value->number > EXPRESSION_MAX)
		return -ENOTSUP;
	int err = fde_expression_check(value->expression, value->number);
	if (err)
		return err;
	put_u8(w, (value->number & 0x7f) | 0x80);
	put_u8(w, value->number >> 7);
	put(w, value->expression, value->number);
	return 0;
}

static int put_cfa(struct writer *w, const struct cfi_value *cfa)
{
	switch (cfa->kind) {
	case CFI_REGISTER:
		if (cfa->number >= REG_CNT)
			return -ENOTSUP;
		put_u8(w, DEF_CFA_SF);
		put_u8(w, cfa->number);
		put_sleb128(w, cfa->offset);
		return 0;
	case CFI_EXPRESSION:
		put_u8(w, DEF_CFA_EXPRESSION);
		return put_expression(w, cfa);
	default:
		return -ENOTSUP;
	}
}

static int put_register(struct writer *w, u8 number, const struct cfi_value *value)
{
	switch (value->kind) {
	case CFI_UNSPECIFIED:
	case CFI_SAME:
	case CFI_UNDEFINED: /* to libunwind a lost rbp would be the end of the stack: see struct fde */
		return 0;
	case CFI_OFFSET:
		put_u8(w, OFFSET_EXTENDED_SF);
		put_u8(w, number);
		put_sleb128(w, value->offset);
		return 0;
	case CFI_VAL_OFFSET: /* the CFA is on the expression's stack to begin with */
		put_u8(w, VAL_EXPRESSION);
		put_u8(w, number);
		put_u8(w, 1 + LEB128_MAX + 1);
		put_u8(w, OPERATION_CONSTS);
		put_sleb128(w, value->offset);
		put_u8(w, OPERATION_PLUS);
		return 0;
	case CFI_REGISTER: /* DW_CFA_register would give the caller's value of a register with a lower number */
		if (value->number >= REG_CNT)
			return -ENOTSUP;
		put_u8(w, VAL_EXPRESSION);
		put_u8(w, number);
		put_u8(w, 1 + LEB128_MAX);
		put_u8(w, OPERATION_BREG0 + value->number);
		put_sleb128(w, 0);
		return 0;
	default:
		put_u8(w, value->kind == CFI_EXPRESSION ? EXPRESSION : VAL_EXPRESSION);
		put_u8(w, number);
		return put_expression(w, value);
	}
}

static int put_state(struct writer *w, const struct cfi_state *state)
{
	int err = put_cfa(w, &state->cfa);

	for (u8 i = 0; i < REG_CNT && !err; i++)
		err = put_register(w, i, &state->registers[i]);
	return err;
}

static void put_headers(struct writer *w, u64 start, u64 end)
{
	put_u32(w, INT32_MIN);
	put_u32(w, FDE_TABLE_SIZE + CIE_SIZE);

	put_u32(w, CIE_SIZE - 4);
	put_u32(w, 0); /* a CIE */
	put_u8(w, 1); /* version */
	put_u8(w, 0); /* no augmentation */
	put_u8(w, 1); /* code and data alignment */
	put_u8(w, 1);
	put_u8(w, REG_RIP);
	put_u8(w, 0); /* DW_CFA_nop */

	put_u32(w, 0); /* the FDE's length, once it is known */
	put_u32(w, CIE_SIZE + 4); /* back to the CIE */
	put_u64(w, start);
	put_u64(w, end - start);
}

static u32 state_undefined(const struct cfi_state *state)
{
	u32 undefined = 0;

	for (u32 i = 0; i < REG_CNT; i++) {
		if (state->registers[i].kind == CFI_UNDEFINED)
			undefined |= 1u << i;
	}
	return undefined;
}

static bool state_is_plain(const struct cfi_state *state)
{
	if (state->cfa.kind != CFI_REGISTER || state->cfa.number == REG_RIP)
		return false;
	for (u32 i = 0; i < REG_CNT; i++) {
		switch (state->registers[i].kind) {
		case CFI_UNSPECIFIED:
		case CFI_SAME:
		case CFI_UNDEFINED:
		case CFI_OFFSET:
			break;
		default:
			return false;
		}
	}
	return true;
}

int fde_build(const struct cfi_cie *cie, const struct cfi_state *state, u64 start, u64 end, struct fde **ret)
{
	const size_t length_at = FDE_TABLE_SIZE + CIE_SIZE;
	u8 rip = state->registers[REG_RIP].kind;
	struct writer w;

	if (cie->return_register != REG_RIP || rip == CFI_UNSPECIFIED || rip == CFI_SAME)
		return -ENOTSUP;
	w.size = 0;
	put_headers(&w, start, end);
	int err = put_state(&w, state);
	if (err)
		return err;
	u32 length = w.size - length_at - 4;
	memcpy(w.bytes + length_at, &length, sizeof(length));

	struct fde *fde = malloc(sizeof(*fde) + w.size);
	if (!fde)
		return -ENOMEM;
	*fde = (struct fde){
		.start = start,
		.end = end,
		.signal = cie->signal,
		.plain = state_is_plain(state),
		.undefined = state_undefined(state),
		.size = w.size,
	};
	memcpy(fde->bytes, w.bytes, w.size);
	*ret = fde;
	return 0;
}

/*
 * Reading
 */

/* The row that holds an address, and what became of it. */
struct row_search {
	u64 address, start, end;
	struct cfi_state state;
	bool found, malformed;
};

static void row_visit(void *data, u64 start, const struct cfi_state *state)
{
	struct row_search *search = data;

	if (start > search->address) {
		if (start < search->end)
			search->end = start;
		return;
	}
	search->start = start;
	search->found = true;
	search->malformed = !state;
	if (state)
		search->state = *state;
}

int fde_of_cfi(const struct cfi_fde *cfi, u64 address, struct fde **ret)
{
	struct row_search search = {.address = address, .end = cfi->end};

	if (address < cfi->start || address >= cfi->end)
		return -ENOENT;
	cfi_fde_run(cfi, row_visit, &search);
	if (!search.found || search.malformed)
		return -ENOTSUP;
	int err = fde_build(cfi->cie, &search.state, search.start, search.end, ret);
	if (!err)
		(*ret)->debug_frame = cfi->section->debug_frame;
	return err;
}

/* The entry at address, with its length. 64-bit lengths (nothing writes them for x86-64) are beyond ENTRY_MAX. */
static int entry_read(struct elf_file *file, u64 address, u8 *ret, u32 *ret_size)
{
	u32 length;

	if (elf_file_read(file, address, &length, sizeof(length)) || length < 2 * sizeof(u32) || length > ENTRY_MAX)
		return -ENOTSUP;
	if (elf_file_read(file, address, ret, sizeof(length) + length))
		return -ENOTSUP;
	*ret_size = sizeof(length) + length;
	return 0;
}

/*
 * A section of two: the CIE, then the FDE, which stays at its address, for it may say
 * where its code is by the distance.
 */
static int entries_read(struct elf_file *file, u64 address, u8 *bytes, struct cfi_section *ret)
{
	const size_t max = sizeof(u32) + ENTRY_MAX;
	u32 fde_size, cie_size, distance;

	int err = entry_read(file, address, bytes + max, &fde_size);
	if (err)
		return err;
	memcpy(&distance, bytes + max + sizeof(u32), sizeof(distance));
	if (!distance) /* not an FDE */
		return -ENOTSUP;
	err = entry_read(file, address + sizeof(u32) - distance, bytes, &cie_size);
	if (err)
		return err;

	memmove(bytes + cie_size, bytes + max, fde_size);
	distance = cie_size + sizeof(u32);
	memcpy(bytes + cie_size + sizeof(u32), &distance, sizeof(distance));
	*ret = (struct cfi_section){.bytes = bytes, .size = cie_size + fde_size, .address = address - cie_size};
	return 0;
}

int fde_find(struct elf_file *file, const struct eh_index *index, u64 address, struct fde **ret)
{
	struct cfi_section section;
	struct cfi_reader reader;
	struct cfi_fde cfi;
	u64 at;

	int err = eh_index_find(file, index, address, &at);
	if (err)
		return err;
	_cleanup_(free) u8 *bytes = malloc(2 * (sizeof(u32) + ENTRY_MAX));
	if (!bytes)
		return -ENOMEM;
	err = entries_read(file, at, bytes, &section);
	if (err)
		return err;
	cfi_reader_init(&reader, &section);
	if (!cfi_reader_next(&reader, &cfi))
		return -ENOTSUP;
	return fde_of_cfi(&cfi, address, ret);
}
