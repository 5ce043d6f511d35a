/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe.h - what this kernel and these rights allow, found by trying. One table:
 * `doctor` shows all of it, an error elsewhere is explained from it.
 */
#ifndef PYPROF_PROBE_H
#define PYPROF_PROBE_H

#include <stdbool.h>

struct strbuf;

enum probe_result {
	PROBE_OK,
	PROBE_WARN, /* profiles are poorer, the detail says what is lost */
	PROBE_FAIL, /* --all cannot run */
};

struct probe {
	const char *name;
	/* Puts one line: what was found and, unless that is PROBE_OK, how to get what is missing. */
	enum probe_result (*run)(struct strbuf *detail);
};

/* Ends with a row whose name is NULL. */
extern const struct probe probes[];

/*
 * 0 when it is safe to sample on this kernel, or force, else -EOPNOTSUPP: known,
 * or not known not, to hang when BPF programs read user memory (kernel_bug.h).
 * `why` says which and what to do, in one sentence.
 */
int probe_kernel_is_safe(bool force, struct strbuf *why);

/* Why the kernel may have answered err to bpf() or perf_event_open(), and what to do: one sentence, no newline. */
void probe_explain(int err, struct strbuf *b);

#endif
