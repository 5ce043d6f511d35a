/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/remote_memory.h"
#include "base/strbuf.h"
#include "process/file_function.h"
#include "symbolize/code_cache.h"
#include "symbolize/code_snapshot.h"
#include "symbolize/demangle.h"
#include "symbolize/file_identity.h"
#include "symbolize/jit_names.h"
#include "symbolize/kallsyms.h"
#include "symbolize/source_cache.h"

#include <uthash.h>

/* Modules and BPF programs come and go; but reading the list takes some 80 ms of CPU. */
#define KALLSYMS_AGE_NS	    (60 * NS_PER_S)
#define KALLSYMS_AGE_MAX_NS (3600 * NS_PER_S)

#define CODE_BYTES_MAX (64u << 20) /* of code objects of all processes */

/* A file that frames refer to: kept until they have their names. */
struct named_file {
	u32 id;
	struct mapped_file *file;
	int pid; /* of a process that maps it, 0: it is gone */
	u32 row; /* in the file_table; FILE_NONE: not asked yet */
	UT_hash_handle hh;
};

struct symbolizer {
	struct profile_tables tables;
	struct process_table *processes;
	struct code_cache *codes;
	struct named_file *files;
	struct jit_names *jit_names;
	struct source_cache *sources; /* NULL: not wanted */
	struct kallsyms *kallsyms;
	u64 kallsyms_read_ns, kallsyms_age_ns;
	u32 kernel_row; /* in the file_table */
	bool kernel_row_known;
	u32 *pending; /* frames without a name */
	size_t pending_cnt, pending_capacity;
};

int symbolizer_new(const struct profile_tables *tables, struct process_table *processes, struct symbolizer **ret)
{
	_cleanup_(symbolizer) struct symbolizer *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->tables = *tables;
	s->processes = processes;

	int err = code_cache_new(CODE_BYTES_MAX, &s->codes);
	if (!err)
		err = jit_names_new(&s->jit_names);
	if (err)
		return err;
	*ret = take(s);
	return 0;
}

static void files_release(struct symbolizer *s)
{
	struct named_file *file, *next;

	HASH_ITER(hh, s->files, file, next)
	{
		HASH_DEL(s->files, file);
		mapped_file_unref(file->file);
		free(file);
	}
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	files_release(s);
	code_cache_free(s->codes);
	jit_names_free(s->jit_names);
	source_cache_free(s->sources);
	kallsyms_free(s->kallsyms);
	free(s->pending);
	free(s);
}

int symbolizer_read_sources(struct symbolizer *s)
{
	return s->sources ? 0 : source_cache_new(&s->sources);
}

/* The frame by its key; one that is new waits for its name. */
static int intern_unnamed(struct symbolizer *s, const struct frame *key, u32 *ret)
{
	bool is_new;
	int err = frame_table_intern(s->tables.frames, key, ret, &is_new);

	if (err || !is_new)
		return err;
	u32 *pending = array_reserve(s->pending, &s->pending_capacity, s->pending_cnt + 1, sizeof(*pending));
	if (!pending)
		return -ENOMEM;
	s->pending = pending;
	s->pending[s->pending_cnt++] = *ret;
	return 0;
}

int symbolize_kernel(struct symbolizer *s, u64 address, u32 *ret)
{
	struct frame key = {.kind = FRAME_KERNEL, .address = address};

	return intern_unnamed(s, &key, ret);
}

static int file_keep(struct symbolizer *s, const struct process *process, struct mapped_file *file,
		     struct named_file **ret)
{
	int pid = process->exited ? 0 : (int)process->id.pid;
	struct named_file *kept;

	HASH_FIND(hh, s->files, &file->id, sizeof(file->id), kept);
	if (kept) {
		kept->pid = pid ? pid : kept->pid;
		*ret = kept;
		return 0;
	}
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->id = file->id;
	kept->pid = pid;
	kept->file = mapped_file_ref(file);
	HASH_ADD(hh, s->files, id, sizeof(kept->id), kept);
	*ret = kept;
	return 0;
}

/*
 * Memory without a file, or with one that cannot be read: code that the process made itself. It is
 * named at once, by its perf map or else its address, for the process may be gone in a moment.
 */
static int intern_anonymous(struct symbolizer *s, const struct process *process, const struct mapping *mapping,
			    u64 address, u32 *ret)
{
	char function[32];
	const char *base = strrchr(mapping->path, '/');
	struct frame key = {
		.kind = FRAME_NATIVE,
		.scope = process->key | 1u << 31, /* not the id of a file */
		.address = address,
	};
	bool is_new;
	u32 function_id, name_id, file_id;

	int err = frame_table_intern(s->tables.frames, &key, ret, &is_new);
	if (err || !is_new)
		return err;
	const char *name = jit_names_find(s->jit_names, process, address);
	if (!name) {
		snprintf(function, sizeof(function), "0x%llx",
			 (unsigned long long)(address - mapping->start + mapping->file_offset));
		err = jit_names_wait(s->jit_names, process, address, *ret);
	}
	if (!err)
		err = string_table_intern(s->tables.strings, name ? name : function, &function_id);
	if (!err)
		err = string_table_intern(s->tables.strings,
					  base		     ? base + 1
					  : mapping->path[0] ? mapping->path
							     : "[anon]",
					  &name_id);
	if (!err)
		err = file_identity_of_path(&s->tables, mapping->path, &file_id);
	if (err)
		return err;
	struct frame *frame = frame_table_at(s->tables.frames, *ret);
	frame->function = function_id;
	frame->file = name_id;
	frame->file_id = file_id;
	frame->named = true;
	return 0;
}

/* Where a run-time address lies in the file behind it. */
static int file_address(const struct mapping *mapping, u64 address, u64 *ret)
{
	if (!mapping->file || !mapping->file->elf)
		return -ENOENT;
	return elf_file_address_of_offset(mapping->file->elf, address - mapping->start + mapping->file_offset, ret);
}

static int symbolize_pc(struct symbolizer *s, struct process *process, u64 pc, bool by_function, u32 *ret)
{
	struct mapping *mapping = process_mapping_file(s->processes, process, pc);
	struct frame key = {.kind = FRAME_NATIVE};
	struct named_file *kept;

	if (!mapping)
		return frame_table_loss(s->tables.frames, process->exited ? LOSS_PROCESS_GONE : LOSS_ADDRESS, ret);
	if (file_address(mapping, pc, &key.address))
		return intern_anonymous(s, process, mapping, pc, ret);

	key.scope = mapping->file->id;
	int err = file_keep(s, process, mapping->file, &kept);
	if (err)
		return err;
	struct file_function function;
	if (by_function && !file_function_find(kept->file, kept->pid, key.address, &function))
		key.address = function.start;
	return intern_unnamed(s, &key, ret);
}

int symbolize_native(struct symbolizer *s, struct process *process, u64 address, bool is_caller, u32 *ret)
{
	return symbolize_pc(s, process, is_caller ? address - 1 : address, false, ret);
}

int symbolize_function(struct symbolizer *s, struct process *process, u64 address, u32 *ret)
{
	return symbolize_pc(s, process, address, true, ret);
}

bool symbolizer_follows_call(struct symbolizer *s, struct process *process, u64 address)
{
	struct mapping *mapping = process_mapping_file(s->processes, process, address - 1);
	u64 in_file;

	if (!mapping)
		return false;
	/* In JIT code nothing can be checked from a file; it is mapped executable, and that must do. */
	if (file_address(mapping, address, &in_file))
		return !mapping->file || !mapping->file->elf;
	return elf_file_follows_call(mapping->file->elf, in_file);
}

static int python_strings(struct symbolizer *s, const struct code_object *code, struct frame *frame)
{
	int err = string_table_intern(s->tables.strings, code->function, &frame->function);

	return err ? err : string_table_intern(s->tables.strings, code->file, &frame->file);
}

static bool is_empty(const struct line_position *at)
{
	return at->line == at->end_line && at->column == at->end_column;
}

/*
 * Where its code comes from. What CPython puts before a function's own code has an empty place; and nobody reads what is
 * so wide that its columns do not fit: of both the line is enough.
 */
static int python_position(struct symbolizer *s, const struct process *process, const struct code_object *code,
			   u32 instr, struct frame *frame)
{
	struct line_position at;
	STRBUF(text);

	code_object_position(code, instr, &at);
	frame->line = at.line;
	if (!at.has_columns || is_empty(&at) || at.column > UINT16_MAX || at.end_column > UINT16_MAX)
		return 0;
	frame->end_line = at.end_line;
	frame->column = at.column;
	frame->end_column = at.end_column;
	if (!s->sources || source_cache_put(s->sources, process, code->file, &at, &text))
		return 0;
	int err = text.failed ? -ENOMEM : string_table_intern(s->tables.strings, text.at, &frame->text);
	return err == -ENOSPC ? 0 : err;
}

static enum loss loss_of_read(int err)
{
	switch (err) {
	case -ESTALE:
	case -EFAULT: /* nothing is there at all any more: after exec, say */
		return LOSS_CODE_GONE;
	case -ESRCH:
		return LOSS_PROCESS_GONE;
	default:
		return LOSS_CODE_INVALID;
	}
}

int symbolizer_add_code(struct symbolizer *s, const struct process *process, const struct code_record *record)
{
	if (!process->python_file || !process->python_file->python.supported)
		return 0;

	struct remote_memory live = remote_memory_of_process(process->id.pid);
	struct code_snapshot snapshot;
	const struct code_object *ignored;

	code_snapshot_init(&snapshot, record, &live);
	int err = code_cache_add(s->codes, process->key, &snapshot.memory, &process->python_file->python.layout,
				 record->code, record->signature, &ignored);
	return err == -ENOMEM ? err : 0; /* else it is read from the process when a frame asks for it */
}

int symbolize_python(struct symbolizer *s, struct process *process, const struct python_frame *frame, u32 *ret,
		     enum loss *ret_loss)
{
	struct frame key = {
		.kind = FRAME_PYTHON,
		.scope = process->key,
		.address = frame->code,
		.detail = (u64)frame->signature << 32 | frame->instr,
	};
	const struct code_object *code;
	bool is_new;
	u32 id;

	*ret_loss = LOSS_NONE;
	if (!process->python_file)
		return frame_table_loss(s->tables.frames, *ret_loss = LOSS_PROCESS_GONE, ret);

	struct remote_memory memory = remote_memory_of_process(process->id.pid);
	int err = code_cache_get(s->codes, process->key, process->exited ? NULL : &memory,
				 &process->python_file->python.layout, frame->code, frame->signature, &code);
	if (err == -ENOMEM)
		return err;
	if (err)
		return frame_table_loss(s->tables.frames, *ret_loss = loss_of_read(err), ret);

	if (!code_object_is_visible(code, frame->instr)) {
		*ret = FRAME_NONE;
		return 0;
	}
	err = frame_table_intern(s->tables.frames, &key, &id, &is_new);
	if (err)
		return err;
	if (is_new) {
		struct frame named = key;

		err = python_strings(s, code, &named);
		if (!err)
			err = python_position(s, process, code, frame->instr, &named);
		if (err)
			return err;
		named.named = true;
		*frame_table_at(s->tables.frames, id) = named;
	}
	*ret = id;
	return 0;
}

/* Modules and BPF programs come and go: a list in which an address is missing may be old. */
static const char *kernel_name(struct symbolizer *s, u64 address)
{
	u64 now = clock_monotonic_ns();
	const char *name = s->kallsyms ? kallsyms_find(s->kallsyms, address) : NULL;
	struct kallsyms *fresh = NULL;

	if (name || (s->kallsyms_read_ns && now - s->kallsyms_read_ns <= s->kallsyms_age_ns))
		return name;
	s->kallsyms_read_ns = now;
	s->kallsyms_age_ns = s->kallsyms_age_ns ? 2 * s->kallsyms_age_ns : KALLSYMS_AGE_NS;
	if (s->kallsyms_age_ns > KALLSYMS_AGE_MAX_NS)
		s->kallsyms_age_ns = KALLSYMS_AGE_MAX_NS;
	if (kallsyms_open(&fresh))
		return NULL;
	kallsyms_free(s->kallsyms);
	s->kallsyms = fresh;
	return kallsyms_find(fresh, address);
}

/* A symbol's readable name, or the address. */
static int name_function(struct symbolizer *s, struct frame *frame, const char *symbol, u64 address)
{
	STRBUF(function);

	if (symbol)
		demangle_put(&function, symbol);
	else
		strbuf_printf(&function, "0x%llx", (unsigned long long)address);
	return function.failed ? -ENOMEM : string_table_intern(s->tables.strings, function.at, &frame->function);
}

static int name_kernel(struct symbolizer *s, struct frame *frame)
{
	int err = s->kernel_row_known ? 0 : file_identity_of_kernel(&s->tables, &s->kernel_row);

	s->kernel_row_known = !err;
	frame->file_id = s->kernel_row;
	return err ? err : name_function(s, frame, kernel_name(s, frame->address), frame->address);
}

static int name_native(struct symbolizer *s, struct frame *frame)
{
	struct file_function function = {.start = frame->address};
	struct named_file *kept;

	/* Frames of one function get one name, symbol or start: formats make one of what reads the same. */
	HASH_FIND(hh, s->files, &frame->scope, sizeof(frame->scope), kept);
	if (kept)
		file_function_find(kept->file, kept->pid, frame->address, &function);
	int err = name_function(s, frame, function.symbol, function.start);
	if (!err && kept && kept->row == FILE_NONE)
		err = file_identity_of_elf(&s->tables, kept->file->elf, &kept->row);
	if (err)
		return err;
	frame->file_id = kept ? kept->row : FILE_NONE;
	return string_table_intern(s->tables.strings, kept ? kept->file->name : "", &frame->file);
}

static int name_jit(void *ctx, u32 id, const char *name)
{
	struct symbolizer *s = ctx;
	u32 function;

	int err = string_table_intern(s->tables.strings, name, &function);
	if (!err)
		frame_table_at(s->tables.frames, id)->function = function;
	return err == -ENOSPC ? 0 : err;
}

int symbolizer_name_frames(struct symbolizer *s)
{
	for (size_t i = 0; i < s->pending_cnt; i++) {
		struct frame named = *frame_table_get(s->tables.frames, s->pending[i]);
		int err = named.kind == FRAME_KERNEL ? name_kernel(s, &named) : name_native(s, &named);

		if (err && err != -ENOSPC)
			return err;
		struct frame *frame = frame_table_at(s->tables.frames, s->pending[i]);
		frame->function = named.function;
		frame->file = named.file;
		frame->file_id = named.file_id;
		frame->named = !err;
	}
	s->pending_cnt = 0;
	files_release(s);
	return jit_names_retry(s->jit_names, s->processes, name_jit, s);
}

void symbolizer_forget(struct symbolizer *s, const struct process *process)
{
	code_cache_forget(s->codes, process->key);
	jit_names_forget(s->jit_names, process, name_jit, s); /* short of memory, frames keep their addresses */
}
