// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_export.c - how fast an export's backlog is drained once its destination is back, from memory
 * and from disk. The other end is as cheap as can be: a process that reads a request, and says 200.
 * Linked with the profiler's own code.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/exporter.h"
#include "tests/bench/bench.h"

#define BODY_SIZE (64u << 10) /* a window of a busy host, packed */
#define MESSAGES  500
#define LIMIT_S	  60

static const struct destination_kind kind = {.name = "bench", .path = "/", .content_type = "application/x-bench"};

/* One connection: heads, and bodies by their Content-Length. */
static void serve(int fd)
{
	static char bytes[BODY_SIZE + 8192];
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	for (size_t size = 0;;) {
		ssize_t got = read(fd, bytes + size, sizeof(bytes) - 1 - size);
		if (got <= 0)
			return;
		size += got;
		bytes[size] = 0;
		const char *end = memmem(bytes, size, "\r\n\r\n", 4);
		const char *length = strcasestr(bytes, "\r\nContent-Length:");
		if (!end || !length || size < (size_t)(end + 4 - bytes) + strtoul(length + 17, NULL, 10))
			continue;
		if (write(fd, answer, sizeof(answer) - 1) < 0)
			return;
		size = 0;
	}
}

static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		bench_die("socket: %s", strerror(errno));
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static pid_t server_start(int listener)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
		serve(fd);
	_exit(1);
}

static struct exporter *exporter_start(const struct exporter_options *options)
{
	struct exporter *exporter = NULL;
	const char *step = "";
	int err = exporter_new(options, &exporter, &step);

	if (err)
		bench_die("%s: %s", step, strerror(-err));
	return exporter;
}

static void fill(struct exporter *exporter)
{
	static u32 body[BODY_SIZE / sizeof(u32)];

	for (u32 i = 0; i < MESSAGES; i++) {
		for (size_t at = 0; at < BODY_SIZE / sizeof(u32); at++)
			body[at] = (i + at) * 2654435761u;
		if (exporter_put(exporter, 0, body, sizeof(body)))
			bench_die("the spool has no room");
	}
}

static void measure(const char *what, u64 memory_max, const char *path)
{
	unsigned port;
	char name[64], url[64];
	_cleanup_(fd) int listener = listen_somewhere(&port);
	struct exporter_counts counts;
	static const struct exporter_times times = {5000, 5000, 1000, 60000, 60000, 60000};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	struct destination destination = {.kind = &kind, .url = url, .name = (char *)"bench"};
	struct exporter_options options = {.destinations = &destination,
					   .destination_cnt = 1,
					   .memory_max = memory_max,
					   .spool_path = path,
					   .times = &times};
	struct exporter *exporter = exporter_start(&options);
	fill(exporter); /* nobody listens yet */
	if (listen(listener, 8))
		bench_die("listen: %s", strerror(errno));
	pid_t server = server_start(listener);
	u64 cpu_ns = bench_cpu_ns(), start_ns = clock_monotonic_ns();
	do {
		exporter_flush(exporter, NS_PER_S, NULL, NULL);
		exporter_counts(exporter, &counts);
	} while (counts.waiting && clock_monotonic_ns() - start_ns < LIMIT_S * NS_PER_S);
	double seconds = (clock_monotonic_ns() - start_ns) / 1e9;
	cpu_ns = bench_cpu_ns() - cpu_ns;
	exporter_free(exporter);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);

	if (counts.sent != MESSAGES)
		bench_die("%llu of %d messages were delivered", (unsigned long long)counts.sent, MESSAGES);
	snprintf(name, sizeof(name), "export_backlog_%s", what);
	bench_line(name, counts.sent / seconds, "messages of 64 KiB/s", NO_GOAL);
	snprintf(name, sizeof(name), "export_cpu_%s", what);
	bench_line(name, cpu_ns / 1e3 / counts.sent, "us/message", NO_GOAL);
}

int main(void)
{
	char path[512];

	/* Loopback needs no proxy, whatever else does. */
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	snprintf(path, sizeof(path), "%s/spool", bench_scratch());
	measure("memory", 2ull * MESSAGES * BODY_SIZE, NULL);
	measure("disk", 1, path);
	return 0;
}
