/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/file.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_whole(const char *path, const char *text)
{
	struct atomic_file *file;

	cr_assert_eq(atomic_file_open(path, (uid_t)-1, (gid_t)-1, &file), 0);
	fputs(text, atomic_file_stream(file));
	cr_assert_eq(atomic_file_finish(file, 0), 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	return st.st_mode & 07777;
}

Test(file, that_is_replaced_keeps_its_permissions_and_a_new_one_has_those_of_any)
{
	char directory[] = "/tmp/pyprof-file-XXXXXX", path[64], link[64];

	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/x", directory);
	snprintf(link, sizeof(link), "%s/link", directory);
	umask(027);
	write_whole(path, "one");
	cr_expect_eq(mode_of(path), 0640);
	cr_assert_eq(chmod(path, 0600), 0);
	write_whole(path, "two");
	cr_expect_eq(mode_of(path), 0600);
	cr_assert_eq(chmod(path, 04666), 0);
	cr_assert_eq(symlink("x", link), 0);
	write_whole(link, "three");
	cr_expect_eq(mode_of(path), 0666, "%o: what is not its owner's program any more must not run as him",
		     mode_of(path));

	char *text;
	size_t size;
	cr_assert_eq(file_read(path, 100, &text, &size), 0);
	cr_expect_str_eq(text, "three");
	free(text);
	unlink(link);
	unlink(path);
	cr_expect_eq(rmdir(directory), 0, "something was left behind");
}

Test(file, that_is_replaced_keeps_its_owner_where_we_may_give_it_away)
{
	char path[] = "/tmp/pyprof-file-XXXXXX";
	struct stat st;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	if (geteuid())
		cr_skip_test("takes root");
	cr_assert_eq(chown(path, 1234, 4321), 0);
	write_whole(path, "x");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_uid, 1234);
	cr_expect_eq(st.st_gid, 4321);
	unlink(path);
}
