/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * supplier.h - supplies the kernel side with what the native walk needs: where each
 * process has its files mapped, and the unwind tables of those files.
 *
 * Mappings are supplied for every process that is known, at once. Tables are made on
 * demand: a walk that ends for want of one says where, and the file that is wanted
 * most is next. Making one takes 1 ms (libc) to 100 ms (LLVM) of CPU; in the long run
 * a tenth of one CPU is spent on it, at the start more.
 */
#ifndef PYPROF_SUPPLIER_H
#define PYPROF_SUPPLIER_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "pyprof/python_abi.h"
#include "pyprof/record.h"
#include "pyprof/unwind.h"

struct supplier;

/* Both are borrowed. */
int supplier_new(const struct unwind_memory *memory, struct process_table *processes, struct supplier **ret);
void supplier_free(struct supplier *supplier);
DEFINE_CLEANUP(supplier, struct supplier *, supplier_free)

/*
 * Fills the mapping members of the process's row, supplying its mappings when they
 * have changed. Opens their files. What does not fit is left out, and seen as no-table; it is tried again a second later.
 */
int supplier_map(struct supplier *supplier, struct process *process, struct process_row *row);
/* The process is over. */
void supplier_forget(struct supplier *supplier, const struct process *process);

/* Tables for all files of the process, before anybody asks. */
void supplier_expect(struct supplier *supplier, struct process *process);
/* A walk ended at address for want of a table. True: the process's row must be filled anew, for other mappings or a new try. */
bool supplier_want(struct supplier *supplier, struct process *process, u64 address);

/* True when the sample's walk may have gone by mappings in whose place there was something else already. */
bool supplier_was_behind(struct supplier *supplier, const struct process *process, const struct sample *sample);

/* Makes tables that are wanted, as far as the share of CPU allows, and for no longer than budget_ns if it can be helped. */
int supplier_turn(struct supplier *supplier, u64 budget_ns);
/* True while supplier_turn has something that it may do now. */
bool supplier_is_busy(struct supplier *supplier);
/* Once a second or so. */
void supplier_tick(struct supplier *supplier, u64 now_ns);

#endif
