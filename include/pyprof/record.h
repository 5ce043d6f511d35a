/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record.h - what crosses from the kernel to user space: the records of the
 * ring buffer. The record that BPF writes *is* the one that every stage reads.
 *
 * `pid` is always what the kernel calls tgid and `tid` what it calls pid, both
 * as the profiler's own PID namespace numbers them (0: not visible from there).
 * Times are CLOCK_MONOTONIC nanoseconds, sizes are bytes. Records are 8-byte
 * aligned and have no holes.
 */
#ifndef PYPROF_RECORD_H
#define PYPROF_RECORD_H

#include "pyprof/limits.h"
#include "pyprof/types.h"

enum record_type {
	RECORD_SAMPLE = 1, /* struct sample */
	RECORD_FORK, /* struct process_record: a new process, by fork or clone */
	RECORD_EXEC, /* struct process_record: same pid, new program */
	RECORD_EXIT, /* struct process_record: its last thread is gone */
	RECORD_PROCESS, /* struct process_record: was there when we started */
	RECORD_CODE, /* struct code_record: a code object that this CPU saw for the first time */
	RECORD_STACK, /* struct stack_record: right before the sample that could not be walked to its end */
	RECORD_MAPPING, /* struct mapping_record; made by user space from the perf side-band */
	RECORD_THREAD, /* struct thread_record (thread_record.h): asked for, not sampled */
	RECORD_MAPPINGS_LOST, /* struct record alone; side-band overflowed: known mappings may be stale */
	RECORD_CGROUP, /* struct cgroup_record: it was made just now */
	RECORD_CGROUP_GONE, /* struct cgroup_record: it was removed */
};

struct record {
	u32 type; /* enum record_type */
	u32 size; /* of the whole record, this header included */
	u64 time_ns;
};

/*
 * What makes a process this one: a pid is reused, and exec replaces everything
 * but the pid. Thread groups share all three.
 */
struct process_id {
	u64 start_ns; /* start_boottime of the group leader */
	u64 exec_id; /* task->self_exec_id: fork copies it, exec increments it */
	u32 pid;
	u32 reserved;
};

struct process_record {
	struct record record;
	struct process_id process;
	struct process_id parent; /* RECORD_FORK: whose memory the child shares; else zero */
	char comm[THREAD_COMM_SIZE];
};

/*
 * A cgroup is named by the number of its kernfs node, which is the inode number of its
 * directory. Each hierarchy counts for itself: those of the one of v1 that config.cgroup_v1
 * chooses have this bit too.
 */
#define CGROUP_V1_BIT (1ull << 63)

#define CGROUP_PATH_SIZE 1024 /* the kernel's own limit for what its tracepoints say */

struct cgroup_record {
	struct record record;
	u64 cgroup_id;
	char path[CGROUP_PATH_SIZE]; /* from the root of the hierarchy; cut behind its NUL, to a multiple of 8 bytes */
};

/* start and end both 0: an exec began, and what the process had mapped is gone. */
struct mapping_record {
	struct record record;
	u32 pid;
	u32 tid;
	u64 start, end; /* half open */
	u64 file_offset; /* of `start` */
	u64 inode;
	u32 dev_major, dev_minor;
	u32 path_size; /* with its NUL and padding to 8 bytes; the path follows */
	u32 reserved;
};

/* One Python frame, innermost first in the record. */
struct python_frame {
	u64 code; /* address of the PyCodeObject, with PYTHON_RUN_BEGIN */
	u32 signature; /* tells a reused address from the code object seen before (python_abi.h) */
	u32 instr; /* byte offset of the instruction in the code; or one of the below */
};

/*
 * A run is what one activation of the eval loop executes: Python frames that call
 * each other without C in between. Set in the code of each run's innermost frame.
 * (Code objects are 8-byte aligned at least.)
 */
#define PYTHON_RUN_BEGIN 1ull

#define PYTHON_INSTR_UNKNOWN 0xffffffffu
#define PYTHON_INSTR_BEFORE \
	0xfffffffeu /* pushed, but not begun: to 3.10 index -1, to 3.12 one code unit before the first */

/*
 * A code object as it was at the instant of the sample that follows, whose thread
 * was running it: so that it keeps its name even if it is freed, or its process
 * ends, before user space gets the CPU. Pieces of the target's memory, to be read
 * as if it was there; what is larger than its piece must be read from the process.
 */
enum code_piece {
	CODE_PIECE_OBJECT,
	CODE_PIECE_NAME, /* only its hash is of interest */
	CODE_PIECE_QUALNAME,
	CODE_PIECE_FILENAME,
	CODE_PIECE_LINES,
	CODE_PIECE_CNT
};

#define CODE_OBJECT_SIZE   216
#define CODE_NAME_SIZE	   32
#define CODE_QUALNAME_SIZE 192
#define CODE_FILENAME_SIZE 256
#define CODE_LINES_SIZE	   512

struct code_record {
	struct record record;
	struct process_id process;
	u64 code;
	u32 signature;
	u32 reserved;
	struct {
		u64 address;
		u64 size; /* of what follows; 0: could not be read */
	} pieces[CODE_PIECE_CNT];
	u8 object[CODE_OBJECT_SIZE];
	u8 name[CODE_NAME_SIZE];
	u8 qualname[CODE_QUALNAME_SIZE];
	u8 filename[CODE_FILENAME_SIZE];
	u8 lines[CODE_LINES_SIZE];
};

enum sample_flags {
	SAMPLE_IN_KERNEL = 1 << 0, /* taken in kernel mode; `ip` is where user mode goes on */
	SAMPLE_KNOWN = 1 << 1, /* user space had registered the process */
	SAMPLE_PYTHON = 1 << 2, /* the process has a supported CPython */
	SAMPLE_THREAD_NEW = 1 << 3, /* found by search: please add (pid, thread_pointer) to the thread map */
	SAMPLE_THREAD_LOOKUP = 1 << 4, /* not found by a short search: please look through the whole list */
	SAMPLE_KERNEL_THREAD = 1 << 6, /* has no user memory */
	SAMPLE_UNMERGED = 1 << 7, /* not every run of Python frames has its place among the native frames */
	SAMPLE_STACK = 1 << 8, /* a stack_record of the same CPU and time came before it */
};

/*
 * What a word of the native part says besides its address. A run of Python frames
 * was executed by one native frame: the walk sees that frame's [SP, CFA), and the
 * run's anchor, an address on the C stack, lies in it. So the runs, innermost first,
 * belong to the frames that have NATIVE_RUN, innermost first; in a stack people read, its
 * Python frames come directly inside of that frame. Runs that are left over lie
 * outward of where the walk ended.
 */
#define NATIVE_ADDRESS ((1ull << 57) - 1)
#define NATIVE_RUN     (1ull << 63) /* a run of Python frames belongs to this frame */
#define NATIVE_EXACT   (1ull << 62) /* not a return address: an interrupted instruction, under a signal frame */
#define NATIVE_GUESS   (1ull << 61) /* by frame pointer, or from a leaf without a rule: real if it follows a call */

/*
 * One interruption of one thread. Three parts follow the struct, in this order,
 * each innermost first:
 *
 *	u64 kernel[kernel_cnt];
 *	struct python_frame python[python_cnt];
 *	u64 native[native_cnt];
 *
 * native[0] is the frame that was interrupted: its address is `ip`, and only its
 * bits are there, so that samples of one loop share their part.
 *
 * Each part has an id that hashes what its frames are (never stack addresses)
 * and names it within one process_id. An id that is not 0 with a count of 0
 * stands for the part that this CPU sent earlier under the same id. An id of 0
 * means that there is no such part. The native part of a sample with Python frames
 * has another id than the same part without.
 */
struct sample {
	struct record record;
	struct process_id process;
	u32 tid;
	u32 cpu;
	u64 weight_ns; /* the CPU time that this sample stands for */
	u64 thread_pointer; /* fsbase; equals PyThreadState.thread_id */
	u64 thread_state; /* the verified PyThreadState; 0: none */
	u64 ip; /* user mode; 0 in kernel threads */
	u64 fault_address; /* what could not be read, when an end below says `fault`; else 0 */
	u64 cgroup_id; /* in the hierarchy of v2; 0: not known */
	u64 cgroup_v1_id; /* in that of v1 that was chosen, with CGROUP_V1_BIT; 0: none was */
	u64 kernel_id, native_id, python_id;
	char comm[THREAD_COMM_SIZE]; /* of the group leader, i.e. the process */
	char thread_comm[THREAD_COMM_SIZE];
	u16 kernel_cnt, native_cnt, python_cnt;
	u16 run_cnt;
	u8 python_end; /* enum loss: why the walk ended; LOSS_NONE: came to the thread's outermost frame */
	u8 native_end; /* likewise */
	u16 flags; /* enum sample_flags */
	u32 mappings_id; /* of the mappings that the native walk went by (unwind.h); 0: none were known */
};

/* The parts of a sample that record_check() has passed. */
static inline const u64 *sample_kernel(const struct sample *s)
{
	return (const u64 *)(s + 1);
}

static inline const struct python_frame *sample_python(const struct sample *s)
{
	return (const struct python_frame *)(sample_kernel(s) + s->kernel_cnt);
}

static inline const u64 *sample_native(const struct sample *s)
{
	return (const u64 *)(sample_python(s) + s->python_cnt);
}

/*
 * The registers and a piece of the stack of a thread whose rules the kernel side
 * cannot follow: user space finishes the walk (unwind/fallback.h).
 */
struct stack_record {
	struct record record; /* time_ns: the sample's */
	struct process_id process;
	u32 tid;
	u32 cpu;
	u64 registers[17]; /* DWARF numbers; 16 is rip */
	u64 anchors[MAX_PYTHON_RUNS]; /* of the runs, innermost first; 0: of one without frames, which has no place */
	u32 run_cnt;
	u32 stack_size; /* bytes that follow: whole pages, from that of rsp up */
	u64 stack_start; /* address of the first; page aligned, so at or below rsp */
};

_Static_assert(sizeof(struct stack_record) == 64 + 8 * 17 + 8 * MAX_PYTHON_RUNS, "stack_record has a hole");
_Static_assert(sizeof(struct record) == 16, "record header has a hole");
_Static_assert(sizeof(struct process_id) == 24, "process_id has a hole");
_Static_assert(sizeof(struct process_record) == 80, "process_record has a hole");
_Static_assert(sizeof(struct mapping_record) == 72, "mapping_record has a hole");
_Static_assert(sizeof(struct python_frame) == 16, "python_frame has a hole");
_Static_assert(sizeof(struct code_record) == 136 + 216 + 32 + 192 + 256 + 512, "code_record has a hole");
_Static_assert(sizeof(struct cgroup_record) == 24 + CGROUP_PATH_SIZE, "cgroup_record has a hole");
_Static_assert(sizeof(struct sample) == 176, "sample has a hole");

#endif
