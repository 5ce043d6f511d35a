/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/file_table.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct file_table *table;

static void set_up(void)
{
	cr_assert_eq(file_table_new(&table), 0);
}

static void tear_down(void)
{
	file_table_free(table);
}

static u32 intern(u32 path, u32 build_id)
{
	u32 id = ~0u;

	cr_assert_eq(file_table_intern(table, &(struct file_row){path, build_id}, &id), 0);
	return id;
}

TestSuite(file_table, .init = set_up, .fini = tear_down);

Test(file_table, a_file_of_which_nothing_is_known_is_there_from_the_start)
{
	cr_assert_eq(file_table_cnt(table), 1);
	cr_assert_eq(intern(0, 0), FILE_NONE);
	cr_assert_eq(file_table_cnt(table), 1);
}

Test(file_table, a_path_and_a_build_id_together_are_a_file)
{
	u32 a = intern(1, 2), other_path = intern(3, 2), other_build = intern(1, 3), nameless = intern(0, 2);

	cr_assert_eq(file_table_cnt(table), 5);
	cr_assert_eq(intern(1, 2), a);
	cr_assert_eq(intern(3, 2), other_path);
	cr_assert_eq(intern(1, 3), other_build);
	cr_assert_eq(intern(0, 2), nameless);
	cr_assert_eq(file_table_cnt(table), 5);
	cr_assert_eq(file_table_at(table, other_path)->path, 3);
	cr_assert_eq(file_table_at(table, other_build)->build_id, 3);
}

Test(file_table, the_bound_is_met_with_enospc_and_known_files_are_still_found)
{
	u32 first = intern(1, 0), id = ~0u;
	int err = 0;

	for (u32 path = 2; !err && path < 1u << 20; path++)
		err = file_table_intern(table, &(struct file_row){.path = path}, &id);
	cr_assert_eq(err, -ENOSPC);
	cr_assert_leq(file_table_cnt(table), 1 << 16);
	cr_assert_eq(intern(1, 0), first);
}
