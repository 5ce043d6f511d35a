/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process.h - what is known of one process, and the table of all of them.
 *
 * A process is a process_id: a reused pid or an exec makes another one. The old
 * one stays for a while (its samples may still be in the ring) and is retired
 * when the table says so. Bounded to MAX_PROCESSES: the longest exited go first.
 * A struct process stays where it is until process_table_retire frees it.
 */
#ifndef PYPROF_PROCESS_H
#define PYPROF_PROCESS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "process/mapped_file.h"
#include "process/mapping.h"
#include "process/process_words.h"
#include "pyprof/record.h"

struct process {
	struct process_id id; /* a start_ns of 0 is not known, and not compared with /proc */
	char comm[THREAD_COMM_SIZE];
	u32 key; /* small, unique for the run: what other tables use to name this process */
	bool exited; /* there is nobody left to read from */
	bool selected; /* with -p: asked for, or forked by one that was */
	bool sampled; /* was on a CPU at an interrupt: what counts as seen */
	bool mappings_read; /* the table below is complete; else read on first need */
	struct mapping_table *mappings; /* never NULL */

	bool words_read;
	struct process_words words;

	/* the CPython inside, once looked for */
	bool python_checked;
	struct mapped_file *python_file; /* a reference; NULL: none */
	u64 python_bias; /* run-time address minus vaddr in python_file */
	u64 python_runtime; /* address of _PyRuntime */
	u64 python_start, python_end; /* the interpreter's own text, see process_is_interpreter */

	/* when a file's place in memory was last taken by something else, and how often that happened */
	u64 replaced_ns;
	u32 replaced_cnt;

	u64 exited_ns;

	/* rest is for process.c and process_table.c */
	u64 exec_ns; /* when it began, if by exec */
	u64 mappings_ns; /* what `mappings` are complete for: older events are in them */
	u64 mappings_next_ns; /* /proc is not read again before; UINT64_MAX: never */
	u64 mappings_wait_ns; /* grows while reading brings nothing */
	struct mapping_table *exec_mappings; /* an exec has begun: what the next program has mapped so far; else NULL */
	u64 exec_mappings_ns;
};

struct process_table;

int process_table_new(struct mapped_file_cache *files, struct process_table **ret);
void process_table_free(struct process_table *table);
DEFINE_CLEANUP(process_table, struct process_table *, process_table_free)

/* A look-up. NULL when not known. */
struct process *process_table_find(struct process_table *table, const struct process_id *id);
/* Finds or makes one; reads nothing. -ENOSPC: MAX_PROCESSES are alive. */
int process_table_get(struct process_table *table, const struct process_id *id, const char *comm, struct process **ret);
/* The newest process that has this pid, or NULL: what the perf side-band means by a pid. */
struct process *process_table_newest(struct process_table *table, u32 pid);

/* The child shares the parent's mappings and CPython as they are now: nothing is read. */
int process_table_fork(struct process_table *table, const struct process_record *record, struct process **ret);
/* The new program has what the side-band told of it, else nothing until /proc is read. */
int process_table_exec(struct process_table *table, const struct process_record *record, struct process **ret);
void process_table_exit(struct process_table *table, const struct process_record *record);
/* What the side-band delivers (capture/sideband.h). Gives NULL when the pid is not known. */
int process_table_map(struct process_table *table, const struct mapping_record *record, struct process **ret);
/* The side-band lost records: every living process's mappings are read anew on next need. */
void process_table_forget_mappings(struct process_table *table);
/* Frees what exited more than keep_ns before now_ns, calling gone (which may be NULL) for each. */
void process_table_retire(struct process_table *table, u64 now_ns, u64 keep_ns,
			  void (*gone)(void *ctx, struct process *process), void *ctx);
/* Calls visit for each process, those that ended lately too, until it returns other than 0. */
int process_table_for_each(struct process_table *table, int (*visit)(void *ctx, struct process *process), void *ctx);
u32 process_table_cnt(const struct process_table *table);
struct mapped_file_cache *process_table_files(struct process_table *table);

/*
 * The mapping at address, the table read from /proc when it was not yet, or once
 * more when nothing is there (at most every 100 ms, less often when it brings
 * nothing). Never of a process that has exited: then what events said is all.
 */
struct mapping *process_mapping(struct process *process, u64 address);
/* Likewise, with its file opened: mapping->file may still be NULL. */
struct mapping *process_mapping_file(struct process_table *table, struct process *process, u64 address);

/*
 * Looks for a CPython among the mapped files (by content). Fills the python_
 * members, of versions that are not supported too. Returns true when the answer
 * changed. Cheap when all files are known, next to nothing when no mapping is new.
 */
bool process_check_python(struct process_table *table, struct process *process);
/* True when address lies in the file that holds the interpreter. */
bool process_is_interpreter(struct process *process, u64 address);

#endif
