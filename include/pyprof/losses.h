/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * losses.h - every reason why something is missing, once, for the kernel side,
 * for user space and for people.
 *
 * X(ID, EFFECT, "reason", "sentence"). EFFECT says what the loss does:
 *   LOST       a sample that is absent from the profile
 *   UNKNOWN    a sample in the profile, with a frame `[unknown: reason]`
 *   TRUNCATED  a sample in the profile, with a frame `[truncated: reason]`
 * The reasons are part of the output format: scripts read them, so never rename one.
 */
#ifndef PYPROF_LOSSES_H
#define PYPROF_LOSSES_H

#define FOR_EACH_LOSS(X)                                                                                             \
	X(RING_FULL, LOST, "ring-full", "The ring buffer was full: the profiler did not get the CPU in time.")       \
	X(RING_BUSY, LOST, "ring-busy", "Another CPU held the ring buffer's lock at that instant.")                  \
	X(SCRATCH_BUSY, LOST, "scratch-busy", "The CPU's scratch memory was in use by another sample.")              \
	X(NOT_TAKEN, LOST, "not-taken",                                                                              \
	  "The kernel skipped the program, for example because it hit inside another BPF program (estimated).")      \
	X(BAD_RECORD, LOST, "bad-record", "A record from the ring buffer did not add up.")                           \
	X(NO_MEMORY, LOST, "no-memory", "The profiler could not get memory for a sample.")                           \
	X(TABLE_FULL, LOST, "table-full", "A table of the profiler reached its bound.")                              \
	X(PART_MISSING, UNKNOWN, "part-missing", "A part of the stack that was sent earlier did not arrive.")        \
	X(NEW_PROCESS, UNKNOWN, "new-process", "The process was so new that its runtime was not known yet.")         \
	X(THREAD_STATE, UNKNOWN, "thread-state", "The thread's PyThreadState was not known or not certain.")         \
	X(PYTHON_VERSION, UNKNOWN, "python-version", "This version of CPython is not supported.")                    \
	X(CODE_GONE, UNKNOWN, "code-gone", "The code object was freed or changed before its name could be read.")    \
	X(CODE_INVALID, UNKNOWN, "code-invalid", "What should be a code object is none, or makes no sense.")         \
	X(ADDRESS, UNKNOWN, "address", "The address lies in no known mapping.")                                      \
	X(PROCESS_GONE, UNKNOWN, "process-gone", "The process ended before anything about it could be read.")        \
	X(PYTHON_FAULT, TRUNCATED, "python-fault", "A Python frame was not in memory when it was sampled.")          \
	X(PYTHON_DEPTH, TRUNCATED, "python-depth", "The Python stack is deeper than 512 frames.")                    \
	X(PYTHON_RUNS, TRUNCATED, "python-runs", "Python and C call each other more than 512 times on this stack.")  \
	X(PYTHON_LOOP, TRUNCATED, "python-loop", "The chain of Python frames makes no sense, or leads in a circle.") \
	X(NATIVE_DEPTH, TRUNCATED, "native-depth", "The native stack is deeper than 1024 frames.")                   \
	X(NATIVE_FAULT, TRUNCATED, "native-fault", "A word of the native stack was not in memory when sampled.")     \
	X(FRAME_POINTER, TRUNCATED, "frame-pointer", "No frame pointer leads further: the caller keeps none.")       \
	X(NO_TABLE, TRUNCATED, "no-table",                                                                           \
	  "The unwind table of a file, or where the file is mapped, was not known yet.")                             \
	X(NO_UNWIND_INFO, TRUNCATED, "no-unwind-info", "The file does not say how to unwind this code.")             \
	X(UNWIND_RULE, TRUNCATED, "unwind-rule", "The unwind rule is one that neither side could follow here.")      \
	X(STACK_ORDER, TRUNCATED, "stack-order", "The caller would lie below its callee: the stack makes no sense.") \
	X(TIME, TRUNCATED, "time", "The walk reached its time budget.")                                              \
	X(EXPORT_DEPTH, TRUNCATED, "export-depth",                                                                   \
	  "The stack is deeper than what the engine keeps: its outermost frames were not sent.")

enum loss {
#define X(id, effect, reason, sentence) LOSS_##id,
	FOR_EACH_LOSS(X)
#undef X
		LOSS_CNT,
	LOSS_NONE = 0xff /* a walk that came to its natural end */
};

enum loss_effect { LOSS_EFFECT_LOST, LOSS_EFFECT_UNKNOWN, LOSS_EFFECT_TRUNCATED };

#endif
