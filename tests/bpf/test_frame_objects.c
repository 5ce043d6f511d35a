/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames as objects (CPython 2.7 to 3.10): the Python walk over memory laid out by
 * hand, and how the native one places what it found.
 */
#include "host.h"

#include <criterion/criterion.h>

#include "native.bpf.h"
#include "python.bpf.h"
#include "tests/unit/build_python.h"

#define PY_2_7	       0x020712f0
#define PY_3_9	       0x030912f0
#define PY_3_10	       0x030a0df0
#define THREAD_POINTER 0x7ffff7d8a740ull
#define SP	       0x7fffffff0000ull

static struct built_python *python;
static u64 runtime, interpreter, state, main_code;

static void begin(u32 version)
{
	memset(&host, 0, sizeof(host));
	python = built_python_new(version);
	const struct python_layout *l = &python->layout;

	runtime = built_space(python, 4096);
	interpreter = built_space(python, 4096);
	state = built_space(python, 512);
	main_code = built_code(python, "main", "main", "app.py", 10);
	built_poke_u64(python, runtime + l->runtime_interpreters, interpreter);
	built_poke_u64(python, interpreter + l->interpreter_threads, state);
	built_poke_u64(python, state + l->thread_interpreter, interpreter);
	built_poke_u64(python, state + l->thread_id, THREAD_POINTER);
}

static void end(void)
{
	built_python_free(python);
}

TestSuite(frame_objects, .fini = end);

static u64 frame_of(u64 previous, s32 index)
{
	const struct python_layout *l = &python->layout;
	u64 frame = built_space(python, 256);

	built_poke_u64(python, frame + l->frame_code, main_code);
	built_poke_u64(python, frame + l->frame_previous, previous);
	built_poke_u32(python, frame + l->frame_instr, index);
	if (l->frame_thread != ABSENT)
		built_poke_u64(python, frame + l->frame_thread, state);
	return frame;
}

static u64 cframe_of(u64 previous)
{
	u64 cframe = built_space(python, 32);

	built_poke_u64(python, cframe + python->layout.cframe_previous, previous);
	return cframe;
}

/* The outermost CFrame of 3.10: inside of the thread state. */
static u64 root_cframe(void)
{
	return state + 16;
}

static int walk(u64 frame, u64 cframe)
{
	struct scratch *s = &host.scratch;
	int ended = WALK_ON;

	built_poke_u64(python, state + python->layout.thread_frame, frame);
	if (python->layout.thread_cframe != ABSENT)
		built_poke_u64(python, state + python->layout.thread_cframe, cframe);
	host.memory = built_memory(python);
	host.layout = python->layout;
	s->python.runtime = runtime;
	s->python.thread_pointer = THREAD_POINTER;
	s->sample.python_end = LOSS_NONE;
	s->native.interrupted[REG_RSP] = SP;
	python_thread(s, 0, &host.layout);
	if (!s->python.state)
		return -1;
	cr_assert_eq(python_begin(s, &host.layout, 1), 0);
	while (ended == WALK_ON)
		ended = python_step(0);
	return ended;
}

static u32 instr_at(u32 i)
{
	return ((const struct python_frame *)host.scratch.words)[i].instr;
}

static u64 code_at(u32 i)
{
	return ((const struct python_frame *)host.scratch.words)[i].code;
}

Test(frame_objects, an_index_is_in_bytes_to_3_9)
{
	begin(PY_3_9);
	cr_assert_eq(walk(frame_of(frame_of(0, 6), 40), 0), WALK_END);
	cr_assert_eq(host.scratch.python.cnt, 2);
	cr_assert_eq(instr_at(0), 40);
	cr_assert_eq(instr_at(1), 6);
}

Test(frame_objects, an_index_is_in_code_units_in_3_10)
{
	begin(PY_3_10);
	cr_assert_eq(walk(frame_of(0, 40), cframe_of(root_cframe())), WALK_END);
	cr_assert_eq(instr_at(0), 80);
}

Test(frame_objects, before_the_first_instruction_the_index_is_minus_one)
{
	begin(PY_3_10);
	cr_assert_eq(walk(frame_of(0, -1), cframe_of(root_cframe())), WALK_END);
	cr_assert_eq(instr_at(0), PYTHON_INSTR_BEFORE);
	end();

	begin(PY_2_7);
	cr_assert_eq(walk(frame_of(0, -1), 0), WALK_END);
	cr_assert_eq(instr_at(0), PYTHON_INSTR_BEFORE);
}

Test(frame_objects, each_is_a_run)
{
	begin(PY_3_9);
	cr_assert_eq(walk(frame_of(frame_of(0, 6), 40), 0), WALK_END);
	cr_assert_eq(host.scratch.python.run_cnt, 2);
	cr_assert_eq(code_at(0), main_code | PYTHON_RUN_BEGIN);
	cr_assert_eq(code_at(1), main_code | PYTHON_RUN_BEGIN);
}

Test(frame_objects, as_many_runs_as_frames_fit)
{
	u64 frame = 0;

	begin(PY_3_9);
	for (int i = 0; i <= MAX_PYTHON_FRAMES; i++)
		frame = frame_of(frame, i);
	cr_assert_eq(walk(frame, 0), LOSS_PYTHON_DEPTH);
	cr_assert_eq(host.scratch.python.cnt, MAX_PYTHON_FRAMES);
	cr_assert_eq(host.scratch.python.run_cnt, MAX_PYTHON_FRAMES);
}

Test(frame_objects, a_state_of_2_7_whose_frame_another_one_runs_is_not_the_thread_s)
{
	begin(PY_2_7);
	u64 frame = frame_of(0, 3);

	built_poke_u64(python, frame + python->layout.frame_thread, state + 8);
	cr_assert_eq(walk(frame, 0), -1);
}

Test(frame_objects, in_3_10_each_has_the_anchor_of_its_cframe)
{
	begin(PY_3_10);
	u64 outer = cframe_of(root_cframe()), inner = cframe_of(outer);

	cr_assert_eq(walk(frame_of(frame_of(0, 1), 2), inner), WALK_END);
	cr_assert_eq(host.scratch.python.run_cnt, 2);
	cr_assert_eq(run_anchor(&host.scratch, 0), inner);
	cr_assert_eq(run_anchor(&host.scratch, 1), outer);
}

Test(frame_objects, in_3_10_an_activation_without_its_frame_yet_moves_no_anchor)
{
	begin(PY_3_10);
	u64 outer = cframe_of(root_cframe()), inner = cframe_of(outer), begun = cframe_of(inner);

	cr_assert_eq(walk(frame_of(frame_of(0, 1), 2), begun), WALK_END);
	cr_assert_eq(run_anchor(&host.scratch, 0), inner);
	cr_assert_eq(run_anchor(&host.scratch, 1), outer);
}

Test(frame_objects, in_3_10_an_activation_without_its_cframe_any_more_is_what_runs)
{
	begin(PY_3_10);
	u64 outer = cframe_of(root_cframe());

	cr_assert_eq(walk(frame_of(frame_of(0, 1), 2), outer), WALK_END);
	cr_assert_eq(run_anchor(&host.scratch, 0), SP);
	cr_assert_eq(run_anchor(&host.scratch, 1), outer);
}

Test(frame_objects, cframes_in_a_circle_end)
{
	begin(PY_3_10);
	u64 cframe = cframe_of(0);

	built_poke_u64(python, cframe + python->layout.cframe_previous, cframe);
	cr_assert_eq(walk(frame_of(frame_of(0, 1), 2), cframe), WALK_END);
}

/* Native frames at these addresses, after a walk that found so many runs. Returns whether they add up. */
static int place(u32 run_cnt, const u64 *pcs, u32 cnt)
{
	struct scratch *s = &host.scratch;
	struct native_walk *w = &s->native;

	s->python.run_cnt = run_cnt;
	s->python.runtime = 0x600000;
	host.layout.eval[0].start = -0x1000;
	host.layout.eval[0].size = 0x100;
	host.layout.eval[1].start = 0x3000;
	host.layout.eval[1].size = 0x10;
	native_begin(s, NULL, 0);
	s->word_cnt = 0;
	for (u32 i = 0; i < cnt; i++) {
		w->ip = pcs[i];
		native_push(s, run_place(s, 0x1000 * i, 0x1000 * i + 0x1000));
	}
	return counted_runs_match(s, 0);
}

#define EVAL	  0x5ff010ull
#define EVAL_COLD 0x603008ull
#define OTHER	  0x500000ull

static u64 has_run(u32 word)
{
	return host.scratch.words[word] & NATIVE_RUN;
}

Test(frame_objects, without_anchors_each_activation_of_the_eval_loop_has_a_run)
{
	begin(PY_3_9);
	host.layout = python->layout;
	host.scratch.sample.python_end = LOSS_NONE;
	cr_assert(place(2, (const u64[]){OTHER, EVAL, OTHER, EVAL_COLD, OTHER}, 5));
	cr_assert(!has_run(0) && has_run(1) && !has_run(2) && has_run(3) && !has_run(4));
	cr_assert_eq(host.scratch.native.run, 2);
}

Test(frame_objects, without_anchors_an_activation_that_has_no_frame_is_the_innermost)
{
	begin(PY_3_9);
	host.layout = python->layout;
	host.scratch.sample.python_end = LOSS_NONE;
	cr_assert(place(2, (const u64[]){EVAL, EVAL, OTHER, EVAL}, 4));
	cr_assert(!has_run(0) && has_run(1) && has_run(3));
	cr_assert_eq(host.scratch.native.run, 2);
}

Test(frame_objects, without_anchors_an_activation_too_many_further_out_matches_nothing)
{
	begin(PY_3_9);
	host.layout = python->layout;
	host.scratch.sample.python_end = LOSS_NONE;
	cr_assert(!place(1, (const u64[]){OTHER, OTHER, OTHER, OTHER, EVAL, EVAL}, 6));
	cr_assert(has_run(4) && has_run(5));
}

Test(frame_objects, without_anchors_two_activations_too_many_match_nothing)
{
	begin(PY_3_9);
	host.layout = python->layout;
	host.scratch.sample.python_end = LOSS_NONE;
	cr_assert(!place(1, (const u64[]){EVAL, EVAL, EVAL}, 3));
}

Test(frame_objects, without_anchors_a_cut_python_stack_leaves_outer_activations_without_frames)
{
	begin(PY_3_9);
	host.layout = python->layout;
	host.scratch.sample.python_end = LOSS_PYTHON_DEPTH;
	cr_assert(place(1, (const u64[]){EVAL, EVAL, EVAL}, 3));
	cr_assert(has_run(0) && !has_run(1) && !has_run(2));
}
