/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * series_labels.h - names and values as Prometheus and its kin take them: a name is [a-zA-Z_][a-zA-Z0-9_]*, there once;
 * none is empty. In the order of their names.
 */
#ifndef PYPROF_SERIES_LABELS_H
#define PYPROF_SERIES_LABELS_H

#include <stddef.h>

struct profile;

#define SERIES_LABELS_MAX 32

struct series_labels {
	struct series_label {
		char *name, *value;
	} at[SERIES_LABELS_MAX];
	size_t cnt, cnt_max; /* cnt_max <= SERIES_LABELS_MAX; begins as {.cnt_max = ..., .value_max = ...} */
	size_t value_max; /* bytes; what is longer is cut */
};

void series_labels_deinit(struct series_labels *labels);
/*
 * Invalid characters of the name become _. Nothing happens when the value is empty, the name is there, or there is no
 * room. -ENOMEM.
 */
int series_labels_add(struct series_labels *labels, const char *name, const char *value);
/*
 * Those of a profile of one place: __name__, service_name, the place's, the host's and the person's. Who names a label
 * service_name names the service.
 */
int series_labels_of(struct series_labels *labels, const struct profile *part);
/* Bytes of all names and values. */
size_t series_labels_size(const struct series_labels *labels);

#endif
