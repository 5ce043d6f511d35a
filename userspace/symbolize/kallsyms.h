/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kallsyms.h - the kernel's and its modules' functions, by address, from /proc/kallsyms. */
#ifndef PYPROF_KALLSYMS_H
#define PYPROF_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct kallsyms;

/* Text in the format of /proc/kallsyms: "ADDRESS TYPE NAME[\t[MODULE]]". Keeps only text symbols. */
int kallsyms_parse(const char *text, size_t size, struct kallsyms **ret);
/* Reads /proc/kallsyms. -EPERM when the kernel hides the addresses (all are 0). */
int kallsyms_open(struct kallsyms **ret);
void kallsyms_free(struct kallsyms *k);
DEFINE_CLEANUP(kallsyms, struct kallsyms *, kallsyms_free)

/* The function's name, NULL when none covers the address. Valid while k lives. */
const char *kallsyms_find(const struct kallsyms *k, u64 address);

#endif
