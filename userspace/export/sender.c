/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/sender.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/admin_right.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "export/delivery.h"
#include "export/http_header.h"
#include "export/pieces.h"
#include "export/spool.h"
#include "export/verdict.h"

#define DOUBTS_IN_ORDER 3 /* in a row; then others are tried too */
#define STUMBLES_MAX	30 /* between two of them another message was taken: 15 minutes with pauses of up to one */

struct sender {
	struct sender_options options;
	struct http_post *post;
	pthread_t thread;
	pthread_cond_t work;
	bool has_cond, has_thread;

	/* Under the lock. */
	bool stop, sending;
	bool asked; /* the server said when to come again */
	u64 next_ns;
	struct backoff backoff;
	u32 doubts; /* since a message was taken; DOUBTS_IN_ORDER at most */
	bool split_in_vain; /* likewise: no piece of one that was split was taken */
	struct sender_counts counts;

	struct delivery_news news; /* the thread's own */
};

static u64 chance(void)
{
	u64 bits;

	return getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits) ? bits : clock_monotonic_ns();
}

static struct timespec timespec_of(u64 ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static enum delivery_result result_of(enum verdict_kind kind)
{
	static const enum delivery_result results[] = {
		[VERDICT_TAKEN] = DELIVERY_TAKEN,     [VERDICT_LATER] = DELIVERY_LATER,
		[VERDICT_DOUBT] = DELIVERY_DOUBT,     [VERDICT_PERSON] = DELIVERY_PERSON,
		[VERDICT_REFUSED] = DELIVERY_REFUSED,
	};

	return results[kind];
}

static void delivery_fail(struct delivery *delivery, int cause, const char *what, int err)
{
	delivery->result = DELIVERY_LATER;
	delivery->cause = cause;
	strbuf_printf(&delivery->words, "%s: %s", what, strerror(-err));
}

static void judge(const struct sender *sender, const struct http_answer *answer, struct delivery *delivery)
{
	u64 (*rejected)(const void *, size_t, struct strbuf *) = sender->options.destination->kind->rejected;
	struct verdict verdict = verdict_of(answer);

	if (answer->end == HTTP_CANCELLED) {
		delivery->result = DELIVERY_CANCELLED;
		return;
	}
	delivery->result = result_of(verdict.kind);
	delivery->cause = answer->end == HTTP_ANSWERED ? (int)answer->status : CAUSE_CURL + answer->error;
	delivery->asked_ms = answer->retry_after_ms;
	if (delivery->result == DELIVERY_TAKEN) {
		if (rejected)
			delivery->rejected = rejected(answer->body, answer->size, &delivery->words);
		return;
	}
	verdict_put_words(answer, &delivery->words);
	if (verdict.advice[0])
		strbuf_printf(&delivery->words, ": %s", verdict.advice);
}

/* -errno: it says why in the delivery. */
static int token_get(struct sender *sender, struct delivery *delivery, char **ret)
{
	bool is_open;

	/* A password in the URL is this destination's own. */
	if (!sender->options.token_file || sender->options.destination->user)
		return 0;
	int err = http_token_read(sender->options.token_file, ret, &is_open);
	if (err == -EINVAL) {
		delivery->result = DELIVERY_LATER;
		delivery->cause = CAUSE_TOKEN;
		strbuf_put(&delivery->words, "there is no token in the file of --export-token-file");
	} else if (err) {
		delivery_fail(delivery, CAUSE_TOKEN, "the file of --export-token-file cannot be read", err);
	} else if (is_open) {
		delivery_say_open_token(&sender->news, sender->options.token_file);
	}
	return err;
}

/* Without the lock, as the next one. */
static void body_post(struct sender *sender, const void *body, size_t size, struct delivery *delivery)
{
	char *token = NULL;
	struct http_answer answer;

	if (token_get(sender, delivery, &token))
		return;
	int err = http_post_send(sender->post, body, size, token, &answer);
	http_token_free(token);
	if (err)
		delivery_fail(delivery, CAUSE_MEMORY, "no request could be made", err);
	else
		judge(sender, &answer, delivery);
}

/* The message is taken, so nobody else touches it. */
static void message_post(struct sender *sender, struct spool_message *message, struct delivery *delivery)
{
	int err = spool_load(sender->options.spool, message);

	if (err == -EBADMSG || err == -ENOENT) {
		delivery->result = DELIVERY_DAMAGED;
		return;
	}
	if (err) {
		delivery_fail(delivery, CAUSE_READ, "the spool's folder cannot be read", err);
		return;
	}
	body_post(sender, message->body, message->size, delivery);
}

static void wait_for_next(struct sender *sender, const struct delivery *delivery)
{
	u64 wait_ns;

	if (delivery->result == DELIVERY_PERSON && !delivery->asked_ms)
		wait_ns = backoff_long_ns(&sender->backoff, &sender->options.backoff, chance());
	else
		wait_ns = backoff_next_ns(&sender->backoff, &sender->options.backoff, delivery->asked_ms, chance());
	sender->asked = delivery->asked_ms;
	sender->next_ns = clock_monotonic_ns() + wait_ns;
}

/* With the lock, as what follows. It counts against the message if the server took others since it failed before. */
static enum delivery_result doubt(struct sender *sender, struct spool_message *message)
{
	bool took_others = message->sent_mark && message->sent_mark <= sender->counts.sent;

	message->sent_mark = sender->counts.sent + 1;
	if (sender->doubts < DOUBTS_IN_ORDER)
		sender->doubts++;
	if (!took_others)
		return DELIVERY_DOUBT;
	return ++message->stumbles < STUMBLES_MAX ? DELIVERY_STUMBLE : DELIVERY_REFUSED;
}

static void wait_in_doubt(struct sender *sender, struct spool_message *message, const struct delivery *delivery)
{
	u64 until_ns = 0;

	wait_for_next(sender, delivery);
	if (delivery->result == DELIVERY_STUMBLE) {
		struct backoff own = {.failures = message->stumbles - 1};
		until_ns = clock_monotonic_ns() + backoff_next_ns(&own, &sender->options.backoff, 0, chance());
	}
	if (sender->doubts >= DOUBTS_IN_ORDER || message->is_aside)
		spool_set_aside(sender->options.spool, message, until_ns);
	else
		spool_release(sender->options.spool, message);
}

static void count_taken(struct sender *sender, const struct delivery *delivery, size_t size)
{
	sender->counts.sent++;
	sender->counts.sent_bytes += size;
	sender->counts.rejected += delivery->rejected;
	sender->doubts = 0;
	sender->split_in_vain = false;
	backoff_reset(&sender->backoff);
}

/* Lets go of the lock meanwhile. */
static void say_delivery(struct sender *sender, const struct delivery *delivery)
{
	struct spool_counts counts;

	spool_counts(sender->options.spool, sender->options.index, &counts);
	pthread_mutex_unlock(sender->options.lock);
	delivery_say(&sender->news, delivery, &counts);
	pthread_mutex_lock(sender->options.lock);
}

/* False: what is not decided now waits in the spool, as a message of its own. */
static bool piece_deliver(struct sender *sender, const struct piece *piece)
{
	struct delivery delivery = {.words = {.at = (char *)""}};

	pthread_mutex_unlock(sender->options.lock);
	body_post(sender, piece->body, piece->size, &delivery);
	pthread_mutex_lock(sender->options.lock);
	bool is_decided = delivery.result == DELIVERY_TAKEN || delivery.result == DELIVERY_REFUSED;
	if (delivery.result == DELIVERY_TAKEN)
		count_taken(sender, &delivery, piece->size);
	else if (delivery.result == DELIVERY_REFUSED)
		sender->counts.refused++;
	else if (delivery.result != DELIVERY_CANCELLED)
		wait_for_next(sender, &delivery);
	say_delivery(sender, &delivery);
	strbuf_deinit(&delivery.words);
	return is_decided;
}

/*
 * True: each of its profiles has been sent by itself, or waits. For the rest of this the message is still taken, so
 * that it is not lost with the program. A server that takes none of the pieces refuses more than messages: no more are
 * split until it has taken something.
 */
static bool split_deliver(struct sender *sender, const struct spool_message *message)
{
	struct pieces pieces;
	u32 i = 0;

	if (sender->split_in_vain || !message->body ||
	    pieces_split(sender->options.destination->kind, message->body, message->size, &pieces) || !pieces.cnt)
		return false;
	sender->split_in_vain = true;
	while (i < pieces.cnt && piece_deliver(sender, &pieces.at[i]))
		i++;
	for (; i < pieces.cnt; i++)
		spool_put(sender->options.spool, sender->options.index, pieces.at[i].body, pieces.at[i].size);
	pieces_deinit(&pieces);
	return true;
}

/* After it the message may be gone. */
static void conclude(struct sender *sender, struct spool_message *message, struct delivery *delivery)
{
	struct spool *spool = sender->options.spool;

	if (delivery->result == DELIVERY_DOUBT)
		delivery->result = doubt(sender, message);
	switch (delivery->result) {
	case DELIVERY_TAKEN:
		count_taken(sender, delivery, message->size);
		spool_remove(spool, message);
		break;
	case DELIVERY_REFUSED:
		backoff_reset(&sender->backoff);
		if (split_deliver(sender, message))
			delivery->result = DELIVERY_SPLIT;
		else
			sender->counts.refused++;
		spool_remove(spool, message);
		break;
	case DELIVERY_DOUBT:
	case DELIVERY_STUMBLE:
		wait_in_doubt(sender, message, delivery);
		break;
	case DELIVERY_DAMAGED:
		spool_remove_damaged(spool, message);
		break;
	case DELIVERY_CANCELLED:
		spool_release(spool, message);
		break;
	default:
		wait_for_next(sender, delivery);
		spool_release(spool, message);
	}
}

/* Comes and goes with the lock. */
static void deliver(struct sender *sender, struct spool_message *message)
{
	struct delivery delivery = {.words = {.at = (char *)""}};

	sender->sending = true;
	if (message->attempts++)
		sender->counts.resent++;
	pthread_mutex_unlock(sender->options.lock);
	message_post(sender, message, &delivery);
	pthread_mutex_lock(sender->options.lock);
	conclude(sender, message, &delivery);
	say_delivery(sender, &delivery);
	strbuf_deinit(&delivery.words);
	sender->sending = false;
	pthread_cond_broadcast(sender->options.progress);
}

/* The profiler asks for the CPU sooner than others (priority.h). What waits for a network can wait for that, too. */
static void run_as_others(void)
{
	if (getpriority(PRIO_PROCESS, 0) < 0)
		setpriority(PRIO_PROCESS, 0, 0); /* on Linux: of this thread alone */
}

/* While the server takes messages, what is set aside has its turn; while it does not, one that was not tried yet. */
static struct spool_message *message_take(struct sender *sender)
{
	bool aside_first = !sender->doubts;
	u64 now = clock_monotonic_ns();
	struct spool_message *message = NULL;

	if (aside_first)
		message = spool_take_aside(sender->options.spool, sender->options.index, now);
	if (!message)
		message = spool_take(sender->options.spool, sender->options.index);
	if (!message && !aside_first)
		message = spool_take_aside(sender->options.spool, sender->options.index, now);
	return message;
}

/* When the next attempt begins; UINT64_MAX: there is nothing to send. */
static u64 due_ns(const struct sender *sender)
{
	u64 due = spool_due_ns(sender->options.spool, sender->options.index);

	return due > sender->next_ns ? due : sender->next_ns;
}

static void wait_until(struct sender *sender, u64 ns)
{
	struct timespec until = timespec_of(ns);

	if (ns == UINT64_MAX)
		pthread_cond_wait(&sender->work, sender->options.lock);
	else
		pthread_cond_timedwait(&sender->work, sender->options.lock, &until);
}

static void *sender_run(void *ctx)
{
	struct sender *sender = ctx;

	run_as_others();
	admin_right_give_back();

	pthread_mutex_lock(sender->options.lock);
	while (!sender->stop) {
		u64 due = due_ns(sender);
		struct spool_message *message = clock_monotonic_ns() < due ? NULL : message_take(sender);
		if (message)
			deliver(sender, message);
		else
			wait_until(sender, due);
	}
	pthread_mutex_unlock(sender->options.lock);
	return NULL;
}

void sender_wake(struct sender *sender)
{
	pthread_cond_signal(&sender->work);
}

void sender_hurry(struct sender *sender)
{
	if (!sender->asked)
		sender->next_ns = 0;
	spool_hurry(sender->options.spool, sender->options.index);
	pthread_cond_signal(&sender->work);
}

bool sender_is_idle(const struct sender *sender, u64 until_ns)
{
	return !sender->sending && due_ns(sender) > until_ns;
}

void sender_stop(struct sender *sender)
{
	sender->stop = true;
	http_post_cancel(sender->post);
	pthread_cond_signal(&sender->work);
}

void sender_counts(const struct sender *sender, struct sender_counts *ret)
{
	*ret = sender->counts;
}

static int cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	int err = pthread_condattr_init(&attributes);

	if (err)
		return -err;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	err = pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
	return -err;
}

/* Signals are for the thread that knows what they mean. */
static int thread_start(struct sender *sender)
{
	sigset_t all, before;
	char name[16];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&sender->thread, NULL, sender_run, sender);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	sender->has_thread = true;
	snprintf(name, sizeof(name), "to-%s", sender->options.destination->kind->name);
	pthread_setname_np(sender->thread, name);
	return 0;
}

int sender_new(const struct sender_options *options, struct sender **ret)
{
	_cleanup_(sender) struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		return -ENOMEM;
	sender->options = *options;
	sender->news = (struct delivery_news){.name = options->destination->name,
					      .quiet_ms = options->quiet_ms,
					      .on_message = options->on_message,
					      .ctx = options->ctx};
	int err = http_post_new(&options->post, &sender->post);
	if (!err)
		err = cond_init(&sender->work);
	if (err)
		return err;
	sender->has_cond = true;
	err = thread_start(sender);
	if (!err)
		*ret = take(sender);
	return err;
}

void sender_join(struct sender *sender)
{
	if (!sender->has_thread)
		return;
	pthread_mutex_lock(sender->options.lock);
	sender_stop(sender);
	pthread_mutex_unlock(sender->options.lock);
	pthread_join(sender->thread, NULL);
	sender->has_thread = false;
}

void sender_free(struct sender *sender)
{
	sender_join(sender);
	if (sender->has_cond)
		pthread_cond_destroy(&sender->work);
	if (sender->post)
		http_post_free(sender->post);
	free(sender);
}
