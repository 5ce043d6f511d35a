/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unwind.h - how to get from a native frame to its caller, as tables: what user
 * space makes of the call frame information in ELF files (.eh_frame: the Linux
 * Standard Base, "Exception Frames"; .debug_frame: DWARF 5, section 6.4), and what
 * the kernel side walks by. An address finds its rule in four steps:
 *
 *	process_row.mapping ... -> struct unwind_mapping, sorted by start; gives file and vaddr
 *	unwind_mapping.file	-> struct unwind_file; gives the page of this 64 KiB of vaddr
 *	unwind_file.page ...	-> struct unwind_page; gives the rows of this page
 *	unwind_page.row ...	-> struct unwind_row, sorted by pc: the last one at or below the address ...
 *	unwind_row.rule		-> struct unwind_rule ... and what it says.
 *
 * A row costs 4 bytes: some 300 to 600 rules serve all the rows of a file, and
 * most are the same in every file, so rules are shared by all. Files share tables
 * too, when what the tables are made of is equal: so one file in a hundred
 * containers is one table.
 *
 * Return addresses are looked up one byte lower: a call that never returns may be
 * the last instruction of its function.
 *
 * What depends on the architecture is here, in bpf/native.bpf.h's unwind_step() and
 * in userspace/unwind/cfi_rule.c. Now: x86-64. Registers are numbered as DWARF does.
 */
#ifndef PYPROF_UNWIND_H
#define PYPROF_UNWIND_H

#include "pyprof/types.h"

#define UNWIND_PAGE_SHIFT 16
#define UNWIND_PAGE_SIZE  (1u << UNWIND_PAGE_SHIFT)

struct unwind_row {
	u16 pc; /* vaddr within the page; holds up to the next row's */
	u16 rule;
};

/* 13 steps of search. No file was seen with a page of more; its last row would be UNWIND_UNSUPPORTED. */
#define MAX_ROWS_IN_PAGE 8191

/*
 * The caller's rsp is the CFA ("canonical frame address"), its rip is at CFA - 8,
 * and rbp is the one register that is followed from frame to frame.
 */
enum unwind_cfa {
	UNWIND_NONE, /* nothing is known about these addresses. Rule 0 is this one, in every table */
	UNWIND_REGISTER, /* CFA = register + cfa_offset */
	UNWIND_DEREF, /* CFA = *(u64 *)(register + (s16)cfa_offset) + (u16)(cfa_offset >> 16) */
	UNWIND_PLT, /* CFA = rsp + 8, + 8 more when (pc & 15) >= cfa_offset: the lazy stubs of .plt */
	UNWIND_SIGNAL, /* rsp points to the ucontext_t that the kernel pushed: all registers are in there */
	UNWIND_END, /* the thread's first frame: there is no caller */
	UNWIND_UNSUPPORTED, /* there is a rule, but it cannot be said here: see userspace/unwind/fallback.h */
	UNWIND_LINK, /* CFA = rsp + cfa_offset, and the return address is in the register: vfork keeps it there */
	UNWIND_FRAME_POINTER, /* CFA = rbp + 16, rbp saved at CFA - 16: a guess; see also UNWIND_FILE_FRAME_POINTERS */
	UNWIND_TRAMPOLINE, /* CFA = rsp + 16, or + 8 where the return address is on top: see UNWIND_FILE_TRAMPOLINES. Not in tables */
};

enum unwind_rbp {
	UNWIND_RBP_SAME, /* the frame did not touch it */
	UNWIND_RBP_CFA, /* saved at CFA + rbp_offset */
	UNWIND_RBP_BP, /* saved at the frame's own rbp + rbp_offset */
	UNWIND_RBP_UNDEFINED, /* lost */
};

struct unwind_rule {
	u8 cfa; /* enum unwind_cfa, with the register << 4 */
	u8 rbp; /* enum unwind_rbp */
	s16 rbp_offset;
	s32 cfa_offset;
};

#define UNWIND_KIND(rule)     ((rule)->cfa & 15)
#define UNWIND_REG(rule)      ((rule)->cfa >> 4)
#define UNWIND_CFA(kind, reg) ((kind) | (reg) << 4)

/* So many frames at most are inside of an activation of the eval loop that has no Python frame yet, or none any more. */
#define PLACE_DEPTH_MAX 3

#define REG_RAX 0
#define REG_RBP 6
#define REG_RSP 7
#define REG_RIP 16
#define REG_CNT 17

/*
 * The part of the kernel's struct ucontext that UNWIND_SIGNAL reads, from rsp +
 * UCONTEXT_REGISTERS on, 8 bytes each: X(slot, register), and rip behind them
 * (arch/x86/include/uapi/asm/sigcontext.h).
 */
#define FOR_EACH_UCONTEXT_REGISTER(X) \
	X(0, 8)                       \
	X(1, 9)                       \
	X(2, 10)                      \
	X(3, 11)                      \
	X(4, 12)                      \
	X(5, 13)                      \
	X(6, 14)                      \
	X(7, 15)                      \
	X(8, 5)                       \
	X(9, 4)                       \
	X(10, 6)                      \
	X(11, 3)                      \
	X(12, 1)                      \
	X(13, 0)                      \
	X(14, 2)                      \
	X(15, 7)
#define UCONTEXT_REGISTERS    40
#define UCONTEXT_RIP	      16 /* slot */
#define UCONTEXT_REGISTER_CNT 17

struct unwind_page {
	u32 row; /* index of the first */
	u32 cnt; /* 0: nothing here. The first row's pc is 0 */
};

struct unwind_file {
	u64 first; /* vaddr >> UNWIND_PAGE_SHIFT of the first page */
	u32 page; /* index */
	u32 page_cnt;
	u32 flags; /* enum unwind_file_flags */
	u32 used; /* set by the kernel side when it looked something up; for eviction */
};

enum unwind_file_flags {
	UNWIND_FILE_BUILT = 1 << 0, /* the table is here, even if it is empty */
	UNWIND_FILE_FRAME_POINTERS = 1 << 1, /* code without a row keeps frame pointers */
	UNWIND_FILE_TRAMPOLINES = 1 << 2, /* code without a row is of the kind below */
};

/* Memory without a file that anybody could read: code that somebody made up. */
#define UNWIND_FILE_ANONYMOUS 0
/* A file that could not be read: nothing is known of it, and nothing is guessed. */
#define UNWIND_FILE_UNREADABLE 1
/* Memory with the trampolines of `python -X perf` to 3.13: sub $8, %rsp; call *%rcx; add $8, %rsp; ret. */
#define UNWIND_FILE_PERF_TRAMPOLINES 2
#define UNWIND_FILES_FIXED	     3 /* numbers from here on are of real files */

struct unwind_mapping {
	u64 start, end; /* half open */
	u64 bias; /* vaddr = address - bias */
	u32 file; /* index */
	u32 id; /* equals process_row.mappings_id, else the rows are of another time: take none */
};

/*
 * All of it lives in arrays that both sides see; blocks only because one value
 * of a BPF map is limited. Neither a page's rows nor a process's mappings cross
 * from one block into the next.
 */
#define ROWS_PER_BLOCK	   (1u << 18)
#define MAPPINGS_PER_BLOCK (1u << 15)

struct unwind_row_block {
	struct unwind_row at[ROWS_PER_BLOCK];
};

struct unwind_mapping_block {
	struct unwind_mapping at[MAPPINGS_PER_BLOCK];
};

#define MAX_UNWIND_ROW_BLOCKS	  16 /* 4 million rows, 16 MiB: a host's hot files. The least used are dropped */
#define MAX_UNWIND_MAPPING_BLOCKS 2 /* 65,536 mappings, 2 MiB */
#define MAX_UNWIND_ROWS		  (MAX_UNWIND_ROW_BLOCKS * ROWS_PER_BLOCK)
#define MAX_UNWIND_MAPPINGS	  (MAX_UNWIND_MAPPING_BLOCKS * MAPPINGS_PER_BLOCK)
#define MAX_UNWIND_PAGES	  32768 /* 2 GiB of code */
#define MAX_UNWIND_RULES	  16384
#define MAX_UNWIND_FILES	  4096
#define MAX_MAPPINGS_OF_PROCESS	  16384 /* 14 steps of search */

/* Where user space sees the arrays; none of it is ours to free. */
struct unwind_memory {
	struct unwind_mapping *mappings;
	struct unwind_file *files;
	struct unwind_page *pages;
	struct unwind_row *rows;
	struct unwind_rule *rules;
	/* To be called before a block of rows is written to for the first time: only those in use take memory of ours. */
	int (*open_rows)(const struct unwind_memory *memory, u32 block);
	int rows_fd;
};

_Static_assert(sizeof(struct unwind_row) == 4, "a row is 4 bytes");
_Static_assert(sizeof(struct unwind_rule) == 8, "a rule is 8 bytes");
_Static_assert(sizeof(struct unwind_mapping) == 32, "unwind_mapping has a hole");
_Static_assert(sizeof(struct unwind_file) == 24, "unwind_file has a hole");

#endif
