/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/fd_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"

#define LINE_SIZE 512 /* one of /proc/net/tcp is 150 bytes; a path of a unix socket has at most 108 */

struct socket {
	u64 inode;
	char *text;
};

struct found {
	int fd;
	char *text;
};

struct fd_targets {
	int pid;
	bool listed;
	struct socket *sockets; /* by inode */
	size_t socket_cnt, socket_capacity;
	struct found *found;
	size_t found_cnt, found_capacity;
};

/* How to read one of the lists of /proc/PID/net; -EINVAL for a line that is none. */
struct socket_list {
	const char *name, *kind;
	int (*parse)(const char *kind, const char *line, u64 *ret_inode, struct strbuf *ret_text);
};

int fd_targets_new(int pid, struct fd_targets **ret)
{
	struct fd_targets *targets = calloc(1, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	targets->pid = pid;
	*ret = targets;
	return 0;
}

void fd_targets_free(struct fd_targets *targets)
{
	if (!targets)
		return;
	for (size_t i = 0; i < targets->socket_cnt; i++)
		free(targets->sockets[i].text);
	for (size_t i = 0; i < targets->found_cnt; i++)
		free(targets->found[i].text);
	free(targets->sockets);
	free(targets->found);
	free(targets);
}

/* ---- lists of sockets ---- */

/*
 * "0100007F:1F90": the address in words of four bytes, each as a number of this machine
 * (so their bytes in memory are the address), and the port as a plain number.
 */
static int address_put(const char *text, size_t size, struct strbuf *b)
{
	u32 words[4];
	unsigned port;
	char name[INET6_ADDRSTRLEN];

	if (size % 8 || size > 8 * 4 || sscanf(text + size, ":%4x", &port) != 1)
		return -EINVAL;
	for (size_t i = 0; i < size / 8; i++)
		if (sscanf(text + 8 * i, "%8" SCNx32, &words[i]) != 1)
			return -EINVAL;
	if (!inet_ntop(size == 8 ? AF_INET : AF_INET6, words, name, sizeof(name)))
		return -EINVAL;
	strbuf_printf(b, size == 8 ? "%s:%u" : "[%s]:%u", name, port);
	return 0;
}

/* "  0: 0100007F:1F90 00000000:0000 0A ...": local, remote, state (0A: it listens), and the inode as the tenth word. */
static int inet_parse(const char *kind, const char *line, u64 *ret_inode, struct strbuf *ret_text)
{
	char local[48], remote[48];
	unsigned state;

	if (sscanf(line, " %*u: %47s %47s %x %*s %*s %*s %*u %*u %llu", local, remote, &state, ret_inode) != 4)
		return -EINVAL;
	STRBUF(from);
	STRBUF(to);
	int err = address_put(local, strcspn(local, ":"), &from);
	err = err ? err : address_put(remote, strcspn(remote, ":"), &to);
	if (err)
		return err;

	bool connected = strspn(remote, "0:") < strlen(remote);
	strbuf_put(ret_text, kind);
	if (connected)
		strbuf_printf(ret_text, " %s, local %s", to.at, from.at);
	else
		strbuf_printf(ret_text, " %s %s", state == 0x0a ? "listening on" : "local", from.at);
	return 0;
}

/* "0000000012345678: 00000002 00000000 00010000 0001 01 12345 /run/x": flag 1 << 16 says that it listens. */
static int unix_parse(const char *kind, const char *line, u64 *ret_inode, struct strbuf *ret_text)
{
	unsigned flags;
	int path = 0;

	if (sscanf(line, " %*x: %*x %*x %x %*x %*x %llu%n", &flags, ret_inode, &path) != 2)
		return -EINVAL;
	path += (int)strspn(line + path, " ");
	strbuf_put(ret_text, kind);
	if (flags & 1 << 16)
		strbuf_put(ret_text, " listening on");
	if (line[path])
		strbuf_put_char(ret_text, ' ');
	strbuf_put_clean(ret_text, line + path, strlen(line + path));
	return 0;
}

/* "0000000012345678 16 1234 ...": the inode is the last word. */
static int netlink_parse(const char *kind, const char *line, u64 *ret_inode, struct strbuf *ret_text)
{
	if (sscanf(line, " %*x %*u %*s %*x %*s %*s %*s %*s %*s %llu", ret_inode) != 1)
		return -EINVAL;
	strbuf_put(ret_text, kind);
	return 0;
}

static const struct socket_list socket_lists[] = {
	{"tcp", "socket", inet_parse},	     {"tcp6", "socket", inet_parse},
	{"udp", "udp socket", inet_parse},   {"udp6", "udp socket", inet_parse},
	{"raw", "raw socket", inet_parse},   {"raw6", "raw socket", inet_parse},
	{"unix", "unix socket", unix_parse}, {"netlink", "netlink socket", netlink_parse},
};

/* The rest of a line that did not fit. */
static void line_skip(FILE *file)
{
	int c;

	while ((c = getc(file)) != EOF && c != '\n')
		;
}

static int socket_add(struct fd_targets *targets, u64 inode, struct strbuf *text)
{
	struct socket *sockets = array_reserve(targets->sockets, &targets->socket_capacity, targets->socket_cnt + 1,
					       sizeof(*sockets));
	if (!sockets)
		return -ENOMEM;
	targets->sockets = sockets;
	char *copy = strbuf_take(text);
	if (!copy)
		return -ENOMEM;
	sockets[targets->socket_cnt++] = (struct socket){.inode = inode, .text = copy};
	return 0;
}

/* A list that is not there (no IPv6) has no sockets. */
static int socket_list_read(struct fd_targets *targets, const struct socket_list *list)
{
	char path[64], line[LINE_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", targets->pid, list->name);
	_cleanup_(stream) FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	while (targets->socket_cnt < FD_SOCKETS_MAX && fgets(line, sizeof(line), file)) {
		STRBUF(text);
		u64 inode;
		size_t size = strcspn(line, "\n");

		if (!line[size])
			line_skip(file);
		line[size] = 0;
		if (list->parse(list->kind, line, &inode, &text))
			continue; /* the head of the list */
		int err = socket_add(targets, inode, &text);
		if (err)
			return err;
	}
	return 0;
}

static int socket_compare(const void *a, const void *b)
{
	const struct socket *one = a, *other = b;

	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

static int sockets_list(struct fd_targets *targets)
{
	for (size_t i = 0; i < sizeof(socket_lists) / sizeof(socket_lists[0]); i++) {
		int err = socket_list_read(targets, &socket_lists[i]);
		if (err)
			return err;
	}
	if (targets->socket_cnt)
		qsort(targets->sockets, targets->socket_cnt, sizeof(*targets->sockets), socket_compare);
	targets->listed = true;
	return 0;
}

/* "socket" for one of another kind, or that was closed meanwhile. */
static int socket_put(struct fd_targets *targets, u64 inode, struct strbuf *b)
{
	int err = targets->listed ? 0 : sockets_list(targets);
	if (err)
		return err;
	const struct socket key = {.inode = inode};
	const struct socket *found = !targets->socket_cnt ? NULL
							  : bsearch(&key, targets->sockets, targets->socket_cnt,
								    sizeof(key), socket_compare);

	strbuf_put(b, found ? found->text : "socket");
	return 0;
}

/* ---- descriptors ---- */

/* What readlink says of a descriptor: "socket:[123]", "pipe:[123]", "anon_inode:[eventpoll]", or a path. */
static int link_put(struct fd_targets *targets, const char *link, struct strbuf *b)
{
	static const struct {
		const char *link, *text;
	} known[] = {{"anon_inode:[eventpoll]", "epoll"}};
	static const char anonymous[] = "anon_inode:";
	u64 inode;

	if (sscanf(link, "socket:[%llu]", &inode) == 1)
		return socket_put(targets, inode, b);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(link, known[i].link))
			return strbuf_put(b, known[i].text), 0;
	if (!strncmp(link, "pipe:[", 6))
		return strbuf_put(b, "pipe"), 0;
	if (!strncmp(link, anonymous, sizeof(anonymous) - 1)) {
		link += sizeof(anonymous) - 1;
		link += *link == '[';
		return strbuf_put_clean(b, link, strcspn(link, "]")), 0;
	}
	strbuf_put_clean(b, link, strlen(link));
	return 0;
}

static const char *found_add(struct fd_targets *targets, int fd, const char *text)
{
	struct found *found = array_reserve(targets->found, &targets->found_capacity, targets->found_cnt + 1,
					    sizeof(*found));
	if (!found)
		return NULL;
	targets->found = found;
	char *copy = strdup(text);
	if (copy)
		found[targets->found_cnt++] = (struct found){.fd = fd, .text = copy};
	return copy;
}

const char *fd_targets_find(struct fd_targets *targets, int fd)
{
	char path[64], link[PATH_MAX];

	if (fd < 0)
		return "";
	for (size_t i = 0; i < targets->found_cnt; i++)
		if (targets->found[i].fd == fd)
			return targets->found[i].text;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", targets->pid, fd);
	ssize_t size = readlink(path, link, sizeof(link) - 1);
	if (size < 0)
		return "";
	link[size] = 0;
	STRBUF(text);
	if (link_put(targets, link, &text) || text.failed)
		return NULL;
	return found_add(targets, fd, text.at);
}
