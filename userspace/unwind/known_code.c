/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/known_code.h"

#include <string.h>

static const u8 sigreturn[SIGNAL_RETURN_SIZE] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};

/*
 * sub $16, %rsp; mov %r10, (%rsp); mov DATA(%rip), %r10; mov %r10, 8(%rsp);
 * mov CODE(%rip), %r10; jmp *%r10; with endbr64 before it or without.
 */
static const u8 closure_start[] = {0x48, 0x83, 0xec, 0x10, 0x4c, 0x89, 0x14, 0x24, 0x4c, 0x8b, 0x15};
static const u8 closure_middle[] = {0x4c, 0x89, 0x54, 0x24, 0x08, 0x4c, 0x8b, 0x15};
static const u8 closure_end[] = {0x41, 0xff, 0xe2};
static const u8 endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

#define DISPLACEMENT_SIZE 4
#define CLOSURE_MIDDLE	  (sizeof(closure_start) + DISPLACEMENT_SIZE)
#define CLOSURE_END	  (CLOSURE_MIDDLE + sizeof(closure_middle) + DISPLACEMENT_SIZE)
#define CLOSURE_SIZE	  (CLOSURE_END + sizeof(closure_end))
#define CLOSURE_SUB_SIZE  4

static struct unwind_rule rsp_plus(s32 offset)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RSP), .cfa_offset = offset};
}

static bool find(const u8 *bytes, size_t size, size_t from, const u8 *what, size_t what_size, size_t *ret)
{
	const u8 *found = from < size ? memmem(bytes + from, size - from, what, what_size) : NULL;

	if (!found)
		return false;
	*ret = found - bytes;
	return true;
}

/* What assemblers put between functions. */
static bool is_padding(u8 byte)
{
	return byte == 0x90 || byte == 0xcc || !byte;
}

/* The kernel "returns" to the start of it, and return addresses are looked up one byte lower. */
static bool sigreturn_next(const u8 *bytes, size_t size, size_t from, struct known_piece *ret)
{
	size_t at;

	if (!find(bytes, size, from, sigreturn, sizeof(sigreturn), &at))
		return false;
	*ret = (struct known_piece){at, at + sizeof(sigreturn), {.cfa = UNWIND_SIGNAL}};
	if (at > from && is_padding(bytes[at - 1]))
		ret->start--;
	return true;
}

static bool is_closure(const u8 *at, size_t size)
{
	return size >= CLOSURE_SIZE && !memcmp(at + CLOSURE_MIDDLE, closure_middle, sizeof(closure_middle)) &&
	       !memcmp(at + CLOSURE_END, closure_end, sizeof(closure_end));
}

/* A stub has two pieces: to its sub, and behind it. */
static bool closure_next(const u8 *bytes, size_t size, size_t from, struct known_piece *ret)
{
	/* When the first piece was the last answer, from is behind the sub. */
	size_t at = from > CLOSURE_SUB_SIZE ? from - CLOSURE_SUB_SIZE : 0;

	for (;; at++) {
		if (!find(bytes, size, at, closure_start, sizeof(closure_start), &at))
			return false;
		if (is_closure(bytes + at, size - at))
			break;
	}

	size_t start = at, sub = at + CLOSURE_SUB_SIZE;
	if (from >= sub) {
		*ret = (struct known_piece){sub, at + CLOSURE_SIZE, rsp_plus(24)};
		return true;
	}
	if (start >= sizeof(endbr64) && !memcmp(bytes + start - sizeof(endbr64), endbr64, sizeof(endbr64)))
		start -= sizeof(endbr64);
	*ret = (struct known_piece){start > from ? start : from, sub, rsp_plus(8)};
	return true;
}

bool known_code_is_signal_return(const u8 *bytes, size_t size)
{
	return size >= sizeof(sigreturn) && !memcmp(bytes, sigreturn, sizeof(sigreturn));
}

bool known_code_is_perf_trampolines(const u8 *bytes, size_t size)
{
	static const u8 trampoline[] = {0x48, 0x83, 0xec, 0x08, 0xff, 0xd1, 0x48, 0x83, 0xc4, 0x08, 0xc3};

	if (size >= sizeof(endbr64) && !memcmp(bytes, endbr64, sizeof(endbr64))) {
		bytes += sizeof(endbr64);
		size -= sizeof(endbr64);
	}
	return size >= sizeof(trampoline) && !memcmp(bytes, trampoline, sizeof(trampoline));
}

bool known_code_next(enum known_code code, const u8 *bytes, size_t size, size_t from, struct known_piece *ret)
{
	switch (code) {
	case KNOWN_SIGNAL_RETURN:
		return sigreturn_next(bytes, size, from, ret);
	case KNOWN_CLOSURE:
		return closure_next(bytes, size, from, ret);
	default:
		return false;
	}
}
