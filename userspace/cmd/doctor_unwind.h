/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor_unwind.h - `doctor --unwind PID`: how each piece of a process's code is
 * unwound, or why it is not, and where the names of its functions come from.
 */
#ifndef PYPROF_DOCTOR_UNWIND_H
#define PYPROF_DOCTOR_UNWIND_H

#include <stdbool.h>

#include "pyprof/types.h"

/* Says it on stdout, what is wrong on stderr. Returns the exit status. */
int doctor_unwind(u32 pid, bool json);

#endif
