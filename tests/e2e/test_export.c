/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Windows on their way to a fleet: what engines are sent is what was sampled, once, whatever they do meanwhile. The
 * engines are receivers of the tests (receiver.py), and what they have taken is read by others' protocols (read_export.py). The
 * real engines are in tests/e2e/engines.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/containers.h"

CONTAINER_SUITE(export, 200);

/* ---- engines */

struct engine {
	const char *kind;
	const char *saved; /* bodies that were taken */
	unsigned port;
	struct child *child;
};

/* script: what it answers. port 0: any. */
static struct engine engine_start(const struct place *place, const char *kind, const char *script, unsigned port)
{
	struct engine engine = {.kind = kind, .saved = in_place(place, kind)};
	struct start how = {0};
	int in[2]; /* it ends when this is closed: with the test */

	cr_assert(mkdir(engine.saved, 0700) == 0 || file_exists(engine.saved));
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	how.in = in[0];
	engine.child = child_start(&how, (const char *[]){"python3", "tests/e2e/receiver.py", "--script", script,
							  "--save", engine.saved, "--port", text_of("%u", port), NULL});
	close(in[0]);
	for (double end = now_s() + 20; sscanf(child_out(engine.child), "PORT %u", &engine.port) != 1; sleep_s(0.05))
		cr_assert(child_is_running(engine.child) && now_s() < end, "no receiver: %s", child_err(engine.child));
	return engine;
}

static const char *engine_url(const struct engine *engine)
{
	return text_of("%s=http://127.0.0.1:%u", engine->kind, engine->port);
}

static const char *readers(void)
{
	struct child *child = child_start(NULL, (const char *[]){"tools/get_readers.sh", NULL});

	cr_assert_eq(child_wait(child, 200), 0, "no readers: %s", child_err(child));
	return text_of("%.*s", (int)strcspn(child_out(child), "\n"), child_out(child));
}

/* What it took, as read_export.py tells it. */
static const char *engine_taken(const struct engine *engine, const char *function)
{
	struct child *child = child_start(NULL, (const char *[]){"python3", "tests/e2e/read_export.py", readers(),
								 engine->kind, engine->saved, function, NULL});

	cr_assert_eq(child_wait(child, 60), 0, "%s", child_err(child));
	return child_out(child);
}

/* The number behind `words` at the beginning of a line. */
static u64 taken_number(const char *taken, const char *words)
{
	size_t size = strlen(words);

	for (const char *line = taken; *line; line += strcspn(line, "\n") + 1)
		if (!strncmp(line, words, size) && line[size] == ' ')
			return strtoull(line + size, NULL, 10);
	return 0;
}

static bool taken_has(const char *taken, const char *line)
{
	return strstr(taken, text_of("%s\n", line)) != NULL;
}

static u64 stats_samples(const char *path)
{
	json_error_t error;
	json_t *stats = json_load_file(path, 0, &error);

	cr_assert_not_null(stats, "%s: %s", path, error.text);
	u64 samples = stats_number(stats, "samples", NULL);
	json_decref(stats);
	return samples;
}

/* All that was sampled arrived, each window once. */
static void expect_all(const struct engine *engine, const char *taken, u64 samples)
{
	cr_expect_eq(taken_number(taken, "samples"), samples, "%s took %llu of %llu samples", engine->kind,
		     taken_number(taken, "samples"), samples);
	cr_expect_eq(taken_number(taken, "repeated"), 0, "%s was sent an id twice:\n%s", engine->kind, taken);
	cr_expect_leq(taken_number(taken, "gap_ms"), 1, "windows of %s leave gaps, or overlap", engine->kind);
}

/* ---- */

Test(export, sends_each_engine_what_the_file_beside_it_says_by_container)
{
	struct place place = place_in("/");
	struct engine engines[] = {engine_start(&place, "otlp", "200", 0), engine_start(&place, "pyroscope", "200", 0)};
	const char *id = container_id_new(), *stats = in_place(&place, "stats.json");

	docker_files(id, "shop", "registry/shop:2");
	struct container shop = runc_python(&(struct container_spec){.place = &place, .id = id, .cgroup = "/docker/%s"},
					    "called.py", "in_shop", NULL);
	container_ready(&shop, 20);
	struct child *profiler = profiler_run(40, "--all", "-F", "199", "-d", "5", "--window", "1.5", "--export",
					      engine_url(&engines[0]), "--export", engine_url(&engines[1]), "--label",
					      "region=eu-1", "-o", in_place(&place, "out.folded"), "--stats", stats,
					      NULL);

	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	struct profile profile = profile_read(&place); /* in agreement with the statistics */
	for (size_t i = 0; i < 2; i++) {
		const char *taken = engine_taken(&engines[i], "in_shop");

		expect_all(&engines[i], taken, stats_number(profile.stats, "samples", NULL));
		cr_expect_eq(taken_number(taken, "windows"), 4, "%s", taken);
		cr_expect_eq(taken_number(taken, "bodies"), 4, "%s", taken);
		cr_expect_geq(taken_number(taken, "in in_shop shop"), FEW, "%s", taken);
		cr_expect_eq(taken_number(taken, "in in_shop host"), 0, "%s", taken);
		cr_expect(taken_has(taken, "label shop region eu-1"), "%s", taken);
		cr_expect(taken_has(taken, text_of("label shop %s %s", i ? "container_id" : "container.id", id)), "%s",
			  taken);
	}
	cr_expect_not_null(strstr(child_err(profiler), "Export: 8 requests sent"), "%s", child_err(profiler));
}

Test(export, alone_is_for_hours_and_writes_nothing_here)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "otlp", "200", 0);
	const char *stats = in_place(&place, "stats.json");
	struct child *busy = native_start(&place, "native-fp", NULL);
	struct child *profiler = profiler_run(30, "--all", "-d", "3", "--export", engine_url(&engine), "--stats", stats,
					      NULL);

	child_kill(busy);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	cr_expect_str_empty(child_out(profiler));
	json_t *json = json_load_file(stats, 0, NULL);
	cr_expect_eq(stats_number(json, "hz", NULL), 19);
	json_decref(json);
	expect_all(&engine, engine_taken(&engine, "-"), stats_samples(stats));
}

Test(export, loses_nothing_to_an_engine_that_is_busy_fails_and_breaks_off)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "pyroscope", "429/1,503,cut,200", 0);
	const char *stats = in_place(&place, "stats.json");
	struct child *busy = native_start(&place, "native-fp", NULL);
	struct child *profiler = profiler_run(60, "--all", "-F", "99", "-d", "10", "--window", "0.5", "--export",
					      engine_url(&engine), "--stats", stats, NULL);

	child_kill(busy);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	expect_all(&engine, engine_taken(&engine, "-"), stats_samples(stats));
	/* One line when it begins, one when it is over; and how often at the end. */
	cr_expect_not_null(strstr(child_err(profiler), "tried again"), "%s", child_err(profiler));
	cr_expect_not_null(strstr(child_err(profiler), "pyroscope at 127.0.0.1"), "%s", child_err(profiler));
}

Test(export, of_a_run_that_was_killed_goes_on_from_the_spool)
{
	struct place place = place_in("/");
	const char *spool = in_place(&place, "spool"), *stats = in_place(&place, "stats.json");
	struct child *busy = native_start(&place, "native-fp", NULL);
	/* Nobody listens there yet. */
	struct engine engine = engine_start(&place, "otlp", "200", 0);
	child_kill(engine.child);

	struct child *first = profiler_start(NULL, "--all", "-F", "99", "--window", "0.5", "--spool", spool, "--export",
					     engine_url(&engine), NULL);
	sleep_s(5);
	child_signal(first, SIGKILL);
	child_wait(first, 10);

	unsigned port = engine.port;
	engine = engine_start(&place, "otlp", "200", port);
	struct child *second = profiler_run(40, "--all", "-F", "99", "-d", "3", "--window", "0.5", "--spool", spool,
					    "--export", engine_url(&engine), "--stats", stats, NULL);

	child_kill(busy);
	cr_assert_eq(second->status, 0, "%s", child_err(second));
	const char *taken = engine_taken(&engine, "-");
	cr_expect_eq(taken_number(taken, "repeated"), 0, "%s", taken);
	/* A window of the first may have been in its memory yet, when it was killed. */
	u64 of_first = taken_number(taken, "samples") - stats_samples(stats);
	cr_expect_geq(of_first, 99 * 2, "of the first run there are %llu samples:\n%s", of_first, taken);
	/* The second one's six, some of the first one's ten. */
	cr_expect_geq(taken_number(taken, "windows"), 8, "%s", taken);
}

Test(export, does_not_keep_the_end_waiting_for_an_engine_that_never_answers)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "otlp", "never", 0);
	const char *spool = in_place(&place, "spool");
	struct child *busy = native_start(&place, "native-fp", NULL);
	struct child *profiler = profiler_start(NULL, "--all", "--window", "0.5", "--spool", spool, "--export",
						engine_url(&engine), NULL);

	sleep_s(3);
	child_signal(profiler, SIGTERM);
	double asked = now_s();
	cr_assert_eq(child_wait(profiler, 20), 0, "%s", child_err(profiler));
	cr_expect_leq(now_s() - asked, 10, "it ended after %.1f s", now_s() - asked);
	cr_expect_not_null(strstr(child_err(profiler), "kept for the next run"), "%s", child_err(profiler));
	child_kill(busy);
}

Test(export, ends_at_the_second_signal_whatever_waits)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "otlp", "never", 0);
	struct child *busy = native_start(&place, "native-fp", NULL);
	struct child *profiler = profiler_start(NULL, "--all", "--window", "0.5", "--export", engine_url(&engine),
						NULL);

	sleep_s(3);
	child_signal(profiler, SIGINT);
	double asked = now_s();
	sleep_s(1.5);
	cr_assert(child_is_running(profiler), "the first one is waited with: %s", child_err(profiler));
	child_signal(profiler, SIGINT);
	cr_assert_eq(child_wait(profiler, 20), 0, "%s", child_err(profiler));
	cr_expect_leq(now_s() - asked, 4, "it ended after %.1f s", now_s() - asked);
	child_kill(busy);
}

/* The profiler where these commands were run first: mounts are seen by it alone. */
static struct child *profiler_start_behind(const char *commands, const char *arguments)
{
	const char *line = text_of("%s && exec %s %s", commands, profiler_path(), arguments);

	return child_start(NULL, (const char *[]){"unshare", "-m", "sh", "-c", line, NULL});
}

Test(export, does_not_keep_the_end_waiting_for_a_name_server_that_never_answers)
{
	struct place place = place_in("/");
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x7f000009)};
	int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(silent, (const struct sockaddr *)&address, sizeof(address)), 0);
	struct child *busy = native_start(&place, "native-fp", NULL);
	const char *commands = text_of(
		"cd %s && printf 'nameserver 127.0.0.9\noptions timeout:30 attempts:5\n' >resolv && "
		"echo 'hosts: dns' >nss && mount --bind resolv /etc/resolv.conf && "
		"mount --bind nss /etc/nsswitch.conf && cd -",
		place.outside);
	struct child *profiler = profiler_start_behind(
		commands, text_of("--all --window 0.5 --spool %s --export otlp=http://engine.example:4318",
				  in_place(&place, "spool")));

	sleep_s(4);
	child_signal(profiler, SIGTERM);
	double asked = now_s();
	cr_assert_eq(child_wait(profiler, 100), 0, "%s", child_err(profiler));
	cr_expect_leq(now_s() - asked, 10, "it ended after %.1f s", now_s() - asked);
	cr_expect_not_null(strstr(child_err(profiler), "kept for the next run"), "%s", child_err(profiler));
	child_kill(busy);
	close(silent);
}

Test(export, does_not_say_that_it_kept_what_the_disk_had_no_room_for)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "otlp", "200", 0);
	struct child *busy = native_start(&place, "native-fp", NULL);

	child_kill(engine.child); /* nobody listens */
	const char *folder = in_place(&place, "small");
	struct child *profiler = profiler_start_behind(
		text_of("mkdir %s && mount -t tmpfs -o size=4k none %s", folder, folder),
		text_of("--all -d 3 --window 0.5 --spool %s/spool --export %s", folder, engine_url(&engine)));

	cr_assert_eq(child_wait(profiler, 30), 0, "%s", child_err(profiler));
	cr_expect_not_null(strstr(child_err(profiler), "the spool had no room"), "%s", child_err(profiler));
	child_kill(busy);
}

Test(export, has_the_last_window_although_the_file_beside_it_cannot_be_written)
{
	struct place place = place_in("/");
	struct engine engine = engine_start(&place, "otlp", "200", 0);
	const char *folder = in_place(&place, "gone");
	struct child *busy = native_start(&place, "native-fp", NULL);

	cr_assert_eq(mkdir(folder, 0700), 0);
	struct child *profiler = profiler_start(NULL, "--all", "-d", "4", "--window", "60", "-o",
						text_of("%s/x.pb.gz", folder), "--export", engine_url(&engine), NULL);
	profiler_sampling(profiler);
	sleep_s(1);
	struct child *rm = child_start(NULL, (const char *[]){"rm", "-r", folder, NULL});
	cr_assert_eq(child_wait(rm, 10), 0);
	cr_expect_eq(child_wait(profiler, 30), 1, "%s", child_err(profiler));
	child_kill(busy);
	const char *taken = engine_taken(&engine, "-");
	cr_expect_eq(taken_number(taken, "windows"), 1, "%s", taken);
}

Test(export, of_wrong_words_is_refused_before_anything_is_sampled)
{
	static const struct {
		const char *words[4];
		int status;
		const char *says;
	} lines[] = {
		{{"--export", "otlp=ftp://x"}, 2, "http"},
		{{"--export", "kafka=http://x"}, 2, "pyroscope"},
		{{"--export", "otlp=http://user:pass%0Aword@localhost:1"}, 2, "control character"},
		{{"--export", "otlp=http://x", "--export", "otlp=http://x:80/"}, 2, "twice"},
		{{"--export", "otlp=http://localhost:1", "--export-ca", "/nonexistent"}, 1, "--export-ca"},
		{{"--export", "otlp=http://localhost:1", "--spool", "/proc/spool"}, 1, "spool's folder"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const char *const *words = lines[i].words;
		struct child *profiler = profiler_run(20, "--all", "-d", "1", words[0], words[1], words[2], words[3],
						      NULL);

		cr_expect_eq(profiler->status, lines[i].status, "%s: %d, %s", words[1], profiler->status,
			     child_err(profiler));
		cr_expect_not_null(strstr(child_err(profiler), lines[i].says), "%s", child_err(profiler));
	}
}
