/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * asyncio_object.h - what one object means to asyncio: a future or task and what it
 * says of itself, or something that can be awaited. Native ones (_asyncio.Future
 * and what derives from it) are read by their layout, those written in Python by
 * the attributes that asyncio.Future has.
 */
#ifndef PYPROF_ASYNCIO_OBJECT_H
#define PYPROF_ASYNCIO_OBJECT_H

#include "inspect/asyncio_layout.h"
#include "inspect/object.h"

enum asyncio_kind {
	ASYNCIO_OTHER,
	ASYNCIO_COROUTINE, /* or generator, or async generator: has a frame of its own */
	ASYNCIO_WRAPPER, /* awaits what its first member is */
	ASYNCIO_FUTURE, /* native */
	ASYNCIO_TASK, /* native */
	ASYNCIO_FUNCTION,
	ASYNCIO_METHOD, /* bound */
	ASYNCIO_BUILTIN, /* function or bound method in C */
	ASYNCIO_PARTIAL,
	ASYNCIO_TEXT,
	ASYNCIO_NUMBER,
};

#define ASYNCIO_TYPES_MAX 64
#define ASYNCIO_CODES	  1024

/*
 * One dump's view of asyncio in a process. Types do not change kind, so each is looked
 * at once; and so is each code object, for thousands of tasks execute the same few.
 * (One that is replaced meanwhile gets no name, for then the signature is of the old one.)
 */
struct asyncio_objects {
	const struct python_objects *objects; /* borrowed */
	struct asyncio_layout layout;
	struct {
		u64 type;
		enum asyncio_kind kind;
	} types[ASYNCIO_TYPES_MAX];
	u32 type_cnt;
	struct {
		u64 code;
		u32 signature;
	} codes[ASYNCIO_CODES]; /* by address; the last one of each place */
};

/* A future or a task. Addresses are 0 where there is nothing. */
struct asyncio_future {
	u64 address;
	bool is_native;
	bool is_pending;
	u64 loop;
	u64 coroutine, name, waiter; /* of tasks */
	u64 callback, callbacks; /* callback: native ones alone, whose first is not in the list */
	u64 awaited_by;
	bool awaited_by_is_set;
};

enum asyncio_kind asyncio_kind_of(struct asyncio_objects *asyncio, u64 address);

/* The first member of an object. */
int asyncio_member(const struct asyncio_objects *asyncio, u64 address, u64 *ret);

/* -EINVAL: it is none. */
int asyncio_future_read(struct asyncio_objects *asyncio, u64 address, struct asyncio_future *ret);

#endif
