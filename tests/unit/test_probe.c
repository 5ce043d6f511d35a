/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "capture/kernel_bug.h"
#include "capture/probe.h"

#define PREEMPT "#1 SMP PREEMPT_DYNAMIC "

/* What real kernels say of themselves. */
static const struct {
	struct kernel_words words;
	enum kernel_bug bug;
} kernels[] = {
	/* Debian */
	{{"5.10.0-23-amd64", "#1 SMP Debian 5.10.179-1 (2023-05-12)", ""}, KERNEL_BUG_NONE},
	{{"6.1.0-9-amd64", PREEMPT "Debian 6.1.27-1 (2023-05-08)", ""}, KERNEL_BUG_PRESENT},
	{{"6.1.0-10-amd64", PREEMPT "Debian 6.1.37-1 (2023-07-03)", ""}, KERNEL_BUG_NONE},
	{{"6.1.0-10-amd64", PREEMPT "Debian 6.1.38-1 (2023-07-14)", ""}, KERNEL_BUG_NONE},
	{{"6.1.0-0.deb11.7-amd64", PREEMPT "Debian 6.1.20-2~bpo11+1 (2023-04-23)", ""}, KERNEL_BUG_PRESENT},
	{{"6.1.0-49-amd64", PREEMPT "Debian 6.1.174-1 (2026-05-26)", ""}, KERNEL_BUG_NONE},
	{{"6.3.0-1-amd64", PREEMPT "Debian 6.3.7-1 (2023-06-12)", ""}, KERNEL_BUG_PRESENT},
	{{"6.3.0-2-amd64", PREEMPT "Debian 6.3.11-1 (2023-07-01)", ""}, KERNEL_BUG_NONE},
	{{"6.0.0-6-amd64", PREEMPT "Debian 6.0.12-1 (2022-12-09)", ""}, KERNEL_BUG_PRESENT},
	{{"6.12.43+deb13-amd64", PREEMPT "Debian 6.12.43-1 (2025-08-27)", ""}, KERNEL_BUG_NONE},
	/* Ubuntu */
	{{"5.15.0-91-generic", "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023", "Ubuntu 5.15.0-91.101-generic 5.15.131"},
	 KERNEL_BUG_NONE},
	{{"5.19.0-50-generic", "#50-Ubuntu SMP PREEMPT_DYNAMIC Mon Jul 10 18:24:29 UTC 2023",
	  "Ubuntu 5.19.0-50.50-generic 5.19.17"},
	 KERNEL_BUG_PRESENT},
	{{"6.2.0-39-generic", "#40~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC Thu Nov 16 10:53:04 UTC 2",
	  "Ubuntu 6.2.0-39.40~22.04.1-generic 6.2.16"},
	 KERNEL_BUG_PRESENT},
	{{"6.8.0-31-generic", "#31-Ubuntu SMP PREEMPT_DYNAMIC Sat Apr 20 00:40:06 UTC 2024",
	  "Ubuntu 6.8.0-31.31-generic 6.8.1"},
	 KERNEL_BUG_NONE},
	{{"6.1.0-1029-oem", "#29-Ubuntu SMP PREEMPT_DYNAMIC Tue Jan 9 21:07:34 UTC 2024",
	  "Ubuntu 6.1.0-1029.29-oem 6.1.68"},
	 KERNEL_BUG_NONE},
	{{"6.2.0-39-generic", "#40-Ubuntu SMP PREEMPT_DYNAMIC Tue Nov 14 14:18:00 UTC 2023", ""},
	 KERNEL_BUG_UNDECIDABLE},
	/* others tell upstream's version in the release */
	{{"6.1.34-59.116.amzn2023.x86_64", PREEMPT "Mon Jul  3 20:30:36 UTC 2023", ""}, KERNEL_BUG_PRESENT},
	{{"6.1.41-63.109.amzn2023.x86_64", PREEMPT "Fri Aug  4 17:03:30 UTC 2023", ""}, KERNEL_BUG_NONE},
	{{"6.3.8-200.fc38.x86_64", PREEMPT "Thu Jun 15 02:15:40 UTC 2023", ""}, KERNEL_BUG_PRESENT},
	{{"6.3.12-200.fc38.x86_64", PREEMPT "Thu Jul  6 04:05:18 UTC 2023", ""}, KERNEL_BUG_NONE},
	{{"5.14.0-362.8.1.el9_3.x86_64", PREEMPT "Wed Nov 8 17:36:32 UTC 2023", ""}, KERNEL_BUG_NONE},
	{{"6.4.0-150600.23.7-default", PREEMPT "Mon Jun 3 12:00:00 UTC 2024", ""}, KERNEL_BUG_NONE},
	{{"6.1.35", PREEMPT "Wed Jun 21 12:00:00 UTC 2023", ""}, KERNEL_BUG_PRESENT},
	{{"6.1.36", PREEMPT "Wed Jun 28 12:00:00 UTC 2023", ""}, KERNEL_BUG_NONE},
	{{"6.1.0", PREEMPT "Mon Dec 12 12:00:00 UTC 2022", ""}, KERNEL_BUG_PRESENT},
	{{"6.2.16-custom", PREEMPT "Mon Dec 12 12:00:00 UTC 2022", ""}, KERNEL_BUG_PRESENT},
	{{"6.4.0-rc1", PREEMPT "Mon May 8 12:00:00 UTC 2023", ""}, KERNEL_BUG_NONE},
	{{"6.1.0-custom", PREEMPT "Mon Dec 12 12:00:00 UTC 2022", ""}, KERNEL_BUG_UNDECIDABLE},
	{{"6.3-rc5", PREEMPT "Mon Apr 3 12:00:00 UTC 2023", ""}, KERNEL_BUG_UNDECIDABLE},
	{{"6.18.44-fc-v669", PREEMPT "@0", ""}, KERNEL_BUG_NONE},
};

Test(kernel_bug, is_decided_by_the_upstream_patch_level)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		struct kernel_version version;

		cr_assert_eq(kernel_version_of(&kernels[i].words, &version), 0);
		cr_expect_eq(kernel_bug_of(&version), kernels[i].bug, "%s / %s / %s is %d (%u.%u.%u)",
			     kernels[i].words.release, kernels[i].words.version, kernels[i].words.signature,
			     kernel_bug_of(&version), version.major, version.minor, version.patch);
	}
}

Test(kernel_bug, a_kernel_without_a_version_is_none)
{
	static const struct kernel_words words[] = {{"", "", ""}, {"6", "", ""}, {"linux", "Debian x", " "}};
	struct kernel_version version;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_assert_eq(kernel_version_of(&words[i], &version), -EINVAL);
}

Test(probe, every_finding_is_one_line_that_says_something)
{
	for (const struct probe *p = probes; p->name; p++) {
		STRBUF(detail);

		enum probe_result result = p->run(&detail);
		cr_assert_leq(result, PROBE_FAIL);
		cr_assert_gt(detail.size, 0, "%s says nothing", p->name);
		cr_assert_null(strpbrk(detail.at, "\t\n"), "%s: %s", p->name, detail.at);
		cr_assert_null(strpbrk(p->name, "\t\n "));
	}
}

Test(probe, an_error_is_explained_in_one_line)
{
	static const int errors[] = {-EPERM, -EACCES, -ENOMEM, -EMFILE, -ENOENT, -EINVAL, -EOPNOTSUPP, -ESRCH};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		STRBUF(text);

		probe_explain(errors[i], &text);
		cr_assert_gt(text.size, 0);
		cr_assert_null(strchr(text.at, '\n'));
	}
}
