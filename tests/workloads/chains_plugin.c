/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chains_plugin.c - a library to be loaded at run time, without a libc. Twice ten
 * functions that end in a call back; and ten that end here, whose frames are of
 * another size in each library built from this (FRAME): what one library's rules
 * say is wrong in the other.
 */
#include "chains.h"

#ifndef FRAME
#define FRAME 0
#endif

static unsigned long (*volatile call_back_a)(unsigned long);
static unsigned long (*volatile call_back_b)(unsigned long);

OWN static unsigned long s09(unsigned long x)
{
	return call_back_a(spin(x, WORK)) + 1;
}
TEN(PLAIN, s0)

OWN static unsigned long u09(unsigned long x)
{
	return call_back_b(spin(x, WORK)) + 1;
}
TEN(PLAIN, u0)

#define FRAMED(self, callee)                                    \
	OWN static unsigned long self(unsigned long x)          \
	{                                                       \
		volatile char frame[FRAME + 16];                \
		frame[x % sizeof(frame)] = 1;                   \
		x = callee(spin(x, WORK));                      \
		return spin(x, WORK) + (unsigned char)frame[0]; \
	}
LEAF(k09)
TEN(FRAMED, k0)

unsigned long plugin_call_a(unsigned long x, unsigned long (*call_back)(unsigned long));
unsigned long plugin_call_b(unsigned long x, unsigned long (*call_back)(unsigned long));
unsigned long plugin_work(unsigned long x);

OWN unsigned long plugin_call_a(unsigned long x, unsigned long (*call_back)(unsigned long))
{
	call_back_a = call_back;
	return s00(x) + 1;
}

OWN unsigned long plugin_call_b(unsigned long x, unsigned long (*call_back)(unsigned long))
{
	call_back_b = call_back;
	return u00(x) + 1;
}

OWN unsigned long plugin_work(unsigned long x)
{
	return k00(x) + 1;
}
