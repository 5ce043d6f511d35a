/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/elf_dynamic.h"
#include "elf/elf_image.h"
#include "elf/mini_symbols.h"

bool elf_symbols_exported(Elf *elf, struct symbol_source *ret)
{
	return elf_image_symbols(elf, SHT_DYNSYM, ret) || elf_dynamic_symbols(elf, ret);
}

bool elf_symbols_are_stripped(Elf *elf)
{
	struct symbol_source ignored;

	return !elf_image_symbols(elf, SHT_SYMTAB, &ignored) && !mini_symbols_exist(elf);
}

const char *elf_symbols_place(Elf *elf, bool has_debug_file)
{
	struct symbol_source ignored;

	if (elf_image_symbols(elf, SHT_SYMTAB, &ignored))
		return ".symtab";
	if (has_debug_file)
		return "debug file";
	if (mini_symbols_exist(elf))
		return ".gnu_debugdata";
	return elf_symbols_exported(elf, &ignored) ? ".dynsym" : "";
}

static int code_sections(Elf *elf, struct code_range **ret, size_t *ret_cnt)
{
	size_t cnt = 0;

	if (elf_getshdrnum(elf, &cnt) || cnt > MAX_SECTIONS)
		cnt = 0;
	struct code_range *ranges = calloc(cnt + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		GElf_Shdr header;
		u64 end;

		if (gelf_getshdr(elf_getscn(elf, i), &header) && (header.sh_flags & SHF_EXECINSTR) &&
		    !__builtin_add_overflow(header.sh_addr, header.sh_size, &end))
			ranges[i] = (struct code_range){header.sh_addr, end};
	}
	*ret = ranges;
	*ret_cnt = cnt;
	return 0;
}

/* The image that has what was stripped; none is no error, nor is one that is damaged or gone. */
static int open_elsewhere(Elf *elf, struct elf_bytes *debug, bool stripped, struct elf_bytes *ret_mini,
			  struct elf_image *ret)
{
	if (!stripped)
		return 0;
	if (!elf_bytes_exist(debug) && mini_symbols_read(elf, ret_mini))
		return 0;
	int err = elf_image_begin(elf_bytes_exist(debug) ? debug : ret_mini, ret);
	return err == -ENOMEM ? err : 0;
}

int elf_symbols_load(Elf *elf, struct elf_bytes *debug, const struct code_range *segments, size_t segment_cnt,
		     struct symbol_table **ret)
{
	_cleanup_(free) struct code_range *sections = NULL, *other_sections = NULL;
	size_t section_cnt, other_section_cnt = 0, cnt = 0, own_cnt;
	struct symbol_source sources[3];
	_cleanup_(elf_bytes) struct elf_bytes mini = ELF_BYTES_NONE;
	_cleanup_(elf_image) struct elf_image other = ELF_IMAGE_NONE;

	bool stripped = !elf_image_symbols(elf, SHT_SYMTAB, &sources[0]);
	cnt += !stripped;
	cnt += elf_symbols_exported(elf, &sources[cnt]);
	own_cnt = cnt;
	int err = code_sections(elf, &sections, &section_cnt);
	if (!err)
		err = open_elsewhere(elf, debug, stripped, &mini, &other);
	if (!err && other.elf)
		err = code_sections(other.elf, &other_sections, &other_section_cnt);
	if (err)
		return err;
	if (other.elf)
		cnt += elf_image_symbols(other.elf, SHT_SYMTAB, &sources[cnt]);

	for (size_t i = 0; i < cnt; i++) {
		sources[i].segments = segments;
		sources[i].segment_cnt = segment_cnt;
		sources[i].sections = i < own_cnt ? sections : other_sections;
		sources[i].section_cnt = i < own_cnt ? section_cnt : other_section_cnt;
	}
	return symbol_table_build(sources, cnt, ret);
}
