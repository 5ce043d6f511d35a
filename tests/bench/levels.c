// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * levels.c - levels.so: C functions that call each other so many levels deep and
 * do the work in the last one, as the inside of an extension module does. Each
 * level is a function of its own with a stack frame of its own size, so that each
 * has its own unwind rows. Built without frame pointers.
 */
#include <stdint.h>

#define ROUNDS 40000 /* about a tenth of a millisecond */

static __attribute__((noinline)) uint64_t level_0(uint64_t seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
	}
	return seed;
}

/* What is kept in `room` across the call keeps it from being a tail call. */
#define LEVEL(n, below)                                                    \
	static __attribute__((noinline)) uint64_t level_##n(uint64_t seed) \
	{                                                                  \
		volatile uint64_t room[1 + n % 7];                         \
                                                                           \
		room[n % 7] = seed + n;                                    \
		return level_##below(seed) + room[n % 7];                  \
	}

LEVEL(1, 0)
LEVEL(2, 1)
LEVEL(3, 2)
LEVEL(4, 3)
LEVEL(5, 4)
LEVEL(6, 5)
LEVEL(7, 6)
LEVEL(8, 7)
LEVEL(9, 8)
LEVEL(10, 9)
LEVEL(11, 10)
LEVEL(12, 11)
LEVEL(13, 12)
LEVEL(14, 13)
LEVEL(15, 14)
LEVEL(16, 15)
LEVEL(17, 16)
LEVEL(18, 17)
LEVEL(19, 18)
LEVEL(20, 19)
LEVEL(21, 20)
LEVEL(22, 21)
LEVEL(23, 22)
LEVEL(24, 23)
LEVEL(25, 24)
LEVEL(26, 25)
LEVEL(27, 26)
LEVEL(28, 27)
LEVEL(29, 28)
LEVEL(30, 29)
LEVEL(31, 30)
LEVEL(32, 31)

static uint64_t (*const levels[])(uint64_t) = {
	level_0,  level_1,  level_2,  level_3,	level_4,  level_5,  level_6,  level_7,	level_8,  level_9,  level_10,
	level_11, level_12, level_13, level_14, level_15, level_16, level_17, level_18, level_19, level_20, level_21,
	level_22, level_23, level_24, level_25, level_26, level_27, level_28, level_29, level_30, level_31, level_32,
};

#define LEVEL_CNT (sizeof(levels) / sizeof(levels[0]))

/* Does the work so many levels further down. */
uint64_t descend(uint32_t depth, uint64_t seed);

uint64_t descend(uint32_t depth, uint64_t seed)
{
	return levels[depth < LEVEL_CNT ? depth : LEVEL_CNT - 1](seed | 1) & 0xffff;
}
