/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dwarf_value.h - the values that call frame information is written in, read from
 * a cursor: LEB128 (DWARF 5, section 7.6) and the encoded pointers of .eh_frame
 * (Linux Standard Base, "DWARF Extensions"). What is malformed makes the cursor bad.
 */
#ifndef PYPROF_DWARF_VALUE_H
#define PYPROF_DWARF_VALUE_H

#include "base/cursor.h"
#include "pyprof/types.h"

/* The low half of an encoding says how the value is stored, the high half what is added to it. */
#define EH_FORMAT   0x0f
#define EH_ABSPTR   0x00
#define EH_RELATIVE 0x70
#define EH_PCREL    0x10
#define EH_DATAREL  0x30
#define EH_INDIRECT 0x80
#define EH_OMIT	    0xff

#define MAX_LEB128_BITS 63 /* of the last byte's first bit: ten bytes in all */

static inline u64 cursor_uleb128(struct cursor *c)
{
	u64 value = 0;

	for (u32 shift = 0; shift <= MAX_LEB128_BITS; shift += 7) {
		u8 byte = cursor_u8(c);

		value |= (u64)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	c->bad = true;
	return 0;
}

static inline s64 cursor_sleb128(struct cursor *c)
{
	u64 value = 0;

	for (u32 shift = 0; shift <= MAX_LEB128_BITS; shift += 7) {
		u8 byte = cursor_u8(c);

		value |= (u64)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift + 7 < 64)
			value |= ~0ull << (shift + 7);
		return (s64)value;
	}
	c->bad = true;
	return 0;
}

/* The value alone, with nothing added. */
static inline u64 cursor_eh_value(struct cursor *c, u8 encoding)
{
	switch (encoding & EH_FORMAT) {
	case EH_ABSPTR:
	case 0x04:
	case 0x0c:
		return cursor_u64(c);
	case 0x01:
		return cursor_uleb128(c);
	case 0x02:
		return cursor_u16(c);
	case 0x03:
		return cursor_u32(c);
	case 0x09:
		return (u64)cursor_sleb128(c);
	case 0x0a:
		return (u64)(s64)(s16)cursor_u16(c);
	case 0x0b:
		return (u64)(s64)(s32)cursor_u32(c);
	default:
		c->bad = true;
		return 0;
	}
}

/*
 * An address. here: the address of the value itself; data: what EH_DATAREL is
 * relative to, 0 when nobody says. Indirect pointers are refused: what they point to
 * is not in the file.
 */
static inline u64 cursor_eh_pointer(struct cursor *c, u8 encoding, u64 here, u64 data)
{
	u64 value = cursor_eh_value(c, encoding);

	switch (encoding & (EH_RELATIVE | EH_INDIRECT)) {
	case 0:
		return value;
	case EH_PCREL:
		return here + value;
	case EH_DATAREL:
		if (data)
			return data + value;
		/* fallthrough */
	default:
		c->bad = true;
		return 0;
	}
}

#endif
