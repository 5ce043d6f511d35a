/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/snapshot.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "profile/losses.h"
#include "profile/string_table.h"

#define CHUNK_SIZE (64u << 10)

/* Room is cut from these, and all of it is given back at once. A piece larger than a chunk has its own. */
struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

struct owned {
	struct snapshot snapshot; /* first: what others hold is this */
	struct chunk *chunks; /* the first is the one that is being filled */
	struct string_table *texts;
};

static struct owned *owned_of(struct snapshot *snapshot)
{
	return (struct owned *)snapshot;
}

struct snapshot_counts snapshot_count(const struct snapshot *snapshot)
{
	struct snapshot_counts counts = {0};

	for (size_t i = 0; i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];
		bool is_lost = thread->taken == TAKEN_NOT && thread->loss != LOSS_NONE;

		counts.lost += is_lost;
		counts.read += !is_lost && (thread->tid || thread->taken != TAKEN_NOT);
	}
	return counts;
}

int snapshot_new(u32 pid, struct snapshot **ret)
{
	struct owned *owned = calloc(1, sizeof(*owned));
	if (!owned)
		return -ENOMEM;

	_cleanup_(snapshot) struct snapshot *snapshot = &owned->snapshot;
	int err = string_table_new(&owned->texts);
	if (err)
		return err;
	snapshot->pid = pid;
	snapshot->command_line = snapshot->exe = snapshot->cgroup = "";
	*ret = take(snapshot);
	return 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	struct owned *owned = owned_of(snapshot);

	if (!snapshot)
		return;
	while (owned->chunks) {
		struct chunk *next = owned->chunks->next;

		free(owned->chunks);
		owned->chunks = next;
	}
	string_table_free(owned->texts);
	free(owned);
}

void *snapshot_room(struct snapshot *snapshot, size_t cnt, size_t size)
{
	struct owned *owned = owned_of(snapshot);
	struct chunk *chunk = owned->chunks;
	size_t bytes;

	if (__builtin_mul_overflow(cnt, size, &bytes) || bytes > PTRDIFF_MAX - CHUNK_SIZE)
		return NULL;
	bytes = (bytes + alignof(max_align_t) - 1) & -alignof(max_align_t);
	if (!chunk || chunk->size - chunk->used < bytes) {
		size_t chunk_size = bytes > CHUNK_SIZE ? bytes : CHUNK_SIZE;

		chunk = calloc(1, sizeof(*chunk) + chunk_size);
		if (!chunk)
			return NULL;
		chunk->size = chunk_size;
		chunk->next = owned->chunks;
		owned->chunks = chunk;
	}
	chunk->used += bytes;
	return chunk->bytes + chunk->used - bytes;
}

const char *snapshot_text(struct snapshot *snapshot, const char *text)
{
	struct string_table *texts = owned_of(snapshot)->texts;
	u32 id;

	return string_table_intern(texts, text, &id) ? NULL : string_table_at(texts, id);
}
