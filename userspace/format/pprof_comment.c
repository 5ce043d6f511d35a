/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/pprof_comment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "profile/losses.h"
#include "pyprof/version.h"

#define LABEL_PREFIX "label "

static int losses_put(const char *effect, const u64 losses[LOSS_CNT], int (*put)(void *ctx, const char *text),
		      void *ctx)
{
	char text[128];
	int err = 0;

	for (int i = 0; !err && i < LOSS_CNT; i++) {
		if (!losses[i])
			continue;
		snprintf(text, sizeof(text), "%s %s %llu", effect, loss_reason(i), losses[i]);
		err = put(ctx, text);
	}
	return err;
}

static int labels_put(const struct common_labels *common, int (*put)(void *ctx, const char *text), void *ctx)
{
	STRBUF(text);
	int err = 0;

	for (size_t i = 0; !err && common && i < common->cnt; i++) {
		strbuf_clear(&text);
		strbuf_printf(&text, LABEL_PREFIX "%s=%s", common->at[i].name, common->at[i].value);
		err = text.failed ? -ENOMEM : put(ctx, text.at);
	}
	return err;
}

int pprof_comments_put(const struct truth *truth, const struct common_labels *common,
		       int (*put)(void *ctx, const char *text), void *ctx)
{
	char text[128];

	/* Who read a profile without it does not know what was lost. */
	int err = truth->losses_unknown ? 0 : put(ctx, "pyprof-bpf " PYPROF_VERSION);

	snprintf(text, sizeof(text), "samples %llu", truth->samples);
	if (!err)
		err = put(ctx, text);
	snprintf(text, sizeof(text), "part of %llu samples", truth->whole_samples);
	if (!err && truth->whole_samples)
		err = put(ctx, text);
	if (!err)
		err = losses_put("lost", truth->lost, put, ctx);
	if (!err)
		err = losses_put("incomplete", truth->incomplete, put, ctx);
	snprintf(text, sizeof(text), "sampled %u Hz, %u CPUs", truth->hz, truth->cpus);
	if (!err && truth->hz)
		err = put(ctx, text);
	return err ? err : labels_put(common, put, ctx);
}

void pprof_comment_read(const char *text, struct truth *truth, struct common_labels *common)
{
	unsigned long long cnt;
	char reason[64];
	enum loss loss;
	u32 hz, cpus;
	STRBUF(why);

	if (!strncmp(text, "pyprof-bpf ", strlen("pyprof-bpf ")))
		truth->losses_unknown = false;
	else if (sscanf(text, "lost %63[a-z-] %llu", reason, &cnt) == 2 && !loss_find(reason, &loss) &&
		 loss_effect(loss) == LOSS_EFFECT_LOST)
		truth->lost[loss] = cnt;
	else if (!strncmp(text, LABEL_PREFIX, strlen(LABEL_PREFIX)))
		common_labels_add(common, text + strlen(LABEL_PREFIX), &why);
	else if (sscanf(text, "part of %llu samples", &cnt) == 1)
		truth->whole_samples = cnt;
	else if (sscanf(text, "sampled %u Hz, %u CPUs", &hz, &cpus) == 2) {
		truth->hz = hz;
		truth->cpus = cpus;
	}
}
