/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_cache.h - code objects that were read, by (process, address, signature): a
 * freed and reused address never keeps an old name. Bounded in bytes, those of malloc
 * and of the hash included; at the bound it starts anew, for a code object that still
 * lives can be read again.
 */
#ifndef PYPROF_CODE_CACHE_H
#define PYPROF_CODE_CACHE_H

#include "base/cleanup.h"
#include "base/remote_memory.h"
#include "python/code_object.h"

struct code_cache;

/* One code object may always be kept, be it larger than bytes_max. */
int code_cache_new(size_t bytes_max, struct code_cache **ret);
void code_cache_free(struct code_cache *cache);
DEFINE_CLEANUP(code_cache, struct code_cache *, code_cache_free)

/*
 * Finds or reads it. memory is NULL when the process is gone: then what is not known is -ESRCH. *ret is valid until
 * the next call. Errors are those of code_object_read(); what may be otherwise the next time (-EFAULT, -ESTALE) is not
 * remembered.
 */
int code_cache_get(struct code_cache *cache, u32 process, const struct remote_memory *memory,
		   const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret);
/* The same, but failures are not remembered: memory is a snapshot, which may be too small. */
int code_cache_add(struct code_cache *cache, u32 process, const struct remote_memory *memory,
		   const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret);
/*
 * The same for whose reads are cheap: what is known is given only if that is the object which is there now. Where the
 * signature does not prove it (code_object.h: has_version), memory is asked; and failures are not remembered.
 */
int code_cache_get_sure(struct code_cache *cache, u32 process, const struct remote_memory *memory,
			const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret);
void code_cache_forget(struct code_cache *cache, u32 process);
/* What it takes now. */
size_t code_cache_bytes(const struct code_cache *cache);

#endif
