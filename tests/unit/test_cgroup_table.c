/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "base/clock.h"
#include "container/cgroup_table.h"

TestSuite(cgroup_table);

#define NOW_NS 1000000000000ull

static struct cgroup_table *table;

static void set_up(void)
{
	cr_assert_eq(cgroup_table_new(&table), 0);
}

static void tear_down(void)
{
	cgroup_table_free(table);
}

static struct cgroup *add(u64 id, const char *path, enum cgroup_state state)
{
	struct cgroup *cgroup = NULL;

	cr_assert_eq(cgroup_table_add(table, id, path, state, NOW_NS, &cgroup), 0);
	return cgroup;
}

Test(cgroup_table, a_removed_one_is_found_for_two_seconds, .init = set_up, .fini = tear_down)
{
	struct cgroup *cgroup = add(7, "/a", CGROUP_THERE);

	cr_expect_null(cgroup_table_expired(table, UINT64_MAX), "one that is there stays");
	cgroup_table_retire(table, cgroup, NOW_NS);
	cr_expect_eq(cgroup_table_find(table, 7), cgroup);
	cr_expect_str_eq(cgroup->path, "/a");
	cr_expect_eq(cgroup_table_due_ns(table), NOW_NS + 2 * NS_PER_S);
	cr_expect_null(cgroup_table_expired(table, NOW_NS + 2 * NS_PER_S - 1));
	cr_expect_eq(cgroup_table_expired(table, NOW_NS + 2 * NS_PER_S), cgroup);
	cgroup_table_forget(table, cgroup);
	cr_expect_null(cgroup_table_find(table, 7));
	cr_expect_eq(cgroup_table_due_ns(table), UINT64_MAX);
}

Test(cgroup_table, ids_of_both_hierarchies_are_apart, .init = set_up, .fini = tear_down)
{
	struct cgroup *v2 = add(1, "/", CGROUP_THERE), *v1 = add(1 | 1ull << 63, "/", CGROUP_THERE);

	cr_expect_eq(cgroup_table_find(table, 1), v2);
	cr_expect_eq(cgroup_table_find(table, 1 | 1ull << 63), v1);
	cr_expect_eq(cgroup_table_next(table, NULL), v2);
	cr_expect_eq(cgroup_table_next(table, v2), v1);
	cr_expect_null(cgroup_table_next(table, v1));
}

Test(cgroup_table, there_is_a_bound, .init = set_up, .fini = tear_down)
{
	struct cgroup *cgroup = NULL;

	for (u64 id = 1; id <= MAX_CGROUPS; id++)
		add(id, "/x", CGROUP_THERE);
	cr_expect_eq(cgroup_table_add(table, MAX_CGROUPS + 1, "/x", CGROUP_THERE, NOW_NS, &cgroup), -ENOSPC);
	cgroup_table_retire(table, cgroup_table_find(table, 5), NOW_NS);
	cr_expect_eq(cgroup_table_add(table, MAX_CGROUPS + 1, "/x", CGROUP_THERE, NOW_NS, &cgroup), 0);
}

Test(cgroup_table, short_lives_do_not_fill_the_memory, .init = set_up, .fini = tear_down)
{
	for (u64 id = 1; id <= 3 * MAX_CGROUPS; id++) {
		struct cgroup *expired = cgroup_table_expired(table, NOW_NS);

		if (expired) {
			cr_assert_eq(expired->id, id - MAX_CGROUPS, "the one that was kept longest");
			cgroup_table_forget(table, expired);
		}
		cgroup_table_retire(table, add(id, "/x", CGROUP_THERE), NOW_NS);
	}
	cr_expect_eq(cgroup_table_cnt(table, CGROUP_REMOVED), MAX_CGROUPS);
}

Test(cgroup_table, what_nobody_knows_is_kept_for_a_second, .init = set_up, .fini = tear_down)
{
	struct cgroup *cgroup = add(9, "", CGROUP_UNKNOWN);

	cr_expect_eq(cgroup->until_ns, NOW_NS + NS_PER_S);
	cr_expect_eq(cgroup_table_due_ns(table), UINT64_MAX, "nobody need wake up for it");
	cr_expect_null(cgroup_table_expired(table, NOW_NS));
	cr_expect_eq(cgroup_table_expired(table, NOW_NS + NS_PER_S), cgroup);
}
