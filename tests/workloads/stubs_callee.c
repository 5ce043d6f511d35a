/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stubs_callee.c - a function that is hardly longer than the stub that leads to it. */
unsigned long trivial(unsigned long x);

unsigned long trivial(unsigned long x)
{
	return x + 1;
}
