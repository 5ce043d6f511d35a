/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/http_post.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/strbuf.h"
#include "export/http_header.h"
#include "pyprof/version.h"

/* A line slower than this is none: four megabytes may take two minutes more than an answer. */
#define SLOWEST_BYTES_PER_MS 32
#define LOOK_MS		     1000 /* libcurl says itself when it has to be looked at sooner */
#define CA_CACHE_S	     600 /* a certificate authority's file that is renewed is read again */
#define KEEP_ALIVE_S	     60
#define CONNECTION_S	     600 /* then a new one: behind a balancer a kept one would stay with its server for ever */

struct http_post {
	CURLM *multi; /* of one transfer: what waits in it can be woken, what waits in a plain one cannot */
	CURL *easy;
	struct curl_slist *headers;
	u32 timeout_ms;
	atomic_bool cancelled;
	bool head_is_whole; /* of the answer proper: not of a "100 Continue" before it */
	struct strbuf answer;
	char error_text[CURL_ERROR_SIZE];
};

DEFINE_CLEANUP(header_list, struct curl_slist *, curl_slist_free_all)

static size_t on_head(char *line, size_t item_size, size_t cnt, void *ctx)
{
	struct http_post *post = ctx;
	size_t size = item_size * cnt;
	long status = 0;

	if (size <= 2 && (!size || line[0] == '\r' || line[0] == '\n'))
		post->head_is_whole = !curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status) && status >= 200;
	return size;
}

static size_t on_body(char *bytes, size_t item_size, size_t cnt, void *ctx)
{
	struct http_post *post = ctx;
	size_t size = item_size * cnt;

	/* Ends the transfer and the connection with it. The status is known by now. */
	if (size > HTTP_ANSWER_MAX - post->answer.size)
		return 0;
	strbuf_put_size(&post->answer, bytes, size);
	return size;
}

/* Programs that we start must not inherit a line on which they could speak for us. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int header_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = line ? curl_slist_append(*list, line) : NULL;

	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static int headers_build(const struct http_post_options *options, struct curl_slist **ret)
{
	_cleanup_(header_list) struct curl_slist *list = NULL;
	STRBUF(type);

	strbuf_printf(&type, "Content-Type: %s", options->content_type);
	/* Without Expect libcurl would wait a second for a "100 Continue" that many servers never send. */
	int err = header_add(&list, type.failed ? NULL : type.at);
	if (!err)
		err = header_add(&list, "Content-Encoding: gzip");
	if (!err)
		err = header_add(&list, "Expect:");
	for (size_t i = 0; !err && i < options->header_cnt; i++) {
		/* A password in the URL is this destination's own; what others are let in with is not for it. */
		if (options->user && http_header_is(options->headers[i], "Authorization"))
			continue;
		_cleanup_(free) char *line = http_header_line(options->headers[i]);
		err = header_add(&list, line);
	}
	if (!err)
		*ret = take(list);
	return err;
}

static CURLcode restrict_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* What libcurl was built without is an error, never a weaker setting. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, option, value))

static CURLcode setup_tls(CURL *easy, const struct http_post_options *options)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (options->ca_file) {
		SET(CURLOPT_CAINFO, options->ca_file);
		SET(CURLOPT_CAPATH, NULL); /* this one and no other */
	}
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
#endif
	return code;
}

static CURLcode setup(CURL *easy, const struct http_post_options *options, struct http_post *post)
{
	CURLcode code = restrict_protocols(easy);

	SET(CURLOPT_URL, options->url);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "pyprof-bpf/" PYPROF_VERSION);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	/* One message at a time: there is nothing that HTTP/2 would do better. */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* When time is up or we end it, a name server that does not answer is left alone: else its thread is waited for. */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, (long)KEEP_ALIVE_S);
	SET(CURLOPT_TCP_KEEPINTVL, (long)KEEP_ALIVE_S);
#if LIBCURL_VERSION_NUM >= 0x075000
	SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_S);
#endif
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the server's */
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_HEADERFUNCTION, on_head);
	SET(CURLOPT_HEADERDATA, post);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, post);
	SET(CURLOPT_ERRORBUFFER, post->error_text);
	SET(CURLOPT_POST, 1L);
	if (options->user) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, options->user);
		SET(CURLOPT_PASSWORD, options->password ? options->password : "");
	}
	return code ? code : setup_tls(easy, options);
}

int http_post_new(const struct http_post_options *options, struct http_post **ret)
{
	_cleanup_(http_post) struct http_post *post = calloc(1, sizeof(*post));

	if (!post)
		return -ENOMEM;
	post->answer = (struct strbuf){.at = (char *)""};
	post->timeout_ms = options->timeout_ms;
	post->multi = curl_multi_init();
	post->easy = curl_easy_init();
	if (!post->multi || !post->easy)
		return -ENOMEM;
	int err = headers_build(options, &post->headers);
	if (err)
		return err;
	CURLcode code = setup(post->easy, options, post);
	if (code)
		return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EOPNOTSUPP;
	*ret = take(post);
	return 0;
}

void http_post_free(struct http_post *post)
{
	curl_easy_cleanup(post->easy);
	curl_multi_cleanup(post->multi);
	curl_slist_free_all(post->headers);
	strbuf_deinit(&post->answer);
	free(post);
}

void http_post_cancel(struct http_post *post)
{
	atomic_store(&post->cancelled, true);
	curl_multi_wakeup(post->multi);
}

/* The list without its copy of the token: that is wiped. */
static void bearer_free(struct curl_slist *bearer)
{
	if (bearer) {
		explicit_bzero(bearer->data, strlen(bearer->data));
		bearer->next = NULL;
		curl_slist_free_all(bearer);
	}
}

DEFINE_CLEANUP(bearer, struct curl_slist *, bearer_free)

/* One item, before those that are the same each time. */
static int bearer_build(const char *token, struct curl_slist *rest, struct curl_slist **ret)
{
	STRBUF(line);

	strbuf_printf(&line, "Authorization: Bearer %s", token);
	struct curl_slist *bearer = line.failed ? NULL : curl_slist_append(NULL, line.at);
	explicit_bzero(line.at, line.size);
	if (!bearer)
		return -ENOMEM;
	bearer->next = rest;
	*ret = bearer;
	return 0;
}

/* CURLE_ABORTED_BY_CALLBACK: cancelled. */
static CURLcode transfer(struct http_post *post)
{
	for (;;) {
		int running = 0, left;

		if (atomic_load(&post->cancelled))
			return CURLE_ABORTED_BY_CALLBACK;
		if (curl_multi_perform(post->multi, &running))
			return CURLE_OUT_OF_MEMORY;
		CURLMsg *message = curl_multi_info_read(post->multi, &left);
		if (message && message->msg == CURLMSG_DONE)
			return message->data.result;
		if (!running)
			return CURLE_OUT_OF_MEMORY;
		if (curl_multi_poll(post->multi, NULL, 0, LOOK_MS, NULL))
			return CURLE_OUT_OF_MEMORY;
	}
}

static void answer_fill(struct http_post *post, CURLcode code, struct http_answer *ret)
{
	long status = 0;
	curl_off_t retry_after = 0;
	char *location = NULL;

	*ret = (struct http_answer){.error = code, .error_text = post->error_text};
	if (!post->error_text[0])
		ret->error_text = curl_easy_strerror(code);
	if (!post->head_is_whole) {
		ret->end = code == CURLE_ABORTED_BY_CALLBACK ? HTTP_CANCELLED : HTTP_FAILED;
		return;
	}
	/* With its head the answer is given, whatever becomes of the rest. */
	ret->end = HTTP_ANSWERED;
	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(post->easy, CURLINFO_REDIRECT_URL, &location);
	ret->status = status;
	ret->retry_after_ms = retry_after <= 0 ? 0 : retry_after < 86400 ? retry_after * 1000 : 86400000;
	ret->location = location;
	ret->body = post->answer.at;
	ret->size = post->answer.size;
}

int http_post_send(struct http_post *post, const void *body, size_t size, const char *token, struct http_answer *ret)
{
	_cleanup_(bearer) struct curl_slist *bearer = NULL;
	CURL *easy = post->easy;
	CURLcode code = CURLE_OK;
	int err = token ? bearer_build(token, post->headers, &bearer) : 0;

	if (err)
		return err;
	strbuf_clear(&post->answer);
	post->error_text[0] = 0;
	post->head_is_whole = false;
	SET(CURLOPT_HTTPHEADER, bearer ? bearer : post->headers);
	SET(CURLOPT_POSTFIELDS, body);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	SET(CURLOPT_TIMEOUT_MS, (long)(post->timeout_ms + size / SLOWEST_BYTES_PER_MS));
	if (code || curl_multi_add_handle(post->multi, easy))
		return -ENOMEM;
	code = transfer(post);
	answer_fill(post, code, ret);
	curl_multi_remove_handle(post->multi, easy);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
	return 0;
}
