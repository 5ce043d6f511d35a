/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int keeper_in = -1;
static pid_t keeper_pid;

void keeper_begin(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	keeper_pid = fork();
	cr_assert(keeper_pid >= 0);
	if (!keeper_pid) {
		setsid();
		dup2(ends[0], 0);
		/* The end of its input is the end of the test, whatever ended that. */
		execl("/bin/sh", "sh", "-c", "exec >/dev/null 2>&1; tac | sh", NULL);
		_exit(127);
	}
	close(ends[0]);
	keeper_in = ends[1];
}

void keeper_end(void)
{
	close(keeper_in);
	keeper_in = -1;
	while (waitpid(keeper_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void keeper_later(const char *format, ...)
{
	va_list args;
	char *line;

	va_start(args, format);
	int size = vasprintf(&line, format, args);
	va_end(args);
	cr_assert(size > 0 && !strchr(line, '\n'));
	cr_assert(keeper_in >= 0, "the suite is none with containers");
	cr_assert_gt(dprintf(keeper_in, "%s\n", line), 0);
	free(line);
}

/* What the shell takes for this text alone. */
static const char *quoted(const char *text)
{
	cr_assert_null(strpbrk(text, "'\n"), "'%s' cannot be quoted", text);
	return text_of("'%s'", text);
}

/* --- files -------------------------------------------------------------- */

static void directories_of(const char *path)
{
	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		const char *directory = text_of("%.*s", (int)(end - path), path);

		if (!mkdir(directory, 0755))
			keeper_later("rmdir %s", quoted(directory));
		else
			cr_assert_eq(errno, EEXIST, "%s: %s", directory, strerror(errno));
	}
}

void host_file(const char *path, const char *text)
{
	directories_of(path);
	/* What is there already is somebody else's. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	keeper_later("rm -f %s", quoted(path));
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

void host_link(const char *path, const char *target)
{
	directories_of(path);
	cr_assert_eq(symlink(target, path), 0, "%s: %s", path, strerror(errno));
	keeper_later("rm -f %s", quoted(path));
}

/* --- cgroups ------------------------------------------------------------ */

const char *const *cgroup_mounts(void)
{
	static const char *const v2[] = {"/sys/fs/cgroup", NULL};
	static const char *const all[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids",    "/sys/fs/cgroup/memory",
					  "/sys/fs/cgroup/cpu",	    "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/devices",
					  "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/blkio",   "/sys/fs/cgroup/systemd"};
	static const char *found[sizeof(all) / sizeof(*all) + 1];
	size_t cnt = 0;

	if (file_exists("/sys/fs/cgroup/cgroup.controllers"))
		return v2;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (file_exists(text_of("%s/cgroup.procs", all[i])))
			found[cnt++] = all[i];
	found[cnt] = NULL;
	return found;
}

void host_cgroup_forget(const char *path)
{
	const char *end = strrchr(path, '/');

	if (end == path)
		return;
	keeper_later("for i in /sys/fs/cgroup /sys/fs/cgroup/*/; do (cd $i && rmdir -p %s); done",
		     quoted(text_of("%.*s", (int)(end - path - 1), path + 1)));
}

/* A group goes when its processes have, which takes a moment. */
static void group_remove_later(const char *directory)
{
	const char *name = quoted(directory);

	keeper_later(
		"for i in 1 2 3 4 5 6 7 8 9; do kill -9 $(cat %s/cgroup.procs); rmdir %s && break; sleep 0.1; done",
		name, name);
}

void host_cgroup(const char *path)
{
	for (const char *const *mount = cgroup_mounts(); *mount; mount++) {
		for (const char *end = path; end;) {
			end = strchr(end + 1, '/');
			const char *directory = text_of("%s%.*s", *mount, end ? (int)(end - path) : (int)strlen(path),
							path);

			if (!mkdir(directory, 0755))
				group_remove_later(directory);
			else
				cr_assert_eq(errno, EEXIST, "%s: %s", directory, strerror(errno));
		}
	}
}

void host_cgroup_enter(const char *path, pid_t pid)
{
	for (const char *const *mount = cgroup_mounts(); *mount; mount++) {
		const char *file = text_of("%s%s/cgroup.procs", *mount, path);
		int fd = open(file, O_WRONLY | O_CLOEXEC);

		cr_assert_geq(fd, 0, "%s: %s", file, strerror(errno));
		cr_assert_gt(dprintf(fd, "%d\n", (int)pid), 0, "%s: %s", file, strerror(errno));
		close(fd);
	}
}

const char *cgroup_of(pid_t pid, const char *controller)
{
	char *text = file_text(text_of("/proc/%d/cgroup", (int)pid)), *rest = text, *line;
	const char *found = NULL;

	while (rest && !found && (line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		if (!strcmp(controllers + 1, controller))
			found = text_of("%s", path);
	}
	free(text);
	return found;
}
