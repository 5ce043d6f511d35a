/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/sideband_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"

int perf_ring_next(struct perf_ring *ring, const void **ret, size_t *ret_size)
{
	struct perf_event_header header;
	size_t left = ring->head - ring->tail, offset = ring->tail & (ring->size - 1);

	if (!left) {
		*ret = NULL;
		return 0;
	}
	/* Sizes are multiples of 8, so the header never wraps. */
	if (left > ring->size || left < sizeof(header) || offset > ring->size - sizeof(header))
		goto skip;
	memcpy(&header, (const u8 *)ring->data + offset, sizeof(header));
	if (header.size < sizeof(header) || header.size > left || header.size % 8)
		goto skip;

	size_t until_wrap = ring->size - offset;
	*ret = (const u8 *)ring->data + offset;
	*ret_size = header.size;
	if (header.size > until_wrap) {
		memcpy(ring->scratch, *ret, until_wrap);
		memcpy(ring->scratch + until_wrap, ring->data, header.size - until_wrap);
		*ret = ring->scratch;
	}
	ring->tail += header.size;
	return 0;
skip:
	ring->tail = ring->head;
	return -EBADMSG;
}

/*
 * What PERF_SAMPLE_TID | TIME | CPU with sample_id_all appends to every record.
 * (The order is that of the bits in perf_event_open(2), not of their values.)
 */
struct sample_id {
	u32 pid, tid;
	u64 time_ns;
	u32 cpu, reserved;
};
_Static_assert(sizeof(struct sample_id) == 24, "sample_id has a hole");

/* The kernel's word for memory without a file; /proc/PID/maps prints nothing. */
#define PERF_ANONYMOUS "//anon"

/* 0 is a task that our PID namespace does not see, -1 one that is gone or the kernel itself. */
static bool is_visible(u32 pid)
{
	return pid && pid != (u32)-1;
}

static int mapping_set_path(struct sideband_record *record, const void *text, size_t size)
{
	const void *nul = memchr(text, 0, size);

	if (!nul)
		return -EBADMSG;
	size = (const u8 *)nul - (const u8 *)text;
	if (size >= PATH_MAX)
		return -EBADMSG;
	if (!strcmp(text, PERF_ANONYMOUS))
		size = 0;

	size_t padded = (size + 8) & ~7ull;
	memset(record->path, 0, padded);
	memcpy(record->path, text, size);
	record->mapping.path_size = padded;
	record->mapping.record.size = sizeof(record->mapping) + padded;
	return 0;
}

/* PERF_RECORD_MMAP2: a range became executable, by mmap, mprotect or exec. */
static int parse_mmap2(struct cursor *c, u16 misc, struct sideband_record *ret)
{
	struct mapping_record *mapping = &ret->mapping;

	mapping->record.type = RECORD_MAPPING;
	mapping->pid = cursor_u32(c);
	mapping->tid = cursor_u32(c);
	mapping->start = cursor_u64(c);
	u64 length = cursor_u64(c);
	mapping->file_offset = cursor_u64(c);
	mapping->dev_major = cursor_u32(c);
	mapping->dev_minor = cursor_u32(c);
	mapping->inode = cursor_u64(c);
	cursor_u64(c); /* inode generation */
	u32 protection = cursor_u32(c);
	cursor_u32(c); /* flags */

	size_t path_size = cursor_left(c);
	const void *path = cursor_take(c, path_size);
	if (c->bad || !path_size || __builtin_add_overflow(mapping->start, length, &mapping->end) || !length)
		return -EBADMSG;
	/* A build id would stand in the inode's place; we never ask for one. */
	if (misc & PERF_RECORD_MISC_MMAP_BUILD_ID)
		return -EBADMSG;
	if (!is_visible(mapping->pid) || !(protection & PROT_EXEC))
		return -ENOMSG;
	return mapping_set_path(ret, path, path_size);
}

/* PERF_RECORD_COMM, which exec emits when the old address space is gone and nothing of the new is mapped. */
static int parse_comm(struct cursor *c, u16 misc, struct sideband_record *ret)
{
	struct mapping_record *mapping = &ret->mapping;

	if (!(misc & PERF_RECORD_MISC_COMM_EXEC))
		return -ENOMSG;
	mapping->record.type = RECORD_MAPPING;
	mapping->pid = cursor_u32(c);
	mapping->tid = cursor_u32(c);
	if (c->bad)
		return -EBADMSG;
	return is_visible(mapping->pid) ? mapping_set_path(ret, "", 1) : -ENOMSG;
}

int sideband_record_parse(const void *data, size_t size, struct sideband_record *ret)
{
	struct cursor c = cursor_of(data, size);
	u32 type = cursor_u32(&c);
	u16 misc = cursor_u16(&c);
	u16 header_size = cursor_u16(&c);
	struct sample_id id;

	if (c.bad || header_size != size || size % 8 || cursor_left(&c) < sizeof(id))
		return -EBADMSG;
	c.end -= sizeof(id);
	memcpy(&id, c.end, sizeof(id));

	memset(&ret->mapping, 0, sizeof(ret->mapping));
	ret->mapping.record.time_ns = id.time_ns;
	switch (type) {
	case PERF_RECORD_MMAP2:
		return parse_mmap2(&c, misc, ret);
	case PERF_RECORD_COMM:
		return parse_comm(&c, misc, ret);
	case PERF_RECORD_LOST:
		ret->mapping.record.type = RECORD_MAPPINGS_LOST;
		ret->mapping.record.size = sizeof(ret->mapping.record);
		return 0;
	default:
		return -ENOMSG;
	}
}
