/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* priority.h - getting the CPU soon, for little. */
#ifndef PYPROF_PRIORITY_H
#define PYPROF_PRIORITY_H

/*
 * Asks the scheduler for short turns that come soon: what must be read before it
 * is freed cannot wait behind a busy host. No real-time class: a mistake of ours
 * must never stop the machine. Best effort; kernels before 6.12 know only niceness.
 * Whoever started us with a niceness of their own meant it.
 */
void priority_run_soon(void);

#endif
