/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tui/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/file.h"
#include "base/strbuf.h"

#define ARRAY_CNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Alternate screen, no cursor, no wrapping at the right edge, and back: also the
 * colours, in case we stopped inside a line.
 */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

/*
 * Synchronized output: a terminal that knows it shows the whole draw at once,
 * others ignore it. Lines are erased before they are written: afterwards the
 * cursor may stand on the last column and would take its character along.
 */
#define DRAW_BEGIN "\033[?2026h\033[H\033[K"
#define LINE_NEXT  "\r\n\033[K"
#define DRAW_END   "\033[?2026l"

struct screen {
	int out; /* stdout, borrowed */
	int in; /* -1: no keys */
	bool in_owned;
	enum palette palette;
	char keys[64];
	size_t key_cnt, key_at;
};

/*
 * A signal handler gets no argument, so what it needs to put the terminal back is
 * the process's: the one exception that the house rules' "no globals" has to make
 * here. `entered` says whether there is anything to put back.
 */
static struct {
	volatile sig_atomic_t entered;
	int out, in;
	bool dumb;
	struct termios before, ours;
	struct sigaction actions[16]; /* those of crashes[], as they were */
	struct sigaction stop_action;
} terminal = {.out = -1, .in = -1};

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGQUIT};

static void terminal_write(const char *text, size_t size)
{
	while (size) {
		ssize_t done = write(terminal.out, text, size);
		if (done < 0 && errno != EINTR)
			return;
		if (done > 0) {
			text += done;
			size -= done;
		}
	}
}

static void terminal_enter(void)
{
	if (terminal.in >= 0)
		tcsetattr(terminal.in, TCSANOW, &terminal.ours);
	if (!terminal.dumb)
		terminal_write(ENTER, strlen(ENTER));
	terminal.entered = 1;
}

void screen_restore(void)
{
	if (!terminal.entered)
		return;
	terminal.entered = 0;
	int saved = errno;
	if (!terminal.dumb)
		terminal_write(LEAVE, strlen(LEAVE));
	if (terminal.in >= 0)
		tcsetattr(terminal.in, TCSANOW, &terminal.before);
	errno = saved;
}

/* SA_RESETHAND: the signal now does what it would have done. */
static void crash(int number)
{
	screen_restore();
	raise(number);
}

/* Ctrl-Z: leave, stop, and come back with the next `fg`. */
static void stop(int number)
{
	int saved = errno;

	screen_restore();
	raise(SIGSTOP);
	terminal_enter();
	errno = saved;
}

static void signals_take(void)
{
	struct sigaction action = {.sa_handler = crash, .sa_flags = SA_RESETHAND | SA_NODEFER};

	for (size_t i = 0; i < ARRAY_CNT(crashes); i++)
		sigaction(crashes[i], &action, &terminal.actions[i]);
	action = (struct sigaction){.sa_handler = stop, .sa_flags = SA_RESTART};
	sigaction(SIGTSTP, &action, &terminal.stop_action);
}

static void signals_give_back(void)
{
	for (size_t i = 0; i < ARRAY_CNT(crashes); i++)
		sigaction(crashes[i], &terminal.actions[i], NULL);
	sigaction(SIGTSTP, &terminal.stop_action, NULL);
}

enum palette palette_of(const char *term, const char *no_color)
{
	if (!term || !*term || !strcmp(term, "dumb"))
		return PALETTE_NONE;
	return no_color && *no_color ? PALETTE_MONO : PALETTE_COLOUR;
}

/* Keys come from stdin; when that is something else, from the terminal that controls us, if any. */
static void keys_open(struct screen *screen)
{
	screen->in = STDIN_FILENO;
	if (isatty(STDIN_FILENO))
		return;
	screen->in = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	screen->in_owned = screen->in >= 0;
}

/* Keys at once and unseen. Ctrl-C still interrupts; Ctrl-S must not stop the profiler. */
static int keys_configure(struct screen *screen)
{
	if (screen->in < 0)
		return 0;
	if (tcgetattr(screen->in, &terminal.before))
		return -errno;
	terminal.ours = terminal.before;
	terminal.ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	terminal.ours.c_iflag &= ~(tcflag_t)IXON;
	terminal.ours.c_cc[VMIN] = 0;
	terminal.ours.c_cc[VTIME] = 0;
	return 0;
}

int screen_open(struct screen **ret)
{
	static bool at_exit;

	if (!isatty(STDOUT_FILENO))
		return -ENOTTY;
	if (terminal.entered)
		return -EBUSY;

	_cleanup_(free) struct screen *screen = calloc(1, sizeof(*screen));
	if (!screen)
		return -ENOMEM;
	screen->out = STDOUT_FILENO;
	screen->palette = palette_of(getenv("TERM"), getenv("NO_COLOR"));
	keys_open(screen);
	int err = keys_configure(screen);
	if (err) {
		if (screen->in_owned)
			close(screen->in);
		return err;
	}

	terminal.out = screen->out;
	terminal.in = screen->in;
	terminal.dumb = screen->palette == PALETTE_NONE;
	if (!at_exit)
		at_exit = !atexit(screen_restore);
	signals_take();
	terminal_enter();
	*ret = take(screen);
	return 0;
}

void screen_close(struct screen *screen)
{
	if (!screen)
		return;
	screen_restore();
	signals_give_back();
	if (screen->in_owned)
		close(screen->in);
	free(screen);
}

struct table_shape screen_shape(const struct screen *screen)
{
	struct winsize size = {0};

	/* A serial line knows no size: what terminals were for decades. */
	if (ioctl(screen->out, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	return (struct table_shape){.columns = size.ws_col, .lines = size.ws_row, .palette = screen->palette};
}

static void put_draw(struct strbuf *b, const char *lines)
{
	strbuf_put(b, DRAW_BEGIN);
	for (const char *at = lines;;) {
		size_t size = strcspn(at, "\n");
		strbuf_put_size(b, at, size);
		at += size;
		if (!*at++)
			break;
		strbuf_put(b, LINE_NEXT);
	}
	strbuf_put(b, DRAW_END);
}

int screen_draw(struct screen *screen, const char *lines)
{
	struct pollfd writable = {.fd = screen->out, .events = POLLOUT};
	STRBUF(text);

	if (poll(&writable, 1, 0) > 0 && writable.revents & (POLLERR | POLLHUP | POLLNVAL))
		return -EIO;
	if (!(writable.revents & POLLOUT))
		return 0;
	if (screen->palette == PALETTE_NONE)
		strbuf_printf(&text, "%s\n\n", lines); /* no way up: one table below the other */
	else
		put_draw(&text, lines);
	return text.failed ? -ENOMEM : file_write_all(screen->out, text.at, text.size);
}

int screen_fd(const struct screen *screen)
{
	return screen->in;
}

int screen_key(struct screen *screen)
{
	if (screen->key_at == screen->key_cnt) {
		struct pollfd readable = {.fd = screen->in, .events = POLLIN};

		if (screen->in < 0 || poll(&readable, 1, 0) <= 0)
			return 0;
		ssize_t got = read(screen->in, screen->keys, sizeof(screen->keys));
		if (got < 0)
			return errno == EINTR || errno == EAGAIN ? 0 : -EIO;
		/* Ready, yet nothing to read: hung up. */
		if (!got)
			return readable.revents & (POLLHUP | POLLERR) ? -EIO : 0;
		screen->key_at = 0;
		screen->key_cnt = got;
	}
	unsigned char key = screen->keys[screen->key_at++];
	if (key != '\033')
		return key;
	/* An arrow or a function key: its bytes came with it. */
	screen->key_at = screen->key_cnt;
	return 0;
}
