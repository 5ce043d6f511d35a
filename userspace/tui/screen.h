/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * screen.h - the terminal: a screen of its own, keys as they are pressed, and
 * everything as it was afterwards, however the program ends.
 *
 * Plain escape sequences that every terminal of the last decades knows, instead
 * of ncurses: putting a terminal back must be possible inside a signal handler,
 * and the whole window is drawn once a second anyway.
 */
#ifndef PYPROF_SCREEN_H
#define PYPROF_SCREEN_H

#include "base/cleanup.h"
#include "tui/table.h"

struct screen;

/*
 * Takes over the terminal of stdout. At most one at a time. From now on exit(),
 * crashes (SIGSEGV, SIGABRT and the like) and Ctrl-Z put the terminal back by
 * themselves; SIGINT, SIGTERM and SIGHUP are the caller's, who closes the screen.
 * -ENOTTY: stdout is no terminal. -EBUSY.
 */
int screen_open(struct screen **ret);
void screen_close(struct screen *screen);
DEFINE_CLEANUP(screen, struct screen *, screen_close)

/* Puts the terminal back as it was. Async-signal-safe; does nothing when no screen is open. */
void screen_restore(void);

/* As it is now: a window changes size at any time. */
struct table_shape screen_shape(const struct screen *screen);

/*
 * Shows lines with newlines between them. A terminal that takes nothing at the
 * moment (a stopped ssh) loses this draw instead of stopping us. -EIO: it is gone.
 */
int screen_draw(struct screen *screen, const char *lines);

/* To poll for POLLIN; -1 when there are no keys. */
int screen_fd(const struct screen *screen);

/* The next key, 0 when there is none, -EIO when the terminal is gone. Keys that send a sequence are skipped. */
int screen_key(struct screen *screen);

/* What TERM and NO_COLOR (no-color.org) ask for; either may be NULL. Pure. */
enum palette palette_of(const char *term, const char *no_color);

#endif
