/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_cfi.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "elf/dwarf_value.h"
#include "elf/elf_image.h"

#define MAX_DEFLATE_RATIO 1032 /* zlib cannot do better: what claims to is made up */
#define GO_MAGIC	  "\xff Go buildinf:"
#define GO_MAGIC_ALIGN	  16
#define GO_SEARCH_SIZE	  (64u << 10) /* as far as Go's own debug/buildinfo looks */

/* A look into one file. */
struct look {
	struct elf_bytes *bytes;
	Elf *elf;
	u64 file_size;
};

/*
 * Bytes
 */

/* -ENOENT for what the file does not have: nothing is allocated before that is known. */
static int look_read(const struct look *look, u64 offset, u64 size, u8 **ret)
{
	if (!size || size > MAX_CFI_SIZE || offset > look->file_size || size > look->file_size - offset)
		return -ENOENT;
	_cleanup_(free) u8 *bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	if (elf_bytes_read(look->bytes, offset, bytes, size))
		return -ENOENT;
	*ret = take(bytes);
	return 0;
}

/* -ENOENT when these bytes are not what they claim. */
static int decompress(const u8 *from, size_t from_size, u64 size, struct elf_cfi_section *ret)
{
	if (!size || size > MAX_CFI_SIZE || size / MAX_DEFLATE_RATIO > from_size)
		return -ENOENT;
	_cleanup_(free) u8 *bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;

	uLongf got = size;
	if (uncompress(bytes, &got, from, from_size) != Z_OK || got != size)
		return -ENOENT;
	ret->bytes = take(bytes);
	ret->size = size;
	return 0;
}

/*
 * .eh_frame
 */

static int read_eh_frame_section(const struct look *look, struct elf_cfi_section *ret)
{
	GElf_Shdr header;

	if (!elf_image_find_section(look->elf, ".eh_frame", &header) || header.sh_type == SHT_NOBITS ||
	    !(header.sh_flags & SHF_ALLOC) || (header.sh_flags & SHF_COMPRESSED))
		return -ENOENT;
	int err = look_read(look, header.sh_offset, header.sh_size, &ret->bytes);
	if (err)
		return err;
	ret->size = header.sh_size;
	ret->address = header.sh_addr;
	return 0;
}

/* .eh_frame_hdr begins: version 1, how the pointer is encoded, two more encodings, the pointer. */
static bool read_eh_frame_pointer(const struct look *look, u64 *ret)
{
	GElf_Phdr segment;
	u8 bytes[4 + 8];

	if (!elf_image_find_segment(look->elf, PT_GNU_EH_FRAME, &segment) ||
	    elf_bytes_read(look->bytes, segment.p_offset, bytes, sizeof(bytes)))
		return false;
	if (bytes[0] != 1 || bytes[1] == EH_OMIT)
		return false;
	struct cursor c = cursor_of(bytes + 4, sizeof(bytes) - 4);
	*ret = cursor_eh_pointer(&c, bytes[1], segment.p_vaddr + 4, segment.p_vaddr);
	return !c.bad;
}

static int read_eh_frame_segment(const struct look *look, struct elf_cfi_section *ret)
{
	u64 address, offset, size;

	if (!read_eh_frame_pointer(look, &address) || !elf_image_locate(look->elf, address, &offset, &size) ||
	    offset >= look->file_size)
		return -ENOENT;
	if (size > look->file_size - offset)
		size = look->file_size - offset;
	if (size > MAX_CFI_SIZE)
		size = MAX_CFI_SIZE;
	int err = look_read(look, offset, size, &ret->bytes);
	if (err)
		return err;
	ret->size = size;
	ret->address = address;
	ret->ends_at_zero = true;
	return 0;
}

static int read_eh_frame(const struct look *look, struct elf_cfi_section *ret)
{
	int err = read_eh_frame_section(look, ret);

	if (err == -ENOENT)
		err = read_eh_frame_segment(look, ret);
	return err;
}

/*
 * .debug_frame
 */

/* SHF_COMPRESSED: an Elf64_Chdr, then a zlib stream. */
static int read_compressed(const struct look *look, const GElf_Shdr *header, struct elf_cfi_section *ret)
{
	_cleanup_(free) u8 *bytes = NULL;
	Elf64_Chdr compression;

	int err = look_read(look, header->sh_offset, header->sh_size, &bytes);
	if (err)
		return err;
	if (header->sh_size <= sizeof(compression))
		return -ENOENT;
	memcpy(&compression, bytes, sizeof(compression));
	if (compression.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOENT;
	return decompress(bytes + sizeof(compression), header->sh_size - sizeof(compression), compression.ch_size, ret);
}

/* The older way: "ZLIB", the size as 8 bytes big endian, then a zlib stream. */
static int read_zdebug_frame(const struct look *look, struct elf_cfi_section *ret)
{
	_cleanup_(free) u8 *bytes = NULL;
	GElf_Shdr header;
	u64 size;

	if (!elf_image_find_section(look->elf, ".zdebug_frame", &header) || header.sh_type == SHT_NOBITS)
		return -ENOENT;
	int err = look_read(look, header.sh_offset, header.sh_size, &bytes);
	if (err)
		return err;
	if (header.sh_size <= 12 || memcmp(bytes, "ZLIB", 4))
		return -ENOENT;
	memcpy(&size, bytes + 4, sizeof(size));
	return decompress(bytes + 12, header.sh_size - 12, __builtin_bswap64(size), ret);
}

static int read_debug_frame(const struct look *look, struct elf_cfi_section *ret)
{
	GElf_Shdr header;

	if (!elf_image_find_section(look->elf, ".debug_frame", &header))
		return read_zdebug_frame(look, ret);
	if (header.sh_type == SHT_NOBITS)
		return -ENOENT;
	if (header.sh_flags & SHF_COMPRESSED)
		return read_compressed(look, &header, ret);
	int err = look_read(look, header.sh_offset, header.sh_size, &ret->bytes);
	if (!err)
		ret->size = header.sh_size;
	return err;
}

/*
 * Code
 */

static int range_compare(const void *a, const void *b)
{
	const struct code_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts, and makes one of those that touch. */
static void ranges_unite(struct code_range *ranges, size_t *cnt)
{
	size_t kept = 0;

	qsort(ranges, *cnt, sizeof(*ranges), range_compare);
	for (size_t i = 0; i < *cnt; i++) {
		if (kept && ranges[i].start <= ranges[kept - 1].end) {
			if (ranges[i].end > ranges[kept - 1].end)
				ranges[kept - 1].end = ranges[i].end;
		} else {
			ranges[kept++] = ranges[i];
		}
	}
	*cnt = kept;
}

static bool range_of(const struct look *look, u64 address, u64 offset, u64 size, struct code_range *ret)
{
	if (offset >= look->file_size || !size)
		return false;
	if (size > look->file_size - offset)
		size = look->file_size - offset;
	return !__builtin_add_overflow(ret->start = address, size, &ret->end);
}

static int read_segments(const struct look *look, struct elf_cfi *cfi)
{
	GElf_Phdr segment;

	cfi->segments = calloc(MAX_PROGRAM_HEADERS, sizeof(*cfi->segments));
	if (!cfi->segments)
		return -ENOMEM;
	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(look->elf, i, &segment); i++) {
		if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
			cfi->segment_cnt += range_of(look, segment.p_vaddr, segment.p_offset, segment.p_filesz,
						     &cfi->segments[cfi->segment_cnt]);
	}
	ranges_unite(cfi->segments, &cfi->segment_cnt);
	return 0;
}

static int read_sections(const struct look *look, struct elf_cfi *cfi)
{
	size_t cnt = 0;

	if (elf_getshdrnum(look->elf, &cnt) || cnt > MAX_SECTIONS)
		cnt = 0;
	cfi->sections = calloc(cnt + MAX_PROGRAM_HEADERS, sizeof(*cfi->sections));
	if (!cfi->sections)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		GElf_Shdr header;

		if (gelf_getshdr(elf_getscn(look->elf, i), &header) && (header.sh_flags & SHF_EXECINSTR) &&
		    header.sh_type != SHT_NOBITS)
			cfi->section_cnt += range_of(look, header.sh_addr, header.sh_offset, header.sh_size,
						     &cfi->sections[cfi->section_cnt]);
	}
	ranges_unite(cfi->sections, &cfi->section_cnt);
	if (!cfi->section_cnt) {
		memcpy(cfi->sections, cfi->segments, cfi->segment_cnt * sizeof(*cfi->segments));
		cfi->section_cnt = cfi->segment_cnt;
	}
	return 0;
}

/*
 * Go
 */

/* What `go version FILE` looks for: at the beginning of a segment, where nothing was stripped. */
static int has_go_magic(const struct look *look, bool *ret)
{
	GElf_Phdr segment;
	_cleanup_(free) u8 *bytes = malloc(GO_SEARCH_SIZE);
	if (!bytes)
		return -ENOMEM;

	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(look->elf, i, &segment); i++) {
		size_t size = segment.p_filesz < GO_SEARCH_SIZE ? segment.p_filesz : GO_SEARCH_SIZE;

		if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) ||
		    elf_bytes_read(look->bytes, segment.p_offset, bytes, size))
			continue;
		for (size_t at = 0; at + GO_MAGIC_ALIGN <= size; at += GO_MAGIC_ALIGN)
			*ret |= !memcmp(bytes + at, GO_MAGIC, sizeof(GO_MAGIC) - 1);
	}
	return 0;
}

static int read_go(const struct look *look, bool *ret)
{
	GElf_Shdr header;
	size_t cnt;

	if (!elf_getshdrnum(look->elf, &cnt) && cnt > 1) {
		*ret = elf_image_find_section(look->elf, ".gopclntab", &header) ||
		       elf_image_find_section(look->elf, ".go.buildinfo", &header);
		return 0;
	}
	return has_go_magic(look, ret);
}

/*
 * All of it
 */

static int look_all(const struct look *look, struct elf_cfi *cfi)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(look->elf, &header))
		return -ENOEXEC;
	cfi->machine = header.e_machine;
	int err = read_segments(look, cfi);
	if (!err)
		err = read_sections(look, cfi);
	if (!err)
		err = read_go(look, &cfi->go);
	if (!err)
		err = read_eh_frame(look, &cfi->eh_frame);
	if (!err || err == -ENOENT)
		err = read_debug_frame(look, &cfi->debug_frame);
	return err == -ENOENT ? 0 : err;
}

int elf_cfi_read(struct elf_file *file, struct elf_cfi **ret)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	_cleanup_(elf_cfi) struct elf_cfi *cfi = calloc(1, sizeof(*cfi));
	if (!cfi)
		return -ENOMEM;

	int err = elf_image_begin(elf_file_bytes(file), &image);
	if (err)
		return err;
	struct look look = {.bytes = &image.bytes, .elf = image.elf};
	err = elf_bytes_size(look.bytes, &look.file_size);
	if (err)
		return err;
	err = look_all(&look, cfi);
	if (err)
		return err;
	*ret = take(cfi);
	return 0;
}

void elf_cfi_free(struct elf_cfi *cfi)
{
	if (!cfi)
		return;
	free(cfi->eh_frame.bytes);
	free(cfi->debug_frame.bytes);
	free(cfi->segments);
	free(cfi->sections);
	free(cfi);
}
