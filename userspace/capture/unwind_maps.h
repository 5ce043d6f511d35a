/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* unwind_maps.h - the BPF maps of unwind tables as memory of ours: written where they are, without a system call for each entry. */
#ifndef PYPROF_UNWIND_MAPS_H
#define PYPROF_UNWIND_MAPS_H

#include "pyprof/unwind.h"

struct pyprof_bpf;

/* skeleton must be loaded. *ret is zeroed first, and may be closed also when this fails. */
int unwind_maps_open(struct pyprof_bpf *skeleton, struct unwind_memory *ret);
void unwind_maps_close(struct pyprof_bpf *skeleton, struct unwind_memory *memory);

#endif
