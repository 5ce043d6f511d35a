/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture.h - the way out of the kernel: loads the BPF side, opens the perf
 * events, and hands over every record in the order of time, mappings from perf's
 * side-band among them. Of CPUs that do not share a ring (CPUS_PER_RING) the records come one ring after the other:
 * where more than one CPU tells of a thing, the time in them decides. This folder alone knows BPF.
 *
 * Order of use: open, list, (register processes), start, drain ..., stop, close.
 */
#ifndef PYPROF_CAPTURE_H
#define PYPROF_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/config.h"
#include "pyprof/python_abi.h"
#include "pyprof/record.h"
#include "pyprof/unwind.h"

struct capture;
struct cgroup_filter;

struct capture_options {
	bool all; /* every process; else those registered with PROCESS_SELECTED */
	bool kernel_stacks;
	bool python_native; /* native frames of threads that run Python */
	u32 stack_copy_size; /* of stack_records; 0: none */
	u32 frequency_hz;
	enum cgroup_v1 cgroup_v1;
	bool selected_cgroups; /* with all: only the cgroups that the filter is given, and new ones until it is said that they are not */
	/* Called for every record; it is borrowed for the call. Not 0 ends the drain with that value. */
	int (*on_record)(void *ctx, const struct record *record);
	void *ctx;
	/* libbpf's words, one level lower than ours; may be NULL. */
	void (*on_message)(const char *message);
};

/*
 * Loads everything and begins to follow processes; takes no sample yet. On
 * failure *ret_step (may be NULL) says in words what was refused.
 */
int capture_open(const struct capture_options *options, struct capture **ret, const char **ret_step);
void capture_close(struct capture *capture);
DEFINE_CLEANUP(capture, struct capture *, capture_close)

/* Every process there is, as RECORD_PROCESS. */
int capture_list(struct capture *capture);

/* From now on samples are taken, on every CPU that is or comes online. */
int capture_start(struct capture *capture);
/* No more samples; what is in the rings can still be drained. */
void capture_stop(struct capture *capture);

/* Readable when something must be handled soon. For poll or epoll. */
int capture_fd(const struct capture *capture);
/* Hands over all that is there. Returns how many records, or -errno. */
int capture_drain(struct capture *capture);
/* Follows CPUs that came or went; call it once a second or so. */
int capture_check_cpus(struct capture *capture);

/* The kernel side's tables. row->start_ns and exec_id must be the process's. */
int capture_set_process(struct capture *capture, u32 pid, const struct process_row *row);
/* Of a process that is over: its row may have been set after its exit. A later one's under that pid stays. */
void capture_forget_process(struct capture *capture, const struct process_id *id);
/* -ENOSPC when MAX_LAYOUTS differing ones were added. Equal ones share an index. */
int capture_add_layout(struct capture *capture, const struct python_layout *layout, u32 *ret);
int capture_set_thread(struct capture *capture, u32 pid, u64 thread_pointer, u64 state);
void capture_forget_thread(struct capture *capture, u32 pid, u64 thread_pointer);
/* Of at most MAX_SELECTED_CGROUPS. Lives as long as the capture. */
struct cgroup_filter *capture_cgroup_filter(struct capture *capture);
/* Parts that were sent before are sent again from now on. */
void capture_forget_parts(struct capture *capture);

/* The unwind tables as user space writes them; they live as long as the capture. See unwind/table_store.h. */
const struct unwind_memory *capture_unwind_memory(const struct capture *capture);

/* Sums over all CPUs. */
int capture_counters(struct capture *capture, struct counters *ret);
/*
 * How many interrupts the kernel did not give to the program since the start, as
 * far as that can be told from outside: those that busy CPUs should have had.
 */
u64 capture_not_taken(struct capture *capture, const struct counters *counters);
u64 capture_ring_bytes(const struct capture *capture);
u64 capture_map_bytes(const struct capture *capture); /* of kernel memory, rings included */
u32 capture_cpu_cnt(const struct capture *capture); /* that are sampled */
/* Records that record_check() refused. */
u64 capture_bad_records(const struct capture *capture);

#endif
