/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * outputs.h - where the profiles of a run go: one place on this machine, the engines of a fleet, or both.
 * Opens the sinks that the options ask for, says what could not be opened, and feeds them: with windows, or
 * once with the whole.
 */
#ifndef PYPROF_OUTPUTS_H
#define PYPROF_OUTPUTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "cmd/options.h"

struct outputs;

/* Says itself why it failed. pid: of the command, for a file's name; uid, gid: who shall own files, -1: we. */
int outputs_open(const struct record_options *options, pid_t pid, uid_t uid, gid_t gid, struct outputs **ret);
void outputs_close(struct outputs *outputs);
DEFINE_CLEANUP(outputs, struct outputs *, outputs_close)

/* Length of a window; 0: the whole run is one. */
u64 outputs_period_ns(const struct outputs *outputs);
/*
 * The profile of the time since the last call, named. As sink_type.consume. When one fails that is the end: those after it
 * get nothing of this call, but all of it in the last one, whatever fails then.
 */
int outputs_consume(struct outputs *outputs, const struct profile *profile, const struct truth *truth, bool last);
/* After the last: as sink_type.flush. */
void outputs_flush(struct outputs *outputs, bool (*is_over)(void *ctx), void *ctx);
/* True: nothing of earlier windows is kept, their ids may lose their meaning. */
bool outputs_forget(struct outputs *outputs);
/* Adds what a sum of all windows had no room for: at the end, for whoever tells of the whole run. */
void outputs_tell_losses(const struct outputs *outputs, struct truth *truth);
/* All that was counted: last is what has not been consumed. */
const struct profile *outputs_whole(const struct outputs *outputs, const struct profile *last);

/* A descriptor on which the person may speak, or -1; and what is done then. */
int outputs_fd(const struct outputs *outputs);
int outputs_speak(struct outputs *outputs, bool *ret_quit);
bool outputs_own_terminal(const struct outputs *outputs);
void outputs_leave_terminal(struct outputs *outputs);

const char *outputs_path(const struct outputs *outputs); /* of the file, for messages; "standard output" */
/* A line each for the summary: what was written, what was sent. */
void outputs_put_words(const struct outputs *outputs, struct strbuf *b);

#endif
