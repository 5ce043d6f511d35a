/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* folded_lines.h - folded text in one order, lines that read the same added up: to compare what formats say. */
#ifndef PYPROF_TESTS_FOLDED_LINES_H
#define PYPROF_TESTS_FOLDED_LINES_H

/* To be freed. */
char *folded_lines_sort(const char *text);

#endif
