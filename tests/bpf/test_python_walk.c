/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk from a thread to its Python frames, over memory laid out by hand as CPython lays it out. */
#include "host.h"

#include <criterion/criterion.h>

#include "capture/record.h"
#include "python.bpf.h"
#include "python/code_object.h"
#include "symbolize/code_snapshot.h"
#include "tests/unit/build_python.h"

#define PY_3_11	       0x030b07f0
#define PY_3_12	       0x030c01f0
#define THREAD_POINTER 0x7ffff7d8a740ull
#define FRAME_SIZE     128

static struct built_python *python;
static u64 runtime, interpreter, state, main_code;

/* A process with one interpreter and one thread, which runs nothing yet. */
static void begin(u32 version)
{
	memset(&host, 0, sizeof(host));
	python = built_python_new(version);
	struct python_layout *l = &python->layout;

	runtime = built_space(python, 256);
	interpreter = built_space(python, 4096);
	state = built_space(python, 512);
	main_code = built_code(python, "main", "main", "app.py", 10);
	built_poke_u64(python, runtime + l->runtime_interpreters, interpreter);
	built_poke_u64(python, interpreter + l->interpreter_threads, state);
	built_poke_u64(python, state + l->thread_interpreter, interpreter);
	built_poke_u64(python, state + l->thread_id, THREAD_POINTER);
	l->interpreter_generation = 0;
}

static void end(void)
{
	built_python_free(python);
}

/* Like 3.13 and later, where the thread state points to the frame itself. */
static void begin_without_cframe(void)
{
	begin(PY_3_12);
	python->layout.cframe_frame = ABSENT;
	python->layout.cframe_previous = ABSENT;
}

static u64 frame_of(u64 code, u64 previous, u32 instr)
{
	const struct python_layout *l = &python->layout;
	u64 frame = built_space(python, FRAME_SIZE);

	built_poke_u64(python, frame + l->frame_code, code);
	built_poke_u64(python, frame + l->frame_previous, previous);
	built_poke_u64(python, frame + l->frame_instr, code + l->code_bytecode + instr);
	return frame;
}

static u64 shim_of(u64 previous)
{
	u64 frame = frame_of(0, previous, 0);

	built_poke_u32(python, frame + (python->layout.frame_owner & ~3u),
		       (u32)python->layout.frame_owner_shim << 8 * (python->layout.frame_owner & 3));
	return frame;
}

static u64 entry_of(u64 code, u64 previous)
{
	u64 frame = frame_of(code, previous, 2);

	built_poke_u32(python, frame + (python->layout.frame_is_entry & ~3u),
		       1u << 8 * (python->layout.frame_is_entry & 3));
	return frame;
}

/* In the thread state; it has no frame. */
static u64 root_cframe(void)
{
	return state + python->layout.thread_size - 24;
}

static u64 cframe_of(u64 frame, u64 previous)
{
	u64 cframe = built_space(python, 32);

	built_poke_u64(python, cframe + python->layout.cframe_frame, frame);
	built_poke_u64(python, cframe + python->layout.cframe_previous, previous);
	return cframe;
}

/* As the sampling program does it. Returns how the walk ended, WALK_END when naturally. */
static int walk(u64 current, u32 *ret_flags)
{
	struct scratch *s = &host.scratch;
	u32 flags;
	int ended;

	built_poke_u64(python, state + python->layout.thread_frame, current);
	host.memory = built_memory(python);
	host.layout = python->layout;
	s->python.runtime = runtime;
	s->python.thread_pointer = THREAD_POINTER;
	s->python.state = 0;
	s->python.cnt = s->python.run_cnt = s->python.fresh = 0;
	s->python.id = 0;
	s->python.window.size = 0;
	s->word_cnt = s->python.first_word = 3; /* something came before */

	flags = python_thread(s, 0, &host.layout);
	if (ret_flags)
		*ret_flags = flags;
	if (!s->python.state)
		return -1;
	ended = python_begin(s, &host.layout, ++host.reads);
	if (ended)
		return ended;
	for (u32 i = 0; i < MAX_PYTHON_FRAMES + MAX_PYTHON_RUNS + 1; i++) {
		ended = python_step(0);
		if (ended == WALK_RESTART)
			python_restart(s, &host.layout);
		else if (ended != WALK_ON)
			break;
	}
	return ended;
}

static const struct python_frame *walked(u32 i)
{
	return (const struct python_frame *)(host.scratch.words + 3) + i;
}

static u32 walked_cnt(void)
{
	return host.scratch.python.cnt;
}

Test(python_walk, gives_code_signature_and_instruction_innermost_first)
{
	begin_without_cframe();
	u64 leaf = built_code(python, "leaf", "leaf", "app.py", 20);
	u64 shim = shim_of(0);
	u64 outer = frame_of(main_code, shim, 6);

	cr_assert_eq(walk(frame_of(leaf, outer, 4), NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 2);
	cr_assert_eq(walked(0)->code, leaf | PYTHON_RUN_BEGIN);
	cr_assert_eq(walked(0)->instr, 4);
	cr_assert_eq(walked(0)->signature, built_signature(python, leaf));
	cr_assert_eq(walked(1)->code, main_code);
	cr_assert_eq(walked(1)->instr, 6);
	cr_assert_eq(host.scratch.word_cnt, 3 + 2 * 2);
	end();
}

Test(python_walk, each_shim_ends_a_run_and_is_its_anchor)
{
	begin_without_cframe();
	u64 outer_shim = shim_of(0);
	u64 outer = frame_of(main_code, outer_shim, 0);
	u64 inner_shim = shim_of(outer);

	cr_assert_eq(walk(frame_of(main_code, frame_of(main_code, inner_shim, 0), 0), NULL), WALK_END);
	cr_assert_eq(host.scratch.python.run_cnt, 2);
	cr_assert_eq(host.scratch.runs[0].anchor, inner_shim);
	cr_assert_eq(host.scratch.runs[0].first, 0);
	cr_assert_eq(host.scratch.runs[1].anchor, outer_shim);
	cr_assert_eq(host.scratch.runs[1].first, 2);
	end();
}

Test(python_walk, an_entry_frame_ends_a_run_whose_anchor_is_the_cframe)
{
	begin(PY_3_11);
	u64 outer = entry_of(main_code, 0);
	u64 outer_cframe = cframe_of(outer, root_cframe());
	u64 inner = frame_of(main_code, entry_of(main_code, outer), 0);
	u64 inner_cframe = cframe_of(inner, outer_cframe);

	cr_assert_eq(walk(inner_cframe, NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 3);
	cr_assert_eq(host.scratch.python.run_cnt, 2);
	cr_assert_eq(host.scratch.runs[0].anchor, inner_cframe);
	cr_assert_eq(host.scratch.runs[1].anchor, outer_cframe);
	end();
}

Test(python_walk, a_cframe_that_is_not_filled_in_yet_is_passed_over)
{
	begin(PY_3_12);
	u64 outer = frame_of(main_code, shim_of(0), 0);
	u64 outer_cframe = cframe_of(outer, root_cframe());
	/* Left from an activation that was called from elsewhere. */
	u64 stale = frame_of(main_code, shim_of(0x1234), 0);
	u64 inner_cframe = cframe_of(stale, outer_cframe);

	cr_assert_eq(walk(inner_cframe, NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 1);
	cr_assert_eq(host.scratch.word_cnt, 3 + 2);
	cr_assert_eq(host.scratch.runs[0].first, 0);
	end();
}

Test(python_walk, after_a_cframe_that_was_passed_over_each_run_has_its_own_anchor)
{
	begin(PY_3_11);
	u64 outer = entry_of(main_code, 0);
	u64 outer_cframe = cframe_of(outer, root_cframe());
	u64 middle_cframe = cframe_of(entry_of(main_code, outer), outer_cframe);
	u64 stale = entry_of(main_code, 0x1234);

	cr_assert_eq(walk(cframe_of(stale, middle_cframe), NULL), WALK_END);
	cr_assert_eq(host.scratch.python.run_cnt, 2);
	cr_assert_eq(host.scratch.runs[0].anchor, middle_cframe);
	cr_assert_eq(host.scratch.runs[1].anchor, outer_cframe);
	end();
}

Test(python_walk, a_cframe_that_points_nowhere_is_passed_over)
{
	begin(PY_3_12);
	u64 outer_cframe = cframe_of(frame_of(main_code, shim_of(0), 0), root_cframe());

	cr_assert_eq(walk(cframe_of(0xdead000, outer_cframe), NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 1);
	end();
}

Test(python_walk, a_cframe_that_points_to_what_is_no_frame_is_passed_over)
{
	for (int version = PY_3_11; version <= PY_3_12; version += PY_3_12 - PY_3_11) {
		begin(version);
		u64 outer = version == PY_3_11 ? entry_of(main_code, 0) : frame_of(main_code, shim_of(0), 0);
		u64 outer_cframe = cframe_of(outer, root_cframe());
		/* A pointer to the thread state itself lies about on the stack often. */
		u64 stale[] = {state, frame_of(0, 0, 0)};

		for (size_t i = 0; i < sizeof(stale) / sizeof(*stale); i++) {
			cr_assert_eq(walk(cframe_of(stale[i], outer_cframe), NULL), WALK_END);
			cr_assert_eq(walked_cnt(), 1);
		}
		end();
	}
}

Test(python_walk, a_cframe_without_a_frame_yet_is_passed_over)
{
	begin(PY_3_11);
	u64 outer_cframe = cframe_of(entry_of(main_code, 0), root_cframe());

	cr_assert_eq(walk(cframe_of(0, outer_cframe), NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 1);
	end();
}

/* An instruction before it is filled in, what is there is left of whatever lay on the stack before. */
Test(python_walk, a_cframe_that_leads_to_none_before_it_ends_the_walk)
{
	static const u64 previous[] = {0, 0xdead000};

	for (int version = PY_3_11; version <= PY_3_12; version += PY_3_12 - PY_3_11) {
		for (size_t i = 0; i < sizeof(previous) / sizeof(*previous); i++) {
			begin(version);
			u64 stale = version == PY_3_11 ? entry_of(main_code, 0) : frame_of(main_code, shim_of(0), 0);

			cr_assert_eq(walk(cframe_of(stale, previous[i]), NULL), LOSS_PYTHON_LOOP);
			cr_assert_eq(walked_cnt(), 0);
			end();
		}
	}
}

Test(python_walk, a_frame_that_nobody_called_is_outermost_only_under_the_outermost_cframe)
{
	begin(PY_3_11);
	/* All is left of activations that have returned: a generator's last frame, which has no caller any more. */
	u64 stale_outer = cframe_of(entry_of(main_code, 0), cframe_of(0x1234, root_cframe()));
	u64 stale_inner = cframe_of(entry_of(main_code, 0x5678), stale_outer);

	cr_assert_eq(walk(stale_inner, NULL), LOSS_PYTHON_LOOP);
	cr_assert_eq(walked_cnt(), 0);
	cr_assert_eq(host.scratch.python.run_cnt, 0);
	cr_assert_eq(host.scratch.word_cnt, 3);
	end();
}

/* From when the interpreter started: no activation of that time was called by another. */
Test(python_walk, a_stale_cframe_that_leads_to_the_outermost_does_not_say_that_there_are_no_frames)
{
	for (int version = PY_3_11; version <= PY_3_12; version += PY_3_12 - PY_3_11) {
		begin(version);
		cr_assert_eq(walk(root_cframe(), NULL), WALK_END, "no frames");
		cr_assert_eq(walk(cframe_of(0, root_cframe()), NULL), LOSS_PYTHON_LOOP);
		cr_assert_eq(walk(cframe_of(frame_of(main_code, 0x1234, 0), root_cframe()), NULL), LOSS_PYTHON_LOOP);
		cr_assert_eq(walked_cnt(), 0);
		end();
	}
}

Test(python_walk, a_base_frame_inside_the_thread_state_is_the_end)
{
	begin_without_cframe();

	cr_assert_eq(walk(frame_of(main_code, shim_of(state + 64), 0), NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 1);
	end();
}

Test(python_walk, tag_bits_of_the_code_pointer_are_no_address)
{
	begin_without_cframe();
	python->layout.frame_code_mask = ~3ull;
	u64 frame = frame_of(main_code, shim_of(0), 0);

	built_poke_u64(python, frame + python->layout.frame_code, main_code | 1);
	cr_assert_eq(walk(frame, NULL), WALK_END);
	cr_assert_eq(walked(0)->code, main_code | PYTHON_RUN_BEGIN);
	end();
}

Test(python_walk, an_instruction_outside_of_the_code_is_unknown)
{
	begin_without_cframe();
	u64 frame = frame_of(main_code, shim_of(0), 0);

	built_poke_u64(python, frame + python->layout.frame_instr, main_code - 8);
	cr_assert_eq(walk(frame, NULL), WALK_END);
	cr_assert_eq(walked(0)->instr, PYTHON_INSTR_UNKNOWN);
	end();
}

/* As free-threaded builds from 3.14 on have it: a list of copies, of which the first is the code object's own. */
#define INDEX_AT   72
#define COPIES_AT  240
#define ENTRIES_AT 8

static u64 copy_of(u64 code, u32 index)
{
	u64 copies = built_space(python, ENTRIES_AT + 8 * (index + 1));
	u64 copy = built_space(python, 64);

	python->layout.frame_bytecode_index = INDEX_AT;
	python->layout.code_bytecodes = COPIES_AT;
	python->layout.bytecodes_entries = ENTRIES_AT;
	built_poke_u64(python, code + COPIES_AT, copies);
	built_poke_u64(python, copies, index + 1);
	built_poke_u64(python, copies + ENTRIES_AT, code + python->layout.code_bytecode);
	built_poke_u64(python, copies + ENTRIES_AT + 8 * index, copy);
	return copy;
}

Test(python_walk, an_instruction_of_a_threads_own_copy_is_as_far_from_its_beginning)
{
	begin_without_cframe();
	u64 copy = copy_of(main_code, 3);
	u64 own = frame_of(main_code, shim_of(0), 6);
	u64 first = frame_of(main_code, own, 8);

	built_poke_u32(python, own + INDEX_AT, 3);
	built_poke_u64(python, own + python->layout.frame_instr, copy + 6);
	cr_assert_eq(walk(first, NULL), WALK_END);
	cr_assert_eq(walked_cnt(), 2);
	cr_assert_eq(walked(0)->instr, 8);
	cr_assert_eq(walked(1)->instr, 6);
	end();
}

Test(python_walk, an_instruction_of_a_copy_that_cannot_be_read_is_unknown)
{
	static const u32 indexes[] = {1, 1u << 20, 0x7fffffff, 0xffffffff};

	begin_without_cframe();
	copy_of(main_code, 3);
	u64 frame = frame_of(main_code, shim_of(0), 6);

	for (size_t i = 0; i < sizeof(indexes) / sizeof(*indexes); i++) {
		built_poke_u32(python, frame + INDEX_AT, indexes[i]);
		cr_assert_eq(walk(frame, NULL), WALK_END);
		cr_assert_eq(walked(0)->instr, PYTHON_INSTR_UNKNOWN, "%#x", indexes[i]);
	}
	built_poke_u32(python, frame + INDEX_AT, 3);
	built_poke_u64(python, main_code + COPIES_AT, 8);
	cr_assert_eq(walk(frame, NULL), WALK_END);
	cr_assert_eq(walked(0)->instr, PYTHON_INSTR_UNKNOWN);
	end();
}

Test(python_walk, a_circle_ends_at_the_limit)
{
	begin_without_cframe();
	u64 frame = frame_of(main_code, 0, 0);

	built_poke_u64(python, frame + python->layout.frame_previous, frame);
	cr_assert_eq(walk(frame, NULL), LOSS_PYTHON_DEPTH);
	cr_assert_eq(walked_cnt(), MAX_PYTHON_FRAMES);
	end();
}

Test(python_walk, a_stack_of_exactly_the_limit_is_whole)
{
	begin_without_cframe();
	u64 frame = shim_of(0);

	for (int i = 0; i < MAX_PYTHON_FRAMES; i++)
		frame = frame_of(main_code, frame, 0);
	cr_assert_eq(walk(frame, NULL), WALK_END);
	cr_assert_eq(walked_cnt(), MAX_PYTHON_FRAMES);
	end();
}

Test(python_walk, a_frame_that_cannot_be_read_is_a_fault_with_its_address)
{
	begin_without_cframe();

	cr_assert_eq(walk(frame_of(main_code, 0x1000, 0), NULL), LOSS_PYTHON_FAULT);
	cr_assert_eq(host.scratch.python.fault_address, 0x1000);
	cr_assert_eq(walked_cnt(), 1);
	end();
}

Test(python_walk, neighbouring_frames_share_one_read)
{
	begin_without_cframe();
	u64 frame = shim_of(0);

	for (int i = 0; i < 30; i++)
		frame = frame_of(main_code, frame, 0);
	walk(frame, NULL);
	u32 before = host.reads;
	walk(frame, NULL);
	/* 30 frames of 128 bytes are 4 windows, and a few more where they end at a page. The code object is cached. */
	cr_assert_leq(host.reads - before, 20, "%u reads", host.reads - before);
	end();
}

Test(python_walk, a_code_object_is_fresh_once)
{
	begin_without_cframe();
	u64 frame = frame_of(main_code, shim_of(0), 0);

	walk(frame, NULL);
	cr_assert(host.scratch.python.fresh);
	walk(frame, NULL);
	cr_assert_not(host.scratch.python.fresh);
	end();
}

Test(python_walk, the_id_changes_with_an_instruction_and_not_with_addresses_of_frames)
{
	begin_without_cframe();
	walk(frame_of(main_code, shim_of(0), 2), NULL);
	u64 id = host.scratch.python.id;

	walk(frame_of(main_code, shim_of(0), 2), NULL);
	cr_assert_eq(host.scratch.python.id, id);
	walk(frame_of(main_code, shim_of(0), 4), NULL);
	cr_assert_neq(host.scratch.python.id, id);
	end();
}

Test(python_thread, a_state_that_left_the_list_is_not_believed)
{
	begin_without_cframe();
	u32 flags;
	u64 dead = built_space(python, 512);

	/* It still carries the thread pointer and a previous state that is linked to another. */
	built_poke_u64(python, dead + python->layout.thread_id, THREAD_POINTER);
	built_poke_u64(python, dead + python->layout.thread_interpreter, interpreter);
	built_poke_u64(python, dead + python->layout.thread_previous, state);
	host.thread_state = dead;
	cr_assert_eq(walk(frame_of(main_code, shim_of(0), 0), &flags), WALK_END);
	cr_assert_eq(host.scratch.python.state, state);
	cr_assert_eq(flags, SAMPLE_THREAD_NEW);
	end();
}

Test(python_thread, a_newborn_with_its_creators_thread_pointer_and_no_frame_is_passed_over)
{
	begin_without_cframe();
	u64 newborn = built_space(python, 512);

	built_poke_u64(python, newborn + python->layout.thread_id, THREAD_POINTER);
	built_poke_u64(python, newborn + python->layout.thread_interpreter, interpreter);
	built_poke_u64(python, newborn + python->layout.thread_next, state);
	built_poke_u64(python, state + python->layout.thread_previous, newborn);
	built_poke_u64(python, interpreter + python->layout.interpreter_threads, newborn);
	cr_assert_eq(walk(frame_of(main_code, shim_of(0), 0), NULL), WALK_END);
	cr_assert_eq(host.scratch.python.state, state);
	end();
}

/* A list of cnt other threads before ours. */
static void push_others(int cnt)
{
	u64 head = state;

	for (int i = 0; i < cnt; i++) {
		u64 other = built_space(python, 512);

		built_poke_u64(python, other + python->layout.thread_id, 0x7fff00000000 + 4096 * i);
		built_poke_u64(python, other + python->layout.thread_interpreter, interpreter);
		built_poke_u64(python, other + python->layout.thread_next, head);
		built_poke_u64(python, head + python->layout.thread_previous, other);
		head = other;
	}
	built_poke_u64(python, interpreter + python->layout.interpreter_threads, head);
}

Test(python_thread, one_behind_many_others_is_asked_of_user_space)
{
	u32 flags;

	begin_without_cframe();
	push_others(THREAD_SEARCH_LENGTH);
	cr_assert_eq(walk(frame_of(main_code, shim_of(0), 0), &flags), -1);
	cr_assert_eq(flags, SAMPLE_THREAD_LOOKUP);
	end();
}

Test(python_thread, one_that_user_space_knows_is_found_behind_any_number)
{
	u32 flags;

	begin_without_cframe();
	push_others(100);
	host.thread_state = state;
	cr_assert_eq(walk(frame_of(main_code, shim_of(0), 0), &flags), WALK_END);
	cr_assert_eq(flags, 0);
	end();
}

Test(python_thread, one_that_is_known_to_have_no_state_is_not_asked_about_again)
{
	u32 flags;

	begin_without_cframe();
	push_others(THREAD_SEARCH_LENGTH);
	host.thread_state = THREAD_STATE_NONE;
	walk(frame_of(main_code, shim_of(0), 0), &flags);
	cr_assert_eq(flags, 0);
	end();
}

Test(python_thread, a_process_that_has_not_begun_python_has_no_states)
{
	u32 flags;

	begin_without_cframe();
	built_poke_u64(python, runtime + python->layout.runtime_interpreters, 0);
	cr_assert_eq(walk(0, &flags), -1);
	cr_assert_eq(flags, 0);
	end();
}

/* The record that the kernel side sends when it meets a code object for the first time. */
static const struct code_record *recorded(u32 i)
{
	built_space(python, 1024); /* pieces reach beyond what they hold */
	host.memory = built_memory(python);
	host.scratch.sample.process.pid = 7;
	code_record_fill(&host.scratch, &host.layout, i);
	return &host.scratch.code;
}

Test(fresh_code, is_noted_once_and_copied_whole)
{
	struct code_object *code;
	struct code_snapshot snapshot;
	struct remote_memory live;

	begin_without_cframe();
	u64 leaf = built_code(python, "Class.leaf", "leaf", "app.py", 20);
	walk(frame_of(leaf, frame_of(main_code, shim_of(0), 0), 0), NULL);
	cr_assert_eq(host.scratch.python.fresh, 2);

	const struct code_record *record = recorded(0);
	cr_assert_eq(record_check(record, sizeof(*record)), 0);
	cr_assert_eq(record->code, leaf);
	cr_assert_eq(record->process.pid, 7);

	/* The object is freed, and other bytes take its place: but for the types, which stay. */
	live = built_memory(python);
	memset(python->bytes + (leaf - BUILT_BASE), 0xee, CODE_OBJECT_SIZE);
	code_snapshot_init(&snapshot, record, &live);
	cr_assert_eq(code_object_read(&snapshot.memory, &host.layout, leaf, record->signature, &(struct code_types){0},
				      &code),
		     0);
	cr_assert_str_eq(code->function, "Class.leaf");
	cr_assert_str_eq(code->file, "app.py");
	cr_assert_eq(code->first_line, 20);
	code_object_free(code);
	end();
}

Test(fresh_code, what_has_no_room_in_one_sample_is_new_to_the_next)
{
	begin_without_cframe();
	u64 frame = shim_of(0);

	for (int i = 0; i < MAX_FRESH_CODES + 5; i++)
		frame = frame_of(built_code(python, "f", "f", "app.py", i), frame, 0);
	walk(frame, NULL);
	cr_assert_eq(host.scratch.python.fresh, MAX_FRESH_CODES);
	cr_assert_eq(host.scratch.code.code, 0, "nothing is written beyond the end");
	walk(frame, NULL);
	cr_assert_eq(host.scratch.python.fresh, 5);
	walk(frame, NULL);
	cr_assert_eq(host.scratch.python.fresh, 0);
	end();
}

Test(fresh_code, a_text_longer_than_its_piece_is_not_taken_from_what_came_after_it)
{
	char name[CODE_QUALNAME_SIZE + 1];
	struct code_object *code;
	struct code_snapshot snapshot;
	struct remote_memory live;

	begin_without_cframe();
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	u64 leaf = built_code(python, name, name, "app.py", 20);
	walk(frame_of(leaf, shim_of(0), 0), NULL);
	live = built_memory(python);
	code_snapshot_init(&snapshot, recorded(0), &live);
	cr_assert_neq(code_object_read(&snapshot.memory, &host.layout, leaf, host.scratch.code.signature,
				       &(struct code_types){0}, &code),
		      0);
	end();
}

/* Memory ends with this object, at the end of a page; leaf refers to it by the member at offset. */
static void put_at_the_end(u64 leaf, u16 offset, u64 (*put)(void))
{
	size_t before = python->size;

	put();
	size_t after = python->size + (python->size - before);
	built_space(python, -after & (PAGE_SIZE - 1));
	built_poke_u64(python, leaf + offset, put());
	cr_assert_eq(python->size % PAGE_SIZE, 0);
	host.memory = built_memory(python);
}

static u64 put_text(void)
{
	return built_string(python, "it", 2, 1, true);
}

static u64 put_lines(void)
{
	return built_bytes(python, "\xd0\x00\x00\xd8\x00\x00", 6);
}

Test(fresh_code, a_piece_ends_with_its_page_if_the_next_one_is_not_there)
{
	const struct python_layout *l = &host.layout;

	for (int piece = CODE_PIECE_NAME; piece < CODE_PIECE_CNT; piece++) {
		struct code_object *code;
		struct code_snapshot snapshot;
		struct remote_memory live;

		begin_without_cframe();
		u64 leaf = built_code(python, "leaf", "leaf", "app.py", 20);
		walk(frame_of(leaf, shim_of(0), 0), NULL);
		cr_assert_eq(host.scratch.fresh[0].code, leaf);
		u16 offsets[] = {0, l->code_name, l->code_qualname, l->code_filename, l->code_line_table};
		put_at_the_end(leaf, offsets[piece], piece == CODE_PIECE_LINES ? put_lines : put_text);
		code_record_fill(&host.scratch, l, 0);

		/* Freed by now; but types stay. */
		live = built_memory(python);
		memset(python->bytes + (leaf - BUILT_BASE), 0xee, CODE_OBJECT_SIZE);
		code_snapshot_init(&snapshot, &host.scratch.code, &live);
		cr_assert_eq(code_object_read(&snapshot.memory, l, leaf, host.scratch.code.signature,
					      &(struct code_types){0}, &code),
			     0, "piece %d", piece);
		cr_assert_str_eq(piece == CODE_PIECE_QUALNAME ? code->function : "it", "it");
		cr_assert_str_eq(piece == CODE_PIECE_FILENAME ? code->file : "it", "it");
		cr_assert_eq(code_object_line(code, 2), 21);
		code_object_free(code);
		end();
	}
}
