/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/source_cache.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/strbuf.h"

static struct source_cache *cache;
static struct process process; /* a child, which began after the files were written */
static char directory[64];
static int hold[2];

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(path_of(name), "we");

	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
	cr_assert_eq(chmod(path_of(name), mode), 0);
}

/* Field 22 of its stat, in ticks. */
static u64 start_of(pid_t pid)
{
	char path[64], stat[1024] = "";
	u64 ticks;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	cr_assert(file && fgets(stat, sizeof(stat), file));
	fclose(file);
	char *at = strrchr(stat, ')');
	for (int field = 2; field < 22; field++)
		at = strchr(at + 1, ' ');
	cr_assert_eq(sscanf(at, " %llu", &ticks), 1);
	return ticks * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

/* As another user where we may be one, for then its private files are not ours. */
static void process_begin(uid_t uid)
{
	int ready[2];
	char c;

	cr_assert_eq(pipe2(hold, O_CLOEXEC) || pipe2(ready, O_CLOEXEC), 0);
	nanosleep(&(struct timespec){.tv_nsec = 40 * NS_PER_MS}, NULL); /* files are not changed in its first tick */
	pid_t pid = fork();
	if (!pid) {
		close(hold[1]);
		if ((uid && setuid(uid)) || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &c, 1));
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	process = (struct process){.key = 7, .id = {.pid = pid, .start_ns = start_of(pid)}};
}

static void process_end(void)
{
	close(hold[0]);
	close(hold[1]);
	cr_assert_eq(waitpid(process.id.pid, NULL, 0), (pid_t)process.id.pid);
}

static void set_up(void)
{
	strcpy(directory, "/tmp/pyprof-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chmod(directory, 0755), 0);
	cr_assert_eq(source_cache_new(&cache), 0);
}

static void tear_down(void)
{
	char command[128];

	source_cache_free(cache);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	cr_assert_eq(system(command), 0);
}

TestSuite(source_cache, .init = set_up, .fini = tear_down);

/* The first word of a file; NULL: not to be had. */
static const char *word_of(const char *path)
{
	static char text[128];
	struct line_position at = {1, 1, 0, 5, true};
	STRBUF(b);

	int err = source_cache_put(cache, &process, path, &at, &b);
	cr_assert(!err || err == -ENOENT, "%d", err);
	snprintf(text, sizeof(text), "%s", b.at);
	return err ? NULL : text;
}

Test(source_cache, has_what_a_file_said_when_the_process_began_even_when_both_are_gone)
{
	write_file("a.py", "hello(1)\n", 0644);
	process_begin(0);
	cr_assert_str_eq(word_of(path_of("a.py")), "hello");
	unlink(path_of("a.py"));
	process_end();
	process.exited = true;
	cr_assert_str_eq(word_of(path_of("a.py")), "hello");
	cr_assert_null(word_of(path_of("b.py")), "it is gone");
}

Test(source_cache, does_not_believe_a_file_that_was_changed_since)
{
	write_file("a.py", "hello(1)\n", 0644);
	process_begin(0);
	write_file("a.py", "jello(1)\n", 0644);
	/* As a copy that keeps the time of what it replaces. */
	struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	cr_assert_eq(utimensat(AT_FDCWD, path_of("a.py"), old, 0), 0);
	cr_assert_null(word_of(path_of("a.py")));
	process_end();
}

Test(source_cache, reads_no_file_that_is_none_of_its_source)
{
	write_file("secret", "hello(1)\n", 0644);
	write_file("large.py", "hello(1)\n", 0644);
	cr_assert_eq(truncate(path_of("large.py"), (1 << 20) + 1), 0);
	cr_assert_eq(mkfifo(path_of("pipe.py"), 0644), 0);
	cr_assert_eq(mkdir(path_of("directory.py"), 0755), 0);
	process_begin(0);
	cr_assert_null(word_of(path_of("secret")));
	cr_assert_null(word_of(path_of("large.py")));
	cr_assert_null(word_of(path_of("pipe.py")));
	cr_assert_null(word_of(path_of("directory.py")));
	cr_assert_null(word_of("/dev/zero"));
	cr_assert_null(word_of("relative.py"));
	cr_assert_null(word_of("<string>"));
	cr_assert_null(word_of(""));
	process_end();
}

Test(source_cache, reads_nothing_that_the_process_s_user_could_not_read)
{
	if (getuid())
		cr_skip_test("needs root");
	write_file("private.py", "hello(1)\n", 0600);
	write_file("own.py", "hello(1)\n", 0600);
	cr_assert_eq(chown(path_of("own.py"), 65534, 65534), 0);
	process_begin(65534);
	cr_assert_null(word_of(path_of("private.py")));
	cr_assert_str_eq(word_of(path_of("own.py")), "hello");
	process_end();
}

Test(source_cache, believes_nothing_of_a_process_whose_pid_is_another_s_or_whose_start_is_not_known)
{
	write_file("a.py", "hello(1)\n", 0644);
	process_begin(0);
	process.id.start_ns += 100 * NS_PER_S;
	cr_assert_null(word_of(path_of("a.py")));
	process.id.start_ns = 0;
	process.key++;
	cr_assert_null(word_of(path_of("a.py")));
	process_end();
}
