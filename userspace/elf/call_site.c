/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/call_site.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

/*
 * Length of an instruction that is one opcode byte and this ModRM, by table 2-2
 * of the Intel manual, volume 2: what follows is a SIB byte and a displacement or not.
 */
static size_t x86_size_with_modrm(u8 modrm, u8 sib)
{
	u8 mod = modrm >> 6, rm = modrm & 7;
	bool has_sib = mod != 3 && rm == 4;
	size_t size = 2 + has_sib;

	if (mod == 1)
		return size + 1;
	if (mod == 2)
		return size + 4;
	if (mod == 0 && (has_sib ? (sib & 7) == 5 : rm == 5))
		return size + 4;
	return size;
}

/* FF /2. Prefixes (REX, notrack, segment, address size) come before the opcode and need no look. */
static bool x86_is_indirect_call(const u8 *at, size_t size)
{
	if (at[0] != 0xff || (at[1] >> 3 & 7) != 2)
		return false;
	return x86_size_with_modrm(at[1], size > 2 ? at[2] : 0) == size;
}

static enum call_kind x86_decode(const u8 *end, size_t size, s64 *ret)
{
	for (size_t length = 2; length <= size && length <= 7; length++) {
		if (x86_is_indirect_call(end - length, length))
			return CALL_INDIRECT;
	}
	if (size >= 5 && end[-5] == 0xe8) {
		s32 distance;
		memcpy(&distance, end - 4, sizeof(distance));
		*ret = distance;
		return CALL_DIRECT;
	}
	return CALL_NONE;
}

/* BL, and BLR with its pointer-authenticating forms BLRAA(Z), BLRAB(Z): Arm ARM, C4.1.66. */
static enum call_kind arm64_decode(const u8 *end, size_t size, s64 *ret)
{
	u32 instruction;

	if (size < sizeof(instruction))
		return CALL_NONE;
	memcpy(&instruction, end - sizeof(instruction), sizeof(instruction));
	if ((instruction & 0xfefff000) == 0xd63f0000)
		return CALL_INDIRECT;
	if (instruction >> 26 != 0x25)
		return CALL_NONE;
	/* 26 bits, signed, in words, counted from the instruction itself. */
	s64 words = (s64)(instruction & 0x3ffffff) - (s64)(instruction & 0x2000000) * 2;
	*ret = words * 4 - 4;
	return CALL_DIRECT;
}

enum call_kind call_site_decode(u16 machine, const u8 *bytes, size_t size, s64 *ret)
{
	switch (machine) {
	case EM_X86_64:
		return x86_decode(bytes + size, size, ret);
	case EM_AARCH64:
		return arm64_decode(bytes + size, size, ret);
	default:
		return CALL_NONE;
	}
}
