/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel and these rights allow. */
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/harness.h"

#define NOBODY 65534

E2E_SUITE(doctor, 60);

static struct child *doctor_as(uid_t uid, const char *option)
{
	struct place place = place_in("/");
	const char *copy = in_place(&place, "pyprof-bpf");
	struct start how = {.uid = uid};

	/* nobody may not be let in where the build is. */
	cr_assert_eq(system(text_of("install -m 755 '%s' '%s'", profiler_path(), copy)), 0);
	struct child *child = child_start(&how, (const char *[]){copy, "doctor", option, NULL});
	child_wait(child, 30);
	return child;
}

Test(doctor, root_is_told_that_all_is_well)
{
	struct child *child = doctor_as(0, NULL);
	bool fails;

	expect_null_problem(check_doctor(child_out(child), &fails), "doctor");
	cr_expect_eq(child->status, 0, "%s%s", child_out(child), child_err(child));
	cr_expect_not(fails, "%s", child_out(child));
}

Test(doctor, nobody_is_told_which_rights_are_missing)
{
	struct child *child = doctor_as(NOBODY, NULL);
	bool fails;

	expect_null_problem(check_doctor(child_out(child), &fails), "doctor");
	cr_expect_neq(child->status, 0);
	cr_expect(child->status < 128, "status %d", child->status);
	cr_expect(fails, "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "CAP_BPF"), "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "CAP_PERFMON"), "%s", child_out(child));
}

Test(doctor, speaks_json_when_asked)
{
	struct child *child = doctor_as(0, "--json");
	json_t *json = json_loads(child_out(child), 0, NULL);

	cr_expect_eq(child->status, 0);
	cr_expect_not_null(json, "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "\"ok\""));
	json_decref(json);
}
