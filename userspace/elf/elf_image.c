/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_image.h"

#include <errno.h>
#include <string.h>

/*
 * libelf believes the number of sections: when e_shnum is 0 it is the size field
 * of section 0, and elf_begin() allocates and touches memory for each of them.
 */
static bool has_too_many_sections(struct elf_bytes *bytes, const Elf64_Ehdr *header)
{
	Elf64_Shdr first;

	if (header->e_shnum || !header->e_shoff)
		return false;
	return !elf_bytes_read(bytes, header->e_shoff, &first, sizeof(first)) && first.sh_size > MAX_SECTIONS;
}

static bool is_program(struct elf_bytes *bytes)
{
	static const u8 ident[] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
	Elf64_Ehdr header;

	if (elf_bytes_read(bytes, 0, &header, sizeof(header)) || memcmp(header.e_ident, ident, sizeof(ident)))
		return false;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return false;
	if (header.e_phentsize != sizeof(Elf64_Phdr) || !header.e_phnum || header.e_phnum > MAX_PROGRAM_HEADERS)
		return false;
	return !has_too_many_sections(bytes, &header);
}

int elf_image_begin(struct elf_bytes *bytes, struct elf_image *ret)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;

	int err = elf_bytes_hold(bytes, &image.bytes);
	if (err)
		return err;
	if (!is_program(&image.bytes))
		return -ENOEXEC;

	/* libelf maps nothing this way, which a file that shrinks would make us pay for. */
	elf_version(EV_CURRENT);
	image.elf = image.bytes.at ? elf_memory(image.bytes.at, image.bytes.size)
				   : elf_begin(image.bytes.fd, ELF_C_READ, NULL);
	if (!image.elf || elf_kind(image.elf) != ELF_K_ELF)
		return -ENOEXEC;
	*ret = image;
	image = ELF_IMAGE_NONE;
	return 0;
}

void elf_image_end(struct elf_image *image)
{
	elf_end(image->elf);
	elf_bytes_close(&image->bytes);
	image->elf = NULL;
}

const void *elf_image_bytes(Elf *elf, u64 offset, u64 size, Elf_Type type)
{
	if (!size || offset > INT64_MAX || size > INT64_MAX)
		return NULL;

	Elf_Data *data = elf_getdata_rawchunk(elf, offset, size, type);
	return data && data->d_size >= size ? data->d_buf : NULL;
}

bool elf_image_locate(Elf *elf, u64 address, u64 *ret_offset, u64 *ret_left)
{
	GElf_Phdr segment;

	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(elf, i, &segment); i++) {
		u64 distance = address - segment.p_vaddr;

		if (segment.p_type != PT_LOAD || address < segment.p_vaddr || distance >= segment.p_filesz)
			continue;
		*ret_offset = segment.p_offset + distance;
		*ret_left = segment.p_filesz - distance;
		return true;
	}
	return false;
}

bool elf_image_find_segment(Elf *elf, u32 type, GElf_Phdr *ret)
{
	GElf_Phdr segment;

	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(elf, i, &segment); i++) {
		if (segment.p_type != type)
			continue;
		*ret = segment;
		return true;
	}
	return false;
}

/* A section's bytes if they are strings: all of them, in the file, uncompressed. */
static const char *section_strings(Elf *elf, size_t index, size_t *ret_size)
{
	GElf_Shdr header;

	if (!gelf_getshdr(elf_getscn(elf, index), &header) || header.sh_type != SHT_STRTAB)
		return NULL;
	if ((header.sh_flags & SHF_COMPRESSED) || header.sh_size > MAX_STRINGS_SIZE)
		return NULL;
	*ret_size = header.sh_size;
	return elf_image_bytes(elf, header.sh_offset, header.sh_size, ELF_T_BYTE);
}

bool elf_image_find_section(Elf *elf, const char *name, GElf_Shdr *ret)
{
	size_t names_index, names_size, name_size = strlen(name) + 1;

	if (elf_getshdrstrndx(elf, &names_index))
		return false;
	const char *names = section_strings(elf, names_index, &names_size);
	if (!names)
		return false;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_name >= names_size)
			continue;
		if (names_size - header.sh_name >= name_size && !memcmp(names + header.sh_name, name, name_size)) {
			*ret = header;
			return true;
		}
	}
	return false;
}

static bool section_symbols(Elf *elf, const GElf_Shdr *header, struct symbol_source *ret)
{
	u64 cnt = header->sh_size / sizeof(Elf64_Sym);
	size_t strings_size;

	if (header->sh_flags & SHF_COMPRESSED)
		return false;
	if (cnt > MAX_SYMBOLS)
		cnt = MAX_SYMBOLS;
	const char *strings = section_strings(elf, header->sh_link, &strings_size);
	if (!strings)
		return false;
	const Elf64_Sym *symbols = elf_image_bytes(elf, header->sh_offset, cnt * sizeof(Elf64_Sym), ELF_T_SYM);
	if (!symbols)
		return false;
	*ret = (struct symbol_source){
		.symbols = symbols,
		.cnt = cnt,
		.strings = strings,
		.strings_size = strings_size,
	};
	return true;
}

bool elf_image_symbols(Elf *elf, u32 section_type, struct symbol_source *ret)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == section_type)
			return section_symbols(elf, &header, ret);
	}
	return false;
}
