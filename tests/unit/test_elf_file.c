/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf/elf_file.h"
#include "tests/unit/build_elf.h"

#define TEXT 0x401000

static struct elf_builder *builder(void)
{
	return elf_builder_new(ET_DYN, EM_X86_64);
}

static u32 add_text(struct elf_builder *b, size_t size)
{
	return elf_builder_add_code(b, ".text", TEXT, NULL, size);
}

static void add_function(struct elf_builder *b, const char *name, u8 bind, u32 section, u64 address, u64 size)
{
	elf_builder_add_symbol(b, SHT_SYMTAB, name, bind, STT_FUNC, section, address, size);
}

static const char *name_at(struct elf_file *file, u64 address)
{
	const struct symbol *symbol = elf_file_symbol(file, address);

	return symbol ? symbol->name : "none";
}

static struct elf_file *open_bytes(const void *bytes, size_t size)
{
	struct elf_file *file = NULL;

	return elf_file_open_memory(bytes, size, "test", &file) ? NULL : file;
}

/*
 * What the file says, on files we made
 */

Test(elf_file, a_symbol_covers_its_size_and_no_more)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 256);
	add_function(b, "one", STB_GLOBAL, text, TEXT + 16, 16);
	add_function(b, "two", STB_LOCAL, text, TEXT + 64, 1);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 15), "none");
	cr_assert_str_eq(name_at(file, TEXT + 16), "one");
	cr_assert_str_eq(name_at(file, TEXT + 31), "one");
	cr_assert_str_eq(name_at(file, TEXT + 32), "none");
	cr_assert_str_eq(name_at(file, TEXT + 64), "two");
	cr_assert_str_eq(name_at(file, TEXT + 65), "none");
	cr_assert_str_eq(name_at(file, 0), "none");
	cr_assert_str_eq(name_at(file, UINT64_MAX), "none");
}

Test(elf_file, a_symbol_without_size_reaches_to_the_next_one)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 256);
	add_function(b, "open", STB_GLOBAL, text, TEXT, 0);
	add_function(b, "next", STB_GLOBAL, text, TEXT + 32, 8);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 31), "open");
	cr_assert_eq(elf_file_symbol(file, TEXT)->size, 32);
	cr_assert_str_eq(name_at(file, TEXT + 32), "next");
}

Test(elf_file, a_symbol_without_size_ends_with_its_section)
{
	struct elf_builder *b = builder();
	u32 init = elf_builder_add_code(b, ".init", 0x1000, NULL, 27);
	u32 text = add_text(b, 64);
	add_function(b, "_init", STB_LOCAL, init, 0x1000, 0);
	add_function(b, "last", STB_LOCAL, text, TEXT + 48, 0);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, 0x1000 + 26), "_init");
	cr_assert_str_eq(name_at(file, 0x1000 + 27), "none");
	cr_assert_str_eq(name_at(file, TEXT + 63), "last");
	cr_assert_str_eq(name_at(file, TEXT + 64), "none");
}

Test(elf_file, after_an_inner_function_the_outer_one_goes_on)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 256);
	add_function(b, "outer", STB_GLOBAL, text, TEXT, 100);
	add_function(b, "inner", STB_GLOBAL, text, TEXT + 10, 10);
	add_function(b, "inmost", STB_GLOBAL, text, TEXT + 12, 2);
	add_function(b, "second", STB_GLOBAL, text, TEXT + 40, 10);
	add_function(b, "later", STB_GLOBAL, text, TEXT + 90, 20);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 9), "outer");
	cr_assert_str_eq(name_at(file, TEXT + 11), "inner");
	cr_assert_str_eq(name_at(file, TEXT + 13), "inmost");
	cr_assert_str_eq(name_at(file, TEXT + 14), "inner");
	cr_assert_str_eq(name_at(file, TEXT + 20), "outer");
	cr_assert_str_eq(name_at(file, TEXT + 49), "second");
	cr_assert_str_eq(name_at(file, TEXT + 50), "outer");
	cr_assert_str_eq(name_at(file, TEXT + 105), "later");
	cr_assert_str_eq(name_at(file, TEXT + 110), "none");
}

struct choice {
	char better[32], worse[32];
	u8 better_bind, worse_bind, worse_type;
};

ParameterizedTestParameters(elf_file, the_better_of_two_names_wins)
{
	static struct choice rows[] = {
		{"global", "local", STB_GLOBAL, STB_LOCAL, STT_FUNC},
		{"weak", "a", STB_WEAK, STB_LOCAL, STT_FUNC},
		{"malloc", "__libc_malloc", STB_GLOBAL, STB_GLOBAL, STT_FUNC},
		{"write", "__write", STB_WEAK, STB_GLOBAL, STT_FUNC},
		{"longer_name", "short.part.0", STB_LOCAL, STB_LOCAL, STT_FUNC},
		{"_function", "a", STB_LOCAL, STB_GLOBAL, STT_NOTYPE},
		{"a", "b", STB_GLOBAL, STB_GLOBAL, STT_FUNC},
	};

	return cr_make_param_array(struct choice, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct choice *row, elf_file, the_better_of_two_names_wins)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		struct elf_builder *b = builder();
		u32 text = add_text(b, 64);
		for (int i = 0; i < 2; i++) {
			if (i == swapped)
				add_function(b, row->better, row->better_bind, text, TEXT, 8);
			else
				elf_builder_add_symbol(b, SHT_SYMTAB, row->worse, row->worse_bind, row->worse_type,
						       text, TEXT, 8);
		}
		_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
		cr_assert_str_eq(name_at(file, TEXT), row->better);
	}
}

Test(elf_file, an_alias_without_size_does_not_shorten_a_function)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);
	add_function(b, "alias", STB_GLOBAL, text, TEXT, 0);
	add_function(b, "function", STB_LOCAL, text, TEXT, 32);
	elf_builder_add_symbol(b, SHT_SYMTAB, "label", STB_GLOBAL, STT_NOTYPE, text, TEXT + 4, 0);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 31), "alias");
	cr_assert_eq(elf_file_symbol(file, TEXT + 8)->size, 32);
}

Test(elf_file, hand_written_assembly_needs_no_type)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);
	u32 data = elf_builder_add_data(b, ".data", 0x8000, NULL, 64);
	elf_builder_add_symbol(b, SHT_SYMTAB, "_start", STB_GLOBAL, STT_NOTYPE, text, TEXT, 0);
	elf_builder_add_symbol(b, SHT_SYMTAB, "resolved", STB_GLOBAL, STT_GNU_IFUNC, text, TEXT + 32, 16);
	elf_builder_add_symbol(b, SHT_SYMTAB, "$x", STB_LOCAL, STT_NOTYPE, text, TEXT + 16, 0);
	elf_builder_add_symbol(b, SHT_SYMTAB, "variable", STB_GLOBAL, STT_OBJECT, text, TEXT + 20, 4);
	elf_builder_add_symbol(b, SHT_SYMTAB, "__data_start", STB_GLOBAL, STT_NOTYPE, data, 0x8000, 0);
	elf_builder_add_symbol(b, SHT_SYMTAB, "missing", STB_GLOBAL, STT_FUNC, SHN_UNDEF, TEXT + 24, 8);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 31), "_start");
	cr_assert_str_eq(name_at(file, TEXT + 32), "resolved");
	cr_assert_str_eq(name_at(file, TEXT + 48), "none");
	cr_assert_str_eq(name_at(file, 0x8000), "none");
}

static void add_dynamic_function(struct elf_builder *b, const char *name, u32 section, u64 address)
{
	elf_builder_add_symbol(b, SHT_DYNSYM, name, STB_GLOBAL, STT_FUNC, section, address, 16);
}

Test(elf_file, both_symbol_tables_are_read)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);
	add_dynamic_function(b, "exported", text, TEXT);
	add_function(b, "internal", STB_LOCAL, text, TEXT + 16, 16);
	add_function(b, "exported_inside", STB_LOCAL, text, TEXT, 16);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT), "exported");
	cr_assert_str_eq(name_at(file, TEXT + 16), "internal");
}

static void check_without_section_headers(struct elf_builder *b)
{
	u32 text = add_text(b, 64);
	add_dynamic_function(b, "first", text, TEXT);
	add_dynamic_function(b, "last", text, TEXT + 16);
	elf_builder_set_soname(b, "libbuilt.so.1");
	elf_builder_strip_section_headers(b);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	u64 address, size;

	cr_assert_str_eq(name_at(file, TEXT + 15), "first");
	cr_assert_str_eq(name_at(file, TEXT + 31), "last");
	cr_assert_str_eq(elf_file_soname(file), "libbuilt.so.1");
	cr_assert_eq(elf_file_object(file, "last", &address, &size), 0);
	cr_assert_eq(address, TEXT + 16);
	cr_assert_eq(elf_file_section(file, ".text", &address, &size), -ENOENT);
}

Test(elf_file, without_section_headers_exports_are_found_as_the_loader_does)
{
	check_without_section_headers(builder());
}

Test(elf_file, a_gnu_hash_table_tells_how_many_symbols_there_are)
{
	struct elf_builder *b = builder();

	elf_builder_use_gnu_hash(b);
	check_without_section_headers(b);
}

Test(elf_file, sections_and_objects_are_found_by_name)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);
	u32 data = elf_builder_add_data(b, ".PyRuntime", 0x9000, "xdebugpy", 8);
	elf_builder_add_symbol(b, SHT_DYNSYM, "_PyRuntime", STB_GLOBAL, STT_OBJECT, data, 0x9000, 8);
	elf_builder_add_symbol(b, SHT_DYNSYM, "undefined", STB_GLOBAL, STT_OBJECT, SHN_UNDEF, 1, 8);
	elf_builder_add_symbol(b, SHT_SYMTAB, "hidden", STB_LOCAL, STT_OBJECT, data, 0x9004, 4);
	elf_builder_add_symbol(b, SHT_SYMTAB, "thread_local", STB_LOCAL, STT_TLS, data, 16, 4);
	add_function(b, "main", STB_GLOBAL, text, TEXT, 4);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	u64 address = 0, size = 0;

	cr_assert_eq(elf_file_section(file, ".PyRuntime", &address, &size), 0);
	cr_assert(address == 0x9000 && size == 8);
	cr_assert_eq(elf_file_section(file, ".PyRun", &address, &size), -ENOENT);
	cr_assert_eq(elf_file_section(file, ".symtab", &address, &size), -ENOENT);
	cr_assert_eq(elf_file_object(file, "_PyRuntime", &address, &size), 0);
	cr_assert(address == 0x9000 && size == 8);
	cr_assert_eq(elf_file_object(file, "hidden", &address, &size), 0);
	cr_assert(address == 0x9004 && size == 4);
	cr_assert_eq(elf_file_object(file, "undefined", &address, &size), -ENOENT);
	cr_assert_eq(elf_file_object(file, "thread_local", &address, &size), -ENOENT);
	cr_assert_eq(elf_file_object(file, "_PyRun", &address, &size), -ENOENT);
	cr_assert_null(elf_file_soname(file));
	cr_assert_str_eq(elf_file_name(file), "built");
}

Test(elf_file, bytes_are_read_by_address_and_bss_has_none)
{
	struct elf_builder *b = builder();
	elf_builder_add_data(b, ".data", 0x8004, "abcdefgh", 8);
	elf_builder_add_section(b, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 0x9000, NULL, 64);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	char bytes[8] = "";

	cr_assert_eq(elf_file_read(file, 0x8006, bytes, 6), 0);
	cr_assert_eq(memcmp(bytes, "cdefgh", 6), 0);
	cr_assert_eq(elf_file_read(file, 0x8006, bytes, 7), -EFAULT);
	cr_assert_eq(elf_file_read(file, 0x8003, bytes, 1), -EFAULT);
	cr_assert_eq(elf_file_read(file, 0x9000, bytes, 1), -EFAULT);
	cr_assert_eq(elf_file_read(file, UINT64_MAX, bytes, 8), -EFAULT);
}

Test(elf_file, offsets_become_addresses_and_code_comes_first)
{
	struct elf_builder *b = builder();
	elf_builder_add_data(b, ".data", 0x8123, NULL, 0x1000);
	add_text(b, 0x100);
	Elf64_Phdr data = {.p_type = PT_LOAD, .p_offset = 0x20000, .p_vaddr = 0x50000, .p_filesz = 64, .p_memsz = 64};
	Elf64_Phdr code = {.p_type = PT_LOAD,
			   .p_flags = PF_X,
			   .p_offset = 0x20020,
			   .p_vaddr = 0x60020,
			   .p_filesz = 64,
			   .p_memsz = 64};
	elf_builder_add_segment(b, &data);
	elf_builder_add_segment(b, &code);
	size_t size;
	_cleanup_(free) void *bytes = elf_builder_finish(b, &size);
	u64 text_offset = built_elf_section(bytes, ".text")->sh_offset;
	_cleanup_(elf_file) struct elf_file *file = open_bytes(bytes, size);
	u64 address;

	cr_assert_eq(elf_file_address_of_offset(file, text_offset + 8, &address), 0);
	cr_assert_eq(address, TEXT + 8);
	cr_assert_eq(elf_file_address_of_offset(file, 0x2001f, &address), 0,
		     "as do linkers that begin code in mid-page");
	cr_assert_eq(address, 0x6001f, "the whole page is mapped as code");
	cr_assert_eq(elf_file_address_of_offset(file, 0x20020, &address), 0);
	cr_assert_eq(address, 0x60020);
	cr_assert_eq(elf_file_address_of_offset(file, 0x20fff, &address), 0, "the rest of the page is mapped too");
	cr_assert_eq(address, 0x60fff);
	cr_assert_eq(elf_file_address_of_offset(file, 0x21000, &address), -ENOENT);
	cr_assert_eq(elf_file_address_of_offset(file, UINT64_MAX, &address), -ENOENT);
}

/*
 * Calls
 */

struct call_case {
	u8 bytes[8];
	u8 size;
	bool is_call;
	char text[32];
};

ParameterizedTestParameters(elf_file, a_return_address_follows_a_call)
{
	static struct call_case rows[] = {
		{{0xe8, 0x10, 0, 0, 0}, 5, true, "call rel32"},
		{{0x67, 0xe8, 0x10, 0, 0, 0}, 6, true, "addr32 call rel32"},
		{{0xe8, 0x10, 0, 0, 0x10}, 5, false, "call out of the file"},
		{{0xe9, 0x10, 0, 0, 0}, 5, false, "jmp rel32"},
		{{0xff, 0xd0}, 2, true, "call *%rax"},
		{{0x41, 0xff, 0xd3}, 3, true, "call *%r11"},
		{{0x3e, 0xff, 0xd0}, 3, true, "notrack call *%rax"},
		{{0xff, 0xe0}, 2, false, "jmp *%rax"},
		{{0xff, 0xd8}, 2, false, "far call"},
		{{0xff, 0x10}, 2, true, "call *(%rax)"},
		{{0xff, 0x14, 0xd8}, 3, true, "call *(%rax,%rbx,8)"},
		{{0xff, 0x50, 0x08}, 3, true, "call *8(%rax)"},
		{{0xff, 0x54, 0x24, 0x08}, 4, true, "call *8(%rsp)"},
		{{0xff, 0x15, 1, 2, 3, 4}, 6, true, "call *disp32(%rip)"},
		{{0xff, 0x90, 1, 2, 3, 4}, 6, true, "call *disp32(%rax)"},
		{{0xff, 0x94, 0x24, 1, 2, 3, 4}, 7, true, "call *disp32(%rsp)"},
		{{0xff, 0x14, 0xc5, 1, 2, 3, 4}, 7, true, "call *disp32(,%rax,8)"},
		{{0xff, 0x15, 1, 2, 3}, 5, false, "a displacement cut short"},
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}, 7, false, "nops"},
	};

	return cr_make_param_array(struct call_case, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct call_case *row, elf_file, a_return_address_follows_a_call)
{
	u8 code[64];

	/* At the end of the segment, in its middle, and with nothing before it. */
	for (int place = 0; place < 3; place++) {
		size_t end = place == 0 ? sizeof(code) : place == 1 ? 32 : row->size;

		memset(code, 0x90, sizeof(code));
		memcpy(code + end - row->size, row->bytes, row->size);
		struct elf_builder *b = builder();
		elf_builder_add_code(b, ".text", TEXT, code, sizeof(code));
		add_text(b, 64); /* what a call at the very end reaches */
		elf_builder_add_code(b, ".more", TEXT + sizeof(code), NULL, 64);
		_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
		cr_assert_eq(elf_file_follows_call(file, TEXT + end), row->is_call, "%s at %zu", row->text, end);
	}
}

Test(elf_file, data_follows_no_call)
{
	struct elf_builder *b = builder();
	elf_builder_add_data(b, ".data", 0x8000, "\xff\xd0\xff\xd0", 4);
	add_text(b, 16);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_not(elf_file_follows_call(file, 0x8002));
	cr_assert_not(elf_file_follows_call(file, 0));
	cr_assert_not(elf_file_follows_call(file, TEXT));
	cr_assert_not(elf_file_follows_call(file, UINT64_MAX));
}

Test(elf_file, arm64_calls_are_known)
{
	static const u32 code[] = {0x94000002, 0xd63f0020, 0xd503201f, 0x97ffffff, 0xd61f0020};
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_AARCH64);
	elf_builder_add_code(b, ".text", TEXT, code, sizeof(code));
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert(elf_file_follows_call(file, TEXT + 4), "bl +8");
	cr_assert(elf_file_follows_call(file, TEXT + 8), "blr x1");
	cr_assert_not(elf_file_follows_call(file, TEXT + 12), "nop");
	cr_assert(elf_file_follows_call(file, TEXT + 16), "bl -4");
	cr_assert_not(elf_file_follows_call(file, TEXT + 20), "br x1");
}

/*
 * Files that lie
 */

static void *finish_one_function(size_t *ret_size)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);

	add_function(b, "function", STB_GLOBAL, text, TEXT, 16);
	add_dynamic_function(b, "exported", text, TEXT + 16);
	elf_builder_set_soname(b, "libbuilt.so.1");
	return elf_builder_finish(b, ret_size);
}

/* Whatever it answers, it must come back. */
static void ask_everything(struct elf_file *file)
{
	u64 address, size;
	u8 byte;

	elf_file_symbol(file, TEXT);
	elf_file_section(file, ".text", &address, &size);
	elf_file_object(file, "exported", &address, &size);
	elf_file_address_of_offset(file, 0x1000, &address);
	elf_file_read(file, TEXT, &byte, 1);
	elf_file_follows_call(file, TEXT + 8);
	elf_file_soname(file);
}

Test(elf_file, what_is_no_program_is_refused)
{
	struct elf_file *file = NULL;
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);

	cr_assert_eq(elf_file_open_memory("", 0, "empty", &file), -ENOEXEC);
	cr_assert_eq(elf_file_open_memory("#!/bin/sh\n", 10, "script", &file), -ENOEXEC);
	cr_assert_eq(elf_file_open_memory(bytes, sizeof(Elf64_Ehdr) - 1, "short", &file), -ENOEXEC);
	bytes[EI_CLASS] = ELFCLASS32;
	cr_assert_eq(elf_file_open_memory(bytes, size, "32 bits", &file), -ENOEXEC);
	bytes[EI_CLASS] = ELFCLASS64;
	bytes[EI_DATA] = ELFDATA2MSB;
	cr_assert_eq(elf_file_open_memory(bytes, size, "big endian", &file), -ENOEXEC);
	bytes[EI_DATA] = ELFDATA2LSB;
	built_elf_header(bytes)->e_type = ET_CORE;
	cr_assert_eq(elf_file_open_memory(bytes, size, "core", &file), -ENOEXEC);
	cr_assert_null(file);
}

Test(elf_file, the_descriptor_is_closed_also_on_failure)
{
	struct elf_file *file = NULL;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	cr_assert_eq(elf_file_open_fd(fd, "maps", &file), -ENOEXEC);
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
}

Test(elf_file, a_file_cut_anywhere_is_harmless)
{
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);

	for (size_t cut = 0; cut < size; cut += cut < 256 ? 1 : 61) {
		_cleanup_(elf_file) struct elf_file *file = open_bytes(bytes, cut);
		if (file)
			ask_everything(file);
	}
}

Test(elf_file, sections_that_lie_beyond_the_file_are_not_read)
{
	static const char *const sections[] = {".text", ".symtab", ".strtab", ".dynsym", ".dynstr", ".shstrtab"};
	static const u64 values[] = {0, 1, 1ull << 31, 1ull << 40, INT64_MAX, UINT64_MAX - 8, UINT64_MAX};
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);
	_cleanup_(free) char *spoilt = malloc(size);

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]) * 3; j++) {
			u64 value = values[j / 3];

			memcpy(spoilt, bytes, size);
			Elf64_Shdr *header = built_elf_section(spoilt, sections[i]);
			if (j % 3 == 0)
				header->sh_offset = value;
			else if (j % 3 == 1)
				header->sh_size = value;
			else
				header->sh_link = header->sh_name = (u32)value;
			_cleanup_(elf_file) struct elf_file *file = open_bytes(spoilt, size);
			cr_assert_not_null(file);
			ask_everything(file);
		}
	}
}

Test(elf_file, a_made_up_number_of_sections_costs_nothing)
{
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);

	Elf64_Ehdr *header = built_elf_header(bytes);
	((Elf64_Shdr *)(bytes + header->e_shoff))->sh_size = 0xfffffff0;
	header->e_shnum = 0;
	cr_assert_null(open_bytes(bytes, size));
}

Test(elf_file, segments_that_wrap_around_are_left_out)
{
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);
	u64 address;

	Elf64_Phdr *text = built_elf_segment(bytes, 0);
	text->p_filesz = UINT64_MAX;
	_cleanup_(elf_file) struct elf_file *file = open_bytes(bytes, size);
	ask_everything(file);
	cr_assert_eq(elf_file_address_of_offset(file, text->p_offset, &address), -ENOENT);
	cr_assert_str_eq(name_at(file, TEXT), "none");
}

Test(elf_file, symbols_that_lie_are_clipped)
{
	struct elf_builder *b = builder();
	u32 text = add_text(b, 64);
	add_function(b, "endless", STB_GLOBAL, text, TEXT + 32, UINT64_MAX);
	add_function(b, "elsewhere", STB_GLOBAL, text, 0xdead0000, 16);
	add_function(b, "no_section", STB_GLOBAL, 0x4000, TEXT, 16);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(name_at(file, TEXT + 63), "endless");
	cr_assert_str_eq(name_at(file, TEXT + 64), "none");
	cr_assert_str_eq(name_at(file, 0xdead0000), "none");
	cr_assert_str_eq(name_at(file, TEXT), "no_section");
}

Test(elf_file, a_file_that_shrinks_under_us_gives_errors)
{
	size_t size;
	_cleanup_(free) char *bytes = finish_one_function(&size);
	int fd = memfd_create("shrinks", MFD_CLOEXEC);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	int again = dup(fd);
	struct elf_file *opened = NULL;
	u8 byte;

	cr_assert_eq(elf_file_open_fd(fd, "shrinks", &opened), 0);
	_cleanup_(elf_file) struct elf_file *file = opened;
	cr_assert_eq(elf_file_read(file, TEXT, &byte, 1), 0);
	cr_assert_eq(ftruncate(again, 0), 0);
	cr_assert_eq(elf_file_read(file, TEXT, &byte, 1), -EFAULT);
	ask_everything(file);
	close(again);
}

/*
 * Against binutils, on real files
 */

struct line_reader {
	FILE *in;
	char line[65536];
};

static void command_begin(struct line_reader *r, const char *format, const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), format, path);
	r->in = popen(command, "r");
	cr_assert_not_null(r->in);
}

static bool command_line(struct line_reader *r)
{
	return fgets(r->line, sizeof(r->line), r->in);
}

static void command_end(struct line_reader *r)
{
	cr_assert_eq(pclose(r->in), 0, "binutils failed");
}

static struct elf_file *open_path(const char *path)
{
	struct elf_file *file = NULL;

	cr_assert_eq(elf_file_open_fd(open(path, O_RDONLY | O_CLOEXEC), path, &file), 0, "%s", path);
	return file;
}

static const char *libc_path(void)
{
	struct link_map *map = NULL;

	dlinfo(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), RTLD_DI_LINKMAP, &map);
	return map->l_name;
}

static const char *own_path(void)
{
	static char path[256];

	cr_assert_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
	return path;
}

struct expected {
	u64 address, size;
	char *name;
};

static int expected_compare(const void *a, const void *b)
{
	const struct expected *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The functions that readelf lists, by address. */
static size_t read_expected(const char *path, struct expected **ret)
{
	static struct line_reader r;
	struct expected *list = NULL;
	size_t cnt = 0;

	command_begin(&r, "readelf --syms --dyn-syms --wide '%s'", path);
	while (command_line(&r)) {
		char size[32], type[32], section[32];
		_cleanup_(free) char *name = NULL;
		unsigned long long address;

		if (sscanf(r.line, "%*d: %llx %31s %31s %*s %*s %31s %ms", &address, size, type, section, &name) != 5)
			continue;
		if ((strcmp(type, "FUNC") && strcmp(type, "IFUNC")) || !strcmp(section, "UND") ||
		    !strtoull(size, NULL, 0))
			continue;
		name[strcspn(name, "@")] = 0;
		list = realloc(list, (cnt + 1) * sizeof(*list));
		list[cnt++] = (struct expected){address, strtoull(size, NULL, 0), take(name)};
	}
	command_end(&r);
	qsort(list, cnt, sizeof(*list), expected_compare);
	*ret = list;
	return cnt;
}

/* True when one of the functions at list[i]'s address has that name, version aside. */
static bool is_expected(const struct expected *list, size_t cnt, size_t i, const char *name)
{
	size_t length = strcspn(name, "@");
	u64 address = list[i].address;

	while (i && list[i - 1].address == address)
		i--;
	for (; i < cnt && list[i].address == address; i++) {
		if (strlen(list[i].name) == length && !strncmp(list[i].name, name, length))
			return true;
	}
	return false;
}

static void check_against_readelf(const char *path, size_t at_least)
{
	_cleanup_(elf_file) struct elf_file *file = open_path(path);
	_cleanup_(free) struct expected *list = NULL;
	size_t cnt = read_expected(path, &list);

	cr_assert_geq(cnt, at_least, "readelf lists %zu functions in %s", cnt, path);
	for (size_t i = 0; i < cnt; i++) {
		const struct symbol *first = elf_file_symbol(file, list[i].address);
		const struct symbol *last = elf_file_symbol(file, list[i].address + list[i].size - 1);

		cr_assert(first && last, "%s has no name", list[i].name);
		cr_assert_eq(first->start, list[i].address);
		cr_assert_geq(first->size, list[i].size, "%s", list[i].name);
		cr_assert_geq(last->start, list[i].address);
		cr_assert(is_expected(list, cnt, i, first->name), "%s is called %s", list[i].name, first->name);
	}
	for (size_t i = 0; i < cnt; i++)
		free(list[i].name);
}

Test(elf_file, every_function_of_libc_is_named_as_readelf_names_it)
{
	check_against_readelf(libc_path(), 2000);
}

Test(elf_file, every_function_of_this_program_is_named_as_readelf_names_it)
{
	check_against_readelf(own_path(), 100);
}

static void check_segments(const char *path)
{
	static struct line_reader r;
	_cleanup_(elf_file) struct elf_file *file = open_path(path);
	int cnt = 0;

	command_begin(&r, "readelf --segments --wide '%s'", path);
	while (command_line(&r)) {
		unsigned long long offset, address, size;
		u64 first = 0, last = 0;

		if (sscanf(r.line, " LOAD %llx %llx %*x %llx", &offset, &address, &size) != 3 || !size)
			continue;
		cr_assert_eq(elf_file_address_of_offset(file, offset, &first), 0);
		cr_assert_eq(elf_file_address_of_offset(file, offset + size - 1, &last), 0);
		cr_assert(first == address && last == address + size - 1, "%s", r.line);
		cnt++;
	}
	command_end(&r);
	cr_assert_geq(cnt, 2);
}

Test(elf_file, segments_are_where_readelf_says)
{
	check_segments(libc_path());
	check_segments(own_path());
}

/* Objdump's disassembly: every instruction after a call, and how many others look like one. */
Test(elf_file, what_objdump_calls_a_call_is_one)
{
	static struct line_reader r;
	_cleanup_(elf_file) struct elf_file *file = open_path(own_path());
	size_t calls = 0, others = 0, mistaken = 0;
	bool after_call = false;

	command_begin(&r, "objdump --disassemble --wide --section=.text --no-show-raw-insn '%s'", own_path());
	while (command_line(&r)) {
		unsigned long long address;
		char colon;

		if (sscanf(r.line, " %llx%c", &address, &colon) != 2 || colon != ':')
			continue;
		bool follows = elf_file_follows_call(file, address);
		cr_assert(!after_call || follows, "before %s", r.line);
		calls += after_call;
		others += !after_call;
		mistaken += !after_call && follows;
		after_call = strstr(r.line, "call ") && !strstr(r.line, "lcall");
	}
	command_end(&r);
	cr_assert_gt(calls, 100);
	cr_assert_lt(mistaken * 200, others, "%zu of %zu", mistaken, others);
}
