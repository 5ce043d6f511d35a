/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/stack_inbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct stack_inbox *inbox;

static void begin(void)
{
	cr_assert_eq(stack_inbox_new(&inbox), 0);
}

static void end(void)
{
	stack_inbox_free(inbox);
}

TestSuite(stack_inbox, .init = begin, .fini = end);

static int put(u32 cpu, u32 tid, u64 time_ns, u32 stack_size)
{
	_cleanup_(free) struct stack_record *record = calloc(1, sizeof(*record) + stack_size);

	record->record.size = sizeof(*record) + stack_size;
	record->record.time_ns = time_ns;
	record->cpu = cpu;
	record->tid = tid;
	record->stack_size = stack_size;
	memset(record + 1, (u8)tid, stack_size);
	return stack_inbox_put(inbox, record);
}

static const struct stack_record *find(u32 cpu, u32 tid, u64 time_ns)
{
	const struct sample sample = {.record.time_ns = time_ns, .cpu = cpu, .tid = tid};

	return stack_inbox_find(inbox, &sample);
}

Test(stack_inbox, a_sample_finds_the_record_of_its_cpu_time_and_thread)
{
	cr_assert_eq(put(0, 10, 100, 4096), 0);
	cr_assert_eq(put(1, 11, 100, 8192), 0);
	cr_assert_eq(find(0, 10, 100)->stack_size, 4096);
	cr_assert_eq(find(1, 11, 100)->stack_size, 8192);
	cr_assert_eq(((const u8 *)(find(1, 11, 100) + 1))[8191], 11, "all of it was copied");
	cr_assert_null(find(0, 11, 100));
	cr_assert_null(find(0, 10, 101));
	cr_assert_null(find(2, 10, 100));
}

Test(stack_inbox, the_next_record_of_a_cpu_takes_the_place_of_the_one_before)
{
	put(0, 10, 100, 8192);
	put(0, 12, 200, 4096);
	cr_assert_null(find(0, 10, 100));
	cr_assert_eq(find(0, 12, 200)->stack_size, 4096);
}

Test(stack_inbox, a_cpu_beyond_the_bound_is_refused)
{
	cr_assert_eq(put(MAX_CPUS - 1, 10, 100, 4096), 0);
	cr_assert_not_null(find(MAX_CPUS - 1, 10, 100));
	cr_assert_eq(put(MAX_CPUS, 10, 100, 4096), -ERANGE);
	cr_assert_null(find(MAX_CPUS, 10, 100));
}
