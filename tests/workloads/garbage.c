/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * garbage.c - overwrites memory areas with all sorts of garbage for a while, then
 * ends the process. Loaded by garbage.py into any CPython, so it needs no libc.
 */
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

void write_garbage(uint64_t *areas, int area_cnt, int size, uint64_t ns);

static long system_call(long number, long a, long b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

static uint64_t now_ns(void)
{
	struct timespec now = {0};

	system_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* What a reader of foreign memory fears: small and huge numbers, wild pointers, and pointers in circles. */
static uint64_t garbage(uint64_t *state, const uint64_t *areas, int area_cnt)
{
	uint64_t random = next_random(state);

	switch (random >> 60) {
	case 0:
		return 0;
	case 1:
		return random & 0xffff;
	case 2:
		return 0xffffffff00000000 | random;
	case 3:
		return random & 0x7fffffffffff;
	case 4:
		return (uint64_t)-1;
	case 5:
		return 0x7fffffffffffffff;
	default:
		return areas[random % (uint64_t)area_cnt] + (random >> 32 & 0x38);
	}
}

void write_garbage(uint64_t *areas, int area_cnt, int size, uint64_t ns)
{
	uint64_t copy[64], state = 0x9e3779b97f4a7c15, end = now_ns() + ns;

	/* The list itself lies in memory that is about to go bad. */
	for (int i = 0; i < area_cnt && i < 64; i++)
		copy[i] = areas[i];
	/* Most of the time everything stays as it is for a while, so that it is looked at. */
	while (now_ns() < end) {
		for (int i = 0; i < area_cnt; i++)
			for (int at = 0; at < size; at += 8)
				if (next_random(&state) % 4 == 0)
					*(volatile uint64_t *)(copy[i] + (uint64_t)at) = garbage(&state, copy,
												 area_cnt);
		for (volatile int i = 0; i < 100000; i++)
			;
	}
	system_call(SYS_exit_group, 0, 0);
}
