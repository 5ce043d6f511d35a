/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* packages.h - wheels from PyPI for an interpreter that has pip: long runs only. */
#ifndef PYPROF_TESTS_PACKAGES_H
#define PYPROF_TESTS_PACKAGES_H

#include "tests/e2e/harness.h"

/* A directory in place for PYTHONPATH; NULL: no pip, no wheel, or nowhere to get it from. */
const char *packages_install(const struct python *python, const struct place *place, const char *names);

#endif
