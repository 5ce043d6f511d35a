/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/http_header.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

#define TOKEN_SIZE_MAX 16384

/* What says how the body is to be read is ours to say; the rest would be a second request hidden in the first. */
static const char *const own_headers[] = {"Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding",
					  "Connection",	  "Expect",	      "Upgrade",	"TE",
					  "Trailer",	  "Proxy-Connection"};

/* RFC 9110, 5.6.2: what a name may have. */
static size_t name_size(const char *text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	size_t size = 0;

	while (text[size] && (isalnum((unsigned char)text[size]) || strchr(marks, text[size])))
		size++;
	return size;
}

static bool is_value(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' ? *text != '\t' : *text == 0x7f)
			return false;
	return true;
}

bool http_header_is(const char *text, const char *name)
{
	size_t size = name_size(text);

	return size == strlen(name) && !strncasecmp(text, name, size);
}

int http_header_check(const char *text, struct strbuf *error)
{
	size_t size = name_size(text);

	if (!size || text[size] != ':') {
		strbuf_put(error, "write a header as NAME:VALUE, for example X-Scope-OrgID:team-a");
		return -EINVAL;
	}
	if (strlen(text) > HTTP_HEADER_SIZE_MAX || !is_value(text + size)) {
		strbuf_printf(error,
			      "the value of header %.*s is too long or has a line break or control character in it",
			      (int)(size < 64 ? size : 64), text);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(own_headers) / sizeof(own_headers[0]); i++)
		if (http_header_is(text, own_headers[i])) {
			strbuf_printf(error, "header %s is set by pyprof-bpf itself", own_headers[i]);
			return -EINVAL;
		}
	return 0;
}

char *http_header_line(const char *text)
{
	STRBUF(line);
	size_t size = name_size(text);
	const char *value = text + size;

	value += *value == ':';
	value += strspn(value, " \t");
	strbuf_put_size(&line, text, size);
	strbuf_put(&line, *value ? ": " : ";");
	strbuf_put(&line, value);
	return strbuf_take(&line);
}

/* Moves it to the front and ends it; -EINVAL: it is none. */
static int token_trim(char *text, size_t size)
{
	char *start = text + strspn(text, " \t\r\n");
	char *end = text + size;

	while (end > start && strchr(" \t\r\n", end[-1]))
		end--;
	*end = 0;
	for (const char *at = start; at < end; at++)
		if (*at <= ' ' || *at >= 0x7f)
			return -EINVAL;
	if (start == end)
		return -EINVAL;
	memmove(text, start, end - start + 1);
	return 0;
}

int http_token_read(const char *path, char **ret, bool *ret_is_open)
{
	/* A pipe would make the sender wait for its writer. */
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text;
	size_t size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	int err = file_read_fd(fd, TOKEN_SIZE_MAX, &text, &size);
	if (err)
		return err == -EFBIG ? -EINVAL : err;
	err = token_trim(text, size);
	if (err) {
		explicit_bzero(text, size);
		free(text);
		return err;
	}
	*ret = text;
	*ret_is_open = st.st_mode & 0007;
	return 0;
}

void http_token_free(char *token)
{
	if (token) {
		explicit_bzero(token, strlen(token));
		free(token);
	}
}
