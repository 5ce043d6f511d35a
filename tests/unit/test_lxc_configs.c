/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Roots of hosts with LXC. The paths of groups are those that LXC 5.0 made for such configurations, but where a test says otherwise. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container_files.h"
#include "host_root.h"

static struct container_files *files;

static void set_up(void)
{
	cr_assert_eq(container_files_open(host_root_make(), &files), 0);
}

static void tear_down(void)
{
	container_files_close(files);
	host_root_remove();
}

TestSuite(lxc_configs, .init = set_up, .fini = tear_down, .timeout = 120);

static int find(const char *cgroup, struct container_names *ret, size_t *ret_size)
{
	struct cgroup_path path;

	cgroup_path_read(cgroup, &path);
	if (!path.runtime)
		return container_files_find_by_cgroup(files, cgroup, ret, ret_size);
	*ret_size = path.size;
	return container_files_find(files, cgroup, &path, ret);
}

/* runtime: NULL where the path told it already. group: the container's own. */
static void check_find(const char *cgroup, const char *name, const char *runtime, const char *group)
{
	struct container_names names = {0};
	size_t size;

	cr_assert_eq(find(cgroup, &names, &size), 0, "%s", cgroup);
	cr_expect_str_eq(names.values[LABEL_CONTAINER_NAME], name);
	cr_expect_str_eq(names.values[LABEL_CONTAINER_ID], name);
	if (runtime)
		cr_expect_str_eq(names.values[LABEL_RUNTIME], runtime);
	else
		cr_expect_null(names.values[LABEL_RUNTIME]);
	cr_expect_eq(size, strlen(group), "%s", cgroup);
	cr_expect(names.complete);
	container_names_deinit(&names);
}

static void check_nothing(const char *cgroup)
{
	struct container_names names = {0};
	size_t size;

	cr_expect_eq(find(cgroup, &names, &size), -ENOENT, "%s", cgroup);
}

static void check_payload(const char *name, const char *expected)
{
	char cgroup[600];

	snprintf(cgroup, sizeof(cgroup), "/lxc.payload.%s", name);
	check_find(cgroup, expected, NULL, cgroup);
}

Test(lxc_configs, a_group_with_a_number_of_lxcs_is_of_the_container_without)
{
	host_root_put("/var/lib/lxc/web/config", "lxc.uts.name = web\n");
	check_payload("web", "web");
	check_payload("web-1", "web");
	check_payload("web-999", "web");
	check_find("/mine/deep/lxc.payload.web-2", "web", NULL, "/mine/deep/lxc.payload.web-2");
}

Test(lxc_configs, a_container_whose_own_name_ends_so_keeps_it)
{
	host_root_put("/var/lib/lxc/web/config", "");
	host_root_put("/var/lib/lxc/web-1/config", "");
	check_payload("web-1", "web-1");
	check_payload("web-1-1", "web-1");
	check_payload("web-2", "web");
}

Test(lxc_configs, what_is_no_number_of_lxcs_is_not_cut)
{
	host_root_put("/var/lib/lxc/web/config", "");
	host_root_put("/var/lib/lxc/directory-1/x", "");
	static const char *const names[] = {"web-0", "web-01", "web-1000", "web-x",   "web-",	   "web-1x",
					    "web1",  "-1",     "b-1",	   "web-1-1", "directory", "directory-1"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char cgroup[64];

		snprintf(cgroup, sizeof(cgroup), "/lxc.payload.%s", names[i]);
		check_nothing(cgroup);
	}
}

Test(lxc_configs, incus_and_lxd_keep_theirs_elsewhere)
{
	host_root_put("/run/incus/a/lxc.conf", "");
	host_root_put("/var/log/incus/b/lxc.conf", "");
	host_root_put("/var/log/lxd/c/lxc.conf", "");
	host_root_put("/var/snap/lxd/common/lxd/logs/shop_d/lxc.conf", "");
	check_payload("a-1", "a");
	check_payload("b-1", "b");
	check_payload("c-1", "c");
	check_payload("shop_d-1", "shop_d");
}

Test(lxc_configs, an_administrator_may_keep_them_elsewhere)
{
	host_root_put("/srv/lxc/web/config", "lxc.cgroup.dir.container = alpha\n");
	check_nothing("/lxc.payload.web-1");
	host_root_put("/etc/lxc/lxc.conf", "# system-wide\nlxc.lxcpath = /srv/lxc\n");
	check_payload("web-1", "web");
	check_find("/alpha", "web", "lxc", "/alpha");
}

Test(lxc_configs, a_path_of_lxcpath_that_is_none_is_nothing)
{
	static char text[5000];

	snprintf(text, sizeof(text), "lxc.lxcpath = /%04000d", 0);
	host_root_put("/etc/lxc/lxc.conf", text);
	check_nothing("/lxc.payload.web-1");
	host_root_put("/etc/lxc/lxc.conf", "lxc.lxcpath = srv/lxc-of-another-length");
	check_nothing("/lxc.payload.web-1");
}

/* Configurations of LXC 5.0's containers, that were started by them. */
Test(lxc_configs, a_group_that_an_administrator_chose_is_the_containers)
{
	host_root_put("/var/lib/lxc/cdir/config", "lxc.net.0.type = none\nlxc.cgroup.dir.container = alpha/payload\n"
						  "lxc.cgroup.dir.monitor = alpha/monitor\n");
	host_root_put("/var/lib/lxc/inner/config",
		      "lxc.cgroup.dir.container = beta/limits\nlxc.cgroup.dir.monitor = beta/monitor\n"
		      "lxc.cgroup.dir.container.inner = ns\n");
	check_find("/alpha/payload", "cdir", "lxc", "/alpha/payload");
	check_find("/alpha/payload/system.slice/x.service", "cdir", "lxc", "/alpha/payload");
	check_find("/beta/limits/ns", "inner", "lxc", "/beta/limits");
	check_nothing("/alpha/monitor");
	check_nothing("/beta/monitor");
	check_nothing("/alpha");
	check_nothing("/alpha/payload2");
	check_nothing("/");
}

/* As Proxmox writes it (its documentation). */
Test(lxc_configs, proxmox_says_by_its_path_which_container_it_is)
{
	host_root_put("/var/lib/lxc/300/config",
		      "lxc.cgroup.relative = 0\nlxc.cgroup.dir.monitor = lxc.monitor/300\n"
		      "lxc.cgroup.dir.container = lxc/300\nlxc.cgroup.dir.container.inner = ns\nlxc.arch = amd64\n");
	check_find("/lxc/300/ns/init.scope", "300", NULL, "/lxc/300");
}

/* lxc.container.conf(5): blanks, quotes, comments; an empty value takes back what was set. */
Test(lxc_configs, configurations_are_read_as_lxc_reads_them)
{
	host_root_put("/var/lib/lxc/a/config", "\t lxc.cgroup.dir.container=\"/quoted/a/\" \r\n");
	host_root_put("/var/lib/lxc/b/config", "lxc.cgroup.dir.container = first\nlxc.cgroup.dir.container = 'second'");
	host_root_put("/var/lib/lxc/c/config", "lxc.cgroup.dir.container = c\nlxc.cgroup.dir.container =\n");
	host_root_put("/var/lib/lxc/d/config", "# lxc.cgroup.dir.container = d\n");
	host_root_put("/var/lib/lxc/e/config", "lxc.cgroup.dir.container = /\n=\n==\n\n");
	host_root_put("/var/lib/lxc/f/config", "lxc.cgroup.dir.container.inner = f\nlxc.cgroup.dir = f\n");
	host_root_put("/var/lib/lxc/g/config", "lxc.cgroup.relative = 1\nlxc.cgroup.dir.container = g\n");
	check_find("/quoted/a", "a", "lxc", "/quoted/a");
	check_find("/second", "b", "lxc", "/second");
	check_nothing("/first");
	check_nothing("/c");
	check_nothing("/d");
	check_nothing("/f");
	check_nothing("/g");
}

Test(lxc_configs, of_groups_in_each_other_the_innermost_counts)
{
	host_root_put("/var/lib/lxc/outer/config", "lxc.cgroup.dir.container = a\n");
	host_root_put("/var/lib/lxc/inner/config", "lxc.cgroup.dir.container = a/b\n");
	check_find("/a/b/c", "inner", "lxc", "/a/b");
	check_find("/a/c", "outer", "lxc", "/a");
}

Test(lxc_configs, a_container_inside_of_another_has_no_files_on_the_host)
{
	host_root_put("/var/lib/lxc/web/config", "");
	check_nothing("/lxc.payload.other/lxc.payload.web-1");
	check_nothing("/user.slice/user-1000.slice/session-1.scope/lxc.payload.web-1");
}

Test(lxc_configs, new_configurations_are_seen_before_a_new_group_is_asked_for_the_last_time)
{
	check_nothing("/alpha");
	host_root_put("/var/lib/lxc/web/config", "lxc.cgroup.dir.container = alpha\n");
	usleep(510000);
	check_find("/alpha", "web", "lxc", "/alpha");
}
