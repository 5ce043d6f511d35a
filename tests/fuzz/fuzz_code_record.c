/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whatever a code record holds, reading a code object out of it stays inside of it. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "capture/record.h"
#include "python/code_object.h"
#include "python/layout.h"
#include "symbolize/code_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Types and whatever else is not in the record: all are called "code" or "bytes", by their place. */
static int live_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	const char name[8] = "code", other[8] = "bytes";

	memset(ret, 0, size);
	memcpy(ret, address & 1 ? other : name, size < sizeof(name) ? size : sizeof(name));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u32 versions[] = {0x030b07f0, 0x030c01f0, 0x020712f0, 0x030900f0};
	struct remote_memory live = {.read = live_read};
	struct code_snapshot snapshot;
	struct code_record record;
	struct python_layout layout;
	struct code_object *code;

	if (size < 1 + sizeof(record) || python_layout_of_version(versions[data[0] & 3], &layout))
		return 0;
	memcpy(&record, data + 1, sizeof(record));
	if (record_check(&record, sizeof(record)))
		return 0;
	code_snapshot_init(&snapshot, &record, &live);
	if (!code_object_read(&snapshot.memory, &layout, record.code, record.signature, &(struct code_types){0},
			      &code)) {
		code_object_line(code, 8);
		code_object_free(code);
	}
	return 0;
}
