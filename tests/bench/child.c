// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/bench.h"

static int open_output(const char *path)
{
	return open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* out NULL: where the log goes. */
static _Noreturn void become(const char *const argv[], int cpu, const char *out, const char *log, pid_t parent)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int log_fd = open_output(log);
	int out_fd = out ? open_output(out) : log_fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (cpu != ANY_CPU) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	dup2(in, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

pid_t child_start(const char *const argv[], int cpu, const char *log)
{
	return child_start_into(argv, cpu, NULL, log);
}

pid_t child_start_into(const char *const argv[], int cpu, const char *out, const char *log)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (!pid)
		become(argv, cpu, out, log, parent);
	return pid;
}

u64 child_cpu_ns(pid_t pid)
{
	clockid_t clock;
	struct timespec now;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &now))
		bench_die("process %d is gone", pid);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int child_wait(pid_t pid, u64 *ret_cpu_ns)
{
	struct child_usage usage;
	int status = child_wait_usage(pid, &usage);

	if (ret_cpu_ns)
		*ret_cpu_ns = usage.cpu_ns;
	return status;
}

int child_wait_usage(pid_t pid, struct child_usage *ret)
{
	struct rusage usage;
	int status;

	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			bench_die("cannot wait for process %d: %s", pid, strerror(errno));
	ret->cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
		      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
	ret->peak_rss = usage.ru_maxrss * 1024ull;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_stop(pid_t pid, int signal)
{
	kill(pid, signal);
	child_wait(pid, NULL);
}
