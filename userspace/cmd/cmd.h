/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cmd.h - the commands. Each gets argv with its own name (or the program's) in
 * argv[0] and gives the exit status. Only commands talk to the person.
 */
#ifndef PYPROF_CMD_H
#define PYPROF_CMD_H

#include "pyprof/version.h"

enum exit_status {
	EXIT_OK = 0, /* a profile was written; doctor: --all can run */
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* wrong command line */
	EXIT_CANNOT_EXECUTE = 126, /* -- COMMAND */
	EXIT_NOT_FOUND = 127, /* -- COMMAND */
	EXIT_SIGNAL = 128, /* -- COMMAND: plus the signal that ended it */
};

struct command {
	const char *name;
	const char *summary; /* for --help */
	int (*main)(int argc, char **argv);
};

/* Ends with a row whose name is NULL. The first is what runs when no command is named. */
extern const struct command commands[];

int record_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int containers_main(int argc, char **argv);
int convert_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int unwind_table_main(int argc, char **argv);
int pyflame_main(int argc, char **argv);

#endif
