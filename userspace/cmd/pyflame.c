/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pyflame.c - Pyflame's command line, for those who have scripts: its options, its
 * formats, its exit statuses and how its messages begin. A sample is a dump of all
 * threads that does not stop them, taken on a timer: so who sleeps is counted too.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "capture/rights.h"
#include "cmd/child.h"
#include "cmd/cmd.h"
#include "cmd/dump_explain.h"
#include "report/dump_format.h"
#include "report/pyflame_profile.h"
#include "dump/dumper.h"

#define PYFLAME_VERSION "pyflame 1.6.6 linux-gnu x86_64"
#define SECONDS_MAX	1e9 /* thirty years; in nanoseconds they fit a u64 with much to spare */
#define INTERVAL_MIN	1e-4 /* shorter ones would leave the target no time between two samples */
#define START_TRIES	50 /* intervals that a program that was started has until it is a Python */

static const char usage[] = "Usage: pyflame [options] [-p] PID\n"
			    "       pyflame [options] -t command arg1 arg2...\n"
			    "\n"
			    "Common Options:\n"
			    "  --threads                Show every thread, not only the one that has the GIL\n"
			    "  -d, --dump               Dump stacks from all threads (implies --threads)\n"
			    "  -h, --help               Show help\n"
			    "  -n, --no-line-numbers    Do not append line numbers to function names\n"
			    "  -o, --output=PATH        Output to file path\n"
			    "  -p, --pid=PID            The PID to look at\n"
			    "  -r, --rate=RATE          Sample interval in seconds (default 0.01)\n"
			    "  -s, --seconds=SECS       How many seconds to run for (default 1)\n"
			    "  -t, --trace              Run a command and sample it until it ends\n"
			    "  -v, --version            Show the version\n"
			    "  -x, --exclude-idle       Exclude idle time from statistics\n"
			    "\n"
			    "Advanced Options:\n"
			    "  --abi=N                  Accepted; the version is read from the process\n"
			    "  --flamechart             Include timestamps for generating Chrome \"flamecharts\"\n"
			    "\n"
			    "This is pyprof-bpf " PYPROF_VERSION "; `pyprof-bpf --help` shows what else it can do.\n";

/* What --abi takes, as Pyflame writes versions. */
static const int abis[] = {26, 27, 36, 37, 38, 39, 310, 311, 312, 313, 314, 315};

struct pyflame {
	struct pyflame_options options;
	bool dump;
	u32 pid; /* 0: none given */
	double seconds, interval; /* seconds < 0: until it ends */
	const char *output;
	char **command; /* NULL: none */

	struct child child;
	int process; /* a pidfd: readable once it has ended; or -1 */
	int signals; /* a signalfd */
	struct thread_capture *capture;
	struct dumper *dumper;
	FILE *out;
};

static void pyflame_deinit(struct pyflame *p)
{
	dumper_free(p->dumper);
	thread_capture_close(p->capture);
	if (p->out && p->out != stdout)
		fclose(p->out);
	if (p->process >= 0 && p->process != p->child.pidfd)
		close(p->process);
	if (p->signals >= 0)
		close(p->signals);
	child_close(&p->child);
}

/*
 * The command line
 */

static void version_print(FILE *out)
{
	fprintf(out, PYFLAME_VERSION " (ABI list:");
	for (size_t i = 0; i < sizeof(abis) / sizeof(*abis); i++)
		fprintf(out, " %d", abis[i]);
	fprintf(out, ")\n");
}

static int parse_pid(const char *text, u32 *ret)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (pid <= 0 || pid > INT_MAX || *end) {
		fprintf(stderr, "Error: failed to parse \"%s\" as a PID.\n\n", text);
		return -EINVAL;
	}
	*ret = pid;
	return 0;
}

static int parse_number(const char *text, const char *what, double least, double *ret)
{
	char *end;
	double seconds = strtod(text, &end);

	/* NaN is neither. */
	if (end == text || *end || !(seconds >= least && seconds <= SECONDS_MAX)) {
		fprintf(stderr, "Error: failed to parse \"%s\" as a %s (%g to %g).\n", text, what, least, SECONDS_MAX);
		return -EINVAL;
	}
	*ret = seconds;
	return 0;
}

static int check_abi(const char *text)
{
	char *end;
	long abi = strtol(text, &end, 10);

	for (size_t i = 0; i < sizeof(abis) / sizeof(*abis); i++)
		if (abis[i] == abi && end > text && !*end)
			return 0;
	fprintf(stderr, "Unknown or unsupported ABI version: %s\n", text);
	return -EINVAL;
}

/* One option. 0, -EINVAL when it was explained, 1 when there is nothing else to do. */
static int take_option(struct pyflame *p, int option)
{
	switch (option) {
	case 'a':
		return check_abi(optarg);
	case 'd':
		p->dump = p->options.threads = true;
		return 0;
	case 'h':
		version_print(stdout);
		printf("\n%s", usage);
		return 1;
	case 'L':
		p->options.threads = true;
		return 0;
	case 'T':
		p->options.chart = true;
		return 0;
	case 'n':
		p->options.no_lines = true;
		return 0;
	case 'o':
		p->output = optarg;
		return 0;
	case 'p':
		return parse_pid(optarg, &p->pid);
	case 'r':
		return parse_number(optarg, "sample interval in seconds", INTERVAL_MIN, &p->interval);
	case 's':
		return parse_number(optarg, "number of seconds", 0, &p->seconds);
	case 'v':
		version_print(stdout);
		return 1;
	case 'x':
		p->options.exclude_idle = true;
		return 0;
	default:
		fputs(usage, stderr);
		return -EINVAL;
	}
}

static int check_command(struct pyflame *p, char **rest)
{
	const char *why = p->dump ? "-d" : p->pid ? "-p" : NULL;

	if (why) {
		fprintf(stderr, "Options -t and %s are not mutually compatible.\n", why);
		return -EINVAL;
	}
	if (!*rest) {
		fprintf(stderr, "Option -t requires a command to run.\n\n%s", usage);
		return -EINVAL;
	}
	size_t size = strlen(*rest), own = strlen("pyflame");
	if (size >= own && !strcmp(*rest + size - own, "pyflame")) {
		fprintf(stderr, "You tried to pyflame a pyflame, naughty!\n");
		return -EINVAL;
	}
	p->command = rest;
	p->seconds = -1;
	return 0;
}

/* As of old, the process may stand alone at the end. */
static int check_pid(struct pyflame *p, int cnt, char **rest)
{
	if (p->pid)
		return 0;
	if (cnt != 1 || parse_pid(rest[0], &p->pid)) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	fprintf(stderr, "WARNING: Specifying a PID to trace without -p is deprecated; "
			"see Pyflame issue #99 for details.\n");
	return 0;
}

static int parse(struct pyflame *p, int argc, char **argv)
{
	static const struct option options[] = {
		{"abi", required_argument, 0, 'a'},
		{"dump", no_argument, 0, 'd'},
		{"help", no_argument, 0, 'h'},
		{"rate", required_argument, 0, 'r'},
		{"seconds", required_argument, 0, 's'},
		{"threads", no_argument, 0, 'L'},
		{"no-line-numbers", no_argument, 0, 'n'},
		{"output", required_argument, 0, 'o'},
		{"pid", required_argument, 0, 'p'},
		{"trace", no_argument, 0, 't'},
		{"flamechart", no_argument, 0, 'T'},
		{"version", no_argument, 0, 'v'},
		{"exclude-idle", no_argument, 0, 'x'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "dhno:p:r:s:tvx", options, NULL)) != -1) {
		/* What follows is the command, with options of its own. */
		if (option == 't')
			return check_command(p, argv + optind);
		int err = take_option(p, option);
		if (err)
			return err;
	}
	return check_pid(p, argc - optind, argv + optind);
}

/*
 * The process
 */

static int fail_to_seize(const struct pyflame *p, int err)
{
	STRBUF(remedy);

	rights_put_remedy(&remedy);
	if (err == -ESRCH)
		fprintf(stderr, "Failed to seize PID %u: there is no such process\n", p->pid);
	else if (err == -ENODATA)
		fprintf(stderr,
			"Failed to seize PID %u: it has no memory of its own: it has ended (a zombie), or is a kernel "
			"thread\n",
			p->pid);
	else if (err == -EPERM || err == -EACCES)
		fprintf(stderr, "Failed to seize PID %u: %s; %s\n", p->pid, strerror(-err), remedy.at);
	else
		fprintf(stderr, "Failed to seize PID %u: %s\n", p->pid, strerror(-err));
	return -EINVAL;
}

/* pidfd_open of what is one of the threads of a process: -EINVAL, or -ENOENT on newer kernels. */
static int fail_to_open(const struct pyflame *p, int err)
{
	if (err != -EINVAL && err != -ENOENT)
		return fail_to_seize(p, err);
	fprintf(stderr, "Failed to seize PID %u: it is a thread of another process\n", p->pid);
	return -EINVAL;
}

static int start_command(struct pyflame *p)
{
	uid_t uid;
	gid_t gid;

	sudo_caller(&uid, &gid);
	int err = child_open(p->command, uid, gid, &p->child);
	if (!err)
		err = child_start(&p->child);
	if (err) {
		fprintf(stderr, "execvp() failed for: %s, err = %s\nChild process exited with status: 1\n",
			p->command[0], strerror(-err));
		return -EINVAL;
	}
	p->pid = p->child.pid;
	p->process = p->child.pidfd;
	return 0;
}

static int open_output(struct pyflame *p)
{
	p->out = p->output ? fopen(p->output, "we") : stdout;
	if (p->out)
		return 0;
	fprintf(stderr, "cannot open file \"%s\" as output\n", p->output);
	return -EINVAL;
}

/* What a person who interrupts us has waited for is not lost. */
static int watch_signals(struct pyflame *p)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGHUP);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	p->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	return p->signals < 0 ? -errno : 0;
}

static int open_process(struct pyflame *p)
{
	const struct snapshot_options options = {.native = DUMP_NATIVE_NONE, .stacks_only = true};
	const struct thread_capture_options capture = {0};
	const char *step = NULL;

	if (p->process < 0)
		p->process = syscall(SYS_pidfd_open, p->pid, 0);
	if (p->process < 0)
		return fail_to_open(p, -errno);
	int err = thread_capture_open(&capture, &p->capture, &step);
	if (!err)
		err = dumper_new(&options, p->capture, p->pid, NULL, &p->dumper);
	return err ? fail_to_seize(p, err) : 0;
}

/* False when the process has ended, or somebody wants us to. */
static bool wait_until(const struct pyflame *p, u64 time_ns)
{
	struct pollfd fds[] = {{.fd = p->process, .events = POLLIN}, {.fd = p->signals, .events = POLLIN}};
	u64 now = clock_monotonic_ns(), left = time_ns > now ? time_ns - now : 0;
	struct timespec timeout = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};

	return ppoll(fds, 2, &timeout, NULL) == 0;
}

/*
 * What it does
 */

static bool has_ended(int err)
{
	return err == -ESRCH || err == -ENODATA;
}

static int explain(const struct pyflame *p, const struct snapshot *snapshot, int err)
{
	char version[PYTHON_VERSION_SIZE];

	if (has_ended(err) || err == -EPERM)
		return fail_to_seize(p, err);
	if (err == -ENOTSUP && snapshot) {
		python_version_format(snapshot->version, snapshot->free_threaded, version);
		fprintf(stderr, "Target has Python ABI %s, which is not supported by this pyflame build.\n", version);
	} else if (err == -ENOEXEC || err == -EAGAIN) {
		fprintf(stderr, "Failed to locate libpython within timeout period.\n");
	} else {
		fprintf(stderr, "Failed to read PID %u: %s\n", p->pid, strerror(-err));
	}
	return -EINVAL;
}

/* The command has ended before it was a Python, and that was said. */
static bool command_is_over(struct pyflame *p, int err)
{
	/* Its memory goes a moment before it does. */
	if (has_ended(err))
		wait_until(p, clock_monotonic_ns() + NS_PER_S);
	if (!child_reap(&p->child, false))
		return false;
	fprintf(stderr, "Child process exited with status: %d\n", child_exit_status(&p->child));
	return true;
}

/* The first snapshot: a program that was just started is not a Python yet. */
static int find_python(struct pyflame *p, struct snapshot **ret)
{
	u64 interval = p->interval * NS_PER_S;

	for (int tries = p->command ? START_TRIES : 1;; tries--) {
		_cleanup_(snapshot) struct snapshot *snapshot = NULL;
		int err = dumper_take(p->dumper, &snapshot);

		if (!err) {
			*ret = take(snapshot);
			return 0;
		}
		bool is_early = err == -ENOEXEC || err == -EAGAIN;
		if (!is_early || tries <= 1 || !wait_until(p, clock_monotonic_ns() + interval))
			return p->command && command_is_over(p, err) ? -EINVAL : explain(p, snapshot, err);
	}
}

static int dump(struct pyflame *p, struct snapshot *snapshot)
{
	STRBUF(text);
	const struct snapshot *const snapshots[] = {snapshot};
	const struct dump_view view = {0};
	const struct snapshot_counts threads = snapshot_count(snapshot);
	int err = pyflame_format_put(snapshots, 1, &view, &text);

	dump_explain_missing(snapshot, false);
	if (!err && !threads.read && threads.lost)
		return -ENODATA; /* as was just said */
	if (!err && !text.size)
		fprintf(stderr, "no Python threads found\n");
	errno = 0;
	if (!err && (fputs(text.at, p->out) < 0 || fflush(p->out)))
		err = errno ? -errno : -EIO;
	return err;
}

/* Until the time is over, or the process, or somebody has seen enough. */
static int sample(struct pyflame *p, struct snapshot *snapshot, struct pyflame_profile *profile)
{
	u64 interval = p->interval * NS_PER_S, begin = clock_monotonic_ns(), now = begin, next = begin;
	u64 end = p->seconds < 0 ? UINT64_MAX : begin + (u64)(p->seconds * NS_PER_S);
	int err = pyflame_profile_add(profile, snapshot, clock_realtime_ns() / 1000);

	for (; !err && now + interval < end; now = clock_monotonic_ns()) {
		_cleanup_(snapshot) struct snapshot *another = NULL;

		next = next + interval > now ? next + interval : now + interval;
		if (!wait_until(p, next))
			break;
		u64 realtime_us = clock_realtime_ns() / 1000;
		err = dumper_take(p->dumper, &another);
		if (has_ended(err) || err == -ENOEXEC)
			break; /* it is over, or has become another program */
		if (!err || err == -EAGAIN)
			err = pyflame_profile_add(profile, another, realtime_us);
	}
	return has_ended(err) || err == -ENOEXEC ? 0 : err;
}

static int profile(struct pyflame *p, struct snapshot *snapshot)
{
	_cleanup_(pyflame_profile) struct pyflame_profile *profile = NULL;

	int err = pyflame_profile_new(&p->options, p->out, &profile);
	if (!err)
		err = sample(p, snapshot, profile);
	int written = profile ? pyflame_profile_write(profile) : 0; /* what there is, whatever happened */
	return err ? err : written;
}

static int run(struct pyflame *p)
{
	_cleanup_(snapshot) struct snapshot *snapshot = NULL;

	int err = watch_signals(p);
	if (!err && p->command)
		err = start_command(p);
	if (!err)
		err = open_process(p);
	if (!err)
		err = find_python(p, &snapshot);
	if (!err)
		err = open_output(p);
	if (err)
		return err;
	err = p->dump ? dump(p, snapshot) : profile(p, snapshot);
	if (err && err != -ENODATA && err != -EPIPE)
		fprintf(stderr, "Failed to go on with PID %u: %s\n", p->pid, strerror(-err));
	return err;
}

int pyflame_main(int argc, char **argv)
{
	__attribute__((cleanup(pyflame_deinit))) struct pyflame p = {
		.seconds = 1, .interval = 0.01, .child = CHILD_NONE, .process = -1, .signals = -1};

	signal(SIGPIPE, SIG_IGN); /* an error of the write */
	int err = parse(&p, argc, argv);
	if (err)
		return err < 0 ? EXIT_FAILED : EXIT_OK;
	return run(&p) ? EXIT_FAILED : EXIT_OK;
}
