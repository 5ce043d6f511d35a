/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process's memory, with the places of two frames, their code objects and a futex at its beginning; of all versions. */
#include <string.h>

#include "inspect/block_depth.h"
#include "python/layout.h"

#define BASE   0x10000
#define FRAMES 2

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct places {
	u16 frames[FRAMES], codes[FRAMES], instrs[FRAMES];
	u16 futex, state;
};

static int seen(void *ctx, u64 lock)
{
	u32 *left = ctx;

	return !--*left;
}

static void look(const struct python_objects *objects, const struct places *places)
{
	struct python_stack stack = {.cnt = FRAMES};
	struct python_locks locks;
	struct python_lock lock;
	u32 left = 1000;
	u64 address;

	if (python_locks_init(&locks, objects))
		__builtin_trap();
	for (size_t i = 0; i < FRAMES; i++) {
		stack.addresses[i] = BASE + places->frames[i];
		stack.frames[i] = (struct python_frame){.code = BASE + (places->codes[i] & ~PYTHON_RUN_BEGIN),
							.instr = places->instrs[i]};
	}
	python_lock_find(&locks, &stack, BASE + places->futex, &lock);
	python_locks_list(&locks, &stack, seen, &left);
	python_lock_of_thread(&locks, BASE + places->state, &address);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x020712f0, 0x03060ff0, 0x030a0df0, 0x030b07f0,
				       0x030c01f0, 0x030d12f0, 0x030e0af0};
	struct remote_memory memory = remote_memory_of_bytes(data, size, BASE);
	struct places places;

	if (size < sizeof(places))
		return 0;
	memcpy(&places, data, sizeof(places));
	exception_table_depth(data, size, places.futex);
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		struct python_layout layout;
		struct python_objects objects = {.memory = &memory, .layout = &layout, .runtime = BASE};

		/* From 3.13 on a process says its own layout: those of the table do as well. */
		if (python_layout_of_version(versions[i], &layout) && python_layout_of_version(0x030c01f0, &layout))
			__builtin_trap();
		layout.version = versions[i];
		if (object_layout_of_version(versions[i], false, &objects.object))
			__builtin_trap();
		look(&objects, &places);
	}
	return 0;
}
