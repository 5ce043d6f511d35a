/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * limits.h - the bounds that both sides agree on. Each has a name, a reason,
 * and a loss that says when it was met (losses.h).
 */
#ifndef PYPROF_LIMITS_H
#define PYPROF_LIMITS_H

#define MAX_PYTHON_FRAMES 512 /* a power of two: indices are masked */
#define MAX_NATIVE_FRAMES 1024 /* likewise */
#define MAX_KERNEL_FRAMES 127 /* the kernel's own limit for bpf_get_stack */
#define MAX_PYTHON_RUNS	  512 /* eval loop activations on one thread's stack; to 3.10 each frame is one. A power of two */
#define MAX_FRESH_CODES	  8 /* code objects sent with one sample; a power of two. Others are read from the process */
#define MAX_LAYOUTS	  256 /* distinct CPython layouts alive at once; to 3.9 each build has its own */
#define MAX_PROCESSES	  32768 /* rows in the kernel's process map */
#define MAX_THREADS	  65536 /* known (process, thread pointer) pairs */
#define MAX_CPUS	  1024
#define CPUS_PER_RING	  8

#define MAX_SELECTED_CGROUPS 16384 /* of the containers that were asked for, and that may still be */

#define MAX_STACK_COPY 65536 /* bytes of stack in one record */

#define THREAD_COMM_SIZE 16 /* TASK_COMM_LEN */

#endif
