/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "process/mapping.h"

TestSuite(mapping_table);

static int parse(struct mapping_table **table, const char *text)
{
	return mapping_table_parse(table, text, strlen(text));
}

static struct mapping_table *table_of(const char *text)
{
	struct mapping_table *table = mapping_table_new();

	cr_assert_eq(parse(&table, text), 0);
	return table;
}

static int insert(struct mapping_table **table, u64 start, u64 end, u64 file_offset, const char *path)
{
	return mapping_table_insert(table, &(struct mapping){.start = start,
							     .end = end,
							     .file_offset = file_offset,
							     .inode = path[1],
							     .path = (char *)path});
}

/* "1000-2000@0 /a|..." */
static const char *text_of(struct mapping_table *table)
{
	static char text[4096];
	size_t size = 0;

	text[0] = 0;
	for (size_t i = 0; i < mapping_table_cnt(table); i++) {
		const struct mapping *m = mapping_table_at(table, i);

		size += snprintf(text + size, sizeof(text) - size, "%s%llx-%llx@%llx %s", i ? "|" : "", m->start,
				 m->end, m->file_offset, m->path);
	}
	return text;
}

Test(mapping_table, only_executable_ranges_are_kept)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of(
		"55d5b8a41000-55d5b8a43000 r--p 00000000 fe:01 1835                       /usr/bin/cat\n"
		"55d5b8a43000-55d5b8a48000 r-xp 00002000 fe:01 1835                       /usr/bin/cat\n"
		"7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
		"7ffd10bf2000-7ffd10bf4000 r-xp 00000000 00:00 0                          [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");

	cr_assert_str_eq(text_of(table), "55d5b8a43000-55d5b8a48000@2000 /usr/bin/cat|"
					 "7f0000000000-7f0000001000@0 |7ffd10bf2000-7ffd10bf4000@0 [vdso]|"
					 "ffffffffff600000-ffffffffff601000@0 [vsyscall]");
	const struct mapping *cat = mapping_table_at(table, 0);
	cr_assert_eq(cat->inode, 1835);
	cr_assert_eq(cat->dev_major, 0xfe);
	cr_assert_eq(cat->dev_minor, 1);
	cr_assert_null(mapping_table_at(table, 4));
}

Test(mapping_table, an_address_at_end_is_outside)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of(
		"1000-2000 r-xp 00000000 fe:01 1 /a\n3000-4000 r-xp 00000000 fe:01 2 /b\n");

	cr_assert_null(mapping_table_find(table, 0xfff));
	cr_assert_str_eq(mapping_table_find(table, 0x1000)->path, "/a");
	cr_assert_str_eq(mapping_table_find(table, 0x1fff)->path, "/a");
	cr_assert_null(mapping_table_find(table, 0x2000));
	cr_assert_str_eq(mapping_table_find(table, 0x3000)->path, "/b");
	cr_assert_null(mapping_table_find(table, 0x4000));
	cr_assert_null(mapping_table_find(table, UINT64_MAX));
}

Test(mapping_table, paths_keep_their_blanks_and_newlines)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of(
		"1000-2000 r-xp 00000000 fe:01 1    /tmp/a\\012b\n"
		"2000-3000 r-xp 00000000 fe:01 2    /tmp/a b  c (deleted)\n"
		"3000-4000 r-xp 00000000 fe:01 3    /tmp/\\01\\0123\\\n"
		"4000-5000 r-xs 00000000 00:05 12 /memfd:x (deleted)\n");

	cr_assert_str_eq(mapping_table_at(table, 0)->path, "/tmp/a\nb");
	cr_assert_str_eq(mapping_table_at(table, 1)->path, "/tmp/a b  c (deleted)");
	cr_assert_str_eq(mapping_table_at(table, 2)->path, "/tmp/\\01\n3\\");
	cr_assert_str_eq(mapping_table_at(table, 3)->path, "/memfd:x (deleted)");
}

Test(mapping_table, a_huge_path_is_kept)
{
	STRBUF(text);

	strbuf_put(&text, "1000-2000 r-xp 00000000 fe:01 1 /");
	for (int i = 0; i < 100000; i++)
		strbuf_put_char(&text, 'x');
	_cleanup_(mapping_table) struct mapping_table *table = table_of(text.at);
	cr_assert_eq(strlen(mapping_table_at(table, 0)->path), 100001);
}

Test(mapping_table, nonsense_is_refused_and_changes_nothing)
{
	static const char *const texts[] = {
		"x",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 r-",
		"2000-1000 r-xp 00000000 fe:01 1 /b\n",
		"1000-1000 r-xp 00000000 fe:01 1 /b\n",
		"-2000 r-xp 00000000 fe:01 1 /b\n",
		"1000-2000 r-xp 00000000 fe:01\n",
		"1000-2000 r-xp 00000000 fe:01 a /b\n",
		"10000000000000000-20000000000000000 r-xp 00000000 fe:01 1 /b\n",
		"1000-2000 r-xp 00000000 fe:01 99999999999999999999 /b\n",
		"3000-4000 r-xp 00000000 fe:01 1 /c\nx\n",
	};
	_cleanup_(mapping_table) struct mapping_table *table = table_of("1000-2000 r-xp 00000000 fe:01 1 /a\n");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_expect_eq(parse(&table, texts[i]), -EINVAL, "%s", texts[i]);
		cr_expect_str_eq(text_of(table), "1000-2000@0 /a");
	}
	cr_assert_eq(parse(&table, ""), 0);
	cr_assert_eq(mapping_table_cnt(table), 0);
}

Test(mapping_table, a_new_mapping_replaces_what_it_covers)
{
	static const struct {
		u64 start, end;
		const char *expected;
	} cases[] = {
		{0x0000, 0x1000, "0-1000@7000 /n|1000-4000@5000 /a|6000-8000@0 /b"},
		{0x1000, 0x4000, "1000-4000@7000 /n|6000-8000@0 /b"},
		{0x1000, 0x2000, "1000-2000@7000 /n|2000-4000@6000 /a|6000-8000@0 /b"},
		{0x2000, 0x3000, "1000-2000@5000 /a|2000-3000@7000 /n|3000-4000@7000 /a|6000-8000@0 /b"},
		{0x3000, 0x5000, "1000-3000@5000 /a|3000-5000@7000 /n|6000-8000@0 /b"},
		{0x3000, 0x7000, "1000-3000@5000 /a|3000-7000@7000 /n|7000-8000@1000 /b"},
		{0x0000, 0x9000, "0-9000@7000 /n"},
		{0x4000, 0x6000, "1000-4000@5000 /a|4000-6000@7000 /n|6000-8000@0 /b"},
		{0x8000, 0x9000, "1000-4000@5000 /a|6000-8000@0 /b|8000-9000@7000 /n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(mapping_table) struct mapping_table *table = table_of(
			"1000-4000 r-xp 00005000 fe:01 1 /a\n6000-8000 r-xp 00000000 fe:01 1 /b\n");

		cr_expect_eq(insert(&table, cases[i].start, cases[i].end, 0x7000, "/n"), 0);
		cr_expect_str_eq(text_of(table), cases[i].expected);
	}
}

Test(mapping_table, an_empty_mapping_is_refused)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();

	cr_assert_eq(insert(&table, 0x1000, 0x1000, 0, "/a"), -EINVAL);
	cr_assert_eq(insert(&table, 0x2000, 0x1000, 0, "/a"), -EINVAL);
}

Test(mapping_table, what_a_child_maps_its_parent_does_not_see)
{
	_cleanup_(mapping_table) struct mapping_table *parent = table_of("1000-2000 r-xp 00000000 fe:01 1 /a\n");
	_cleanup_(mapping_table) struct mapping_table *child = mapping_table_ref(parent);

	cr_assert_eq(child, parent);
	cr_assert_eq(insert(&child, 0x3000, 0x4000, 0, "/b"), 0);
	cr_assert_str_eq(text_of(parent), "1000-2000@0 /a");
	cr_assert_str_eq(text_of(child), "1000-2000@0 /a|3000-4000@0 /b");

	struct mapping_table *own = child;
	cr_assert_eq(insert(&child, 0x5000, 0x6000, 0, "/c"), 0);
	cr_assert_eq(child, own, "one that is not shared is not copied");
}

Test(mapping_table, reading_anew_leaves_the_others_their_table)
{
	_cleanup_(mapping_table) struct mapping_table *parent = table_of("1000-2000 r-xp 00000000 fe:01 1 /a\n");
	_cleanup_(mapping_table) struct mapping_table *child = mapping_table_ref(parent);

	cr_assert_eq(parse(&child, "3000-4000 r-xp 00000000 fe:01 1 /b\n"), 0);
	cr_assert_str_eq(text_of(parent), "1000-2000@0 /a");
	cr_assert_str_eq(text_of(child), "3000-4000@0 /b");
}

Test(mapping_table, what_is_known_already_copies_nothing)
{
	_cleanup_(mapping_table) struct mapping_table *parent = mapping_table_new();

	cr_assert_eq(insert(&parent, 0x1000, 0x2000, 0, "/a"), 0);
	_cleanup_(mapping_table) struct mapping_table *child = mapping_table_ref(parent);
	cr_assert_eq(insert(&child, 0x1000, 0x2000, 0, "/a"), 0);
	cr_assert_eq(child, parent);
}

Test(mapping_table, a_jit_without_end_meets_the_bound)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();
	u64 address = 0x1000;
	int err = 0;

	for (int i = 0; i < 2 * MAPPING_TABLE_MAX && !err; i++, address += 0x2000)
		err = insert(&table, address, address + 0x1000, 0, "/j");
	cr_assert_eq(err, -ENOSPC);
	cr_assert_leq(mapping_table_cnt(table), MAPPING_TABLE_MAX);
	cr_assert_not_null(mapping_table_find(table, 0x1000));
}

/* The dynamic linker knows where it put things; so does the kernel. */
struct loaded {
	struct mapping_table *table;
	int seen;
};

static int check_loaded(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct loaded *loaded = ctx;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		/* One segment may be several mappings, if something changed the protection of a part. */
		const u64 offsets[] = {0, segment->p_filesz - 1};
		for (int end = 0; end < 2; end++) {
			u64 address = info->dlpi_addr + segment->p_vaddr + offsets[end];
			const struct mapping *mapping = mapping_table_find(loaded->table, address);

			cr_assert_not_null(mapping, "%s", info->dlpi_name);
			cr_expect_eq(address - mapping->start + mapping->file_offset, segment->p_offset + offsets[end],
				     "%s", info->dlpi_name);
		}
		loaded->seen++;
	}
	return 0;
}

Test(mapping_table, our_own_maps_agree_with_the_dynamic_linker)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();
	struct loaded loaded = {0};
	_cleanup_(free) char *maps = NULL;
	size_t size;

	cr_assert_eq(file_read("/proc/self/maps", 16 << 20, &maps, &size), 0);
	cr_assert_eq(mapping_table_parse(&table, maps, size), 0);
	loaded.table = table;
	dl_iterate_phdr(check_loaded, &loaded);
	cr_assert_gt(loaded.seen, 3);
}
