/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/unit/build_elf.h"

#include <stdlib.h>
#include <string.h>

#define PAGE		4096
#define MAX_PARTS	64
#define DYNAMIC_ADDRESS 0x7000000 /* where .dynsym and its company are loaded */

struct bytes {
	char *at;
	size_t size;
};

struct section {
	Elf64_Shdr header;
	struct bytes content;
};

struct symbols {
	struct bytes table, names;
};

struct elf_builder {
	u16 type, machine;
	struct section sections[MAX_PARTS]; /* 0 is the empty one */
	u32 section_cnt;
	struct bytes section_names;
	Elf64_Phdr segments[MAX_PARTS];
	u32 segment_cnt;
	struct symbols symtab, dynsym;
	u64 soname; /* in dynsym.names; 0: none */
	bool no_section_headers, gnu_hash;
};

static void bytes_put(struct bytes *b, const void *data, size_t size)
{
	b->at = realloc(b->at, b->size + size + 1);
	if (!b->at)
		abort();
	if (data)
		memcpy(b->at + b->size, data, size);
	else
		memset(b->at + b->size, 0, size);
	b->size += size;
}

static u32 bytes_put_name(struct bytes *b, const char *name)
{
	u32 at = b->size;

	bytes_put(b, name, strlen(name) + 1);
	return at;
}

static void symbols_init(struct symbols *s)
{
	bytes_put(&s->table, NULL, sizeof(Elf64_Sym));
	bytes_put_name(&s->names, "");
}

struct elf_builder *elf_builder_new(u16 type, u16 machine)
{
	struct elf_builder *b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->type = type;
	b->machine = machine;
	b->section_cnt = 1;
	bytes_put_name(&b->section_names, "");
	symbols_init(&b->symtab);
	symbols_init(&b->dynsym);
	return b;
}

void elf_builder_free(struct elf_builder *b)
{
	for (u32 i = 0; i < b->section_cnt; i++)
		free(b->sections[i].content.at);
	free(b->section_names.at);
	free(b->symtab.table.at);
	free(b->symtab.names.at);
	free(b->dynsym.table.at);
	free(b->dynsym.names.at);
	free(b);
}

u32 elf_builder_add_section(struct elf_builder *b, const char *name, u32 type, u64 flags, u64 address,
			    const void *bytes, size_t size)
{
	u32 index = b->section_cnt++;
	struct section *section = &b->sections[index];

	if (index >= MAX_PARTS)
		abort();
	section->header = (Elf64_Shdr){
		.sh_name = bytes_put_name(&b->section_names, name),
		.sh_type = type,
		.sh_flags = flags,
		.sh_addr = address,
		.sh_size = size,
		.sh_addralign = 1,
	};
	if (type != SHT_NOBITS)
		bytes_put(&section->content, bytes, size);
	return index;
}

u32 elf_builder_add_code(struct elf_builder *b, const char *name, u64 address, const void *bytes, size_t size)
{
	return elf_builder_add_section(b, name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, address, bytes, size);
}

u32 elf_builder_add_data(struct elf_builder *b, const char *name, u64 address, const void *bytes, size_t size)
{
	return elf_builder_add_section(b, name, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, address, bytes, size);
}

void elf_builder_add_symbol(struct elf_builder *b, u32 table, const char *name, u8 bind, u8 type, u32 section,
			    u64 address, u64 size)
{
	struct symbols *symbols = table == SHT_DYNSYM ? &b->dynsym : &b->symtab;
	Elf64_Sym symbol = {
		.st_name = bytes_put_name(&symbols->names, name),
		.st_info = ELF64_ST_INFO(bind, type),
		.st_shndx = section,
		.st_value = address,
		.st_size = size,
	};

	bytes_put(&symbols->table, &symbol, sizeof(symbol));
}

void elf_builder_add_segment(struct elf_builder *b, const Elf64_Phdr *segment)
{
	if (b->segment_cnt == MAX_PARTS)
		abort();
	b->segments[b->segment_cnt++] = *segment;
}

void elf_builder_set_soname(struct elf_builder *b, const char *soname)
{
	b->soname = bytes_put_name(&b->dynsym.names, soname);
}

void elf_builder_strip_section_headers(struct elf_builder *b)
{
	b->no_section_headers = true;
}

void elf_builder_use_gnu_hash(struct elf_builder *b)
{
	b->gnu_hash = true;
}

/* One bucket, one chain: as small as a hash table gets. */
static struct bytes hash_make(struct elf_builder *b, u32 symbol_cnt)
{
	struct bytes hash = {0};

	if (!b->gnu_hash) {
		u32 head[] = {1, symbol_cnt, symbol_cnt > 1 ? 1 : 0};

		bytes_put(&hash, head, sizeof(head));
		for (u32 i = 0; i < symbol_cnt; i++)
			bytes_put(&hash, &(u32){i && i + 1 < symbol_cnt ? i + 1 : 0}, sizeof(u32));
		return hash;
	}
	/* Buckets, symbols left out, bloom words, shift; one bloom word that lets all through; the bucket. */
	u32 head[] = {1, 1, 1, 6, 0xffffffff, 0xffffffff, symbol_cnt > 1 ? 1 : 0};

	bytes_put(&hash, head, sizeof(head));
	for (u32 i = 1; i < symbol_cnt; i++)
		bytes_put(&hash, &(u32){i + 1 == symbol_cnt}, sizeof(u32));
	return hash;
}

static void add_symtab(struct elf_builder *b)
{
	const struct symbols *s = &b->symtab;

	if (s->table.size == sizeof(Elf64_Sym))
		return;
	u32 names = elf_builder_add_section(b, ".strtab", SHT_STRTAB, 0, 0, s->names.at, s->names.size);
	u32 table = elf_builder_add_section(b, ".symtab", SHT_SYMTAB, 0, 0, s->table.at, s->table.size);
	b->sections[table].header.sh_link = names;
	b->sections[table].header.sh_entsize = sizeof(Elf64_Sym);
}

/* A loaded section behind the last one; returns its address. */
static u64 add_loaded(struct elf_builder *b, u64 *next, const char *name, u32 type, const struct bytes *content)
{
	u64 address = *next;

	elf_builder_add_section(b, name, type, SHF_ALLOC, address, content->at, content->size);
	*next = (address + content->size + PAGE) & ~7ull;
	return address;
}

static void add_dynamic(struct elf_builder *b)
{
	u32 symbol_cnt = b->dynsym.table.size / sizeof(Elf64_Sym);
	u64 next = DYNAMIC_ADDRESS;

	if (symbol_cnt == 1 && !b->soname)
		return;

	struct bytes hash = hash_make(b, symbol_cnt);
	u64 names = add_loaded(b, &next, ".dynstr", SHT_STRTAB, &b->dynsym.names);
	u64 table = add_loaded(b, &next, ".dynsym", SHT_DYNSYM, &b->dynsym.table);
	b->sections[b->section_cnt - 1].header.sh_link = b->section_cnt - 2;
	b->sections[b->section_cnt - 1].header.sh_entsize = sizeof(Elf64_Sym);
	u64 hashes = add_loaded(b, &next, b->gnu_hash ? ".gnu.hash" : ".hash", b->gnu_hash ? SHT_GNU_HASH : SHT_HASH,
				&hash);

	Elf64_Dyn entries[] = {
		{DT_STRTAB, {names}},
		{DT_STRSZ, {b->dynsym.names.size}},
		{DT_SYMTAB, {table}},
		{DT_SYMENT, {sizeof(Elf64_Sym)}},
		{b->gnu_hash ? DT_GNU_HASH : DT_HASH, {hashes}},
		{b->soname ? DT_SONAME : DT_NULL, {b->soname}},
		{DT_NULL, {0}},
	};
	add_loaded(b, &next, ".dynamic", SHT_DYNAMIC, &(struct bytes){(char *)entries, sizeof(entries)});
	free(hash.at);
}

/* Offset and PT_LOAD of each section, PT_DYNAMIC of .dynamic; returns where the contents end. */
static u64 lay_out(struct elf_builder *b)
{
	u64 offset = sizeof(Elf64_Ehdr) + MAX_PARTS * sizeof(Elf64_Phdr);

	for (u32 i = 1; i < b->section_cnt; i++) {
		Elf64_Shdr *header = &b->sections[i].header;
		bool loaded = header->sh_flags & SHF_ALLOC;

		offset = (offset + 7) & ~7ull;
		if (loaded)
			offset += (header->sh_addr - offset) % PAGE;
		header->sh_offset = offset;
		Elf64_Phdr segment = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | (header->sh_flags & SHF_WRITE ? PF_W : 0) |
				   (header->sh_flags & SHF_EXECINSTR ? PF_X : 0),
			.p_offset = offset,
			.p_vaddr = header->sh_addr,
			.p_paddr = header->sh_addr,
			.p_filesz = b->sections[i].content.size,
			.p_memsz = header->sh_size,
			.p_align = PAGE,
		};
		if (loaded)
			elf_builder_add_segment(b, &segment);
		segment.p_type = PT_DYNAMIC;
		if (header->sh_type == SHT_DYNAMIC)
			elf_builder_add_segment(b, &segment);
		offset += b->sections[i].content.size;
	}
	return (offset + 7) & ~7ull;
}

static void write_section_headers(struct elf_builder *b, char *at, Elf64_Ehdr *header)
{
	header->e_shoff = at - (char *)header;
	header->e_shentsize = sizeof(Elf64_Shdr);
	header->e_shnum = b->section_cnt;
	header->e_shstrndx = b->section_cnt - 1;
	for (u32 i = 0; i < b->section_cnt; i++)
		memcpy(at + i * sizeof(Elf64_Shdr), &b->sections[i].header, sizeof(Elf64_Shdr));
}

static void write_parts(struct elf_builder *b, char *file)
{
	memcpy(file + sizeof(Elf64_Ehdr), b->segments, b->segment_cnt * sizeof(Elf64_Phdr));
	for (u32 i = 1; i < b->section_cnt; i++) {
		const struct bytes *content = &b->sections[i].content;

		if (content->size)
			memcpy(file + b->sections[i].header.sh_offset, content->at, content->size);
	}
}

void *elf_builder_finish(struct elf_builder *b, size_t *ret_size)
{
	add_symtab(b);
	add_dynamic(b);
	u32 names = elf_builder_add_section(b, ".shstrtab", SHT_STRTAB, 0, 0, NULL, 0);
	bytes_put(&b->sections[names].content, b->section_names.at, b->section_names.size);
	b->sections[names].header.sh_size = b->section_names.size;

	u64 headers = lay_out(b);
	size_t size = headers + (b->no_section_headers ? 0 : b->section_cnt * sizeof(Elf64_Shdr));
	char *file = calloc(1, size);
	if (!file)
		abort();

	Elf64_Ehdr header = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = b->type,
		.e_machine = b->machine,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = b->segment_cnt,
	};
	memcpy(file, &header, sizeof(header));
	write_parts(b, file);
	if (!b->no_section_headers)
		write_section_headers(b, file + headers, (Elf64_Ehdr *)file);
	elf_builder_free(b);
	*ret_size = size;
	return file;
}

struct elf_file *elf_builder_open(struct elf_builder *b)
{
	struct elf_file *file = NULL;
	size_t size;

	_cleanup_(free) void *bytes = elf_builder_finish(b, &size);
	if (elf_file_open_memory(bytes, size, "built", &file))
		return NULL;
	return file;
}

Elf64_Ehdr *built_elf_header(void *bytes)
{
	return bytes;
}

Elf64_Shdr *built_elf_section(void *bytes, const char *name)
{
	Elf64_Ehdr *header = bytes;
	Elf64_Shdr *sections = (Elf64_Shdr *)((char *)bytes + header->e_shoff);
	const char *names = (char *)bytes + sections[header->e_shstrndx].sh_offset;

	for (u32 i = 0; i < header->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, name))
			return &sections[i];
	}
	abort();
}

Elf64_Phdr *built_elf_segment(void *bytes, size_t i)
{
	Elf64_Ehdr *header = bytes;

	if (i >= header->e_phnum)
		abort();
	return (Elf64_Phdr *)((char *)bytes + header->e_phoff) + i;
}
