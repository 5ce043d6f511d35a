/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ring.bpf.h - sending records, and counting those that find no room. */
#ifndef PYPROF_RING_BPF_H
#define PYPROF_RING_BPF_H

#include "bound.bpf.h"
#include "maps.bpf.h"

static __always_inline struct counters *counters_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/*
 * Sends size bytes. User space polls on a clock, for a wakeup costs more than a
 * sample: it is woken only when somebody must be read soon, or when the ring is a
 * quarter full. LOSS_NONE, or why there was no room.
 */
static __always_inline int ring_send(void *record, u64 size, int soon)
{
	u32 index = bpf_get_smp_processor_id() / CPUS_PER_RING;
	void *ring = bpf_map_lookup_elem(&rings, &index);
	if (!ring)
		return LOSS_RING_FULL;

	u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	u64 flags = soon || waiting > config.ring_size / 4 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;

	if (!bpf_ringbuf_output(ring, record, size, flags))
		return LOSS_NONE;

	/* A record has a header of 8 bytes in the ring. */
	return waiting + size + 8 >= config.ring_size ? LOSS_RING_FULL : LOSS_RING_BUSY;
}

/* What is told beside samples: 0, or there was no room, and that is counted. */
static __always_inline int ring_tell(void *record, u64 size, int soon)
{
	if (ring_send(record, size, soon) == LOSS_NONE)
		return 0;

	struct counters *count = counters_get();

	if (count)
		count->untold++;
	return 1;
}

#endif
