/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbolize/jit_names.h"

static struct jit_names *names;
static struct process process; /* ourselves */
static char path[64];

static void set_up(void)
{
	cr_assert_eq(jit_names_new(&names), 0);
	process = (struct process){.key = 7, .id = {.pid = getpid()}};
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
}

static void tear_down(void)
{
	jit_names_free(names);
	unlink(path);
}

TestSuite(jit_names, .init = set_up, .fini = tear_down);

static void append(const char *to, const char *text)
{
	_cleanup_(stream) FILE *out = fopen(to, "a");

	cr_assert_not_null(out);
	cr_assert_geq(fputs(text, out), 0);
}

static const char *name_at(u64 address)
{
	const char *name = jit_names_find(names, &process, address);

	return name ? name : "none";
}

Test(jit_names, a_process_names_its_own_code)
{
	append(path, "1000 10 one\n2000 10 two\n");
	cr_assert_str_eq(name_at(0x1008), "one");
	cr_assert_str_eq(name_at(0x2000), "two");
	cr_assert_str_eq(name_at(0x3000), "none");
}

Test(jit_names, without_a_map_there_is_no_name)
{
	cr_assert_str_eq(name_at(0x1000), "none");
}

Test(jit_names, a_map_is_looked_at_once_a_second_at_most)
{
	u64 begin_ns = clock_monotonic_ns();

	append(path, "1000 10 one\n");
	cr_assert_str_eq(name_at(0x2000), "none");
	append(path, "2000 10 two\n");
	bool is_too_early = !strcmp(name_at(0x2000), "none");
	cr_assert(is_too_early || clock_monotonic_ns() - begin_ns >= NS_PER_S);
	usleep(1100 * 1000);
	cr_assert_str_eq(name_at(0x2000), "two");
}

Test(jit_names, a_map_that_begins_anew_is_read_anew)
{
	append(path, "1000 10 one\n2000 10 two\n");
	cr_assert_str_eq(name_at(0x1000), "one");
	cr_assert_eq(truncate(path, 0), 0);
	append(path, "3000 10 three\n");
	usleep(1100 * 1000);
	cr_assert_str_eq(name_at(0x3000), "three");
	cr_assert_str_eq(name_at(0x1000), "none");
}

Test(jit_names, without_descriptors_a_map_is_opened_anew_and_known_again)
{
	struct jit_names *kept = names;
	char own[80];

	cr_assert_eq(jit_names_new_without_descriptors(&names), 0);
	append(path, "1000 10 one\n");
	int before = dup(0);
	cr_assert_str_eq(name_at(0x1000), "one");
	int after = dup(0);
	cr_expect_eq(after, before + 1, "the lowest that is free");

	append(path, "2000 10 two\n");
	usleep(1100 * 1000);
	cr_assert_str_eq(name_at(0x2000), "two");
	cr_assert_str_eq(name_at(0x1000), "one");

	/* Another file in its place, and a longer one. */
	snprintf(own, sizeof(own), "%s.new", path);
	append(own, "3000 10 three\n4000 10 four\n5000 10 five\n6000 10 six\n");
	cr_assert_eq(rename(own, path), 0);
	usleep(1100 * 1000);
	cr_assert_str_eq(name_at(0x3000), "three");
	cr_assert_str_eq(name_at(0x1000), "none");
	jit_names_free(names);
	names = kept;
}

static int on_named(void *ctx, u32 frame, const char *name)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%u=%s ", frame, name);
	return 0;
}

Test(jit_names, what_is_written_up_to_the_end_is_named_after_it)
{
	char named[256] = "";

	append(path, "1000 10 one\n");
	cr_assert_str_eq(name_at(0x2000), "none");
	cr_assert_eq(jit_names_wait(names, &process, 0x2000, 5), 0);
	cr_assert_eq(jit_names_wait(names, &process, 0x3000, 6), 0);
	append(path, "2000 10 two\n");
	unlink(path);
	process.exited = true;
	cr_assert_eq(jit_names_forget(names, &process, on_named, named), 0);
	cr_assert_str_eq(named, "5=two ");
	cr_assert_eq(jit_names_forget(names, &process, on_named, named), 0);
	cr_assert_str_eq(named, "5=two ");
}

/* The look-up of another address has read the line that this frame waited for. */
Test(jit_names, a_frame_gets_a_name_that_was_read_on_behalf_of_another)
{
	_cleanup_(mapped_file_cache) struct mapped_file_cache *files = mapped_file_cache_new();
	_cleanup_(process_table) struct process_table *processes = NULL;
	char named[256] = "";

	cr_assert_eq(process_table_new(files, &processes), 0);
	append(path, "1000 10 one\n");
	cr_assert_str_eq(name_at(0x2000), "none");
	cr_assert_eq(jit_names_wait(names, &process, 0x2000, 5), 0);
	append(path, "2000 10 two\n3000 10 three\n");
	usleep(1100 * 1000);
	cr_assert_str_eq(name_at(0x3000), "three");
	cr_assert_eq(jit_names_retry(names, processes, on_named, named), 0);
	cr_assert_str_eq(named, "5=two ");
	cr_assert_eq(jit_names_retry(names, processes, on_named, named), 0);
	cr_assert_str_eq(named, "5=two ");
}

Test(jit_names, the_map_of_another_user_is_not_believed)
{
	append(path, "1000 10 lie\n");
	if (chown(path, 12345, 12345))
		cr_skip_test("only root can give a file away");
	cr_assert_str_eq(name_at(0x1000), "none");
}

Test(jit_names, a_link_or_a_pipe_is_no_map, .timeout = 120)
{
	char elsewhere[64];

	snprintf(elsewhere, sizeof(elsewhere), "/tmp/pyprof-test-elsewhere-%d.map", getpid());
	append(elsewhere, "1000 10 lie\n");
	cr_assert_eq(symlink(elsewhere, path), 0);
	cr_assert_str_eq(name_at(0x1000), "none");
	unlink(elsewhere);
	unlink(path);
	usleep(1100 * 1000);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_str_eq(name_at(0x1000), "none");
}

/* A container's first process, which is 1 for itself: says that it is ready and waits to be killed. */
static void contained(const char *root, int ready)
{
	pid_t self = getpid();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chroot(root) || chdir("/") || self != 1 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Makes it, tells its pid, and then is not needed any more but for its life. */
static void contain(const char *root, int told)
{
	pid_t child = 0;
	int ready[2];
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe(ready) || unshare(CLONE_NEWPID) || (child = fork()) < 0)
		_exit(1);
	if (!child)
		contained(root, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1 || write(told, &child, sizeof(child)) != sizeof(child))
		_exit(1);
	for (;;)
		pause();
}

Test(jit_names, a_container_has_its_own_tmp_and_its_own_pids)
{
	char root[] = "/tmp/pyprof-test-XXXXXX", file[64];
	pid_t inner;
	int told[2];

	cr_assert_not_null(mkdtemp(root));
	snprintf(file, sizeof(file), "%s/tmp", root);
	mkdir(file, 0755);
	strcat(file, "/perf-1.map");
	append(file, "1000 10 inside\n");
	cr_assert_eq(pipe(told), 0);
	pid_t outer = fork();
	if (!outer)
		contain(root, told[1]);
	close(told[1]);
	bool can = read(told[0], &inner, sizeof(inner)) == sizeof(inner);

	process.id.pid = inner;
	const char *name = can ? name_at(0x1000) : "";
	kill(outer, SIGKILL);
	waitpid(outer, NULL, 0);
	unlink(file);
	*strrchr(file, '/') = 0;
	rmdir(file);
	rmdir(root);
	if (!can)
		cr_skip_test("no right to make pid namespaces here");
	cr_assert_str_eq(name, "inside");
}
