/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Containers that run: are their samples theirs, by the right names, and theirs alone when asked for? What is
 * right says the runtime that made them, or the kernel in /proc/PID/cgroup.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/containers.h"

CONTAINER_SUITE(containers, 300);

/* --- what these tests build on ------------------------------------------ */

#define POD_UID "c4a5d1f0-3f0e-4a51-9d0c-5d5bb2a9e001"

static const char *const cgroups[] = {
	"/%s",
	"/docker/%s",
	"/system.slice/docker-%s.scope",
	"/kubepods/burstable/pod" POD_UID "/%s",
	"/kubepods/pod" POD_UID "/%s",
	"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podc4a5d1f0_3f0e_4a51_9d0c_5d5bb2a9e001.slice/"
	"cri-containerd-%s.scope",
	"/kubepods.slice/kubepods-podc4a5d1f0_3f0e_4a51_9d0c_5d5bb2a9e001.slice/crio-%s.scope",
	"/outer.slice/buildkit/%s",
};
#define CGROUP_CNT (sizeof(cgroups) / sizeof(*cgroups))

static const char *process_text(pid_t pid, const char *name)
{
	char *text = file_text(text_of("/proc/%d/%s", (int)pid, name));

	cr_assert_not_null(text, "pid %d has no %s", (int)pid, name);
	return text;
}

Test(containers, run_their_own_python_in_the_group_that_was_asked_for)
{
	struct place place = place_in("/");
	struct container all[2 * CGROUP_CNT];

	for (size_t i = 0; i < 2 * CGROUP_CNT; i++) {
		struct container_spec spec = {
			.place = &place, .cgroup = cgroups[i / 2], .user_namespace = i % 2, .hostname = "somewhere"};

		all[i] = runc_python(&spec, "called.py", "work", "0", "0.05", NULL);
	}
	for (size_t i = 0; i < 2 * CGROUP_CNT; i++) {
		container_ready(&all[i], 20);
		const char *v1 = cgroup_of(all[i].pid, "pids"), *v2 = cgroup_of(all[i].pid, "");

		cr_expect_not_null(strstr(process_text(all[i].pid, "maps"), "/usr/bin/python3.11"));
		cr_expect_not_null(strstr(process_text(all[i].pid, "status"), "\t1\n"), "it is no first process");
		cr_expect_str_eq(v1 ? v1 : v2, all[i].cgroup);
		cr_expect_eq(!strncmp(process_text(all[i].pid, "uid_map"), "         0     100000", 20), (int)(i % 2));
	}
	for (size_t i = 0; i < 2 * CGROUP_CNT; i++)
		container_stop(&all[i]);
}

Test(containers, of_podman_have_the_names_and_ids_that_it_lists)
{
	struct place place = place_in("/");
	const char *name = podman_name("listed"), *image = podman_name("image");
	const char *const busybox[] = {"/bin/sh", "-c", "echo ready; sleep 100", NULL};

	podman_image(&place, image);
	struct container python = podman_python(&place, name, "called.py", "work", "0", "0.05", NULL);
	struct container shell = podman_start(&place, podman_name("shell"), image, busybox);

	container_ready(&python, 20);
	container_ready(&shell, 20);
	cr_expect_not_null(strstr(python.cgroup, python.id), "%s", python.cgroup);
	json_t *list = podman_list(), *entry;
	size_t i, found = 0;

	json_array_foreach(list, i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "Id"));

		if (!strcmp(id, python.id))
			found += !strcmp(json_string_value(json_array_get(json_object_get(entry, "Names"), 0)), name);
		if (!strcmp(id, shell.id))
			found += strstr(json_string_value(json_object_get(entry, "Image")), image) != NULL;
	}
	cr_expect_eq(found, 2);
	container_stop(&python);
	container_stop(&shell);
}

Test(containers, are_removed_with_all_that_was_written_for_them)
{
	struct place place = place_in("/");
	const char *id = container_id_new();
	const struct pod pod = {"team", "shop-1", "api", POD_UID, "registry/api:1"};
	const char *log = text_of("/var/log/containers/shop-1_team_api-%s.log", id);
	const char *group = text_of("/docker/%s", id);

	pod_files(&pod, id);
	cr_assert(file_exists(log));
	struct container container = runc_python(&(struct container_spec){.place = &place, .id = id, .cgroup = group},
						 "called.py", "work", NULL);
	host_cgroup("/pyprof-e2e/below");
	host_cgroup_enter("/pyprof-e2e/below", container.pid);
	cr_expect_str_eq(cgroup_of(container.pid, cgroup_mounts()[1] ? "pids" : ""), "/pyprof-e2e/below");

	keeper_end();
	keeper_begin();
	cr_expect(!file_exists(log));
	cr_expect(!file_exists(text_of("/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s", id)));
	for (const char *const *mount = cgroup_mounts(); *mount; mount++) {
		cr_expect(!file_exists(text_of("%s%s", *mount, group)), "%s", *mount);
		cr_expect(!file_exists(text_of("%s/pyprof-e2e", *mount)), "%s", *mount);
	}
	/* Of ours, that nobody waited for, an entry may be left. */
	char *status = file_text(text_of("/proc/%d/status", (int)container.pid));
	cr_expect(!status || strstr(status, "State:\tZ"), "it runs");
}
