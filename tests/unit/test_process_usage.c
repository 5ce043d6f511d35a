/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/process_usage.h"

TestSuite(process_usage);

/* proc(5): of a shell; the fields 14, 15 and 22 are what counts. */
#define AFTER " S 1 2 3 0 -1 %u 1 2 3 4 250 50 7 8 20 0 1 0 123456 4096 10 18446744073709551615 1 1"

static struct process_usage parsed(const char *command, unsigned flags)
{
	char text[400], after[300];
	struct process_usage usage = {0};

	snprintf(after, sizeof(after), AFTER, flags);
	snprintf(text, sizeof(text), "77 (%s)%s", command, after);
	cr_assert_eq(process_usage_parse(text, 100, &usage), 0, "%s", text);
	return usage;
}

Test(process_usage, is_the_time_of_user_and_system)
{
	struct process_usage usage = parsed("sh", 0x400000);

	cr_expect_eq(usage.cpu_ns, 3000000000ull);
	cr_expect_eq(usage.start_ticks, 123456);
	cr_expect(!usage.is_kernel);
	cr_expect(parsed("kworker/0:1", 0x4208060).is_kernel);
}

Test(process_usage, is_read_behind_the_last_parenthesis)
{
	cr_expect_eq(parsed(") S 1 2 3 0 -1 4 1 2 3 4 9 9 7 8 20 0 1 0 1 (", 0).cpu_ns, 3000000000ull);
}

Test(process_usage, of_a_text_that_is_cut_off_is_none)
{
	static const char *const texts[] = {"", "77 (sh", "77 (sh)", "77 (sh) S 1 2 3 0 -1 0 1 2 3 4 250",
					    "77 (sh) S x"};
	struct process_usage usage;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		cr_expect_eq(process_usage_parse(texts[i], 100, &usage), -EBADMSG, "%s", texts[i]);
}

Test(process_usage, of_ourselves_is_what_getrusage_says)
{
	struct process_usage usage;
	struct rusage own;

	for (volatile unsigned i = 0; i < 200000000; i++)
		;
	cr_assert_eq(process_usage_read((u32)getpid(), &usage), 0);
	getrusage(RUSAGE_SELF, &own);
	double seconds = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
			 (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
	cr_expect_float_eq((double)usage.cpu_ns / 1e9, seconds, 0.05, "%g", (double)usage.cpu_ns / 1e9);
	cr_expect(process_may_look((u32)getpid()));
}
