/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/cmd.h"

static bool id_of_environment(const char *name, unsigned *ret)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	unsigned long id = strtoul(text, &end, 10);
	if (*end || id >= (unsigned)-1)
		return false;
	*ret = id;
	return true;
}

void sudo_caller(uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned uid, gid;

	*ret_uid = (uid_t)-1;
	*ret_gid = (gid_t)-1;
	if (geteuid() || !id_of_environment("SUDO_UID", &uid) || !id_of_environment("SUDO_GID", &gid))
		return;
	*ret_uid = uid;
	*ret_gid = gid;
}

static int become(uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1)
		return 0;

	const struct passwd *user = getpwuid(uid);
	if (user ? initgroups(user->pw_name, gid) : setgroups(1, &gid))
		return -errno;
	return setgid(gid) || setuid(uid) ? -errno : 0;
}

/* In the child. Does not come back. */
static void run(char **command, uid_t uid, gid_t gid, int go, int failure)
{
	sigset_t none;
	char byte;
	int err;

	/* Should the profiler die before it says go, so does the command that never began. */
	ssize_t got;
	while ((got = read(go, &byte, 1)) < 0 && errno == EINTR)
		;
	if (got != 1)
		_exit(EXIT_FAILED);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);

	err = become(uid, gid);
	if (!err) {
		execvp(command[0], command);
		err = -errno;
	}
	if (write(failure, &err, sizeof(err)) < 0)
		_exit(EXIT_FAILED);
	_exit(EXIT_CANNOT_EXECUTE);
}

int child_open(char **command, uid_t uid, gid_t gid, struct child *ret)
{
	int go[2], failure[2];

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failure, O_CLOEXEC)) {
		int err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}

	pid_t pid = fork();
	if (!pid) {
		close(go[1]);
		run(command, uid, gid, go[0], failure[1]);
	}
	int err = pid < 0 ? -errno : 0;
	close(go[0]);
	close(failure[1]);
	if (err) {
		close(go[1]);
		close(failure[0]);
		return err;
	}
	*ret = (struct child){.pid = pid, .go = go[1], .failure = failure[0]};
	ret->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (ret->pidfd < 0) {
		err = -errno;
		child_close(ret);
	}
	return err;
}

int child_start(struct child *child)
{
	int err = 0;
	ssize_t got;

	if (write(child->go, "", 1) != 1)
		return -EPIPE;
	close(take_fd(child->go));
	/* The pipe closes with a successful exec. */
	while ((got = read(child->failure, &err, sizeof(err))) < 0 && errno == EINTR)
		;
	return got == sizeof(err) ? err : 0;
}

bool child_reap(struct child *child, bool wait)
{
	while (!child->ended) {
		pid_t got = waitpid(child->pid, &child->status, wait ? 0 : WNOHANG);

		if (got < 0 && errno == EINTR)
			continue;
		if (!got)
			return false;
		child->ended = true;
	}
	return true;
}

int child_exit_status(const struct child *child)
{
	if (WIFSIGNALED(child->status))
		return EXIT_SIGNAL + WTERMSIG(child->status);
	return WEXITSTATUS(child->status);
}

void child_close(struct child *child)
{
	if (child->go >= 0) {
		kill(child->pid, SIGKILL);
		close(take_fd(child->go));
		child_reap(child, true);
	}
	if (child->failure >= 0)
		close(take_fd(child->failure));
	if (child->pidfd >= 0)
		close(take_fd(child->pidfd));
}
