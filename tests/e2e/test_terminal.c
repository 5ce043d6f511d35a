/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The live table: drawn, obeys its keys, and leaves the terminal as it was. */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

E2E_SUITE(terminal, 60);

struct terminal {
	int ours, theirs;
	struct termios before;
	char *text; /* all that was written to it */
	size_t size;
};

static struct terminal terminal_open(unsigned short columns, unsigned short rows)
{
	struct terminal terminal = {0};
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	cr_assert_eq(openpty(&terminal.ours, &terminal.theirs, NULL, NULL, &size), 0);
	cr_assert_eq(tcgetattr(terminal.theirs, &terminal.before), 0);
	fcntl(terminal.ours, F_SETFL, O_NONBLOCK);
	fcntl(terminal.ours, F_SETFD, FD_CLOEXEC);
	terminal.text = calloc(1, 1 << 22);
	return terminal;
}

static void terminal_read(struct terminal *terminal, double seconds)
{
	double end = now_s() + seconds;

	do {
		ssize_t got = read(terminal->ours, terminal->text + terminal->size, (1 << 22) - 1 - terminal->size);
		if (got > 0)
			terminal->size += (size_t)got;
		else
			sleep_s(0.02);
	} while (now_s() < end);
}

/* Waits while reading, so that the profiler is never held up by a full terminal. */
static int terminal_wait(struct terminal *terminal, struct child *child, double seconds)
{
	double end = now_s() + seconds;

	while (child_is_running(child)) {
		cr_assert(now_s() < end, "hung after %g s", seconds);
		terminal_read(terminal, 0.05);
	}
	terminal_read(terminal, 0.1);
	return child->status;
}

static struct child *table_start(struct terminal *terminal)
{
	struct start how = {.in = terminal->theirs,
			    .out = terminal->theirs,
			    .err = terminal->theirs,
			    .own_terminal = true,
			    .environment = {"TERM=xterm-256color", "LC_ALL=C.UTF-8"}};

	return profiler_start(&how, "--all", NULL);
}

static void expect_restored(const struct terminal *terminal, const char *how)
{
	struct termios after;

	cr_assert_eq(tcgetattr(terminal->theirs, &after), 0);
	cr_expect_eq(after.c_lflag, terminal->before.c_lflag, "%s: local modes", how);
	cr_expect_eq(after.c_iflag, terminal->before.c_iflag, "%s: input modes", how);
	cr_expect_eq(after.c_oflag, terminal->before.c_oflag, "%s: output modes", how);
	/* Whoever takes the alternate screen or hides the cursor gives it back last. */
	char *enter = NULL, *leave = NULL, *hide = NULL, *show = NULL;
	for (char *at = terminal->text; *at; at++) {
		enter = !strncmp(at, "\033[?1049h", 8) ? at : enter;
		leave = !strncmp(at, "\033[?1049l", 8) ? at : leave;
		hide = !strncmp(at, "\033[?25l", 6) ? at : hide;
		show = !strncmp(at, "\033[?25h", 6) || !strncmp(at, "\033[?12;25h", 9) ? at : show;
	}
	cr_expect(!enter || leave > enter, "%s: the alternate screen stays", how);
	cr_expect(!hide || show > hide, "%s: the cursor stays hidden", how);
}

Test(terminal, the_table_names_what_is_hot_and_q_ends_it)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *workload = python_start(&python, &place, "shares.py", "totals", NULL);
	child_ready(workload, 20);
	struct terminal terminal = terminal_open(120, 30);
	struct child *child = table_start(&terminal);

	terminal_read(&terminal, 4);
	cr_expect_not_null(strstr(terminal.text, "half"), "the table does not name the hottest function: %s",
			   terminal.text);
	cr_expect_not_null(strstr(terminal.text, "shares.py"));
	cr_expect_eq(write(terminal.ours, "s", 1), 1);
	terminal_read(&terminal, 1.2);
	cr_expect(child_is_running(child), "s ended it");
	cr_expect_eq(write(terminal.ours, "p", 1), 1);
	terminal_read(&terminal, 0.5);
	cr_expect(child_is_running(child), "p ended it");
	cr_expect_eq(write(terminal.ours, "q", 1), 1);
	cr_expect_eq(terminal_wait(&terminal, child, 5), 0);
	expect_restored(&terminal, "q");
}

Test(terminal, it_is_restored_however_the_table_ends)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct terminal terminal = terminal_open(80, 24);
		struct child *child = table_start(&terminal);

		terminal_read(&terminal, 2.5);
		cr_expect_gt(terminal.size, 0, "nothing was drawn");
		child_signal(child, signals[i]);
		int status = terminal_wait(&terminal, child, 5);
		cr_expect(i > 1 || status == 0, "signal %d: status %d", signals[i], status);
		expect_restored(&terminal, strsignal(signals[i]));
	}
}

Test(terminal, any_size_will_do)
{
	static const unsigned short sizes[][2] = {{1, 1}, {20, 5}, {500, 200}, {0, 0}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct terminal terminal = terminal_open(sizes[i][0], sizes[i][1]);
		struct child *child = table_start(&terminal);
		struct winsize size = {.ws_row = 3, .ws_col = 200};

		terminal_read(&terminal, 1.5);
		ioctl(terminal.ours, TIOCSWINSZ, &size);
		terminal_read(&terminal, 1);
		cr_expect(child_is_running(child), "%d x %d: ended with %d", sizes[i][0], sizes[i][1], child->status);
		cr_expect_eq(write(terminal.ours, "q", 1), 1);
		cr_expect_eq(terminal_wait(&terminal, child, 5), 0);
		expect_restored(&terminal, "size");
	}
}

Test(terminal, a_command_has_it_for_itself)
{
	struct place place = place_in("/");
	struct terminal terminal = terminal_open(80, 24);
	struct start how = {.in = terminal.theirs,
			    .out = terminal.theirs,
			    .own_terminal = true,
			    .directory = place.outside,
			    .environment = {"TERM=xterm-256color"}};
	struct child *child = profiler_start(&how, "--", "/bin/sh", "-c", "read line; echo \"<$line>\"", NULL);

	sleep_s(1);
	cr_expect_eq(write(terminal.ours, "quit\n", 5), 5);
	cr_expect_eq(terminal_wait(&terminal, child, 10), 0, "%s", child_err(child));
	cr_expect_str_eq(terminal.text, "quit\r\n<quit>\r\n");
}
