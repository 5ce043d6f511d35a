/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Roots of hosts, with the files that runtimes keep there. Those of podman, storage and runc are cut
 * down from what podman 4.3 and runc 1.1 wrote; those of the others are of the shapes in the sources that
 * the readers name.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "container/container_files.h"
#include "container/host_file.h"
#include "host_root.h"

#define A     "5f0b1c9f2f4e7a1d3c5b7a9e8d6c4b2a0f1e3d5c7b9a8f6e4d2c0b1a3f5e7d9c"
#define B     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD   "1b2c3d4e-0011-2233-4455-66778899aabb"
#define POD_  "1b2c3d4e_0011_2233_4455_66778899aabb"
#define SLICE "/kubepods.slice/kubepods-pod" POD_ ".slice"

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

TestSuite(container_files, .init = set_up, .fini = tear_down, .timeout = 20);

static void put_link(const char *path, const char *target)
{
	char full[HOST_ROOT_PATH];

	host_root_make_parents(path, full);
	cr_assert_eq(symlink(target, full), 0);
}

/* "name=web image=nginx", in the order of the labels; "" for nothing. */
static void check_names(const struct container_names *names, const char *expected)
{
	char text[4096] = "";

	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		if (names->values[i])
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", *text ? " " : "",
				 label_name(i), names->values[i]);
	cr_assert_str_eq(text, expected);
}

static int find(const char *cgroup, struct container_names *ret)
{
	struct cgroup_path path;

	cgroup_path_read(cgroup, &path);
	return container_files_find(files, cgroup, &path, ret);
}

static void check_find(const char *cgroup, const char *expected)
{
	struct container_names names = {0};

	cr_assert_eq(find(cgroup, &names), 0, "%s", cgroup);
	check_names(&names, expected);
	cr_assert(names.complete);
	container_names_deinit(&names);
}

static void check_nothing(const char *cgroup)
{
	struct container_names names = {0};

	cr_assert_eq(find(cgroup, &names), -ENOENT, "%s", cgroup);
	check_names(&names, "");
}

Test(container_files, dockers_say_name_and_image)
{
	check_nothing("/docker/" A);
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json",
		      "{\"ID\":\"" A
		      "\",\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx:1.27\",\"Labels\":{\"x\":\"y\"}}}");
	check_find("/docker/" A, "container_name=web image=nginx:1.27");
	/* The same where only a file says whose it is. */
	check_find("/parent/" A, "container_name=web runtime=docker image=nginx:1.27");
	check_nothing("/docker/" B);
}

Test(container_files, docker_may_keep_them_elsewhere)
{
	host_root_put("/etc/docker/daemon.json", "{\"data-root\": \"/srv/docker\"}");
	check_nothing("/docker/" A);
	host_root_put("/srv/docker/containers/" A "/config.v2.json", "{\"Name\":\"/web\"}");
	check_find("/docker/" A, "container_name=web");
}

#define TASKS "/io.containerd.runtime.v2.task"

/* What docker 20.10 started with --data-root, and with --userns-remap, has in its bundle. */
Test(container_files, docker_that_was_told_where_on_its_command_line_is_found_by_where_a_root_is)
{
	host_root_put("/run/docker/containerd/daemon" TASKS "/moby/" A "/config.json",
		      "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"/srv/docker/vfs/dir/" B "\"}}");
	check_nothing("/docker/" B);
	host_root_put("/srv/docker/containers/" B "/config.v2.json", "{\"Name\":\"/other\"}");
	check_nothing("/docker/" B);
	host_root_put("/srv/docker/containers/" A "/config.v2.json",
		      "{\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx\"}}");
	check_find("/docker/" A, "container_name=web image=nginx");

	host_root_put("/run/containerd" TASKS "/moby/" B "/config.json",
		      "{\"root\":{\"path\":\"/var/lib/docker/165536.165536/overlay2/" A "/merged\"}}");
	host_root_put("/var/lib/docker/165536.165536/containers/" B "/config.v2.json", "{\"Name\":\"/mapped\"}");
	check_find("/docker/" B, "container_name=mapped");
}

Test(container_files, a_root_of_docker_that_is_nowhere_tells_nothing)
{
	static const char *const texts[] = {"{",
					    "{}",
					    "{\"root\":{\"path\":\"rootfs\"}}",
					    "{\"root\":{\"path\":\"\"}}",
					    "{\"root\":[]}",
					    "{\"root\":{\"path\":\"/a/b/c/d/e/f/g/h/i/j\"}}"};

	host_root_put("/containers/" A "/config.v2.json", "{\"Name\":\"/too-far-up\"}");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct container_names names = {0};

		host_root_put("/run/containerd" TASKS "/moby/" A "/config.json", texts[i]);
		cr_assert_neq(find("/docker/" A, &names), 0, "%s", texts[i]);
		check_names(&names, "");
	}
}

#define DOCKER_OF_POD                                                                                  \
	"{\"Name\":\"/k8s_app_web-1_shop_" POD "_0\",\"Config\":{\"Image\":\"sha256:12\",\"Labels\":{" \
	"\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"web-1\","               \
	"\"io.kubernetes.pod.namespace\":\"shop\"}}}"

Test(container_files, dockers_in_a_pod_are_called_as_in_the_pod)
{
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", DOCKER_OF_POD);
	check_find(SLICE "/docker-" A ".scope",
		   "container_name=app image=sha256:12 k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
}

Test(container_files, an_images_labels_make_no_pod)
{
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", DOCKER_OF_POD);
	check_find("/docker/" A, "container_name=k8s_app_web-1_shop_" POD "_0 image=sha256:12");
	/* Nor does a group that is made inside of another container, or below a user's slice. */
	check_nothing("/docker/" B "/kubepods/pod" POD "/" A);
	check_nothing("/docker/" B "/docker/" A);
	check_nothing("/user.slice/user-1000.slice/docker-" A ".scope");
}

Test(container_files, containerd_says_it_in_its_bundle)
{
	host_root_put(
		"/run/containerd" TASKS "/k8s.io/" A "/config.json",
		"{\"ociVersion\":\"1.1.0\",\"annotations\":{\"io.kubernetes.cri.container-name\":\"app\","
		"\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.image-name\":\"r/app:2\","
		"\"io.kubernetes.cri.sandbox-name\":\"web-1\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}");
	check_find(SLICE "/cri-containerd-" A ".scope",
		   "container_name=app image=r/app:2 k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
	check_find("/kubepods/pod" POD "/" A,
		   "container_name=app runtime=containerd image=r/app:2 k8s_pod=web-1 k8s_namespace=shop "
		   "k8s_container=app");
}

/* runc 1.1's state of a pod's container of containerd 1.6, whose configuration says `state = "/srv/state"`. */
#define MOVED_STATE(ID)                                                                                               \
	"{\"id\":\"" ID                                                                                               \
	"\",\"config\":{\"labels\":[\"io.kubernetes.cri.container-name=app\",\"bundle=/srv/state" TASKS "/k8s.io/" ID \
	"\"]},\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/unified/kubepods/pod" POD "/" ID                                \
	"\",\"cpu\":\"/sys/fs/cgroup/cpu/kubepods/pod" POD "/" ID "\"}}"

Test(container_files, a_containerd_that_keeps_them_elsewhere_is_found_by_what_runc_keeps)
{
	host_root_put("/srv/state" TASKS "/k8s.io/" A "/config.json",
		      "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"app\","
		      "\"io.kubernetes.cri.image-name\":\"r/app:2\",\"io.kubernetes.cri.sandbox-name\":\"web-1\","
		      "\"io.kubernetes.cri.sandbox-namespace\":\"shop\",\"io.kubernetes.pod.name\":\"forged\"}}");
	check_nothing("/kubepods/pod" POD "/" A);
	host_root_put("/run/containerd/runc/k8s.io/" A "/state.json", MOVED_STATE(A));
	check_find("/kubepods/pod" POD "/" A,
		   "container_name=app runtime=containerd image=r/app:2 k8s_pod=web-1 k8s_namespace=shop "
		   "k8s_container=app");
}

Test(container_files, a_pods_sandbox_is_called_pod)
{
	host_root_put(
		"/run/k3s/containerd" TASKS "/k8s.io/" A "/config.json",
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
		"\"io.kubernetes.cri.sandbox-name\":\"web-1\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}");
	check_find(SLICE "/cri-containerd-" A ".scope",
		   "container_name=POD k8s_pod=web-1 k8s_namespace=shop k8s_container=POD");
}

Test(container_files, nerdctl_says_a_name_and_its_users_no_pod)
{
	host_root_put("/run/containerd" TASKS "/default/" A "/config.json",
		      "{\"annotations\":{\"nerdctl/name\":\"web\",\"io.kubernetes.pod.name\":\"forged\"}}");
	check_find("/system.slice/nerdctl-" A ".scope", "container_name=web");
	check_find("/default/" A, "container_name=web runtime=containerd");
}

Test(container_files, cri_o_says_it_in_its_bundle)
{
	host_root_put("/run/containers/storage/overlay-containers/" A "/userdata/config.json",
		      "{\"annotations\":{\"io.container.manager\":\"cri-o\",\"io.kubernetes.cri-o.ContainerType\":"
		      "\"container\",\"io.kubernetes.cri-o.ImageName\":\"quay.io/app:3\","
		      "\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"web-1\","
		      "\"io.kubernetes.pod.namespace\":\"shop\"}}");
	check_find(SLICE "/crio-" A ".scope/container",
		   "container_name=app image=quay.io/app:3 k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
	check_find("/kubepods/burstable/pod" POD "/crio-" A,
		   "container_name=app image=quay.io/app:3 k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
}

#define FORGED_KEYS                                                                                \
	"\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.container-name\":" \
	"\"web\",\"io.kubernetes.cri.sandbox-name\":\"checkout\",\"io.kubernetes.cri.sandbox-"     \
	"namespace\":\"prod\",\"io.kubernetes.cri.image-name\":\"forged\",\"nerdctl/name\":\"forged\""

#define KUBELET_LABELS(name)                                                                   \
	"\"io.kubernetes.container.name\":\"" name "\",\"io.kubernetes.pod.name\":\"mine-1\"," \
	"\"io.kubernetes.pod.namespace\":\"tenant\""

/* What a pod's annotations say is in CRI-O's files, and what an image's labels say is in docker's. */
Test(container_files, keys_that_only_another_runtime_writes_are_not_believed)
{
	host_root_put("/run/containers/storage/overlay-containers/" A "/userdata/config.json",
		      "{\"annotations\":{" FORGED_KEYS ",\"io.container.manager\":\"cri-o\","
		      "\"io.kubernetes.cri-o.Image\":\"quay.io/app:3\"," KUBELET_LABELS("app") "}}");
	check_find(SLICE "/crio-" A ".scope",
		   "container_name=app image=quay.io/app:3 k8s_pod=mine-1 k8s_namespace=tenant k8s_container=app");
	host_root_put("/var/lib/docker/containers/" B "/config.v2.json",
		      "{\"Name\":\"/k8s_app\",\"Config\":{\"Image\":\"app:3\",\"Labels\":{" FORGED_KEYS
		      ",\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"," KUBELET_LABELS("app") "}}}");
	check_find(SLICE "/docker-" B ".scope",
		   "container_name=app image=app:3 k8s_pod=mine-1 k8s_namespace=tenant k8s_container=app");
	/* Nor where there is nothing else. */
	host_root_put("/var/lib/docker/containers/" B "/config.v2.json",
		      "{\"Name\":\"/k8s_app\",\"Config\":{\"Labels\":{" FORGED_KEYS "}}}");
	check_find(SLICE "/docker-" B ".scope", "container_name=k8s_app");
	check_find("/docker/" B, "container_name=k8s_app");
	host_root_put("/run/containerd" TASKS "/moby/" A "/config.json", "{\"annotations\":{" FORGED_KEYS "}}");
	check_find("/kubepods/pod" POD "/" A, "runtime=docker");
}

/* There CRI-O lets the annotations of the pod replace its own keys, but not the kubelet's labels. */
Test(container_files, a_sandbox_of_cri_o_is_one_whatever_its_pod_says)
{
	host_root_put("/run/containers/storage/overlay-containers/" A "/userdata/config.json",
		      "{\"annotations\":{\"io.container.manager\":\"cri-o\",\"io.kubernetes.cri-o.ContainerType\":"
		      "\"container\",\"io.kubernetes.cri-o.ImageName\":\"forged\"," KUBELET_LABELS("POD") "}}");
	check_find(SLICE "/crio-" A ".scope",
		   "container_name=POD k8s_pod=mine-1 k8s_namespace=tenant k8s_container=POD");
}

#define FORGED_MAKER "\"io.container.manager\":\"libpod\",\"io.kubernetes.cri-o.ContainerType\":\"forged\","

/* CRI-O's own mark is one of those keys. Its library has a name of the container, too, and the image of it. */
Test(container_files, whose_a_container_is_its_pod_does_not_say_where_the_path_does)
{
	host_root_put("/var/lib/containers/storage/overlay-containers/containers.json",
		      "[{\"id\":\"" A "\",\"names\":[\"k8s_POD_mine-1_tenant_" POD
		      "_0\"],\"metadata\":\"{\\\"pod-name\\\":"
		      "\\\"k8s_mine-1_tenant_" POD "_0\\\",\\\"image-name\\\":\\\"registry.k8s.io/pause:3.10\\\"}\"}]");
	host_root_put("/var/lib/containers/storage/overlay-containers/" A "/userdata/config.json",
		      "{\"annotations\":{" FORGED_MAKER KUBELET_LABELS("POD") "}}");
	host_root_put("/run/containers/storage/overlay-containers/" A "/userdata/config.json",
		      "{\"annotations\":{" FORGED_MAKER KUBELET_LABELS("POD") "}}");
	check_find("/kubepods/besteffort/pod" POD "/crio-" A,
		   "container_name=POD k8s_pod=mine-1 k8s_namespace=tenant k8s_container=POD");
}

#define CRI_O_NAME(name)                                                                                             \
	"{\"annotations\":{\"io.container.manager\":\"cri-o\",\"io.kubernetes.cri-o.ContainerType\":\"container\","  \
	"\"io.kubernetes.cri-o.Image\":\"quay.io/app:3\",\"io.kubernetes.cri-o.Labels\":\"null\","                   \
	"\"io.kubernetes.cri-o.Metadata\":\"{\\\"name\\\":\\\"one\\\"}\",\"io.kubernetes.cri-o.Name\":\"" name "\"," \
	"\"io.kubernetes.cri-o.SandboxName\":\"k8s_plain_default_uid_0\"}}"

/* crictl makes containers without the labels that a kubelet gives them, and its pods have no group of a kubelet's. */
Test(container_files, cri_o_calls_by_name_what_nobody_labelled)
{
	host_root_put("/run/containers/storage/overlay-containers/" A "/userdata/config.json",
		      CRI_O_NAME("k8s_one_plain_default_uid_0"));
	check_find("/crio/crio-" A,
		   "container_name=one image=quay.io/app:3 k8s_pod=plain k8s_namespace=default k8s_container=one");
	/* Which part is which cannot be told. */
	host_root_put("/run/containers/storage/overlay-containers/" B "/userdata/config.json",
		      CRI_O_NAME("k8s_one_two_plain_default_uid_0"));
	check_find("/crio/crio-" B, "image=quay.io/app:3");
	host_root_put("/run/containers/storage/overlay-containers/" B "/userdata/config.json",
		      CRI_O_NAME("k8s_plain_default_uid_0"));
	check_find("/crio/crio-" B, "image=quay.io/app:3");
}

#define RUNC_LABELS(maker)                                                                              \
	"{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/x\"},\"config\":{\"labels\":[" maker                  \
	"\"io.kubernetes.cri.container-name=web\",\"io.kubernetes.cri.sandbox-name=checkout\","         \
	"\"io.kubernetes.cri.sandbox-namespace=prod\",\"nerdctl/name=forged\","                         \
	"\"io.kubernetes.container.name=app\",\"io.kubernetes.pod.name=mine-1\",\"io.kubernetes.pod.na" \
	"mespace=tenant\"]}}"

Test(container_files, what_runc_was_told_is_in_the_words_of_who_told_it)
{
	const char *const names = "container_name=app runtime=runc k8s_pod=mine-1 k8s_namespace=tenant "
				  "k8s_container=app";

	host_root_put("/run/runc/" A "/state.json", RUNC_LABELS("\"io.container.manager=cri-o\","));
	check_find("/kubepods/pod" POD "/" A, names);
	host_root_put("/run/runc/" A "/state.json", RUNC_LABELS(""));
	check_find("/kubepods/pod" POD "/" A, names);
	host_root_put("/run/runc/" A "/state.json", RUNC_LABELS("\"io.container.manager=libpod\","));
	check_find("/kubepods/pod" POD "/" A, "container_name=" A " runtime=runc");
	check_find("/elsewhere/" A, "container_name=" A " runtime=runc");
}

#define PODMAN_LIST(name)                                                                \
	"[{\"id\":\"" B "\",\"names\":[\"other\"]},{\"id\":\"" A "\",\"names\":[\"" name \
	"\"],\"metadata\":\"{\\\"image-name\\\":\\\"localhost/box:latest\\\",\\\"name\\\":\\\"" name "\\\"}\"}]"

#define PODMAN_CONFIG "{\"annotations\":{\"io.container.manager\":\"libpod\",\"io.kubernetes.cri-o.TTY\":\"false\"}}"

Test(container_files, podman_says_it_in_a_list)
{
	host_root_put("/var/lib/containers/storage/overlay-containers/" A "/userdata/config.json", PODMAN_CONFIG);
	host_root_put("/var/lib/containers/storage/overlay-containers/containers.json", PODMAN_LIST("box"));
	check_find("/libpod_parent/libpod-" A, "container_name=box image=localhost/box:latest");
	check_find("/machine.slice/libpod-" B ".scope/container", "container_name=other");
	check_find("/elsewhere/" A, "container_name=box runtime=podman image=localhost/box:latest");
}

static const char runc_state[] =
	"{\"id\":\"" A
	"\",\"init_process_pid\":1,\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/unified/libpod_parent/libpod-" A
	"\",\"memory\":\"/sys/fs/cgroup/memory/libpod_parent/libpod-" A
	"\"},\"config\":{\"labels\":[\"io.container.manager=libpod\",\"bundle=/srv/root/vfs-containers/" A
	"/userdata\"]}}";

Test(container_files, podman_that_keeps_them_elsewhere_is_found_by_what_runs_it)
{
	host_root_put("/run/runc/" A "/state.json", runc_state);
	host_root_put("/srv/root/vfs-containers/volatile-containers.json", PODMAN_LIST("box"));
	check_find("/libpod_parent/libpod-" A, "container_name=box image=localhost/box:latest");
}

Test(container_files, podman_that_crun_runs_is_found_so_too)
{
	host_root_put("/run/crun/" A "/status", "{\"pid\":1,\"cgroup-path\":\"/machine.slice/libpod-" A
						".scope\",\"bundle\":\"/srv/root/overlay-containers/" A "/userdata\"}");
	host_root_put("/srv/root/overlay-containers/containers.json", PODMAN_LIST("box"));
	check_find("/machine.slice/libpod-" A ".scope/container", "container_name=box image=localhost/box:latest");
}

#define USERS "/user.slice/user-%u.slice/user@%u.service/user.slice/libpod-" A ".scope/container"

static void put_user(const char *home)
{
	char line[128];

	snprintf(line, sizeof(line), "root:x:0:0::/root:/bin/sh\nbad\nme:x:%u:100:Me:%s:/bin/sh\n", geteuid() + 1000,
		 home);
	host_root_put("/etc/passwd", line);
}

Test(container_files, a_users_container_is_among_that_users_files_only)
{
	char full[HOST_ROOT_PATH], cgroup[512];
	uid_t uid = geteuid() + 1000;

	host_root_put("/var/lib/containers/storage/overlay-containers/containers.json", PODMAN_LIST("roots"));
	host_root_put("/home/me/.local/share/containers/storage/overlay-containers/containers.json",
		      PODMAN_LIST("box"));
	put_user("/home/me");
	snprintf(cgroup, sizeof(cgroup), USERS, uid, uid);
	/* Somebody else's file, though it is there. */
	check_nothing(cgroup);
	host_root_make_parents("/home/me/.local/share/containers/storage/overlay-containers/containers.json", full);
	if (geteuid())
		cr_skip_test("only root may give files away");
	cr_assert_eq(chown(full, uid, (gid_t)-1), 0);
	check_find(cgroup, "container_name=box image=localhost/box:latest");
	check_nothing("/user.slice/user-4294967295.slice/user@1.service/libpod-" A ".scope");
	check_nothing("/user.slice/user-4294967296.slice/user@1.service/libpod-" A ".scope");
}

Test(container_files, the_kubelet_knows_what_the_runtimes_files_do_not_say)
{
	struct container_names names = {0};

	host_root_put("/var/log/pods/shop_web-2_" B "/x", "");
	host_root_put("/var/log/pods/shop_web-1_" POD "/app/0.log", "");
	cr_assert_eq(find("/kubepods/pod" POD "/" A, &names), 0);
	check_names(&names, "k8s_pod=web-1 k8s_namespace=shop");
	cr_assert_not(names.complete, "the container's own name comes a moment later");
	container_names_deinit(&names);

	put_link("/var/log/containers/web-1_shop_other-" B ".log", "/x");
	put_link("/var/log/containers/web-1_shop_a_b_c-" A ".log", "/x");
	put_link("/var/log/containers/web-1_shop_app-" A ".log", "/var/log/pods/x");
	check_find("/kubepods/pod" POD "/" A, "container_name=app k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
	/* Of a container inside of the pod's, it is the pod that the host knows. It may say that it is any other. */
	check_find("/kubepods/pod" POD "/" A "/docker/" B, "k8s_pod=web-1 k8s_namespace=shop");
}

static void check_group(const char *cgroup, const char *expected, const char *rest)
{
	struct container_names names = {0};
	size_t size;

	cr_assert_eq(container_files_find_by_cgroup(files, cgroup, &names, &size), 0, "%s", cgroup);
	check_names(&names, expected);
	cr_assert_str_eq(cgroup + size, rest);
	container_names_deinit(&names);
}

static void check_no_group(const char *cgroup)
{
	struct container_names names = {0};
	size_t size;

	cr_assert_eq(container_files_find_by_cgroup(files, cgroup, &names, &size), -ENOENT, "%s", cgroup);
}

Test(container_files, a_group_of_any_name_is_known_by_the_state_of_runc)
{
	check_no_group("/mine");
	host_root_put(
		"/run/runc/box/state.json",
		"{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/unified/mine\",\"memory\":\"/sys/fs/cgroup/memory/mine\"},"
		"\"config\":{\"labels\":[\"bundle=/srv/box\"]}}");
	host_root_put("/run/runc/v2/state.json", "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/unified/theirs\"}}");
	host_root_put("/run/runc/root/state.json",
		      "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup\",\"cpu\":\"/sys/fs/cgroup/cpu\"}}");
	host_root_put("/run/crun/cr/status", "{\"cgroup-path\":\"/mine/inner\"}");
	check_group("/mine", "container_name=box container_id=box runtime=runc", "");
	check_group("/mine/sub/x.service", "container_name=box container_id=box runtime=runc", "/sub/x.service");
	check_group("/unified/theirs", "container_name=v2 container_id=v2 runtime=runc", "");
	check_group("/mine/inner", "container_name=cr container_id=cr runtime=crun", "");
	check_no_group("/theirs");
	check_no_group("/mines");
	check_no_group("/");
	check_no_group("");
}

Test(container_files, the_list_of_runcs_containers_follows_what_changes)
{
	char full[HOST_ROOT_PATH];
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	host_root_make_parents("/run/runc/box/", full);
	host_root_make_parents("/run/runc/", full);
	cr_assert_eq(utimensat(AT_FDCWD, full, old, 0), 0);
	/* The directory is made before the file in it. */
	check_no_group("/mine");
	host_root_put("/run/runc/box/state.json", "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/mine\"}}");
	check_group("/mine", "container_name=box container_id=box runtime=runc", "");
	host_root_put("/run/runc/second/state.json", "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/second\"}}");
	check_group("/second", "container_name=second container_id=second runtime=runc", "");
	host_root_make_parents("/run/runc/box/state.json", full);
	cr_assert_eq(unlink(full), 0);
	*strrchr(full, '/') = 0;
	cr_assert_eq(rmdir(full), 0);
	check_no_group("/mine");
	check_group("/second", "container_name=second container_id=second runtime=runc", "");
}

Test(container_files, a_pods_shape_that_runc_made_is_runcs)
{
	host_root_put("/run/runc/app-1/state.json",
		      "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/kubepods/pod" POD "/" A "\"},\"config\":{\"labels\":["
		      "\"io.kubernetes.container.name=app\",\"io.kubernetes.pod.name=web-1\","
		      "\"io.kubernetes.pod.namespace=shop\"]}}");
	check_find("/kubepods/pod" POD "/" A,
		   "container_name=app runtime=runc k8s_pod=web-1 k8s_namespace=shop k8s_container=app");
	/* That is its path's business, not this one's. */
	check_no_group("/kubepods/pod" POD "/" A);
}

Test(container_files, ctrs_containers_are_below_their_namespace)
{
	check_no_group("/k8s.io/t1");
	host_root_put("/run/containerd" TASKS "/k8s.io/t1/config.json", "{\"ociVersion\":\"1.0.2\"}");
	check_group("/k8s.io/t1", "container_name=t1 container_id=t1 runtime=containerd", "");
	check_group("/k8s.io/t1/sub", "container_name=t1 container_id=t1 runtime=containerd", "/sub");
	check_no_group("/k8s.io");
	check_no_group("/k8s.io/../t1");
	check_no_group("/../t1");

	/* One that was told which group it is in. */
	host_root_put("/run/containerd" TASKS "/default/t2/config.json",
		      "{\"annotations\":{\"nerdctl/name\":\"web\"}}");
	host_root_put("/run/containerd/runc/default/t2/state.json",
		      "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/mine\"}}");
	check_group("/mine", "container_name=web container_id=t2 runtime=containerd", "");

	/* And of a containerd that keeps its bundles elsewhere. */
	host_root_put("/srv/state" TASKS "/default/t3/config.json", "{\"annotations\":{\"nerdctl/name\":\"moved\"}}");
	host_root_put("/run/containerd/runc/default/t3/state.json",
		      "{\"config\":{\"labels\":[\"bundle=/srv/state" TASKS "/default/t3\"]},"
		      "\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/theirs\"}}");
	check_group("/theirs", "container_name=moved container_id=t3 runtime=containerd", "");
}

Test(container_files, files_that_are_not_what_they_should_be_say_nothing)
{
	char *huge;
	char full[HOST_ROOT_PATH];

	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", "{\"Name\":\"/web\"");
	check_nothing("/docker/" A);
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", "[1, 2]");
	check_find("/docker/" A, "");
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", "{\"Name\":[],\"Config\":3}");
	check_find("/docker/" A, "");
	huge = malloc(HOST_FILE_MAX + 100);
	cr_assert_not_null(huge);
	memset(huge, ' ', HOST_FILE_MAX + 99);
	huge[HOST_FILE_MAX + 99] = 0;
	memcpy(huge, "{\"Name\":\"/web\"}", 15);
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", huge);
	free(huge);
	check_nothing("/docker/" A);
	host_root_make_parents("/var/lib/docker/containers/" B "/config.v2.json", full);
	cr_assert_eq(mkfifo(full, 0600), 0);
	check_nothing("/docker/" B);
	host_root_put("/run/runc/box/state.json", "{\"cgroup_paths\":[],\"config\":{\"labels\":{\"a\":1}}}");
	host_root_put("/run/runc/cow/state.json",
		      "{\"cgroup_paths\":{\"\":7},\"config\":{\"labels\":[1,\"x\",\"=\"]}}");
	check_no_group("/mine");
	host_root_put("/var/lib/containers/storage/overlay-containers/containers.json",
		      "[7, {\"id\":8}, {\"id\":\"" A "\",\"names\":7,\"metadata\":\"[\"}]");
	check_find("/libpod_parent/libpod-" A, "");
}

#define LIST "/var/lib/containers/storage/overlay-containers/containers.json"
#define LISTED \
	"{\"id\":\"%064x\",\"names\":[\"box%u\"],\"metadata\":\"{\\\"image-name\\\":\\\"nginx:%u\\\"}\",\"x\":\"%s\"}"

static void put_list(unsigned cnt)
{
	_cleanup_(free) char *text = malloc(cnt * 800ul + 16);
	char *at = text, filler[512];

	cr_assert_not_null(text);
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = 0;
	for (unsigned i = 0; i < cnt; i++)
		at += sprintf(at, "%s" LISTED, i ? ", " : " [ ", i, i, i, filler);
	strcpy(at, "\n]\n");
	host_root_put(LIST, text);
}

Test(container_files, podman_may_have_eight_thousand_containers)
{
	put_list(8000);
	check_find("/libpod_parent/libpod-0000000000000000000000000000000000000000000000000000000000001f3f",
		   "container_name=box7999 image=nginx:7999");
	check_find("/libpod_parent/libpod-0000000000000000000000000000000000000000000000000000000000000000",
		   "container_name=box0 image=nginx:0");
	check_nothing("/libpod_parent/libpod-0000000000000000000000000000000000000000000000000000000000001f40");
}

static void make_old(const char *path)
{
	char full[HOST_ROOT_PATH];

	/* What the kernel stamped just now may change once more within the tick. */
	usleep(30000);
	host_root_make_parents(path, full);
	cr_assert_eq(access(full, F_OK), 0);
}

Test(container_files, what_did_not_change_is_not_read_again)
{
	u64 start_ns, first_ns, again_ns;

	put_list(8000);
	make_old(LIST);
	start_ns = clock_own_cpu_ns();
	check_nothing("/libpod_parent/libpod-" A);
	first_ns = clock_own_cpu_ns() - start_ns;
	start_ns = clock_own_cpu_ns();
	for (int i = 0; i < 10; i++)
		check_nothing("/libpod_parent/libpod-" A);
	again_ns = clock_own_cpu_ns() - start_ns;
	cr_expect_lt(again_ns, first_ns, "ten looks cost %llu ns, the first %llu", (unsigned long long)again_ns,
		     (unsigned long long)first_ns);
	/* Under the same name, and of the same size. */
	host_root_put(LIST, PODMAN_LIST("box"));
	check_find("/libpod_parent/libpod-" A, "container_name=box image=localhost/box:latest");
	host_root_put(LIST, PODMAN_LIST("fox"));
	check_find("/libpod_parent/libpod-" A, "container_name=fox image=localhost/box:latest");
}

Test(container_files, a_users_files_cost_little_and_once)
{
	static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};
	static char text[USER_FILE_MAX - 1];
	uid_t uid = geteuid() + 1000;
	char full[HOST_ROOT_PATH], path[256], cgroup[512];

	if (geteuid())
		cr_skip_test("only root may give files away");
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, i ? "{}," : "[7,", 3);
	strcpy(text + sizeof(text) - 7, "{}]");
	put_user("/home/me");
	for (size_t i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/home/me/.local/share/containers/storage/%s-containers/%s.json",
			 drivers[i / 2], i % 2 ? "containers" : "volatile-containers");
		host_root_put(path, text);
		host_root_make_parents(path, full);
		cr_assert_eq(chown(full, uid, (gid_t)-1), 0);
	}
	make_old(path);
	snprintf(cgroup, sizeof(cgroup), USERS, uid, uid);
	u64 start_ns = clock_own_cpu_ns();
	check_nothing(cgroup);
	u64 first_ns = clock_own_cpu_ns() - start_ns;
	cr_expect_lt(first_ns, 100 * NS_PER_MS, "no look parses all of them: %llu ns", (unsigned long long)first_ns);
	for (int i = 0; i < 5; i++)
		check_nothing(cgroup);
	start_ns = clock_own_cpu_ns();
	for (int i = 0; i < 10; i++)
		check_nothing(cgroup);
	cr_expect_lt(clock_own_cpu_ns() - start_ns, 10 * NS_PER_MS);
	/* Too large is not even read. */
	snprintf(path, sizeof(path), "/home/me/.local/share/containers/storage/overlay-containers/containers.json");
	_cleanup_(free) char *large = malloc(USER_FILE_MAX + 512);
	cr_assert_not_null(large);
	memset(large, ' ', USER_FILE_MAX);
	strcpy(large + USER_FILE_MAX, PODMAN_LIST("box"));
	host_root_put(path, large);
	check_nothing(cgroup);
}

Test(container_files, a_list_that_breaks_off_says_nothing)
{
	host_root_put(LIST, "[{\"id\":\"" A "\",\"names\":[\"box\"]}");
	check_nothing("/libpod_parent/libpod-" A);
	host_root_put(LIST, "[{\"id\":\"" A "\",\"names\":[\"box\"]} {}]");
	check_nothing("/libpod_parent/libpod-" A);
	host_root_put(LIST, "{\"id\":\"" A "\"}");
	check_nothing("/libpod_parent/libpod-" A);
	host_root_put(LIST, "  [ ] ");
	check_nothing("/libpod_parent/libpod-" A);
	host_root_put(LIST, " [ 12 , null, {\"id\":\"" A "\",\"names\":[\"b\\u00fcx\"]} , {\"id\":\"" A
			    "\",\"names\":[\"second\"]}\n]");
	check_find("/libpod_parent/libpod-" A, "container_name=b\xc3\xbcx");
}

Test(container_files, links_lead_nowhere_outside_of_the_root)
{
	char outside[] = "/tmp/pyprof-outside-XXXXXX", path[128];
	int fd = mkstemp(outside);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "{\"Name\":\"/web\"}", 15), 15);
	close(fd);
	snprintf(path, sizeof(path), "../../../../../../../..%s", outside);
	put_link("/var/lib/docker/containers/" A "/config.v2.json", outside);
	put_link("/var/lib/docker/containers/" B "/config.v2.json", path);
	check_nothing("/docker/" A);
	check_nothing("/docker/" B);
	/* The same name inside of it. */
	host_root_put(outside, "{\"Name\":\"/inside\"}");
	check_find("/docker/" A, "container_name=inside");
	unlink(outside);
}

Test(container_files, long_names_end_at_a_whole_character)
{
	char text[2048] = "{\"Name\":\"/", name[CONTAINER_NAME_MAX + 64];
	struct container_names names = {0};

	memset(name, 'a', sizeof(name));
	memcpy(name + CONTAINER_NAME_MAX - 2, "\xf0\x9f\x90\x8d", 4); /* a snake, half of it */
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s\"}", (int)sizeof(name), name);
	host_root_put("/var/lib/docker/containers/" A "/config.v2.json", text);
	cr_assert_eq(find("/docker/" A, &names), 0);
	cr_assert_eq(strlen(names.values[LABEL_CONTAINER_NAME]), CONTAINER_NAME_MAX - 2);
	container_names_deinit(&names);
}
