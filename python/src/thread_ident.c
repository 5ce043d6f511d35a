/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_ident.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own_memory.h"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

#define HEAD_SIZE 1024

/* Where the number has been for many years, in bytes; elsewhere it is looked for. */
static const u16 usual_offsets[] = {720 /* glibc */, 48 /* musl */};

static bool is_at(const u32 *words, size_t cnt, u64 offset, u32 tid)
{
	return !(offset % sizeof(u32)) && offset / sizeof(u32) < cnt && words[offset / sizeof(u32)] == tid;
}

/*
 * To glibc 2.40 the kernel clears the number when the thread ends, and so can say where it is; since then, and in musl,
 * it clears something else. The search goes by eights: the upper half of a pointer, 0x7f12, may well be a thread's number.
 * (A number of 1, in a container, is in many places.)
 */
static u32 offset_search(void)
{
	u64 self = (u64)pthread_self(), address = 0;
	u32 tid = syscall(SYS_gettid), words[HEAD_SIZE / sizeof(u32)];
	ssize_t size = own_memory_read_some(self, words, sizeof(words));
	size_t cnt = size < 0 ? 0 : size / sizeof(u32);

	if (!prctl(PR_GET_TID_ADDRESS, &address) && address > self && is_at(words, cnt, address - self, tid))
		return address - self;
	for (size_t i = 0; i < sizeof(usual_offsets) / sizeof(*usual_offsets); i++) {
		if (is_at(words, cnt, usual_offsets[i], tid))
			return usual_offsets[i];
	}
	for (size_t i = 0; i < cnt; i += 2) {
		if (words[i] == tid)
			return i * sizeof(u32);
	}
	return 0;
}

/* A property of libc: the same in all threads, searched once. */
static u32 offset_get(void)
{
	static atomic_uint offset;
	u32 known = atomic_load(&offset);

	if (!known) {
		known = offset_search();
		atomic_store(&offset, known);
	}
	return known;
}

int thread_ident_find(u64 ident, int *ret_tid)
{
	u32 offset = offset_get();
	u8 head[HEAD_SIZE];
	u64 self;
	s32 tid;

	if (!offset)
		return -ENOTSUP;
	if (ident & (sizeof(u64) - 1) ||
	    own_memory_read_some(ident, head, offset + sizeof(tid)) != (ssize_t)(offset + sizeof(tid)))
		return -ESRCH;
	/* As the ABI wants it: the first word points to itself. */
	memcpy(&self, head, sizeof(self));
	memcpy(&tid, head + offset, sizeof(tid));
	if (self != ident || tid <= 0 || syscall(SYS_tgkill, getpid(), tid, 0))
		return -ESRCH;
	*ret_tid = tid;
	return 0;
}
