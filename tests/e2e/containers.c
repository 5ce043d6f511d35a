/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/containers.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 40

/* What a machine may refuse to raise, and podman would. */
#define PODMAN	    "podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend=file"
#define PODMAN_TEXT "podman --runtime runc --cgroup-manager cgroupfs --events-backend=file"

/* The Debian root that all containers have, and its own Python in it. */
static struct python inside;

void containers_begin(void)
{
	struct python found[MAX_PYTHONS];

	harness_begin();
	keeper_begin();
	for (size_t i = 0, cnt = pythons_list(found, MAX_PYTHONS); i < cnt; i++)
		if (!strcmp(found[i].name, "bookworm-3.11"))
			inside = found[i];
	cr_assert(*inside.root, "no Debian root: run tools/get_pythons.sh");
}

void containers_end(void)
{
	keeper_end();
	harness_end();
}

const char *container_id_new(void)
{
	unsigned char random[32];
	char id[65];

	cr_assert_eq(getrandom(random, sizeof(random), 0), (ssize_t)sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(&id[2 * i], 3, "%02x", random[i]);
	return text_of("%s", id);
}

/* --- runc --------------------------------------------------------------- */

static json_t *mount_of(const char *type, const char *source, const char *at, const char *option)
{
	return json_pack("{ss ss ss s[ss]}", "destination", at, "type", type, "source", source, "options", option,
			 "nosuid");
}

static json_t *mounts_of(const struct container_spec *spec)
{
	json_t *mounts = json_pack("[o o o o]", mount_of("proc", "proc", "/proc", "rw"),
				   mount_of("tmpfs", "tmpfs", "/dev", "mode=755"),
				   mount_of("tmpfs", "tmpfs", "/tmp", "mode=1777"),
				   mount_of("bind", spec->place->outside, spec->place->inside, "rbind"));

	for (size_t i = 0; i < 4 && spec->from[i]; i++)
		json_array_append_new(mounts, mount_of("bind", spec->from[i], spec->at[i], "rbind"));
	return mounts;
}

static json_t *namespaces_of(const struct container_spec *spec)
{
	json_t *all = json_pack("[{ss} {ss} {ss} {ss} {ss}]", "type", "pid", "type", "mount", "type", "uts", "type",
				"ipc", "type", "network");

	if (spec->user_namespace)
		json_array_append_new(all, json_pack("{ss}", "type", "user"));
	return all;
}

static json_t *linux_of(const struct container_spec *spec, const char *cgroup)
{
	json_t *it = json_pack("{so ss s{s[{sb ss}]}}", "namespaces", namespaces_of(spec), "cgroupsPath", cgroup,
			       "resources", "devices", "allow", 1, "access", "rwm");

	if (spec->user_namespace) {
		json_t *ids = json_pack("[{si si si}]", "containerID", 0, "hostID", 100000, "size", 65536);

		json_object_set_new(it, "uidMappings", json_copy(ids));
		json_object_set_new(it, "gidMappings", ids);
	}
	return it;
}

static json_t *bundle_of(const struct container_spec *spec, const char *cgroup, const char *const argv[])
{
	json_t *args = json_array();

	for (size_t i = 0; argv[i]; i++)
		json_array_append_new(args, json_string(argv[i]));
	return json_pack("{ss s{sb s{si si} so s[sss] ss} s{ss sb} ss so so}", "ociVersion", "1.0.2", "process",
			 "terminal", 0, "user", "uid", 0, "gid", 0, "args", args, "env", "PATH=/usr/bin:/bin",
			 "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "cwd", spec->place->inside, "root", "path",
			 inside.root, "readonly", 1, "hostname", spec->hostname ? spec->hostname : "inside", "mounts",
			 mounts_of(spec), "linux", linux_of(spec, cgroup));
}

/* Of the directory with config.json in it, which is where runc leaves the pid as well. */
static const char *bundle_write(const struct container_spec *spec, const struct container *container,
				const char *const argv[])
{
	const char *directory = in_place(spec->place, text_of("bundle-%s", container->id));
	json_t *bundle = bundle_of(spec, container->cgroup, argv);

	cr_assert_not_null(bundle);
	cr_assert_eq(mkdir(directory, 0700), 0, "%s: %s", directory, strerror(errno));
	cr_assert_eq(json_dump_file(bundle, text_of("%s/config.json", directory), 0), 0);
	json_decref(bundle);
	return directory;
}

struct container runc_start(const struct container_spec *spec, const char *const argv[])
{
	struct container container = {.pid = 0};

	snprintf(container.id, sizeof(container.id), "%s", spec->id ? spec->id : container_id_new());
	const char *hole = spec->cgroup ? strstr(spec->cgroup, "%s") : NULL;
	container.cgroup = hole ? text_of("%.*s%s%s", (int)(hole - spec->cgroup), spec->cgroup, container.id, hole + 2)
			   : spec->cgroup ? spec->cgroup
					  : text_of("/%s", container.id);
	const char *bundle = bundle_write(spec, &container, argv);
	const char *pid_file = text_of("%s/pid", bundle);
	const char *run[] = {"runc", "run", "-d", "--pid-file", pid_file, "--bundle", bundle, container.id, NULL};

	host_cgroup_forget(container.cgroup);
	keeper_later("runc delete -f %s", container.id);
	container.starter = child_start(NULL, run);
	cr_assert_eq(child_wait(container.starter, 30), 0, "runc: %s", child_err(container.starter));
	container.pid = atoi(file_text(pid_file));
	cr_assert_gt(container.pid, 0);
	return container;
}

/* argv: Python, the script in its place, and what follows. */
static void script_arguments(const struct place *place, const char *script, va_list args, const char *argv[MAX_ARGS])
{
	size_t cnt = 0;

	argv[cnt++] = inside.path;
	argv[cnt++] = text_of("%s/%s", place->inside, script);
	for (const char *arg; (arg = va_arg(args, const char *));) {
		cr_assert(cnt + 1 < MAX_ARGS);
		argv[cnt++] = arg;
	}
	argv[cnt] = NULL;
}

struct container runc_python(const struct container_spec *spec, const char *script, ...)
{
	const char *argv[MAX_ARGS];
	va_list args;

	va_start(args, script);
	script_arguments(spec->place, script, args, argv);
	va_end(args);
	return runc_start(spec, argv);
}

/* --- podman ------------------------------------------------------------- */

const char *podman_name(const char *what)
{
	return text_of("pyprof-e2e-%s-%.8s", what, container_id_new());
}

struct child *podman_begin(const struct place *place, const char *name, const char *image, const char *const argv[])
{
	static const struct start with_path = {
		.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
	const char *volume = text_of("%s:%s", place->outside, place->inside);
	const char *run[MAX_ARGS + 30] = {PODMAN,
					  "run",
					  "--rm",
					  "--name",
					  name,
					  "--network",
					  "none",
					  "--ulimit",
					  "nofile=1024:1024",
					  "--ulimit",
					  "nproc=1024:1024",
					  "--volume",
					  volume};
	size_t cnt = 0;

	while (run[cnt])
		cnt++;
	if (!image) {
		run[cnt++] = "--rootfs";
		/* What it writes is thrown away. */
		image = text_of("%s:O", inside.root);
	}
	run[cnt++] = image;
	for (size_t i = 0; argv[i]; i++) {
		cr_assert(i < MAX_ARGS);
		run[cnt++] = argv[i];
	}
	run[cnt] = NULL;
	keeper_later(PODMAN_TEXT " rm -f -i -t 0 %s", name);
	return child_start(&with_path, run);
}

static bool podman_inspect(struct container *container)
{
	const char *const argv[] = {PODMAN, "inspect", "--format", "{{.State.Pid}} {{.ID}}", container->name, NULL};
	struct child *child = child_start(NULL, argv);

	if (child_wait(child, 20))
		return false;
	return sscanf(child_out(child), "%d %79s", &container->pid, container->id) == 2 && container->pid > 0;
}

struct container podman_start(const struct place *place, const char *name, const char *image, const char *const argv[])
{
	struct container container = {.starter = podman_begin(place, name, image, argv)};
	double end = now_s() + 60;

	snprintf(container.name, sizeof(container.name), "%s", name);
	while (!podman_inspect(&container)) {
		cr_assert(child_is_running(container.starter), "podman ended with %d: %s", container.starter->status,
			  child_err(container.starter));
		cr_assert(now_s() < end, "podman does not start %s", name);
		sleep_s(0.05);
	}
	container.cgroup = cgroup_of(container.pid, cgroup_of(container.pid, "pids") ? "pids" : "");
	return container;
}

struct container podman_python(const struct place *place, const char *name, const char *script, ...)
{
	const char *argv[MAX_ARGS];
	va_list args;

	va_start(args, script);
	script_arguments(place, script, args, argv);
	va_end(args);
	return podman_start(place, name, NULL, argv);
}

void podman_image(const struct place *place, const char *name)
{
	const char *tar = in_place(place, "image.tar");
	const char *const import[] = {PODMAN, "import", tar, name, NULL};
	struct child *child;

	cr_assert_eq(system(text_of("cd '%s' && mkdir -p image/bin && cp \"$(command -v busybox)\" image/bin && "
				    "ln -sf busybox image/bin/sh && tar -cf image.tar -C image .",
				    place->outside)),
		     0);
	keeper_later(PODMAN_TEXT " rmi -f %s", name);
	child = child_start(NULL, import);
	cr_assert_eq(child_wait(child, 60), 0, "podman: %s", child_err(child));
}

json_t *podman_list(void)
{
	const char *const argv[] = {PODMAN, "ps", "--no-trunc", "--format", "json", NULL};
	struct child *child = child_start(NULL, argv);
	json_t *list;

	cr_assert_eq(child_wait(child, 20), 0, "podman: %s", child_err(child));
	list = json_loads(child_out(child), 0, NULL);
	cr_assert(json_is_array(list));
	return list;
}

/* --- both --------------------------------------------------------------- */

void container_ready(const struct container *container, double seconds)
{
	double end = now_s() + seconds;

	/* podman may end lines as a terminal does. */
	while (!strstr(child_out(container->starter), "ready")) {
		cr_assert(!kill(container->pid, 0), "the container ended before it was ready: %s",
			  child_err(container->starter));
		cr_assert(now_s() < end, "the container was not ready after %g s: %s", seconds,
			  child_err(container->starter));
		sleep_s(0.01);
	}
}

void container_stop(struct container *container)
{
	kill(container->pid, SIGKILL);
	system(text_of(*container->name ? PODMAN_TEXT " rm -f -i -t 0 %s >/dev/null 2>&1"
					: "runc delete -f %s >/dev/null 2>&1",
		       *container->name ? container->name : container->id));
	waitpid(container->pid, NULL, WNOHANG);
	container->pid = 0;
}

double container_cpu_s(const struct container *container)
{
	static const char *const stats[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char *text = file_text(text_of("/sys/fs/cgroup/cpuacct%s/cpuacct.usage", container->cgroup));
	unsigned long long value;

	if (text)
		return (double)strtoull(text, NULL, 10) / 1e9;
	for (size_t i = 0; i < 2; i++) {
		text = file_text(text_of("%s%s/cpu.stat", stats[i], container->cgroup));
		if (text && sscanf(text, "usage_usec %llu", &value) == 1)
			return (double)value / 1e6;
	}
	cr_assert_fail("no clock of %s", container->cgroup);
	return 0;
}

/* --- what others would have left on the host ---------------------------- */

static void host_json(const char *path, json_t *value)
{
	char *text = json_dumps(value, 0);

	cr_assert_not_null(text);
	host_file(path, text);
	free(text);
	json_decref(value);
}

void pod_files(const struct pod *pod, const char *id)
{
	const char *log = text_of("/var/log/pods/%s_%s_%s/%s/0.log", pod->namespace, pod->name, pod->uid,
				  pod->container);

	host_json(text_of("/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", id),
		  json_pack("{ss s{ss ss ss ss ss ss}}", "ociVersion", "1.0.2", "annotations",
			    "io.kubernetes.cri.container-type", "container", "io.kubernetes.cri.container-name",
			    pod->container, "io.kubernetes.cri.image-name", pod->image,
			    "io.kubernetes.cri.sandbox-name", pod->name, "io.kubernetes.cri.sandbox-namespace",
			    pod->namespace, "io.kubernetes.cri.sandbox-uid", pod->uid));
	host_file(log, "");
	host_link(text_of("/var/log/containers/%s_%s_%s-%s.log", pod->name, pod->namespace, pod->container, id), log);
}

void docker_files(const char *id, const char *name, const char *image)
{
	host_json(text_of("/var/lib/docker/containers/%s/config.v2.json", id),
		  json_pack("{ss ss s{ss}}", "ID", id, "Name", text_of("/%s", name), "Config", "Image", image));
}
