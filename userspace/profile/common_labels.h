/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * common_labels.h - what holds for everything that this profiler sees: the host, its boot, and
 * what the person adds with --label. Set once; profiles borrow it (profile_set_common). Begins as {0}.
 */
#ifndef PYPROF_COMMON_LABELS_H
#define PYPROF_COMMON_LABELS_H

#include <stddef.h>

/*
 * Of the person's. Receivers take 30 in all (export/pyroscope_export.c): this many always have room beside the
 * place's, the host's and those of samples.
 */
#define MAX_COMMON_LABELS      13
#define COMMON_LABELS_MAX      (MAX_COMMON_LABELS + 2) /* with the host's */
#define COMMON_LABEL_NAME_MAX  64 /* bytes */
#define COMMON_LABEL_VALUE_MAX 256

struct strbuf;

struct common_label {
	char *name; /* for pprof and Pyroscope: "host" */
	char *otel_name; /* "host.name"; of --label the same as name */
	char *value; /* valid UTF-8 without control characters */
};

struct common_labels {
	struct common_label at[COMMON_LABELS_MAX];
	size_t cnt;
};

/*
 * KEY=VALUE, as --label takes it: KEY of letters, digits, _ and ., with no digit first, that is
 * none of label.h's; the last of the same key wins. Many receivers write _ for a dot, so keys that differ in
 * nothing else are refused. -EINVAL: `error` says in a sentence what to write instead.
 */
int common_labels_add(struct common_labels *labels, const char *text, struct strbuf *error);
/* Host name and boot id, where they were not added before: --label host=NAME wins. -ENOMEM; what cannot be read is left out. */
int common_labels_add_host(struct common_labels *labels);
void common_labels_deinit(struct common_labels *labels);

#endif
