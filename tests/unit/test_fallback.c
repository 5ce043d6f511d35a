/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What libunwind makes of a copy of our own stack, against what glibc's backtrace() said at the same place. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "captured_stack.h"
#include "pyprof/losses.h"
#include "unwind/fallback.h"

TestSuite(fallback);

static struct mapped_file_cache *files;
static struct process_table *processes;
static struct process *process;
static struct fallback *fallback;
static struct captured_stack *stack;
static u64 words[MAX_NATIVE_FRAMES];
static struct unwound unwound = {.words = words, .max = MAX_NATIVE_FRAMES};

static void set_up(void)
{
	const struct process_id id = {.pid = getpid()};

	files = mapped_file_cache_new();
	cr_assert_not_null(files);
	cr_assert_eq(process_table_new(files, &processes), 0);
	cr_assert_eq(process_table_get(processes, &id, "test", &process), 0);
	cr_assert_eq(fallback_new(processes, &fallback), 0);
	stack = calloc(1, sizeof(*stack));
	cr_assert_not_null(stack);
}

static void tear_down(void)
{
	free(stack);
	fallback_free(fallback);
	process_table_free(processes);
	mapped_file_cache_free(files);
}

#define FallbackTest(name, ...) Test(fallback, name, .init = set_up, .fini = tear_down, ##__VA_ARGS__)

static void unwind(void)
{
	const struct unwind_origin origin = unwind_origin_of(&stack->record, false);

	cr_assert_eq(fallback_unwind(fallback, process, &origin, &unwound), 0);
}

static u64 address_of(u32 i)
{
	return unwound.words[i] & NATIVE_ADDRESS;
}

/* The leaf, captured_stack_end, and from there on what backtrace() said. */
static void assert_callers(u32 cnt)
{
	u64 end = address_of(1), taken = (u64)stack->callers[0];

	cr_assert_geq(unwound.cnt, cnt);
	cr_assert_eq(unwound.words[0] & NATIVE_ADDRESS, 0);
	cr_assert(end > taken && end - taken < 512, "the second frame is not who took the stack");
	for (u32 i = 2; i < cnt; i++)
		cr_assert_eq(address_of(i), (u64)stack->callers[i - 1], "frame %u is %#llx, not %p", i, address_of(i),
			     stack->callers[i - 1]);
}

static void assert_whole(void)
{
	cr_assert_eq(unwound.end, LOSS_NONE, "end %u after %u of %d frames", unwound.end, unwound.cnt,
		     stack->caller_cnt + 1);
	cr_assert_eq(unwound.cnt, (u32)stack->caller_cnt + 1);
	assert_callers(unwound.cnt);
}

/*
 * Whole stacks
 */

#define DEPTH 40

static u64 locals[DEPTH + 1]; /* where the frame at a depth has a variable; its index in the stack is 2 + depth */

static __attribute__((noinline)) u64 descend(struct captured_stack *s, u64 depth)
{
	volatile u64 local = depth;

	locals[depth] = (u64)&local;
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

FallbackTest(a_deep_chain_is_what_backtrace_says)
{
	captured_stack_take(stack, way_deep);
	unwind();
	assert_whole();
	cr_assert_gt(unwound.cnt, DEPTH);
	for (u32 i = 0; i < unwound.cnt; i++)
		cr_assert_eq(unwound.words[i], address_of(i), "frame %u has bits", i);
	cr_assert(!unwound.unmerged);
}

static void way_hand_written(struct captured_stack *s);
static void way_hand_written_2(struct captured_stack *s);

static void way_hand_written_3(struct captured_stack *s)
{
	captured_through_rbx(s, captured_stack_end);
	__asm__ volatile("" ::: "memory");
}

static void way_hand_written_2(struct captured_stack *s)
{
	captured_through_expression(s, way_hand_written_3);
	__asm__ volatile("" ::: "memory");
}

static void way_hand_written(struct captured_stack *s)
{
	captured_through_rbx(s, way_hand_written_2);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(a_cfa_in_rbx_and_one_by_an_expression_are_followed)
{
	captured_stack_take(stack, way_hand_written);
	unwind();
	assert_whole();
}

static struct captured_stack *compared;

static int compare(const void *a, const void *b)
{
	if (compared)
		captured_stack_end(compared);
	compared = NULL;
	return *(const int *)a - *(const int *)b;
}

static void way_qsort(struct captured_stack *s)
{
	int numbers[] = {5, 2, 4, 1, 3, 9, 8, 7};

	compared = s;
	qsort(numbers, sizeof(numbers) / sizeof(numbers[0]), sizeof(numbers[0]), compare);
	cr_assert_eq(numbers[0], 1);
}

FallbackTest(a_callback_of_libc_leads_back_through_libc)
{
	captured_stack_take(stack, way_qsort);
	unwind();
	assert_whole();
}

/*
 * Signals
 */

static struct captured_stack *handled;
static sigjmp_buf after_signal;

static void handle(int signal)
{
	captured_stack_end(handled);
	siglongjmp(after_signal, 1);
}

static void way_signal(struct captured_stack *s)
{
	handled = s;
	if (!sigsetjmp(after_signal, 1))
		captured_illegal(s);
	__asm__ volatile("" ::: "memory");
}

/* The leaf, captured_stack_end, handle, the return from the signal, the instruction, way_signal. */
#define INTERRUPTED 4

static void assert_signal_stack(void)
{
	assert_whole();
	cr_assert_eq(unwound.words[INTERRUPTED], (u64)captured_illegal | NATIVE_EXACT);
	for (u32 i = 0; i < unwound.cnt; i++)
		cr_assert(i == INTERRUPTED || !(unwound.words[i] & NATIVE_EXACT), "frame %u is exact", i);
}

FallbackTest(under_a_signal_frame_is_the_interrupted_instruction_itself)
{
	struct sigaction action = {.sa_handler = handle};

	cr_assert_eq(sigaction(SIGILL, &action, NULL), 0);
	captured_stack_take(stack, way_signal);
	unwind();
	assert_signal_stack();
}

/*
 * The kernel's struct sigaction, with a restorer that glibc would not let us choose,
 * and at which its backtrace() ends: what lies outward is as it was with glibc's own.
 */
FallbackTest(a_signal_frame_without_information_is_known_by_its_code)
{
	struct {
		void (*handler)(int);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} bare = {.handler = handle, .flags = 0x04000000, .restorer = captured_bare_sigreturn};
	struct sigaction action = {.sa_handler = handle};
	u64 first[MAX_NATIVE_FRAMES];
	u32 cnt;

	cr_assert_eq(sigaction(SIGILL, &action, NULL), 0);
	captured_stack_take(stack, way_signal);
	unwind();
	assert_signal_stack();
	cnt = unwound.cnt;
	memcpy(first, words, sizeof(first));

	cr_assert_eq(syscall(SYS_rt_sigaction, SIGILL, &bare, NULL, sizeof(bare.mask)), 0);
	captured_stack_take(stack, way_signal);
	unwind();
	assert_callers(INTERRUPTED);
	cr_assert_eq(address_of(INTERRUPTED - 1), (u64)captured_bare_sigreturn);
	cr_assert_eq(unwound.end, LOSS_NONE);
	cr_assert_eq(unwound.cnt, cnt);
	cr_assert_eq(memcmp(unwound.words + INTERRUPTED, first + INTERRUPTED, (cnt - INTERRUPTED) * sizeof(u64)), 0);
}

static void way_alternate_stack(struct captured_stack *s)
{
	const size_t size = 65536;
	char *memory = mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t alternate = {.ss_sp = memory + size, .ss_size = size};

	cr_assert_eq(mprotect(memory + size, size, PROT_READ | PROT_WRITE), 0);
	cr_assert_eq(sigaltstack(&alternate, NULL), 0);
	way_signal(s);
	__asm__ volatile("" ::: "memory");
}

/* The copy is of the stack that rsp is on. The interrupted frame is on the other one. */
FallbackTest(what_a_handler_on_another_stack_interrupted_is_out_of_reach)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};

	cr_assert_eq(sigaction(SIGILL, &action, NULL), 0);
	captured_stack_take(stack, way_alternate_stack);
	unwind();
	cr_assert_eq(unwound.cnt, INTERRUPTED + 1);
	assert_callers(unwound.cnt);
	cr_assert_eq(unwound.words[INTERRUPTED], (u64)captured_illegal | NATIVE_EXACT);
	cr_assert_neq(unwound.end, LOSS_NONE);
}

/*
 * Leaves
 */

static void way_bare(struct captured_stack *s)
{
	captured_stack_end_bare(s);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(a_leaf_that_nobody_described_has_its_return_address_on_top)
{
	captured_stack_take(stack, way_bare);
	unwind();
	assert_whole();
	cr_assert(unwound.words[1] & NATIVE_GUESS);
	cr_assert(!(unwound.words[2] & NATIVE_GUESS));
}

/* What is on top of the stack does not follow a call, and nothing else leads on. */
FallbackTest(a_guess_that_is_none_is_not_made)
{
	captured_stack_take(stack, way_bare);
	stack->record.registers[6] = 0;
	*(u64 *)(stack->bytes + stack->record.registers[7] - stack->record.stack_start) = (u64)captured_illegal;
	unwind();
	cr_assert_eq(unwound.cnt, 1);
	cr_assert_eq(unwound.end, LOSS_NO_UNWIND_INFO);
}

/* A leaf that ends in a system call: the next instruction is another function's, or nobody's. */
FallbackTest(after_a_system_call_the_address_before_counts)
{
	captured_stack_take(stack, way_deep);
	stack->record.registers[16] = (u64)captured_illegal + 2; /* nobody's */
	const struct unwind_origin origin = unwind_origin_of(&stack->record, true);
	cr_assert_eq(fallback_unwind(fallback, process, &origin, &unwound), 0);
	cr_assert_eq(unwound.end, LOSS_NONE);
	cr_assert(!(unwound.words[1] & NATIVE_GUESS));
	unwind();
	cr_assert(unwound.words[1] & NATIVE_GUESS);
}

FallbackTest(an_address_in_no_mapping_still_gives_the_leaf)
{
	captured_stack_take(stack, way_deep);
	stack->record.registers[16] = 0x1000;
	stack->record.registers[7] = 0x1000;
	unwind();
	cr_assert_eq(unwound.cnt, 1);
	cr_assert_eq(unwound.words[0], 0);
	cr_assert_eq(unwound.end, LOSS_NO_TABLE);
}

/*
 * Code made at run time
 */

static u8 *made; /* push %rbp; mov %rsp, %rbp; call *%rsi; pop %rbp; ret */
#define MADE_CALL_END 6

static void way_made(struct captured_stack *s)
{
	((void (*)(struct captured_stack *, captured_fn))made)(s, captured_stack_end);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(code_made_at_run_time_is_left_by_its_frame_pointer)
{
	static const u8 code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3};
	u64 starter[4];

	captured_stack_take(stack, way_deep);
	memcpy(starter, stack->callers + stack->caller_cnt - 4, sizeof(starter)); /* way_deep, and who started it */
	made = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(made, MAP_FAILED);
	memcpy(made, code, sizeof(code));
	captured_stack_take(stack, way_made);
	unwind();
	cr_assert_eq(unwound.end, LOSS_NONE);
	cr_assert_eq(unwound.words[2], (u64)made + MADE_CALL_END);
	cr_assert(unwound.words[3] & NATIVE_GUESS);
	cr_assert_lt(address_of(3) - (u64)way_made, 256);
	cr_assert_eq(unwound.cnt, 4 + 3);
	for (u32 i = 4; i < unwound.cnt; i++)
		cr_assert_eq(unwound.words[i], starter[i - 3], "frame %u", i);
}

/*
 * Ends
 */

FallbackTest(a_copy_that_is_too_short_gives_what_it_has)
{
	captured_stack_take(stack, way_deep);
	u32 size = (locals[DEPTH / 2] - stack->record.stack_start) & ~7u;
	cr_assert_lt(size, stack->record.stack_size);
	stack->record.stack_size = size;
	unwind();
	cr_assert_eq(unwound.end, LOSS_NATIVE_FAULT);
	cr_assert_gt(unwound.cnt, DEPTH / 2 - 2);
	assert_callers(unwound.cnt);
}

static void way_many(struct captured_stack *s)
{
	captured_through_frames(s, captured_stack_end, 1100);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(no_more_frames_than_there_is_room_for)
{
	captured_stack_take(stack, way_many);
	unwind();
	cr_assert_eq(unwound.end, LOSS_NATIVE_DEPTH);
	cr_assert_eq(unwound.cnt, MAX_NATIVE_FRAMES);
	assert_callers(unwound.cnt);
}

static void way_division(struct captured_stack *s)
{
	captured_through_division(s, captured_stack_end);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(an_expression_that_must_not_run_is_where_the_stack_ends)
{
	captured_stack_take(stack, way_division);
	unwind();
	cr_assert_eq(unwound.end, LOSS_UNWIND_RULE);
	cr_assert_eq(unwound.cnt, 3);
	assert_callers(unwound.cnt);
}

static void way_lie(struct captured_stack *s)
{
	captured_through_lie(s, captured_stack_end);
	__asm__ volatile("" ::: "memory");
}

FallbackTest(a_stack_that_leads_down_ends)
{
	captured_stack_take(stack, way_lie);
	unwind();
	cr_assert_eq(unwound.end, LOSS_STACK_ORDER);
	cr_assert_eq(unwound.cnt, 3);
}

/*
 * Runs of Python frames
 */

static void take_with_anchors(const u64 *depths, u32 cnt)
{
	captured_stack_take(stack, way_deep);
	for (u32 i = 0; i < cnt; i++)
		stack->record.anchors[i] = locals[depths[i]];
	stack->record.run_cnt = cnt;
}

FallbackTest(a_run_belongs_to_the_frame_that_its_anchor_lies_in)
{
	static const u64 depths[] = {0, 1, 17, DEPTH};

	take_with_anchors(depths, 4);
	unwind();
	assert_whole();
	cr_assert(!unwound.unmerged);
	for (u32 i = 0; i < unwound.cnt; i++) {
		bool expected = i == 2 || i == 3 || i == 2 + 17 || i == 2 + DEPTH;

		cr_assert_eq(!!(unwound.words[i] & NATIVE_RUN), expected, "frame %u", i);
	}
}

FallbackTest(runs_outward_of_a_whole_stack_are_not_merged)
{
	static const u64 depths[] = {0, 1};

	take_with_anchors(depths, 2);
	stack->record.anchors[2] = stack->record.stack_start + MAX_STACK_COPY;
	stack->record.run_cnt = 3;
	unwind();
	assert_whole();
	cr_assert(unwound.unmerged);
}

FallbackTest(runs_outward_of_where_a_stack_was_cut_are_fine)
{
	static const u64 depths[] = {0, DEPTH};

	take_with_anchors(depths, 2);
	stack->record.stack_size = (locals[DEPTH / 2] - stack->record.stack_start) & ~7u;
	unwind();
	cr_assert_eq(unwound.end, LOSS_NATIVE_FAULT);
	cr_assert(!unwound.unmerged);
	cr_assert(unwound.words[2] & NATIVE_RUN);
}

/*
 * Again
 */

FallbackTest(what_is_asked_for_again_is_the_same)
{
	u64 first[MAX_NATIVE_FRAMES];
	u32 cnt;

	captured_stack_take(stack, way_hand_written);
	unwind();
	cnt = unwound.cnt;
	memcpy(first, words, sizeof(first));
	for (int i = 0; i < 100; i++) {
		memset(words, 0xaa, sizeof(words));
		unwind();
		cr_assert_eq(unwound.cnt, cnt);
		cr_assert_eq(memcmp(unwound.words, first, cnt * sizeof(u64)), 0);
	}
}
