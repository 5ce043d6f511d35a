/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_sampler.h - takes threads that never hold still while they run: the
 * sampling program of `record` once more, in an interrupt of each thread's own
 * clock, with maps as small as they can be. See thread_capture.h.
 */
#ifndef PYPROF_THREAD_SAMPLER_H
#define PYPROF_THREAD_SAMPLER_H

#include "capture/thread_capture.h"

struct thread_sampler;

/* namespace_level: as the list of threads found it. */
int thread_sampler_new(bool kernel_stacks, u32 namespace_level, struct thread_sampler **ret);
void thread_sampler_free(struct thread_sampler *sampler);
DEFINE_CLEANUP(thread_sampler, struct thread_sampler *, thread_sampler_free)

/* As thread_capture_sample(). */
int thread_sampler_take(struct thread_sampler *sampler, const struct process_id *process,
			const struct python_layout *layout, u64 runtime, const u32 *tids, size_t cnt, u64 timeout_ns,
			int (*visit)(void *ctx, const struct thread_sample *sample), void *ctx);

#endif
