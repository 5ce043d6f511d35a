/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ring.bpf.h - sending a record, and counting it when that fails. */
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
 * quarter full. Returns 0, or the loss that was counted.
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
		return 0;

	struct counters *count = counters_get();
	/* A record has a header of 8 bytes in the ring. */
	int loss = waiting + size + 8 >= config.ring_size ? LOSS_RING_FULL : LOSS_RING_BUSY;

	if (count)
		count->losses[BOUND(loss, 31)]++;
	return loss;
}

#endif
