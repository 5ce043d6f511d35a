/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exporter.h - the stream to a fleet: takes messages that are ready to be sent, and delivers
 * each to its destination, in order (but for what that stumbles over: sender.h), sooner or later, or says that it
 * could not.
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

#define EXPORTER_MEMORY_MAX (16ull << 20)
#define EXPORTER_DISK_MAX   (512ull << 20)

struct exporter_times {
	u32 connect_ms; /* until there is a connection */
	u32 answer_ms; /* until there is an answer, beside what the body itself takes */
	u32 first_ms, most_ms; /* between attempts: the first and the last ceiling of backoff.h */
	u32 asked_most_ms; /* that a Retry-After may ask for */
	u32 quiet_ms; /* between two lines on the same matter */
};

struct exporter_options {
	const struct destination *destinations; /* borrowed */
	size_t destination_cnt;
	const char *const *headers; /* --export-header: "K:V", checked; borrowed */
	size_t header_cnt;
	const char *token_file; /* read again for each message, for tokens are renewed; NULL: none */
	const char *ca_file; /* NULL: the system's */
	const char *spool_path; /* a folder; NULL: memory alone */
	u64 memory_max, disk_max; /* bytes; 0: those above */
	const struct exporter_times *times; /* NULL: 10 s, 30 s, 1 s to 60 s, 10 min, 60 s; tests have less time */
	/*
	 * For people: one line when a destination stops taking what it is sent, with the reason and what to do, and
	 * one when it does again. From any thread, before exporter_new() returns too; several at once. Without the
	 * exporter's lock, but it must not stop the exporter.
	 */
	void (*on_message)(void *ctx, bool is_error, const char *line);
	void *ctx;
};

struct exporter_counts {
	u64 sent, sent_bytes; /* acknowledged */
	u64 resent; /* attempts after the first; not those of libcurl itself (http_post.h) */
	u64 refused; /* final: the destination said that it will never take it */
	u64 rejected; /* profiles in what was sent, that the answer says were not taken */
	u64 dropped; /* the oldest, for the spool was full; and at the end, what no spool on disk keeps */
	u64 damaged; /* the spool's files that were not what had been written */
	u64 waiting, waiting_bytes;
	u64 foreign; /* on disk, of an earlier run, for destinations that this one does not have: they stay, until there is no room */
};

/* On failure *ret_step says in words what went wrong ("STEP: strerror" is a sentence for people). Takes up what an earlier run left in the spool's folder. */
int exporter_new(const struct exporter_options *options, struct exporter **ret, const char **ret_step);
/*
 * Never waits for the network. The bytes are the body of one request, gzipped; they are copied. -ENOMEM: it is
 * dropped, and counted. So is what the spool has no room for whatever goes: that is no failure.
 */
int exporter_put(struct exporter *exporter, size_t destination, const void *body, size_t size);
void exporter_counts(struct exporter *exporter, struct exporter_counts *ret);
/* Of one destination; foreign is 0. */
void exporter_destination_counts(struct exporter *exporter, size_t destination, struct exporter_counts *ret);
/*
 * Waits until all is delivered, at most so long. Who waits to try again tries once more now; returns
 * early when nothing can be delivered in that time, and soon after is_over says so (NULL: never), which is asked without the lock.
 * What waits is put on disk first, if there is a folder: a program that is killed meanwhile loses nothing.
 */
void exporter_flush(struct exporter *exporter, u64 timeout_ns, bool (*is_over)(void *ctx), void *ctx);
/* Ends what is under way. What still waits goes to disk, or is counted as dropped: after this the counts are final. */
void exporter_stop(struct exporter *exporter);
/* Stops, if that was not done. */
void exporter_free(struct exporter *exporter);
DEFINE_CLEANUP(exporter, struct exporter *, exporter_free)

#endif
