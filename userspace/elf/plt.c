/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/plt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cursor.h"
#include "base/strbuf.h"
#include "elf/elf_image.h"
#include "elf/elf_symbols.h"

#define MAX_PLT_SIZE	(4u << 20)
#define MAX_RELOCATIONS (1u << 20)
#define MAX_NAMES_SIZE	(16u << 20)

/* One has 8 bytes, or 16 with what else a lazy one does; sections do not say which. */
#define STUB_ALIGNMENT 8
#define STUB_SIZE      16

/* What the loader writes into one slot of the GOT. */
struct slot {
	u64 address;
	u64 addend;
	u32 symbol;
	u32 type;
};

struct slots {
	struct slot *at; /* sorted by address */
	size_t cnt, capacity;
};

/* The stubs as a symbol section that no linker wrote. */
struct stubs {
	Elf64_Sym *at;
	size_t cnt, capacity;
	struct strbuf names;
};

static inline void slots_cleanup_(struct slots *slots)
{
	free(slots->at);
}

static inline void stubs_cleanup_(struct stubs *stubs)
{
	free(stubs->at);
	strbuf_deinit(&stubs->names);
}

static int slot_compare(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int slots_add(struct slots *slots, Elf *elf, const char *section_name)
{
	GElf_Shdr section;

	if (!elf_image_find_section(elf, section_name, &section) || section.sh_type != SHT_RELA ||
	    (section.sh_flags & SHF_COMPRESSED))
		return 0;
	u64 cnt = section.sh_size / sizeof(Elf64_Rela);
	if (cnt > MAX_RELOCATIONS)
		cnt = MAX_RELOCATIONS;
	const Elf64_Rela *relocations = elf_image_bytes(elf, section.sh_offset, cnt * sizeof(*relocations), ELF_T_RELA);
	if (!relocations)
		return 0;

	for (u64 i = 0; i < cnt; i++) {
		const Elf64_Rela *next = &relocations[i];
		u32 type = ELF64_R_TYPE(next->r_info);

		if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_IRELATIVE)
			continue;
		struct slot *at = array_reserve(slots->at, &slots->capacity, slots->cnt + 1, sizeof(*at));
		if (!at)
			return -ENOMEM;
		slots->at = at;
		slots->at[slots->cnt++] = (struct slot){
			.address = next->r_offset,
			.addend = next->r_addend,
			.symbol = ELF64_R_SYM(next->r_info),
			.type = type,
		};
	}
	return 0;
}

static const struct slot *slots_find(const struct slots *slots, u64 address)
{
	struct slot key = {.address = address};

	return slots->cnt ? bsearch(&key, slots->at, slots->cnt, sizeof(key), slot_compare) : NULL;
}

/*
 * What may stand before the jump: endbr64; the prefix `bnd`; mold's `mov $INDEX, %r11d`.
 * Only the bytes that are fixed are given.
 */
static const struct {
	u8 bytes[4];
	size_t fixed, size;
} openings[] = {
	{{0xf3, 0x0f, 0x1e, 0xfa}, 4, 4},
	{{0x41, 0xbb}, 2, 6},
	{{0xf2}, 1, 1},
};

/* `jmp *DISTANCE(%rip)` behind any openings, in this order. *ret: the slot's address. */
static bool stub_decode(struct cursor code, u64 address, u64 *ret)
{
	const u8 *start = code.at;

	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		if (cursor_left(&code) > openings[i].size && !memcmp(code.at, openings[i].bytes, openings[i].fixed))
			cursor_take(&code, openings[i].size);
	}
	u8 opcode = cursor_u8(&code), operand = cursor_u8(&code);
	s32 distance = cursor_u32(&code);
	if (code.bad || opcode != 0xff || operand != 0x25)
		return false;
	*ret = address + (code.at - start) + (s64)distance;
	return true;
}

static int stubs_add(struct stubs *stubs, u64 address, u64 size, const char *name, size_t length)
{
	if (stubs->names.size > MAX_NAMES_SIZE)
		return -E2BIG;
	Elf64_Sym *at = array_reserve(stubs->at, &stubs->capacity, stubs->cnt + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	stubs->at = at;
	stubs->at[stubs->cnt++] = (Elf64_Sym){
		.st_name = stubs->names.size,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = SHN_ABS,
		.st_value = address,
		.st_size = size,
	};
	strbuf_put_size(&stubs->names, name, length);
	strbuf_put_size(&stubs->names, "@plt", sizeof("@plt"));
	return stubs->names.failed ? -ENOMEM : 0;
}

/* The stub before address ends there at the latest. */
static void stubs_end(struct stubs *stubs, size_t first, u64 address)
{
	Elf64_Sym *last = stubs->cnt > first ? &stubs->at[stubs->cnt - 1] : NULL;

	if (last && last->st_value + last->st_size > address)
		last->st_size = address - last->st_value;
}

static const char *slot_name(const struct slot *slot, const struct symbol_source *exports,
			     const struct symbol_table *symbols, size_t *ret_length)
{
	if (slot->type == R_X86_64_IRELATIVE) {
		const struct symbol *resolver = symbols ? symbol_table_find(symbols, slot->addend) : NULL;

		if (!resolver)
			return NULL;
		*ret_length = strlen(resolver->name);
		return resolver->name;
	}
	return slot->symbol < exports->cnt ? symbol_source_name(exports, &exports->symbols[slot->symbol], ret_length)
					   : NULL;
}

static int stubs_add_section(struct stubs *stubs, Elf *elf, const char *section_name, const struct slots *slots,
			     const struct symbol_source *exports, const struct symbol_table *symbols)
{
	GElf_Shdr section;
	u64 end;

	if (!elf_image_find_section(elf, section_name, &section) || section.sh_type != SHT_PROGBITS ||
	    (section.sh_flags & SHF_COMPRESSED) || section.sh_size > MAX_PLT_SIZE ||
	    __builtin_add_overflow(section.sh_addr, section.sh_size, &end))
		return 0;
	const u8 *bytes = elf_image_bytes(elf, section.sh_offset, section.sh_size, ELF_T_BYTE);
	if (!bytes)
		return 0;

	size_t first = stubs->cnt;
	for (u64 offset = 0; offset < section.sh_size; offset += STUB_ALIGNMENT) {
		u64 left = section.sh_size - offset, address = section.sh_addr + offset, slot_address;
		size_t length;

		if (!stub_decode(cursor_of(bytes + offset, left < STUB_SIZE ? left : STUB_SIZE), address,
				 &slot_address))
			continue;
		stubs_end(stubs, first, address);
		const struct slot *slot = slots_find(slots, slot_address);
		const char *name = slot ? slot_name(slot, exports, symbols, &length) : NULL;
		int err = name ? stubs_add(stubs, address, left < STUB_SIZE ? left : STUB_SIZE, name, length) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int stubs_collect(struct stubs *stubs, Elf *elf, const struct symbol_table *symbols)
{
	static const char *const relocations[] = {".rela.plt", ".rela.dyn"};
	static const char *const sections[] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
	_cleanup_(slots) struct slots slots = {0};
	struct symbol_source exports = {0};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(relocations) / sizeof(relocations[0]); i++)
		err = slots_add(&slots, elf, relocations[i]);
	if (err || !slots.cnt)
		return err;
	qsort(slots.at, slots.cnt, sizeof(*slots.at), slot_compare);
	elf_symbols_exported(elf, &exports);
	for (size_t i = 0; !err && i < sizeof(sections) / sizeof(sections[0]); i++)
		err = stubs_add_section(stubs, elf, sections[i], &slots, &exports, symbols);
	return err;
}

int plt_load(Elf *elf, const struct code_range *segments, size_t segment_cnt, const struct symbol_table *symbols,
	     struct symbol_table **ret)
{
	_cleanup_(stubs) struct stubs stubs = {.names = {.at = (char *)""}};
	GElf_Ehdr header;

	if (gelf_getehdr(elf, &header) && header.e_machine == EM_X86_64) {
		int err = stubs_collect(&stubs, elf, symbols);
		if (err)
			return err;
	}

	struct symbol_source source = {
		.symbols = stubs.at,
		.cnt = stubs.cnt,
		.strings = stubs.names.at,
		.strings_size = stubs.names.size,
		.segments = segments,
		.segment_cnt = segment_cnt,
	};
	return symbol_table_build(&source, 1, ret);
}
