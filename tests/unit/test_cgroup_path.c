/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths as the runtimes' documents and sources have them, those marked "seen" from running them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/cgroup_path.h"

TestSuite(cgroup_path, .timeout = 120);

#define A      "5f0b1c9f2f4e7a1d3c5b7a9e8d6c4b2a0f1e3d5c7b9a8f6e4d2c0b1a3f5e7d9c"
#define B      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD    "1b2c3d4e-0011-2233-4455-66778899aabb"
#define POD_   "1b2c3d4e_0011_2233_4455_66778899aabb"
#define STATIC "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define TASK   "6d1f0a4c1a6b4a4e8f0d2c3b4a596877-1234567890"

struct path_row {
	const char *path;
	const char *runtime, *id, *pod_uid, *unit;
	const char *rest; /* behind the group of the container or unit */
};

/* NULL in a row is: none. */
static void check_piece(const char *path, const char *what, struct path_piece piece, const char *expected)
{
	cr_expect(piece.size == (expected ? strlen(expected) : 0) &&
			  !memcmp(piece.at ?: "", expected ?: "", piece.size),
		  "%s: %s is \"%.*s\", not \"%s\"", path, what, (int)piece.size, piece.at ?: "", expected ?: "");
}

static void check_rows(const struct path_row *rows, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		const struct path_row *row = &rows[i];
		struct cgroup_path path;

		cgroup_path_read(row->path, &path);
		cr_expect(!path.runtime == !row->runtime && (!path.runtime || !strcmp(path.runtime, row->runtime)),
			  "%s: runtime is %s", row->path, path.runtime ?: "none");
		check_piece(row->path, "id", path.id, row->id);
		check_piece(row->path, "pod", path.pod_uid, row->pod_uid);
		check_piece(row->path, "unit", path.unit, row->unit);
		size_t size = path.runtime || path.unit.size ? strlen(row->path) - strlen(row->rest ?: "") : 0;
		cr_expect_eq(path.size, size, "%s: size %zu", row->path, path.size);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))

Test(cgroup_path, docker_in_all_its_drivers)
{
	static const struct path_row rows[] = {
		{"/docker/" A, "docker", A, NULL, NULL, NULL},
		{"/system.slice/docker-" A ".scope", "docker", A, NULL, NULL, NULL},
		{"/system.slice/docker-" A ".scope/init", "docker", A, NULL, NULL, "/init"},
		{"/system.slice:docker:" A, "docker", A, NULL, NULL, NULL},
		{"/docker/buildkit/r4xvjkrqmtbvn7sbzozq1xl62", "docker", "r4xvjkrqmtbvn7sbzozq1xl62", NULL, NULL, NULL},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_ ".slice/docker-" A ".scope",
		 "docker", A, POD_, NULL, NULL},
		{"/my/parent/" A, "", A, NULL, NULL, NULL},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope", "docker", A, NULL, NULL,
		 NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, containerd_in_all_its_drivers)
{
	static const struct path_row rows[] = {
		{"/kubepods/burstable/pod" POD "/" A, "", A, POD, NULL, NULL},
		{"/kubepods/pod" POD "/" A, "", A, POD, NULL, NULL},
		{"/kubepods/besteffort/pod" STATIC "/" A "/kube-proxy", "", A, STATIC, NULL, "/kube-proxy"},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/cri-containerd-" A
		 ".scope",
		 "containerd", A, POD_, NULL, NULL},
		{"/kubepods.slice/kubepods-pod" STATIC ".slice/cri-containerd-" A ".scope", "containerd", A, STATIC,
		 NULL, NULL},
		{"/system.slice/containerd.service/kubepods-burstable-pod" POD_ ".slice:cri-containerd:" A,
		 "containerd", A, POD_, NULL, NULL},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
		 "kubelet-kubepods-besteffort-pod" POD_ ".slice/cri-containerd-" A ".scope",
		 "containerd", A, POD_, NULL, NULL},
		{"/system.slice/nerdctl-" A ".scope", "containerd", A, NULL, NULL, NULL},
		{"/default/" A, "", A, NULL, NULL, NULL},
		{"/k8s.io/t1", NULL, NULL, NULL, NULL, NULL}, /* seen; container_files.h knows */
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, cri_o_and_podman_and_what_watches_over_them)
{
	static const struct path_row rows[] = {
		{"/kubepods/burstable/pod" POD "/crio-" A, "cri-o", A, POD, NULL, NULL},
		{"/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope/container", "cri-o", A, POD_, NULL,
		 "/container"},
		{"/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" A ".scope", NULL, NULL, POD_, NULL, NULL},
		{"/libpod_parent/libpod-" A, "podman", A, NULL, NULL, NULL}, /* seen */
		{"/libpod_parent/conmon", NULL, NULL, NULL, NULL, NULL},
		{"/libpod_parent/" B "/libpod-" A, "podman", A, NULL, NULL, NULL},
		{"/libpod_parent/" B, NULL, NULL, NULL, NULL, NULL},
		{"/machine.slice/libpod-" A ".scope/container", "podman", A, NULL, NULL, "/container"},
		{"/machine.slice/libpod-conmon-" A ".scope", NULL, NULL, NULL, NULL, NULL},
		{"/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", "podman", A, NULL, NULL, NULL},
		{"/system.slice/web.service/libpod-payload-" A, "podman", A, NULL, NULL, NULL},
		{"/system.slice/web.service/runtime", NULL, NULL, NULL, "web.service", "/runtime"},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope", "podman", A, NULL, NULL,
		 NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, machines_that_have_names)
{
	static const struct path_row rows[] = {
		{"/lxc.payload.web", "lxc", "web", NULL, NULL, NULL}, /* seen */
		{"/lxc.monitor.web", NULL, NULL, NULL, NULL, NULL}, /* seen */
		{"/lxc.monitor.web-1", NULL, NULL, NULL, NULL, NULL}, /* seen */
		{"/lxc.pivot", NULL, NULL, NULL, NULL, NULL}, /* seen: a monitor that ends */
		{"/mine/deep/lxc.payload.web", "lxc", "web", NULL, NULL, NULL}, /* seen: lxc.cgroup.dir */
		{"/mine/deep/lxc.monitor.web", NULL, NULL, NULL, NULL, NULL}, /* seen */
		{"/lxc.payload.odd name.x:y@z\\x2d", "lxc", "odd name.x:y@z\\x2d", NULL, NULL, NULL}, /* seen */
		{"/lxc/300/ns/init.scope", "lxc", "300", NULL, NULL, "/ns/init.scope"}, /* Proxmox */
		{"/lxc.payload.web/system.slice/cron.service", "lxc", "web", NULL, NULL, "/system.slice/cron.service"},
		{"/lxc/web/init.scope", "lxc", "web", NULL, NULL, "/init.scope"},
		{"/lxc.payload/web", "lxc", "web", NULL, NULL, NULL},
		{"/lxc.monitor/web", NULL, NULL, NULL, NULL, NULL},
		{"/lxc.payload.", NULL, NULL, NULL, NULL, NULL},
		{"/machine.slice/systemd-nspawn@deb.service/payload/system.slice/a.service", "systemd-nspawn", "deb",
		 NULL, NULL, "/payload/system.slice/a.service"},
		{"/machine.slice/machine-deb\\x2d12.scope/payload", "systemd-nspawn", "deb\\x2d12", NULL, NULL,
		 "/payload"},
		/* seen, of v2 and systemd's own hierarchy: what nspawn needs itself is its machine's, as it is in v1 */
		{"/machine.slice/systemd-nspawn@deb.service/supervisor", "systemd-nspawn", "deb", NULL, NULL,
		 "/supervisor"},
		{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", NULL, NULL, NULL, "machine-qemu\\x2d1\\x2dvm.scope",
		 NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, units_of_the_system_and_of_users)
{
	static const struct path_row rows[] = {
		{"/system.slice/nginx.service", NULL, NULL, NULL, "nginx.service", NULL},
		{"/system.slice/system-getty.slice/getty@tty1.service", NULL, NULL, NULL, "getty@tty1.service", NULL},
		{"/system.slice/nginx.service/worker", NULL, NULL, NULL, "nginx.service", "/worker"},
		{"/init.scope", NULL, NULL, NULL, "init.scope", NULL},
		{"/system.slice/tmp.mount", NULL, NULL, NULL, "tmp.mount", NULL},
		{"/system.slice/_cpu.service", NULL, NULL, NULL, "cpu.service", NULL},
		{"/user.slice/user-1000.slice/session-1.scope", NULL, NULL, NULL, "session-1.scope", NULL},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/"
		 "vte-spawn-5a3b4c5d-0011-2233-4455-66778899aabb.scope",
		 NULL, NULL, NULL, "vte-spawn-5a3b4c5d-0011-2233-4455-66778899aabb.scope", NULL},
		{"/system.slice", NULL, NULL, NULL, NULL, NULL},
		{"/.service", NULL, NULL, NULL, NULL, NULL},
		{"/", NULL, NULL, NULL, NULL, NULL},
		{"", NULL, NULL, NULL, NULL, NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, the_unit_that_another_is_within)
{
	static const struct {
		const char *path, *unit, *outer;
	} rows[] = {
		{"/system.slice/nginx.service", "nginx.service", NULL},
		{"/user.slice/user-1000.slice/session-1.scope", "session-1.scope", NULL},
		{"/user.slice/user-1000.slice/user@1000.service", "user@1000.service", NULL},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", "nginx.service",
		 "user@1000.service"},
		{"/system.slice/a.service/b.service/c.scope", "c.scope", "a.service"},
		{"/system.slice/a.service/b.service/docker/" A, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cgroup_path path;

		cgroup_path_read(rows[i].path, &path);
		check_piece(rows[i].path, "unit", path.unit, rows[i].unit);
		check_piece(rows[i].path, "outer unit", path.outer_unit, rows[i].outer);
	}
}

Test(cgroup_path, amazons_tasks)
{
	static const struct path_row rows[] = {
		{"/ecs/6d1f0a4c1a6b4a4e8f0d2c3b4a596877/" TASK, "", TASK, NULL, NULL, NULL},
		{"/ecs/cluster/6d1f0a4c1a6b4a4e8f0d2c3b4a596877/" A, "", A, NULL, NULL, NULL},
		{"/ecs/6d1f0a4c1a6b4a4e8f0d2c3b4a596877", NULL, NULL, NULL, NULL, NULL},
		{"/ecs/6d1f0a4c1a6b4a4e8f0d2c3b4a596877-", NULL, NULL, NULL, NULL, NULL},
		{"/ecs/6d1f0a4c1a6b4a4e8f0d2c3b4a596877-12x", NULL, NULL, NULL, NULL, NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, from_within_a_namespace_of_cgroups)
{
	static const struct path_row rows[] = {
		{"/../../docker-" A ".scope", "docker", A, NULL, NULL, NULL},
		{"/../../../kubepods/pod" POD "/" A, "", A, POD, NULL, NULL},
		{"/../" A, "", A, NULL, NULL, NULL},
		{"/..", NULL, NULL, NULL, NULL, NULL},
		{"/lxc/..", NULL, NULL, NULL, NULL, NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, what_only_looks_like_a_container_is_none)
{
	static const struct path_row rows[] = {
		{"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", NULL, NULL, NULL, NULL,
		 NULL}, /* 63 */
		{"/docker/" B "0", NULL, NULL, NULL, NULL, NULL}, /* 65 */
		{"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL, NULL, NULL,
		 NULL},
		{"/docker-" B "0.scope", NULL, NULL, NULL, "docker-" B "0.scope", NULL},
		{"/garden/" POD, NULL, NULL, NULL, NULL, NULL},
		{"/docker/" POD, NULL, NULL, NULL, NULL, NULL},
		{"/docker", NULL, NULL, NULL, NULL, NULL},
		{"/pod" POD "/" A, "", A, NULL, NULL, NULL}, /* a container, of no pod that the kubelet made */
		{"/kubepods/pod1b2c3d4e_0011_2233_4455_66778899aabb", NULL, NULL, NULL, NULL, NULL},
		{"/kubepods.slice/kubepods-pod" POD ".slice", NULL, NULL, NULL, NULL, NULL},
		{"/kubepods/podx", NULL, NULL, NULL, NULL, NULL},
	};

	CHECK_ROWS(rows);
}

Test(cgroup_path, of_nested_containers_the_innermost_counts_and_is_told_apart)
{
	static const char inner[] = "/docker/" A "/kubelet/kubepods/burstable/pod" POD "/" B;
	struct cgroup_path path;

	cgroup_path_read(inner, &path);
	cr_assert_str_eq(path.runtime, "");
	check_piece(inner, "id", path.id, B);
	check_piece(inner, "pod", path.pod_uid, POD);
	cr_assert_eq(path.size, sizeof(inner) - 1);
	cr_assert_eq(path.outer_size, strlen("/docker/" A));

	cgroup_path_read("/docker/" A "/docker/" B "/system.slice/x.service", &path);
	cr_assert_eq(path.size, strlen("/docker/" A "/docker/" B));
	cr_assert_eq(path.outer_size, strlen("/docker/" A));
	cr_assert_eq(path.unit.size, 0);
	cgroup_path_read("/lxc.payload.web/lxc.payload.in/docker/" B, &path);
	cr_assert_eq(path.outer_size, strlen("/lxc.payload.web"));
	cr_assert_eq(path.name.size, 0);

	/* One that names a group of its own as itself is not inside of another. */
	cgroup_path_read("/kubepods/pod" POD "/" A "/cri-containerd-" A ".scope", &path);
	cr_assert_eq(path.outer_size, 0);
	cr_assert_eq(path.size, strlen("/kubepods/pod" POD "/" A));
}

Test(cgroup_path, the_user_is_the_one_whose_slice_is_the_outermost)
{
	struct cgroup_path path;
	static const char text[] = "/user.slice/user-1000.slice/user@1000.service/user-0.slice/libpod-" A ".scope";

	cgroup_path_read(text, &path);
	check_piece(text, "user", path.user, "1000");
	cgroup_path_read("/system.slice/nginx.service", &path);
	cr_assert_eq(path.user.size, 0);
	cgroup_path_read("/user-x.slice/user-.slice/user-12345678901.slice", &path);
	cr_assert_eq(path.user.size, 0);
	cgroup_path_read("/docker/" A "/user.slice/user-0.slice", &path);
	cr_assert_eq(path.user.size, 0);
}

static void check_name(const char *text, const char *expected)
{
	struct cgroup_path path;

	cgroup_path_read(text, &path);
	_cleanup_(free) char *name = cgroup_path_name(&path);
	cr_assert_str_eq(name, expected);
}

/* systemd.unit(5), "String Escaping for Inclusion in Unit Names". */
Test(cgroup_path, names_are_without_systemds_escapes)
{
	check_name("/machine.slice/machine-deb\\x2d12.scope", "deb-12");
	check_name("/machine.slice/systemd-nspawn@a\\x2db.service", "a-b");
	check_name("/machine.slice/machine-a\\x2.scope", "a\\x2");
	check_name("/machine.slice/machine-a\\x00b\\xzz.scope", "a\\x00b\\xzz");
	check_name("/lxc.payload.a\\x2db", "a\\x2db");
	check_name("/docker/" A, "");
}

Test(cgroup_path, whatever_is_in_a_path_its_pieces_are)
{
	char slashes[4097], text[512] = "/lxc.payload.";
	struct cgroup_path path;

	memset(slashes, '/', sizeof(slashes) - 1);
	slashes[sizeof(slashes) - 1] = 0;
	cgroup_path_read(slashes, &path);
	cr_assert_null(path.runtime);
	cr_assert_eq(path.size, 0);
	memcpy(slashes + sizeof(slashes) - 1 - 72, "/docker/" B, 72);
	cgroup_path_read(slashes, &path);
	cr_assert_str_eq(path.runtime, "docker");
	cr_assert_eq(path.size, sizeof(slashes) - 1);

	for (int i = 0; i < 300; i++)
		text[13 + i] = (char)(i % 255 + 1 == '/' ? 1 : i % 255 + 1);
	cgroup_path_read(text, &path);
	cr_assert_eq(path.id.size, 300);
	cr_assert_eq(path.size, 313);
	cgroup_path_read("/\n\033[2J.service", &path);
	cr_assert_eq(path.unit.size, strlen("\n\033[2J.service"));
}

Test(cgroup_path, what_may_be_a_container_though_it_does_not_say_so)
{
	static const struct {
		const char *path;
		bool may_be;
	} rows[] = {
		{"/", false},
		{"/mine", true},
		{"/k8s.io/t1", true},
		{"/system.slice", false},
		{"/system.slice/foo.service", false},
		{"/system.slice/foo.service/mine", true},
		{"/system.slice/runc-mine.scope", true},
		{"/system.slice/run-u12.scope", false},
		{"/user.slice/user-1000.slice/session-3.scope", false},
		{"/init.scope", false},
		{"/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cgroup_path read;

		cgroup_path_read(rows[i].path, &read);
		cr_expect_eq(cgroup_path_may_be_container(rows[i].path, &read), rows[i].may_be, "%s", rows[i].path);
	}
}
