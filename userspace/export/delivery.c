/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/delivery.h"

#include "base/clock.h"
#include "export/spool.h"

#define SERVERS_WORDS_MAX 200

static void say(const struct delivery_news *news, bool is_error, const struct strbuf *line)
{
	if (news->on_message && !line->failed)
		news->on_message(news->ctx, is_error, line->at);
}

static bool is_quiet(const struct delivery_news *news, u64 said_ns, u64 now_ns)
{
	return said_ns && now_ns - said_ns < news->quiet_ms * NS_PER_MS;
}

static void say_trouble(struct delivery_news *news, const struct delivery *delivery, const struct spool_counts *counts)
{
	u64 now = clock_monotonic_ns();
	STRBUF(line);

	if (!news->in_trouble) {
		news->in_trouble = true;
		news->trouble_said = false;
		news->dropped = counts->dropped;
	} else if (news->trouble_said && news->trouble_cause == delivery->cause) {
		return;
	}
	if (is_quiet(news, news->trouble_said_ns, now))
		return;
	news->trouble_said = true;
	news->trouble_said_ns = now;
	news->trouble_cause = delivery->cause;
	strbuf_printf(&line, "cannot deliver to %s: %s; %llu waiting, trying again", news->name, delivery->words.at,
		      (unsigned long long)counts->waiting);
	say(news, true, &line);
}

static void say_end_of_trouble(struct delivery_news *news, const struct spool_counts *counts)
{
	STRBUF(line);

	news->in_trouble = false;
	if (!news->trouble_said)
		return;
	news->trouble_said = false;
	strbuf_printf(&line, "%s takes profiles again: %llu waiting, %llu dropped meanwhile", news->name,
		      (unsigned long long)counts->waiting, (unsigned long long)(counts->dropped - news->dropped));
	say(news, false, &line);
}

static void say_refused(struct delivery_news *news, const struct delivery *delivery)
{
	STRBUF(line);

	for (u32 i = 0; i < news->refused_cause_cnt; i++)
		if (news->refused_causes[i] == delivery->cause)
			return;
	if (news->refused_cause_cnt == REFUSED_CAUSES_MAX)
		return;
	news->refused_causes[news->refused_cause_cnt++] = delivery->cause;
	strbuf_printf(&line, "%s refused a message for good: %s; more of these are only counted", news->name,
		      delivery->words.at);
	say(news, true, &line);
}

static void say_rejected(struct delivery_news *news, const struct delivery *delivery)
{
	u64 now = clock_monotonic_ns();
	size_t size = delivery->words.size;
	STRBUF(line);

	if (is_quiet(news, news->rejected_said_ns, now))
		return;
	news->rejected_said_ns = now;
	strbuf_printf(&line, "%s took a message but for %llu of its profiles: ", news->name,
		      (unsigned long long)delivery->rejected);
	strbuf_put_clean(&line, delivery->words.at, size < SERVERS_WORDS_MAX ? size : SERVERS_WORDS_MAX);
	say(news, true, &line);
}

void delivery_say(struct delivery_news *news, const struct delivery *delivery, const struct spool_counts *counts)
{
	switch (delivery->result) {
	case DELIVERY_TAKEN:
		if (news->in_trouble)
			say_end_of_trouble(news, counts);
		if (delivery->rejected)
			say_rejected(news, delivery);
		break;
	case DELIVERY_REFUSED:
		say_refused(news, delivery);
		break;
	case DELIVERY_LATER:
	case DELIVERY_DOUBT:
	case DELIVERY_PERSON:
		say_trouble(news, delivery, counts);
		break;
	case DELIVERY_STUMBLE: /* the destination is well */
	case DELIVERY_SPLIT:
	case DELIVERY_DAMAGED: /* counted */
	case DELIVERY_CANCELLED:
		break;
	}
}

void delivery_say_open_token(struct delivery_news *news, const char *path)
{
	STRBUF(line);

	if (news->open_token_said)
		return;
	news->open_token_said = true;
	strbuf_printf(&line, "every user may read the token file %s (chmod o-r it)", path);
	say(news, false, &line);
}
