/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * symbolizer.h - from what the kernel side saw to frames: the cold path. Each
 * question yields a frame always; an unknown address is a frame too.
 *
 * Python frames are named at once, for their process may be gone in a moment.
 * Native and kernel frames are named by symbolizer_name_frames(), before a
 * profile is written: their files stay. Code that a process made itself is named at
 * once where its perf map has it already, else as soon as it does (jit_names.h).
 */
#ifndef PYPROF_SYMBOLIZER_H
#define PYPROF_SYMBOLIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/profile.h"
#include "pyprof/record.h"

#define FRAME_NONE UINT32_MAX

struct symbolizer;

/* Both are borrowed. */
int symbolizer_new(const struct profile_tables *tables, struct process_table *processes, struct symbolizer **ret);
void symbolizer_free(struct symbolizer *symbolizer);
DEFINE_CLEANUP(symbolizer, struct symbolizer *, symbolizer_free)

/* From now on Python frames come with the text of their expression (source_cache.h). */
int symbolizer_read_sources(struct symbolizer *s);

/* *ret is a frame id. Fail only with -ENOMEM or -ENOSPC. */
int symbolize_kernel(struct symbolizer *s, u64 address, u32 *ret);
/* address: the instruction itself, or with is_caller the return address behind it. */
int symbolize_native(struct symbolizer *s, struct process *process, u64 address, bool is_caller, u32 *ret);
/*
 * One frame for all instructions of a function: for a frame that is interrupted
 * anywhere and has others inside, of which each would be there once for each
 * instruction. Reads the file's symbols.
 */
int symbolize_function(struct symbolizer *s, struct process *process, u64 address, u32 *ret);
/* *ret_loss: LOSS_NONE, or why the frame is an [unknown]. FRAME_NONE: no frame that Python itself would show. */
int symbolize_python(struct symbolizer *s, struct process *process, const struct python_frame *frame, u32 *ret,
		     enum loss *ret_loss);

/* A code object as the kernel side saw it: named from that, and known from now on. */
int symbolizer_add_code(struct symbolizer *s, const struct process *process, const struct code_record *record);

/* True when a call stands before this return address, as far as its file can be read. */
bool symbolizer_follows_call(struct symbolizer *s, struct process *process, u64 address);

/* Names every frame that has none yet. May open and read files. */
int symbolizer_name_frames(struct symbolizer *s);
/* The process is over: forgets its code objects. */
void symbolizer_forget(struct symbolizer *s, const struct process *process);

#endif
