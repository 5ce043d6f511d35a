/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "process/own_file.h"
#include "tests/unit/build_program.h"

TestSuite(own_file, .init = program_directory_begin, .fini = program_directory_end);

static const char source[] = "#define F(n) int f##n(int x) { return x * x % (n + 1000) + n; }\n"
			     "#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8)\n"
			     "#define H(n) G(n##0) G(n##1) G(n##2) G(n##3) G(n##4) G(n##5) G(n##6) G(n##7) G(n##8)\n"
			     "H(1) H(2) H(3) H(4) H(5) H(6) H(7)\n";

/* The text of a library as the loader would map it. */
static struct mapping map_text(const char *path)
{
	struct elf_file *elf = program_open(path);
	u64 address, size;

	cr_assert_eq(elf_file_section(elf, ".text", &address, &size), 0);
	_cleanup_(fd) int fd = open(path, O_RDONLY);
	u64 offset = address & ~4095ull; /* lld and ld put text at its own offset here */
	void *at = mmap(NULL, 12288, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
	cr_assert_neq(at, MAP_FAILED);
	elf_file_unref(elf);
	return (struct mapping){.start = (u64)at, .end = (u64)at + 12288, .file_offset = offset, .path = (char *)path};
}

Test(own_file, it_is_found_by_its_path_deleted_or_not)
{
	char directory[256], whole[512], name[] = "file", *path = NULL;
	struct mapping mapping = {.path = whole};
	struct stat here, found;

	cr_assert_not_null(getcwd(directory, sizeof(directory)));
	program_build(name, "content", "ln -s file link");
	cr_assert_eq(stat(name, &here), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(whole, sizeof(whole), "%s/file%s", directory, i ? " (deleted)" : "");
		_cleanup_(fd) int fd = own_file_find(&mapping, &path);
		cr_assert_geq(fd, 0);
		cr_assert_eq(fstat(fd, &found), 0);
		cr_expect_eq(found.st_ino, here.st_ino);
		cr_expect_str_eq(strrchr(path, '/'), "/file");
		free(take(path));
	}
	strcpy(whole, "file");
	cr_expect_eq(own_file_find(&mapping, &path), -ENOENT, "not from the root");
	snprintf(whole, sizeof(whole), "%s/nothing", directory);
	cr_expect_eq(own_file_find(&mapping, &path), -ENOENT);
	cr_expect_null(path);
}

Test(own_file, it_is_proven_by_the_text_that_is_mapped)
{
	program_build("lib.c", source,
		      "cc -O1 -fPIC -shared lib.c -o lib.so; cp lib.so copy.so;"
		      "cc -O0 -fPIC -shared lib.c -o other.so");
	struct mapping mapping = map_text("lib.so");
	_cleanup_(elf_file) struct elf_file *same = program_open("copy.so"), *other = program_open("other.so");

	cr_expect(own_file_matches(&mapping, same));
	cr_expect_not(own_file_matches(&mapping, other));

	/* The mapping is gone: no proof, and no fault. */
	munmap((void *)mapping.start, mapping.end - mapping.start);
	cr_expect_not(own_file_matches(&mapping, same));
}
