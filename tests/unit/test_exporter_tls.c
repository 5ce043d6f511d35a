/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whom the exporter believes to be its destination: certificates made here by openssl. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "export/exporter.h"
#include "run_receiver.h"

static const struct destination_kind kind = {.name = "test", .path = "/in", .content_type = "application/x-test"};

static const struct exporter_times quick = {.connect_ms = 60000,
					    .answer_ms = 60000,
					    .first_ms = 20,
					    .most_ms = 80,
					    .asked_most_ms = 1000,
					    .quiet_ms = 60000};

/* In folder: ca.pem, and other-ca.pem that signed nothing of it; server.{pem,key} for a subject's name. */
static void make_certificates(const char *folder, const char *subject_alt_name)
{
	STRBUF(script);

	strbuf_printf(
		&script,
		"cd %s && exec 2>openssl.log && "
		"new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=receiver' && "
		"for ca in ca other-ca; do $new -x509 -days 2 -keyout $ca.key -out $ca.pem || exit 1; done && "
		"$new -keyout server.key -out server.csr && printf 'subjectAltName=%s\\n' >server.ext && "
		"openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext "
		"-out server.pem",
		folder, subject_alt_name);
	cr_assert_eq(system(script.at), 0, "openssl is needed");
}

struct meeting {
	char name[32]; /* that the server's certificate is for */
	char authority[16]; /* that we are told to believe; "": the system's */
	char scheme[8];
	bool believed;
	char says[32];
};

ParameterizedTestParameters(exporter_tls, believes_who_proves_to_be_the_one_that_was_named)
{
	static struct meeting rows[] = {
		{"IP:127.0.0.1", "ca.pem", "https", true, ""},
		{"IP:127.0.0.1", "other-ca.pem", "https", false, "--export-ca"},
		{"IP:127.0.0.1", "", "https", false, "--export-ca"},
		{"DNS:other.example", "ca.pem", "https", false, "--export-ca"},
		{"IP:127.0.0.1", "server.key", "https", false, "hold certificates as PEM"},
		{"IP:127.0.0.1", "ca.pem", "http", false, "waiting"}, /* plain text to a port with TLS */
	};
	return cr_make_param_array(struct meeting, rows, sizeof(rows) / sizeof(rows[0]));
}

struct heard {
	char line[512];
	volatile bool any;
};

static void hear(void *ctx, bool is_error, const char *line)
{
	struct heard *heard = ctx;

	snprintf(heard->line, sizeof(heard->line), "%s", line);
	__atomic_store_n(&heard->any, true, __ATOMIC_RELEASE);
}

static void wait_for_word(struct exporter *exporter, struct heard *heard)
{
	struct exporter_counts counts;

	for (int i = 0; i < 6000; i++) {
		exporter_counts(exporter, &counts);
		if (!counts.waiting || __atomic_load_n(&heard->any, __ATOMIC_ACQUIRE))
			return;
		usleep(10000);
	}
	cr_assert_fail("nothing happened");
}

ParameterizedTest(struct meeting *row, exporter_tls, believes_who_proves_to_be_the_one_that_was_named)
{
	char folder[] = "/tmp/pyprof-tls-XXXXXX", certificate[64], key[64], authority[64], url[64], command[64];
	const char *tls[] = {"--tls", certificate, key, NULL}, *step = "";
	struct receiver receiver;
	struct heard heard = {0};
	struct exporter_counts counts;
	struct exporter *exporter = NULL;

	cr_assert_not_null(mkdtemp(folder));
	make_certificates(folder, row->name);
	snprintf(certificate, sizeof(certificate), "%s/server.pem", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	snprintf(authority, sizeof(authority), "%s/%s", folder, row->authority);
	receiver_start(&receiver, "200", 0, tls);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%u/in", row->scheme, receiver.port);
	struct destination destination = {.kind = &kind, .url = url, .name = (char *)"the receiver"};
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .ca_file = row->authority[0] ? authority : NULL,
					   .times = &quick,
					   .on_message = hear,
					   .ctx = &heard};
	cr_assert_eq(exporter_new(&options, &exporter, &step), 0, "%s", step);
	cr_assert_eq(exporter_put(exporter, 0, "a", 1), 0);
	wait_for_word(exporter, &heard);
	exporter_stop(exporter);
	exporter_counts(exporter, &counts);
	exporter_free(exporter);
	receiver_stop(&receiver);
	cr_expect_eq(counts.sent, row->believed, "%s", heard.line);
	cr_expect_eq(json_array_size(receiver.requests), row->believed, "it was told what it must not hear");
	cr_expect(strstr(heard.line, row->says), "%s", heard.line);
	receiver_deinit(&receiver);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_expect_eq(system(command), 0);
}
