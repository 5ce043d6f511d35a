/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/admin_right.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define GIVEN		(BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH))

/* As the kernel tells it of the calling thread: "CapEff". */
static uint64_t set_of(const char *name)
{
	unsigned long long set = 0;
	char line[256];
	FILE *status = fopen("/proc/thread-self/status", "re");

	cr_assert_not_null(status);
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, name, strlen(name)))
			cr_assert_eq(sscanf(line + strlen(name), ": %llx", &set), 1);
	fclose(status);
	return set;
}

/* Exactly these rights, as a service has them: ambient too. Skips where they are not there to be had. */
static void have(uint64_t rights)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	if ((set_of("CapPrm") & rights) != rights)
		cr_skip_test("needs root");
	for (int i = 0; i < 2; i++)
		sets[i].effective = sets[i].permitted = sets[i].inheritable = (uint32_t)(rights >> 32 * i);
	cr_assert_eq(syscall(SYS_capset, &header, sets), 0);
	for (int i = 0; i < 64; i++)
		if (rights & BIT(i))
			cr_assert_eq(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0), 0);
}

static void expect(uint64_t rights)
{
	static const char *const names[] = {"CapEff", "CapPrm", "CapInh", "CapAmb"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_expect_eq(set_of(names[i]), rights, "%s is %llx", names[i], (unsigned long long)set_of(names[i]));
}

Test(admin_right, given_one_by_one_it_is_given_back_and_the_others_stay)
{
	have(GIVEN);
	cr_expect_eq(admin_right_give_back(), 0);
	expect(GIVEN & ~BIT(CAP_SYS_ADMIN));
	cr_expect_eq(admin_right_give_back(), 0);
	expect(GIVEN & ~BIT(CAP_SYS_ADMIN));
}

Test(admin_right, root_who_may_give_himself_rights_keeps_it)
{
	have(GIVEN | BIT(CAP_SETPCAP));
	cr_expect_eq(admin_right_give_back(), 0);
	expect(GIVEN | BIT(CAP_SETPCAP));
}

Test(admin_right, who_never_had_it_notices_nothing)
{
	have(BIT(CAP_SYS_PTRACE));
	cr_expect_eq(admin_right_give_back(), 0);
	expect(BIT(CAP_SYS_PTRACE));
}

static void *give_back(void *ctx)
{
	*(int *)ctx = admin_right_give_back();
	return NULL;
}

Test(admin_right, each_thread_has_its_own)
{
	pthread_t thread;
	int result = -1;

	have(GIVEN);
	cr_assert_eq(pthread_create(&thread, NULL, give_back, &result), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(result, 0);
	expect(GIVEN);
}
