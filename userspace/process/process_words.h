/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process_words.h - what a process says of itself in words: its program's path, and only when a person
 * asks its command line and variables of its environment, which may be secrets.
 */
#ifndef PYPROF_PROCESS_WORDS_H
#define PYPROF_PROCESS_WORDS_H

#include <stdbool.h>

struct process_id;

struct words_wanted {
	bool command_line;
	const char *const *variables; /* names, ended by NULL; NULL: none */
};

/* All texts end with NUL, are bounded, and are as the process wrote them: any bytes. NULL: not wanted, or not to be read. */
struct process_words {
	char *exe; /* as the process sees it; without " (deleted)" */
	char *command_line; /* blanks between the words */
	char *environment; /* "NAME=VALUE NAME=VALUE", of those wanted that it has, in its own order */
};

/* What cannot be read any more stays NULL. -ENOMEM. */
int process_words_read(const struct process_id *id, const struct words_wanted *wanted, struct process_words *ret);
/* What a fork shares. -ENOMEM. */
int process_words_copy(const struct process_words *words, struct process_words *ret);
void process_words_deinit(struct process_words *words);

#endif
