/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/stack_reader.h"

#include <errno.h>
#include <string.h>

#include "assemble/assembler.h"
#include "dump/frame_names.h"
#include "profile/id_index.h"
#include "profile/profile.h"
#include "python/python_walk.h"
#include "symbolize/symbolizer.h"
#include "unwind/fallback.h"
#include "pyprof/unwind.h"

#define PAGE_SIZE 4096ull
/* Nearly every stack is smaller; what does not suffice is read again as a whole. */
#define COPY_SIZE_FIRST (16u << 10)
#define COPY_SIZE_MAX	(1u << 20)
/* Python stacks of 200 threads are some thousand nodes; this is for who dumps ten times a second for hours. */
#define STACKS_MAX	 (1u << 18)
#define STRING_BYTES_MAX (32u << 20)

struct stack_reader {
	struct snapshot_options options;
	struct process *process;
	struct remote_memory memory;
	struct python_walker *walker; /* NULL: no CPython that we know */
	struct profile_tables tables;
	struct symbolizer *symbolizer;
	struct assembler *assembler;
	struct fallback *fallback;
	struct frame_names *names;

	/* the stack under way */
	struct python_stack python;
	u64 unwound_words[MAX_NATIVE_FRAMES];
	struct unwound unwound; /* in these */
	struct stack_record *copy; /* with room for COPY_SIZE_MAX bytes; NULL: no native frames are wanted */
	struct sample *sample; /* with room for the kernel's and Python's frames */
};

static int parts_open(struct stack_reader *r, struct process_table *processes, const struct python_objects *objects)
{
	const struct assembler_options assembler = {.native = r->options.native == DUMP_NATIVE_NONE ? NATIVE_NONE
												    : NATIVE_ALL};
	const struct mapped_file *file = r->process->python_file;
	int err = profile_tables_new(&r->tables);

	if (!err)
		err = symbolizer_new(&r->tables, processes, &r->symbolizer);
	if (!err)
		err = assembler_new(&assembler, &r->tables, r->symbolizer, &r->assembler);
	if (!err && r->options.native != DUMP_NATIVE_NONE)
		err = fallback_new(processes, &r->fallback);
	if (!err && file && file->python.supported)
		err = python_walker_new(&r->memory, &file->python.layout, r->process->python_runtime, &r->walker);
	return err ? err : frame_names_new(&r->options, &r->tables, &r->memory, r->process, objects, &r->names);
}

int stack_reader_new(const struct snapshot_options *options, struct process_table *processes, struct process *process,
		     const struct python_objects *objects, struct stack_reader **ret)
{
	_cleanup_(stack_reader) struct stack_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->options = *options;
	r->process = process;
	r->memory = remote_memory_of_process(process->id.pid);
	r->unwound = (struct unwound){.words = r->unwound_words, .max = MAX_NATIVE_FRAMES};
	r->sample = malloc(sizeof(*r->sample) + MAX_KERNEL_FRAMES * sizeof(u64) +
			   MAX_PYTHON_FRAMES * sizeof(struct python_frame));
	if (!r->sample)
		return -ENOMEM;
	if (options->native != DUMP_NATIVE_NONE) {
		r->copy = malloc(sizeof(*r->copy) + COPY_SIZE_MAX);
		if (!r->copy)
			return -ENOMEM;
	}
	int err = parts_open(r, processes, objects);
	if (err)
		return err;
	*ret = take(r);
	return 0;
}

void stack_reader_free(struct stack_reader *r)
{
	if (!r)
		return;
	frame_names_free(r->names);
	python_walker_free(r->walker);
	fallback_free(r->fallback);
	assembler_free(r->assembler);
	symbolizer_free(r->symbolizer);
	profile_tables_free(&r->tables);
	free(r->copy);
	free(r->sample);
	free(r);
}

bool stack_reader_is_full(const struct stack_reader *r)
{
	return stack_table_cnt(r->tables.stacks) > STACKS_MAX ||
	       string_table_bytes(r->tables.strings) > STRING_BYTES_MAX;
}

/*
 * Native
 */

/* As much as there is from the page of sp up; fewer bytes than were asked for where the mapping ends. */
static u32 stack_copy(const struct stack_reader *r, u64 start, u32 size)
{
	ssize_t got = remote_read_some(r->process->id.pid, start, r->copy + 1, size);

	return got > 0 ? got : 0;
}

static bool is_innermost_placed(const struct unwound *unwound)
{
	for (u32 i = 0; i < unwound->cnt; i++)
		if (unwound->words[i] & NATIVE_RUN)
			return true;
	return false;
}

/* Of a walk that met the end of what was copied. */
static bool needs_more(const struct stack_reader *r)
{
	if (r->unwound.end != LOSS_NATIVE_FAULT && r->unwound.end != LOSS_UNWIND_RULE)
		return false;
	return r->options.native == DUMP_NATIVE_ALL || !r->python.cnt || !is_innermost_placed(&r->unwound);
}

/* record: registers, and where Python's runs have their anchors. */
static int stack_unwind(struct stack_reader *r, const struct thread_record *record)
{
	u64 start = record->registers[REG_RSP] & -PAGE_SIZE;
	int err = 0;

	*r->copy = (struct stack_record){
		.record = {.type = RECORD_STACK, .time_ns = record->record.time_ns},
		.process = record->process,
		.tid = record->tid,
		.cpu = record->cpu,
		.run_cnt = r->python.run_cnt,
		.stack_start = start,
	};
	memcpy(r->copy->registers, record->registers, sizeof(r->copy->registers));
	memcpy(r->copy->anchors, r->python.anchors, r->python.run_cnt * sizeof(*r->python.anchors));
	for (u32 size = COPY_SIZE_FIRST; !err && size <= COPY_SIZE_MAX; size *= 8) {
		r->copy->stack_size = stack_copy(r, start, size);
		/* A thread that does not run is in the kernel. */
		const struct unwind_origin origin = unwind_origin_of(r->copy, true);
		err = fallback_unwind(r->fallback, r->process, &origin, &r->unwound);
		if (r->copy->stack_size < size || !needs_more(r))
			break;
	}
	return err;
}

/*
 * A sample of what stands
 */

static void sample_fill(struct stack_reader *r, const struct thread_record *record, u64 state)
{
	u32 kernel_cnt = !r->options.kernel			  ? 0
			 : record->kernel_cnt > MAX_KERNEL_FRAMES ? MAX_KERNEL_FRAMES
								  : record->kernel_cnt;
	const u64 *kernel = (const u64 *)(record + 1);
	u64 kernel_id = kernel_cnt;

	for (u32 i = 0; i < kernel_cnt; i++)
		kernel_id = id_hash(kernel_id, kernel[i]);
	*r->sample = (struct sample){
		.record = {.type = RECORD_SAMPLE,
			   .size = sizeof(*r->sample) + kernel_cnt * sizeof(u64) +
				   r->python.cnt * sizeof(struct python_frame),
			   .time_ns = record->record.time_ns},
		.process = record->process,
		.tid = record->tid,
		.cpu = record->cpu,
		.thread_pointer = record->thread_pointer,
		.thread_state = state,
		.ip = record->registers[REG_RIP],
		.kernel_id = kernel_cnt ? kernel_id : 0,
		.native_id = r->copy ? 1 : 0, /* the fallback's: it has no other */
		.python_id = r->python.cnt ? r->python.id : 0,
		.kernel_cnt = kernel_cnt,
		.python_cnt = r->python.cnt,
		.run_cnt = r->python.run_cnt,
		.python_end = r->python.end,
		.native_end = LOSS_NONE,
		.flags = SAMPLE_IN_KERNEL | SAMPLE_KNOWN | SAMPLE_PYTHON,
	};
	memcpy(r->sample + 1, kernel, kernel_cnt * sizeof(*kernel));
	memcpy((u64 *)(r->sample + 1) + kernel_cnt, r->python.frames, r->python.cnt * sizeof(*r->python.frames));
}

/* A table is full: all is learned anew, the stack under way too. */
static int stack_assemble(struct stack_reader *r, const struct sample *sample, const struct unwound *unwound,
			  u32 *ret_stack)
{
	struct assembled assembled;
	int err = assembler_stack(r->assembler, r->process, sample, unwound, LOSS_NONE, &assembled);

	if (err == -ENOSPC) {
		assembler_forget(r->assembler);
		err = assembler_stack(r->assembler, r->process, sample, unwound, LOSS_NONE, &assembled);
	}
	if (!err)
		*ret_stack = assembled.stack;
	return err;
}

int stack_reader_python(struct stack_reader *r, const struct thread_record *record, u64 state, u64 ident,
			const struct python_stack **ret)
{
	int err = 0;

	r->python.cnt = r->python.run_cnt = 0;
	r->python.end = LOSS_NONE;
	if (state && r->walker)
		err = python_walk(r->walker, state, ident, record->registers[REG_RSP], &r->python);
	if (!err)
		*ret = &r->python;
	return err;
}

int stack_reader_rest(struct stack_reader *r, struct snapshot *snapshot, const struct thread_record *record, u64 state,
		      u64 ident, struct stack_frames *ret)
{
	const struct python_stack *ignored;
	u32 stack;
	int err = stack_reader_python(r, record, state, ident, &ignored);

	/* One whose thread is no more has Python frames alone. */
	bool has_native = r->copy && record->tid && !(record->flags & THREAD_NO_MEMORY);
	if (!err && has_native)
		err = stack_unwind(r, record);
	if (err)
		return err;
	sample_fill(r, record, state);
	if (!has_native)
		r->sample->native_id = 0;
	err = stack_assemble(r, r->sample, has_native ? &r->unwound : NULL, &stack);
	if (!err)
		err = frame_names_stack(r->names, snapshot, stack, &r->python, ret);
	if (!err)
		ret->anchor = r->python.run_cnt ? r->python.anchors[0] : 0;
	return err;
}

int stack_reader_given(struct stack_reader *r, struct snapshot *snapshot, const struct asyncio_frame *frames,
		       size_t cnt, struct stack_frames *ret)
{
	const struct thread_record nobody = {.process = r->process->id};
	u32 stack;

	r->python.cnt = cnt < MAX_PYTHON_FRAMES ? cnt : MAX_PYTHON_FRAMES;
	r->python.run_cnt = cnt ? 1 : 0;
	r->python.end = cnt <= MAX_PYTHON_FRAMES ? LOSS_NONE : LOSS_PYTHON_DEPTH;
	r->python.id = 1;
	for (u32 i = 0; i < r->python.cnt; i++) {
		const struct python_frame *frame = &frames[i].frame;

		r->python.frames[i] = *frame;
		r->python.addresses[i] = frames[i].address;
		r->python.id = id_hash(r->python.id, frame->code);
		r->python.id = id_hash(r->python.id, (u64)frame->signature << 32 | frame->instr);
	}
	if (cnt)
		r->python.frames[0].code |= PYTHON_RUN_BEGIN;
	sample_fill(r, &nobody, 0);
	r->sample->native_id = 0;
	int err = stack_assemble(r, r->sample, NULL, &stack);
	return err ? err : frame_names_stack(r->names, snapshot, stack, &r->python, ret);
}

int stack_reader_sample(struct stack_reader *r, struct snapshot *snapshot, const struct thread_sample *sample,
			struct stack_frames *ret)
{
	bool has_native = r->copy && sample->stack;
	u32 stack;
	int err = 0;

	if (has_native) {
		const struct unwind_origin origin = unwind_origin_of(sample->stack,
								     sample->sample->flags & SAMPLE_IN_KERNEL);

		err = fallback_unwind(r->fallback, r->process, &origin, &r->unwound);
	}
	if (!err)
		err = stack_assemble(r, sample->sample, has_native ? &r->unwound : NULL, &stack);
	return err ? err : frame_names_stack(r->names, snapshot, stack, NULL, ret);
}

int stack_reader_name_all(struct stack_reader *r)
{
	return symbolizer_name_frames(r->symbolizer);
}

int stack_reader_name(struct stack_reader *r, struct snapshot *snapshot, struct stack_frames *frames)
{
	return frame_names_put(r->names, snapshot, frames);
}
