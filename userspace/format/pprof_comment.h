/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pprof_comment.h - what is true of a profile besides its stacks, as lines for
 * people (`go tool pprof -comments`) that can be read back:
 *
 *	pyprof-bpf 0.1.0
 *	samples 1000
 *	lost ring-full 2
 *	incomplete code-gone 4
 *	sampled 99 Hz, 2 CPUs
 *	label host=web-1
 *
 * Of a part of a run, whose losses are the run's: "part of 5000 samples".
 */
#ifndef PYPROF_PPROF_COMMENT_H
#define PYPROF_PPROF_COMMENT_H

#include "profile/common_labels.h"
#include "profile/truth.h"

/* Gives each line to put; the first error ends it. */
int pprof_comments_put(const struct truth *truth, const struct common_labels *common /* NULL: none */,
		       int (*put)(void *ctx, const char *text), void *ctx);
/* Adds what a line says; one that is not ours says nothing. */
void pprof_comment_read(const char *text, struct truth *truth, struct common_labels *common);

#endif
