/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * child.h - `-- COMMAND`: a program that waits before its first instruction until
 * the profiler is ready for it.
 */
#ifndef PYPROF_CHILD_H
#define PYPROF_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int pidfd; /* readable once it ended */
	int go; /* closed: the command begins */
	int failure; /* tells the errno of an exec that failed */
	bool ended;
	int status; /* as waitpid gives it */
};

#define CHILD_NONE                                              \
	{                                                       \
		.pid = -1, .pidfd = -1, .go = -1, .failure = -1 \
	}

/* Whom the person is: under sudo the one who called it, else (uid_t)-1. */
void sudo_caller(uid_t *ret_uid, gid_t *ret_gid);

/* Makes the process; it runs nothing yet. */
int child_open(char **command, uid_t uid, gid_t gid, struct child *ret);
/* Lets it begin. 0, or the -errno with which exec failed: -ENOENT, -EACCES, ... */
int child_start(struct child *child);
/* Takes its status when it ended; waits for that with wait. */
bool child_reap(struct child *child, bool wait);
/* What a shell would say: its exit status, or 128 + N for signal N. */
int child_exit_status(const struct child *child);
/* Kills it when it has not begun. */
void child_close(struct child *child);

#endif
