/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * build_profile.h - makes the profile that a test needs from text that reads like
 * folded output, root first:
 *
 *	python3 (10);main (app.py:3);inflate (libz.so.1) 4
 *	python3 (10);@worker (12);load (app.py:9);vfs_read_[k] 1
 *
 * A level {NAME}, {NAME=ID} or {NAME.service} before all says which container or unit it is in: of this name, id. The
 * first level then is COMM (PID), "@" begins a thread, and what the others are
 * follows from how they read: NAME (FILE:LINE) is Python, a name that ends with
 * _[k] is of the kernel, [unknown: REASON] is a loss, [unmerged] and [greenlet] are
 * marks, all else is native. "#2" at the end of a frame makes another frame that
 * reads the same. Lines that are empty or begin with "# " are skipped.
 */
#ifndef PYPROF_BUILD_PROFILE_H
#define PYPROF_BUILD_PROFILE_H

#include "profile/profile.h"

struct built_profile {
	struct profile_tables tables;
	struct profile *profile;
	struct truth truth; /* what can be counted: samples and incomplete; the rest is for the test to set */
};

/* Fails the test when the text makes no sense. */
void profile_build(const char *folded, struct built_profile *ret);
/* Frames whose function is of this name lie in this file; build_id "": it has none. */
void profile_build_file(struct built_profile *built, const char *function, const char *path, const char *build_id);
void profile_build_deinit(struct built_profile *built);

#define BUILT_PROFILE(name, folded)                                                     \
	__attribute__((cleanup(profile_build_deinit))) struct built_profile name = {0}; \
	profile_build(folded, &name)

#endif
