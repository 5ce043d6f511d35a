/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What another profiler wrote, and whether two samples are of one distribution. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/e2e/perf_script.h"

Test(perf_script, samples_become_folded_stacks_without_kernel_frames)
{
	char *folded = perf_script_fold("21827 \n"
					"\tffffffff81 do_syscall_64 ([kernel.kallsyms])\n"
					"\t    b1a4 f2.cold (/some where/p)\n"
					"\t   b2 [unknown] (/usr/lib/libc.so.6)\n"
					"\t    7270 _start (/some where/p)\n"
					"\n"
					"21827 \n"
					"\t    b1a5 std::sort<int (*)(int)> (/some where/p)\n"
					"\t    7270 _start (/some where/p)\n"
					"\n"
					"21827 \n"
					"\t    b1a4 f2 (/some where/p)\n"
					"\t   b2 [unknown] (/usr/lib/libc.so.6)\n"
					"\t    7270 _start (/some where/p)\n"
					"\n");

	cr_assert_not_null(folded);
	cr_assert_str_eq(folded, "perf (21827);_start (p);0x0 (libc.so.6);f2 (p) 2\n"
				 "perf (21827);_start (p);std::sort<int (*)(int)> (p) 1\n");
	free(folded);
}

Test(perf_script, text_that_is_not_of_perf_is_refused)
{
	cr_assert_null(perf_script_fold("what?\n"));
	cr_assert_null(perf_script_fold("21827 \n\tno frame\n\n"));
	cr_assert_null(perf_script_fold("21827 x\n\t7270 _start (p)\n\n"));
}

Test(perf_script, two_samples_of_one_distribution_are_not_told_apart)
{
	static const u64 a[] = {100, 200, 300, 0}, b[] = {55, 95, 148, 2};

	cr_assert_gt(permutation_test(a, b, 4, 1999), 0.01);
	cr_assert_eq(permutation_test(a, a, 4, 1999), 1);
}

Test(perf_script, two_samples_of_two_distributions_are)
{
	static const u64 a[] = {100, 200, 300}, b[] = {100, 140, 60}, none[] = {0, 0, 300};

	cr_assert_lt(permutation_test(a, b, 3, 1999), 0.001);
	cr_assert_lt(permutation_test(a, none, 3, 1999), 0.001);
}

/* Fair coins: p is as likely to lie below a tenth as it should be. */
Test(perf_script, chance_is_called_chance)
{
	unsigned seed = 1, low = 0;

	for (int i = 0; i < 200; i++) {
		u64 a[4] = {0}, b[4] = {0};
		for (int j = 0; j < 400; j++) {
			a[rand_r(&seed) % 4]++;
			b[rand_r(&seed) % 4]++;
		}
		low += permutation_test(a, b, 4, 199) <= 0.1;
	}
	cr_assert(low > 5 && low < 40, "%u of 200 below 0.1", low);
}
