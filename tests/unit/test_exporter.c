/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exporter against a server that answers as a script says (tests/e2e/receiver.py): what arrived there is the truth. */
#include "export/exporter.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "run_receiver.h"

#define SECONDS(n) ((n)*NS_PER_S)

static u64 rejected_read(const void *body, size_t size, struct strbuf *why)
{
	unsigned cnt = 0;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)body);
	sscanf(text, "rejected %u", &cnt);
	strbuf_put(why, "too old");
	return cnt;
}

/* A letter is a profile. */
static int split(const void *body, size_t size, int (*put_piece)(void *ctx, const void *body, size_t size), void *ctx)
{
	int err = 0;

	for (size_t i = 0; !err && size > 1 && i < size; i++)
		err = put_piece(ctx, (const char *)body + i, 1);
	return err;
}

static const struct destination_kind split_kind = {
	.name = "split", .path = "/in", .content_type = "application/x-split", .split = split};
static const struct destination_kind kind = {
	.name = "test", .path = "/in", .content_type = "application/x-test", .rejected = rejected_read};
static const struct destination_kind other_kind = {.name = "other", .path = "/in", .content_type = "application/x-o"};

/* Lines for people. */
struct heard {
	pthread_mutex_t lock;
	struct strbuf lines;
	unsigned errors, all;
};

#define HEARD(name) struct heard name = {.lock = PTHREAD_MUTEX_INITIALIZER, .lines = {.at = (char *)""}}

static void hear(void *ctx, bool is_error, const char *line)
{
	struct heard *heard = ctx;

	pthread_mutex_lock(&heard->lock);
	strbuf_printf(&heard->lines, "%s\n", line);
	heard->errors += is_error;
	heard->all++;
	pthread_mutex_unlock(&heard->lock);
}

/* Between attempts; for an answer there is all the time that a busy machine may need. */
static const struct exporter_times quick = {
	.connect_ms = 60000, .answer_ms = 60000, .first_ms = 20, .most_ms = 80, .asked_most_ms = 5000, .quiet_ms = 0};

static struct destination local(unsigned port, const char *scheme, const struct destination_kind *of_kind)
{
	char url[64];

	snprintf(url, sizeof(url), "%s://127.0.0.1:%u/in", scheme, port);
	return (struct destination){
		.kind = of_kind, .url = strdup(url), .name = strdup("the receiver"), .is_local = true};
}

static struct exporter *start(const struct exporter_options *options)
{
	struct exporter *exporter = NULL;
	const char *step = "";

	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	int err = exporter_new(options, &exporter, &step);
	cr_assert_eq(err, 0, "%s: %s", step, strerror(-err));
	return exporter;
}

static void put(struct exporter *exporter, size_t destination, const char *texts)
{
	for (; *texts; texts++)
		cr_assert_eq(exporter_put(exporter, destination, texts, 1), 0);
}

static struct exporter_counts counts_of(struct exporter *exporter)
{
	struct exporter_counts counts;

	exporter_counts(exporter, &counts);
	return counts;
}

static void wait_for_end(struct exporter *exporter)
{
	for (int i = 0; i < 6000 && counts_of(exporter).waiting; i++)
		usleep(10000);
	cr_assert_eq(counts_of(exporter).waiting, 0, "something waits for ever");
}

static void expect_seen(const struct receiver *receiver, const char *expected)
{
	char *seen = receiver_seen(receiver);

	cr_expect_str_eq(seen, expected, "%s instead of %s", seen, expected);
	free(seen);
}

static void put_letters(struct exporter *exporter, const char *texts)
{
	put(exporter, 0, texts);
}

/* Puts what there is, waits until none waits, and says what the receiver saw. */
static struct exporter_counts run_with(const struct destination_kind *of_kind, const struct exporter_times *times,
				       const char *script,
				       void (*put_all)(struct exporter *exporter, const char *texts), const char *texts,
				       const char *expected, struct heard *heard)
{
	struct receiver receiver;

	receiver_start(&receiver, script, 0, NULL);
	struct destination destination = local(receiver.port, "http", of_kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .times = times, .on_message = hear, .ctx = heard};
	struct exporter *exporter = start(&options);
	put_all(exporter, texts);
	wait_for_end(exporter);
	exporter_stop(exporter);
	struct exporter_counts counts = counts_of(exporter);
	exporter_free(exporter);
	receiver_stop(&receiver);
	expect_seen(&receiver, expected);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	return counts;
}

/* One message for each letter. */
static struct exporter_counts run(const char *script, const char *texts, const char *expected, struct heard *heard)
{
	return run_with(&kind, &quick, script, put_letters, texts, expected, heard);
}

/* One for each word, of as many profiles as it has letters. */
static void put_words(struct exporter *exporter, const char *texts)
{
	for (size_t size; *texts; texts += size + (texts[size] == ' ')) {
		size = strcspn(texts, " ");
		cr_assert_eq(exporter_put(exporter, 0, texts, size), 0);
	}
}

static struct exporter_counts run_split(const char *script, const char *texts, const char *expected,
					struct heard *heard)
{
	return run_with(&split_kind, &quick, script, put_words, texts, expected, heard);
}

Test(exporter, what_is_put_arrives_once_and_in_order)
{
	HEARD(heard);
	struct exporter_counts counts = run("200", "abc", "a:200 b:200 c:200", &heard);

	cr_expect_eq(counts.sent, 3);
	cr_expect_eq(counts.sent_bytes, 3);
	cr_expect_eq(counts.resent + counts.refused + counts.dropped + counts.rejected, 0);
	cr_expect_eq(heard.all, 0, "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, a_server_in_trouble_is_asked_again_and_both_ends_of_it_are_said_once)
{
	HEARD(heard);
	struct exporter_counts counts = run("200,503,502,200", "abc", "a:200 b:503 b:502 b:200 c:200", &heard);

	cr_expect_eq(counts.sent, 3);
	cr_expect_eq(counts.resent, 2);
	cr_expect_eq(counts.dropped, 0);
	cr_expect(strstr(heard.lines.at, "cannot deliver to the receiver: it answered 503 (so says the receiver)"),
		  "%s", heard.lines.at);
	cr_expect(strstr(heard.lines.at, "takes profiles again"), "%s", heard.lines.at);
	cr_expect_eq(heard.all, 3, "503, 502 and the end, not:\n%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, a_matter_is_said_once_in_a_while_and_its_end_only_if_it_was_said)
{
	struct exporter_times times = quick;
	struct receiver receiver;
	HEARD(heard);

	times.quiet_ms = 60000;
	receiver_start(&receiver, "503,200,502,200", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .times = &times, .on_message = hear, .ctx = &heard};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "ab");
	wait_for_end(exporter);
	exporter_free(exporter);
	receiver_stop(&receiver);
	expect_seen(&receiver, "a:503 a:200 b:502 b:200");
	cr_expect_eq(heard.all, 2, "%s", heard.lines.at);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	strbuf_deinit(&heard.lines);
}

struct asked {
	char script[32];
	u64 least_ms, most_ms;
};

ParameterizedTestParameters(exporter, waits_as_long_as_retry_after_says)
{
	static struct asked rows[] = {
		{"429/1,200", 1000, 60000}, /* seconds */
		{"503@2,200", 900, 60000}, /* a date, in whole seconds */
		/* Were they believed to be long times, they would be cut to ten minutes. */
		{"503/nonsense,200", 0, 60000},
		{"503/-7,200", 0, 60000},
		{"503/99999999999999999999,200", 0, 60000},
	};
	return cr_make_param_array(struct asked, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct asked *row, exporter, waits_as_long_as_retry_after_says)
{
	struct exporter_times times = quick;
	u64 begin = clock_monotonic_ns();
	char expected[64];
	HEARD(heard);

	times.asked_most_ms = 600000;
	snprintf(expected, sizeof(expected), "a:%.*s a:200", (int)strcspn(row->script, ","), row->script);
	cr_expect_eq(run_with(&kind, &times, row->script, put_letters, "a", expected, &heard).sent, 1);
	u64 took_ms = (clock_monotonic_ns() - begin) / NS_PER_MS;
	cr_expect_geq(took_ms, row->least_ms, "%llu ms", (unsigned long long)took_ms);
	cr_expect_leq(took_ms, row->most_ms, "%llu ms", (unsigned long long)took_ms);
	strbuf_deinit(&heard.lines);
}

Test(exporter, a_slow_answer_is_waited_for)
{
	HEARD(heard);

	cr_expect_eq(run("slow/0.2", "a", "a:slow/0.2", &heard).resent, 0);
	strbuf_deinit(&heard.lines);
}

Test(exporter, what_may_not_have_arrived_is_sent_again)
{
	HEARD(heard);
	struct exporter_counts counts = run("cut,cut-head,nonsense,200", "ab",
					    "a:cut a:cut-head a:nonsense a:200 b:200", &heard);

	cr_expect_eq(counts.sent, 2);
	cr_expect_eq(counts.resent, 3);
	strbuf_deinit(&heard.lines);
}

/* On a busy machine the second answer may come too late as well, and so on. */
Test(exporter, what_is_never_answered_is_sent_again)
{
	struct exporter_times times = quick;
	struct receiver receiver;

	times.answer_ms = 1000;
	receiver_start(&receiver, "never,200", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination, .destination_cnt = 1, .times = &times};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "a");
	wait_for_end(exporter);
	struct exporter_counts counts = counts_of(exporter);
	cr_expect_eq(counts.sent, 1);
	cr_expect_geq(counts.resent, 1);
	exporter_free(exporter);
	receiver_stop(&receiver);
	char *seen = receiver_seen(&receiver);
	cr_expect(!strncmp(seen, "a:never a:200", 13), "%s", seen);
	free(seen);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
}

Test(exporter, what_was_acknowledged_is_never_sent_again_whatever_follows)
{
	HEARD(heard);
	struct exporter_counts counts = run("cut-body,huge,continue,200", "abcd", "a:cut-body b:huge c:continue d:200",
					    &heard);

	cr_expect_eq(counts.sent, 4);
	cr_expect_eq(counts.resent, 0);
	cr_expect_eq(heard.all, 0, "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

/* The time for an answer ends this one: on a busy machine it may be over before its head came, but not each time. */
Test(exporter, what_was_acknowledged_by_an_answer_without_an_end_is_not_sent_again)
{
	u64 resent = 1;

	for (int tries = 0; tries < 8 && resent; tries++) {
		struct exporter_times times = quick;
		struct receiver receiver;

		times.answer_ms = 1500;
		receiver_start(&receiver, "endless,200", 0, NULL);
		struct destination destination = local(receiver.port, "http", &kind);
		struct exporter_options options = {.destinations = &destination, .destination_cnt = 1, .times = &times};
		struct exporter *exporter = start(&options);
		put(exporter, 0, "ab");
		wait_for_end(exporter);
		resent = counts_of(exporter).resent;
		cr_expect_eq(counts_of(exporter).sent, 2);
		exporter_free(exporter);
		receiver_deinit(&receiver);
		destination_deinit(&destination);
	}
	cr_expect_eq(resent, 0);
}

Test(exporter, what_is_refused_does_not_hold_up_the_rest_and_is_said_once_for_each_reason)
{
	HEARD(heard);
	struct exporter_counts counts = run("400,400,422,413,200", "abcde", "a:400 b:400 c:422 d:413 e:200", &heard);

	cr_expect_eq(counts.refused, 4);
	cr_expect_eq(counts.sent, 1);
	cr_expect_eq(heard.all, 3, "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, of_a_message_of_several_profiles_only_what_is_wrong_is_dropped)
{
	HEARD(heard);
	struct exporter_counts counts = run_split("400,200,422,200", "abc def", "abc:400 a:200 b:422 c:200 def:200",
						  &heard);

	cr_expect_eq(counts.sent, 3);
	cr_expect_eq(counts.refused, 1);
	cr_expect_eq(heard.all, 1, "%s", heard.lines.at);
	cr_expect(strstr(heard.lines.at, "it answered 422"), "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, pieces_that_are_not_taken_at_once_wait)
{
	HEARD(heard);
	struct exporter_counts counts = run_split("400,200,503,200", "abc de", "abc:400 a:200 b:503 de:200 b:200 c:200",
						  &heard);

	cr_expect_eq(counts.sent, 4);
	cr_expect_eq(counts.refused, 0);
	strbuf_deinit(&heard.lines);
}

Test(exporter, a_server_that_refuses_each_piece_is_spared_them_until_it_takes_something)
{
	HEARD(heard);
	struct exporter_counts counts = run_split("400,400,400,400,200,400,200", "ab cd e fg",
						  "ab:400 a:400 b:400 cd:400 e:200 fg:400 f:200 g:200", &heard);

	cr_expect_eq(counts.sent, 3);
	cr_expect_eq(counts.refused, 3, "a, b, and cd as a whole");
	strbuf_deinit(&heard.lines);
}

Test(exporter, what_the_server_may_be_at_fault_for_lets_others_go_first_after_a_while)
{
	HEARD(heard);
	struct exporter_counts counts = run("500,503,504,200", "abc", "a:500 a:503 a:504 b:200 a:200 c:200", &heard);

	cr_expect_eq(counts.sent, 3);
	cr_expect_eq(counts.refused, 0);
	strbuf_deinit(&heard.lines);
}

static const struct exporter_times quicker = {
	.connect_ms = 60000, .answer_ms = 60000, .first_ms = 2, .most_ms = 8, .asked_most_ms = 5000, .quiet_ms = 0};

Test(exporter, a_server_that_answers_500_to_everything_loses_nothing)
{
	enum { FAILURES = 200 }; /* more than 30 for each message */
	char script[FAILURES * 4 + 4] = "";
	struct receiver receiver;
	char seen[6] = "";

	for (int i = 0; i < FAILURES; i++)
		strcat(script, i % 3 ? "500," : "503,");
	strcat(script, "200");
	receiver_start(&receiver, script, 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination, .destination_cnt = 1, .times = &quicker};
	struct exporter *exporter = start(&options);
	/* Before, and while it goes on. */
	put(exporter, 0, "abc");
	receiver_read(&receiver, FAILURES / 2);
	put(exporter, 0, "de");
	wait_for_end(exporter);
	exporter_stop(exporter);
	struct exporter_counts counts = counts_of(exporter);
	cr_expect_eq(counts.sent, 5);
	cr_expect_eq(counts.refused + counts.dropped, 0);
	cr_expect_eq(counts.sent + counts.resent, FAILURES + 5);
	exporter_free(exporter);
	receiver_stop(&receiver);
	for (size_t i = FAILURES; i < FAILURES + 5; i++) {
		const char *text = json_string_value(json_object_get(json_array_get(receiver.requests, i), "text"));
		cr_assert(text && strlen(text) == 1);
		cr_expect_null(strchr(seen, *text), "%s was taken twice", text);
		strcat(seen, text);
	}
	receiver_deinit(&receiver);
	destination_deinit(&destination);
}

/* Attempts of this message between which, and the one before, another was taken. */
static unsigned stumbles_of(const struct receiver *receiver, const char *text)
{
	unsigned cnt = 0;
	bool took_others = false;
	size_t i;
	json_t *request;

	json_array_foreach(receiver->requests, i, request)
	{
		const char *is = json_string_value(json_object_get(request, "text"));
		cr_assert_not_null(is);
		if (!strcmp(is, text)) {
			cnt += took_others;
			took_others = false;
		} else if (*is == 'x') {
			took_others = i > 0; /* what comes first was not tried before */
		}
	}
	return cnt;
}

Test(exporter, a_message_that_the_server_always_stumbles_over_goes_and_the_others_arrive)
{
	static const char *const poison[] = {"--poison", "!", NULL};
	struct receiver receiver;
	unsigned put_cnt = 0;
	HEARD(heard);

	receiver_start(&receiver, "200", 0, poison);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .times = &quicker,
					   .on_message = hear,
					   .ctx = &heard};
	struct exporter *exporter = start(&options);
	/* Two in a row: the second must not pass for a proof that it is the server. */
	cr_assert_eq(exporter_put(exporter, 0, "!a", 2), 0);
	cr_assert_eq(exporter_put(exporter, 0, "!b", 2), 0);
	for (; counts_of(exporter).refused < 2 && put_cnt < 20000; put_cnt++) {
		put(exporter, 0, "x");
		usleep(3000);
	}
	wait_for_end(exporter);
	exporter_stop(exporter);
	struct exporter_counts counts = counts_of(exporter);
	cr_expect_eq(counts.refused, 2);
	cr_expect_eq(counts.sent, put_cnt);
	cr_expect_eq(counts.dropped, 0);
	cr_expect(strstr(heard.lines.at, "refused a message for good: it answered 500"), "%s", heard.lines.at);
	exporter_free(exporter);
	receiver_stop(&receiver);
	/* However often they were tried while there was nothing else to send. */
	cr_expect_eq(stumbles_of(&receiver, "!a"), 30);
	cr_expect_eq(stumbles_of(&receiver, "!b"), 30);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	strbuf_deinit(&heard.lines);
}

Test(exporter, what_no_others_were_taken_beside_is_never_refused)
{
	HEARD(heard);
	char script[40 * 4 + 4] = "", expected[40 * 6 + 8] = "";

	for (int i = 0; i < 40; i++) {
		strcat(script, "500,");
		strcat(expected, "a:500 ");
	}
	strcat(script, "200");
	strcat(expected, "a:200");
	cr_expect_eq(run(script, "a", expected, &heard).sent, 1);
	strbuf_deinit(&heard.lines);
}

Test(exporter, what_asks_to_be_tried_again_by_its_meaning_is)
{
	HEARD(heard);
	struct exporter_counts counts = run("408,409,423,425,429,499,200", "a",
					    "a:408 a:409 a:423 a:425 a:429 a:499 a:200", &heard);

	cr_expect_eq(counts.sent, 1);
	cr_expect_eq(counts.refused, 0);
	strbuf_deinit(&heard.lines);
}

Test(exporter, one_engines_token_does_not_go_to_another_that_has_a_password)
{
	static const char *const headers[] = {"authorization: Bearer of-the-first", "X-Scope-OrgID: team-a"};
	struct receiver receivers[2];
	struct destination destinations[2];

	for (size_t i = 0; i < 2; i++) {
		receiver_start(&receivers[i], "200", 0, NULL);
		destinations[i] = local(receivers[i].port, "http", i ? &other_kind : &kind);
	}
	destinations[1].user = strdup("user");
	destinations[1].password = strdup("pass:word");
	struct exporter_options options = {.destinations = destinations,
					   .destination_cnt = 2,
					   .headers = headers,
					   .header_cnt = 2,
					   .times = &quick};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "a");
	put(exporter, 1, "b");
	wait_for_end(exporter);
	exporter_free(exporter);
	for (size_t i = 0; i < 2; i++) {
		receiver_stop(&receivers[i]);
		cr_expect_str_eq(receiver_header(&receivers[i], 0, "X-Scope-OrgID"), "team-a");
		destination_deinit(&destinations[i]);
	}
	cr_expect_str_eq(receiver_header(&receivers[0], 0, "authorization"), "Bearer of-the-first");
	cr_expect_null(receiver_header(&receivers[1], 0, "authorization"));
	/* printf user:pass:word | base64 */
	cr_expect_str_eq(receiver_header(&receivers[1], 0, "Authorization"), "Basic dXNlcjpwYXNzOndvcmQ=");
	receiver_deinit(&receivers[0]);
	receiver_deinit(&receivers[1]);
}

Test(exporter, a_redirect_is_not_followed)
{
	HEARD(heard);
	struct exporter_counts counts = run("redirect,200", "a", "a:redirect a:200", &heard);

	cr_expect_eq(counts.sent, 1);
	cr_expect(strstr(heard.lines.at, "/elsewhere:"), "%s", heard.lines.at);
	cr_expect_not(strstr(heard.lines.at, "secret"), "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, parts_that_an_answer_says_were_not_taken_are_counted)
{
	HEARD(heard);
	struct exporter_counts counts = run("partial", "a", "a:partial", &heard);

	cr_expect_eq(counts.sent, 1);
	cr_expect_eq(counts.rejected, 3);
	cr_expect(strstr(heard.lines.at, "too old"), "%s", heard.lines.at);
	strbuf_deinit(&heard.lines);
}

Test(exporter, requests_carry_what_the_person_said)
{
	static const char *const headers[] = {"X-Scope-OrgID: team-a", "X-Empty:"};
	struct receiver receiver;

	receiver_start(&receiver, "200", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	destination.user = strdup("user");
	destination.password = strdup("pass:word");
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .headers = headers,
					   .header_cnt = 2,
					   .times = &quick};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "ab");
	wait_for_end(exporter);
	exporter_free(exporter);
	receiver_stop(&receiver);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_str_eq(receiver_header(&receiver, i, "Content-Type"), "application/x-test");
		cr_expect_str_eq(receiver_header(&receiver, i, "Content-Encoding"), "gzip");
		cr_expect_str_eq(receiver_header(&receiver, i, "X-Scope-OrgID"), "team-a");
		cr_expect_str_eq(receiver_header(&receiver, i, "X-Empty"), "");
		cr_expect_null(receiver_header(&receiver, i, "Expect"));
		/* printf user:pass:word | base64 */
		cr_expect_str_eq(receiver_header(&receiver, i, "Authorization"), "Basic dXNlcjpwYXNzOndvcmQ=");
	}
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(receiver.requests, 0), "path")), "/in");
	receiver_deinit(&receiver);
	destination_deinit(&destination);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(file_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

Test(exporter, a_token_that_is_renewed_is_taken_up_and_none_is_ever_said)
{
	static const char *const require[] = {"--require-token", "newer-secret", NULL};
	char path[] = "/tmp/pyprof-token-XXXXXX";
	struct receiver receiver;
	HEARD(heard);

	close(mkstemp(path));
	write_text(path, "older-secret\n");
	receiver_start(&receiver, "200", 0, require);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .token_file = path,
					   .times = &quick,
					   .on_message = hear,
					   .ctx = &heard};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "ab");
	receiver_read(&receiver, 2);
	write_text(path, " newer-secret \n");
	wait_for_end(exporter);
	cr_expect_eq(counts_of(exporter).sent, 2);
	exporter_free(exporter);
	cr_expect(strstr(heard.lines.at, "it answered 401"), "%s", heard.lines.at);
	cr_expect_not(strstr(heard.lines.at, "secret"), "%s", heard.lines.at);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	strbuf_deinit(&heard.lines);
	unlink(path);
}

Test(exporter, a_dead_destination_holds_up_no_other)
{
	struct receiver receiver;
	HEARD(heard);

	receiver_start(&receiver, "200", 0, NULL);
	struct destination destinations[] = {local(closed_port(), "http", &kind),
					     local(receiver.port, "http", &other_kind)};
	/* Room for about ten: the dead one's grow old, and go. */
	struct exporter_options options = {.destinations = destinations,
					   .destination_cnt = 2,
					   .memory_max = 1200,
					   .times = &quick,
					   .on_message = hear,
					   .ctx = &heard};
	struct exporter *exporter = start(&options);
	for (int i = 0; i < 40; i++) {
		put(exporter, 0, "x");
		put(exporter, 1, "y");
		/* A sender that has no time to send is another matter. */
		receiver_read(&receiver, i + 1);
	}
	struct exporter_counts dead, well;
	exporter_destination_counts(exporter, 0, &dead);
	exporter_destination_counts(exporter, 1, &well);
	cr_expect_eq(well.dropped, 0);
	cr_expect_gt(dead.dropped, 20);
	cr_expect_gt(dead.waiting, 5);
	cr_expect(strstr(heard.lines.at, "does it run, and is the port right?"), "%s", heard.lines.at);
	/* The receiver tells of a request before it answers. */
	for (int i = 0; i < 6000 && well.sent < 40; i++) {
		usleep(10000);
		exporter_destination_counts(exporter, 1, &well);
	}
	exporter_stop(exporter);
	exporter_destination_counts(exporter, 0, &dead);
	exporter_destination_counts(exporter, 1, &well);
	cr_expect_eq(well.sent, 40);
	cr_expect_eq(dead.dropped, 40);
	exporter_free(exporter);
	receiver_deinit(&receiver);
	destination_deinit(&destinations[0]);
	destination_deinit(&destinations[1]);
	strbuf_deinit(&heard.lines);
}

/* An attempt that failed is over when it is said. */
static void wait_for_line(struct heard *heard)
{
	unsigned all = 0;

	for (int i = 0; i < 6000 && !all; i++) {
		usleep(10000);
		pthread_mutex_lock(&heard->lock);
		all = heard->all;
		pthread_mutex_unlock(&heard->lock);
	}
	cr_assert_gt(all, 0, "nothing was said");
}

/* They come again in 7 minutes at the earliest (backoff.h), or when they are told to hurry. */
static const struct exporter_times slow = {
	.connect_ms = 60000, .answer_ms = 60000, .first_ms = 3600000, .most_ms = 3600000, .asked_most_ms = 5000};

Test(exporter, a_full_spool_keeps_the_newest_in_order)
{
	struct receiver receiver;
	HEARD(heard);

	receiver_start(&receiver, "503,200", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .memory_max = 500,
					   .times = &slow,
					   .on_message = hear,
					   .ctx = &heard};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "a");
	wait_for_line(&heard);
	put(exporter, 0, "bcdefghijklmnop");
	struct exporter_counts counts = counts_of(exporter);
	cr_expect_eq(counts.waiting + counts.dropped, 16);
	cr_expect_gt(counts.dropped, 5);
	exporter_flush(exporter, SECONDS(60), NULL, NULL);
	cr_expect_eq(counts_of(exporter).sent, counts.waiting);
	exporter_free(exporter);
	receiver_stop(&receiver);

	char expected[256] = "a:503";
	for (char c = 'p' - counts.waiting + 1; c <= 'p'; c++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), " %c:200", c);
	expect_seen(&receiver, expected);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	strbuf_deinit(&heard.lines);
}

static void remove_folder(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

static unsigned files_in(const char *path)
{
	unsigned cnt = 0;
	DIR *directory = opendir(path);

	cr_assert_not_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		cnt += strstr(entry->d_name, ".msg") != NULL;
	closedir(directory);
	return cnt;
}

Test(exporter, what_waits_at_the_end_is_delivered_by_the_next_run_first)
{
	char path[] = "/tmp/pyprof-spool-XXXXXX";
	struct receiver receiver;
	unsigned port = closed_port();
	struct destination destination = local(port, "http", &kind);

	cr_assert_not_null(mkdtemp(path));
	/* Two in memory, the others are on disk at once. */
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .spool_path = path,
					   .memory_max = 250,
					   .times = &quick};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "abcdef");
	exporter_stop(exporter);
	cr_expect_eq(counts_of(exporter).waiting, 6);
	cr_expect_eq(counts_of(exporter).dropped, 0);
	exporter_free(exporter);
	cr_expect_eq(files_in(path), 6);

	/* Another destination does not get what was meant for this one. */
	receiver_start(&receiver, "200", 0, NULL);
	struct destination other = local(receiver.port, "http", &kind);
	options.destinations = &other;
	exporter = start(&options);
	cr_expect_eq(counts_of(exporter).foreign, 6);
	put(exporter, 0, "z");
	wait_for_end(exporter);
	exporter_free(exporter);
	receiver_stop(&receiver);
	expect_seen(&receiver, "z:200");
	receiver_deinit(&receiver);
	cr_expect_eq(files_in(path), 6);

	receiver_start(&receiver, "200", port, NULL);
	options.destinations = &destination;
	exporter = start(&options);
	put(exporter, 0, "g");
	wait_for_end(exporter);
	cr_expect_eq(counts_of(exporter).sent, 7);
	exporter_free(exporter);
	receiver_stop(&receiver);
	expect_seen(&receiver, "a:200 b:200 c:200 d:200 e:200 f:200 g:200");
	receiver_deinit(&receiver);
	cr_expect_eq(files_in(path), 0);
	destination_deinit(&destination);
	destination_deinit(&other);
	remove_folder(path);
}

Test(exporter, two_runs_do_not_share_a_folder)
{
	char path[] = "/tmp/pyprof-spool-XXXXXX";
	struct destination destination = local(closed_port(), "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .spool_path = path, .times = &quick};
	struct exporter *second = NULL;
	const char *step = "";

	cr_assert_not_null(mkdtemp(path));
	struct exporter *exporter = start(&options);
	cr_expect_eq(exporter_new(&options, &second, &step), -EAGAIN);
	cr_expect(strstr(step, "another profiler"), "%s", step);
	exporter_free(exporter);
	exporter = start(&options);
	exporter_free(exporter);
	destination_deinit(&destination);
	remove_folder(path);
}

Test(exporter, the_end_does_not_wait_for_a_server_that_never_answers)
{
	struct exporter_times times = quick;
	struct receiver receiver;

	times.answer_ms = 30000;
	receiver_start(&receiver, "never", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {.destinations = &destination, .destination_cnt = 1, .times = &times};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "ab");
	receiver_read(&receiver, 1);
	u64 begin = clock_monotonic_ns();
	exporter_flush(exporter, NS_PER_S / 5, NULL, NULL);
	u64 flushed = clock_monotonic_ns();
	exporter_stop(exporter);
	u64 stopped = clock_monotonic_ns();
	cr_expect_geq(flushed - begin, NS_PER_S / 5);
	cr_expect_lt(stopped - begin, SECONDS(20), "it waited for the answer");
	cr_expect_eq(counts_of(exporter).dropped, 2, "there is no folder to keep it");
	exporter_free(exporter);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
}

static bool is_over_later(void *ctx)
{
	return clock_monotonic_ns() > *(u64 *)ctx;
}

Test(exporter, a_flush_has_all_on_disk_and_ends_when_somebody_has_enough_of_it)
{
	char path[] = "/tmp/pyprof-spool-XXXXXX";
	struct exporter_times times = quick;
	struct receiver receiver;

	cr_assert_not_null(mkdtemp(path));
	times.answer_ms = 30000;
	receiver_start(&receiver, "never", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .spool_path = path, .times = &times};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "ab");
	receiver_read(&receiver, 1);
	cr_expect_eq(files_in(path), 0);
	u64 begin = clock_monotonic_ns(), enough = begin + NS_PER_S / 5;
	exporter_flush(exporter, SECONDS(20), is_over_later, &enough);
	u64 took = clock_monotonic_ns() - begin;
	cr_expect(took >= NS_PER_S / 5 && took < SECONDS(15), "%.1f s", (double)took / NS_PER_S);
	/* Not stopped: as if it were killed now. */
	cr_expect_eq(files_in(path), 2);
	exporter_free(exporter);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	remove_folder(path);
}

Test(exporter, a_flush_tries_at_once_what_waits_to_be_tried_and_gives_up_when_that_is_in_vain)
{
	struct receiver receiver;
	HEARD(heard);

	receiver_start(&receiver, "503,200,503", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .times = &slow, .on_message = hear, .ctx = &heard};
	struct exporter *exporter = start(&options);
	put(exporter, 0, "a");
	wait_for_line(&heard);
	u64 begin = clock_monotonic_ns();
	exporter_flush(exporter, SECONDS(120), NULL, NULL);
	cr_expect_eq(counts_of(exporter).sent, 1);
	put(exporter, 0, "b");
	exporter_flush(exporter, SECONDS(120), NULL, NULL);
	cr_expect_eq(counts_of(exporter).waiting, 1);
	cr_expect_lt(clock_monotonic_ns() - begin, SECONDS(60));
	exporter_free(exporter);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
	strbuf_deinit(&heard.lines);
}

Test(exporter, no_signal_of_the_program_ends_in_a_sender)
{
	struct destination destination = local(closed_port(), "http", &kind);
	struct exporter_options options = {.destinations = &destination, .destination_cnt = 1, .times = &quick};
	struct timespec none = {0};
	struct exporter *exporter = start(&options);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cr_assert_eq(kill(getpid(), SIGUSR1), 0);
	usleep(50000);
	cr_expect_eq(sigtimedwait(&set, NULL, &none), SIGUSR1, "a sender took it: the program would be dead");
	exporter_free(exporter);
	destination_deinit(&destination);
}

static u64 resident_kb(void)
{
	char *text;
	size_t size;
	u64 kb = 0;

	cr_assert_eq(file_read("/proc/self/status", 65536, &text, &size), 0);
	sscanf(strstr(text, "VmRSS:"), "VmRSS: %llu", &kb);
	free(text);
	return kb;
}

Test(exporter, memory_stays_flat_for_a_thousand_windows_of_outage)
{
	enum { SIZE = 60000, WINDOWS = 1000, MEMORY_MAX = 1 << 20 };
	struct receiver receiver;
	u64 before = 0;

	receiver_start(&receiver, "503", 0, NULL);
	struct destination destination = local(receiver.port, "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .memory_max = MEMORY_MAX, .times = &quick};
	struct exporter *exporter = start(&options);
	/* What the sender itself needs it has by the time that it has sent something. */
	put(exporter, 0, "a");
	receiver_read(&receiver, 1);
	for (u32 i = 1; i < WINDOWS; i++) {
		u32 *body = malloc(SIZE);
		for (u32 at = 0; at < SIZE / sizeof(*body); at++)
			body[at] = (i * 2654435761u) ^ at;
		cr_assert_eq(exporter_put(exporter, 0, body, SIZE - i % 1000), 0);
		free(body);
		cr_assert_leq(counts_of(exporter).waiting_bytes, MEMORY_MAX + SIZE, "beside what is under way");
		if (i == 100)
			before = resident_kb();
		if (i % 10 == 0)
			usleep(1000);
	}
	struct exporter_counts counts = counts_of(exporter);
	cr_expect_eq(counts.waiting + counts.dropped, WINDOWS);
	cr_expect_gt(counts.waiting, 10);
#ifndef __SANITIZE_ADDRESS__ /* it keeps freed memory for a while */
	u64 after = resident_kb();
	/* Of the 900 windows since then not even a tenth was kept. */
	cr_expect_leq(after, before + 900 * SIZE / 10 / 1024, "%llu KiB became %llu", (unsigned long long)before,
		      (unsigned long long)after);
#else
	(void)before;
#endif
	exporter_free(exporter);
	receiver_deinit(&receiver);
	destination_deinit(&destination);
}

Test(exporter, what_no_spool_can_hold_is_dropped_and_no_failure)
{
	static const char body[4096];
	struct destination destination = local(closed_port(), "http", &kind);
	struct exporter_options options = {
		.destinations = &destination, .destination_cnt = 1, .memory_max = 1000, .times = &quick};
	struct exporter *exporter = start(&options);

	cr_expect_eq(exporter_put(exporter, 0, body, sizeof(body)), 0);
	cr_expect_eq(counts_of(exporter).dropped, 1);
	cr_expect_eq(exporter_put(exporter, 1, body, sizeof(body)), -EINVAL);
	exporter_free(exporter);
	destination_deinit(&destination);
}

Test(exporter, what_cannot_work_is_refused_at_once)
{
	static const char *const broken[] = {"X: a\r\nY: b"};
	static const char *const own[] = {"Authorization: Bearer x"};
	char token[] = "/tmp/pyprof-token-XXXXXX";
	struct destination destination = local(1, "http", &kind);
	struct exporter *exporter = NULL;
	const char *step = "";

	close(mkstemp(token));
	const struct {
		struct exporter_options options;
		const char *says;
	} rows[] = {
		{{.headers = broken, .header_cnt = 1}, "--export-header"},
		{{.headers = own, .header_cnt = 1, .token_file = "/dev/null"}, "Authorization"},
		{{.token_file = token}, "--export-token-file"},
		{{.token_file = "/dev/zero"}, "--export-token-file"},
		{{.token_file = "/nowhere"}, "--export-token-file"},
		{{.ca_file = "/nowhere"}, "--export-ca"},
		{{.spool_path = "/proc/self/nothing"}, "spool"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exporter_options options = rows[i].options;
		options.destinations = &destination;
		options.destination_cnt = 1;
		cr_expect_lt(exporter_new(&options, &exporter, &step), 0, "%zu", i);
		cr_expect(strstr(step, rows[i].says), "%zu: %s", i, step);
	}
	unlink(token);
	destination_deinit(&destination);
}
