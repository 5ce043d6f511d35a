/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* main.c - which command is meant. */
#include <locale.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"

static const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* Above this a piece of memory goes back to the system when it is freed; glibc would raise it with each such piece. */
#define MMAP_THRESHOLD (256 << 10)
/* So much is kept of what smaller pieces leave: a window's messages take and free it sixty times in a row. */
#define TRIM_THRESHOLD (1 << 20)

int main(int argc, char **argv)
{
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
	/* What we write is UTF-8 in any locale; only the widths of characters are asked of libc. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");

	log_find_journal();

	/* A link with a command's name is that command: pyflame is meant to be one. */
	const struct command *command = argc ? command_find(basename(argv[0])) : NULL;
	if (command)
		return command->main(argc, argv);
	command = argc > 1 ? command_find(argv[1]) : NULL;
	if (command)
		return command->main(argc - 1, argv + 1);
	return commands[0].main(argc, argv);
}
