/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/eh_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "elf/dwarf_value.h"
#include "elf/elf_image.h"

#define HEADER_SIZE_MAX 20 /* four bytes, a pointer and a count of up to 8 bytes each */

/* Both relative to the header. Sorted by start: the linker's promise, and nothing breaks when it lied. */
struct row {
	s32 start;
	s32 entry;
};

static int eh_frame_header(struct elf_file *file, u64 *ret)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	GElf_Phdr segment;

	int err = elf_image_begin(elf_file_bytes(file), &image);
	if (err)
		return err;
	if (!elf_image_find_segment(image.elf, PT_GNU_EH_FRAME, &segment))
		return -ENOENT;
	*ret = segment.p_vaddr;
	return 0;
}

#define COUNT_ENCODING 0x03 /* u32 */
#define TABLE_ENCODING (EH_DATAREL | 0x0b) /* s32 */

static int eh_index_parse(u64 header, struct cursor *c, struct eh_index *ret)
{
	const u8 *begin = c->at;
	u8 version = cursor_u8(c), pointer = cursor_u8(c), count = cursor_u8(c), table = cursor_u8(c);

	if (version != 1 || count != COUNT_ENCODING || table != TABLE_ENCODING)
		return -ENOTSUP;
	cursor_eh_value(c, pointer); /* where .eh_frame begins */
	u32 cnt = cursor_u32(c);
	if (c->bad)
		return -ENOTSUP;
	*ret = (struct eh_index){.header = header, .table = header + (c->at - begin), .cnt = cnt};
	return 0;
}

int eh_index_open(struct elf_file *file, struct eh_index *ret)
{
	u8 bytes[HEADER_SIZE_MAX];
	u64 header;

	int err = eh_frame_header(file, &header);
	if (err)
		return err;
	/* A table of one row is longer than the longest header. */
	if (elf_file_read(file, header, bytes, sizeof(bytes)))
		return -ENOENT;

	struct cursor c = cursor_of(bytes, sizeof(bytes));
	return eh_index_parse(header, &c, ret);
}

static bool row_read(struct elf_file *file, const struct eh_index *index, u32 i, struct row *ret)
{
	return !elf_file_read(file, index->table + i * sizeof(*ret), ret, sizeof(*ret));
}

/* The last row that begins at or below address. */
static bool row_find(struct elf_file *file, const struct eh_index *index, u64 address, struct row *ret)
{
	u32 low = 0, high = index->cnt;
	struct row row, found = {};

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (!row_read(file, index, middle, &row))
			return false;
		if (index->header + row.start <= address) {
			found = row;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*ret = found;
	return low;
}

int eh_index_find(struct elf_file *file, const struct eh_index *index, u64 address, u64 *ret)
{
	struct row row;

	if (!row_find(file, index, address, &row))
		return -ENOENT;
	*ret = index->header + row.entry;
	return 0;
}

/*
 * An FDE begins with its length, the way back to its CIE, where its code begins and how
 * long that is. How the last two are written, the CIE says; but when the first of them,
 * read as every x86-64 compiler writes it, gives the start that the row says, it is so.
 */
struct fde_head {
	u32 length;
	u32 cie;
	s32 start; /* from here */
	u32 size;
};

int eh_index_range(struct elf_file *file, const struct eh_index *index, u64 address, struct code_range *ret)
{
	struct fde_head head;
	struct row row;

	if (!row_find(file, index, address, &row))
		return -ENOENT;
	u64 entry = index->header + row.entry, start = index->header + row.start;
	if (elf_file_read(file, entry, &head, sizeof(head)) || !head.cie ||
	    entry + offsetof(struct fde_head, start) + head.start != start)
		return -ENOTSUP;
	if (address - start >= head.size)
		return -ENOENT;
	*ret = (struct code_range){.start = start, .end = start + head.size};
	return 0;
}
