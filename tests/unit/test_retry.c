/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>

#include "base/clock.h"
#include "container/retry.h"

TestSuite(retry);

#define START_NS 1000000000000ull

Test(retry, waits_grow_to_a_second_and_end_with_the_limit)
{
	struct retry_queue queue = {.limit_ns = 10 * NS_PER_S};
	struct retry retry = {0};
	static const u64 waits_ms[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1000, 1000};
	u64 now_ns = START_NS;
	size_t looks = 1;

	retry_start(&queue, &retry, now_ns);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
		u64 due_ns = retry_due_ns(&queue);

		cr_expect_eq(due_ns, now_ns + waits_ms[i] * NS_PER_MS, "wait %zu", i);
		cr_expect_null(retry_due(&queue, due_ns - 1));
		cr_expect_eq(retry_due(&queue, due_ns), &retry);
		now_ns = due_ns;
		cr_expect(retry_again(&queue, &retry, now_ns));
		looks++;
	}
	while (retry.waits && looks < 100) {
		now_ns = retry_due_ns(&queue);
		retry_again(&queue, &retry, now_ns);
		looks++;
	}
	cr_expect_geq(now_ns, START_NS + queue.limit_ns);
	cr_expect_leq(now_ns, START_NS + queue.limit_ns + NS_PER_S);
	cr_expect_eq(retry_due_ns(&queue), UINT64_MAX);
}

Test(retry, a_first_look_is_due_at_once)
{
	struct retry_queue queue = {.limit_ns = NS_PER_S};
	struct retry retry = {0};

	retry_start_now(&queue, &retry, START_NS);
	cr_expect_eq(retry_due_ns(&queue), START_NS);
	cr_expect_eq(retry_due(&queue, START_NS), &retry);
	cr_expect(retry_again(&queue, &retry, START_NS));
	cr_expect_eq(retry_due_ns(&queue), START_NS + NS_PER_MS);
}

Test(retry, the_oldest_is_the_one_that_was_looked_for_the_longest_ago)
{
	struct retry_queue queue = {.limit_ns = NS_PER_S};
	struct retry first = {0}, second = {0};

	cr_expect_null(retry_oldest(&queue, UINT64_MAX));
	retry_start(&queue, &first, START_NS);
	retry_start_now(&queue, &second, START_NS + 1);
	cr_expect_eq(retry_oldest(&queue, START_NS + 10), &first);
	cr_expect(retry_again(&queue, &first, START_NS + 10));
	cr_expect_eq(retry_oldest(&queue, START_NS + 10), &second);
	cr_expect(retry_again(&queue, &second, START_NS + 10));
	cr_expect_null(retry_oldest(&queue, START_NS + 10), "each once");
}

Test(retry, the_youngest_come_first_and_of_equals_the_one_that_waits_longer)
{
	struct retry_queue queue = {.limit_ns = NS_PER_S};
	struct retry old = {0}, first = {0}, second = {0};

	retry_start(&queue, &old, START_NS);
	retry_again(&queue, &old, START_NS);
	retry_start(&queue, &first, START_NS);
	retry_start(&queue, &second, START_NS + 1);
	u64 now_ns = START_NS + NS_PER_S;
	cr_expect_eq(retry_due(&queue, now_ns), &first);
	retry_stop(&queue, &first);
	cr_expect_eq(retry_due(&queue, now_ns), &second);
	retry_stop(&queue, &second);
	cr_expect_eq(retry_due(&queue, now_ns), &old);
	retry_stop(&queue, &old);
	retry_stop(&queue, &old);
	cr_expect_null(retry_due(&queue, now_ns));
}
