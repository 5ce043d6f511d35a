/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/destination.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define TEXT_MAX 8192 /* bytes of one --export */

const struct destination_kind *const destination_kinds[] = {&otlp_kind, &pyroscope_kind, NULL};

DEFINE_CLEANUP(url, CURLU *, curl_url_cleanup)

static void curl_text_cleanup_(char **text)
{
	curl_free(*text);
}

static const struct destination_kind *kind_find(const char *text, size_t size)
{
	for (size_t i = 0; destination_kinds[i]; i++)
		if (strlen(destination_kinds[i]->name) == size && !memcmp(destination_kinds[i]->name, text, size))
			return destination_kinds[i];
	return NULL;
}

static int refuse_kind(struct strbuf *error)
{
	strbuf_put(error, "write KIND=URL, where KIND is ");
	for (size_t i = 0; destination_kinds[i]; i++)
		strbuf_printf(error, "%s%s",
			      !i			 ? ""
			      : destination_kinds[i + 1] ? ", "
							 : " or ",
			      destination_kinds[i]->name);
	strbuf_printf(error, ", for example %s=https://collector.example:4318", destination_kinds[0]->name);
	return -EINVAL;
}

/* The text itself is not repeated: it may have a password in it. */
static int refuse_url(struct strbuf *error, const struct destination_kind *kind, const char *why)
{
	strbuf_printf(error, "%s: write %s=https://HOST:PORT, or http://", why, kind->name);
	return -EINVAL;
}

/* Blanks and control characters would be passed on as they are. */
static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

/* As our own string: what libcurl gives is freed by it. -ENODATA: it has no user, or password; -EBADMSG: it cannot be decoded. */
static int url_get(CURLU *url, CURLUPart part, unsigned flags, char **ret)
{
	__attribute__((cleanup(curl_text_cleanup_))) char *text = NULL;
	CURLUcode code = curl_url_get(url, part, &text, flags);

	if (code == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (code)
		return code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD ? -ENODATA : -EBADMSG;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* Its user and password, which leave the URL. Control characters in them libcurl does not decode, and RFC 7617 forbids. */
static int take_credentials(CURLU *url, struct destination *destination)
{
	int err = url_get(url, CURLUPART_USER, CURLU_URLDECODE, &destination->user);

	if (!err || err == -ENODATA)
		err = url_get(url, CURLUPART_PASSWORD, CURLU_URLDECODE, &destination->password);
	if (err && err != -ENODATA)
		return err;
	if (curl_url_set(url, CURLUPART_USER, NULL, 0) || curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) ||
	    curl_url_set(url, CURLUPART_OPTIONS, NULL, 0) || curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0))
		return -ENOMEM;
	return 0;
}

static int complete_path(CURLU *url, const struct destination_kind *kind)
{
	_cleanup_(free) char *path = NULL;
	int err = url_get(url, CURLUPART_PATH, 0, &path);

	if (err == -ENOMEM)
		return err;
	if (!err && strcmp(path, "/"))
		return 0;
	return curl_url_set(url, CURLUPART_PATH, kind->path, 0) ? -ENOMEM : 0;
}

static bool is_loopback(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
	return !strcmp(host, "localhost") || !strcmp(host, "[::1]");
}

static int describe(CURLU *url, struct destination *destination)
{
	_cleanup_(free) char *scheme = NULL, *host = NULL, *port = NULL;
	STRBUF(name);
	int err = url_get(url, CURLUPART_SCHEME, 0, &scheme);

	if (!err)
		err = url_get(url, CURLUPART_HOST, 0, &host);
	if (!err)
		err = url_get(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port);
	if (!err)
		err = url_get(url, CURLUPART_URL, CURLU_NO_DEFAULT_PORT, &destination->url);
	if (err)
		return err;
	destination->is_plain = !strcmp(scheme, "http");
	destination->is_local = is_loopback(host);
	strbuf_printf(&name, "%s at ", destination->kind->name);
	strbuf_put_clean(&name, host, strlen(host));
	strbuf_printf(&name, ":%s", port);
	destination->name = strbuf_take(&name);
	return destination->name ? 0 : -ENOMEM;
}

static int parse_url(const char *text, struct destination *destination, struct strbuf *error)
{
	_cleanup_(url) CURLU *url = curl_url();
	_cleanup_(free) char *scheme = NULL;

	if (!url)
		return -ENOMEM;
	if (!strstr(text, "://"))
		return refuse_url(error, destination->kind, "the URL has no http:// or https:// in front");
	if (!is_clean(text))
		return refuse_url(error, destination->kind, "the URL has a blank or a control character in it");
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
	if (code == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (code)
		return refuse_url(error, destination->kind, "this is no URL");
	int err = url_get(url, CURLUPART_SCHEME, 0, &scheme);
	if (err)
		return err;
	if (strcmp(scheme, "http") && strcmp(scheme, "https"))
		return refuse_url(error, destination->kind, "profiles go over HTTP or HTTPS alone");
	err = take_credentials(url, destination);
	if (err == -EBADMSG)
		return refuse_url(
			error, destination->kind,
			"the user or password has a control character in it (%00 to %1F), which HTTP forbids");
	if (!err)
		err = complete_path(url, destination->kind);
	return err ? err : describe(url, destination);
}

int destination_parse(const char *text, struct destination *ret, struct strbuf *error)
{
	struct destination destination = {0};
	const char *equals = strchr(text, '=');

	destination.kind = equals ? kind_find(text, equals - text) : NULL;
	if (!destination.kind)
		return refuse_kind(error);
	if (strlen(text) > TEXT_MAX)
		return refuse_url(error, destination.kind, "the URL is too long");
	int err = parse_url(equals + 1, &destination, error);
	if (err)
		destination_deinit(&destination);
	else
		*ret = destination;
	return err;
}

bool destination_is_same(const struct destination *a, const struct destination *b)
{
	return a->kind == b->kind && !strcmp(a->url, b->url);
}

void destination_deinit(struct destination *destination)
{
	if (destination->password)
		explicit_bzero(destination->password, strlen(destination->password));
	free(destination->url);
	free(destination->user);
	free(destination->password);
	free(destination->name);
	*destination = (struct destination){0};
}
