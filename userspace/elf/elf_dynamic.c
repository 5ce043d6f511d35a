/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_dynamic.h"

#include <string.h>

#include "base/cursor.h"
#include "elf/elf_image.h"

#define MAX_DYNAMIC_ENTRIES 4096

/* The entries we use, by tag; addresses are vaddrs, 0 where there is no entry. */
struct dynamic {
	u64 symbols, strings, strings_size, hash, gnu_hash, soname;
};

static void dynamic_take(struct dynamic *dynamic, const Elf64_Dyn *entry)
{
	switch (entry->d_tag) {
	case DT_SYMTAB:
		dynamic->symbols = entry->d_un.d_ptr;
		break;
	case DT_STRTAB:
		dynamic->strings = entry->d_un.d_ptr;
		break;
	case DT_STRSZ:
		dynamic->strings_size = entry->d_un.d_val;
		break;
	case DT_HASH:
		dynamic->hash = entry->d_un.d_ptr;
		break;
	case DT_GNU_HASH:
		dynamic->gnu_hash = entry->d_un.d_ptr;
		break;
	case DT_SONAME:
		dynamic->soname = entry->d_un.d_val;
		break;
	}
}

static bool dynamic_read(Elf *elf, struct dynamic *ret)
{
	GElf_Phdr segment;

	if (!elf_image_find_segment(elf, PT_DYNAMIC, &segment))
		return false;

	u64 cnt = segment.p_filesz / sizeof(Elf64_Dyn);
	if (cnt > MAX_DYNAMIC_ENTRIES)
		cnt = MAX_DYNAMIC_ENTRIES;
	const Elf64_Dyn *entries = elf_image_bytes(elf, segment.p_offset, cnt * sizeof(Elf64_Dyn), ELF_T_DYN);
	if (!entries)
		return false;
	*ret = (struct dynamic){0};
	for (u64 i = 0; i < cnt && entries[i].d_tag != DT_NULL; i++)
		dynamic_take(ret, &entries[i]);
	return true;
}

/* At most limit bytes at vaddr, fewer where the file ends; an empty cursor when it has none. */
static struct cursor bytes_at(Elf *elf, u64 address, u64 limit)
{
	u64 offset, left;

	if (!elf_image_locate(elf, address, &offset, &left))
		return cursor_of("", 0);

	u64 size = left < limit ? left : limit;
	const void *bytes = elf_image_bytes(elf, offset, size, ELF_T_BYTE);
	return bytes ? cursor_of(bytes, size) : cursor_of("", 0);
}

static const char *dynamic_strings(Elf *elf, const struct dynamic *dynamic, size_t *ret_size)
{
	if (dynamic->strings_size > MAX_STRINGS_SIZE)
		return NULL;

	struct cursor c = bytes_at(elf, dynamic->strings, dynamic->strings_size);
	*ret_size = cursor_left(&c);
	return *ret_size ? (const char *)c.at : NULL;
}

/*
 * DT_GNU_HASH does not say how many symbols there are: the last one is at the end of
 * the chain that begins highest; an odd hash ends a chain. Layout: counts of buckets,
 * of symbols left out, of bloom words, a shift; bloom words; buckets; one hash for
 * each symbol. (https://flapenguin.me/elf-dt-gnu-hash)
 */
static u64 gnu_hash_symbol_cnt(Elf *elf, u64 address)
{
	struct cursor c = bytes_at(elf, address, 16);
	u32 bucket_cnt = cursor_u32(&c), left_out = cursor_u32(&c), bloom_cnt = cursor_u32(&c);
	u64 buckets = address + 16 + (u64)bloom_cnt * 8;
	u32 last = 0;

	c = bytes_at(elf, buckets, (u64)bucket_cnt * 4);
	for (u32 i = 0; i < bucket_cnt && !c.bad; i++) {
		u32 first = cursor_u32(&c);
		if (first > last)
			last = first;
	}
	if (c.bad || last < left_out || last >= MAX_SYMBOLS)
		return 0;

	c = bytes_at(elf, buckets + (u64)bucket_cnt * 4 + (u64)(last - left_out) * 4, MAX_SYMBOLS * 4ull);
	while (!c.bad && !(cursor_u32(&c) & 1))
		last++;
	return c.bad ? 0 : (u64)last + 1;
}

static u64 dynamic_symbol_cnt(Elf *elf, const struct dynamic *dynamic)
{
	if (!dynamic->hash)
		return dynamic->gnu_hash ? gnu_hash_symbol_cnt(elf, dynamic->gnu_hash) : 0;

	/* DT_HASH: counts of buckets and of chains; there is a chain link for each symbol. */
	struct cursor c = bytes_at(elf, dynamic->hash, 8);
	cursor_u32(&c);
	return cursor_u32(&c);
}

bool elf_dynamic_symbols(Elf *elf, struct symbol_source *ret)
{
	struct dynamic dynamic;
	size_t strings_size;
	u64 offset, left;

	if (!dynamic_read(elf, &dynamic) || !elf_image_locate(elf, dynamic.symbols, &offset, &left))
		return false;
	u64 cnt = dynamic_symbol_cnt(elf, &dynamic);
	if (cnt > MAX_SYMBOLS || cnt > left / sizeof(Elf64_Sym))
		return false;
	const char *strings = dynamic_strings(elf, &dynamic, &strings_size);
	if (!strings)
		return false;
	const Elf64_Sym *symbols = elf_image_bytes(elf, offset, cnt * sizeof(Elf64_Sym), ELF_T_SYM);
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

const char *elf_dynamic_soname(Elf *elf)
{
	struct dynamic dynamic;
	size_t size;

	if (!dynamic_read(elf, &dynamic) || !dynamic.soname)
		return NULL;
	const char *strings = dynamic_strings(elf, &dynamic, &size);
	if (!strings || dynamic.soname >= size)
		return NULL;

	const char *name = strings + dynamic.soname;
	return name[0] && memchr(name, 0, size - dynamic.soname) ? name : NULL;
}
