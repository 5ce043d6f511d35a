/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stack_inbox.h - a stack_record comes right before the sample that needs it, but
 * from the ring that several CPUs share: so each CPU's is kept until then.
 */
#ifndef PYPROF_STACK_INBOX_H
#define PYPROF_STACK_INBOX_H

#include "base/cleanup.h"
#include "pyprof/record.h"

struct stack_inbox;

int stack_inbox_new(struct stack_inbox **ret);
void stack_inbox_free(struct stack_inbox *inbox);
DEFINE_CLEANUP(stack_inbox, struct stack_inbox *, stack_inbox_free)

/* Copies the record, in the place of what its CPU had. */
int stack_inbox_put(struct stack_inbox *inbox, const struct stack_record *record);
/* The one that belongs to the sample, NULL when it was lost. Valid until the next put. */
const struct stack_record *stack_inbox_find(const struct stack_inbox *inbox, const struct sample *sample);

#endif
