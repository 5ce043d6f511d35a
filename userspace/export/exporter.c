/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/exporter.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "export/http_header.h"
#include "export/sender.h"
#include "export/spool.h"
#include "export/spool_record.h"

#define FLUSH_LOOK_NS (NS_PER_S / 10) /* how often is asked whether somebody has enough of waiting */

static const struct exporter_times default_times = {
	.connect_ms = 10000,
	.answer_ms = 30000,
	.first_ms = 1000,
	.most_ms = 60000,
	.asked_most_ms = 600000,
	.quiet_ms = 60000,
};

struct row {
	struct sender *sender; /* NULL: stopped, or not begun */
	struct sender_counts last; /* of when it was stopped */
};

struct exporter {
	pthread_mutex_t lock; /* of the spool, and where senders' functions ask for it */
	pthread_cond_t progress;
	struct spool *spool;
	bool stopped;
	bool disk_error_said;
	void (*on_message)(void *ctx, bool is_error, const char *line);
	void *ctx;
	size_t row_cnt;
	struct row rows[];
};

static void say(const struct exporter *exporter, bool is_error, const struct strbuf *line)
{
	if (exporter->on_message && !line->failed)
		exporter->on_message(exporter->ctx, is_error, line->at);
}

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* What is wrong with the options shows now, not when the first window is lost. */
static int options_check(const struct exporter_options *options, const char **ret_step)
{
	bool is_open;
	char *token;
	STRBUF(error);

	*ret_step = "there are too many headers (--export-header)";
	if (options->header_cnt > HTTP_HEADERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < options->header_cnt; i++) {
		*ret_step = "this is no header of HTTP (--export-header)";
		if (http_header_check(options->headers[i], &error))
			return -EINVAL;
		*ret_step = "a header Authorization and a token file are one too many: give one of them";
		if (options->token_file && http_header_is(options->headers[i], "Authorization"))
			return -EINVAL;
	}
	*ret_step = "the file of --export-ca cannot be read";
	if (options->ca_file && access(options->ca_file, R_OK))
		return -errno;
	*ret_step = "no token can be read from the file of --export-token-file";
	if (options->token_file) {
		int err = http_token_read(options->token_file, &token, &is_open);
		if (err)
			return err;
		http_token_free(token);
	}
	return 0;
}

static int exporter_alloc(const struct exporter_options *options, struct exporter **ret)
{
	size_t cnt = options->destination_cnt;
	struct exporter *exporter = calloc(1, sizeof(*exporter) + cnt * sizeof(exporter->rows[0]));
	pthread_condattr_t attributes;

	if (!exporter)
		return -ENOMEM;
	/* None of these fails on Linux but for a clock that does not exist. */
	pthread_mutex_init(&exporter->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&exporter->progress, &attributes);
	pthread_condattr_destroy(&attributes);
	exporter->on_message = options->on_message;
	exporter->ctx = options->ctx;
	exporter->row_cnt = cnt;
	*ret = exporter;
	return 0;
}

static int open_spool(struct exporter *exporter, const struct exporter_options *options, const char **ret_step)
{
	_cleanup_(free) u64 *ids = calloc(options->destination_cnt + 1, sizeof(*ids));

	*ret_step = "the spool could not be made";
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < options->destination_cnt; i++)
		ids[i] = spool_destination(options->destinations[i].kind->name, options->destinations[i].url);
	const struct spool_options spool_options = {
		.path = options->spool_path,
		.memory_max = options->memory_max ? options->memory_max : EXPORTER_MEMORY_MAX,
		.disk_max = options->disk_max ? options->disk_max : EXPORTER_DISK_MAX,
		.destinations = ids,
		.destination_cnt = options->destination_cnt,
	};
	return spool_new(&spool_options, &exporter->spool, ret_step);
}

static int start_sender(struct exporter *exporter, const struct exporter_options *options, size_t i)
{
	const struct exporter_times *times = options->times ? options->times : &default_times;
	const struct destination *destination = &options->destinations[i];
	const struct sender_options sender_options = {
		.destination = destination,
		.index = i,
		.spool = exporter->spool,
		.lock = &exporter->lock,
		.progress = &exporter->progress,
		.post = {.url = destination->url,
			 .user = destination->user,
			 .password = destination->password,
			 .ca_file = options->ca_file,
			 .content_type = destination->kind->content_type,
			 .headers = options->headers,
			 .header_cnt = options->header_cnt,
			 .connect_timeout_ms = times->connect_ms,
			 .timeout_ms = times->answer_ms},
		.token_file = options->token_file,
		.backoff = {times->first_ms, times->most_ms, times->asked_most_ms},
		.quiet_ms = times->quiet_ms,
		.on_message = options->on_message,
		.ctx = options->ctx,
	};
	return sender_new(&sender_options, &exporter->rows[i].sender);
}

static bool has_secret(const struct exporter_options *options, const struct destination *destination)
{
	for (size_t i = 0; i < options->header_cnt; i++)
		if (http_header_is(options->headers[i], "Authorization"))
			return true;
	return destination->user || options->token_file;
}

static void warn_of_plain_secrets(const struct exporter *exporter, const struct exporter_options *options)
{
	for (size_t i = 0; i < options->destination_cnt; i++) {
		const struct destination *destination = &options->destinations[i];
		STRBUF(line);

		if (!destination->is_plain || destination->is_local || !has_secret(options, destination))
			continue;
		strbuf_printf(&line,
			      "%s gets its password or token over plain http, readable for all on the way: use https",
			      destination->name);
		say(exporter, false, &line);
	}
}

static void say_what_was_found(struct exporter *exporter)
{
	struct exporter_counts counts;
	STRBUF(line);

	exporter_counts(exporter, &counts);
	if (counts.foreign)
		strbuf_printf(
			&line,
			"%llu messages in the spool's folder are for destinations that are not given now: they stay",
			(unsigned long long)counts.foreign);
	if (counts.damaged)
		strbuf_printf(&line, "%s%llu files in the spool's folder were damaged: removed", line.size ? "; " : "",
			      (unsigned long long)counts.damaged);
	if (counts.dropped)
		strbuf_printf(&line, "%s%llu messages in the spool's folder were more than fits now: dropped",
			      line.size ? "; " : "", (unsigned long long)counts.dropped);
	if (line.size)
		say(exporter, false, &line);
}

int exporter_new(const struct exporter_options *options, struct exporter **ret, const char **ret_step)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(exporter) struct exporter *exporter = NULL;

	pthread_once(&once, curl_begin);
	int err = options_check(options, ret_step);
	if (err)
		return err;
	*ret_step = "the export could not be started";
	err = exporter_alloc(options, &exporter);
	if (!err)
		err = open_spool(exporter, options, ret_step);
	if (err)
		return err;
	warn_of_plain_secrets(exporter, options);
	say_what_was_found(exporter);
	*ret_step = "no thread could be started that sends";
	for (size_t i = 0; !err && i < options->destination_cnt; i++)
		err = start_sender(exporter, options, i);
	if (!err)
		*ret = take(exporter);
	return err;
}

/* With the lock. The first time that the disk fails, until it works again: why; else 0. */
static int disk_error_new(struct exporter *exporter)
{
	bool was_said = exporter->disk_error_said;
	int err = spool_disk_error(exporter->spool);

	exporter->disk_error_said = err;
	return was_said ? 0 : err;
}

/* Without the lock. */
static void say_disk_error(struct exporter *exporter, int disk_error)
{
	STRBUF(line);

	if (!disk_error)
		return;
	strbuf_printf(&line, "the spool's folder cannot be written: %s; what waits stays in memory alone",
		      strerror(-disk_error));
	say(exporter, true, &line);
}

int exporter_put(struct exporter *exporter, size_t destination, const void *body, size_t size)
{
	if (destination >= exporter->row_cnt)
		return -EINVAL;
	pthread_mutex_lock(&exporter->lock);
	int err = spool_put(exporter->spool, destination, body, size);
	int disk_error = disk_error_new(exporter);
	if (exporter->rows[destination].sender)
		sender_wake(exporter->rows[destination].sender);
	pthread_mutex_unlock(&exporter->lock);

	say_disk_error(exporter, disk_error);
	/* That it was dropped for want of room is counted, and no failure of who profiles. */
	return err == -EFBIG ? 0 : err;
}

/* With the lock. */
static void add_counts(struct exporter *exporter, size_t i, struct exporter_counts *ret)
{
	struct spool_counts waiting;
	struct sender_counts sent = exporter->rows[i].last;

	if (exporter->rows[i].sender)
		sender_counts(exporter->rows[i].sender, &sent);
	spool_counts(exporter->spool, i, &waiting);
	ret->sent += sent.sent;
	ret->sent_bytes += sent.sent_bytes;
	ret->resent += sent.resent;
	ret->refused += sent.refused;
	ret->rejected += sent.rejected;
	ret->dropped += waiting.dropped;
	ret->damaged += waiting.damaged;
	ret->waiting += waiting.waiting;
	ret->waiting_bytes += waiting.waiting_bytes;
}

void exporter_destination_counts(struct exporter *exporter, size_t destination, struct exporter_counts *ret)
{
	*ret = (struct exporter_counts){0};
	pthread_mutex_lock(&exporter->lock);
	add_counts(exporter, destination, ret);
	pthread_mutex_unlock(&exporter->lock);
}

void exporter_counts(struct exporter *exporter, struct exporter_counts *ret)
{
	struct spool_counts foreign;

	*ret = (struct exporter_counts){0};
	pthread_mutex_lock(&exporter->lock);
	for (size_t i = 0; i < exporter->row_cnt; i++)
		add_counts(exporter, i, ret);
	spool_counts(exporter->spool, exporter->row_cnt, &foreign);
	pthread_mutex_unlock(&exporter->lock);
	ret->foreign = foreign.waiting;
	ret->dropped += foreign.dropped;
	ret->damaged += foreign.damaged;
}

/* With the lock. */
static bool all_idle(const struct exporter *exporter, u64 until_ns)
{
	for (size_t i = 0; i < exporter->row_cnt; i++)
		if (!sender_is_idle(exporter->rows[i].sender, until_ns))
			return false;
	return true;
}

/* With the lock, which it leaves for that time. */
static void wait_for_progress(struct exporter *exporter, u64 until_ns)
{
	const struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};

	pthread_cond_timedwait(&exporter->progress, &exporter->lock, &until);
}

void exporter_flush(struct exporter *exporter, u64 timeout_ns, bool (*is_over)(void *ctx), void *ctx)
{
	u64 now = clock_monotonic_ns(), until_ns = now + timeout_ns;
	bool over = false;

	if (exporter->stopped)
		return;
	pthread_mutex_lock(&exporter->lock);
	spool_save(exporter->spool);
	int disk_error = disk_error_new(exporter);
	for (size_t i = 0; i < exporter->row_cnt; i++)
		sender_hurry(exporter->rows[i].sender);
	for (; !over && now < until_ns && !all_idle(exporter, until_ns); now = clock_monotonic_ns()) {
		wait_for_progress(exporter, now + FLUSH_LOOK_NS < until_ns ? now + FLUSH_LOOK_NS : until_ns);
		pthread_mutex_unlock(&exporter->lock);
		over = is_over && is_over(ctx);
		pthread_mutex_lock(&exporter->lock);
	}
	pthread_mutex_unlock(&exporter->lock);
	say_disk_error(exporter, disk_error);
}

void exporter_stop(struct exporter *exporter)
{
	/* All at once, and only then wait for each. */
	pthread_mutex_lock(&exporter->lock);
	exporter->stopped = true;
	for (size_t i = 0; i < exporter->row_cnt; i++)
		if (exporter->rows[i].sender)
			sender_stop(exporter->rows[i].sender);
	pthread_mutex_unlock(&exporter->lock);
	for (size_t i = 0; i < exporter->row_cnt; i++) {
		struct sender *sender = exporter->rows[i].sender;
		if (!sender)
			continue;
		sender_join(sender);
		pthread_mutex_lock(&exporter->lock);
		sender_counts(sender, &exporter->rows[i].last);
		exporter->rows[i].sender = NULL;
		pthread_mutex_unlock(&exporter->lock);
		sender_free(sender);
	}
	pthread_mutex_lock(&exporter->lock);
	spool_keep(exporter->spool);
	pthread_mutex_unlock(&exporter->lock);
}

void exporter_free(struct exporter *exporter)
{
	if (exporter->spool) {
		exporter_stop(exporter);
		spool_free(exporter->spool);
	}
	pthread_cond_destroy(&exporter->progress);
	pthread_mutex_destroy(&exporter->lock);
	free(exporter);
}
