/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime_states.h - what low-level runtimes (runc, crun) keep of each container that they run: a file in a
 * directory of its name, gone when the container is.
 *
 *	/run/runc/ID/state.json			(runc, libcontainer/container.go, struct State)
 *	/run/crun/ID/status			(crun, src/libcrun/status.c)
 *	/run/containerd/runc/NAMESPACE/ID/state.json
 *
 * It has the cgroups that the container is in, which may be any.
 */
#ifndef PYPROF_RUNTIME_STATES_H
#define PYPROF_RUNTIME_STATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define RUNTIME_CGROUPS_MAX 4 /* different ones that one container is in: one, but on odd hierarchies of v1 */

struct runtime_state {
	char *id;
	char *name_space; /* containerd's; NULL: it was not containerd who started it */
	const char *runtime; /* static: "runc", "crun", "containerd" */
	char *bundle; /* directory, or NULL */
	char *cgroups[RUNTIME_CGROUPS_MAX]; /* as in /proc/PID/cgroup; NULL: no more */
	json_t *annotations; /* object of texts */
	size_t size; /* bytes of them */
};

void runtime_state_free(struct runtime_state *state);
DEFINE_CLEANUP(runtime_state, struct runtime_state *, runtime_state_free)

/* Of a file's bytes; crun: as crun writes it. Without id, name_space and runtime. -EBADMSG, -ENOMEM. */
int runtime_state_parse(const char *text, size_t size, bool crun, struct runtime_state **ret);

struct runtime_states;

int runtime_states_new(int root_fd, struct runtime_states **ret); /* the descriptor stays the caller's */
void runtime_states_free(struct runtime_states *states);
DEFINE_CLEANUP(runtime_states, struct runtime_states *, runtime_states_free)

/* By id, of a container that no containerd started. -ENOENT. */
int runtime_states_read(struct runtime_states *states, const char *id, struct runtime_state **ret);
/*
 * The container whose group a group is, or is in: the innermost. Borrowed until the next call. NULL: there is none. All
 * files are read for that at the first call; later only those of containers that are new, or were started again, and not
 * many in one call. What has no file yet is asked for again, often while it is young.
 */
const struct runtime_state *runtime_states_find(struct runtime_states *states, const char *cgroup, size_t *ret_size);
/*
 * For who would else ask for each group again: looks for states that are new, which costs four calls of stat while there are none,
 * whatever the number of groups. Each state that is read has the next number: the last one's.
 */
u64 runtime_states_look(struct runtime_states *states);
/*
 * The states with the numbers after `after`, at most so many of them: visit is called for each group that they tell.
 * The last one's number; `after`: there are none.
 */
u64 runtime_states_for_each_new(const struct runtime_states *states, u64 after, u32 max,
				void (*visit)(void *ctx, const char *cgroup), void *ctx);
/* Files that were opened so far, for tests. */
u64 runtime_states_opened(const struct runtime_states *states);

#endif
