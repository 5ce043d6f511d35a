/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/losses.h"

#include <errno.h>
#include <string.h>

static const struct {
	enum loss_effect effect;
	const char *reason, *sentence;
} losses[LOSS_CNT] = {
#define X(id, effect_, reason_, sentence_) [LOSS_##id] = {LOSS_EFFECT_##effect_, reason_, sentence_},
	FOR_EACH_LOSS(X)
#undef X
};

const char *loss_reason(enum loss loss)
{
	return losses[loss].reason;
}

const char *loss_sentence(enum loss loss)
{
	return losses[loss].sentence;
}

enum loss_effect loss_effect(enum loss loss)
{
	return losses[loss].effect;
}

int loss_find(const char *reason, enum loss *ret)
{
	for (int i = 0; i < LOSS_CNT; i++) {
		if (!strcmp(losses[i].reason, reason)) {
			*ret = (enum loss)i;
			return 0;
		}
	}
	return -ENOENT;
}
