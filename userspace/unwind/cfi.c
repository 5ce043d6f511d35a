/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/cfi.h"

#include <stdint.h>

#include "elf/dwarf_value.h"

/* Compilers nest remember_state once or twice. */
#define MAX_REMEMBERED 8
/* A CIE is read again for each of its FDEs in the worst case; real ones have 20 to 40 bytes. */
#define MAX_CIE_SIZE 1024

/* DWARF 5, section 7.24. The first three carry an operand in their low bits. */
enum opcode {
	ADVANCE_LOC = 1 << 6,
	OFFSET = 2 << 6,
	RESTORE = 3 << 6,
	NOP = 0x00,
	SET_LOC,
	ADVANCE_LOC1,
	ADVANCE_LOC2,
	ADVANCE_LOC4,
	OFFSET_EXTENDED,
	RESTORE_EXTENDED,
	UNDEFINED,
	SAME_VALUE,
	REGISTER,
	REMEMBER_STATE,
	RESTORE_STATE,
	DEF_CFA,
	DEF_CFA_REGISTER,
	DEF_CFA_OFFSET,
	DEF_CFA_EXPRESSION,
	EXPRESSION,
	OFFSET_EXTENDED_SF,
	DEF_CFA_SF,
	DEF_CFA_OFFSET_SF,
	VAL_OFFSET,
	VAL_OFFSET_SF,
	VAL_EXPRESSION,
	MIPS_ADVANCE_LOC8 = 0x1d,
	GNU_ARGS_SIZE = 0x2e,
	GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/*
 * Programs
 */

struct program {
	struct cursor c;
	const struct cfi_cie *cie;
	const struct cfi_section *section;
	const struct cfi_state *initial; /* what restore restores; NULL in a CIE's own program */
	u64 at, end; /* where we are; the end of the FDE */
	cfi_row_fn row; /* NULL in a CIE's own program */
	void *data;
	struct cfi_state state;
	u32 remembered;
	struct cfi_state stack[MAX_REMEMBERED];
};

static void program_move(struct program *p, u64 to)
{
	if (!p->row || p->c.bad || to < p->at) {
		p->c.bad = true;
		return;
	}
	if (to == p->at)
		return;
	p->row(p->data, p->at, &p->state);
	p->at = to;
}

static void program_advance(struct program *p, u64 delta)
{
	u64 distance, to;

	if (__builtin_mul_overflow(delta, p->cie->code_align, &distance) ||
	    __builtin_add_overflow(p->at, distance, &to))
		p->c.bad = true;
	else
		program_move(p, to);
}

static void program_set_location(struct program *p)
{
	u64 here = p->section->address + (p->c.at - p->section->bytes);
	u64 to = cursor_eh_pointer(&p->c, p->cie->encoding, here, 0);

	program_move(p, to);
}

static s64 program_factored(struct program *p, s64 offset)
{
	s64 result;

	if (__builtin_mul_overflow(offset, p->cie->data_align, &result)) {
		p->c.bad = true;
		return 0;
	}
	return result;
}

static s64 program_unsigned_offset(struct program *p)
{
	u64 offset = cursor_uleb128(&p->c);

	if (offset > INT64_MAX) { /* 0, as it may be negated yet */
		p->c.bad = true;
		return 0;
	}
	return (s64)offset;
}

/* Of registers that nobody follows there is no state. */
static void program_set(struct program *p, u64 number, struct cfi_value value)
{
	if (number < REG_CNT)
		p->state.registers[number] = value;
}

static void program_set_offset(struct program *p, u64 number, enum cfi_kind kind, s64 offset)
{
	program_set(p, number, (struct cfi_value){.kind = kind, .offset = program_factored(p, offset)});
}

static struct cfi_value program_expression(struct program *p, enum cfi_kind kind)
{
	u64 size = cursor_uleb128(&p->c);
	const u8 *bytes = cursor_take(&p->c, size);

	if (size > UINT32_MAX)
		p->c.bad = true;
	return (struct cfi_value){.kind = kind, .number = (u32)size, .expression = bytes};
}

static void program_restore(struct program *p, u64 number)
{
	if (!p->initial)
		p->c.bad = true;
	else if (number < REG_CNT)
		p->state.registers[number] = p->initial->registers[number];
}

static void program_remember(struct program *p)
{
	if (p->remembered == MAX_REMEMBERED)
		p->c.bad = true;
	else
		p->stack[p->remembered++] = p->state;
}

static void program_recall(struct program *p)
{
	if (!p->remembered)
		p->c.bad = true;
	else
		p->state = p->stack[--p->remembered];
}

static void program_set_cfa_register(struct program *p, u64 number)
{
	p->c.bad |= number > UINT32_MAX || p->state.cfa.kind != CFI_REGISTER;
	p->state.cfa.number = (u32)number;
}

static void program_set_cfa_offset(struct program *p, s64 offset)
{
	p->c.bad |= p->state.cfa.kind != CFI_REGISTER;
	p->state.cfa.offset = offset;
}

static void program_set_cfa(struct program *p, u64 number, s64 offset)
{
	p->state.cfa.kind = CFI_REGISTER;
	program_set_cfa_register(p, number);
	program_set_cfa_offset(p, offset);
}

static void program_step(struct program *p, u8 opcode)
{
	struct cursor *c = &p->c;
	u64 number;

	switch (opcode) {
	case NOP:
		break;
	case SET_LOC:
		program_set_location(p);
		break;
	case ADVANCE_LOC1:
		program_advance(p, cursor_u8(c));
		break;
	case ADVANCE_LOC2:
		program_advance(p, cursor_u16(c));
		break;
	case ADVANCE_LOC4:
		program_advance(p, cursor_u32(c));
		break;
	case MIPS_ADVANCE_LOC8:
		program_advance(p, cursor_u64(c));
		break;
	case OFFSET_EXTENDED:
		number = cursor_uleb128(c);
		program_set_offset(p, number, CFI_OFFSET, program_unsigned_offset(p));
		break;
	case OFFSET_EXTENDED_SF:
		number = cursor_uleb128(c);
		program_set_offset(p, number, CFI_OFFSET, cursor_sleb128(c));
		break;
	case GNU_NEGATIVE_OFFSET_EXTENDED:
		number = cursor_uleb128(c);
		program_set_offset(p, number, CFI_OFFSET, -program_unsigned_offset(p));
		break;
	case VAL_OFFSET:
		number = cursor_uleb128(c);
		program_set_offset(p, number, CFI_VAL_OFFSET, program_unsigned_offset(p));
		break;
	case VAL_OFFSET_SF:
		number = cursor_uleb128(c);
		program_set_offset(p, number, CFI_VAL_OFFSET, cursor_sleb128(c));
		break;
	case RESTORE_EXTENDED:
		program_restore(p, cursor_uleb128(c));
		break;
	case UNDEFINED:
		program_set(p, cursor_uleb128(c), (struct cfi_value){.kind = CFI_UNDEFINED});
		break;
	case SAME_VALUE:
		program_set(p, cursor_uleb128(c), (struct cfi_value){.kind = CFI_SAME});
		break;
	case REGISTER:
		number = cursor_uleb128(c);
		program_set(p, number, (struct cfi_value){.kind = CFI_REGISTER, .number = (u32)cursor_uleb128(c)});
		break;
	case EXPRESSION:
		number = cursor_uleb128(c);
		program_set(p, number, program_expression(p, CFI_EXPRESSION));
		break;
	case VAL_EXPRESSION:
		number = cursor_uleb128(c);
		program_set(p, number, program_expression(p, CFI_VAL_EXPRESSION));
		break;
	case REMEMBER_STATE:
		program_remember(p);
		break;
	case RESTORE_STATE:
		program_recall(p);
		break;
	case DEF_CFA:
		number = cursor_uleb128(c);
		program_set_cfa(p, number, program_unsigned_offset(p));
		break;
	case DEF_CFA_SF:
		number = cursor_uleb128(c);
		program_set_cfa(p, number, program_factored(p, cursor_sleb128(c)));
		break;
	case DEF_CFA_REGISTER:
		program_set_cfa_register(p, cursor_uleb128(c));
		break;
	case DEF_CFA_OFFSET:
		program_set_cfa_offset(p, program_unsigned_offset(p));
		break;
	case DEF_CFA_OFFSET_SF:
		program_set_cfa_offset(p, program_factored(p, cursor_sleb128(c)));
		break;
	case DEF_CFA_EXPRESSION:
		p->state.cfa = program_expression(p, CFI_EXPRESSION);
		break;
	case GNU_ARGS_SIZE: /* what a call pushed, for who lands in this frame: not for who passes by */
		cursor_uleb128(c);
		break;
	default:
		c->bad = true;
	}
}

static void program_run(struct program *p)
{
	while (p->at < p->end && !p->c.bad && p->c.at < p->c.end) {
		u8 opcode = cursor_u8(&p->c), operand = opcode & 0x3f;

		switch (opcode & 0xc0) {
		case ADVANCE_LOC:
			program_advance(p, operand);
			break;
		case OFFSET:
			program_set_offset(p, operand, CFI_OFFSET, program_unsigned_offset(p));
			break;
		case RESTORE:
			program_restore(p, operand);
			break;
		default:
			program_step(p, opcode);
		}
	}
}

void cfi_fde_run(const struct cfi_fde *fde, cfi_row_fn row, void *data)
{
	struct program p; /* its stack is large: set only what is read */

	p.c = fde->program;
	p.cie = fde->cie;
	p.section = fde->section;
	p.initial = &fde->cie->initial;
	p.at = fde->start;
	p.end = fde->end;
	p.row = row;
	p.data = data;
	p.state = fde->cie->initial;
	p.remembered = 0;

	program_run(&p);
	if (p.at < p.end)
		row(data, p.at, p.c.bad ? NULL : &p.state);
}

static bool cie_run(struct cfi_cie *cie, const struct cfi_section *section, struct cursor c)
{
	struct program p;

	p.c = c;
	p.cie = cie;
	p.section = section;
	p.initial = NULL;
	p.at = 0;
	p.end = 1;
	p.row = NULL;
	p.state = (struct cfi_state){0};
	p.remembered = 0;

	program_run(&p);
	cie->initial = p.state;
	return !p.c.bad;
}

/*
 * Entries
 */

struct entry {
	struct cursor body; /* behind the id */
	u64 id;
	u64 id_offset;
	size_t end; /* offset */
	bool wide; /* 64-bit lengths and offsets */
};

/* False when no entry begins there, or it reaches beyond the section: then nothing that follows can be found. */
static bool entry_read(const struct cfi_section *section, size_t offset, struct entry *ret)
{
	struct cursor c = cursor_of(section->bytes + offset, section->size - offset);
	u64 length = cursor_u32(&c);

	ret->wide = length == UINT32_MAX;
	if (ret->wide)
		length = cursor_u64(&c);
	if (length > cursor_left(&c) || c.bad)
		return false;
	c.end = c.at + length;
	ret->end = c.end - section->bytes;
	ret->id_offset = c.at - section->bytes;
	if (length)
		ret->id = ret->wide && section->debug_frame ? cursor_u64(&c) : cursor_u32(&c);
	ret->body = c;
	return true;
}

static bool entry_is_cie(const struct cfi_section *section, const struct entry *entry)
{
	if (!section->debug_frame)
		return !entry->id;
	return entry->id == (entry->wide ? UINT64_MAX : UINT32_MAX);
}

/* False for letters that nobody knows: what follows them cannot be read. */
static bool cie_read_augmentation(struct cfi_cie *cie, const char *letters, struct cursor *c)
{
	if (!*letters)
		return true;
	if (*letters != 'z')
		return false;

	u64 size = cursor_uleb128(c);
	const u8 *bytes = cursor_take(c, size);
	if (!bytes)
		return false;
	struct cursor data = cursor_of(bytes, size);
	cie->augmented = true;
	for (letters++; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->encoding = cursor_u8(&data);
			break;
		case 'L':
			cursor_u8(&data);
			break;
		case 'P':
			cursor_eh_value(&data, cursor_u8(&data));
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
			break;
		default:
			return false;
		}
	}
	return !data.bad;
}

static const char *cursor_string(struct cursor *c)
{
	const u8 *start = c->at;

	while (cursor_u8(c))
		;
	return c->bad ? NULL : (const char *)start;
}

/* Addresses of other than 8 bytes, and segments, are not of this world. */
static bool cie_read_address_size(struct cursor *c)
{
	u8 address_size = cursor_u8(c), segment_size = cursor_u8(c);

	return address_size == 8 && !segment_size;
}

static bool cie_read(const struct cfi_section *section, u64 offset, struct cfi_cie *ret)
{
	struct entry entry;

	*ret = (struct cfi_cie){.offset = offset};
	if (offset >= section->size || !entry_read(section, offset, &entry) || !entry_is_cie(section, &entry) ||
	    cursor_left(&entry.body) > MAX_CIE_SIZE)
		return false;

	struct cursor *c = &entry.body;
	u8 version = cursor_u8(c);
	if (version != 1 && version != 3 && version != 4)
		return false;
	const char *letters = cursor_string(c);
	if (!letters || (version == 4 && !cie_read_address_size(c)))
		return false;
	ret->code_align = cursor_uleb128(c);
	ret->data_align = cursor_sleb128(c);
	ret->return_register = version == 1 ? cursor_u8(c) : cursor_uleb128(c);
	if (!cie_read_augmentation(ret, letters, c) || c->bad)
		return false;
	return cie_run(ret, section, *c);
}

/*
 * FDEs
 */

void cfi_reader_init(struct cfi_reader *reader, const struct cfi_section *section)
{
	*reader = (struct cfi_reader){.section = section};
}

/* NULL when there is no CIE that can be read at this offset. */
static const struct cfi_cie *reader_get_cie(struct cfi_reader *reader, u64 offset)
{
	u32 slot = (u32)(offset / 4 * 0x9e3779b1u >> 24) % CFI_CIE_CACHE_SIZE;
	__auto_type cached = &reader->cies[slot];

	if (!cached->known || cached->cie.offset != offset) {
		cached->usable = cie_read(reader->section, offset, &cached->cie);
		cached->known = true;
	}
	return cached->usable ? &cached->cie : NULL;
}

static bool reader_read_fde(struct cfi_reader *reader, const struct entry *entry, struct cfi_fde *ret)
{
	const struct cfi_section *section = reader->section;
	struct cursor c = entry->body;
	u64 size;

	const struct cfi_cie *cie = reader_get_cie(reader,
						   section->debug_frame ? entry->id : entry->id_offset - entry->id);
	if (!cie)
		return false;
	u64 here = section->address + (c.at - section->bytes);
	u64 start = cursor_eh_pointer(&c, cie->encoding, here, 0);
	size = cursor_eh_value(&c, cie->encoding);
	if (cie->augmented)
		cursor_take(&c, cursor_uleb128(&c));
	if (c.bad || !size || __builtin_add_overflow(start, size, &ret->end))
		return false;
	ret->start = start;
	ret->cie = cie;
	ret->section = section;
	ret->program = c;
	return true;
}

bool cfi_reader_next(struct cfi_reader *reader, struct cfi_fde *ret)
{
	const struct cfi_section *section = reader->section;
	struct entry entry;

	while (reader->offset < section->size && entry_read(section, reader->offset, &entry)) {
		bool terminator = entry.end == entry.id_offset;

		if (terminator && section->ends_at_zero)
			break;
		reader->offset = entry.end;
		if (terminator || entry.body.bad || entry_is_cie(section, &entry))
			continue;
		if (reader_read_fde(reader, &entry, ret))
			return true;
	}
	return false;
}
