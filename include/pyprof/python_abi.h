/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python_abi.h - where one build of CPython keeps what a walker needs. User
 * space finds or reads a layout, the kernel side and every other walker follow
 * it: what differs between versions is data here, never a branch on a version.
 *
 * Every member is an offset in bytes unless its comment says otherwise. ABSENT
 * marks what a version does not have.
 */
#ifndef PYPROF_PYTHON_ABI_H
#define PYPROF_PYTHON_ABI_H

#include "pyprof/record.h"
#include "pyprof/types.h"

#define ABSENT 0xffff

/* At most so many bytes of each object are read in one go; a layout says how many (thread_window and so on). */
#define THREAD_STATE_WINDOW 256
#define FRAME_WINDOW	    128
#define CODE_WINDOW	    216

/* Parts of one function's code: compilers move what is seldom executed elsewhere. */
#define EVAL_RANGES 4

/* How co_lnotab or co_linetable says which instruction is of which line (python/line_table.h). */
enum line_table_kind {
	LINE_TABLE_UNSIGNED, /* 2.7: co_lnotab, line deltas 0 to 255 */
	LINE_TABLE_SIGNED, /* to 3.9: co_lnotab, line deltas -128 to 127 */
	LINE_TABLE_RANGES, /* 3.10: co_linetable of (length, line delta) */
	LINE_TABLE_LOCATIONS, /* 3.11 and later: co_linetable with columns */
};

struct python_layout {
	u32 version; /* PY_VERSION_HEX: 0x030d12f0 is 3.13.18 */
	u16 free_threaded; /* 1: built with --disable-gil */

	/* How many bytes of a PyThreadState, a frame and a PyCodeObject are read: no more than there surely are. */
	u16 thread_window;
	u16 frame_window;
	u16 code_window;

	/* _PyRuntimeState, or to 3.6 the variable `interp_head` itself; PyInterpreterState */
	u16 runtime_interpreters; /* address of the first interpreter */
	u16 interpreter_next;
	u16 interpreter_threads; /* address of the first thread state: the newest thread */
	u32 interpreter_generation; /* a u64 that changes whenever a code object may have been replaced; 0: none */
	u32 generation_size; /* its size, 4 or 8 */

	/* PyThreadState */
	u16 thread_previous; /* ABSENT in 2.7 */
	u16 thread_next;
	u16 thread_interpreter;
	u16 thread_frame; /* the innermost frame; or, in 3.11 and 3.12, the _PyCFrame that knows it */
	u16 thread_cframe; /* 3.10: the innermost CFrame; else ABSENT */
	u16 thread_id; /* pthread_self() */
	u16 thread_size; /* a frame inside [state, state + size) is the base frame of 3.15: no frame */

	/* CFrame, _PyCFrame, which lives on the C stack; ABSENT to 3.9 and from 3.13 on */
	u16 cframe_frame; /* ABSENT in 3.10, whose frames have a CFrame each */
	u16 cframe_previous;

	/* _PyInterpreterFrame; to 3.10 PyFrameObject */
	u16 frame_code;
	u16 frame_previous;
	u16 frame_instr; /* pointer to the current or last instruction; with an instr_unit an int: its index */
	u16 frame_instr_unit; /* of that index, in bytes; 0: it is a pointer */
	u16 frame_bytecode_index; /* s32: which copy of the bytecode that pointer is into, see code_bytecodes; or ABSENT */
	u16 frame_thread; /* 2.7: the PyThreadState that runs it; else ABSENT */
	u16 frame_owner; /* u8; ABSENT to 3.11 */
	u16 frame_is_entry; /* u8, 3.11: the outermost frame of a run; else ABSENT. Without both, each frame is a run */
	u16 frame_owner_shim; /* owners from this value on are no Python frames: each ends a run and is its anchor */
	u64 frame_code_mask; /* bits of the code pointer that are address; 3.14 and later tag the low two */

	/* PyCodeObject */
	u16 code_version; /* u32 co_version, 3.12 and later; else ABSENT: see signature below */
	u16 code_bytecode; /* co_code_adaptive: what instr is relative to; ABSENT to 3.10 */
	/*
	 * Free-threaded builds from 3.14 on: each thread runs, and specializes, its own copy of the
	 * bytecode. Address of a list of them, of which the first is co_code_adaptive; else ABSENT.
	 */
	u16 code_bytecodes;
	u16 bytecodes_entries; /* where in that list the first copy's address is */
	u16 code_first_line;
	u16 code_first_traceable; /* int, in code units: a frame before it is none yet, as CPython itself sees it; or ABSENT */
	u16 code_filename;
	u16 code_name;
	u16 code_qualname; /* ABSENT to 3.10 */
	u16 code_line_table;
	u16 line_table_kind; /* enum line_table_kind */

	/* PyUnicodeObject, or in 2.7 PyStringObject; PyBytesObject, PyTypeObject, PyObject */
	u16 string_length;
	u16 string_hash;
	u16 string_state; /* u32 bit field: interned, kind, compact, ascii (see python/string.c); ABSENT in 2.7: plain bytes */
	u16 string_kind_bit; /* the first bit of kind in it: 2, but 8 in free-threaded builds of 3.14 and later */
	u16 string_ascii_size; /* where a compact ASCII string's bytes begin */
	u16 string_compact_size; /* where any other compact string's units begin */
	u16 bytes_size;
	u16 bytes_data;
	u16 type_name;
	u16 object_type;
	u16 object_refs_local; /* u32, free-threaded builds: the owner's references; else ABSENT, and a count comes first */
	u16 object_refs_shared; /* s64: all others' references, above two bits of state */

	/*
	 * To 3.9 nothing on the C stack belongs to a frame: an activation of the eval loop
	 * is recognised by its code. Relative to the runtime's address; a size of 0 ends the list.
	 */
	struct {
		s32 start;
		u32 size;
	} eval[EVAL_RANGES];
};

/* No anchors: the nth frame, from the inside, belongs to the nth activation of the eval loop. */
static inline int python_layout_is_counted(const struct python_layout *layout)
{
	return layout->frame_owner == ABSENT && layout->cframe_previous == ABSENT;
}

/* PyASCIIObject's state, from string_kind_bit on. */
#define STRING_KIND    7 /* bytes in a character: 1, 2, 4 */
#define STRING_COMPACT 8
#define STRING_ASCII   16

/*
 * The signature of a code object tells apart two that lived at one address:
 * co_version where the version has it and it is not 0, else a mix of the hash
 * cached in the co_name string, the first line and the text of co_filename.
 * (Line, flags and the strings' addresses do not do: a freed code object's
 * successor often has them all. For "<module>" even the name is the same.)
 */
#define FILENAME_HASHED 176 /* bytes of the text; what is longer differs in its length or not at all */

/* One word of a text of which `left` bytes are left; begin with the length of the text. */
static inline u64 python_text_mix(u64 hash, u64 word, u64 left)
{
	if (left < 8)
		word &= (1ull << 8 * left) - 1;
	hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
	return hash ^ hash >> 32;
}

static inline u32 python_signature(u32 code_version, u64 name_hash, u32 first_line, u64 filename_hash)
{
	u64 hash = name_hash;

	if (code_version)
		return code_version;
	hash = (hash ^ first_line) * 0x9E3779B97F4A7C15ull;
	hash ^= hash >> 32;
	hash = (hash ^ filename_hash) * 0x9E3779B97F4A7C15ull;
	return hash >> 32;
}

/* What the kernel side knows of a process; value of the `processes` map, keyed by pid. */
struct process_row {
	u64 start_ns; /* must equal the task's, else the row is of an earlier process */
	u64 exec_id; /* likewise */
	u64 runtime; /* address of _PyRuntime; 0: no supported CPython in there */
	u32 layout; /* index in the `layouts` map */
	u32 flags; /* enum process_flags */
	u32 mapping; /* index of the first of its struct unwind_mapping (unwind.h) */
	u32 mapping_cnt;
	u32 mappings_id; /* changes with the mappings; 0: not known yet */
	u32 reserved;
};

enum process_flags {
	PROCESS_SELECTED = 1 << 0, /* -p: sample it */
	PROCESS_CHILDREN = 1 << 1, /* and what it forks */
	PROCESS_KNOWN = 1 << 2, /* user space has looked at it: `runtime` is meant */
};

/* Key of the `threads` map; the value is a u64: the address of a PyThreadState, or THREAD_STATE_NONE. */
#define THREAD_STATE_NONE 1 /* user space looked: this thread has none. Forgotten after a while, for it may get one */

struct thread_key {
	u64 pid;
	u64 thread_pointer;
};

_Static_assert(sizeof(struct process_row) == 48, "process_row has a hole");

#endif
