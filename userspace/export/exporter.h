/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exporter.h - the stream to a fleet: takes messages that are ready to be sent, and delivers
 * each to its destination, in order, sooner or later, or says that it could not.
 *
 * A thread of its own for each destination waits for the network; who puts a message never does. What
 * waits is in one spool for all (spool.h), bounded, first in memory, then on disk if there is
 * a folder for it: there it outlives the program. When it is full the oldest is dropped, and counted.
 * A message that was acknowledged is never sent again; one that may not have arrived is, with the same bytes.
 */
#ifndef PYPROF_EXPORTER_H
#define PYPROF_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "export/destination.h"
#include "pyprof/types.h"

struct exporter;

struct exporter_options {
	const struct destination *destinations; /* borrowed */
	size_t destination_cnt;
	const char *const *headers; /* --export-header: "K:V", checked; borrowed */
	size_t header_cnt;
	const char *token_file; /* read again for each message, for tokens are renewed; NULL: none */
	const char *ca_file; /* NULL: the system's */
	const char *spool_path; /* a folder; NULL: memory alone */
	u64 memory_max, disk_max; /* bytes */
	/* For people: one line when a destination stops taking what it is sent, and one when it does again. Any thread. */
	void (*on_message)(void *ctx, bool is_error, const char *line);
	void *ctx;
};

struct exporter_counts {
	u64 sent, sent_bytes; /* acknowledged */
	u64 resent; /* attempts after the first */
	u64 refused; /* final: the destination said that it will never take it */
	u64 dropped; /* the oldest, for the spool was full; and at the end, what no spool on disk keeps */
	u64 waiting, waiting_bytes;
};

/* On failure *ret_step says in words what was refused. Takes up what an earlier run left in the spool's folder. */
int exporter_new(const struct exporter_options *options, struct exporter **ret, const char **ret_step);
/* Never waits for the network. The bytes are the body of one request, gzipped; they are copied. -ENOMEM: it is dropped, and counted. */
int exporter_put(struct exporter *exporter, size_t destination, const void *body, size_t size);
void exporter_counts(struct exporter *exporter, struct exporter_counts *ret);
/* Waits until all is delivered, at most so long. */
void exporter_flush(struct exporter *exporter, u64 timeout_ns);
/* What still waits stays on disk, or is counted as dropped: ask for the counts before. */
void exporter_free(struct exporter *exporter);
DEFINE_CLEANUP(exporter, struct exporter *, exporter_free)

#endif
