/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/own_memory.h"

/* Some 1,500 bytes, and one line of them lists groups. Where SigBlk comes later, nothing is known of it. */
#define TEXT_SIZE 4096

/* Into a string; its length or -errno. */
static ssize_t text_read(int tid, const char *name, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (length < 0)
		return -errno;
	ret[length] = '\0';
	return length;
}

/* What follows the name, at the start of a line: a thread's own name, which it chooses, has no line breaks here. */
static const char *member_find(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

/*
 * A thread in sigwait() has the signals that it waits for unblocked, for as long as it sleeps.
 * `syscall` has its number and its arguments; the first is where the set is.
 */
static u64 awaited_read(int tid)
{
	char text[256], *end;
	u64 set = 0;

	if (text_read(tid, "syscall", text, sizeof(text)) < 0)
		return 0;
	if (strtol(text, &end, 10) != SYS_rt_sigtimedwait || end == text)
		return 0;
	if (own_memory_read_some(strtoull(end, NULL, 16), &set, sizeof(set)) != sizeof(set))
		return 0;
	return set;
}

int thread_status_read(int tid, struct thread_status *ret)
{
	struct thread_status status = {.state = '?'};
	char text[TEXT_SIZE];
	const char *member;

	/* No /proc, no file left to open: then let the thread say. */
	if (text_read(tid, "status", text, sizeof(text)) < 0) {
		if (syscall(SYS_tgkill, getpid(), tid, 0))
			return -ESRCH;
		*ret = status;
		return 0;
	}
	if ((member = member_find(text, "\nState:\t")))
		status.state = *member;
	if ((member = member_find(text, "\nTracerPid:\t")))
		status.is_traced = *member != '0';
	if ((member = member_find(text, "\nSigPnd:\t")))
		status.pending |= strtoull(member, NULL, 16);
	if ((member = member_find(text, "\nShdPnd:\t")))
		status.pending |= strtoull(member, NULL, 16);
	if ((member = member_find(text, "\nSigBlk:\t")))
		status.blocked = strtoull(member, NULL, 16);
	if (status.state == 'S')
		status.blocked |= awaited_read(tid);
	*ret = status;
	return 0;
}

u64 thread_status_own_blocked(void)
{
	u64 set = 0;

	syscall(SYS_rt_sigprocmask, 0, NULL, &set, sizeof(set));
	return set;
}
