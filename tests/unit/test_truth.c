/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/truth.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(truth, counts_processes_by_version_in_order)
{
	struct truth truth = {0};

	truth_add_python(&truth, "3.13.0");
	truth_add_python(&truth, "3.11.2");
	truth_add_python(&truth, "3.13.0");
	cr_assert_eq(truth.python_processes, 3);
	cr_assert_str_eq(truth.versions[0].version, "3.11.2");
	cr_assert_eq(truth.versions[0].processes, 1);
	cr_assert_str_eq(truth.versions[1].version, "3.13.0");
	cr_assert_eq(truth.versions[1].processes, 2);
	cr_assert_str_empty(truth.versions[2].version);
}

Test(truth, more_versions_than_there_is_room_for_are_processes_still)
{
	struct truth truth = {0};
	char version[16];

	for (int i = 0; i < 100; i++) {
		snprintf(version, sizeof(version), "3.9.%03d", i);
		truth_add_python(&truth, version);
	}
	cr_assert_eq(truth.python_processes, 100);
	for (size_t i = 0; i < TRUTH_VERSION_CNT; i++)
		cr_assert_eq(truth.versions[i].processes, 1);
}
