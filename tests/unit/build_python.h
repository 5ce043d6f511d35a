/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* build_python.h - a process's memory with Python objects in it, laid out as a version does, at BUILT_BASE. */
#ifndef PYPROF_BUILD_PYTHON_H
#define PYPROF_BUILD_PYTHON_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/remote_memory.h"
#include "pyprof/python_abi.h"

#define BUILT_BASE 0x7f1200000000ull
#define BUILT_SIZE (256 << 10)

struct built_python {
	struct python_layout layout;
	size_t size; /* used */
	u8 bytes[BUILT_SIZE];
};

struct built_python *built_python_new(u32 version);
void built_python_free(struct built_python *built);
DEFINE_CLEANUP(built_python, struct built_python *, built_python_free)

struct remote_memory built_memory(const struct built_python *built);
u64 built_peek_u64(const struct built_python *built, u64 address);
void built_poke_u64(struct built_python *built, u64 address, u64 value);
void built_poke_u32(struct built_python *built, u64 address, u32 value);

/* Each gives the new object's address. */
u64 built_bytes(struct built_python *built, const void *data, size_t size);
u64 built_type(struct built_python *built, const char *name);
/* length units of unit_size bytes each. */
u64 built_string(struct built_python *built, const void *units, size_t length, unsigned int unit_size, bool ascii);
/* Its first code unit is on first_line, its second on the next. */
u64 built_code(struct built_python *built, const char *qualname, const char *name, const char *file, u32 first_line);
/* Zeros. */
u64 built_space(struct built_python *built, size_t size);

/* What the kernel side would call it. */
u32 built_signature(const struct built_python *built, u64 code);
u32 signature_read(const struct remote_memory *memory, const struct python_layout *layout, u64 code);

#endif
