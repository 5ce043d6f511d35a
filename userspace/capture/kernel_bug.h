/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel_bug.h - the one thing about a kernel that cannot be probed. From 5.19 to
 * 6.3 a read of user memory in a BPF program can hang the whole machine
 * (copy_from_user_nofault, upstream commit d319f344561d); fixed in 6.1.36, 6.3.10
 * and 6.4. What counts is the upstream patch level, which distributions tell in
 * different places. Pure.
 */
#ifndef PYPROF_KERNEL_BUG_H
#define PYPROF_KERNEL_BUG_H

#include <stdbool.h>

/* How a kernel describes itself. */
struct kernel_words {
	const char *release; /* uname -r: "6.1.0-10-amd64" */
	const char *version; /* uname -v: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.38-1 (2023-07-14)" */
	const char *signature; /* /proc/version_signature: "Ubuntu 6.2.0-39.40-generic 6.2.16"; "" elsewhere */
};

struct kernel_version {
	unsigned major, minor, patch;
	bool exact; /* patch is upstream's, not a distribution's own */
};

enum kernel_bug {
	KERNEL_BUG_NONE,
	KERNEL_BUG_PRESENT,
	KERNEL_BUG_UNDECIDABLE, /* a release in question that does not tell its patch level */
};

/* -EINVAL: no version in there at all. */
int kernel_version_of(const struct kernel_words *words, struct kernel_version *ret);
enum kernel_bug kernel_bug_of(const struct kernel_version *version);

#endif
