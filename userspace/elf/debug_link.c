/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/debug_link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "elf/elf_image.h"

#define MAX_NOTES_SIZE	     (64u << 10)
#define MAX_DEBUG_LINK_SIZE  4096
#define MAX_CHECKSUMMED_SIZE (1ull << 30) /* a second of reading */

/* A note: sizes of owner and content, type; owner; content; each padded to `align`. */
static bool notes_find_build_id(struct cursor notes, u64 align, struct debug_link *ret)
{
	while (!notes.bad && cursor_left(&notes)) {
		u32 owner_size = cursor_u32(&notes), size = cursor_u32(&notes), type = cursor_u32(&notes);
		/* The header's 12 bytes count in the padding. */
		size_t owner_room = ((u64)owner_size + 12 + align - 1) / align * align - 12;
		const char *owner = cursor_take(&notes, owner_room);
		const u8 *content = cursor_take(&notes, size);
		size_t padding = (align - size % align) % align;

		if (notes.bad)
			return false;
		if (type == NT_GNU_BUILD_ID && owner_size == 4 && !memcmp(owner, "GNU", 4) && size &&
		    size <= BUILD_ID_SIZE_MAX) {
			memcpy(ret->build_id, content, size);
			ret->build_id_size = size;
			return true;
		}
		cursor_take(&notes, padding < cursor_left(&notes) ? padding : cursor_left(&notes));
	}
	return false;
}

static bool notes_at(Elf *elf, u64 offset, u64 size, u64 align, struct debug_link *ret)
{
	if (size > MAX_NOTES_SIZE)
		return false;
	const void *bytes = elf_image_bytes(elf, offset, size, ELF_T_BYTE);
	return bytes && notes_find_build_id(cursor_of(bytes, size), align == 8 ? 8 : 4, ret);
}

/* Sections last: sstrip takes them away. But a debug file's segments lead nowhere. */
static void read_build_id(Elf *elf, struct debug_link *ret)
{
	GElf_Phdr segment;
	GElf_Shdr section;

	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(elf, i, &segment); i++) {
		if (segment.p_type == PT_NOTE &&
		    notes_at(elf, segment.p_offset, segment.p_filesz, segment.p_align, ret))
			return;
	}
	if (elf_image_find_section(elf, ".note.gnu.build-id", &section) && section.sh_type == SHT_NOTE)
		notes_at(elf, section.sh_offset, section.sh_size, section.sh_addralign, ret);
}

static bool is_base_name(const char *name, size_t length)
{
	return length && !memchr(name, '/', length) && strcmp(name, ".") && strcmp(name, "..");
}

static void read_name(Elf *elf, struct debug_link *ret)
{
	GElf_Shdr section;

	if (!elf_image_find_section(elf, ".gnu_debuglink", &section) || section.sh_type != SHT_PROGBITS ||
	    (section.sh_flags & SHF_COMPRESSED) || section.sh_size > MAX_DEBUG_LINK_SIZE)
		return;
	const char *name = elf_image_bytes(elf, section.sh_offset, section.sh_size, ELF_T_BYTE);
	if (!name)
		return;

	size_t length = strnlen(name, section.sh_size);
	struct cursor c = cursor_of(name, section.sh_size);
	cursor_take(&c, (length + 4) / 4 * 4);
	u32 crc = cursor_u32(&c);
	if (c.bad || length >= sizeof(ret->name) || !is_base_name(name, length))
		return;
	memcpy(ret->name, name, length + 1);
	ret->crc = crc;
}

void debug_link_read(Elf *elf, struct debug_link *ret)
{
	*ret = (struct debug_link){0};
	read_build_id(elf, ret);
	read_name(elf, ret);
}

void debug_link_read_notes(const void *notes, size_t size, struct debug_link *ret)
{
	*ret = (struct debug_link){0};
	notes_find_build_id(cursor_of(notes, size), 4, ret);
}

static int checksum_file(struct elf_bytes *bytes, u32 *ret)
{
	u8 part[32768];
	u64 size, step;
	u32 crc = 0;

	int err = elf_bytes_size(bytes, &size);
	if (err)
		return err;
	if (size > MAX_CHECKSUMMED_SIZE)
		return -EFBIG;
	for (u64 offset = 0; offset < size; offset += step) {
		step = size - offset < sizeof(part) ? size - offset : sizeof(part);
		err = elf_bytes_read(bytes, offset, part, step);
		if (err)
			return err;
		crc = crc32(crc, part, step);
	}
	*ret = crc;
	return 0;
}

int debug_link_check(const struct debug_link *link, struct elf_bytes *bytes)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	struct debug_link other;
	u32 crc;

	int err = elf_image_begin(bytes, &image);
	if (err)
		return err;
	debug_link_read(image.elf, &other);
	if (link->build_id_size && other.build_id_size) {
		bool same = link->build_id_size == other.build_id_size &&
			    !memcmp(link->build_id, other.build_id, link->build_id_size);
		return same ? 0 : -ESTALE;
	}
	if (!link->name[0])
		return -ESTALE;
	err = checksum_file(&image.bytes, &crc);
	if (err)
		return err;
	return crc == link->crc ? 0 : -ESTALE;
}
