/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "elf/elf_bytes.h"
#include "elf/elf_cfi.h"
#include "tests/unit/build_program.h"

TestSuite(elf_bytes, .init = program_directory_begin, .fini = program_directory_end);

/* The file in each of the ways. */
enum { WAYS = 3 };

static void open_all(const char *path, struct elf_file *ret[WAYS])
{
	_cleanup_(free) char *data = NULL;
	size_t size;

	cr_assert_eq(file_read(path, 256 << 20, &data, &size), 0, "%s", path);
	cr_assert_eq(elf_file_open_fd(open(path, O_RDONLY | O_CLOEXEC), path, &ret[0]), 0);
	cr_assert_eq(elf_file_open_by_path(open(path, O_RDONLY | O_CLOEXEC), path, path, &ret[1]), 0);
	cr_assert_eq(elf_file_open_memory(data, size, path, &ret[2]), 0);
}

static void close_all(struct elf_file *files[WAYS])
{
	for (int i = 0; i < WAYS; i++)
		elf_file_unref(files[i]);
}

/* All that can be said of one address, as text. */
static void describe_address(struct elf_file *file, u64 address, char *ret, size_t size)
{
	const struct symbol *symbol = elf_file_symbol(file, address);
	u64 start = 0, word = 0;

	int start_err = elf_file_function_start(file, address, &start),
	    read_err = elf_file_read(file, address, &word, 8);
	snprintf(ret, size, "%s %llx+%llx, %d %llx, %d %llx, %d", symbol ? symbol->name : "none",
		 symbol ? (long long)symbol->start : 0, symbol ? (long long)symbol->size : 0, start_err,
		 (long long)start, read_err, (long long)word, elf_file_follows_call(file, address));
}

static void describe_cfi(struct elf_file *file, char *ret, size_t size)
{
	struct elf_cfi *cfi;
	int err = elf_cfi_read(file, &cfi);

	if (err) {
		snprintf(ret, size, "%d", err);
		return;
	}
	u64 sum = 0;
	for (size_t i = 0; i < cfi->eh_frame.size; i++)
		sum = sum * 31 + cfi->eh_frame.bytes[i];
	snprintf(ret, size, "%zu bytes %llx, %zu of .debug_frame, %zu segments, %zu sections, %d", cfi->eh_frame.size,
		 (long long)sum, cfi->debug_frame.size, cfi->segment_cnt, cfi->section_cnt, cfi->go);
	elf_cfi_free(cfi);
}

static void describe_file(struct elf_file *file, char *ret, size_t size)
{
	const char *soname = elf_file_soname(file), *debug = elf_file_debug_name(file);
	const u8 *id = NULL;
	size_t id_size = 0;
	u64 text = 0, text_size = 0;
	char cfi[256];

	int id_err = elf_file_build_id(file, &id, &id_size),
	    text_err = elf_file_section(file, ".text", &text, &text_size);
	describe_cfi(file, cfi, sizeof(cfi));
	snprintf(ret, size, "%s, %s, %d %zu %02x, %d %llx %llx, %d %s; %s", soname ? soname : "", debug ? debug : "",
		 id_err, id_size, id ? id[0] : 0, text_err, (long long)text, (long long)text_size,
		 elf_file_is_stripped(file), elf_file_symbol_source(file), cfi);
}

/* *ret_named counts addresses with a symbol. */
static void expect_same(struct elf_file *files[WAYS], u64 *ret_named)
{
	char text[WAYS][5000];
	u64 start, size;

	*ret_named = 0;
	for (int i = 0; i < WAYS; i++) {
		describe_file(files[i], text[i], sizeof(text[i]));
		cr_assert_str_eq(text[i], text[0]);
	}
	cr_assert_eq(elf_file_section(files[0], ".text", &start, &size), 0);
	for (u64 at = start - 64; at < start + size + 64; at += 1 + size / 3000) {
		*ret_named += elf_file_symbol(files[0], at) != NULL;
		for (int i = 0; i < WAYS; i++) {
			describe_address(files[i], at, text[i], sizeof(text[i]));
			cr_assert_str_eq(text[i], text[0], "%llx", (long long)at);
		}
	}
}

static u64 expect_same_of(const char *path)
{
	struct elf_file *files[WAYS];
	u64 named;

	open_all(path, files);
	expect_same(files, &named);
	close_all(files);
	return named;
}

Test(elf_bytes, real_files_say_the_same_in_each_way)
{
	static struct program_lines lines;
	u64 named = 0;
	int cnt = 0;

	program_lines_begin(&lines, "awk '$2 ~ /x/ && $6 ~ /^\\// { print $6 }' /proc/$PPID/maps;"
				    "readlink -f /usr/bin/python3 /usr/bin/bash || true");
	for (const char *line; (line = program_line(&lines)); cnt++)
		named += expect_same_of(line);
	cr_expect_geq(cnt, 3);
	cr_expect_gt(named, 3000);
}

static const char source[] = "#include <stdlib.h>\n"
			     "static __attribute__((noinline)) int inner(int x) { return x * rand(); }\n"
			     "__attribute__((noinline)) int outer(int x) { return inner(x) + 2; }\n"
			     "int main(int argc, char **argv) { return outer(argc); }\n";

Test(elf_bytes, a_mini_debug_file_says_the_same_in_each_way)
{
	struct elf_file *files[WAYS];
	u64 named;

	program_build("program.c", source,
		      "cc -O1 -g program.c -o whole; objcopy -S --remove-section .gnu_debuglink whole program;"
		      "objcopy --only-keep-debug whole mini; objcopy --strip-debug mini; xz -k mini;"
		      "objcopy --add-section .gnu_debugdata=mini.xz program");
	open_all("program", files);
	for (int i = 0; i < WAYS; i++)
		cr_assert_str_eq(elf_file_symbol_source(files[i]), ".gnu_debugdata");
	expect_same(files, &named);
	cr_expect_gt(named, 20);
	cr_expect_gt(program_check_names("whole", files[1]), 3);
	close_all(files);
}

static int add_debug_file(struct elf_file *file, const char *path)
{
	return elf_file_add_debug_file(file, open(path, O_RDONLY | O_CLOEXEC), path);
}

Test(elf_bytes, a_debug_file_says_the_same_in_each_way)
{
	/* By build id, and by checksum. */
	static const char *const ids[] = {"sha1", "none"};
	struct elf_file *files[WAYS];
	char script[512];
	u64 named;

	for (int i = 0; i < 2; i++) {
		snprintf(script, sizeof(script),
			 "rm -f whole program *.debug; cc -O1 -g -Wl,--build-id=%s program.c -o whole;"
			 "objcopy --only-keep-debug whole program.debug; strip whole -o program;"
			 "objcopy --add-gnu-debuglink=program.debug program; cp program.debug other.debug;"
			 "printf x >>other.debug; cc -O1 -Dinner=other program.c -o another",
			 ids[i]);
		program_build("program.c", source, script);
		open_all("program", files);
		for (int j = 0; j < WAYS; j++) {
			cr_expect_eq(add_debug_file(files[j], "another"), -ESTALE);
			cr_expect_eq(add_debug_file(files[j], "program.c"), -ENOEXEC);
			cr_expect_eq(add_debug_file(files[j], "other.debug"), i ? -ESTALE : 0);
			cr_assert_eq(add_debug_file(files[j], "program.debug"), 0);
		}
		expect_same(files, &named);
		cr_expect_gt(named, 20);
		cr_expect_gt(program_check_names("whole", files[1]), 3);
		close_all(files);
	}
}

static int descriptor_cnt(void)
{
	_cleanup_(directory) DIR *directory = opendir("/proc/self/fd");
	int cnt = 0;

	cr_assert_not_null(directory);
	while (readdir(directory))
		cnt++;
	return cnt;
}

static void expect_nothing_mapped(const char *name)
{
	_cleanup_(stream) FILE *in = fopen("/proc/self/maps", "re");
	char line[512];

	while (fgets(line, sizeof(line), in))
		cr_expect_null(strstr(line, name), "%s", line);
}

Test(elf_bytes, what_is_reopened_keeps_no_descriptor_and_no_memory)
{
	struct elf_file *file;

	program_build("program.c", source,
		      "cc -O1 -g -Wl,--build-id=sha1 program.c -o whole;"
		      "objcopy --only-keep-debug whole program.debug; strip whole -o program");
	int before = descriptor_cnt();
	cr_assert_eq(elf_file_open_by_path(open("program", O_RDONLY), "program", "program", &file), 0);
	cr_expect_eq(descriptor_cnt(), before);
	cr_assert_eq(add_debug_file(file, "program.debug"), 0);
	cr_expect_eq(descriptor_cnt(), before);
	cr_expect_gt(program_check_names("whole", file), 3);
	cr_expect_eq(descriptor_cnt(), before);
	expect_nothing_mapped("/program");
	elf_file_unref(file);
}

Test(elf_bytes, a_file_that_shrinks_between_two_reads_is_an_error)
{
	struct elf_file *file;
	u64 address, size, word;

	program_build("program.c", source, "cc -O1 program.c -o program");
	cr_assert_eq(elf_file_open_by_path(open("program", O_RDONLY), "program", "program", &file), 0);
	cr_assert_eq(elf_file_section(file, ".text", &address, &size), 0);
	cr_assert_eq(elf_file_read(file, address, &word, sizeof(word)), 0);
	cr_expect_eq(elf_file_check(file), 0);

	cr_assert_eq(truncate("program", 100), 0);
	cr_expect_eq(elf_file_check(file), -ESTALE);
	cr_expect_eq(elf_file_read(file, address, &word, sizeof(word)), -ESTALE);
	cr_expect(elf_file_is_lost(file));
	cr_expect_eq(elf_file_section(file, ".text", &address, &size), -ESTALE);
	cr_expect_null(elf_file_symbol(file, address));
	cr_expect_eq(elf_file_function_start(file, address, &word), -ENOENT);
	elf_file_unref(file);
}

Test(elf_bytes, another_file_at_the_path_is_not_read)
{
	struct elf_bytes bytes;
	char byte;

	program_build("five", "12345", "cp -p five same; sleep 0.01; cp five later");
	cr_assert_eq(elf_bytes_open_by_path(open("five", O_RDONLY), "five", &bytes), 0);
	cr_assert_eq(rename("later", "five"), 0);
	cr_expect_eq(elf_bytes_read(&bytes, 0, &byte, 1), -ESTALE);
	cr_assert_eq(rename("same", "five"), 0);
	cr_expect_eq(elf_bytes_read(&bytes, 0, &byte, 1), -ESTALE);
	cr_assert_eq(unlink("five"), 0);
	cr_expect_eq(elf_bytes_read(&bytes, 0, &byte, 1), -ENOENT);
	cr_assert_eq(mkfifo("five", 0600), 0);
	cr_expect_eq(elf_bytes_read(&bytes, 0, &byte, 1), -ESTALE);
	elf_bytes_close(&bytes);
}

Test(elf_bytes, what_is_no_file_is_refused)
{
	struct elf_bytes bytes = ELF_BYTES_NONE;
	int pipes[2];

	cr_expect_eq(elf_bytes_open(-1, &bytes), -ENOEXEC);
	cr_expect_eq(elf_bytes_open_by_path(-1, "/bin/sh", &bytes), -ENOEXEC);
	cr_assert_eq(pipe(pipes), 0);
	cr_expect_eq(elf_bytes_open_by_path(pipes[0], "/bin/sh", &bytes), -ENOEXEC);
	cr_expect_eq(elf_bytes_open_by_path(memfd_create("empty", 0), "/bin/sh", &bytes), -ENOEXEC);
	cr_expect_eq(elf_bytes_open_by_path(open("/bin/sh", O_RDONLY), "/nothing/here", &bytes), -ENOENT);
	cr_expect_eq(elf_bytes_open_by_path(open("/bin/sh", O_RDONLY), "/etc/passwd", &bytes), -ESTALE);
	cr_expect_not(elf_bytes_exist(&bytes));
}

Test(elf_bytes, nothing_behind_the_end_is_read)
{
	struct elf_bytes ways[WAYS];
	char byte;
	u64 size;

	program_build("five", "12345", "");
	cr_assert_eq(elf_bytes_open(open("five", O_RDONLY), &ways[0]), 0);
	cr_assert_eq(elf_bytes_open_by_path(open("five", O_RDONLY), "five", &ways[1]), 0);
	cr_assert_eq(elf_bytes_copy("12345", 5, &ways[2]), 0);
	for (int i = 0; i < WAYS; i++) {
		cr_expect_eq(elf_bytes_size(&ways[i], &size), 0);
		cr_expect_eq(size, 5);
		cr_expect_eq(elf_bytes_read(&ways[i], 4, &byte, 1), 0);
		cr_expect_eq(byte, '5');
		cr_expect_eq(elf_bytes_read(&ways[i], 5, &byte, 1), -EFAULT);
		cr_expect_eq(elf_bytes_read(&ways[i], 4, &(u16){0}, 2), -EFAULT);
		cr_expect_eq(elf_bytes_read(&ways[i], 1ull << 40, &byte, 1), -EFAULT);
		elf_bytes_close(&ways[i]);
		cr_expect_not(elf_bytes_exist(&ways[i]));
	}
}
