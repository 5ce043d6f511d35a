/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/thread_list.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "build_python.h"
#include "live_python.h"

#define VERSION		   0x030c01f0
#define WITHOUT_BACK_LINKS 0x020712f0

struct found {
	size_t cnt;
	struct python_thread threads[64];
};

static int remember(void *ctx, const struct python_thread *thread)
{
	struct found *found = ctx;

	if (found->cnt < 64)
		found->threads[found->cnt] = *thread;
	found->cnt++;
	return 0;
}

/* Threads on one list, newest first, with the thread pointers 1, 2, ... */
static u64 build_interpreter(struct built_python *built, u64 *states, size_t cnt, u64 next)
{
	const struct python_layout *layout = &built->layout;
	u64 interpreter = built_space(built, 256);

	for (size_t i = 0; i < cnt; i++)
		states[i] = built_space(built, layout->thread_size);
	for (size_t i = 0; i < cnt; i++) {
		if (layout->thread_previous != ABSENT)
			built_poke_u64(built, states[i] + layout->thread_previous, i ? states[i - 1] : 0);
		built_poke_u64(built, states[i] + layout->thread_next, i + 1 < cnt ? states[i + 1] : 0);
		built_poke_u64(built, states[i] + layout->thread_interpreter, interpreter);
		built_poke_u64(built, states[i] + layout->thread_id, i + 1);
		built_poke_u64(built, states[i] + layout->thread_frame, 100 + i);
	}
	built_poke_u64(built, interpreter + layout->interpreter_threads, cnt ? states[0] : 0);
	built_poke_u64(built, interpreter + layout->interpreter_next, next);
	return interpreter;
}

static u64 build_runtime(struct built_python *built, u64 interpreter)
{
	u64 runtime = built_space(built, 256);

	built_poke_u64(built, runtime + built->layout.runtime_interpreters, interpreter);
	return runtime;
}

static int read_built(const struct built_python *built, u64 runtime, struct found *found)
{
	struct remote_memory memory = built_memory(built);

	return thread_list_read(&memory, &built->layout, runtime, remember, found);
}

Test(thread_list, has_every_thread_of_every_interpreter)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 first[3], second[2];
	u64 older = build_interpreter(built, second, 2, 0);
	u64 runtime = build_runtime(built, build_interpreter(built, first, 3, older));
	struct found found = {0};

	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 5);
	cr_assert_eq(found.threads[0].state, first[0]);
	cr_assert_eq(found.threads[2].thread_pointer, 3);
	cr_assert_eq(found.threads[2].frame, 102);
	cr_assert_eq(found.threads[4].state, second[1]);
}

Test(thread_list, of_a_runtime_without_interpreters_is_empty)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 runtime = build_runtime(built, 0);
	struct found found = {0};

	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 0);
}

Test(thread_list, in_a_circle_ends)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[3];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 3, 0));
	struct found found = {0};

	built_poke_u64(built, states[2] + built->layout.thread_next, states[0]);
	built_poke_u64(built, states[0] + built->layout.thread_previous, states[2]);
	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 3);
}

Test(thread_list, whose_tail_leads_back_into_its_middle_ends)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[4];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 4, 0));
	struct found found = {0};

	built_poke_u64(built, states[3] + built->layout.thread_next, states[1]);
	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 4);
}

/* Wherever the tail leads back to: each thread once. */
Test(thread_list, without_links_back_has_each_state_of_a_circle_once)
{
	for (size_t cnt = 1; cnt <= 12; cnt++) {
		for (size_t back_to = 0; back_to < cnt; back_to++) {
			_cleanup_(built_python) struct built_python *built = built_python_new(WITHOUT_BACK_LINKS);
			u64 states[12];
			u64 runtime = build_runtime(built, build_interpreter(built, states, cnt, 0));
			struct found found = {0};

			built_poke_u64(built, states[cnt - 1] + built->layout.thread_next, states[back_to]);
			cr_assert_eq(read_built(built, runtime, &found), 0);
			cr_assert_eq(found.cnt, cnt, "%zu of %zu, back to %zu", found.cnt, cnt, back_to);
			for (size_t i = 0; i < cnt; i++)
				cr_assert_eq(found.threads[i].state, states[i]);
		}
	}
}

Test(thread_list, without_links_back_leaves_out_a_state_of_another_interpreter)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(WITHOUT_BACK_LINKS);
	u64 states[3];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 3, 0));
	struct found found = {0};

	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 3);
	found.cnt = 0;
	built_poke_u64(built, states[2] + built->layout.thread_interpreter, 0xdead);
	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 2);
}

Test(thread_list, of_interpreters_in_a_circle_ends)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[1];
	u64 interpreter = build_interpreter(built, states, 1, 0);
	struct found found = {0};

	built_poke_u64(built, interpreter + built->layout.interpreter_next, interpreter);
	cr_assert_eq(read_built(built, build_runtime(built, interpreter), &found), 0);
	cr_assert_eq(found.cnt, 1);
}

Test(thread_list, leaves_out_a_state_of_another_interpreter)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[3];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 3, 0));
	struct found found = {0};

	built_poke_u64(built, states[1] + built->layout.thread_interpreter, 0xdead);
	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 1);
}

Test(thread_list, keeps_what_it_read_before_a_link_into_nowhere)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[2];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 2, 0x1000));
	struct found found = {0};

	built_poke_u64(built, states[1] + built->layout.thread_next, 0x2000);
	cr_assert_eq(read_built(built, runtime, &found), 0);
	cr_assert_eq(found.cnt, 2);
}

Test(thread_list, survives_a_head_that_has_got_a_newer_neighbour)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[3];
	u64 interpreter = build_interpreter(built, states, 3, 0);
	struct found found = {0};

	built_poke_u64(built, interpreter + built->layout.interpreter_threads, states[1]);
	cr_assert_eq(read_built(built, build_runtime(built, interpreter), &found), 0);
	cr_assert_eq(found.cnt, 2);
}

static int refuse(void *ctx, const struct python_thread *thread)
{
	*(int *)ctx += 1;
	return -ENOSPC;
}

Test(thread_list, stops_at_the_visit_that_says_so)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 states[3];
	u64 runtime = build_runtime(built, build_interpreter(built, states, 3, 0));
	struct remote_memory memory = built_memory(built);
	int visits = 0;

	cr_assert_eq(thread_list_read(&memory, &built->layout, runtime, refuse, &visits), -ENOSPC);
	cr_assert_eq(visits, 1);
}

Test(thread_list, of_no_process_is_a_fault)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	struct found found = {0};

	cr_assert_eq(read_built(built, 0x1000, &found), -EFAULT);
}

/*
 * A walk as short as a test needs it, to see that the layout's offsets lead
 * through real frames: the profiler's own walker is bpf/python.bpf.h.
 */
static u64 read_u64(const struct live_python *python, u64 address)
{
	u64 value = 0;

	cr_assert_eq(remote_read(&python->memory, address, &value, sizeof(value)), 0, "%s: %#llx", python->name,
		     address);
	return value;
}

static u8 read_owner(const struct live_python *python, u64 frame)
{
	u8 owner = 0;

	if (python->file.layout.frame_owner != ABSENT)
		remote_read(&python->memory, frame + python->file.layout.frame_owner, &owner, sizeof(owner));
	return owner;
}

static void check_chain(const struct live_python *python, const char *fact, u64 frame, u64 state)
{
	const struct python_layout *layout = &python->file.layout;
	unsigned long long code;
	int size, depth = 0;

	if (layout->cframe_frame != ABSENT)
		frame = read_u64(python, frame + layout->cframe_frame);
	for (; frame && frame - state >= layout->thread_size;
	     frame = read_u64(python, frame + layout->frame_previous)) {
		if (read_owner(python, frame) >= layout->frame_owner_shim)
			continue;
		cr_assert_eq(sscanf(fact, " %llx%n", &code, &size), 1, "%s: too deep at %d", python->name, depth);
		fact += size;
		cr_assert_eq(read_u64(python, frame + layout->frame_code) & layout->frame_code_mask, code,
			     "%s: another code object at depth %d", python->name, depth);
		depth++;
	}
	cr_assert_eq(*fact, '\n', "%s: ends at depth %d", python->name, depth);
	cr_assert_gt(depth, 6);
}

static void check_thread(const struct live_python *python, const char *fact)
{
	struct found found = {0};
	unsigned long long ident;
	int size, seen = 0;

	cr_assert_eq(sscanf(fact, "thread %llx%n", &ident, &size), 1);
	cr_assert_eq(thread_list_read(&python->memory, &python->file.layout, python->runtime, remember, &found), 0);
	cr_assert_eq(found.cnt, 4, "%s: %zu threads", python->name, found.cnt);
	for (size_t i = 0; i < found.cnt; i++) {
		if (found.threads[i].thread_pointer != ident)
			continue;
		check_chain(python, fact + size, found.threads[i].frame, found.threads[i].state);
		seen++;
	}
	cr_assert_eq(seen, 1, "%s: %d states with one ident", python->name, seen);
}

static void check_threads(const struct live_python *python)
{
	size_t cnt = 0;

	for (const char *fact = NULL; (fact = live_python_fact(python, "thread", fact)); cnt++)
		check_thread(python, fact);
	cr_assert_eq(cnt, 3);
}

Test(thread_list, of_a_live_interpreter_leads_to_the_frames_that_it_says_it_has, .timeout = 600)
{
	for_each_live_python(check_threads);
}
