/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * containers.h - real containers, made by runc and podman, with a Debian root that has its own
 * Python. All of it is gone when the test ends, see keeper.h.
 *
 * runc takes any cgroup path, so what Docker and Kubernetes would make on a host is made by it; the
 * files that these keep on a host are written beside it by the functions below.
 */
#ifndef PYPROF_TESTS_CONTAINERS_H
#define PYPROF_TESTS_CONTAINERS_H

#include "tests/e2e/harness.h"
#include "tests/e2e/keeper.h"

/* Instead of E2E_SUITE: a suite with containers. */
void containers_begin(void);
void containers_end(void);
#define CONTAINER_SUITE(name, seconds) \
	TestSuite(name, .init = containers_begin, .fini = containers_end, .timeout = (seconds))

#define CONTAINER_ID_SIZE 80

/* Inside of each: the place of the test, at the same path as outside. */
struct container {
	char id[CONTAINER_ID_SIZE]; /* 64 hexadecimal digits */
	char name[64]; /* of podman's; runc has ids only */
	const char *cgroup; /* as asked for; podman's: as its process says */
	pid_t pid; /* of its first process, on the host; 0: it ended */
	struct child *starter; /* what it prints is printed there */
};

/* 64 random hexadecimal digits, as runtimes choose ids. Kept until the test ends. */
const char *container_id_new(void);

struct container_spec {
	const struct place *place; /* shared with the container, writable for all */
	const char *id; /* NULL: a new one */
	const char *cgroup; /* "/docker/%s": the path with the id in it. NULL: "/%s" */
	bool user_namespace; /* its root is uid 100000 here */
	const char *hostname;
	/* Directories of the host, seen at these paths inside: what a container says of itself. */
	const char *from[4], *at[4];
};

/* Started and running when it returns. argv as in the root: "python3.11", ... Ends with NULL. */
struct container runc_start(const struct container_spec *spec, const char *const argv[]);
/* As runc_start, of a script of the workloads: path and arguments, NULL at the end. */
struct container runc_python(const struct container_spec *spec, const char *script, ...);

/* `podman run --rm --name`, of the Debian root, or of an image that podman_image() made. */
struct container podman_start(const struct place *place, const char *name, const char *image, const char *const argv[]);
struct container podman_python(const struct place *place, const char *name, const char *script, ...);
/* The same, and it does not wait until it runs: pid and id are not known. */
struct child *podman_begin(const struct place *place, const char *name, const char *image, const char *const argv[]);
/* An image of this name that holds busybox and nothing else. */
void podman_image(const struct place *place, const char *name);
/* What podman itself says: `podman ps --format json`. To be released. */
json_t *podman_list(void);
/* A name that no other container has. Kept until the test ends. */
const char *podman_name(const char *what);

/* Until it printed a line `ready`. */
void container_ready(const struct container *container, double seconds);
/* Its first process is killed, its group removed. */
void container_stop(struct container *container);
/* CPU time of all its processes since it began, by the cgroup's own clock, v1's or v2's. */
double container_cpu_s(const struct container *container);
/* --- what others would have left on the host ---------------------------- */

struct pod {
	const char *namespace, *name, *container, *uid, *image;
};
/* What containerd leaves of a container that Kubernetes asked it for, and kubelet beside it. */
void pod_files(const struct pod *pod, const char *id);
/* What Docker keeps of a container. */
void docker_files(const char *id, const char *name, const char *image);

#endif
