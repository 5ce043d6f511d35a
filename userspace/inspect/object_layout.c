/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/object_layout.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Offsets in struct _Py_DebugOffsets of the u64 that says the offset meant. */
struct described_objects {
	u16 size; /* of the struct; 0: this version does not describe itself */
	u16 interpreter_id, interpreter_modules, interpreter_gil;
	u16 gil, gil_holder, gil_locked; /* in the PyInterpreterState: its own GIL, and members of that */
	u16 runtime_finalizing;
};

struct measured_objects {
	u16 minor_version; /* 0x030d: 3.13 */
	u8 free_threaded;
	struct object_layout layout;
	struct described_objects described;
};

#include "inspect/object_layout_table.h"

static const struct measured_objects *row_find(u32 version, bool free_threaded)
{
	for (size_t i = 0; i < ARRAY_SIZE(measured_objects); i++)
		if (measured_objects[i].minor_version == version >> 16 &&
		    measured_objects[i].free_threaded == free_threaded)
			return &measured_objects[i];
	return NULL;
}

int object_layout_of_version(u32 version, bool free_threaded, struct object_layout *ret)
{
	const struct measured_objects *row = row_find(version, free_threaded);

	if (!row)
		return -ENOTSUP;
	*ret = row->layout;
	return 0;
}

#define DESCRIPTION_MAX 2048

static u64 described_value(const u8 *description, u16 at)
{
	u64 value;

	memcpy(&value, description + at, sizeof(value));
	return value;
}

/* What fits no offset is left as measured. */
static void described_take(const u8 *description, u16 at, u16 *member)
{
	u64 value = described_value(description, at);

	if (value < ABSENT)
		*member = value;
}

#define GIL_SIZE_MAX 1024

/* Said of the GIL inside the interpreter; but that may use the main one's, by a pointer. */
static void described_take_of_gil(const struct described_objects *described, const u8 *description, u16 at, u16 *member)
{
	u64 value = described_value(description, at) - described_value(description, described->gil);

	if (value < GIL_SIZE_MAX)
		*member = value;
}

static void described_apply(const struct described_objects *described, const u8 *description,
			    struct object_layout *layout)
{
	described_take(description, described->interpreter_id, &layout->interpreter_id);
	described_take(description, described->interpreter_modules, &layout->interpreter_modules);
	described_take(description, described->interpreter_gil, &layout->interpreter_gil);
	described_take_of_gil(described, description, described->gil_holder, &layout->gil_holder);
	described_take_of_gil(described, description, described->gil_locked, &layout->gil_locked);
	described_take(description, described->runtime_finalizing, &layout->runtime_finalizing);
}

int object_layout_of_process(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
			     struct object_layout *ret)
{
	const struct measured_objects *row = row_find(layout->version, layout->free_threaded);
	u8 description[DESCRIPTION_MAX];

	if (!row || row->described.size > sizeof(description))
		return -ENOTSUP;
	struct object_layout measured = row->layout;
	if (row->described.size) {
		int err = remote_read(memory, runtime, description, row->described.size);
		if (err)
			return err;
		described_apply(&row->described, description, &measured);
	}
	*ret = measured;
	return 0;
}
