/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "run_receiver.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"

#define ARGS_MAX 16
#define WAIT_MS	 60000 /* for a machine that has other things to do */

static void receiver_exec(const char *script, unsigned port, const char *const *more)
{
	const char *args[ARGS_MAX + 8] = {"python3", "tests/e2e/receiver.py", "--script", script, "--port"};
	char number[16];
	size_t cnt = 5;

	snprintf(number, sizeof(number), "%u", port);
	args[cnt++] = number;
	for (size_t i = 0; more && more[i] && i < ARGS_MAX; i++)
		args[cnt++] = more[i];
	execvp(args[0], (char *const *)args);
	_exit(127);
}

void receiver_start(struct receiver *receiver, const char *script, unsigned port, const char *const *more)
{
	int in[2], out[2];
	char line[64];

	*receiver = (struct receiver){.requests = json_array()};
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	receiver->pid = fork();
	cr_assert_geq(receiver->pid, 0);
	if (!receiver->pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		receiver_exec(script, port, more);
	}
	close(in[0]);
	close(out[1]);
	receiver->in = in[1];
	receiver->out = fdopen(out[0], "r");
	cr_assert_not_null(fgets(line, sizeof(line), receiver->out), "python3 tests/e2e/receiver.py does not start");
	cr_assert_eq(sscanf(line, "PORT %u", &receiver->port), 1, "%s", line);
}

static int read_line(struct receiver *receiver)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size = getline(&line, &capacity, receiver->out);

	if (size > 0) {
		json_t *request = json_loads(line, 0, NULL);
		cr_assert_not_null(request, "%s", line);
		json_array_append_new(receiver->requests, request);
	}
	free(line);
	return size > 0;
}

void receiver_read(struct receiver *receiver, size_t cnt)
{
	while (json_array_size(receiver->requests) < cnt) {
		/* The lines come one by one, so what the stream holds back is none that we wait for. */
		struct pollfd poller = {.fd = fileno(receiver->out), .events = POLLIN};
		cr_assert_gt(poll(&poller, 1, WAIT_MS), 0, "after %zu of %zu requests no more came",
			     json_array_size(receiver->requests), cnt);
		cr_assert(read_line(receiver));
	}
}

void receiver_stop(struct receiver *receiver)
{
	if (!receiver->pid)
		return;
	close(receiver->in);
	while (read_line(receiver))
		;
	fclose(receiver->out);
	waitpid(receiver->pid, NULL, 0);
	receiver->pid = 0;
}

char *receiver_seen(const struct receiver *receiver)
{
	STRBUF(b);
	size_t i;
	json_t *request;

	json_array_foreach(receiver->requests, i, request)
	{
		const char *text = json_string_value(json_object_get(request, "text"));
		strbuf_printf(&b, "%s%s:%s", i ? " " : "", text ? text : "?",
			      json_string_value(json_object_get(request, "did")));
	}
	return strbuf_take(&b);
}

const char *receiver_header(const struct receiver *receiver, size_t i, const char *name)
{
	const json_t *headers = json_object_get(json_array_get(receiver->requests, i), "headers");

	return json_string_value(json_object_get(headers, name));
}

void receiver_deinit(struct receiver *receiver)
{
	receiver_stop(receiver);
	json_decref(receiver->requests);
}

unsigned closed_port(void)
{
	/*
	 * Who connects is refused as long as nobody listens. The socket stays, or the kernel would give its port to another
	 * test's server, or to the very connection that is to fail, which then meets itself. A receiver can take it over:
	 * its socket has SO_REUSEADDR as well.
	 */
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}
