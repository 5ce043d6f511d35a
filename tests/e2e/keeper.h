/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keeper.h - what a test leaves outside of its place (files and cgroups of the host, containers) is removed by
 * a process apart, the keeper, when the test ends, also when it ends by a signal.
 */
#ifndef PYPROF_TESTS_KEEPER_H
#define PYPROF_TESTS_KEEPER_H

#include "tests/e2e/harness.h"

void keeper_begin(void);
/* Waits until all is removed. */
void keeper_end(void);
/* A command of the shell for then; the last that was said is run first. */
__attribute__((format(printf, 1, 2))) void keeper_later(const char *format, ...);

/* A file of these bytes, with the directories that it needs. */
void host_file(const char *path, const char *text);
/* Likewise a symbolic link. */
void host_link(const char *path, const char *target);

/* Where hierarchies of cgroups are mounted that tell containers apart. Ends with NULL. */
const char *const *cgroup_mounts(void);
/* The parents of a cgroup that a runtime makes stay behind it: to be removed if nothing else is in them. */
void host_cgroup_forget(const char *path);
/* A group in each of these hierarchies. */
void host_cgroup(const char *path);
/* Moves a process there. It is killed when the group is removed. */
void host_cgroup_enter(const char *path, pid_t pid);
/* The path in a line of /proc/PID/cgroup: of v2 with controller "", of v1 with "pids". NULL: no such line. */
const char *cgroup_of(pid_t pid, const char *controller);

#endif
