/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/strbuf.h"
#include "container/hierarchies.h"
#include "container/mount_line.h"

TestSuite(hierarchy);

/* proc_pid_mountinfo(5)'s example, a name with blanks, what is none. */
static const char mounts[] = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
			     "37 35 0:30 / /mnt/a\\040b\\134c\\012d rw - cgroup cgroup rw,cpu,cpuacct\n"
			     "nonsense\n"
			     "38 35 0:31 / /x rw shared:1 master:2 propagate_from:3 - cgroup2 cgroup2 rw";

static bool copy_is(const struct mount_text *text, const char *expected)
{
	_cleanup_(free) char *copy = NULL;

	cr_assert_eq(mount_text_copy(text, &copy), 0);
	return !strcmp(copy, expected);
}

Test(hierarchy, a_line_of_mountinfo_is_read)
{
	struct cursor c = cursor_of(mounts, sizeof(mounts) - 1);
	struct mount_line line;

	cr_assert_eq(mount_line_parse(&c, &line), 0);
	cr_expect(copy_is(&line.root, "/mnt1"));
	cr_expect(copy_is(&line.target, "/mnt2"));
	cr_expect(mount_text_is(&line.type, "ext3"));
	cr_expect(mount_text_has(&line.options, "errors=continue"));
	cr_assert_eq(mount_line_parse(&c, &line), 0);
	cr_expect(copy_is(&line.target, "/mnt/a b\\c\nd"));
	cr_expect(mount_text_has(&line.options, "cpu"));
	cr_expect(mount_text_has(&line.options, "cpuacct"));
	cr_expect_not(mount_text_has(&line.options, "acct"));
	cr_expect_eq(mount_line_parse(&c, &line), -EINVAL);
	cr_assert_eq(mount_line_parse(&c, &line), 0);
	cr_expect(mount_text_is(&line.type, "cgroup2"));
	cr_expect_eq(cursor_left(&c), 0);
	cr_expect_eq(mount_line_parse(&c, &line), -EINVAL);
}

Test(hierarchy, every_beginning_of_a_line_is_safe)
{
	for (size_t size = 0; size < sizeof(mounts); size++) {
		_cleanup_(free) char *text = malloc(size ? size : 1); /* so that ASan sees its end */
		struct mount_line line;

		memcpy(text, mounts, size);
		struct cursor c = cursor_of(text, size);
		for (size_t i = 0; i < 10 && cursor_left(&c); i++)
			if (!mount_line_parse(&c, &line))
				cr_expect_not(copy_is(&line.target, "?"));
		cr_expect_eq(cursor_left(&c), 0);
	}
}

static void expect_file_path(const char *text, const char *controller, const char *expected)
{
	_cleanup_(free) char *path = NULL;

	int err = cgroup_file_path(text, strlen(text), controller, &path);
	cr_expect_eq(err, expected ? 0 : -ENOENT, "%s in %s", controller, text);
	if (!err)
		cr_expect_str_eq(path, expected);
}

Test(hierarchy, the_cgroup_of_a_process_is_read_from_its_file)
{
	static const char hybrid[] = "9:name=systemd:/s\n8:pids:/p:q\n4:cpu,cpuacct:/c\n0::/user.slice\n";

	expect_file_path(hybrid, "", "/user.slice");
	expect_file_path(hybrid, "pids", "/p:q");
	expect_file_path(hybrid, "cpu", "/c");
	expect_file_path(hybrid, "memory", NULL);
	expect_file_path("0::/\n", "", "/");
	expect_file_path("0::/../../system.slice/x (deleted)\n", "", "/system.slice/x");
	expect_file_path("0::/..\n", "", "/");
	expect_file_path("0::/..hidden\n", "", "/..hidden");
	expect_file_path("", "", NULL);
	expect_file_path("0:", "", NULL);
	expect_file_path("0::", "", NULL);
	expect_file_path("0::relative", "", NULL);
}

static void expect_path(const struct hierarchies *hierarchies, const char *text, const char *expected)
{
	_cleanup_(free) char *path = NULL;

	int err = hierarchies_path(hierarchies, text, &path);
	cr_expect_eq(err, expected ? 0 : -EINVAL, "%s", text);
	if (!err)
		cr_expect_str_eq(path, expected);
}

Test(hierarchy, people_may_write_a_cgroup_as_its_path_or_its_directory)
{
	const struct hierarchies hybrid = {
		.mounts = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"},
		.mount_cnt = 3,
	};

	expect_path(&hybrid, "/system.slice/x.service", "/system.slice/x.service");
	expect_path(&hybrid, "//system.slice/./x.service/", "/system.slice/x.service");
	expect_path(&hybrid, "/sys/fs/cgroup/unified/a/b", "/a/b");
	expect_path(&hybrid, "/sys/fs/cgroup/pids", "/");
	expect_path(&hybrid, "/sys/fs/cgroup/pids2/a", "/pids2/a");
	expect_path(&hybrid, "8:pids:/docker/x", "/docker/x");
	expect_path(&hybrid, "0::/docker/x", "/docker/x");
	expect_path(&hybrid, "/", "/");
	expect_path(&hybrid, "system.slice", NULL);
	expect_path(&hybrid, "", NULL);
	expect_path(&hybrid, "/a/../b", NULL);
}

struct seen {
	u64 id;
	const char *path;
	int cnt;
};

static int visit_seen(void *ctx, u64 id, const char *path)
{
	struct seen *seen = ctx;

	if (!strcmp(path, seen->path)) {
		seen->id = id;
		seen->cnt++;
	}
	return 0;
}

/* The number that the kernel itself gives it: kernfs makes handles of its ids. */
static u64 handle_id(const char *directory)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + 8];
	} kernfs = {.handle.handle_bytes = 8};
	int mount;
	u64 id;

	cr_assert_eq(name_to_handle_at(AT_FDCWD, directory, &kernfs.handle, &mount, 0), 0);
	memcpy(&id, kernfs.bytes + offsetof(struct file_handle, f_handle), sizeof(id));
	return id;
}

/* A real group with another inside; hierarchies[i] of this machine. False: nobody may make one here. */
static bool make_groups(const struct hierarchy *hierarchy, char outer[256], char inner[300])
{
	snprintf(outer, 256, "%s/pyprof-test-%d", hierarchy->mount, getpid());
	snprintf(inner, 300, "%s/in ner", outer);
	if (hierarchy->fd < 0 || mkdir(outer, 0755))
		return false;
	cr_assert_eq(mkdir(inner, 0755), 0);
	return true;
}

static void expect_real(const struct hierarchy *hierarchy)
{
	char outer[256], inner[300];
	_cleanup_(free) char *found = NULL;

	if (!hierarchy->base || hierarchy->base[0] || !make_groups(hierarchy, outer, inner))
		return; /* of a part it is not known what to expect */
	const char *path = inner + strlen(hierarchy->mount);
	struct seen seen = {.path = path};
	u64 id = handle_id(inner);
	cr_expect_eq(hierarchy_walk(hierarchy, visit_seen, &seen), 0);
	cr_expect_eq(seen.cnt, 1);
	cr_expect_eq(seen.id, id, "walked %llu, the kernel says %llu", (unsigned long long)seen.id,
		     (unsigned long long)id);
	cr_expect_eq(hierarchy_find(hierarchy, id, &found), 0);
	if (found)
		cr_expect_str_eq(found, path);
	rmdir(inner);
	rmdir(outer);
	cr_expect_eq(hierarchy_find(hierarchy, id, &found), -ESTALE);
}

Test(hierarchy, the_number_of_a_real_group_is_that_of_its_directory)
{
	struct hierarchies hierarchies;

	cr_assert_eq(hierarchies_open(&hierarchies), 0);
	if (geteuid() || (hierarchies.v2.fd < 0 && hierarchies.v1.fd < 0)) {
		hierarchies_close(&hierarchies);
		cr_skip("needs root, and cgroups");
	}
	expect_real(&hierarchies.v2);
	expect_real(&hierarchies.v1);
	hierarchies_close(&hierarchies);
}

Test(hierarchy, the_group_of_a_process_is_found_through_it)
{
	struct hierarchies hierarchies;
	char outer[256], inner[300], procs[320], *path = NULL;

	cr_assert_eq(hierarchies_open(&hierarchies), 0);
	const struct hierarchy *hierarchy = hierarchies.v1.fd >= 0 ? &hierarchies.v1 : &hierarchies.v2;
	if (geteuid() || !make_groups(hierarchy, outer, inner)) {
		hierarchies_close(&hierarchies);
		cr_skip("needs root, and cgroups");
	}
	pid_t child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", inner);
	FILE *file = fopen(procs, "w");
	cr_assert(file && fprintf(file, "%d", child) > 0 && !fclose(file));
	u64 id = handle_id(inner);
	cr_expect_eq(hierarchy_find_by_process(hierarchy, child, id, &path), 0);
	cr_expect(path && !strcmp(path, inner + strlen(hierarchy->mount)));
	cr_expect_eq(hierarchy_find_by_process(hierarchy, child, id + 1, &path), -ESTALE, "it is in another one");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	free(path);
	rmdir(inner);
	rmdir(outer);
	hierarchies_close(&hierarchies);
}

static int visit_cnt(void *ctx, u64 id, const char *path)
{
	++*(int *)ctx;
	return strncmp(path, "/outer", 6) || strlen(path) > 1000 ? -1 : 0;
}

/* A part of a hierarchy, of plain directories: deeper than anybody nests, and a link that leads out of it. */
Test(hierarchy, a_walk_follows_no_link_and_ends)
{
	char name[] = "/tmp/pyprof-hierarchy-XXXXXX", command[128];
	struct hierarchy hierarchy = {.controller = "", .mount = name, .base = (char *)"/outer"};
	int cnt = 0;

	cr_assert(mkdtemp(name));
	hierarchy.fd = open(name, O_RDONLY | O_DIRECTORY);
	cr_assert_eq(symlinkat("/", hierarchy.fd, "link"), 0);
	int at = dup(hierarchy.fd);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(mkdirat(at, "d", 0755), 0);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	cr_expect_eq(hierarchy_walk(&hierarchy, visit_cnt, &cnt), 0);
	cr_expect_eq(cnt, 1 + 32);
	close(hierarchy.fd);
	snprintf(command, sizeof(command), "rm -r %s", name);
	cr_expect_eq(system(command), 0);
}
