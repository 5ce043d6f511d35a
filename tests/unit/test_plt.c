/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "elf/elf_file.h"
#include "tests/unit/build_elf.h"
#include "tests/unit/build_program.h"

TestSuite(plt, .init = program_directory_begin, .fini = program_directory_end);

static const char source[] = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
			     "void *table[] = {(void *)0};\n"
			     "void *(*volatile also)(size_t) = malloc;\n"
			     "int main(int argc, char **argv) {\n"
			     "	void *(*volatile pointer)(size_t) = calloc ? malloc : malloc;\n"
			     "	char *text = pointer(argc + 10); table[0] = pointer;\n"
			     "	free(malloc(3)); strcpy(text, argv[0]); puts(text); getppid(); free(text);\n"
			     "	return rand() + atoi(text);\n}\n";

static bool starts_a_stub(const char *line, unsigned long long *ret, char *ret_name)
{
	/* "0000000000001030 <puts@plt>:" */
	if (sscanf(line, "%llx <%255[^>]>:", ret, ret_name) != 2)
		return false;
	size_t length = strlen(ret_name);
	return length > 4 && !strcmp(ret_name + length - 4, "@plt") && ret_name[0] != '*';
}

/* The stubs as objdump names them; those without an indirect jump are the lazy halves that nobody calls. */
static int check_against_objdump(const char *path)
{
	static struct program_lines lines;
	_cleanup_(elf_file) struct elf_file *file = program_open(path);
	char command[256], name[256], expected[256] = "";
	unsigned long long address, at = 0;
	int cnt = 0;

	snprintf(command, sizeof(command), "objdump -d '%s'", path);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (starts_a_stub(line, &address, name)) {
			strcpy(expected, name);
			at = address;
		} else if (!line[0]) {
			expected[0] = 0;
		} else if (expected[0] && strstr(line, "jmp") && strstr(line, "(%rip)")) {
			const struct symbol *symbol = elf_file_symbol(file, at);

			cr_assert(symbol && !strcmp(symbol->name, expected), "%llx is %s, not %s", at, expected,
				  symbol ? symbol->name : "nothing");
			cr_assert_eq(elf_file_symbol(file, at + 6), symbol);
			cnt++;
			expected[0] = 0;
		}
	}
	return cnt;
}

struct build {
	char options[96];
	int at_least;
};

ParameterizedTestParameters(plt, stubs_are_named_as_objdump_names_them)
{
	static struct build rows[] = {
		{"-fPIE -pie -Wl,-z,lazy", 6},
		{"-no-pie -fno-pie -Wl,-z,lazy", 6},
		{"-fPIE -pie -Wl,-z,now", 6},
		{"-fcf-protection=full -Wl,-z,ibtplt -Wl,-z,lazy", 6},
		{"-fcf-protection=full -Wl,-z,ibtplt -Wl,-z,now", 6},
		{"-fPIC -shared -Wl,-z,lazy", 6},
	};

	return cr_make_param_array(struct build, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct build *row, plt, stubs_are_named_as_objdump_names_them)
{
	char script[512];

	program_directory_begin();
	snprintf(script, sizeof(script), "cc -O1 -w %s program.c -o program; strip program", row->options);
	program_build("program.c", source, script);
	cr_assert_geq(check_against_objdump("program"), row->at_least);
	program_directory_end();
}

Test(plt, the_stubs_of_a_real_library_are_named_as_objdump_names_them)
{
	struct link_map *map = NULL;
	void *library = dlopen("libstdc++.so.6", RTLD_NOW);

	if (!library)
		cr_skip_test("no libstdc++ here");
	dlinfo(library, RTLD_DI_LINKMAP, &map);
	cr_assert_gt(check_against_objdump(map->l_name), 100);
}

struct choice {
	unsigned long long slot, chooser;
};

/* Which function chooses what is put in a slot, as readelf says. */
static int read_choices(struct choice *ret, int max)
{
	static struct program_lines lines;
	int cnt = 0;

	program_lines_begin(&lines, "readelf --relocs --wide program");
	for (const char *line; (line = program_line(&lines));) {
		if (cnt < max &&
		    sscanf(line, "%llx %*x R_X86_64_IRELATIVE %llx", &ret[cnt].slot, &ret[cnt].chooser) == 2)
			cnt++;
	}
	return cnt;
}

static void check_choice(struct elf_file *file, unsigned long long stub, const struct choice *choice)
{
	const struct symbol *chooser = elf_file_symbol(file, choice->chooser);
	const struct symbol *symbol = elf_file_symbol(file, stub);
	char expected[256];

	cr_assert_not_null(chooser);
	snprintf(expected, sizeof(expected), "%s@plt", chooser->name);
	cr_assert(symbol && !strcmp(symbol->name, expected), "%llx is %s, not %s", stub,
		  symbol ? symbol->name : "nothing", expected);
	cr_assert_eq(symbol->start, stub);
}

/* In a static program each stub leads to one of several strlens, by the CPU. */
Test(plt, a_static_programs_stubs_bear_the_name_of_what_they_choose)
{
	static struct program_lines lines;
	const char *program = "#include <string.h>\nint main(int argc, char **argv) { return strlen(argv[0]); }\n";
	struct choice choices[128];
	int checked = 0;

	program_build("program.c", program, "cc -O1 -static -fno-builtin program.c -o program");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	int cnt = read_choices(choices, 128);
	program_lines_begin(&lines, "objdump -d --section .plt program");
	for (const char *line; (line = program_line(&lines));) {
		const char *comment = strstr(line, "# ");
		unsigned long long slot = comment ? strtoull(comment + 2, NULL, 16) : 0;

		for (int i = 0; i < cnt; i++) {
			if (choices[i].slot != slot)
				continue;
			check_choice(file, strtoull(line, NULL, 16), &choices[i]);
			checked++;
		}
	}
	cr_assert_gt(checked, 10);
	cr_assert_eq(checked, cnt);
}

/* One stub at 0x1000 whose slot is at 0x3000, where puts goes. */
static struct elf_builder *builder(u16 machine, const void *code, size_t size, u64 slot)
{
	struct elf_builder *b = elf_builder_new(ET_DYN, machine);
	Elf64_Rela relocation = {.r_offset = slot, .r_info = ELF64_R_INFO(1, R_X86_64_JUMP_SLOT)};

	elf_builder_add_symbol(b, SHT_DYNSYM, "puts", STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0, 0);
	elf_builder_add_code(b, ".plt", 0x1000, code, size);
	elf_builder_add_section(b, ".rela.plt", SHT_RELA, SHF_ALLOC, 0x2000, &relocation, sizeof(relocation));
	return b;
}

struct stub {
	u8 code[16];
	char name[16];
};

ParameterizedTestParameters(plt, a_stub_is_known_by_its_jump)
{
	static struct stub rows[] = {
		{{0xff, 0x25, 0xfa, 0x1f}, "puts@plt"},
		{{0xf2, 0xff, 0x25, 0xf9, 0x1f}, "puts@plt"},
		{{0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0xf6, 0x1f}, "puts@plt"},
		{{0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf5, 0x1f}, "puts@plt"},
		{{0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0xbb, 1, 0, 0, 0, 0xff, 0x25, 0xf0, 0x1f}, "puts@plt"},
		{{0xff, 0x25, 0xf9, 0x1f}, "none"}, /* no slot */
		{{0xff, 0x15, 0xfa, 0x1f}, "none"}, /* a call */
		{{0x90, 0xff, 0x25, 0xf9, 0x1f}, "none"},
		{{0}, "none"},
	};

	return cr_make_param_array(struct stub, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct stub *row, plt, a_stub_is_known_by_its_jump)
{
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(
		builder(EM_X86_64, row->code, sizeof(row->code), 0x3000));
	const struct symbol *symbol = elf_file_symbol(file, 0x1000);

	cr_assert_str_eq(symbol ? symbol->name : "none", row->name);
	cr_assert_null(elf_file_symbol(file, 0x1010));
}

static const u8 plain[16] = {0xff, 0x25, 0xfa, 0x1f};

Test(plt, a_symbol_that_covers_the_stub_comes_first)
{
	struct elf_builder *b = builder(EM_X86_64, plain, sizeof(plain), 0x3000);
	elf_builder_add_symbol(b, SHT_SYMTAB, "mine", STB_GLOBAL, STT_FUNC, 1, 0x1000, 8);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);

	cr_assert_str_eq(elf_file_symbol(file, 0x1004)->name, "mine");
	cr_assert_str_eq(elf_file_symbol(file, 0x1008)->name, "puts@plt");
}

Test(plt, a_stub_ends_where_the_next_begins_even_if_that_has_no_name)
{
	static const u8 two[16] = {0xff, 0x25, 0xfa, 0x1f, 0, 0, 0x66, 0x90, 0xff, 0x25, 0xfa, 0x2f, 0, 0, 0x66, 0x90};
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(builder(EM_X86_64, two, sizeof(two), 0x3000));

	cr_assert_str_eq(elf_file_symbol(file, 0x1007)->name, "puts@plt");
	cr_assert_null(elf_file_symbol(file, 0x1008));
}

Test(plt, other_machines_have_other_stubs)
{
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(builder(EM_AARCH64, plain, sizeof(plain), 0x3000));

	cr_assert_null(elf_file_symbol(file, 0x1000));
}

Test(plt, relocations_that_lie_name_nothing)
{
	struct elf_builder *b = builder(EM_X86_64, plain, sizeof(plain), 0x3000);
	size_t size;
	_cleanup_(free) char *bytes = elf_builder_finish(b, &size);
	Elf64_Shdr *section = built_elf_section(bytes, ".rela.plt");
	struct elf_file *opened = NULL;

	Elf64_Rela *relocation = (Elf64_Rela *)(bytes + section->sh_offset);
	relocation->r_info = ELF64_R_INFO(0xffffffff, R_X86_64_JUMP_SLOT);
	cr_assert_eq(elf_file_open_memory(bytes, size, "test", &opened), 0);
	cr_assert_null(elf_file_symbol(opened, 0x1000));
	elf_file_unref(opened);

	section->sh_size = UINT64_MAX / 2;
	cr_assert_eq(elf_file_open_memory(bytes, size, "test", &opened), 0);
	cr_assert_null(elf_file_symbol(opened, 0x1000));
	elf_file_unref(opened);
}
