/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a copy of a thread to a stack with names. Python's side is tested by the package's own tests. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack_builder.h"
#include "tests/unit/captured_stack.h"
#include "tracer.h"

TestSuite(tracer);

#define DEPTH 40
/* Assembly that took the copy, and who called that. */
#define INNER 2

static struct tracer *tracer;
static struct captured_stack *stack;
static struct traced_stack traced;
static bool needs_more;

static void set_up(void)
{
	cr_assert_eq(tracer_new(&tracer), 0);
	stack = calloc(1, sizeof(*stack));
	cr_assert_not_null(stack);
}

static void tear_down(void)
{
	traced_stack_free(&traced);
	tracer_free(tracer);
	free(stack);
}

#define TracerTest(name, ...) Test(tracer, name, .init = set_up, .fini = tear_down, ##__VA_ARGS__)

static struct thread_copy copy_of(const struct captured_stack *s)
{
	struct thread_copy copy = {
		.pieces = {{.bytes = s->bytes, .start = s->record.stack_start, .size = s->record.stack_size}},
		.piece_cnt = 1,
	};

	memcpy(copy.registers, s->record.registers, sizeof(copy.registers));
	return copy;
}

static void trace(size_t max_cnt)
{
	struct thread_copy copy = copy_of(stack);

	traced_stack_free(&traced);
	cr_assert_eq(tracer_trace(tracer, &copy, max_cnt, &traced, &needs_more), 0);
}

static __attribute__((noinline)) u64 descend(struct captured_stack *s, u64 depth)
{
	volatile u64 local = depth;

	if (depth)
		descend(s, depth - 1);
	else
		captured_stack_end(s);
	return local;
}

static void way_deep(struct captured_stack *s)
{
	descend(s, DEPTH);
	__asm__ volatile("" ::: "memory");
}

TracerTest(a_stack_has_the_addresses_that_backtrace_has)
{
	captured_stack_take(stack, way_deep);
	trace(1000);
	cr_assert_eq(traced.cnt, (size_t)stack->caller_cnt + 1);
	for (size_t i = INNER; i < traced.cnt; i++)
		cr_assert_eq(traced.frames[i].address, (u64)stack->callers[i - 1], "frame %zu", i);
	cr_assert(!needs_more);
}

TracerTest(a_frame_has_the_name_and_the_start_of_its_function)
{
	captured_stack_take(stack, way_deep);
	trace(1000);
	for (size_t i = INNER; i <= INNER + DEPTH; i++) {
		cr_assert_str_eq(traced.frames[i].function, "descend", "frame %zu", i);
		cr_assert_eq(traced.frames[i].start, (u64)descend, "frame %zu", i);
		cr_assert(!traced.frames[i].is_python);
	}
	cr_assert_str_eq(traced.frames[INNER + DEPTH + 1].function, "way_deep");
	cr_assert_eq(traced.frames[INNER + DEPTH + 1].start, (u64)way_deep);
	cr_assert_str_eq(traced.frames[traced.cnt - 1].file, "libc.so.6", "threads begin in the libc");
}

TracerTest(no_more_frames_come_than_are_wanted)
{
	static const size_t wanted[] = {0, 1, 2, 13, DEPTH, 1000000};

	captured_stack_take(stack, way_deep);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		size_t whole = (size_t)stack->caller_cnt + 1;

		trace(wanted[i]);
		cr_assert_eq(traced.cnt, wanted[i] < whole ? wanted[i] : whole);
	}
}

TracerTest(a_stack_that_was_cut_wants_more_of_it)
{
	captured_stack_take(stack, way_deep);
	struct thread_copy copy = copy_of(stack);
	copy.pieces[0].size = stack->record.registers[7] - copy.pieces[0].start + 512;
	copy.is_cut = true;

	cr_assert_eq(tracer_trace(tracer, &copy, 1000, &traced, &needs_more), 0);
	cr_assert(needs_more);
	cr_assert_lt(traced.cnt, (size_t)stack->caller_cnt);
	cr_assert_gt(traced.cnt, 1u);
	for (size_t i = INNER; i < traced.cnt; i++)
		cr_assert_eq(traced.frames[i].address, (u64)stack->callers[i - 1], "frame %zu", i);

	/* Who wants only what is there needs no more. */
	size_t there = traced.cnt - 1;
	traced_stack_free(&traced);
	cr_assert_eq(tracer_trace(tracer, &copy, there, &traced, &needs_more), 0);
	cr_assert_eq(traced.cnt, there);
	cr_assert(!needs_more);
}

/* The same bytes, but the outer half of them given as another stack. */
TracerTest(a_stack_in_two_pieces_is_one)
{
	captured_stack_take(stack, way_deep);
	struct thread_copy copy = copy_of(stack);
	u64 inner = stack->record.registers[7] - copy.pieces[0].start + 1024;

	copy.pieces[1] = (struct stack_copy){
		.bytes = copy.pieces[0].bytes + inner,
		.start = copy.pieces[0].start + inner,
		.size = copy.pieces[0].size - inner,
	};
	copy.pieces[0].size = inner;
	copy.pieces[0].next = &copy.pieces[1];
	copy.piece_cnt = 2;
	cr_assert_eq(tracer_trace(tracer, &copy, 1000, &traced, &needs_more), 0);
	cr_assert_eq(traced.cnt, (size_t)stack->caller_cnt + 1);
	for (size_t i = INNER; i < traced.cnt; i++)
		cr_assert_eq(traced.frames[i].address, (u64)stack->callers[i - 1], "frame %zu", i);
}

/* Two libraries in turn at one address: the linker takes the lowest gap that fits. */
TracerTest(a_library_that_was_closed_has_no_name_any_more)
{
	struct thread_copy copy = {.registers = {0}};
	void *library = dlopen("libanl.so.1", RTLD_NOW);

	if (!library)
		library = dlopen("libutil.so.1", RTLD_NOW);
	cr_assert_not_null(library);
	Dl_info info;
	void *inside = dlsym(library, "_init");
	struct {
		u64 address;
		char *name;
	} const *map = (void *)library; /* struct link_map begins so */
	u64 base = map->address;

	cr_assert(inside || base);
	copy.registers[16] = base + 0x1000;
	cr_assert_eq(tracer_trace(tracer, &copy, 1, &traced, &needs_more), 0);
	cr_assert_eq(traced.cnt, 1u);
	cr_assert_neq(*traced.frames[0].file, 0, "%#llx is in no file", copy.registers[16]);
	traced_stack_free(&traced);

	cr_assert_eq(dlclose(library), 0);
	cr_assert_eq(dladdr((void *)copy.registers[16], &info), 0, "it is still there");
	cr_assert_eq(tracer_trace(tracer, &copy, 1, &traced, &needs_more), 0);
	cr_assert_eq(traced.cnt, 1u);
	cr_assert_str_eq(traced.frames[0].function, "?");
	cr_assert_str_eq(traced.frames[0].file, "");
}

TracerTest(in_a_forked_child_a_new_tracer_names_the_same)
{
	captured_stack_take(stack, way_deep);
	pid_t child = fork();
	if (!child) {
		struct thread_copy copy = copy_of(stack);

		alarm(120);
		if (tracer_new(&tracer) || tracer_trace(tracer, &copy, 1000, &traced, &needs_more))
			_exit(1);
		_exit(traced.cnt == (size_t)stack->caller_cnt + 1 && !strcmp(traced.frames[INNER].function, "descend")
			      ? 0
			      : 2);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
}

Test(stack_builder, names_are_made_fit_to_be_read)
{
	struct stack_builder builder = {.max_cnt = 2};
	const struct traced_frame bad = {.function = "a\n\xff", .file = "\x1b[31m"},
				  plain = {.function = "f", .file = ""};
	struct traced_stack done;

	stack_builder_put(&builder, &bad);
	stack_builder_put(&builder, &plain);
	stack_builder_put(&builder, &plain);
	cr_assert_eq(stack_builder_finish(&builder, &done), 0);
	cr_assert_eq(done.cnt, 2u);
	cr_assert_str_eq(done.frames[0].function, "a?\xef\xbf\xbd");
	cr_assert_str_eq(done.frames[0].file, "?[31m");
	cr_assert_str_eq(done.frames[1].function, "f");
	traced_stack_free(&done);
}

Test(stack_builder, an_empty_stack_is_one)
{
	struct stack_builder builder = {.max_cnt = 10};
	struct traced_stack done;

	cr_assert_eq(stack_builder_finish(&builder, &done), 0);
	cr_assert_eq(done.cnt, 0u);
	traced_stack_free(&done);
}
