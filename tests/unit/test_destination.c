/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/destination.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"

static struct destination parse(const char *text)
{
	struct destination destination = {0};
	STRBUF(error);

	cr_assert_eq(destination_parse(text, &destination, &error), 0, "%s: %s", text, error.at);
	return destination;
}

Test(destination, has_its_kinds_path_when_the_url_has_none)
{
	static const struct {
		const char *text, *url;
	} rows[] = {
		{"otlp=http://collector:4318", "http://collector:4318/v1development/profiles"},
		{"otlp=https://collector/", "https://collector/v1development/profiles"},
		{"otlp=https://collector/own/path", "https://collector/own/path"},
		{"otlp=https://collector?tenant=a", "https://collector/v1development/profiles?tenant=a"},
		{"otlp=http://[::1]:4318", "http://[::1]:4318/v1development/profiles"},
		{"pyroscope=http://pyroscope:4040", "http://pyroscope:4040/push.v1.PusherService/Push"},
		{"otlp=HTTP://collector:4318/x#part", "http://collector:4318/x"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct destination destination = parse(rows[i].text);
		cr_expect_str_eq(destination.url, rows[i].url, "%s: %s", rows[i].text, destination.url);
		cr_expect_null(destination.user);
		destination_deinit(&destination);
	}
}

Test(destination, its_password_is_in_nothing_that_is_said)
{
	struct destination destination = parse("otlp=https://us%40er:p%3Ass%2Fword@collector.example:8443/x");

	cr_expect_str_eq(destination.user, "us@er");
	cr_expect_str_eq(destination.password, "p:ss/word");
	cr_expect_str_eq(destination.url, "https://collector.example:8443/x");
	cr_expect_str_eq(destination.name, "otlp at collector.example:8443");
	cr_expect_not(destination.is_plain);
	destination_deinit(&destination);

	destination = parse("pyroscope=http://token@localhost");
	cr_expect_str_eq(destination.user, "token");
	cr_expect_null(destination.password);
	cr_expect_str_eq(destination.name, "pyroscope at localhost:80");
	cr_expect(destination.is_plain && destination.is_local);
	destination_deinit(&destination);
}

Test(destination, what_is_none_says_what_to_write_and_keeps_the_password)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "KIND is otlp or pyroscope"},
		{"http://collector", "KIND is otlp or pyroscope"},
		{"parca=http://collector", "KIND is otlp or pyroscope"},
		{"otl=http://collector", "KIND is otlp or pyroscope"},
		{"otlp=", "write otlp=https://HOST:PORT"},
		{"otlp=collector:4318", "write otlp=https://HOST:PORT"},
		{"otlp=user:secret@collector:4318", "write otlp=https://HOST:PORT"},
		{"otlp=ftp://user:secret@collector", "HTTP or HTTPS alone"},
		{"otlp=file:///etc/passwd", "write otlp="},
		{"otlp=gopher://collector", "write otlp="},
		{"otlp=http://user:secret@", "write otlp="},
		{"otlp=http://user:secret@host:99999", "write otlp="},
		{"otlp=http://user:secret@host/a b", "blank"},
		{"otlp=http://user:secret@host/\r\nX: y", "control character"},
		{"otlp=http://user:secret%0Ax@host", "user or password has a control character"},
		{"otlp=http://user:secret%00x@host", "user or password has a control character"},
		{"otlp=http://us%0Der:secret@host", "user or password has a control character"},
		{"otlp=http://us%1Fer@host", "user or password has a control character"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct destination destination = {0};
		STRBUF(error);
		cr_expect_eq(destination_parse(rows[i].text, &destination, &error), -EINVAL, "%s", rows[i].text);
		cr_expect(strstr(error.at, rows[i].says), "%s: %s", rows[i].text, error.at);
		cr_expect_not(strstr(error.at, "secret"), "%s", error.at);
		cr_expect_null(destination.url);
	}
}

Test(destination, only_loopback_is_this_machine)
{
	static const struct {
		const char *text;
		bool is_local;
	} rows[] = {
		{"otlp=http://localhost:1", true},  {"otlp=http://127.0.0.1:1", true},
		{"otlp=http://127.9.9.9", true},    {"otlp=http://[::1]:1", true},
		{"otlp=http://127.example", false}, {"otlp=http://localhost.example", false},
		{"otlp=http://10.0.0.1", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct destination destination = parse(rows[i].text);
		cr_expect_eq(destination.is_local, rows[i].is_local, "%s", rows[i].text);
		destination_deinit(&destination);
	}
}

Test(destination, every_kind_can_be_served)
{
	for (size_t i = 0; destination_kinds[i]; i++) {
		const struct destination_kind *kind = destination_kinds[i];
		cr_expect(kind->name && kind->summary && kind->content_type && kind->encode);
		cr_expect_eq(kind->path[0], '/');
	}
}
