/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/thread_listing.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"

void thread_listing_deinit(struct thread_listing *listing)
{
	free(listing->bytes);
	free(listing->offsets);
	*listing = (struct thread_listing){0};
}

static int on_record(void *ctx, const struct thread_record *record)
{
	struct thread_listing *listing = ctx;
	size_t size = sizeof(*record) + record->kernel_cnt * sizeof(u64);
	u8 *bytes = array_reserve(listing->bytes, &listing->capacity, listing->size + size, 1);

	if (!bytes)
		return -ENOMEM;
	listing->bytes = bytes;
	size_t *offsets = array_reserve(listing->offsets, &listing->offset_capacity, listing->cnt + 1,
					sizeof(*offsets));
	if (!offsets)
		return -ENOMEM;
	listing->offsets = offsets;
	memcpy(bytes + listing->size, record, size);
	offsets[listing->cnt++] = listing->size;
	listing->size += size;
	return 0;
}

int thread_listing_read(struct thread_listing *listing, struct thread_capture *capture, u32 pid, bool with_stacks)
{
	listing->size = listing->cnt = 0;
	return thread_capture_list(capture, pid, with_stacks, on_record, listing);
}

const struct thread_record *thread_listing_at(const struct thread_listing *listing, size_t i)
{
	return (const struct thread_record *)(listing->bytes + listing->offsets[i]);
}

const struct thread_record *thread_listing_find(const struct thread_listing *listing, u32 tid)
{
	size_t low = 0, high = listing->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (thread_listing_at(listing, middle)->tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < listing->cnt && thread_listing_at(listing, low)->tid == tid ? thread_listing_at(listing, low)
										 : NULL;
}

const struct thread_record *thread_listing_find_pointer(const struct thread_listing *listing, u64 thread_pointer)
{
	for (size_t i = 0; thread_pointer && i < listing->cnt; i++)
		if (thread_listing_at(listing, i)->thread_pointer == thread_pointer)
			return thread_listing_at(listing, i);
	return NULL;
}
