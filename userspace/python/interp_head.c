/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/interp_head.h"

#include <errno.h>

#include "base/cursor.h"

/* Skips these bytes if they come next. */
static bool code_skip(struct cursor *code, const void *bytes, size_t size)
{
	if (cursor_left(code) < size || memcmp(code->at, bytes, size))
		return false;
	cursor_take(code, size);
	return true;
}

/* The address from which rax is loaded; 0: another instruction. */
static u64 load_target(struct cursor *code, u64 address)
{
	const u8 *begin = code->at;

	if (code_skip(code, "\x48\x8b\x05", 3)) { /* mov disp32(%rip), %rax */
		s32 distance = cursor_u32(code);

		return address + (code->at - begin) + distance;
	}
	if (code_skip(code, "\x48\x8b\x04\x25", 4)) /* mov abs32, %rax */
		return (s64)(s32)cursor_u32(code);
	return 0;
}

int interp_head_decode(const u8 *bytes, size_t size, u64 address, u64 *ret)
{
	struct cursor code = cursor_of(bytes, size);

	code_skip(&code, "\xf3\x0f\x1e\xfa", 4); /* endbr64 */
	bool framed = code_skip(&code, "\x55\x48\x89\xe5", 4); /* push %rbp; mov %rsp, %rbp */
	u64 target = load_target(&code, address + (code.at - bytes));

	if (framed && !code_skip(&code, "\x5d", 1)) /* pop %rbp */
		return -ENOTSUP;
	if (!code_skip(&code, "\xc3", 1) || !target || target % sizeof(u64)) /* ret */
		return -ENOTSUP;
	*ret = target;
	return 0;
}

int interp_head_find(struct elf_file *elf, u64 *ret)
{
	u8 code[INTERP_HEAD_CODE_SIZE];
	u64 address, size;

	if (!elf_file_object(elf, "PyInterpreterState_Head", &address, &size) &&
	    !elf_file_read(elf, address, code, sizeof(code)) && !interp_head_decode(code, sizeof(code), address, ret))
		return 0;
	return elf_file_object(elf, "interp_head", ret, &size) ? -ENOENT : 0;
}
