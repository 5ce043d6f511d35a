/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "elf/elf_file.h"
#include "tests/unit/build_elf.h"
#include "tests/unit/build_program.h"

TestSuite(elf_symbols, .init = program_directory_begin, .fini = program_directory_end);

/* Functions that are in no dynamic symbol table. */
static const char source[] = "#include <stdlib.h>\n"
			     "static __attribute__((noinline)) int inner(int x) { return x * rand(); }\n"
			     "static __attribute__((noinline)) int middle(int x) { return inner(x) + 1; }\n"
			     "__attribute__((noinline)) int outer(int x) { return middle(x) + 2; }\n"
			     "int main(int argc, char **argv) { return outer(argc); }\n";

static void build(const char *script)
{
	program_build("program.c", source, script);
}

static const char *name_at(struct elf_file *file, u64 address)
{
	const struct symbol *symbol = elf_file_symbol(file, address);

	return symbol ? symbol->name : "none";
}

static int add(struct elf_file *file, const char *path)
{
	return elf_file_add_debug_file(file, open(path, O_RDONLY | O_CLOEXEC), path);
}

/* Where nm finds a function. */
static u64 address_of(const char *path, const char *name)
{
	static struct program_lines lines;
	char command[256], found[256];
	unsigned long long address, ret = 0;

	snprintf(command, sizeof(command), "nm --defined-only %s", path);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx %*c %255s", &address, found) == 2 && !strcmp(found, name))
			ret = address;
	}
	cr_assert_neq(ret, 0);
	return ret;
}

Test(elf_symbols, the_build_id_is_what_readelf_says)
{
	static struct program_lines lines;
	char expected[256] = "", found[256] = "";
	const u8 *id;
	size_t size;

	build("cc -O1 -Wl,--build-id=sha1 program.c -o program");
	program_lines_begin(&lines, "readelf --notes program");
	for (const char *line; (line = program_line(&lines));)
		sscanf(line, " Build ID: %255s", expected);
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	cr_assert_eq(elf_file_build_id(file, &id, &size), 0);
	for (size_t i = 0; i < size; i++)
		sprintf(found + 2 * i, "%02x", id[i]);
	cr_assert_eq(strlen(expected), 40);
	cr_assert_str_eq(found, expected);
}

Test(elf_symbols, without_a_build_id_there_is_none)
{
	const u8 *id;
	size_t size;

	build("cc -O1 -Wl,--build-id=none program.c -o program");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	cr_assert_eq(elf_file_build_id(file, &id, &size), -ENOENT);
	cr_assert_null(elf_file_debug_name(file));
}

Test(elf_symbols, a_debug_file_names_what_was_stripped)
{
	build("cc -O1 -g -Wl,--build-id program.c -o whole; objcopy --only-keep-debug whole program.debug; strip whole "
	      "-o program");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	u64 inner = address_of("whole", "inner");

	cr_assert(elf_file_is_stripped(file));
	cr_assert_str_eq(name_at(file, inner), "none");
	cr_assert_eq(add(file, "program.debug"), 0);
	cr_assert_geq(program_check_names("whole", file), 4);
	cr_assert_str_eq(name_at(file, inner + 1), "inner");
}

Test(elf_symbols, the_debug_file_of_another_build_is_refused)
{
	build("cc -O1 -g -Wl,--build-id program.c -o whole; strip whole -o program;"
	      "cc -O2 -g -Wl,--build-id program.c -o other; objcopy --only-keep-debug other other.debug; echo text "
	      ">text");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");

	cr_assert_eq(add(file, "other.debug"), -ESTALE);
	cr_assert_eq(add(file, "text"), -ENOEXEC);
	cr_assert_eq(add(file, "missing"), -ENOEXEC);
	cr_assert_str_eq(name_at(file, address_of("whole", "inner")), "none");
}

Test(elf_symbols, without_build_ids_the_checksum_decides)
{
	build("cc -O1 -g -Wl,--build-id=none program.c -o whole; objcopy --only-keep-debug whole program.debug;"
	      "strip whole -o program; objcopy --add-gnu-debuglink=program.debug program;"
	      "cp program.debug altered.debug; printf x >>altered.debug; strip whole -o unlinked");
	_cleanup_(elf_file) struct elf_file *file = program_open("program"), *unlinked = program_open("unlinked");

	cr_assert_str_eq(elf_file_debug_name(file), "program.debug");
	cr_assert_null(elf_file_debug_name(unlinked));
	cr_assert_eq(add(file, "altered.debug"), -ESTALE);
	cr_assert_eq(add(unlinked, "program.debug"), -ESTALE);
	cr_assert_eq(add(file, "program.debug"), 0);
	cr_assert_geq(program_check_names("whole", file), 4);
}

/* As Fedora's find-debuginfo makes it. */
static const char make_mini[] =
	"cc -O1 -g -Wl,--build-id program.c -o whole; objcopy --only-keep-debug whole debug;"
	"nm -D whole --format=posix --defined-only | awk '{print $1}' | sort >exported;"
	"nm whole --format=posix --defined-only | awk '$2 ~ /[tT]/ {print $1}' | sort >functions;"
	"comm -13 exported functions >wanted;"
	"objcopy -S --remove-section .comment --keep-symbols=wanted debug mini;"
	"strip whole -o program;";

Test(elf_symbols, the_small_file_in_gnu_debugdata_names_what_was_stripped)
{
	char script[2048];

	snprintf(script, sizeof(script), "%s xz -k mini; objcopy --add-section .gnu_debugdata=mini.xz program",
		 make_mini);
	build(script);
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	cr_assert_not(elf_file_is_stripped(file));
	cr_assert_geq(program_check_names("whole", file), 4);
}

Test(elf_symbols, a_damaged_gnu_debugdata_is_left_aside)
{
	char script[2048];

	snprintf(script, sizeof(script),
		 "%s xz -k mini; head -c 200 mini.xz >short; objcopy --add-section .gnu_debugdata=short program",
		 make_mini);
	build(script);
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	cr_assert_str_eq(name_at(file, address_of("whole", "inner")), "none");
}

/* size zeros, packed. */
static u8 *pack_zeros(size_t size, size_t *ret_size)
{
	u8 *packed = malloc(1 << 20), *zeros = calloc(1, size);
	size_t used = 0;

	cr_assert(packed && zeros);
	cr_assert_eq(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, zeros, size, packed, &used, 1 << 20), LZMA_OK);
	free(zeros);
	*ret_size = used;
	return packed;
}

static u64 cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

Test(elf_symbols, a_bomb_in_gnu_debugdata_costs_nothing)
{
	size_t size;
	_cleanup_(free) u8 *packed = pack_zeros(400u << 20, &size);
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);

	cr_assert_lt(size, 200u << 10);
	elf_builder_add_code(b, ".text", 0x1000, NULL, 64);
	elf_builder_add_section(b, ".gnu_debugdata", SHT_PROGBITS, 0, 0, packed, size);
	_cleanup_(elf_file) struct elf_file *file = elf_builder_open(b);
	u64 before_ms = cpu_ms();
	long before_kib = peak_kib();

	cr_assert_str_eq(name_at(file, 0x1000), "none");
	cr_assert_lt(cpu_ms() - before_ms, 100);
	cr_assert_lt(peak_kib() - before_kib, 32 << 10);
}

Test(elf_symbols, a_debug_file_that_ends_early_is_harmless)
{
	build("cc -O1 -g -Wl,--build-id program.c -o whole; objcopy --only-keep-debug whole program.debug; strip whole "
	      "-o program");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	u64 inner = address_of("whole", "inner");
	_cleanup_(fd) int fd = open("program.debug", O_RDWR | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	for (off_t left = size; left > 0; left -= 997) {
		cr_assert_eq(ftruncate(fd, left), 0);
		add(file, "program.debug");
		elf_file_symbol(file, inner);
	}
}

Test(elf_symbols, where_no_symbol_is_the_unwind_tables_say_where_a_function_begins)
{
	static const char *const names[] = {"inner", "middle", "outer", "main"};
	u64 start;

	build("cc -O1 program.c -o whole; strip whole -o program");
	_cleanup_(elf_file) struct elf_file *file = program_open("program");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		u64 address = address_of("whole", names[i]);

		for (u64 at = address; at < address + 8; at++) {
			cr_expect_null(elf_file_symbol(file, at), "%s", names[i]);
			cr_assert_eq(elf_file_function_start(file, at, &start), 0, "%s", names[i]);
			cr_expect_eq(start, address, "%s", names[i]);
		}
	}
	cr_expect_eq(elf_file_function_start(file, 0, &start), -ENOENT);
	cr_expect_eq(elf_file_function_start(file, 1ull << 40, &start), -ENOENT);
	cr_expect_eq(elf_file_function_start(file, UINT64_MAX, &start), -ENOENT);

	build("echo 'void _start(void) { for (;;); }' >start.c;"
	      "cc -O1 -static -nostdlib -fno-asynchronous-unwind-tables start.c -o without");
	_cleanup_(elf_file) struct elf_file *without = program_open("without");
	cr_expect_eq(elf_file_function_start(without, address_of("without", "_start"), &start), -ENOENT);
}
