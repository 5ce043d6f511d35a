/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * scratch.bpf.h - one CPU's working memory while it takes a sample. BPF's stack
 * has 512 bytes, and global functions take only scalars: so the state of a walk
 * lives here, and every step fetches it by the CPU's number ("slot").
 */
#ifndef PYPROF_SCRATCH_BPF_H
#define PYPROF_SCRATCH_BPF_H

#include "bound.bpf.h"
#include "pyprof/limits.h"
#include "pyprof/python_abi.h"
#include "pyprof/record.h"
#include "pyprof/unwind.h"

/*
 * User reads cost by the call (about 90 ns), not by the byte up to 1 KiB: so
 * neighbouring frames are fetched together. A window is clamped to the page of
 * what was asked for (across a page it might fault), and its size is kept: the
 * stale rest of an earlier read would look exactly like frames.
 */
#define WINDOW_SIZE 1024
#define PAGE_SIZE   4096

struct window {
	u64 start;
	u64 size; /* valid bytes from start; 0: empty */
	u8 bytes[2 * WINDOW_SIZE]; /* the second half is never read into: room for masked offsets */
};

/* Neighbouring frames are often of one file: its hash is kept for the sample. */
#define FILENAMES_KEPT 16

/* One activation of the eval loop: the Python frames [first, next run's first). */
struct python_run {
	u64 anchor; /* an address on the C stack that belongs to exactly that activation; 0: none */
	u32 first;
	u32 reserved;
};

/* Why a step did not go on; or enum loss. */
enum walk { WALK_ON = 0x100, WALK_END, WALK_RESTART };

struct python_walk {
	u32 layout; /* index */
	u32 cnt, run_cnt;
	u32 first_word; /* where this part begins in words */
	u32 fresh; /* code objects seen for the first time: those noted below */
	u32 fresh_sent;
	u64 thread_pointer;
	u64 runtime;
	u64 state; /* PyThreadState; 0: none found */
	u64 next_state; /* of a search: what to look at next */
	u64 next_interpreter;
	u64 frame; /* to visit next */
	u64 cframe; /* 3.10 to 3.12: the CFrame of the run under way */
	u64 cframe_outer; /* 3.11, 3.12: the frame that the first run must have been called from ... */
	u32 cframe_unproven; /* ... until that was seen */
	u32 cframe_passed; /* 3.11, 3.12: the innermost was not filled in */
	u32 cframes_short; /* 3.10: frames that found no CFrame */
	s32 anchor_shift; /* 3.10: the anchor of run i stands with run i + this */
	u32 process_tag; /* tells processes apart in the signature cache */
	u64 generation; /* key of the signature cache */
	u64 id;
	u64 fault_address;
	struct window window;
};

struct native_walk {
	u64 interrupted[REG_CNT]; /* as it all began: for stack_record */
	u64 registers[REG_RIP]; /* of the frame under way, by DWARF number; those below alone are meant */
	u64 ip;
	u64 bits; /* NATIVE_EXACT, NATIVE_GUESS: what the word of this frame will say */
	u32 known; /* bit by register */
	struct {
		u64 start, size;
	} eval[EVAL_RANGES]; /* counted: where that code is */
	u32 lookup; /* bytes before ip at which the rule is looked up: 1 for return addresses */
	u32 cnt;
	u32 run; /* the next to be placed; of counted ones, how many places there are */
	u32 first_place; /* counted: index of the innermost place's word */
	u32 counted; /* the runs have no anchors: an activation of the eval loop is known by its code */
	u32 in_kernel; /* the sample was taken there */
	u32 mapping, mapping_cnt, mappings_id; /* of the process's row */
	u64 rule_seed; /* of keys in the rule cache */
	u64 pc; /* what mapping_find() is to find */
	struct unwind_mapping under_way; /* the mapping that it found last */
	u64 id;
	u64 fault_address;
	struct window window;
};

/* A stack_record under construction. The map that holds it is cut to what the configuration asks for. */
struct stack_copy {
	struct stack_record record;
	u8 bytes[MAX_STACK_COPY];
};

#define SAMPLE_WORDS 4096 /* power of two, >= MAX_KERNEL_FRAMES + 2 * MAX_PYTHON_FRAMES + MAX_NATIVE_FRAMES */
_Static_assert(SAMPLE_WORDS >= MAX_KERNEL_FRAMES + 2 * MAX_PYTHON_FRAMES + MAX_NATIVE_FRAMES + 2,
	       "a sample with every part full must fit");

struct scratch {
	u32 busy; /* perf_event programs do not nest; if that ever changes, it is counted */
	u32 word_cnt; /* used in words */
	struct python_walk python;
	struct native_walk native;
	struct {
		u64 code;
		u64 signature;
	} fresh[MAX_FRESH_CODES];
	struct code_record code; /* under construction */
	struct {
		u64 address;
		u64 generation; /* else it is of another sample */
		u64 hash;
	} filenames[FILENAMES_KEPT];
	struct python_run
		runs[2 * MAX_PYTHON_RUNS]; /* the second half is for what begins behind the last, and for masks */
	u64 copies_second; /* stack copies are counted by the second */
	u64 copies;
	u8 object[256 + 8]; /* one object of the target, as read; 8 more for a member at the last masked offset */
	struct sample sample;
	u64 words[SAMPLE_WORDS]; /* the parts, right behind the sample: the record is sent from here */
};

static inline __attribute__((always_inline)) struct python_run *run_at(struct scratch *s, u32 run)
{
	return &s->runs[BOUND(run, 2 * MAX_PYTHON_RUNS - 1)];
}

/*
 * What this CPU knows of code objects: a signature holds as long as the process's
 * generation (python_abi.h) is the same. Four ways, for two hot code objects that
 * drove each other out would be new, and sent, at every sample; and a set is one
 * cache line, for between two samples all of this grows cold.
 */
#define SIGNATURE_SETS 1024
#define SIGNATURE_WAYS 4

struct signature_entry {
	u64 code; /* shifted, with bits of the process: see signature_key() */
	u32 generation; /* hashed, with all of the process */
	u32 signature;
};

struct signature_set {
	struct signature_entry ways[SIGNATURE_WAYS];
};

struct signature_cache {
	struct signature_set sets[SIGNATURE_SETS];
};

_Static_assert(sizeof(struct signature_set) == 64, "a set is a cache line");

/* Rules that this CPU has looked up lately. Direct mapped; a key is of an address and the mappings it lies in. */
#define RULE_CACHE_SIZE 4096

struct rule_entry {
	u64 key;
	struct unwind_rule rule;
};

struct rule_cache {
	struct rule_entry at[RULE_CACHE_SIZE];
};

/* Ids of the parts that this CPU has sent lately: they may be sent as id alone. Direct mapped. */
#define SENT_CACHE_SIZE 4096

struct sent_cache {
	u64 ids[SENT_CACHE_SIZE];
};

#endif
