/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * selector.h - which samples are taken, when a person has chosen some containers: hears of cgroups, has the kernel
 * side sample those that are selected, and sorts out the rest.
 *
 * Nothing is lost of a container that begins later, though its name comes after it: the kernel side samples new
 * cgroups until it is told not to, and what comes before the name waits here.
 */
#ifndef PYPROF_SELECTOR_H
#define PYPROF_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "capture/cgroup_filter.h"
#include "container/place.h"
#include "container/selection.h"
#include "pyprof/record.h"

struct selector;

/* The selections are copied; with none everything is sampled. Places and filter are borrowed. */
int selector_new(const struct selection *selections, size_t cnt, struct place_table *places,
		 struct cgroup_filter *filter, struct selector **ret);
void selector_free(struct selector *selector);
DEFINE_CLEANUP(selector, struct selector *, selector_free)

/* Cgroups that are there are selected, or not. Before the first sample. */
int selector_start(struct selector *selector);
/*
 * After that: calls visit for each selection that selects none of them (a cgroup's path from its hierarchy's root), until
 * that returns other than 0.
 */
int selector_for_each_unmet(struct selector *selector, int (*visit)(void *ctx, const struct selection *selection),
			    void *ctx);
/* RECORD_CGROUP, RECORD_CGROUP_GONE: the places hear of it, too. */
int selector_on_cgroup(struct selector *selector, const struct cgroup_record *record);
/*
 * Whether a sample is one of those asked for. SELECTED_NOT_YET: the selector has kept a copy, and selector_turn() hands it
 * over if its place turns out to be selected. -ENOSPC: likewise, but too many wait, and the oldest is gone.
 */
int selector_admit(struct selector *selector, const struct sample *sample, enum selected *ret);
/* Looks for names. Calls on_sample for what waited and is selected after all, until that returns other than 0. */
int selector_turn(struct selector *selector, u64 now_ns, int (*on_sample)(void *ctx, const struct sample *sample),
		  void *ctx);
/* No more samples come: what waits is decided now. */
int selector_finish(struct selector *selector, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx);
/*
 * Once a second or so, after a drain. news_were_lost: by the counters; the places are looked through again then. A filter
 * that is open is closed again a turn later, if all that is asked for has room by now.
 */
void selector_tick(struct selector *selector, bool news_were_lost);
/* More was asked for than the kernel side has room for: it samples all, and what was not asked for is left out here. */
bool selector_is_open(const struct selector *selector);
/* Cgroups that it remembers, those removed a short while ago among them. */
size_t selector_cgroup_cnt(const struct selector *selector);
/* When the next turn has something to do. */
u64 selector_due_ns(const struct selector *selector);

#endif
