/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order in which Python and native frames come together: what is expected was
 * written down from the definition (record.h, assembler.h). The process is this one,
 * with ELF files of our making mapped into it, one of them posing as the interpreter.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "assemble/assembler.h"
#include "base/strbuf.h"
#include "build_elf.h"
#include "build_python.h"
#include "unwind/fallback.h"

#define TEXT	      0x1000
#define FUNCTION_SIZE 0x100
#define AFTER_CALL    0x50 /* in each function: behind a call */
#define AFTER_NOTHING 0x80
#define KERNEL	      0xffffffff81000000ull

struct test_file {
	const char *name;
	const char *functions[4];
	u64 text; /* address */
	u64 start, end;
};

enum { FILE_PYTHON, FILE_EXTENSION, FILE_GREENLET, FILE_LIBC, FILE_CNT };

static struct test_file files[FILE_CNT] = {
	[FILE_PYTHON] = {"python3", {"main", "eval", "call"}},
	[FILE_EXTENSION] = {"ext.so", {"sort", "compare", "sum"}},
	[FILE_GREENLET] = {"_greenlet.cpython-313-x86_64-linux-gnu.so", {"g_initialstub", "g_switch"}},
	[FILE_LIBC] = {"libc.so.6", {"start", "clone", "restorer"}},
};

static const char *const codes[] = {"a", "b", "c", "d", "hidden"};

static char directory[64];
static struct built_python *built;
static u64 code_addresses[5];
static struct mapped_file_cache *cache;
static struct process_table *processes;
static struct process *process;
static struct profile_tables tables;
static struct symbolizer *symbolizer;
static struct assembler *assembler;

static void map_file(struct test_file *file)
{
	static const u8 call[] = {0xff, 0xd0}; /* call *%rax */
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);
	u8 code[4 * FUNCTION_SIZE];
	size_t size, path_size = sizeof(directory) + 64;
	char path[path_size];

	memset(code, 0x90, sizeof(code));
	for (size_t i = 0; i < 4; i++)
		memcpy(code + i * FUNCTION_SIZE + AFTER_CALL - sizeof(call), call, sizeof(call));
	u32 text = elf_builder_add_code(b, ".text", TEXT, code, sizeof(code));
	for (size_t i = 0; i < 4 && file->functions[i]; i++)
		elf_builder_add_symbol(b, SHT_SYMTAB, file->functions[i], STB_GLOBAL, STT_FUNC, text,
				       TEXT + i * FUNCTION_SIZE, FUNCTION_SIZE);
	_cleanup_(free) void *bytes = elf_builder_finish(b, &size);

	snprintf(path, path_size, "%s/%s", directory, file->name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0755);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	void *at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	cr_assert_neq(at, MAP_FAILED);
	file->start = (u64)at;
	file->end = (u64)at + ((size + 4095) & ~4095ull);
	file->text = (u64)at + built_elf_section(bytes, ".text")->sh_offset;
}

/* Python objects where the process can be asked for them. */
static void map_codes(void)
{
	char file[16];

	built = built_python_new(0x030c01f0);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		snprintf(file, sizeof(file), "%s.py", codes[i]);
		code_addresses[i] = built_code(built, codes[i], codes[i], file, 10);
	}
	/* Never begun: a frame that Python itself does not show. */
	built_poke_u32(built, code_addresses[4] + built->layout.code_first_traceable, 1000);
	void *at = mmap((void *)BUILT_BASE, BUILT_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	cr_assert_eq((u64)at, BUILT_BASE);
	memcpy(at, built->bytes, built->size);
}

static void set_up(void)
{
	const struct process_id id = {.pid = getpid()};

	strcpy(directory, "/tmp/pyprof-test-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	for (size_t i = 0; i < FILE_CNT; i++)
		map_file(&files[i]);
	map_codes();
	cache = mapped_file_cache_new();
	cr_assert_not_null(cache);
	cr_assert_eq(process_table_new(cache, &processes), 0);
	cr_assert_eq(process_table_get(processes, &id, "test", &process), 0);

	const struct mapping *mapping = process_mapping_file(processes, process, files[FILE_PYTHON].text);
	cr_assert(mapping && mapping->file && mapping->file->elf);
	process->python_file = mapped_file_ref(mapping->file);
	process->python_file->python = (struct python_file){
		.version = 0x030c01f0, .supported = true, .layout = built->layout};
	process->python_start = files[FILE_PYTHON].start;
	process->python_end = files[FILE_PYTHON].end;
	cr_assert_eq(profile_tables_new(&tables), 0);
	cr_assert_eq(symbolizer_new(&tables, processes, &symbolizer), 0);
}

static void use(enum native_frames native)
{
	const struct assembler_options options = {.native = native};

	assembler_free(take(assembler));
	cr_assert_eq(assembler_new(&options, &tables, symbolizer, &assembler), 0);
}

static void tear_down(void)
{
	char command[128];

	assembler_free(take(assembler));
	symbolizer_free(symbolizer);
	profile_tables_free(&tables);
	process_table_free(processes);
	mapped_file_cache_free(cache);
	built_python_free(built);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	(void)!system(command);
}

TestSuite(assembler, .init = set_up, .fini = tear_down);

/*
 * A sample as text. native, innermost first: "eval/run call main" with /run, /guess,
 * /wrong (a guess that follows no call), /exact (the first instruction of the function),
 * /last (a return address just behind the function), /nowhere for an address in no
 * mapping. python, innermost first, a | before each run but the first: "b a | c".
 */
struct test_sample {
	const char *native, *python;
	u8 native_end, python_end; /* 0: LOSS_NONE */
	u16 flags;
	bool kernel; /* one frame */
	bool known; /* ids alone */
	enum loss doubt; /* 0: LOSS_NONE */
	u64 native_id; /* 0: made of what the texts say */
};

static u64 address_of(const char *name, const char *how)
{
	u64 offset = strstr(how, "/wrong")   ? AFTER_NOTHING
		     : strstr(how, "/exact") ? 0
		     : strstr(how, "/last")  ? FUNCTION_SIZE
					     : AFTER_CALL;

	if (strstr(how, "/nowhere"))
		return 0x10;
	for (size_t i = 0; i < FILE_CNT; i++)
		for (size_t j = 0; j < 4 && files[i].functions[j]; j++)
			if (!strcmp(files[i].functions[j], name))
				return files[i].text + j * FUNCTION_SIZE + offset;
	cr_assert_fail("no function %s", name);
	return 0;
}

static u32 words_parse(const char *text, u64 *words, u64 *ret_ip)
{
	_cleanup_(free) char *copy = strdup(text);
	char *rest = copy, *token;
	u32 cnt = 0;

	while ((token = strsep(&rest, " "))) {
		char name[32];

		sscanf(token, "%31[^/]", name);
		u64 address = address_of(name, token);
		if (!cnt)
			*ret_ip = address;
		words[cnt] = cnt ? address : 0;
		if (strstr(token, "/run"))
			words[cnt] |= NATIVE_RUN;
		if (strstr(token, "/guess") || strstr(token, "/wrong"))
			words[cnt] |= NATIVE_GUESS;
		if (strstr(token, "/exact"))
			words[cnt] |= NATIVE_EXACT;
		cnt++;
	}
	return cnt;
}

static u32 python_parse(const char *text, struct python_frame *frames)
{
	_cleanup_(free) char *copy = strdup(text);
	char *rest = copy, *token;
	u64 begin = PYTHON_RUN_BEGIN;
	u32 cnt = 0;

	while ((token = strsep(&rest, " "))) {
		if (!strcmp(token, "|")) {
			begin = PYTHON_RUN_BEGIN;
			continue;
		}
		for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
			if (strcmp(codes[i], token))
				continue;
			frames[cnt++] = (struct python_frame){.code = code_addresses[i] | begin,
							      .signature = built_signature(built, code_addresses[i])};
			begin = 0;
		}
	}
	return cnt;
}

static u64 text_id(const char *a, const char *b, u64 end)
{
	u64 id = 1469598103934665603ull ^ end;

	for (; *a; a++)
		id = (id ^ (u8)*a) * 1099511628211ull;
	for (; b && *b; b++)
		id = (id ^ (u8)*b) * 1099511628211ull;
	return id | 1;
}

static u8 end_of(u8 end)
{
	return end ? end : LOSS_NONE;
}

static struct sample *sample_make(const struct test_sample *t)
{
	struct sample *s = calloc(1, sizeof(*s) + 8 * 64 + 16 * 64 + 8);
	u64 *kernel = (u64 *)(s + 1);
	struct python_frame python[64];
	u64 words[64];

	*s = (struct sample){
		.native_end = end_of(t->native_end), .python_end = end_of(t->python_end), .flags = t->flags};
	if (t->kernel) {
		s->kernel_id = 77;
		s->kernel_cnt = 1;
		kernel[0] = KERNEL;
	}
	if (t->python) {
		s->python_id = text_id(t->python, NULL, s->python_end);
		s->python_cnt = python_parse(t->python, python);
		s->thread_state = 1;
	}
	if (t->native) {
		s->native_id = t->native_id ? t->native_id
					    : text_id(t->native, t->python ? "python" : NULL, s->native_end);
		s->native_cnt = words_parse(t->native, words, &s->ip);
	}
	if (t->known)
		s->kernel_cnt = s->python_cnt = s->native_cnt = 0;
	memcpy((void *)sample_python(s), python, s->python_cnt * sizeof(*python));
	memcpy((void *)sample_native(s), words, s->native_cnt * sizeof(*words));
	return s;
}

static void stack_put(u32 stack, struct strbuf *b)
{
	const struct view view = {0};

	if (stack == STACK_ROOT)
		return;
	stack_put(stack_table_parent(tables.stacks, stack), b);
	if (b->size)
		strbuf_put(b, ";");
	const struct frame *frame = frame_table_get(tables.frames, stack_table_frame(tables.stacks, stack));
	if (frame->kind == FRAME_KERNEL) /* whatever this machine has there */
		strbuf_put(b, "kernel");
	else
		frame_put(&tables, frame, &view, b);
}

static struct assembled assemble(const struct test_sample *t, const struct unwound *unwound)
{
	_cleanup_(free) struct sample *sample = sample_make(t);
	struct assembled assembled;

	cr_assert_eq(assembler_stack(assembler, process, sample, unwound, t->doubt ? t->doubt : LOSS_NONE, &assembled),
		     0);
	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);
	return assembled;
}

static struct assembled check(const struct test_sample *t, const char *expected)
{
	struct assembled assembled = assemble(t, NULL);
	STRBUF(b);

	stack_put(assembled.stack, &b);
	cr_assert_str_eq(b.at, expected, "%s and %s:\n%s\nexpected:\n%s", t->native ? t->native : "nothing",
			 t->python ? t->python : "nothing", b.at, expected);
	return assembled;
}

#define CHECK(expected, ...) check(&(struct test_sample){__VA_ARGS__}, expected)

/* What each mode makes of one sample. */
static void check_modes(const struct test_sample *t, const char *all, const char *extensions, const char *none)
{
	const char *expected[] = {[NATIVE_ALL] = all, [NATIVE_EXTENSIONS] = extensions, [NATIVE_NONE] = none};

	for (enum native_frames native = 0; native <= NATIVE_NONE; native++) {
		use(native);
		check(t, expected[native]);
	}
}

#define CHECK_MODES(all, extensions, none, ...) check_modes(&(struct test_sample){__VA_ARGS__}, all, extensions, none)

/* ---- threads without Python */

Test(assembler, a_thread_without_python_has_its_native_stack_in_every_mode)
{
	CHECK_MODES("clone (libc.so.6);call (python3);sum (ext.so);kernel",
		    "clone (libc.so.6);call (python3);sum (ext.so);kernel",
		    "clone (libc.so.6);call (python3);sum (ext.so);kernel", .native = "sum call clone", .kernel = true);
}

Test(assembler, a_truncated_walk_of_a_thread_without_python_says_so_at_the_root)
{
	CHECK_MODES("[truncated: no-table];compare (ext.so);sum (ext.so)",
		    "[truncated: no-table];compare (ext.so);sum (ext.so)",
		    "[truncated: no-table];compare (ext.so);sum (ext.so)", .native = "sum compare",
		    .native_end = LOSS_NO_TABLE);
}

Test(assembler, a_doubt_about_python_comes_outward_of_all)
{
	use(NATIVE_EXTENSIONS);
	struct assembled a = CHECK("[unknown: thread-state];[truncated: time];call (python3);sum (ext.so)",
				   .native = "sum call", .native_end = LOSS_TIME, .doubt = LOSS_THREAD_STATE);

	cr_assert_eq(a.losses, 1u << LOSS_THREAD_STATE | 1u << LOSS_TIME);
	cr_assert_eq(a.python_losses, 1u << LOSS_THREAD_STATE);
	cr_assert(a.has_native);
	cr_assert_not(a.native_complete);
	cr_assert_eq(a.merge, MERGE_NONE);
}

Test(assembler, a_python_walk_that_got_no_frame_says_so)
{
	use(NATIVE_EXTENSIONS);
	struct assembled a = CHECK("[truncated: python-fault];call (python3);sum (ext.so)", .native = "sum call",
				   .python_end = LOSS_PYTHON_FAULT);

	cr_assert_eq(a.python_losses, 1u << LOSS_PYTHON_FAULT);
}

/* ---- merged */

Test(assembler, a_run_stands_directly_inside_of_the_frame_that_executed_it)
{
	CHECK_MODES("start (libc.so.6);main (python3);eval (python3);a (a.py);b (b.py);call (python3);sort (ext.so);"
		    "compare (ext.so);eval (python3);c (c.py);sum (ext.so);kernel",
		    "a (a.py);b (b.py);sort (ext.so);compare (ext.so);c (c.py);sum (ext.so);kernel",
		    "a (a.py);b (b.py);c (c.py);kernel", .native = "sum eval/run compare sort call eval/run main start",
		    .python = "c | b a", .kernel = true);
}

Test(assembler, a_run_of_the_leaf_stands_inside_of_the_leaf)
{
	CHECK_MODES("main (python3);eval (python3);a (a.py);sort (ext.so);eval (python3);b (b.py);c (c.py)",
		    "a (a.py);sort (ext.so);b (b.py);c (c.py)", "a (a.py);b (b.py);c (c.py)",
		    .native = "eval/run sort eval/run main", .python = "c b | a");
}

Test(assembler, stacks_do_not_multiply_by_where_the_leaf_was_interrupted_when_frames_are_inside_of_it)
{
	use(NATIVE_ALL);
	struct assembled one = CHECK("main (python3);eval (python3);a (a.py);b (b.py)", .native = "eval/run main",
				     .python = "b a", .native_id = 5);
	struct assembled other = CHECK("main (python3);eval (python3);a (a.py);b (b.py)",
				       .native = "eval/run/wrong main", .python = "b a", .native_id = 5, .known = true);
	struct assembled another = CHECK("main (python3);call (python3);a (a.py);b (b.py)", .native = "call/run main",
					 .python = "b a", .native_id = 5, .known = true);

	cr_assert_eq(one.stack, other.stack);
	cr_assert_neq(one.stack, another.stack);
}

Test(assembler, a_run_may_be_executed_by_compiled_code_outside_of_the_interpreter)
{
	/* What is outward of all Python is left out, even the leaf. */
	CHECK_MODES("main (python3);sum (ext.so);a (a.py);kernel", "a (a.py);kernel", "a (a.py);kernel",
		    .native = "sum/run main", .python = "a", .kernel = true);
	CHECK_MODES("main (python3);eval (python3);a (a.py);sort (ext.so);sum (ext.so);b (b.py)",
		    "a (a.py);sort (ext.so);sum (ext.so);b (b.py)", "a (a.py);b (b.py)",
		    .native = "sum/run sort eval/run main", .python = "b | a");
	CHECK_MODES("a (a.py);[truncated: no-table];sort (ext.so);sum (ext.so);b (b.py)",
		    "a (a.py);[truncated: no-table];sort (ext.so);sum (ext.so);b (b.py)", "a (a.py);b (b.py)",
		    .native = "sum/run sort", .python = "b | a", .native_end = LOSS_NO_TABLE);
}

Test(assembler, two_samples_that_differ_in_the_leaf_alone_share_their_parts)
{
	use(NATIVE_ALL);
	CHECK("main (python3);eval (python3);a (a.py);sum (ext.so)", .native = "sum eval/run main", .python = "a",
	      .native_id = 5);
	CHECK("main (python3);eval (python3);a (a.py);compare (ext.so)", .native = "compare eval/run main",
	      .python = "a", .native_id = 5, .known = true);
	CHECK("main (python3);eval (python3);a (a.py);call (python3)", .native = "call eval/run main", .python = "a",
	      .native_id = 5, .known = true);
	use(NATIVE_EXTENSIONS);
	CHECK("a (a.py);sum (ext.so)", .native = "sum eval/run main", .python = "a", .native_id = 5);
	struct assembled call = CHECK("a (a.py)", .native = "call eval/run main", .python = "a", .native_id = 5,
				      .known = true);
	struct assembled other = CHECK("a (a.py)", .native = "main eval/run main", .python = "a", .native_id = 5,
				       .known = true);

	cr_assert_eq(call.stack, other.stack);
}

Test(assembler, one_native_part_serves_several_python_parts_and_the_other_way_round)
{
	use(NATIVE_ALL);
	CHECK("main (python3);eval (python3);a (a.py);sum (ext.so)", .native = "sum eval/run main", .python = "a");
	CHECK("main (python3);eval (python3);b (b.py);sum (ext.so)", .native = "sum eval/run main", .python = "b");
	CHECK("eval (python3);a (a.py);sort (ext.so);sum (ext.so)", .native = "sum sort eval/run", .python = "a");
	CHECK("eval (python3);b (b.py);sort (ext.so);sum (ext.so)", .native = "sum sort eval/run", .python = "b",
	      .known = true);
}

Test(assembler, a_frame_that_python_does_not_show_leaves_its_run_in_place)
{
	CHECK_MODES("main (python3);eval (python3);a (a.py);sort (ext.so);eval (python3);compare (ext.so);"
		    "eval (python3);c (c.py)",
		    "a (a.py);sort (ext.so);compare (ext.so);c (c.py)", "a (a.py);c (c.py)",
		    .native = "eval/run compare eval/run sort eval/run main", .python = "c | hidden | a");
}

Test(assembler, a_truncated_python_stack_says_so_inside_of_its_outermost_run)
{
	CHECK_MODES("main (python3);eval (python3);[truncated: python-depth];a (a.py);sum (ext.so)",
		    "[truncated: python-depth];a (a.py);sum (ext.so)", "[truncated: python-depth];a (a.py)",
		    .native = "sum eval/run main", .python = "a", .python_end = LOSS_PYTHON_DEPTH);
}

/* ---- walks that ended early */

/* Its outermost run was not followed to its anchor: it is outward of all but the thread's start, which is left out. */
Test(assembler, a_python_stack_cut_within_a_run_keeps_that_run_outermost)
{
	CHECK_MODES("main (python3);eval (python3);sum (ext.so);[unmerged];[truncated: python-depth];b (b.py);a (a.py)",
		    "[truncated: python-depth];b (b.py);a (a.py);sum (ext.so)",
		    "[truncated: python-depth];b (b.py);a (a.py)", .native = "sum eval main", .python = "a b",
		    .python_end = LOSS_PYTHON_DEPTH);
}

Test(assembler, runs_outward_of_a_truncated_walk_come_before_the_truncated_frame)
{
	CHECK_MODES("a (a.py);b (b.py);c (c.py);[truncated: no-unwind-info];sort (ext.so);eval (python3);d (d.py);"
		    "sum (ext.so)",
		    "a (a.py);b (b.py);c (c.py);[truncated: no-unwind-info];sort (ext.so);d (d.py);sum (ext.so)",
		    "a (a.py);b (b.py);c (c.py);d (d.py)", .native = "sum eval/run sort", .python = "d | c | b a",
		    .native_end = LOSS_NO_UNWIND_INFO);
}

Test(assembler, a_walk_truncated_before_any_run_leaves_all_outward)
{
	CHECK_MODES("a (a.py);b (b.py);[truncated: no-table];call (python3);sum (ext.so)",
		    "a (a.py);b (b.py);[truncated: no-table];sum (ext.so)", "a (a.py);b (b.py)", .native = "sum call",
		    .python = "b | a", .native_end = LOSS_NO_TABLE);
}

Test(assembler, a_walk_truncated_outward_of_all_runs_hides_only_what_is_left_out_anyway)
{
	CHECK_MODES("[truncated: no-table];start (libc.so.6);eval (python3);a (a.py);sum (ext.so)",
		    "a (a.py);sum (ext.so)", "a (a.py)", .native = "sum eval/run start", .python = "a",
		    .native_end = LOSS_NO_TABLE);
}

Test(assembler, one_native_part_reads_by_the_runs_beside_it)
{
	use(NATIVE_EXTENSIONS);
	CHECK("a (a.py);[truncated: no-table];sort (ext.so);b (b.py);sum (ext.so)", .native = "sum eval/run sort",
	      .python = "b | a", .native_end = LOSS_NO_TABLE);
	CHECK("a (a.py);sum (ext.so)", .native = "sum eval/run sort", .python = "a", .native_end = LOSS_NO_TABLE);
}

Test(assembler, losses_are_those_that_the_stack_shows)
{
	use(NATIVE_EXTENSIONS);
	struct assembled hidden = CHECK("a (a.py)", .native = "eval/run main", .python = "a",
					.native_end = LOSS_NO_TABLE);
	struct assembled shown = CHECK("a (a.py);[truncated: no-table];b (b.py)", .native = "eval/run main",
				       .python = "b | a", .native_end = LOSS_NO_TABLE);

	cr_assert_eq(hidden.losses, 0);
	cr_assert_eq(shown.losses, 1u << LOSS_NO_TABLE);
	cr_assert_eq(shown.python_losses, 0);
	cr_assert_not(hidden.native_complete);
}

/* ---- words */

Test(assembler, a_guess_that_follows_no_call_ends_the_walk)
{
	use(NATIVE_ALL);
	struct assembled a = CHECK("b (b.py);[truncated: frame-pointer];compare (ext.so);eval (python3);a (a.py);"
				   "sum (ext.so)",
				   .native = "sum eval/run compare/guess eval/run/wrong main/guess", .python = "a | b");

	cr_assert_eq(a.losses, 1u << LOSS_FRAME_POINTER);
	cr_assert_not(a.native_complete);
	cr_assert_eq(a.merge, MERGE_VERIFIED);
	CHECK("start (libc.so.6);compare (ext.so);sum (ext.so)", .native = "sum compare/guess start/guess");
	CHECK("[truncated: frame-pointer];sum (ext.so)", .native = "sum compare/wrong start");
}

Test(assembler, a_word_that_is_no_guess_is_believed)
{
	use(NATIVE_ALL);
	CHECK("start (libc.so.6);sort (ext.so);sum (ext.so)", .native = "sum sort/last start");
}

Test(assembler, an_interrupted_instruction_is_named_by_its_own_address)
{
	use(NATIVE_ALL);
	/* sum interrupted at its first instruction, under a signal's frame; a return address just behind sort. */
	CHECK("start (libc.so.6);sum (ext.so);restorer (libc.so.6);sort (ext.so)",
	      .native = "sort restorer/exact sum/exact start");
	CHECK("sort (ext.so);compare (ext.so)", .native = "compare/exact sort/last");
}

Test(assembler, a_leaf_that_lies_nowhere_is_a_loss_and_is_asked_for_again)
{
	use(NATIVE_EXTENSIONS);
	struct assembled a = CHECK("a (a.py);[unknown: address]", .native = "sum/nowhere eval/run", .python = "a");

	cr_assert_eq(a.losses, 1u << LOSS_ADDRESS);
	cr_assert_eq(a.python_losses, 0);

	/* Somebody maps something there. */
	struct mapping mapping = {.start = 0, .end = 4096, .path = (char *)"/made/late.so"};
	cr_assert_eq(mapping_table_insert(&process->mappings, &mapping), 0);
	CHECK("a (a.py);0x10 (late.so)", .native = "sum/nowhere eval/run", .python = "a");
}

/* ---- places unknown */

Test(assembler, an_unmerged_sample_has_its_native_frames_before_its_python_frames)
{
	CHECK_MODES("start (libc.so.6);main (python3);sort (ext.so);eval (python3);sum (ext.so);[unmerged];a (a.py);"
		    "b (b.py);kernel",
		    "start (libc.so.6);sort (ext.so);sum (ext.so);[unmerged];a (a.py);b (b.py);"
		    "kernel",
		    "a (a.py);b (b.py);kernel", .native = "sum eval/run sort main start", .python = "b | a",
		    .flags = SAMPLE_UNMERGED, .kernel = true);
}

Test(assembler, an_unmerged_sample_without_native_frames_to_show_is_just_python)
{
	use(NATIVE_EXTENSIONS);
	struct assembled a = CHECK("a (a.py);b (b.py)", .native = "eval call main", .python = "b | a",
				   .flags = SAMPLE_UNMERGED);

	cr_assert_eq(a.merge, MERGE_UNMERGED);
	CHECK("a (a.py);b (b.py)", .python = "b | a", .flags = SAMPLE_UNMERGED);
}

Test(assembler, an_unmerged_sample_keeps_what_says_that_its_walk_was_truncated)
{
	CHECK_MODES("[truncated: no-table];call (python3);sum (ext.so);[unmerged];a (a.py)",
		    "[truncated: no-table];sum (ext.so);[unmerged];a (a.py)", "a (a.py)", .native = "sum call",
		    .python = "a", .native_end = LOSS_NO_TABLE, .flags = SAMPLE_UNMERGED);
}

/* While greenlets switch, for an instant: the Python frames are those of one, the C stack is that of another. */
Test(assembler, a_run_without_a_place_on_a_native_stack_that_is_whole_is_unmerged)
{
	use(NATIVE_ALL);
	struct assembled a = CHECK("main (python3);eval (python3);sum (ext.so);[unmerged];a (a.py)",
				   .native = "sum eval main", .python = "a");

	cr_assert_eq(a.merge, MERGE_UNMERGED);
}

Test(assembler, one_native_part_may_be_merged_once_and_unmerged_the_next_time)
{
	use(NATIVE_ALL);
	CHECK("eval (python3);a (a.py);sum (ext.so)", .native = "sum eval/run", .python = "a");
	CHECK("eval (python3);sum (ext.so);[unmerged];a (a.py)", .native = "sum eval/run", .python = "a",
	      .flags = SAMPLE_UNMERGED, .known = true);
	CHECK("eval (python3);a (a.py);sum (ext.so)", .native = "sum eval/run", .python = "a", .known = true);
}

/* ---- greenlets */

Test(assembler, what_is_outward_of_a_greenlet_s_first_frame_is_another_s)
{
	CHECK_MODES("[greenlet];g_switch (_greenlet);"
		    "g_initialstub (_greenlet);call (python3);eval (python3);a (a.py);"
		    "sort (ext.so);eval (python3);b (b.py);sum (ext.so)",
		    "a (a.py);sort (ext.so);b (b.py);sum (ext.so)", "a (a.py);b (b.py)",
		    .native = "sum eval/run sort eval/run call g_initialstub g_switch call eval main start",
		    .python = "b | a");
}

Test(assembler, a_truncation_in_another_greenlet_s_stack_is_cut_with_it)
{
	use(NATIVE_ALL);
	struct assembled a = CHECK("[greenlet];g_initialstub (_greenlet);"
				   "eval (python3);a (a.py);sum (ext.so)",
				   .native = "sum eval/run g_initialstub", .python = "a",
				   .native_end = LOSS_STACK_ORDER);

	cr_assert_eq(a.losses, 0);
}

Test(assembler, greenlet_frames_that_runs_are_outward_of_belong_to_this_stack)
{
	use(NATIVE_ALL);
	/* In g_switch itself, called from Python: the frames outward are its own. */
	CHECK("main (python3);eval (python3);a (a.py);g_switch (_greenlet);"
	      "sum (ext.so)",
	      .native = "sum g_switch eval/run main", .python = "a");
	CHECK("a (a.py);[truncated: no-table];main (python3);g_switch (_greenlet);"
	      "eval (python3);b (b.py);sum (ext.so)",
	      .native = "sum eval/run g_switch main", .python = "b | a", .native_end = LOSS_NO_TABLE);
}

Test(assembler, a_greenlet_with_nothing_outward_of_it_has_no_mark)
{
	use(NATIVE_ALL);
	CHECK("g_initialstub (_greenlet);eval (python3);a (a.py)", .native = "eval/run g_initialstub", .python = "a");
}

/* ---- the fallback */

Test(assembler, what_the_fallback_found_replaces_the_sample_s_native_part)
{
	const struct test_sample truncated = {
		.native = "sum call", .python = "b | a", .native_end = LOSS_UNWIND_RULE, .native_id = 5};
	u64 words[MAX_NATIVE_FRAMES];
	struct unwound unwound = {.words = words, .max = MAX_NATIVE_FRAMES, .end = LOSS_NONE};
	u64 ip;
	STRBUF(b);

	use(NATIVE_ALL);
	unwound.cnt = words_parse("sum call eval/run sort eval/run main", unwound.words, &ip);
	struct assembled a = assemble(&truncated, &unwound);
	stack_put(a.stack, &b);
	cr_assert_str_eq(b.at, "main (python3);eval (python3);a (a.py);sort (ext.so);eval (python3);b (b.py);"
			       "call (python3);sum (ext.so)");
	cr_assert(a.native_complete);
	cr_assert_eq(a.merge, MERGE_VERIFIED);
	cr_assert_eq(assemble(&truncated, &unwound).stack, a.stack);

	/* The same sample, finished otherwise. */
	unwound.unmerged = true;
	strbuf_clear(&b);
	a = assemble(&truncated, &unwound);
	stack_put(a.stack, &b);
	cr_assert_str_eq(b.at, "main (python3);eval (python3);sort (ext.so);eval (python3);call (python3);sum (ext.so);"
			       "[unmerged];a (a.py);b (b.py)");
	cr_assert_eq(a.merge, MERGE_UNMERGED);
	CHECK("a (a.py);b (b.py);[truncated: unwind-rule];call (python3);sum (ext.so)", .native = "sum call",
	      .python = "b | a", .native_end = LOSS_UNWIND_RULE, .native_id = 5);
}

/* ---- what is counted */

Test(assembler, only_runs_placed_by_their_anchors_are_verified)
{
	use(NATIVE_EXTENSIONS);
	cr_assert_eq(CHECK("a (a.py);b (b.py)", .native = "eval/run eval/run main", .python = "b | a").merge,
		     MERGE_VERIFIED);
	cr_assert_eq(CHECK("a (a.py);[truncated: time];b (b.py)", .native = "eval/run main", .python = "b | a",
			   .native_end = LOSS_TIME)
			     .merge,
		     MERGE_VERIFIED);
	/* The walk came to its end and met too few frames, or too many: somebody is wrong. */
	cr_assert_eq(CHECK("a (a.py);b (b.py)", .native = "eval/run main", .python = "b | a").merge, MERGE_UNMERGED);
	cr_assert_eq(CHECK("b (b.py)", .native = "eval/run eval/run main", .python = "b").merge, MERGE_UNMERGED);
	cr_assert_eq(CHECK("a (a.py)", .python = "a").merge, MERGE_NONE);
	use(NATIVE_NONE);
	cr_assert_eq(CHECK("a (a.py)", .native = "eval/run main", .python = "a").merge, MERGE_NONE);
}

Test(assembler, too_many_places_leave_the_outermost_ones_empty)
{
	use(NATIVE_ALL);
	CHECK("main (python3);eval (python3);sort (ext.so);eval (python3);b (b.py)",
	      .native = "eval/run sort eval/run main", .python = "b");
}

/* ---- parts that were sent before */

Test(assembler, parts_are_known_by_their_ids_alone)
{
	const struct test_sample first = {.native = "sum eval/run main", .python = "a", .kernel = true};
	struct test_sample again = first;

	use(NATIVE_EXTENSIONS);
	u32 stack = assemble(&first, NULL).stack;
	u32 frames = frame_table_cnt(tables.frames), stacks = stack_table_cnt(tables.stacks);

	again.known = true;
	cr_assert_eq(assemble(&again, NULL).stack, stack);
	cr_assert_eq(frame_table_cnt(tables.frames), frames);
	cr_assert_eq(stack_table_cnt(tables.stacks), stacks);
}

Test(assembler, a_part_that_did_not_arrive_is_missing_where_it_would_be)
{
	use(NATIVE_EXTENSIONS);
	CHECK("[unknown: part-missing];sum (ext.so)", .native = "sum call", .known = true);
	CHECK("a (a.py)", .python = "a");
	struct assembled a = CHECK("a (a.py);[unknown: part-missing];sum (ext.so)", .native = "sum eval/run",
				   .python = "a", .known = true);
	cr_assert_eq(a.losses, 1u << LOSS_PART_MISSING);
	cr_assert_eq(a.python_losses, 0);
	cr_assert_eq(a.merge, MERGE_NONE);

	CHECK("a (a.py);sort (ext.so);sum (ext.so)", .native = "sum sort eval/run main", .python = "a");
	a = CHECK("[unknown: part-missing];sort (ext.so);sum (ext.so)", .python = "b", .known = true,
		  .native = "sum sort eval/run main");
	cr_assert_eq(a.python_losses, 1u << LOSS_PART_MISSING);

	assembler_forget(assembler);
	CHECK("[unknown: part-missing]", .python = "a", .known = true);
}
