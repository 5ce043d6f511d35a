/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record.c - sample for a while, or until stopped, and say where the time went:
 * how a run is set up, waits, and is taken down. The order matters: the output is
 * tried first, the command waits until all is ready, and what was collected is
 * written whatever happens later.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/admin_right.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/priority.h"
#include "base/strbuf.h"
#include "capture/probe.h"
#include "cmd/child.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "profiler.h"
#include "tui/status.h"

#define STATUS_PERIOD_NS NS_PER_S
#define PATH_SIZE	 4096

struct run {
	const struct record_options *options;
	u32 frequency_hz;
	uid_t uid; /* who owns what we write; and runs the command */
	gid_t gid;

	struct profiler *profiler;
	struct outputs *outputs;
	struct atomic_file *stats;
	struct child child;
	bool child_failed; /* it could not be run */
	int signals;
	int epoll;

	u64 start_ns, period_end_ns, status_ns;
	struct truth status_truth; /* of the status line before */
	bool status_shown;
	bool over; /* no more samples are wanted */
	int err; /* why it ended early, if so */
};

static void run_deinit(struct run *run)
{
	outputs_close(run->outputs);
	profiler_free(run->profiler);
	atomic_file_abandon(run->stats);
	child_close(&run->child);
	if (run->signals >= 0)
		close(run->signals);
	if (run->epoll >= 0)
		close(run->epoll);
}

/* ---- setting up */

static void on_message(const char *message)
{
	log_debug("libbpf: %s", message);
}

/* Signals become a descriptor. SIGPIPE becomes an error of the write. */
static int signals_open(struct run *run)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? -errno : 0;
}

/* A descriptor for each file that is mapped somewhere; the usual 1024 would leave a large host without symbols. */
static void open_files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int outputs_begin(struct run *run)
{
	int err = outputs_open(run->options, run->child.pid, run->uid, run->gid, &run->outputs);

	if (err || !run->options->stats)
		return err;
	err = atomic_file_open(run->options->stats, run->uid, run->gid, &run->stats);
	if (err)
		return log_error_errno(err, "cannot write '%s', choose another place with --stats",
				       run->options->stats);
	return 0;
}

static int profiler_open(struct run *run)
{
	struct profiler_options options = {
		.all = run->options->target == TARGET_ALL,
		.children = run->options->children,
		.kernel_stacks = run->options->kernel,
		.threads = run->options->view.threads,
		.selections = run->options->selections,
		.selection_cnt = run->options->selection_cnt,
		.words = {.command_line = run->options->command_lines,
			  .variables = (const char *const *)run->options->variables.at},
		.common = &run->options->common,
		.frequency_hz = run->frequency_hz,
		.native = run->options->native,
		.sources = run->options->source && run->options->format->sources && run->options->view.lines,
		.stack_copy_size = run->options->stack_copy_size,
		.on_message = on_message,
	};
	const char *step = "out of memory";
	STRBUF(why);

	int err = probe_kernel_is_safe(run->options->force, &why);
	if (err) {
		log_error("%s", why.at);
		return err;
	}
	err = profiler_new(&options, &run->profiler, &step);
	if (!err)
		return 0;
	probe_explain(err, &why);
	log_error("%s: %s", step, why.at);
	return err;
}

/*
 * A process whose parent has not taken notice of its end, with its last thread: no news of that will come any more. The
 * state of its first thread does not tell, since others may outlive it.
 */
static bool has_ended(u32 pid)
{
	_cleanup_(fd) int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&end, 1, 0) == 1;
}

static int targets_select(struct run *run)
{
	u32 command = run->child.pid;
	const u32 *pids = run->options->target == TARGET_PIDS ? run->options->pids : &command;
	size_t cnt = run->options->target == TARGET_PIDS ? run->options->pid_cnt : 1;

	if (run->options->target == TARGET_ALL)
		return 0;
	for (size_t i = 0; i < cnt; i++) {
		int err = profiler_select(run->profiler, pids[i]);

		if (err == -ESRCH) {
			log_error("there is no process %u (a thread's id is none), see 'ps -e'", pids[i]);
			return err;
		}
		if (err)
			return log_error_errno(err, "cannot sample process %u", pids[i]);
		if (run->options->target == TARGET_PIDS && has_ended(pids[i])) {
			log_error("process %u is a zombie: it has ended, and its parent has not taken notice", pids[i]);
			return -ESRCH;
		}
	}
	return 0;
}

static int watch(struct run *run, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int loop_open(struct run *run)
{
	int screen = outputs_fd(run->outputs);
	int err;

	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (run->epoll < 0)
		return -errno;
	if ((err = watch(run, profiler_fd(run->profiler))) || (err = watch(run, run->signals)))
		return err;
	if (run->child.pidfd >= 0 && (err = watch(run, run->child.pidfd)))
		return err;
	return screen >= 0 ? watch(run, screen) : 0;
}

/* ---- while it runs */

static void status_clear(struct run *run)
{
	if (run->status_shown)
		fputs("\r\033[K", stderr);
	run->status_shown = false;
	log_set_prefix(NULL);
}

static void status_show(struct run *run)
{
	struct winsize window;
	struct truth truth;
	struct status status;
	STRBUF(line);

	if (outputs_own_terminal(run->outputs) || run->options->target == TARGET_COMMAND || !isatty(STDERR_FILENO) ||
	    ioctl(STDERR_FILENO, TIOCGWINSZ, &window))
		return;
	profiler_truth(run->profiler, &truth);
	status_of(&truth, run->status_truth.samples ? &run->status_truth : NULL, &status);
	status_put(&status, window.ws_col ? window.ws_col - 1 : 79, &line);
	fprintf(stderr, "\r\033[K%s", line.at);
	run->status_truth = truth;
	run->status_shown = true;
	log_set_prefix("\r\033[K");
}

static int period_end(struct run *run, bool last)
{
	struct truth truth;

	profiler_truth(run->profiler, &truth); /* first: a period ends now, not after its names were found */
	int err = profiler_name(run->profiler);
	if (!err)
		err = outputs_consume(run->outputs, profiler_profile(run->profiler), &truth, last);
	if (err || last || !outputs_period_ns(run->outputs))
		return err;
	profiler_clear(run->profiler);
	/* Only what waits for the end of the run still needs the names of earlier windows. */
	if (!profiler_is_full(run->profiler) || !outputs_forget(run->outputs))
		return 0;
	return profiler_forget(run->profiler);
}

/* True: somebody wants an end. */
static bool signals_handle(struct run *run)
{
	struct signalfd_siginfo info;
	bool end = false;

	while (read(run->signals, &info, sizeof(info)) == sizeof(info)) {
		if (run->child.pid < 0 || run->child.ended) {
			end = true;
			continue;
		}
		/* A key of the terminal reached the command already. */
		if (info.ssi_code != SI_KERNEL)
			kill(run->child.pid, info.ssi_signo);
	}
	return end;
}

static u64 earlier(u64 a, u64 b)
{
	return a < b ? a : b;
}

static int wait_ms(const struct run *run, u64 now)
{
	u64 until = now + (u64)profiler_timeout_ms(run->profiler) * NS_PER_MS;

	if (run->options->duration_ns)
		until = earlier(until, run->start_ns + run->options->duration_ns);
	if (run->period_end_ns)
		until = earlier(until, run->period_end_ns);
	return until <= now ? 0 : (int)((until - now + NS_PER_MS - 1) / NS_PER_MS);
}

static int events_handle(struct run *run)
{
	struct epoll_event events[8];
	int cnt = epoll_wait(run->epoll, events, 8, wait_ms(run, clock_monotonic_ns()));

	if (cnt < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < cnt; i++) {
		int fd = events[i].data.fd;

		if (fd == run->signals)
			run->over |= signals_handle(run);
		else if (fd == run->child.pidfd)
			run->over |= child_reap(&run->child, false);
		else if (fd != profiler_fd(run->profiler)) {
			int err = outputs_speak(run->outputs, &run->over);
			if (err)
				return err;
		}
	}
	return profiler_turn(run->profiler);
}

static int timers_handle(struct run *run)
{
	u64 now = clock_monotonic_ns();
	int err = 0;

	if (run->options->duration_ns && now - run->start_ns >= run->options->duration_ns)
		run->over = true;
	if (run->options->target == TARGET_PIDS && !profiler_selected_alive(run->profiler))
		run->over = true;
	if (run->over)
		return 0; /* the last period is for the end */
	if (run->period_end_ns && now >= run->period_end_ns) {
		err = period_end(run, false);
		run->period_end_ns += outputs_period_ns(run->outputs);
		if (run->period_end_ns <= now)
			run->period_end_ns = now + outputs_period_ns(run->outputs);
	}
	if (now >= run->status_ns) {
		status_show(run);
		run->status_ns = now + STATUS_PERIOD_NS;
	}
	return err;
}

static int run_loop(struct run *run)
{
	int err = profiler_start(run->profiler);
	if (err)
		return log_error_errno(err, "sampling could not be started");
	err = admin_right_give_back();
	if (err)
		log_warning_errno(err, "CAP_SYS_ADMIN could not be given back");

	run->start_ns = clock_monotonic_ns();
	run->period_end_ns = outputs_period_ns(run->outputs);
	if (run->period_end_ns)
		run->period_end_ns += run->start_ns;
	run->status_ns = run->start_ns + STATUS_PERIOD_NS;
	if (run->child.pid >= 0) {
		err = child_start(&run->child);
		run->child_failed = err;
	}
	while (!run->over && !err) {
		err = events_handle(run);
		if (!err)
			err = timers_handle(run);
	}
	return err;
}

/* ---- the end */

/* What was collected must not be lost because its place went bad meanwhile. */
static int profile_rescue(struct run *run, const struct truth *truth)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_SIZE];
	FILE *file;

	/* In a folder where anybody may have made anything, under any name that can be foreseen. */
	snprintf(path, sizeof(path), "%s/pyprof-bpf-XXXXXX.folded", folder && *folder ? folder : "/tmp");
	int err = file_create_unique(path, strlen(".folded"), run->uid, run->gid, &file);
	if (err)
		return log_error_errno(err, "the profile could not be kept in '%s' either", path);
	err = folded_write(outputs_whole(run->outputs, profiler_profile(run->profiler)), truth, &run->options->view,
			   file);
	if ((fflush(file) || ferror(file)) && !err)
		err = errno ? -errno : -EIO;
	fclose(file);
	if (err) {
		unlink(path);
		return log_error_errno(err, "the profile could not be kept in '%s' either", path);
	}
	log_error("the profile was kept in '%s'", path);
	return 0;
}

static int stats_write(struct run *run, const struct truth *truth)
{
	if (!run->stats)
		return 0;

	int err = stats_json_write(truth, atomic_file_stream(run->stats));
	err = atomic_file_finish(take(run->stats), err);
	if (err)
		return log_error_errno(err, "cannot write the statistics to '%s'", run->options->stats);
	return 0;
}

static void lines_say(struct strbuf *words)
{
	for (char *line = words->at, *end; line && *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		log_info("%s", line);
	}
}

static void summary_say(const struct run *run, const struct truth *truth)
{
	STRBUF(words);

	truth_put_words(truth, &words);
	lines_say(&words);
	strbuf_clear(&words);
	outputs_put_words(run->outputs, &words);
	lines_say(&words);
}

/* Of waiting for the network: a second Ctrl-C. */
static bool has_enough(void *ctx)
{
	struct run *run = ctx;

	if (run->child.pid >= 0)
		child_reap(&run->child, false);
	return signals_handle(run);
}

static int run_finish(struct run *run)
{
	struct truth truth;
	bool terminal = outputs_own_terminal(run->outputs);
	int err = profiler_stop(run->profiler);

	if (err)
		log_warning_errno(err, "the last samples could not be read");
	status_clear(run);
	err = period_end(run, true);
	profiler_truth(run->profiler, &truth);
	outputs_tell_losses(run->outputs, &truth);
	if (terminal)
		outputs_leave_terminal(run->outputs); /* before we speak */
	if (err == -EPIPE || (terminal && err == -EIO))
		err = 0; /* nobody reads any more: that is an end, too */
	if (err) {
		log_error_errno(err, "cannot write '%s'", outputs_path(run->outputs));
		profile_rescue(run, &truth);
	}
	int stats_err = stats_write(run, &truth);

	/* Last of all that is done, for a person may end it by force. */
	outputs_flush(run->outputs, has_enough, run);
	if (!err)
		summary_say(run, &truth);
	return err ? err : stats_err;
}

/* Until the command is over, signals go to it. */
static void child_wait(struct run *run)
{
	while (!child_reap(&run->child, false)) {
		struct epoll_event events[8];

		if (epoll_wait(run->epoll, events, 8, 100) >= 0)
			signals_handle(run);
	}
}

static int child_failed(struct run *run, int err)
{
	const char *name = run->options->command[0];

	child_reap(&run->child, true);
	log_error_errno(err, "cannot run '%s'", name);
	return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static int run_main(struct run *run)
{
	bool has_command = run->options->target == TARGET_COMMAND;
	int err = signals_open(run);

	if (!err && has_command) {
		sudo_caller(&run->uid, &run->gid);
		err = child_open(run->options->command, run->uid, run->gid, &run->child);
	}
	if (err) {
		log_error_errno(err, "cannot prepare the run");
		return EXIT_FAILED;
	}
	/* For ourselves, after the command was made: it runs as it would. */
	priority_run_soon();
	open_files_raise();
	if (outputs_begin(run) || profiler_open(run) || targets_select(run))
		return EXIT_FAILED;
	err = loop_open(run);
	if (err) {
		log_error_errno(err, "cannot wait for events");
		return EXIT_FAILED;
	}

	err = run_loop(run);
	if (err && has_command && !run->start_ns)
		return EXIT_FAILED;
	if (run->child_failed)
		return child_failed(run, err);
	if (err && err != -EPIPE && err != -EIO)
		log_error_errno(err, "sampling ended early");

	int finish_err = run_finish(run);
	if (has_command)
		child_wait(run);
	if (finish_err || (err && err != -EPIPE && err != -EIO))
		return EXIT_FAILED;
	return has_command ? child_exit_status(&run->child) : EXIT_OK;
}

int record_main(int argc, char **argv)
{
	struct record_options options;
	int status;

	if (!record_options_read(argc, argv, &options, &status))
		return status;
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);

	bool terminal = isatty(STDOUT_FILENO);
	struct run run = {
		.options = &options,
		.frequency_hz = record_options_frequency_hz(&options, terminal),
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.child = CHILD_NONE,
		.signals = -1,
		.epoll = -1,
	};
	status = run_main(&run);
	run_deinit(&run);
	record_options_deinit(&options);
	return status;
}
