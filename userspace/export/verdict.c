/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/verdict.h"

#include <curl/curl.h>
#include <string.h>

#include "base/strbuf.h"
#include "export/http_post.h"

#define WORDS_MAX 200 /* bytes of others' texts in a line */
#define WORDS_MIN 4 /* shorter ones are chance, in bytes that are no text */

/* The first row that fits counts. */
static const struct {
	unsigned first, last;
	struct verdict verdict;
} statuses[] = {
	{200, 299, {VERDICT_TAKEN, ""}},
	{300, 399, {VERDICT_PERSON, "redirects are not followed, so that no token goes astray: name the URL itself"}},
	{401, 401, {VERDICT_PERSON, "give a token or password that it knows (--export-token-file)"}},
	{403, 403, {VERDICT_PERSON, "this token or password may not write there"}},
	{404, 405, {VERDICT_PERSON, "is the path of the URL right, and profiles turned on there?"}},
	{407, 407, {VERDICT_PERSON, "the proxy wants a password: https_proxy=http://USER:PASSWORD@HOST"}},
	{408, 409, {VERDICT_DOUBT, ""}},
	{413, 413, {VERDICT_REFUSED, "raise its limit for the size of a request"}},
	{421, 421, {VERDICT_PERSON, "is the host of the URL right?"}},
	{423, 423, {VERDICT_DOUBT, ""}},
	{425, 425, {VERDICT_DOUBT, ""}},
	{429, 429, {VERDICT_LATER, "it limits how much it takes"}},
	{499, 499, {VERDICT_DOUBT, ""}},
	{400, 498, {VERDICT_REFUSED, ""}},
	{500, 599, {VERDICT_DOUBT, ""}},
};

static const struct {
	int error; /* CURLcode */
	struct verdict verdict;
} failures[] = {
	{CURLE_COULDNT_RESOLVE_HOST, {VERDICT_LATER, "is the name right?"}},
	{CURLE_COULDNT_RESOLVE_PROXY, {VERDICT_LATER, "is the proxy's name right (http_proxy, https_proxy)?"}},
	{CURLE_COULDNT_CONNECT, {VERDICT_LATER, "does it run, and is the port right?"}},
	{CURLE_OPERATION_TIMEDOUT, {VERDICT_LATER, ""}},
	{CURLE_PEER_FAILED_VERIFICATION,
	 {VERDICT_PERSON, "name the authority that signed its certificate (--export-ca), and the host as in there"}},
	{CURLE_SSL_CONNECT_ERROR, {VERDICT_PERSON, "does it speak TLS 1.2 or newer, on this port?"}},
	{CURLE_SSL_CACERT_BADFILE, {VERDICT_PERSON, "does the file of --export-ca hold certificates as PEM?"}},
	{CURLE_SSL_CERTPROBLEM, {VERDICT_PERSON, ""}},
	{CURLE_WEIRD_SERVER_REPLY, {VERDICT_PERSON, "does it speak HTTP on this port, or HTTPS?"}},
	{CURLE_UNSUPPORTED_PROTOCOL, {VERDICT_PERSON, "does it speak HTTP on this port, or HTTPS?"}},
};

struct verdict verdict_of(const struct http_answer *answer)
{
	if (answer->end == HTTP_ANSWERED) {
		for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
			if (answer->status >= statuses[i].first && answer->status <= statuses[i].last)
				return statuses[i].verdict;
		return (struct verdict){VERDICT_PERSON, "is this an HTTP server?"};
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (answer->error == failures[i].error)
			return failures[i].verdict;
	return (struct verdict){VERDICT_LATER, ""};
}

/*
 * An answer's body may be text, HTML, JSON or a protobuf message with a text in it: the longest run
 * of characters is what was meant for people.
 */
static void put_longest_text(const char *bytes, size_t size, struct strbuf *b)
{
	size_t best = 0, best_size = 0;

	for (size_t i = 0, start = 0; i <= size; i++) {
		if (i < size && (unsigned char)bytes[i] >= ' ' && bytes[i] != 0x7f)
			continue;
		if (i - start > best_size) {
			best = start;
			best_size = i - start;
		}
		start = i + 1;
	}
	if (best_size < WORDS_MIN)
		return;
	strbuf_put(b, " (");
	strbuf_put_clean(b, bytes + best, best_size < WORDS_MAX ? best_size : WORDS_MAX);
	strbuf_put(b, best_size < WORDS_MAX ? ")" : "...)");
}

/* Without the query: what servers put there may be a secret of theirs. */
static void put_location(const char *location, struct strbuf *b)
{
	size_t size = strcspn(location, "?#");

	strbuf_put(b, " to ");
	strbuf_put_clean(b, location, size < WORDS_MAX ? size : WORDS_MAX);
}

void verdict_put_words(const struct http_answer *answer, struct strbuf *b)
{
	if (answer->end != HTTP_ANSWERED) {
		strbuf_put_clean(b, answer->error_text, strnlen(answer->error_text, WORDS_MAX));
		return;
	}
	if (answer->location) {
		strbuf_printf(b, "it answered %u, a redirect", answer->status);
		put_location(answer->location, b);
		return;
	}
	strbuf_printf(b, "it answered %u", answer->status);
	put_longest_text(answer->body, answer->size, b);
}
