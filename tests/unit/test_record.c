/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "capture/perf_event.h"
#include "capture/record.h"
#include "pyprof/losses.h"
#include "pyprof/thread_record.h"

/* A sample with room for the parts that tests ask for. */
static struct {
	struct sample sample;
	u64 words[64];
} ring;

static struct sample *sample_of(u16 kernel_cnt, u16 python_cnt, u16 native_cnt)
{
	struct sample *s = &ring.sample;

	memset(&ring, 0, sizeof(ring));
	s->record.type = RECORD_SAMPLE;
	s->record.size = sizeof(*s) + 8 * (kernel_cnt + 2 * python_cnt + native_cnt);
	s->kernel_cnt = kernel_cnt;
	s->python_cnt = python_cnt;
	s->native_cnt = native_cnt;
	s->python_end = s->native_end = LOSS_NONE;
	return s;
}

Test(record, a_sample_whose_parts_fill_it_passes)
{
	struct sample *s = sample_of(3, 2, 1);

	cr_assert_eq(record_check(s, s->record.size), 0);
	cr_assert_eq((const u8 *)(sample_native(s) + 1) - (const u8 *)s, s->record.size);
}

Test(record, parts_that_reach_beyond_it_do_not_pass)
{
	struct sample *s = sample_of(3, 2, 1);

	s->native_cnt++;
	cr_assert_eq(record_check(s, sizeof(ring)), -EBADMSG);
}

Test(record, a_size_beyond_what_was_received_does_not_pass)
{
	struct sample *s = sample_of(3, 2, 1);

	cr_assert_eq(record_check(s, s->record.size - 8), -EBADMSG);
}

Test(record, an_end_that_is_no_loss_does_not_pass)
{
	struct sample *s = sample_of(0, 1, 0);

	s->python_end = LOSS_CNT;
	cr_assert_eq(record_check(s, s->record.size), -EBADMSG);
}

/* A stack with room for as many bytes as tests ask for. */
static struct {
	struct stack_record stack;
	u8 bytes[256];
} stack_ring;

static struct stack_record *stack_of(u32 run_cnt, u32 stack_size)
{
	struct stack_record *s = &stack_ring.stack;

	memset(&stack_ring, 0, sizeof(stack_ring));
	s->record.type = RECORD_STACK;
	s->record.size = sizeof(*s) + stack_size;
	s->run_cnt = run_cnt;
	s->stack_size = stack_size;
	return s;
}

Test(record, a_stack_passes_whose_bytes_fill_it_or_that_has_none)
{
	struct stack_record *s = stack_of(MAX_PYTHON_RUNS, 256);

	cr_assert_eq(record_check(s, sizeof(stack_ring)), 0);
	s = stack_of(0, 0);
	cr_assert_eq(record_check(s, sizeof(*s)), 0);
}

Test(record, a_stack_whose_size_is_another_does_not_pass)
{
	struct stack_record *s = stack_of(0, 64);

	s->stack_size = 72;
	cr_assert_eq(record_check(s, sizeof(stack_ring)), -EBADMSG);
	s->stack_size = 56;
	cr_assert_eq(record_check(s, sizeof(stack_ring)), -EBADMSG);
	s->record.size = sizeof(*s) - 8;
	cr_assert_eq(record_check(s, sizeof(stack_ring)), -EBADMSG);
}

Test(record, a_stack_beyond_the_bounds_does_not_pass)
{
	static struct {
		struct stack_record stack;
		u8 bytes[MAX_STACK_COPY + 8];
	} large;
	struct stack_record *s = stack_of(MAX_PYTHON_RUNS + 1, 64);

	cr_assert_eq(record_check(s, sizeof(stack_ring)), -EBADMSG);
	s = stack_of(0, 64);
	s->cpu = MAX_CPUS;
	cr_assert_eq(record_check(s, sizeof(stack_ring)), -EBADMSG);

	large.stack = *stack_of(0, MAX_STACK_COPY);
	cr_assert_eq(record_check(&large, sizeof(large)), 0);
	large.stack = *stack_of(0, MAX_STACK_COPY + 8);
	cr_assert_eq(record_check(&large, sizeof(large)), -EBADMSG);
}

Test(record, an_unknown_type_does_not_pass)
{
	struct sample *s = sample_of(0, 0, 0);

	s->record.type = 99;
	cr_assert_eq(record_check(s, s->record.size), -EBADMSG);
}

Test(cpus, ranges_and_single_ones_are_read)
{
	int cpus[16];
	size_t cnt;

	cr_assert_eq(cpus_parse("0-2,5,8-9\n", cpus, 16, &cnt), 0);
	cr_assert_eq(cnt, 6);
	cr_assert_eq(cpus[3], 5);
	cr_assert_eq(cpus[5], 9);
}

Test(cpus, what_is_no_list_is_refused)
{
	int cpus[4];
	size_t cnt;

	cr_assert_eq(cpus_parse("0-x", cpus, 4, &cnt), -EINVAL);
	cr_assert_eq(cpus_parse("3-1", cpus, 4, &cnt), -ERANGE);
	cr_assert_eq(cpus_parse("0-99999999", cpus, 4, &cnt), -ERANGE);
	cr_assert_eq(cpus_parse("0-9", cpus, 4, &cnt), -ENOSPC);
}

Test(cpus, idle_waiting_and_stolen_time_is_not_busy)
{
	u64 ticks;

	cr_assert_eq(cpus_busy_parse("cpu  100 20 30 9000 500 4 6 77 0 0\ncpu0 1 2 3\n", &ticks), 0);
	cr_assert_eq(ticks, 100 + 20 + 30 + 4 + 6);
	cr_assert_eq(cpus_busy_parse("intr 1 2 3\n", &ticks), -EINVAL);
}

Test(record, a_code_object_may_be_shorter_than_its_piece_but_no_longer)
{
	struct code_record code = {.record = {.type = RECORD_CODE, .size = sizeof(code)}};

	cr_assert_eq(record_check(&code, sizeof(code)), 0);
	code.pieces[CODE_PIECE_OBJECT].size = CODE_OBJECT_SIZE;
	cr_assert_eq(record_check(&code, sizeof(code)), 0);
	code.pieces[CODE_PIECE_OBJECT].size = 128; /* CPython 2.7's */
	cr_assert_eq(record_check(&code, sizeof(code)), 0);
	code.pieces[CODE_PIECE_OBJECT].size = CODE_OBJECT_SIZE + 8;
	cr_assert_eq(record_check(&code, sizeof(code)), -EBADMSG);
}

/* A thread with room for a kernel stack that is one frame too deep. */
static struct {
	struct thread_record thread;
	u64 kernel[MAX_KERNEL_FRAMES + 1];
} listed;

static struct thread_record *thread_of(u32 kernel_cnt)
{
	struct thread_record *t = &listed.thread;

	memset(&listed, 0, sizeof(listed));
	t->record.type = RECORD_THREAD;
	t->record.size = sizeof(*t) + 8 * kernel_cnt;
	t->kernel_cnt = kernel_cnt;
	return t;
}

Test(record, a_thread_passes_whose_kernel_stack_fills_it_or_that_has_none)
{
	cr_assert_eq(record_check(thread_of(0), sizeof(listed)), 0);
	cr_assert_eq(record_check(thread_of(MAX_KERNEL_FRAMES), sizeof(listed)), 0);
	cr_assert_eq(thread_record_kernel(&listed.thread), listed.kernel);
}

Test(record, a_thread_whose_size_is_another_or_beyond_the_bounds_does_not_pass)
{
	struct thread_record *t = thread_of(3);

	t->kernel_cnt = 4;
	cr_assert_eq(record_check(t, sizeof(listed)), -EBADMSG);
	t->kernel_cnt = 2;
	cr_assert_eq(record_check(t, sizeof(listed)), -EBADMSG);
	t->kernel_cnt = 0;
	t->record.size = sizeof(*t) - 8;
	cr_assert_eq(record_check(t, sizeof(listed)), -EBADMSG);
	cr_assert_eq(record_check(thread_of(3), sizeof(*t) + 16), -EBADMSG);
	cr_assert_eq(record_check(thread_of(MAX_KERNEL_FRAMES + 1), sizeof(listed)), -EBADMSG);
}

Test(record, a_cgroup_whose_path_ends_within_it_passes_and_no_other)
{
	static struct cgroup_record cgroup = {.record = {.type = RECORD_CGROUP}, .path = "/docker/x"};
	size_t head = offsetof(struct cgroup_record, path);

	cgroup.record.size = head + 16;
	cr_assert_eq(record_check(&cgroup, cgroup.record.size), 0);
	cr_assert_eq(record_check(&cgroup, cgroup.record.size - 8), -EBADMSG);
	cgroup.record.size = head + 8; /* "/docker/": the NUL lies behind it */
	cr_assert_eq(record_check(&cgroup, sizeof(cgroup)), -EBADMSG);
	cgroup.record.size = head;
	cr_assert_eq(record_check(&cgroup, sizeof(cgroup)), -EBADMSG);
	cgroup.record.size = sizeof(cgroup) + 8;
	cr_assert_eq(record_check(&cgroup, sizeof(cgroup) + 8), -EBADMSG);
}
