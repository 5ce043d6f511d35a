/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * perf_script.h - what another profiler saw: the text of `perf script -F
 * pid,ip,sym,dso --no-inline` as a folded profile, without kernel frames. Pure.
 */
#ifndef PYPROF_TESTS_PERF_SCRIPT_H
#define PYPROF_TESTS_PERF_SCRIPT_H

#include "tests/e2e/check.h"

/* Folded text, to be freed; the process is `perf (PID)`. NULL when the text is none of perf's. */
char *perf_script_fold(const char *text);

/*
 * Two-sample permutation test. a[i] and b[i] count how often two samples had the
 * i-th category. *ret is the probability that two samples of one distribution
 * differ at least so much (by chi square), to 1 / (rounds + 1).
 */
double permutation_test(const u64 *a, const u64 *b, size_t cnt, unsigned rounds);

#endif
