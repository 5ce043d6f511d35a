/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "process/mapping.h"
#include "process/mapping_origin.h"

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
							     .inode = *path ? path[1] : 0,
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

/* Who keeps a reference compares pointers. */
Test(mapping_table, each_change_of_a_shared_table_is_another_table)
{
	static const struct mapping news[] = {
		{.start = 0x1000, .end = 0x3000, .inode = 2, .path = (char *)"/a"}, /* another inode */
		{.start = 0x1000, .end = 0x3000, .inode = 1, .dev_minor = 1, .path = (char *)"/a"},
		{.start = 0x1000, .end = 0x3000, .inode = 1, .file_offset = 0x1000, .path = (char *)"/a"},
		{.start = 0x1000, .end = 0x3000, .inode = 1, .path = (char *)"/b"}, /* the inode was reused */
		{.start = 0x1000, .end = 0x4000, .inode = 1, .path = (char *)"/a"},
		{.start = 0x2000, .end = 0x3000, .inode = 1, .path = (char *)"/a"}, /* of another place in it */
		{.start = 0x1000, .end = 0x2000, .path = (char *)""},
		{.start = 0x9000, .end = 0xa000, .path = (char *)""},
	};
	static const char *const texts[] = {
		"",
		"1000-3000 r-xp 00000000 00:00 2 /a\n",
		"1000-3000 r-xp 00001000 00:00 1 /a\n",
		"1000-3000 r-xp 00000000 00:00 1 /b\n",
		"1000-2000 r-xp 00000000 00:00 1 /a\n",
		"1000-3000 r-xp 00000000 00:00 0 [anon:x]\n",
		"1000-3000 r-xp 00000000 00:00 1 /a\n3000-4000 r-xp 00000000 00:00 0 \n",
	};
	_cleanup_(mapping_table) struct mapping_table *kept = table_of("1000-3000 r-xp 00000000 00:00 1 /a\n");

	for (size_t i = 0; i < sizeof(news) / sizeof(news[0]); i++) {
		_cleanup_(mapping_table) struct mapping_table *table = mapping_table_ref(kept);

		cr_expect_eq(mapping_table_insert(&table, &news[i]), 0);
		cr_expect_neq(table, kept, "%zu", i);
		cr_expect_str_eq(text_of(kept), "1000-3000@0 /a");
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_(mapping_table) struct mapping_table *table = mapping_table_ref(kept);

		cr_expect_eq(parse(&table, texts[i]), 0);
		cr_expect_neq(table, kept, "%s", texts[i]);
		cr_expect_str_eq(text_of(kept), "1000-3000@0 /a");
	}
}

Test(mapping_table, what_says_nothing_new_leaves_the_table_where_it_is)
{
	static const struct mapping known[] = {
		{.start = 0x1000, .end = 0x3000, .inode = 1, .file_offset = 0x7000, .path = (char *)"/a"},
		{.start = 0x2000, .end = 0x3000, .inode = 1, .file_offset = 0x8000, .path = (char *)"/a"},
		{.start = 0x1000, .end = 0x3000, .inode = 1, .file_offset = 0x7000, .path = (char *)"/a (deleted)"},
		/* What events say of memory: its address as the offset, and no name. */
		{.start = 0x5000, .end = 0x6000, .file_offset = 0x5000, .path = (char *)""},
		{.start = 0x5000, .end = 0x5800, .file_offset = 0x5000},
	};
	static const char *const texts[] = {
		"1000-3000 r-xp 00007000 00:00 1 /a\n5000-6000 rwxp 00000000 00:00 0 [anon:jit]\n",
		"0-1000 r--p 00006000 00:00 1 /a\n1000-3000 r-xp 00007000 00:00 1 /a\n5000-6000 r-xp 00000000 00:00 "
		"0 \n",
		"1000-3000 r-xp 00007000 00:00 1 /a (deleted)\n5000-6000 rwxp 00000000 00:00 0 \n9000-a000 rw-p 0 "
		"00:00 "
		"0 \n",
	};
	_cleanup_(mapping_table) struct mapping_table *kept = table_of(texts[0]);
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_ref(kept);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cr_expect_eq(mapping_table_insert(&table, &known[i]), 0);
		cr_expect_eq(table, kept, "%zu", i);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_expect_eq(parse(&table, texts[i]), 0);
		cr_expect_eq(table, kept, "%s", texts[i]);
	}
}

/* "/a@6000" or "none" */
static const char *origin_at(struct mapping_table *table, u64 address)
{
	const struct mapping *mapping = mapping_table_find(table, address);
	static char text[64];

	if (!mapping || !mapping->origin)
		return "none";
	snprintf(text, sizeof(text), "%s@%llx", mapping->origin->path, mapping->origin->file_offset);
	return text;
}

Test(mapping_table, memory_that_is_put_over_a_file_may_be_a_copy_of_it)
{
	static const char *const paths[] = {"", "/memfd:x (deleted)", "/anon_hugepage (deleted)",
					    "/dev/hugepages/x (deleted)"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		_cleanup_(mapping_table) struct mapping_table *table = table_of(
			"10000-40000 r-xp 00005000 fe:01 1 /a\n60000-80000 r-xp 00001000 fe:01 3 /b\n");
		struct mapping memory = {.start = 0x20000, .end = 0x30000, .path = (char *)paths[i]};

		memory.inode = paths[i][0] ? 77 : 0;
		cr_expect_eq(mapping_table_insert(&table, &memory), 0);
		cr_expect_str_eq(origin_at(table, 0x20000), "/a@15000");
		cr_expect_str_eq(origin_at(table, 0x10000), "none");
		cr_expect_str_eq(origin_at(table, 0x30000), "none");

		/* Beyond both ends, as whole huge pages are: what most of it covers. */
		memory.start = 0x5f000;
		memory.end = 0x82000;
		cr_expect_eq(mapping_table_insert(&table, &memory), 0);
		cr_expect_str_eq(origin_at(table, 0x60000), "/b@0");
		memory.start = 0x5e000;
		memory.end = 0x83000;
		cr_expect_eq(mapping_table_insert(&table, &memory), 0);
		cr_expect_str_eq(origin_at(table, 0x60000), "none", "/b has no bytes before its first");
	}
}

Test(mapping_table, a_library_that_is_put_over_another_is_no_copy)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of("10000-40000 r-xp 00000000 fe:01 1 /a\n");

	cr_assert_eq(insert(&table, 0x10000, 0x40000, 0, "/b"), 0);
	cr_assert_str_eq(origin_at(table, 0x10000), "none");
}

Test(mapping_table, a_piece_of_a_copy_is_a_copy_of_that_piece)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of("10000-40000 r-xp 00005000 fe:01 1 /a\n");

	cr_assert_eq(insert(&table, 0x20000, 0x30000, 0x99000, ""), 0);
	cr_assert_eq(insert(&table, 0x24000, 0x28000, 0, "/b"), 0);
	cr_assert_str_eq(origin_at(table, 0x20000), "/a@15000");
	cr_assert_str_eq(origin_at(table, 0x28000), "/a@1d000");

	mapping_accept_origin(mapping_table_find(table, 0x28000));
	cr_assert_eq(insert(&table, 0x2a000, 0x2c000, 0, "/c"), 0);
	cr_assert_eq(mapping_table_find(table, 0x28000)->file_offset, 0x1d000);
	cr_assert_eq(mapping_table_find(table, 0x2c000)->file_offset, 0x21000);
	/* And memory over that again. */
	cr_assert_eq(insert(&table, 0x2d000, 0x2e000, 0, ""), 0);
	cr_assert_str_eq(origin_at(table, 0x2d000), "/a@22000");
}

/* It was compared before the bytes were there; the mprotect that follows the copying tells. */
Test(mapping_table, memory_that_is_reported_again_is_compared_again_but_not_for_ever)
{
	_cleanup_(mapping_table) struct mapping_table *table = table_of("10000-40000 r-xp 00005000 fe:01 1 /a\n");
	int compared = 0;

	for (int i = 0; i < 100; i++) {
		_cleanup_(mapping_table) struct mapping_table *kept = mapping_table_ref(table);

		cr_assert_eq(insert(&table, 0x20000, 0x30000, 0x20000, ""), 0);
		struct mapping *mapping = mapping_table_find(table, 0x20000);
		if (mapping->file_failed)
			continue;
		cr_assert_neq(table, kept);
		mapping->file_failed = true;
		mapping->origin->tries++;
		compared++;
	}
	cr_assert_eq(compared, MAPPING_ORIGIN_TRIES_MAX);

	/* What was a copy may be something else now. */
	_cleanup_(mapping_table) struct mapping_table *other = table_of("10000-40000 r-xp 00005000 fe:01 1 /a\n");
	cr_assert_eq(insert(&other, 0x20000, 0x30000, 0x20000, ""), 0);
	mapping_accept_origin(mapping_table_find(other, 0x20000));
	cr_assert_eq(insert(&other, 0x20000, 0x30000, 0x20000, ""), 0);
	cr_assert_not(mapping_is_copy(mapping_table_find(other, 0x20000)));
	cr_assert_str_eq(origin_at(other, 0x20000), "/a@15000");
}

Test(mapping_table, memory_beside_a_file_may_be_a_copy_of_it)
{
	static const struct {
		const char *maps, *expected;
	} cases[] = {
		{"10000-20000 r-xp 00005000 fe:01 1 /a\n20000-30000 r-xp 0 00:00 0 \n30000-40000 r-xp 00025000 fe:01 1 "
		 "/a\n",
		 "/a@15000"},
		{"10000-20000 r--p 00005000 fe:01 1 /a\n20000-30000 r-xp 0 00:00 0 [anon:text]\n", "/a@15000"},
		{"10000-20000 r--p 00005000 fe:01 1 /a\\012b\n20000-30000 r-xp 0 00:00 0 \n", "/a\nb@15000"},
		{"20000-30000 r-xp 0 00:00 0 \n30000-40000 r--p 00025000 fe:01 1 /a (deleted)\n", "/a (deleted)@15000"},
		{"10000-20000 rw-p 00005000 fe:01 2 /b\n20000-30000 r-xp 0 00:00 0 \n30000-40000 r-xp 00025000 fe:01 1 "
		 "/a\n",
		 "/a@15000"},
		{"10000-18000 r--p 00005000 fe:01 1 /a\n18000-20000 r-xp 0 00:00 0 \n20000-30000 r-xp 0 00:00 0 \n",
		 "/a@15000"},
		{"10000-20000 r-xp 00005000 fe:01 1 /a\n20000-30000 r-xs 0 00:0f 9 /anon_hugepage (deleted)\n",
		 "/a@15000"},
		{"10000-1f000 r-xp 00005000 fe:01 1 /a\n20000-30000 r-xp 0 00:00 0 \n31000-40000 r-xp 00025000 fe:01 1 "
		 "/a\n",
		 "none"},
		{"20000-30000 r-xp 0 00:00 0 \n30000-40000 r-xp 0000f000 fe:01 1 /a\n", "none"},
		{"10000-20000 rw-p 0 00:00 0 [heap]\n20000-30000 r-xp 0 00:00 0 \n", "none"},
		{"10000-20000 r--p 00005000 fe:01 1 /a (deleted)\n20000-30000 r-xp 00015000 fe:01 1 /a (deleted)\n",
		 "none"},
		{"10000-20000 rw-p 00005000 fe:01 1 /a\n20000-30000 r-xp 00015000 fe:01 2 /b\n", "none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(mapping_table) struct mapping_table *table = table_of(cases[i].maps);

		cr_expect_str_eq(origin_at(table, 0x20000), cases[i].expected, "%s: %s", cases[i].maps,
				 origin_at(table, 0x20000));
	}
}

Test(mapping_table, reading_anew_keeps_what_was_found_out_about_a_copy)
{
	static const char maps[] = "10000-20000 r-xp 00005000 fe:01 1 /a\n20000-30000 r-xp 0 00:00 0 \n";
	_cleanup_(mapping_table) struct mapping_table *table = table_of(maps);
	_cleanup_(mapping_table) struct mapping_table *kept = mapping_table_ref(table);
	STRBUF(text);

	mapping_accept_origin(mapping_table_find(table, 0x20000));
	cr_assert_eq(parse(&table, maps), 0);
	cr_assert_eq(table, kept);

	strbuf_printf(&text, "%s50000-60000 r-xp 0 00:00 0 \n", maps);
	cr_assert_eq(parse(&table, text.at), 0);
	cr_assert_neq(table, kept);
	cr_assert(mapping_is_copy(mapping_table_find(table, 0x20000)));
	cr_assert_eq(mapping_table_find(table, 0x20000)->file_offset, 0x15000);
	cr_assert_str_eq(origin_at(table, 0x50000), "none");
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
