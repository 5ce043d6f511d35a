/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* losses.h - what include/pyprof/losses.h lists, as words. */
#ifndef PYPROF_PROFILE_LOSSES_H
#define PYPROF_PROFILE_LOSSES_H

#include "pyprof/losses.h"

const char *loss_reason(enum loss loss); /* "ring-full" */
const char *loss_sentence(enum loss loss);
enum loss_effect loss_effect(enum loss loss);
/* NULL when no loss has this reason: finds loss by reason. */
int loss_find(const char *reason, enum loss *ret); /* -ENOENT */

#endif
