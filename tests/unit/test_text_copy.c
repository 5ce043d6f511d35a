/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/text_copy.h"

TestSuite(text_copy);

#define BASE 0x7f0000200000ull
#define SIZE 65536

static struct elf_file *elf;
static u64 file_offset;
static u8 *text;

/* Our own program's text, as the file has it. */
static void set_up(void)
{
	u64 address, size, at;

	cr_assert_eq(elf_file_open_fd(open("/proc/self/exe", O_RDONLY), "us", &elf), 0);
	cr_assert_eq(elf_file_section(elf, ".text", &address, &size), 0);
	cr_assert_gt(size, SIZE);
	text = malloc(SIZE);
	cr_assert_eq(elf_file_read(elf, address, text, SIZE), 0);
	for (file_offset = 0; elf_file_address_of_offset(elf, file_offset, &at) || at != address;)
		cr_assert_lt(++file_offset, 64 << 20);
}

static void tear_down(void)
{
	elf_file_unref(elf);
	free(text);
}

static bool matches(u64 size, u64 offset)
{
	const struct remote_memory memory = remote_memory_of_bytes(text, SIZE, BASE);

	return text_copy_matches(&memory, BASE, size, elf, offset);
}

Test(text_copy, the_same_bytes_are_a_copy, .init = set_up, .fini = tear_down)
{
	cr_expect(matches(SIZE, file_offset));
	cr_expect(matches(4096, file_offset));
}

Test(text_copy, other_bytes_are_none, .init = set_up, .fini = tear_down)
{
	cr_expect_not(matches(SIZE, file_offset + 16), "from elsewhere in the file");
	memmove(text + 1, text, SIZE - 1);
	cr_expect_not(matches(SIZE, file_offset));
	memset(text, 0, SIZE);
	cr_expect_not(matches(SIZE, file_offset));
}

Test(text_copy, memory_that_cannot_be_read_is_none, .init = set_up, .fini = tear_down)
{
	cr_expect_not(matches(2 * SIZE, file_offset));
}

Test(text_copy, what_the_file_does_not_have_proves_nothing, .init = set_up, .fini = tear_down)
{
	cr_expect_not(matches(SIZE, 1ull << 40));
	cr_expect_not(matches(SIZE, UINT64_MAX - 100));
	cr_expect_not(matches(64, file_offset), "too little to tell by");
	cr_expect_not(matches(0, file_offset));
}
