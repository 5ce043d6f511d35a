/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* halts.c - preloaded, it holds a program before its first instruction (HALT=begin) or after its last (HALT=end). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void halt(const char *where)
{
	const char *wanted = getenv("HALT");

	while (wanted && !strcmp(wanted, where)) {
		static const char ready[] = "ready\n";
		static int is_told;

		if (!is_told++ && write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0)
			_exit(1);
		pause();
	}
}

__attribute__((constructor)) static void begin(void)
{
	halt("begin");
}

__attribute__((destructor)) static void end(void)
{
	halt("end");
}
