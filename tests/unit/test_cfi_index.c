/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "base/file.h"
#include "build_cfi.h"
#include "build_elf.h"
#include "elf/eh_index.h"
#include "unwind/cfi_index.h"

TestSuite(cfi_index);

#define TEXT	 0x1000
#define EH_FRAME 0x3000

static struct elf_builder *builder(void)
{
	static const u8 code[0x1000];
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);

	elf_builder_add_code(b, ".text", TEXT, code, sizeof(code));
	return b;
}

static int find(struct cfi_index *index, u64 address, u64 *ret_start, u64 *ret_end)
{
	_cleanup_(fde) struct fde *fde = NULL;

	int err = cfi_index_find(index, address, &fde);
	if (err)
		return err;
	*ret_start = fde->start;
	*ret_end = fde->end;
	return 0;
}

Test(cfi_index, both_sections_are_searched_or_debug_frame_alone)
{
	struct cfi_builder eh = {.address = EH_FRAME}, debug = {0};
	struct elf_builder *b = builder();
	size_t eh_cie = cfi_add_usual_cie(&eh), debug_cie = cfi_add_usual_cie(&debug);
	u64 start, end;

	cfi_add_fde(&eh, eh_cie, TEXT + 0x300, 0x20, CFI_BYTES(ADVANCE(4), CFA_OFFSET(16)));
	cfi_add_fde(&eh, eh_cie, TEXT, 0x100, CFI_BYTES(CFA_OFFSET(16)));
	cfi_add_fde(&debug, debug_cie, TEXT + 0x200, 0x100, CFI_BYTES(ADVANCE(16), CFA_OFFSET(16)));
	elf_builder_add_data(b, ".eh_frame", EH_FRAME, eh.bytes, eh.size);
	elf_builder_add_section(b, ".debug_frame", SHT_PROGBITS, 0, 0, debug.bytes, debug.size);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	_cleanup_(cfi_index) struct cfi_index *all = NULL, *rest = NULL;

	cr_assert_eq(cfi_index_build(file, false, &all), 0);
	cr_assert_eq(find(all, TEXT + 0xff, &start, &end), 0);
	cr_assert(start == TEXT && end == TEXT + 0x100);
	cr_assert_eq(find(all, TEXT + 0x303, &start, &end), 0);
	cr_assert(start == TEXT + 0x300 && end == TEXT + 0x304);
	cr_assert_eq(find(all, TEXT + 0x210, &start, &end), 0);
	cr_assert(start == TEXT + 0x210 && end == TEXT + 0x300);
	cr_assert_eq(find(all, TEXT + 0x100, &start, &end), -ENOENT);
	cr_assert_eq(find(all, TEXT - 1, &start, &end), -ENOENT);
	cr_assert_eq(find(all, TEXT + 0x320, &start, &end), -ENOENT);

	cr_assert_eq(cfi_index_build(file, true, &rest), 0);
	cr_assert_eq(find(rest, TEXT + 0x210, &start, &end), 0);
	cr_assert_eq(find(rest, TEXT, &start, &end), -ENOENT);
	cr_assert_lt(cfi_index_size(rest), cfi_index_size(all));
}

Test(cfi_index, a_file_without_any_has_none)
{
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(builder());
	struct cfi_index *index;

	cr_assert_eq(cfi_index_build(file, false, &index), -ENOENT);
}

static int note_libc(struct dl_phdr_info *info, size_t size, void *path)
{
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	strcpy(path, info->dlpi_name);
	return 1;
}

/* The linker's search table and a search of our own lead to the same rows. */
Test(cfi_index, it_agrees_with_the_linkers_table)
{
	_cleanup_(elf_file) struct elf_file *file = NULL;
	_cleanup_(cfi_index) struct cfi_index *index = NULL;
	_cleanup_(free) char *bytes = NULL;
	struct eh_index table;
	char path[4096];
	u64 start, size;
	size_t file_size, found = 0;

	cr_assert_eq(dl_iterate_phdr(note_libc, path), 1);
	cr_assert_eq(file_read(path, 64 << 20, &bytes, &file_size), 0);
	cr_assert_eq(elf_file_open_memory(bytes, file_size, "libc", &file), 0);
	cr_assert_eq(eh_index_open(file, &table), 0);
	cr_assert_eq(cfi_index_build(file, false, &index), 0);
	cr_assert_eq(elf_file_section(file, ".text", &start, &size), 0);
	for (u64 address = start; address < start + size; address += 101) {
		_cleanup_(fde) struct fde *a = NULL, *b = NULL;
		int err = fde_find(file, &table, address, &a);

		cr_assert_eq(cfi_index_find(index, address, &b), err, "at %#llx", address);
		if (err)
			continue;
		found++;
		cr_assert(a->start == b->start && a->end == b->end && a->signal == b->signal && a->size == b->size,
			  "at %#llx", address);
		cr_assert_eq(memcmp(a->bytes, b->bytes, a->size), 0);
	}
	cr_assert_gt(found, 1000);
}
