/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bound.bpf.h - how an index is bounded where the verifier can see it.
 *
 * clang re-associates `i & mask` with the arithmetic around it, so that 5.10 and
 * 6.1 no longer recognise the bound: the masking must be one opaque instruction.
 */
#ifndef PYPROF_BOUND_BPF_H
#define PYPROF_BOUND_BPF_H

#include "pyprof/types.h"

#ifdef __bpf__
#define BOUND(index, mask)                                             \
	({                                                             \
		u64 bounded_ = (index);                                \
		asm volatile("%0 &= %1" : "+r"(bounded_) : "i"(mask)); \
		bounded_;                                              \
	})
#else
#define BOUND(index, mask) ((u64)(index) & (mask))
#endif

/* Under 2 ns a word; the high half is the better one. Ids of stack parts are made of it. */
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ull

static inline __attribute__((always_inline)) u64 hash_mix(u64 hash, u64 value)
{
	hash = (hash ^ value) * HASH_MULTIPLIER;
	return hash ^ hash >> 32;
}

#endif
