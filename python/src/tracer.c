/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tracer.h"

#include <errno.h>
#include <elf.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/array.h"
#include "base/remote_memory.h"
#include "loaded_list.h"
#include "native_names.h"
#include "base/own_memory.h"
#include "process/process.h"
#include "pyprof/losses.h"
#include "pyprof/unwind.h"
#include "python/thread_list.h"
#include "stack_builder.h"
#include "symbolize/code_cache.h"
#include "unwind/fallback.h"

#define CODE_BYTES_MAX (8u << 20) /* of Python's code objects, in other people's process */

struct tracer {
	struct mapped_file_cache *files;
	struct process_table *processes;
	struct process *process;
	struct fallback *fallback;
	struct native_names *names;
	struct code_cache *codes;
	struct remote_memory memory;
	struct loaded_list *loaded;
	u64 own_start, own_end; /* this library's code; empty when it is linked into the program */
	struct python_walker *walker; /* one to give out; NULL: it is */
	u64 *words; /* of the walk under way */
	size_t word_capacity;
};

/*
 * What is mapped
 */

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

/* Where in memory this library lies, from its own headers. Of a part of the program there is nothing to say. */
static void own_find(struct tracer *t)
{
	u64 base = (u64)&__ehdr_start, headers = base + __ehdr_start.e_phoff, end = 0;
	const Elf64_Phdr *header = (const Elf64_Phdr *)headers;

	if (getauxval(AT_PHDR) == headers)
		return;
	for (u32 i = 0; i < __ehdr_start.e_phnum; i++) {
		u64 header_end = header[i].p_vaddr + header[i].p_memsz;

		if (header[i].p_type == PT_LOAD && header_end > end)
			end = header_end;
	}
	t->own_start = base;
	t->own_end = base + end;
}

static void tracer_refresh(struct tracer *t)
{
	if (loaded_list_has_changed(t->loaded))
		process_table_forget_mappings(t->processes);
}

int tracer_new(struct tracer **ret)
{
	const struct process_id id = {.pid = getpid()};
	_cleanup_(tracer) struct tracer *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	own_memory_open();
	t->memory = own_memory(); /* for signal handlers, too */
	own_find(t);
	t->files = mapped_file_cache_new_without_descriptors();
	if (!t->files)
		return -ENOMEM;

	int err = process_table_new(t->files, &t->processes);
	if (!err)
		err = process_table_get(t->processes, &id, "", &t->process);
	if (!err)
		err = fallback_new(t->processes, &t->fallback);
	if (!err)
		err = native_names_new(t->processes, t->process, &t->names);
	if (!err)
		err = code_cache_new(CODE_BYTES_MAX, &t->codes);
	if (!err)
		err = loaded_list_new(&t->loaded);
	if (err)
		return err;
	*ret = take(t);
	return 0;
}

void tracer_free(struct tracer *t)
{
	if (!t)
		return;
	loaded_list_free(t->loaded);
	free(t->words);
	python_walker_free(t->walker);
	code_cache_free(t->codes);
	native_names_free(t->names);
	fallback_free(t->fallback);
	process_table_free(t->processes);
	mapped_file_cache_free(t->files);
	free(t);
}

/*
 * Python's side
 */

struct state_search {
	u64 ident;
	struct python_thread found;
};

/* A thread has one for each sub-interpreter that it works for: the newest that executes something. */
static int state_visit(void *search_, const struct python_thread *thread)
{
	struct state_search *search = search_;

	if (thread->thread_pointer != search->ident)
		return 0;
	if (!search->found.state || thread->frame)
		search->found = *thread;
	return thread->frame != 0;
}

static const struct python_layout *layout_find(struct tracer *t)
{
	process_check_python(t->processes, t->process);
	const struct mapped_file *file = t->process->python_file;

	return file && file->python.supported ? &file->python.layout : NULL;
}

int tracer_take_walker(struct tracer *t, u64 ident, u64 *ret_state, struct python_walker **ret_walker)
{
	struct state_search search = {.ident = ident};

	tracer_refresh(t);
	const struct python_layout *layout = layout_find(t);
	if (!layout)
		return -ENOTSUP;
	u64 runtime = t->process->python_runtime;
	int err = thread_list_read(&t->memory, layout, runtime, state_visit, &search);
	if (err < 0)
		return err;
	if (!search.found.state)
		return -ENOENT;
	if (!t->walker) {
		err = python_walker_new(&t->memory, layout, runtime, &t->walker);
		if (err)
			return err == -EINVAL ? -ENOTSUP : err;
	}
	*ret_state = search.found.state;
	*ret_walker = take(t->walker);
	return 0;
}

void tracer_give_walker(struct tracer *t, struct python_walker *walker)
{
	if (t->walker)
		python_walker_free(walker);
	else
		t->walker = walker;
}

/*
 * The stack
 */

/* Of C. More than any stack has; its words are touched only when it does. */
#define WORDS_MAX (1u << 20)
/* Between the caller's frame and where registers were taken. */
#define OWN_MAX 16

static bool is_own(const struct tracer *t, u64 address)
{
	return address >= t->own_start && address < t->own_end;
}

/* As many frames as are wanted, and ours. */
static int tracer_unwind(struct tracer *t, const struct thread_copy *copy, size_t max_cnt, struct unwound *ret)
{
	const struct unwind_origin origin = {
		.registers = copy->registers,
		.anchors = copy->python.anchors,
		.run_cnt = copy->has_python ? copy->python.run_cnt : 0,
		.runs_cut = copy->has_python && copy->python.end != LOSS_NONE,
		.in_kernel = true, /* most threads wait in a system call, and nobody says which */
		.stack = copy->pieces[0],
	};
	size_t room = (max_cnt < WORDS_MAX ? max_cnt : WORDS_MAX) + OWN_MAX;
	u64 *words = array_reserve(t->words, &t->word_capacity, room, sizeof(*words));
	if (!words)
		return -ENOMEM;
	t->words = words;
	*ret = (struct unwound){.words = words, .max = room};
	return fallback_unwind(t->fallback, t->process, &origin, ret);
}

/* One copy while it becomes a stack. */
struct tracing {
	struct tracer *tracer;
	const struct thread_copy *copy;
	const struct unwound *unwound;
	struct stack_builder *stack;
	u32 next; /* the first Python frame that has no place yet */
};

/* Where the frame goes on, and the byte that says which instruction that is: a call may be a function's last. */
static u64 frame_pc(const struct tracing *tracing, u32 i, u64 *ret_inside)
{
	u64 word = tracing->unwound->words[i];
	u64 pc = i ? word & NATIVE_ADDRESS : tracing->copy->registers[REG_RIP];

	*ret_inside = !i || word & NATIVE_EXACT ? pc : pc - 1;
	return pc;
}

static void put_native(struct tracing *tracing, u32 i)
{
	u64 inside, pc = frame_pc(tracing, i, &inside);
	struct traced_frame frame = {.address = pc, .start = pc, .function = "?", .file = ""};
	struct native_name name;

	if (!native_names_find(tracing->tracer->names, inside, &name)) {
		frame.start = name.start;
		frame.function = name.function;
		frame.file = name.file;
	}
	stack_builder_put(tracing->stack, &frame);
}

static void put_python(struct tracing *tracing, const struct python_frame *python)
{
	struct tracer *t = tracing->tracer;
	const struct python_layout *layout = &t->process->python_file->python.layout;
	u64 address = python->code & ~PYTHON_RUN_BEGIN;
	bool has_instr = python->instr < PYTHON_INSTR_BEFORE;
	struct traced_frame frame = {
		.address = address + (has_instr ? python->instr : 0),
		.start = address,
		.function = "?",
		.file = "",
		.is_python = true,
	};
	const struct code_object *code;

	if (!code_cache_get_sure(t->codes, t->process->key, &t->memory, layout, address, python->signature, &code)) {
		if (!code_object_is_visible(code, python->instr))
			return;
		frame.function = code->function;
		frame.file = code->file;
		frame.line = code_object_line(code, python->instr);
	}
	stack_builder_put(tracing->stack, &frame);
}

/* In the place of those that the walker did not come to. */
static void put_cut(struct tracing *tracing)
{
	static const char *const names[LOSS_CNT] = {
#define X(id, effect, reason, sentence) [LOSS_##id] = "[truncated: " reason "]",
		FOR_EACH_LOSS(X)
#undef X
	};
	u8 end = tracing->copy->python.end;
	const struct traced_frame mark = {.function = end < LOSS_CNT ? names[end] : "", .file = ""};

	if (end < LOSS_CNT)
		stack_builder_put(tracing->stack, &mark);
}

/* The next run of Python frames, whose C frame comes next. */
static void put_run(struct tracing *tracing)
{
	const struct python_stack *python = &tracing->copy->python;

	for (u32 first = tracing->next; tracing->next < python->cnt; tracing->next++) {
		const struct python_frame *frame = &python->frames[tracing->next];

		if (tracing->next > first && frame->code & PYTHON_RUN_BEGIN)
			return;
		put_python(tracing, frame);
		if (tracing->next + 1 == python->cnt)
			put_cut(tracing);
	}
}

static void put_runs_left(struct tracing *tracing)
{
	while (tracing->copy->has_python && tracing->next < tracing->copy->python.cnt)
		put_run(tracing);
}

/* As in a profile: what belongs together stands together, and a mark is between what does not. */
static void put_unmerged(struct tracing *tracing)
{
	const struct traced_frame mark = {.function = "[unmerged]", .file = ""};

	put_runs_left(tracing);
	stack_builder_put(tracing->stack, &mark);
}

/* Of a run that was cut nobody knows the place: it is missing where the walk came to its end. */
static bool is_placed(const struct tracing *tracing)
{
	const struct python_stack *python = &tracing->copy->python;
	const struct unwound *unwound = tracing->unwound;
	u32 run_cnt = 0, place_cnt = 0;

	for (u32 i = 0; i < python->cnt; i++)
		run_cnt += python->frames[i].code & PYTHON_RUN_BEGIN;
	for (u32 i = 0; i < unwound->cnt; i++)
		place_cnt += !!(unwound->words[i] & NATIVE_RUN);
	return !unwound->unmerged && (unwound->end != LOSS_NONE || place_cnt >= run_cnt);
}

static void put_all(struct tracing *tracing)
{
	const struct unwound *unwound = tracing->unwound;
	bool has_python = tracing->copy->has_python, is_merged = has_python && is_placed(tracing);
	u64 inside;
	u32 i = 0;

	/* Who traces itself stands in frames of ours. */
	for (frame_pc(tracing, 0, &inside); is_own(tracing->tracer, inside); frame_pc(tracing, i, &inside))
		if (++i >= unwound->cnt)
			return;
	if (has_python && !is_merged)
		put_unmerged(tracing);
	for (; i < unwound->cnt; i++) {
		if (is_merged && unwound->words[i] & NATIVE_RUN)
			put_run(tracing);
		put_native(tracing, i);
	}
	/* Those outward of where the walk had to end; of one that was told to end, they are not wanted. */
	if (unwound->end != LOSS_NATIVE_DEPTH)
		put_runs_left(tracing);
}

int tracer_trace(struct tracer *t, const struct thread_copy *copy, size_t max_cnt, struct traced_stack *ret,
		 bool *ret_needs_more)
{
	struct stack_builder stack = {.max_cnt = max_cnt};
	struct unwound unwound;
	struct tracing tracing = {.tracer = t, .copy = copy, .unwound = &unwound, .stack = &stack};

	tracer_refresh(t);
	int err = tracer_unwind(t, copy, max_cnt, &unwound);
	if (err)
		return err;
	put_all(&tracing);
	*ret_needs_more = copy->is_cut && stack.cnt < max_cnt &&
			  (unwound.end == LOSS_NATIVE_FAULT || unwound.end == LOSS_UNWIND_RULE);
	return stack_builder_finish(&stack, ret);
}
