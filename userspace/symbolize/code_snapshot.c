/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/code_snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int snapshot_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	const struct code_snapshot *s = (const struct code_snapshot *)memory;
	const struct {
		const u8 *bytes;
		size_t capacity;
	} pieces[] = {
		[CODE_PIECE_OBJECT] = {s->record->object, CODE_OBJECT_SIZE},
		[CODE_PIECE_NAME] = {s->record->name, CODE_NAME_SIZE},
		[CODE_PIECE_QUALNAME] = {s->record->qualname, CODE_QUALNAME_SIZE},
		[CODE_PIECE_FILENAME] = {s->record->filename, CODE_FILENAME_SIZE},
		[CODE_PIECE_LINES] = {s->record->lines, CODE_LINES_SIZE},
	};
	bool inside = false;

	/* Pieces may overlap: a plain function's name and qualified name are one string. The longer copy serves. */
	for (size_t i = 0; i < CODE_PIECE_CNT; i++) {
		u64 offset = address - s->record->pieces[i].address;

		if (offset >= pieces[i].capacity)
			continue;
		inside = true;
		if (offset < s->record->pieces[i].size && size <= s->record->pieces[i].size - offset) {
			memcpy(ret, pieces[i].bytes + offset, size);
			return 0;
		}
	}
	return inside ? -EFAULT : remote_read(s->live, address, ret, size);
}

void code_snapshot_init(struct code_snapshot *snapshot, const struct code_record *record,
			const struct remote_memory *live)
{
	*snapshot = (struct code_snapshot){
		.memory = {.read = snapshot_read},
		.record = record,
		.live = live,
	};
}
