/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/cmd.h"

#include <stddef.h>

const struct command commands[] = {
	{"record", "sample for a while or until stopped, and say where the time went (the default)", record_main},
	{"dump", "where every Python thread of a process is now, and what it waits for", dump_main},
	{"containers", "which containers and units run here, and what CPU time each takes", containers_main},
	{"convert", "a profile in one format to another: from folded text or pprof to any", convert_main},
	{"doctor", "what this kernel and these rights allow, what is missing, how to get it", doctor_main},
	{"unwind-table", "how the code of an ELF file is unwound, row by row", unwind_table_main},
	{"pyflame", "Pyflame's own command line, also by that name: `pyflame -d -p 1234`", pyflame_main},
	{.name = NULL},
};
