/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* What all four levels say, with a $JOURNAL_STREAM of stderr's own numbers plus these. */
static void say(unsigned long device, unsigned long inode, const char *behind, char *ret, size_t size)
{
	int ends[2], before = dup(STDERR_FILENO);
	char stream[64];
	struct stat stat;

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(fstat(ends[1], &stat), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu%s", (unsigned long)stat.st_dev + device,
		 (unsigned long)stat.st_ino + inode, behind);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(ends[1], STDERR_FILENO);
	log_find_journal();
	log_set_level(LOG_LEVEL_DEBUG);
	log_error_errno(-ENOENT, "no\nfile");
	log_warning("late");
	log_info("done");
	log_debug("one more");
	dup2(before, STDERR_FILENO);
	ssize_t got = read(ends[0], ret, size - 1);
	cr_assert_geq(got, 0);
	ret[got] = 0;
}

static const char plain[] = "pyprof-bpf: no?file: No such file or directory\npyprof-bpf: late\n"
			    "pyprof-bpf: done\npyprof-bpf: one more\n";

Test(log, a_line_to_systemds_journal_has_its_level_in_front)
{
	char text[512];

	say(0, 0, "", text, sizeof(text));
	cr_expect_str_eq(text, "<3>pyprof-bpf: no?file: No such file or directory\n<4>pyprof-bpf: late\n"
			       "<6>pyprof-bpf: done\n<7>pyprof-bpf: one more\n");
}

Test(log, where_stderr_went_elsewhere_lines_are_for_people)
{
	char text[512];

	say(0, 1, "", text, sizeof(text));
	cr_expect_str_eq(text, plain);
	say(1, 0, "", text, sizeof(text));
	cr_expect_str_eq(text, plain);
	say(0, 0, "x", text, sizeof(text));
	cr_expect_str_eq(text, plain);
}
