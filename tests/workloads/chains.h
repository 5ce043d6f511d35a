/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chains.h - functions that call each other in a known chain, and the truth about
 * it, for tests/e2e/check_chains.h: a line for each pair that can stand on a stack,
 *
 *	CALLER\tCALLEE\tMIN\tMAX
 *
 * which allows MIN to MAX frames of others (libc's, say) between the two. Each
 * function has a name of its own and stands in one chain, so the pairs are all of
 * it. CALLER `-`: a thread starts so. CALLEE `-`: a stack may end in this function,
 * with so many frames of others inward. CALLER `*`: a signal handler, which may
 * interrupt any stack. Names are as the profiler shows them: `FUNCTION (FILE)`.
 */
#ifndef PYPROF_TESTS_CHAINS_H
#define PYPROF_TESTS_CHAINS_H

#include <stdio.h>

/* Not inlined, not cloned, not merged: on the stack under its own name. */
#ifdef __clang__
#define OWN __attribute__((noinline))
#else
#define OWN __attribute__((noipa))
#endif

#define WORK	  1500 /* rounds of some 1.5 ns, before and after each call */
#define LEAF_WORK 15000

/* Part of the function it stands in. */
static inline __attribute__((always_inline)) unsigned long spin(unsigned long x, unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++) {
		x = x * 6364136223846793005ul + 1442695040888963407ul;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

/* X(CALLER, CALLEE), innermost first: p0 to p9, and p00 to p39. The last one is another matter. */
#define TEN(X, p)     \
	X(p##8, p##9) \
	X(p##7, p##8) \
	X(p##6, p##7) X(p##5, p##6) X(p##4, p##5) X(p##3, p##4) X(p##2, p##3) X(p##1, p##2) X(p##0, p##1)
#define FORTY(X, p) TEN(X, p##3) X(p##29, p##30) TEN(X, p##2) X(p##19, p##20) TEN(X, p##1) X(p##09, p##10) TEN(X, p##0)

#define LEAF(self)                                     \
	OWN static unsigned long self(unsigned long x) \
	{                                              \
		return spin(x, LEAF_WORK);             \
	}
#define PLAIN(self, callee)                            \
	OWN static unsigned long self(unsigned long x) \
	{                                              \
		x = callee(spin(x, WORK));             \
		return spin(x, WORK);                  \
	}

static inline void truth_pair(FILE *truth, const char *file, const char *caller, const char *callee, int min, int max)
{
	/* `-` and `*` are of no file. */
	fprintf(truth, caller[1] ? "%s (%s)\t" : "%s\t", caller, file);
	fprintf(truth, callee[1] ? "%s (%s)\t" : "%s\t", callee, file);
	fprintf(truth, "%d\t%d\n", min, max);
}

#endif
