/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The native walk, over a stack laid out by hand and tables that the store laid out. */
#include "host.h"

#include <criterion/criterion.h>

#include "native.bpf.h"
#include "tests/unit/build_unwind.h"
#include "unwind/table_store.h"

#define STACK 0x7ffc00001000ull
#define WORDS 8192
#define CODE  0x555555554000ull /* where the file is mapped; its vaddrs begin at 0 */
#define JIT   0x7f0000000000ull /* memory without a file */

static u64 stack[WORDS];
static struct table_store *store;
static struct process_row row;

/* One file with these rows, and memory without a file beside it. */
static void begin(const struct built_row *rows, size_t cnt)
{
	u32 file;

	memset(&host, 0, sizeof(host));
	memset(stack, 0, sizeof(stack));
	memset(&row, 0, sizeof(row));
	host.memory = remote_memory_of_bytes(stack, sizeof(stack), STACK);
	host.unwind = built_unwind_memory();
	cr_assert_eq(table_store_new(&host.unwind, &store), 0);
	cr_assert_eq(table_store_add_file(store, &file), 0);
	if (rows) {
		struct unwind_table *table = built_table(rows, cnt);
		cr_assert_eq(table_store_publish(store, file, table, 0), 0);
		unwind_table_free(table);
	}
	struct unwind_mapping mappings[] = {
		{.start = CODE, .end = CODE + 0x100000, .bias = CODE, .file = file},
		{.start = JIT, .end = JIT + 0x1000, .bias = JIT, .file = UNWIND_FILE_ANONYMOUS},
	};
	cr_assert_eq(table_store_add_mappings(store, mappings, 2, &row.mapping, &row.mappings_id), 0);
	row.mapping_cnt = 2;
}

static void end(void)
{
	table_store_free(store);
	built_unwind_memory_free(&host.unwind);
}

static int walk_from(u64 ip, u64 sp, u64 bp, u32 in_kernel)
{
	struct native_walk *w = &host.scratch.native;
	int ended = WALK_ON;

	host.scratch.word_cnt = 0;
	w->ip = ip;
	w->registers[REG_RSP] = sp;
	w->registers[REG_RBP] = bp;
	native_begin(&host.scratch, &row, in_kernel);
	for (u32 i = 0; i <= MAX_NATIVE_FRAMES + 1 && ended == WALK_ON; i++)
		ended = native_step(0);
	return ended;
}

static void expect_words(size_t cnt, const u64 *words)
{
	cr_assert_eq(host.scratch.native.cnt, cnt, "%u frames", host.scratch.native.cnt);
	for (size_t i = 0; i < cnt; i++)
		cr_expect_eq(host.scratch.words[i], words[i], "word %zu: %llx", i, host.scratch.words[i]);
}

static u64 at(size_t word)
{
	return STACK + 8 * word;
}

#define EXPECT_WORDS(...)                                               \
	do {                                                            \
		const u64 words_[] = {__VA_ARGS__};                     \
		expect_words(sizeof(words_) / sizeof(*words_), words_); \
	} while (0)

#define RULE_SP(offset)                                                             \
	{                                                                           \
		.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RSP), .cfa_offset = (offset) \
	}
#define RULE_SP_BP(offset)                                                                                  \
	{                                                                                                   \
		.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RSP), .cfa_offset = (offset), .rbp = UNWIND_RBP_CFA, \
		.rbp_offset = -16                                                                           \
	}
#define RULE_BP                                                                                       \
	{                                                                                             \
		.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RBP), .cfa_offset = 16, .rbp = UNWIND_RBP_CFA, \
		.rbp_offset = -16                                                                     \
	}

TestSuite(native_walk, .fini = end);

Test(native_walk, goes_by_rules_to_the_outermost_frame)
{
	const struct built_row rows[] = {
		{0x1000, RULE_SP(24)},
		{0x1100, RULE_SP_BP(32)},
		{0x1200, RULE_BP},
		{0x1300, {.cfa = UNWIND_END}},
	};

	begin(rows, 4);
	stack[2] = CODE + 0x1150; /* returns of the leaf, which has 24 bytes */
	stack[3 + 2] = at(20); /* saved rbp */
	stack[3 + 3] = CODE + 0x1250;
	stack[20] = 0;
	stack[21] = CODE + 0x1301;

	cr_assert_eq(walk_from(CODE + 0x1010, at(0), 0x77, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x1150, CODE + 0x1250, CODE + 0x1301);
}

Test(native_walk, looks_up_a_return_address_one_byte_lower)
{
	/* A call that never returns is the last instruction of its function: the address behind it is the next function's. */
	const struct built_row rows[] = {{0x1000, RULE_SP(16)}, {0x1100, {.cfa = UNWIND_UNSUPPORTED}}};

	begin(rows, 2);
	stack[1] = CODE + 0x1100;
	stack[3] = 0;

	cr_assert_eq(walk_from(CODE + 0x1020, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x1100);
}

Test(native_walk, a_signal_frame_gives_all_registers_back)
{
	/* The interrupted code has its CFA in r12: known again, for the kernel saved it. */
	const struct built_row rows[] = {
		{0x1000, RULE_SP(8)},		{0x1fff, {.cfa = UNWIND_SIGNAL}},
		{0x2009, {.cfa = UNWIND_NONE}}, {0x3000, {.cfa = UNWIND_CFA(UNWIND_REGISTER, 12), .cfa_offset = 8}},
		{0x4000, {.cfa = UNWIND_END}},
	};
	u64 *context = &stack[1], *saved = context + UCONTEXT_REGISTERS / 8;

	begin(rows, 5);
	stack[0] = CODE + 0x2000; /* the handler returns to the code that calls rt_sigreturn */
	saved[4] = at(200); /* r12 */
	saved[15] = at(100); /* rsp */
	saved[16] = CODE + 0x3000; /* rip: the first instruction of its function */
	stack[200] = CODE + 0x4001;

	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2000, (CODE + 0x3000) | NATIVE_EXACT, CODE + 0x4001);
}

Test(native_walk, a_register_that_was_not_followed_is_no_cfa)
{
	const struct built_row rows[] = {
		{0x1000, RULE_SP(8)},
		{0x2000, {.cfa = UNWIND_CFA(UNWIND_REGISTER, 3), .cfa_offset = 16}},
	};

	begin(rows, 2);
	stack[0] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), LOSS_UNWIND_RULE);
	EXPECT_WORDS(0, CODE + 0x2001);

	/* In the interrupted frame itself it is known. */
	stack[51] = 0;
	host.scratch.native.registers[3] = at(50);
	cr_assert_eq(walk_from(CODE + 0x2001, at(0), 0, 0), WALK_END);
}

Test(native_walk, a_register_that_nobody_saves_is_taken_as_it_is_and_that_is_a_guess)
{
	const struct built_row rows[] = {
		{0x1000, RULE_SP(8)},
		{0x2000, {.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RAX), .cfa_offset = 8}},
		{0x3000, {.cfa = UNWIND_END}},
	};

	begin(rows, 3);
	stack[0] = CODE + 0x2001;
	stack[50] = CODE + 0x3001;
	host.scratch.native.registers[REG_RAX] = at(50);
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2001, (CODE + 0x3001) | NATIVE_GUESS);
}

Test(native_walk, reads_a_cfa_that_was_stored)
{
	const struct built_row rows[] = {
		{0x1000, {.cfa = UNWIND_CFA(UNWIND_DEREF, REG_RBP), .cfa_offset = 16 << 16 | (u16)-8}},
		{0x2000, {.cfa = UNWIND_END}},
	};

	begin(rows, 2);
	stack[9] = at(30); /* *(rbp - 8) */
	stack[31] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), at(10), 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2001);
}

Test(native_walk, a_lazy_stub_has_pushed_from_some_instruction_on)
{
	const struct built_row rows[] = {{0x1000, {.cfa = UNWIND_PLT, .cfa_offset = 11}},
					 {0x2000, {.cfa = UNWIND_END}}};

	begin(rows, 2);
	stack[0] = stack[1] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000 + 10, at(0), 0, 0), WALK_END);
	cr_assert_eq(host.scratch.native.registers[REG_RSP], at(1));
	cr_assert_eq(walk_from(CODE + 0x1000 + 11, at(0), 0, 0), WALK_END);
	cr_assert_eq(host.scratch.native.registers[REG_RSP], at(2));
}

Test(native_walk, takes_a_return_address_out_of_a_register)
{
	const struct built_row rows[] = {
		{0x1000, {.cfa = UNWIND_CFA(UNWIND_LINK, 5)}},
		{0x2000, {.cfa = UNWIND_END}},
		{0x3000, RULE_SP(8)},
	};

	begin(rows, 3);
	host.scratch.native.registers[5] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2001);
	cr_assert_eq(host.scratch.native.registers[REG_RSP], at(0));

	/* A caller's registers are not known. */
	stack[0] = CODE + 0x1001;
	cr_assert_eq(walk_from(CODE + 0x3000, at(0), 0, 0), LOSS_UNWIND_RULE);
}

Test(native_walk, follows_frame_pointers_through_memory_without_a_file)
{
	const struct built_row rows[] = {{0x1000, {.cfa = UNWIND_END}}};

	begin(rows, 1);
	stack[10] = at(20);
	stack[11] = JIT + 0x200;
	stack[20] = 0x77;
	stack[21] = CODE + 0x1001;
	cr_assert_eq(walk_from(JIT + 0x100, at(0), at(10), 0), WALK_END);
	EXPECT_WORDS(0, (JIT + 0x200) | NATIVE_GUESS, (CODE + 0x1001) | NATIVE_GUESS);
}

Test(native_walk, made_up_code_that_was_just_called_has_its_return_address_on_top)
{
	const struct built_row rows[] = {{0x1000, {.cfa = UNWIND_END}}};

	begin(rows, 1);
	stack[0] = CODE + 0x1001;
	stack[10] = 0x77;
	stack[11] = CODE + 0x1005; /* where a stale frame pointer would lead */
	cr_assert_eq(walk_from(JIT + 0x100, at(0), at(10), 0), WALK_END);
	EXPECT_WORDS(0, (CODE + 0x1001) | NATIVE_GUESS);
	cr_assert_eq(host.scratch.native.registers[REG_RBP], at(10), "its caller's still");
}

Test(native_walk, a_trampoline_has_eight_bytes_of_its_own_while_it_calls)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(8)}, {0x2000, {.cfa = UNWIND_END}}};

	begin(rows, 2);
	host.unwind.mappings[row.mapping + 1].file = UNWIND_FILE_PERF_TRAMPOLINES;
	stack[0] = JIT + 6; /* behind the call */
	stack[1] = 0x77;
	stack[2] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), at(1), 0), WALK_END);
	EXPECT_WORDS(0, JIT + 6, CODE + 0x2001);

	/* Before its first instruction, and before the call. */
	cr_assert_eq(walk_from(JIT, at(2), 0, 0), WALK_END);
	EXPECT_WORDS(0, (CODE + 0x2001) | NATIVE_GUESS);
	cr_assert_eq(walk_from(JIT + 4, at(1), 0, 0), WALK_END);
	EXPECT_WORDS(0, (CODE + 0x2001) | NATIVE_GUESS);
}

Test(native_walk, a_frame_pointer_below_the_stack_or_far_above_or_unaligned_is_none)
{
	begin(NULL, 0);
	cr_assert_eq(walk_from(JIT, at(100), at(10), 0), LOSS_FRAME_POINTER);
	cr_assert_eq(walk_from(JIT, at(0), at(0) + MAX_FRAME_SIZE + 8, 0), LOSS_FRAME_POINTER);
	cr_assert_eq(walk_from(JIT, at(0), at(1) + 1, 0), LOSS_FRAME_POINTER);
	EXPECT_WORDS(0);
}

Test(native_walk, a_leaf_without_a_rule_has_its_return_address_on_top)
{
	const struct built_row rows[] = {{0x1000, {.cfa = UNWIND_END}}, {0x2000, {.cfa = UNWIND_NONE}}};

	begin(rows, 2);
	stack[0] = CODE + 0x1001;
	cr_assert_eq(walk_from(CODE + 0x2000, at(0), 0x77, 0), WALK_END);
	EXPECT_WORDS(0, (CODE + 0x1001) | NATIVE_GUESS);
}

Test(native_walk, a_caller_without_a_rule_ends_it_unless_there_is_no_rbp_left)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(8)}, {0x2000, {.cfa = UNWIND_NONE}}};

	begin(rows, 2);
	stack[0] = CODE + 0x2001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0x77, 0), LOSS_NO_UNWIND_INFO);
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2001);
}

Test(native_walk, in_a_system_call_that_ends_its_function_the_rule_before_holds)
{
	const struct built_row rows[] = {
		{0x1000, RULE_SP(16)}, {0x2000, {.cfa = UNWIND_NONE}}, {0x3000, {.cfa = UNWIND_END}}};

	begin(rows, 3);
	stack[1] = CODE + 0x3001;
	cr_assert_eq(walk_from(CODE + 0x2000, at(0), 0, 1), WALK_END);
	EXPECT_WORDS(0, CODE + 0x3001);
}

Test(native_walk, places_each_run_in_the_frame_that_holds_its_anchor)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(80)}, {0x2000, {.cfa = UNWIND_END}}};
	struct scratch *s = &host.scratch;

	begin(rows, 2);
	stack[9] = stack[19] = stack[29] = CODE + 0x1001; /* frames of ten words */
	stack[39] = CODE + 0x2001;
	s->runs[0] = (struct python_run){.anchor = at(9) + 7, .first = 0}; /* the leaf's last byte */
	s->runs[1] = (struct python_run){.anchor = at(15), .first = 2}; /* of an activation without a frame: no run */
	s->runs[2] = (struct python_run){.anchor = at(20), .first = 2}; /* the third frame's first byte */
	s->runs[3] = (struct python_run){.anchor = at(400), .first = 5}; /* in no frame */
	s->runs[4].first = 6;
	s->python.run_cnt = 4;

	cr_assert_eq(walk_from(CODE + 0x1001, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(NATIVE_RUN, CODE + 0x1001, (CODE + 0x1001) | NATIVE_RUN, CODE + 0x1001, CODE + 0x2001);
	cr_assert_eq(s->native.run, 3);
}

Test(native_walk, what_is_not_known_yet_says_where)
{
	begin(NULL, 0);
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), LOSS_NO_TABLE);
	cr_assert_eq(host.scratch.native.fault_address, CODE + 0x1000);
	cr_assert_eq(walk_from(0x10, at(0), 0, 0), LOSS_NO_TABLE, "no mapping");
	row.mappings_id++;
	cr_assert_eq(walk_from(JIT, at(0), 0, 0), LOSS_NO_TABLE, "mappings of another time");
	cr_assert_eq(host.unwind.rules[0].cfa, UNWIND_NONE);
}

Test(native_walk, what_cannot_be_read_is_a_fault_with_its_address)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(8 * WORDS + 8)}};

	begin(rows, 1);
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), LOSS_NATIVE_FAULT);
	cr_assert_eq(host.scratch.native.fault_address, at(WORDS));
}

Test(native_walk, a_caller_below_its_callee_makes_no_sense)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(-8)}};

	begin(rows, 1);
	cr_assert_eq(walk_from(CODE + 0x1000, at(5), 0, 0), LOSS_STACK_ORDER);
	EXPECT_WORDS(0);
}

Test(native_walk, the_deepest_stack_ends_at_the_limit)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(8)}};

	begin(rows, 1);
	for (size_t i = 0; i < WORDS; i++)
		stack[i] = CODE + 0x1001;
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), LOSS_NATIVE_DEPTH);
	cr_assert_eq(host.scratch.native.cnt, MAX_NATIVE_FRAMES);
}

Test(native_walk, the_second_walk_finds_its_rules_in_the_cache)
{
	const struct built_row rows[] = {{0x1000, RULE_SP(8)}, {0x2000, {.cfa = UNWIND_END}}};

	begin(rows, 2);
	stack[0] = CODE + 0x2001;
	walk_from(CODE + 0x1000, at(0), 0, 0);
	memset(host.unwind.pages, 0, sizeof(struct unwind_page) * 16);
	cr_assert_eq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
	EXPECT_WORDS(0, CODE + 0x2001);

	/* Under other mappings the same address is another thing. */
	row.mappings_id++;
	cr_assert_neq(walk_from(CODE + 0x1000, at(0), 0, 0), WALK_END);
}
