/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/http_header.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

Test(http_header, of_a_person_cannot_smuggle_another_one_in)
{
	static const char *const bad[] = {
		"",
		"X",
		":v",
		"X y:v",
		"X :v",
		"X:a\r\nY:b",
		"X:a\nY:b",
		"X:a\rY:b",
		"X\n:a",
		"X:\x01secret",
		"X:\x7f",
		"Content-Length:0",
		"content-type:x",
		"TRANSFER-ENCODING: chunked",
		"\xc3\xa4:secret",
	};
	static const char *const good[] = {"X-Scope-OrgID:team",     "X:",	"X: a\tb",
					   "Authorization: Basic x", "Host: a", "x: \xc3\xa4"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		STRBUF(error);
		cr_expect_eq(http_header_check(bad[i], &error), -EINVAL, "%s", bad[i]);
		cr_expect_neq(error.size, 0);
		cr_expect_not(strstr(error.at, "secret"), "%s", error.at);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		STRBUF(error);
		cr_expect_eq(http_header_check(good[i], &error), 0, "%s: %s", good[i], error.at);
	}
}

Test(http_header, that_is_empty_is_written_as_libcurl_wants_it)
{
	static const char *const rows[][2] = {{"X:y", "X: y"}, {"X: \ty", "X: y"}, {"X:", "X;"}, {"X:  ", "X;"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *line = http_header_line(rows[i][0]);
		cr_expect_str_eq(line, rows[i][1]);
		free(line);
	}
	cr_expect(http_header_is("authorization: x", "Authorization"));
	cr_expect_not(http_header_is("Authorization2: x", "Authorization"));
}

static int read_token(const char *path, const char *text, size_t size, char **ret, bool *ret_is_open)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_eq(write(fd, text, size), (ssize_t)size);
	close(fd);
	return http_token_read(path, ret, ret_is_open);
}

Test(http_header, a_token_is_one_word_of_a_file)
{
	char path[] = "/tmp/pyprof-token-XXXXXX", fifo[64], *token = NULL;
	bool is_open = true;

	close(mkstemp(path));
	cr_assert_eq(read_token(path, "\n abc.DEF-_~+/= \r\n", 18, &token, &is_open), 0);
	cr_expect_str_eq(token, "abc.DEF-_~+/=");
	cr_expect_not(is_open);
	http_token_free(token);
	chmod(path, 0604);
	cr_assert_eq(read_token(path, "x", 1, &token, &is_open), 0);
	cr_expect(is_open);
	http_token_free(token);

	cr_expect_eq(read_token(path, "", 0, &token, &is_open), -EINVAL);
	cr_expect_eq(read_token(path, "\n\n", 2, &token, &is_open), -EINVAL);
	cr_expect_eq(read_token(path, "a b", 3, &token, &is_open), -EINVAL);
	cr_expect_eq(read_token(path, "a\r\nX-Other: b", 13, &token, &is_open), -EINVAL);
	cr_expect_eq(read_token(path, "a\0b", 3, &token, &is_open), -EINVAL);
	char *large = malloc(20000);
	memset(large, 'x', 20000);
	cr_expect_eq(read_token(path, large, 20000, &token, &is_open), -EINVAL);
	free(large);
	unlink(path);
	cr_expect_eq(http_token_read(path, &token, &is_open), -ENOENT);
	cr_expect_eq(http_token_read("/tmp", &token, &is_open), -EINVAL);
	cr_expect_eq(http_token_read("/dev/zero", &token, &is_open), -EINVAL);
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_expect_eq(http_token_read(fifo, &token, &is_open), -EINVAL, "nobody writes into it");
	unlink(fifo);
}
