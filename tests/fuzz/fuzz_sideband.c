/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_sideband.c - a ring with any bytes in it, from any position. */
#include <stdint.h>
#include <string.h>

#include "capture/sideband_record.h"

/* First byte: where the tail stands, in units of 8. The rest is the ring. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static u8 ring_data[1024], scratch[RING_RECORD_MAX];
	static struct sideband_record record;
	struct perf_ring ring = {.data = ring_data, .size = sizeof(ring_data), .scratch = scratch};
	const void *at;
	size_t record_size;

	if (!size || size - 1 > sizeof(ring_data))
		return 0;
	ring.tail = data[0] * 8;
	ring.head = ring.tail + size - 1;
	for (size_t i = 1; i < size; i++)
		ring_data[(ring.tail + i - 1) % sizeof(ring_data)] = data[i];

	while (ring.tail != ring.head) {
		if (perf_ring_next(&ring, &at, &record_size))
			continue;
		if (sideband_record_parse(at, record_size, &record) || record.mapping.record.type != RECORD_MAPPING)
			continue;
		if (strlen(record.path) >= record.mapping.path_size)
			__builtin_trap();
	}
	return 0;
}
