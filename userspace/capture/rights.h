/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rights.h - the capabilities that the profiler needs, what each is for, and which of them are missing. */
#ifndef PYPROF_RIGHTS_H
#define PYPROF_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf;

struct right {
	const char *name; /* "CAP_BPF" */
	int capability;
	bool admin_instead; /* the kernel takes CAP_SYS_ADMIN in its place */
	bool required; /* nothing runs without; else what goes without */
	const char *purpose;
};

/* Ends with a row whose name is NULL. */
extern const struct right rights[];

/* Effective in this process. */
bool right_held(const struct right *right);

/* "CAP_BPF, CAP_PERFMON": the missing ones among the required or among the others. Returns how many. */
size_t rights_put_missing(struct strbuf *b, bool required);

/* How to get all of them, as the end of a sentence: "run as root, or ...". */
void rights_put_remedy(struct strbuf *b);

#endif
