/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/process_root.h"

static char directory[] = "/tmp/pyprof-test-XXXXXX";

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

static void tear_down(void)
{
	char command[128];

	(void)!chdir("/");
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	(void)!system(command);
}

TestSuite(process_root, .init = set_up, .fini = tear_down, .timeout = 120);

/* 0 and it can be read, or the error. */
static int try_open(int pid, const char *name, u64 resolve)
{
	char path[128], byte;
	int fd_;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int err = process_root_open(pid, path, resolve, &fd_);
	if (err)
		return err;
	_cleanup_(fd) int fd = fd_;
	return read(fd, &byte, 1) == 1 ? 0 : -EIO;
}

Test(process_root, a_file_is_opened_below_either_root)
{
	_cleanup_(stream) FILE *out = fopen("file", "w");

	fputs("text", out);
	fflush(out);
	cr_assert_eq(try_open(0, "file", 0), 0);
	cr_assert_eq(try_open(getpid(), "file", 0), 0);
	cr_assert_eq(try_open(0, "missing", 0), -ENOENT);
	cr_assert_eq(try_open(0, "file/missing", 0), -ENOTDIR);
}

Test(process_root, links_are_followed_unless_that_is_asked_not_to_be)
{
	_cleanup_(stream) FILE *out = fopen("file", "w");

	fputs("text", out);
	fflush(out);
	cr_assert_eq(symlink("file", "link"), 0);
	cr_assert_eq(try_open(0, "link", 0), 0);
	cr_assert_eq(try_open(0, "link", RESOLVE_NO_SYMLINKS), -ELOOP);
}

Test(process_root, what_is_no_regular_file_is_not_opened)
{
	cr_assert_eq(mkfifo("pipe", 0600), 0);
	cr_assert_eq(symlink("/dev/zero", "device"), 0);
	cr_assert_eq(mkdir("inside", 0700), 0);
	cr_assert_eq(try_open(0, "pipe", 0), -EACCES);
	cr_assert_eq(try_open(0, "device", 0), -EACCES);
	cr_assert_eq(try_open(0, "inside", 0), -EACCES);
}
