/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/python_walk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "build_python.h"
#include "live_python.h"
#include "pyprof/losses.h"
#include "python/code_object.h"
#include "python/thread_list.h"

#define VERSION	       0x030c01f0
#define THREAD_POINTER 0x7f0012345680ull

struct wanted {
	u64 thread_pointer;
	u64 state;
};

static int state_find(void *ctx, const struct python_thread *thread)
{
	struct wanted *wanted = ctx;

	if (thread->thread_pointer == wanted->thread_pointer)
		wanted->state = thread->state;
	return 0;
}

static u64 state_of(const struct live_python *python, u64 thread_pointer)
{
	struct wanted wanted = {.thread_pointer = thread_pointer};

	cr_assert_eq(thread_list_read(&python->memory, &python->file.layout, python->runtime, state_find, &wanted), 0);
	cr_assert_neq(wanted.state, 0, "%s: no thread %#llx", python->name, thread_pointer);
	return wanted.state;
}

static struct code_object *code_of(const struct live_python *python, const struct python_frame *frame)
{
	struct code_object *code = NULL;
	int err = code_object_read(&python->memory, &python->file.layout, frame->code & ~PYTHON_RUN_BEGIN,
				   frame->signature, &(struct code_types){0}, &code);

	cr_assert_eq(err, 0, "%s: %s", python->name, strerror(-err));
	return code;
}

static void check_frame(const struct live_python *python, const struct python_frame *frame, unsigned long long code,
			unsigned int line)
{
	_cleanup_(code_object) struct code_object *object = code_of(python, frame);

	cr_assert_eq(frame->code & ~PYTHON_RUN_BEGIN, code, "%s: %s is another code object", python->name,
		     object->function);
	cr_assert_eq(code_object_line(object, frame->instr), line, "%s: %s is at line %u, not %u", python->name,
		     object->function, line, code_object_line(object, frame->instr));
}

/* Those that CPython pushes for itself: the interpreter does not tell of them. */
static u32 skip_invisible(const struct live_python *python, const struct python_stack *stack, u32 at)
{
	for (; at < stack->cnt; at++) {
		_cleanup_(code_object) struct code_object *code = code_of(python, &stack->frames[at]);

		if (code_object_is_visible(code, stack->frames[at].instr))
			break;
	}
	return at;
}

/* To 3.10 the frame object is the frame. */
static u64 frame_of_object(const struct live_python *python, u64 object)
{
	u64 frame = 0;

	if (python->file.layout.frame_instr_unit)
		return object;
	/* From 3.11 on f_frame comes behind the object's head, of which the type is the last, and f_back. */
	u64 address = object + python->file.layout.object_type + 2 * sizeof(u64);
	cr_assert_eq(remote_read(&python->memory, address, &frame, sizeof(frame)), 0);
	return frame;
}

/* Each frame's code, line and object, and that the walk ends where the interpreter's chain does. */
static void check_frames(const struct live_python *python, const char *fact, const struct python_stack *stack)
{
	unsigned long long code, object;
	unsigned int line;
	int size;
	u32 at = skip_invisible(python, stack, 0);

	for (; sscanf(fact, "%*[ ]%llx %u %llx%n", &code, &line, &object, &size) == 3; fact += size) {
		cr_assert_lt(at, stack->cnt, "%s: the walk ends at depth %u", python->name, at);
		check_frame(python, &stack->frames[at], code, line);
		cr_assert_eq(stack->addresses[at], frame_of_object(python, object), "%s: another frame at depth %u",
			     python->name, at);
		at = skip_invisible(python, stack, at + 1);
	}
	cr_assert_eq(at, stack->cnt, "%s: %u frames, not %u", python->name, stack->cnt, at);
	cr_assert_gt(at, 6);
}

/* An anchor is on the thread's stack, and the further out a run is the higher it lies. */
static void check_anchors(const struct live_python *python, u64 thread_pointer, const struct python_stack *stack)
{
	u64 last = 0;

	cr_assert_geq(stack->run_cnt, 2, "%s: %u runs", python->name, stack->run_cnt);
	for (u32 i = 0; i < stack->run_cnt && !python_layout_is_counted(&python->file.layout); i++) {
		if (!stack->anchors[i])
			continue;
		cr_assert_gt(stack->anchors[i], last, "%s: run %u is not outward", python->name, i);
		last = stack->anchors[i];
		cr_assert(thread_pointer - last < 16 << 20, "%s: run %u is not on the stack", python->name, i);
	}
}

static void check_thread(const struct live_python *python, struct python_walker *walker, const char *fact)
{
	unsigned long long ident;
	struct python_stack stack, again;
	int size;

	cr_assert_eq(sscanf(fact, "thread %llx%n", &ident, &size), 1);

	u64 state = state_of(python, ident);
	cr_assert_eq(python_walk(walker, state, ident, 0, &stack), 0);
	cr_assert_eq(stack.end, LOSS_NONE, "%s: ended with %u at %#llx", python->name, stack.end, stack.fault_address);
	check_frames(python, fact + size, &stack);
	check_anchors(python, ident, &stack);

	/* Now by what the walker has kept. */
	cr_assert_eq(python_walk(walker, state, ident, 0, &again), 0);
	cr_assert_eq(again.id, stack.id);
	cr_assert_eq(memcmp(again.frames, stack.frames, stack.cnt * sizeof(*stack.frames)), 0);

	cr_assert_eq(python_walk(walker, state, ident + 64, 0, &again), -ESRCH, "%s: another thread's", python->name);
	cr_assert_eq(python_walk(walker, 16, ident, 0, &again), -EFAULT);
}

static void check_threads(const struct live_python *python)
{
	_cleanup_(python_walker) struct python_walker *walker = NULL;
	const char *fact = NULL;
	size_t cnt = 0;

	cr_assert_eq(python_walker_new(&python->memory, &python->file.layout, python->runtime, &walker), 0);
	for (; (fact = live_python_fact(python, "thread", fact)); cnt++)
		check_thread(python, walker, fact);
	cr_assert_eq(cnt, 3, "%s: %zu threads", python->name, cnt);
}

Test(python_walk_live, has_the_frames_lines_and_frame_objects_that_the_interpreter_says, .timeout = 600)
{
	for_each_live_python_running("tests/unit/data/parked.py", 0, check_threads);
}

/* A thread of one frame, whose caller is itself. *ret_frame is where that is said. */
static u64 build_circle(struct built_python *built, u64 *ret_state, u64 *ret_frame)
{
	const struct python_layout *l = &built->layout;
	u64 state = built_space(built, l->thread_size), interpreter = built_space(built, 256);
	u64 frame = built_space(built, FRAME_WINDOW), cframe = state + l->thread_size - 32, /* the outermost */
		code = built_code(built, "f", "f", "a.py", 7);

	built_poke_u64(built, interpreter + l->interpreter_threads, state);
	built_poke_u64(built, state + l->thread_interpreter, interpreter);
	built_poke_u64(built, state + l->thread_id, THREAD_POINTER);
	built_poke_u64(built, state + l->thread_frame, cframe);
	built_poke_u64(built, cframe + l->cframe_frame, frame);
	built_poke_u64(built, frame + l->frame_code, code);
	built_poke_u64(built, frame + l->frame_previous, frame);
	*ret_frame = cframe + l->cframe_frame;
	*ret_state = state;
	return interpreter;
}

Test(python_walk_live, a_circle_of_frames_ends_at_the_depth)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = NULL;
	struct python_stack stack;
	u64 state, frame;

	build_circle(built, &state, &frame);
	struct remote_memory memory = built_memory(built);
	cr_assert_eq(python_walker_new(&memory, &built->layout, BUILT_BASE, &walker), 0);
	cr_assert_eq(python_walk(walker, state, THREAD_POINTER, 0, &stack), 0);
	cr_assert_eq(stack.end, LOSS_PYTHON_DEPTH);
	cr_assert_eq(stack.cnt, MAX_PYTHON_FRAMES);
	cr_assert_eq(stack.addresses[MAX_PYTHON_FRAMES - 1], stack.addresses[0]);
}

Test(python_walk_live, a_state_that_its_interpreter_has_dropped_is_no_threads)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = NULL;
	struct python_stack stack = {.cnt = 4711};
	u64 state, frame, interpreter = build_circle(built, &state, &frame);

	built_poke_u64(built, interpreter + built->layout.interpreter_threads, 0);
	struct remote_memory memory = built_memory(built);
	cr_assert_eq(python_walker_new(&memory, &built->layout, BUILT_BASE, &walker), 0);
	cr_assert_eq(python_walk(walker, state, THREAD_POINTER, 0, &stack), -ESRCH);
	cr_assert_eq(stack.cnt, 4711);
}

Test(python_walk_live, a_frame_that_is_not_there_is_named)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = NULL;
	struct python_stack stack;
	u64 state, frame;

	build_circle(built, &state, &frame);
	built_poke_u64(built, frame, 0x1230);
	struct remote_memory memory = built_memory(built);
	cr_assert_eq(python_walker_new(&memory, &built->layout, BUILT_BASE, &walker), 0);
	cr_assert_eq(python_walk(walker, state, THREAD_POINTER, 0, &stack), 0);
	cr_assert_eq(stack.end, LOSS_PYTHON_FAULT);
	cr_assert_eq(stack.fault_address, 0x1230);
	cr_assert_eq(stack.cnt, 0);
}

Test(python_walk_live, a_layout_that_cannot_be_is_refused)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	struct python_walker *walker;
	struct remote_memory memory = built_memory(built);

	built->layout.thread_window = THREAD_STATE_WINDOW + 1;
	cr_assert_eq(python_walker_new(&memory, &built->layout, BUILT_BASE, &walker), -EINVAL);
}
