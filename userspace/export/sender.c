/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/sender.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "export/http_header.h"
#include "export/spool.h"
#include "export/verdict.h"

#define FEW_ATTEMPTS 5 /* of a message that the server stumbles over */
#define STATUSES_MAX 16 /* whose refusals are told apart in what is said */

/* What became of an attempt; made without the lock. */
enum result {
	RESULT_TAKEN,
	RESULT_LATER,
	RESULT_FEW,
	RESULT_PERSON,
	RESULT_REFUSED,
	RESULT_DAMAGED, /* its file was not what was written */
	RESULT_CANCELLED,
};

struct attempt {
	enum result result;
	int cause; /* tells one reason from another: a status, or beside them */
	u64 asked_ms;
	u64 rejected;
	struct strbuf words; /* of what is wrong, with what to do */
};

/* What is said of a destination that does not take what it is sent. */
struct trouble {
	bool is_on;
	bool said; /* so that its end is, too */
	int cause;
	u64 said_ns;
	u64 dropped; /* before it began */
};

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
	struct sender_counts counts;

	/* The thread's own. */
	struct trouble trouble;
	int refused_causes[STATUSES_MAX];
	u32 refused_cause_cnt;
	u64 rejected_said_ns;
	bool token_is_open_said;
};

/* A cause that is no status of HTTP. */
enum { CAUSE_TOKEN = 1000, CAUSE_READ, CAUSE_MEMORY, CAUSE_CURL };

static u64 chance(void)
{
	u64 bits;

	return getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits) ? bits : clock_monotonic_ns();
}

static struct timespec timespec_of(u64 ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static void say(struct sender *sender, bool is_error, const struct strbuf *line)
{
	if (sender->options.on_message && !line->failed)
		sender->options.on_message(sender->options.ctx, is_error, line->at);
}

static enum result result_of(enum verdict_kind kind)
{
	static const enum result results[] = {
		[VERDICT_TAKEN] = RESULT_TAKEN,	  [VERDICT_LATER] = RESULT_LATER,     [VERDICT_FEW] = RESULT_FEW,
		[VERDICT_PERSON] = RESULT_PERSON, [VERDICT_REFUSED] = RESULT_REFUSED,
	};

	return results[kind];
}

static void attempt_fail(struct attempt *attempt, int cause, const char *what, int err)
{
	attempt->result = RESULT_LATER;
	attempt->cause = cause;
	strbuf_printf(&attempt->words, "%s: %s", what, strerror(-err));
}

static void judge(const struct sender *sender, const struct http_answer *answer, struct attempt *attempt)
{
	u64 (*rejected)(const void *, size_t, struct strbuf *) = sender->options.destination->kind->rejected;
	struct verdict verdict = verdict_of(answer);

	if (answer->end == HTTP_CANCELLED) {
		attempt->result = RESULT_CANCELLED;
		return;
	}
	attempt->result = result_of(verdict.kind);
	attempt->cause = answer->end == HTTP_ANSWERED ? (int)answer->status : CAUSE_CURL + answer->error;
	attempt->asked_ms = answer->retry_after_ms;
	if (attempt->result == RESULT_TAKEN) {
		if (rejected)
			attempt->rejected = rejected(answer->body, answer->size, &attempt->words);
		return;
	}
	verdict_put_words(answer, &attempt->words);
	if (verdict.advice[0])
		strbuf_printf(&attempt->words, ": %s", verdict.advice);
}

static void warn_of_open_token(struct sender *sender)
{
	STRBUF(line);

	if (sender->token_is_open_said)
		return;
	sender->token_is_open_said = true;
	strbuf_printf(&line, "every user may read the token file %s (chmod o-r it)", sender->options.token_file);
	say(sender, false, &line);
}

/* -errno: it says why in the attempt. */
static int token_get(struct sender *sender, struct attempt *attempt, char **ret)
{
	bool is_open;

	/* A password in the URL is this destination's own. */
	if (!sender->options.token_file || sender->options.destination->user)
		return 0;
	int err = http_token_read(sender->options.token_file, ret, &is_open);
	if (err == -EINVAL) {
		attempt->result = RESULT_LATER;
		attempt->cause = CAUSE_TOKEN;
		strbuf_put(&attempt->words, "there is no token in the file of --export-token-file");
	} else if (err) {
		attempt_fail(attempt, CAUSE_TOKEN, "the file of --export-token-file cannot be read", err);
	} else if (is_open) {
		warn_of_open_token(sender);
	}
	return err;
}

/* Without the lock: the message is taken, so nobody else touches it. */
static void attempt_make(struct sender *sender, struct spool_message *message, struct attempt *attempt)
{
	char *token = NULL;
	struct http_answer answer;
	int err = spool_load(sender->options.spool, message);

	if (err == -EBADMSG || err == -ENOENT) {
		attempt->result = RESULT_DAMAGED;
		return;
	}
	if (err) {
		attempt_fail(attempt, CAUSE_READ, "the spool's folder cannot be read", err);
		return;
	}
	if (token_get(sender, attempt, &token))
		return;
	err = http_post_send(sender->post, message->body, message->size, token, &answer);
	http_token_free(token);
	if (err)
		attempt_fail(attempt, CAUSE_MEMORY, "no request could be made", err);
	else
		judge(sender, &answer, attempt);
}

static void wait_for_next(struct sender *sender, const struct attempt *attempt)
{
	u64 wait_ns;

	if (attempt->result == RESULT_PERSON && !attempt->asked_ms)
		wait_ns = backoff_long_ns(&sender->backoff, &sender->options.backoff, chance());
	else
		wait_ns = backoff_next_ns(&sender->backoff, &sender->options.backoff, attempt->asked_ms, chance());
	sender->asked = attempt->asked_ms;
	sender->next_ns = clock_monotonic_ns() + wait_ns;
}

/* With the lock. After it the message may be gone. */
static void conclude(struct sender *sender, struct spool_message *message, struct attempt *attempt)
{
	struct spool *spool = sender->options.spool;

	if (attempt->result == RESULT_FEW)
		attempt->result = message->attempts < FEW_ATTEMPTS ? RESULT_LATER : RESULT_REFUSED;
	switch (attempt->result) {
	case RESULT_TAKEN:
		sender->counts.sent++;
		sender->counts.sent_bytes += message->size;
		sender->counts.rejected += attempt->rejected;
		backoff_reset(&sender->backoff);
		spool_remove(spool, message);
		break;
	case RESULT_REFUSED:
		sender->counts.refused++;
		backoff_reset(&sender->backoff);
		spool_remove(spool, message);
		break;
	case RESULT_DAMAGED:
		spool_remove_damaged(spool, message);
		break;
	case RESULT_CANCELLED:
		spool_release(spool, message);
		break;
	default:
		wait_for_next(sender, attempt);
		spool_release(spool, message);
	}
}

static void say_trouble(struct sender *sender, const struct attempt *attempt, const struct spool_counts *counts)
{
	struct trouble *trouble = &sender->trouble;
	u64 now = clock_monotonic_ns();
	STRBUF(line);

	if (!trouble->is_on) {
		trouble->is_on = true;
		trouble->said = false;
		trouble->dropped = counts->dropped;
	} else if (trouble->said && trouble->cause == attempt->cause) {
		return;
	}
	if (trouble->said_ns && now - trouble->said_ns < sender->options.quiet_ms * NS_PER_MS)
		return;
	trouble->said = true;
	trouble->said_ns = now;
	trouble->cause = attempt->cause;
	strbuf_printf(&line, "%s does not take profiles: %s; %llu waiting, trying again",
		      sender->options.destination->name, attempt->words.at, (unsigned long long)counts->waiting);
	say(sender, true, &line);
}

static void say_end_of_trouble(struct sender *sender, const struct spool_counts *counts)
{
	struct trouble *trouble = &sender->trouble;
	STRBUF(line);

	trouble->is_on = false;
	if (!trouble->said)
		return;
	trouble->said = false;
	strbuf_printf(&line, "%s takes profiles again: %llu waiting, %llu dropped meanwhile",
		      sender->options.destination->name, (unsigned long long)counts->waiting,
		      (unsigned long long)(counts->dropped - trouble->dropped));
	say(sender, false, &line);
}

static void say_refused(struct sender *sender, const struct attempt *attempt)
{
	STRBUF(line);

	for (u32 i = 0; i < sender->refused_cause_cnt; i++)
		if (sender->refused_causes[i] == attempt->cause)
			return;
	if (sender->refused_cause_cnt == STATUSES_MAX)
		return;
	sender->refused_causes[sender->refused_cause_cnt++] = attempt->cause;
	strbuf_printf(&line, "%s refused a message for good: %s; more of these are only counted",
		      sender->options.destination->name, attempt->words.at);
	say(sender, true, &line);
}

static void say_rejected(struct sender *sender, const struct attempt *attempt)
{
	u64 now = clock_monotonic_ns();
	STRBUF(line);

	if (sender->rejected_said_ns && now - sender->rejected_said_ns < sender->options.quiet_ms * NS_PER_MS)
		return;
	sender->rejected_said_ns = now;
	strbuf_printf(&line, "%s took a message but for %llu of its profiles: ", sender->options.destination->name,
		      (unsigned long long)attempt->rejected);
	/* The server's words. */
	strbuf_put_clean(&line, attempt->words.at, attempt->words.size < 200 ? attempt->words.size : 200);
	say(sender, true, &line);
}

static void say_result(struct sender *sender, const struct attempt *attempt, const struct spool_counts *counts)
{
	if (attempt->result == RESULT_TAKEN) {
		if (sender->trouble.is_on)
			say_end_of_trouble(sender, counts);
		if (attempt->rejected)
			say_rejected(sender, attempt);
	} else if (attempt->result == RESULT_REFUSED) {
		say_refused(sender, attempt);
	} else if (attempt->result != RESULT_CANCELLED && attempt->result != RESULT_DAMAGED) {
		say_trouble(sender, attempt, counts);
	}
}

/* Comes and goes with the lock. */
static void deliver(struct sender *sender, struct spool_message *message)
{
	struct attempt attempt = {.words = {.at = (char *)""}};
	struct spool_counts counts;

	sender->sending = true;
	if (message->attempts++)
		sender->counts.resent++;
	pthread_mutex_unlock(sender->options.lock);
	attempt_make(sender, message, &attempt);
	pthread_mutex_lock(sender->options.lock);
	conclude(sender, message, &attempt);
	spool_counts(sender->options.spool, sender->options.index, &counts);
	pthread_mutex_unlock(sender->options.lock);
	say_result(sender, &attempt, &counts);
	strbuf_deinit(&attempt.words);
	pthread_mutex_lock(sender->options.lock);
	sender->sending = false;
	pthread_cond_broadcast(sender->options.progress);
}

static void *sender_run(void *ctx)
{
	struct sender *sender = ctx;

	pthread_mutex_lock(sender->options.lock);
	while (!sender->stop) {
		if (clock_monotonic_ns() < sender->next_ns) {
			struct timespec until = timespec_of(sender->next_ns);
			pthread_cond_timedwait(&sender->work, sender->options.lock, &until);
			continue;
		}
		struct spool_message *message = spool_take(sender->options.spool, sender->options.index);
		if (message)
			deliver(sender, message);
		else
			pthread_cond_wait(&sender->work, sender->options.lock);
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
	pthread_cond_signal(&sender->work);
}

bool sender_is_idle(const struct sender *sender, u64 until_ns)
{
	struct spool_counts counts;

	spool_counts(sender->options.spool, sender->options.index, &counts);
	return !sender->sending && (!counts.waiting || sender->next_ns > until_ns);
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
