/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/cgroup_path.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE 64 /* hex digits, as docker, containerd, CRI-O and podman make them */

enum shape {
	SHAPE_ID, /* PREFIX-ID.scope (systemd), PREFIX-ID or ID (cgroupfs), SLICE:PREFIX:ID */
	SHAPE_TASK, /* 32 hex digits, -, decimal digits */
	SHAPE_BUILD, /* 25 letters and digits: BuildKit's identity.NewID() */
	SHAPE_NAME, /* whatever stands between prefix and suffix, and is not empty */
};

enum meaning { IS_CONTAINER, IS_MONITOR, IS_UNIT, IS_NOTHING };

/*
 * What one group's name says. The first row counts that fits. OCI runtimes make SLICE:PREFIX:ID to PREFIX-ID.scope in
 * SLICE with systemd's driver (runc's docs/systemd.md), and take it as a name when they were not told to use it.
 */
static const struct group_row {
	const char *parent; /* the group above, or NULL: any */
	const char *prefix; /* of SHAPE_ID: without the separator, "" none, NULL any */
	enum shape shape;
	const char *suffix; /* of SHAPE_NAME */
	enum meaning meaning;
	const char *runtime;
} rows[] = {
	/* moby, daemon/oci_linux.go: "docker" and --cgroup-parent; buildkit's executor: daemon's builder/. */
	{NULL, "docker", SHAPE_ID, NULL, IS_CONTAINER, "docker"},
	{"docker", "", SHAPE_ID, NULL, IS_CONTAINER, "docker"},
	{"buildkit", "", SHAPE_BUILD, NULL, IS_CONTAINER, "docker"},
	/* containerd, internal/cri/server/helpers_linux.go, getCgroupsPath(); nerdctl, pkg/cmd/container/run_cgroup_linux.go. */
	{NULL, "cri-containerd", SHAPE_ID, NULL, IS_CONTAINER, "containerd"},
	{NULL, "nerdctl", SHAPE_ID, NULL, IS_CONTAINER, "containerd"},
	/* CRI-O, internal/config/cgmgr. */
	{NULL, "crio", SHAPE_ID, NULL, IS_CONTAINER, "cri-o"},
	{NULL, "crio-conmon", SHAPE_ID, NULL, IS_MONITOR, NULL},
	/* podman, libpod/container_internal_linux.go; -payload: --cgroups=split, as Quadlet starts them. */
	{NULL, "libpod", SHAPE_ID, NULL, IS_CONTAINER, "podman"},
	{NULL, "libpod-payload", SHAPE_ID, NULL, IS_CONTAINER, "podman"},
	{NULL, "libpod-conmon", SHAPE_ID, NULL, IS_MONITOR, NULL},
	{"libpod_parent", "", SHAPE_ID, NULL, IS_NOTHING, NULL}, /* a pod of podman */
	/* LXC, src/lxc/cgroups/cgfsng.c: since 4.0, 3.1, and before; LXD and Incus are built on it. */
	{NULL, "lxc.payload.", SHAPE_NAME, "", IS_CONTAINER, "lxc"},
	{NULL, "lxc.monitor.", SHAPE_NAME, "", IS_MONITOR, NULL},
	{"lxc.payload", "", SHAPE_NAME, "", IS_CONTAINER, "lxc"},
	{"lxc.monitor", "", SHAPE_NAME, "", IS_MONITOR, NULL},
	{"lxc", "", SHAPE_NAME, "", IS_CONTAINER, "lxc"},
	/* systemd-nspawn(1); machine-NAME.scope is any machine that was registered, among them libvirt's. */
	{NULL, "systemd-nspawn@", SHAPE_NAME, ".service", IS_CONTAINER, "systemd-nspawn"},
	{"machine.slice", "machine-qemu\\x2d", SHAPE_NAME, ".scope", IS_UNIT, NULL},
	{"machine.slice", "machine-lxc\\x2d", SHAPE_NAME, ".scope", IS_CONTAINER, ""},
	{"machine.slice", "machine-", SHAPE_NAME, ".scope", IS_CONTAINER, "systemd-nspawn"},
	/* Amazon ECS on Fargate: /ecs/TASK/TASK-NUMBER. */
	{NULL, "", SHAPE_TASK, NULL, IS_CONTAINER, ""},
	/* Below a pod, below a --cgroup-parent, a containerd namespace, an ECS task. */
	{NULL, NULL, SHAPE_ID, NULL, IS_CONTAINER, ""},
	/* systemd, src/basic/cgroup-util.c: what may hold processes. A slice does not. */
	{NULL, "", SHAPE_NAME, ".service", IS_UNIT, NULL},
	{NULL, "", SHAPE_NAME, ".scope", IS_UNIT, NULL},
	{NULL, "", SHAPE_NAME, ".mount", IS_UNIT, NULL},
	{NULL, "", SHAPE_NAME, ".socket", IS_UNIT, NULL},
	{NULL, "", SHAPE_NAME, ".swap", IS_UNIT, NULL},
};

static bool piece_is(struct path_piece piece, const char *text)
{
	return piece.size == strlen(text) && !memcmp(piece.at, text, piece.size);
}

/* All of `set`, which ends with its NUL. */
static bool piece_of(struct path_piece piece, const char *set)
{
	for (size_t i = 0; i < piece.size; i++)
		if (!piece.at[i] || !strchr(set, piece.at[i]))
			return false;
	return true;
}

static struct path_piece piece_from(struct path_piece piece, size_t offset)
{
	return (struct path_piece){piece.at + offset, piece.size - offset};
}

static bool piece_cut_start(struct path_piece *piece, const char *start)
{
	size_t size = strlen(start);

	if (piece->size < size || memcmp(piece->at, start, size))
		return false;
	*piece = piece_from(*piece, size);
	return true;
}

static bool piece_cut_end(struct path_piece *piece, const char *end)
{
	size_t size = strlen(end);

	if (piece->size < size || memcmp(piece->at + piece->size - size, end, size))
		return false;
	piece->size -= size;
	return true;
}

/* Where the last c of a piece is, or its size. */
static size_t piece_find_last(struct path_piece piece, char c)
{
	for (size_t i = piece.size; i > 0; i--)
		if (piece.at[i - 1] == c)
			return i - 1;
	return piece.size;
}

#define DIGITS	   "0123456789"
#define HEX_DIGITS DIGITS "abcdef"
#define LETTERS	   "abcdefghijklmnopqrstuvwxyz"

static bool id_fits(const char *prefix, struct path_piece group, struct path_piece *ret)
{
	piece_cut_end(&group, ".scope");
	if (group.size < ID_SIZE)
		return false;
	struct path_piece id = piece_from(group, group.size - ID_SIZE);
	struct path_piece before = {group.at, group.size - ID_SIZE};
	if (!piece_of(id, HEX_DIGITS))
		return false;
	*ret = id;
	if (!before.size)
		return !prefix || !*prefix;
	char separator = before.at[--before.size];
	if (separator != '-' && separator != ':')
		return false;
	if (separator == ':') {
		size_t slice = piece_find_last(before, ':');
		if (slice < before.size)
			before = piece_from(before, slice + 1);
	}
	return !prefix || piece_is(before, prefix);
}

static bool task_fits(struct path_piece group, struct path_piece *ret)
{
	if (group.size < 34 || group.at[32] != '-')
		return false;
	*ret = group;
	return piece_of((struct path_piece){group.at, 32}, HEX_DIGITS) && piece_of(piece_from(group, 33), DIGITS);
}

static bool row_fits(const struct group_row *row, struct path_piece parent, struct path_piece group,
		     struct path_piece *ret)
{
	if (row->parent && !piece_is(parent, row->parent))
		return false;
	switch (row->shape) {
	case SHAPE_ID:
		return id_fits(row->prefix, group, ret);
	case SHAPE_TASK:
		return task_fits(group, ret);
	case SHAPE_BUILD:
		*ret = group;
		return group.size == 25 && piece_of(group, DIGITS LETTERS);
	case SHAPE_NAME:
		*ret = group;
		return piece_cut_start(ret, row->prefix) && piece_cut_end(ret, row->suffix) && ret->size;
	}
	return false;
}

/* A pod's uid: a UUID, with the separator of the driver; of a pod that the node itself has (a file's hash): 32 hex digits. */
static bool is_pod_uid(struct path_piece uid, char separator)
{
	if (uid.size == 32)
		return piece_of(uid, HEX_DIGITS);
	if (uid.size != 36)
		return false;
	for (size_t i = 0; i < uid.size; i++) {
		bool separates = i == 8 || i == 13 || i == 18 || i == 23;

		if (separates ? uid.at[i] != separator : !piece_of((struct path_piece){uid.at + i, 1}, HEX_DIGITS))
			return false;
	}
	return true;
}

/*
 * kubernetes, pkg/kubelet/cm/cgroup_manager_linux.go: kubepods[/QOS]/podUID, or kubepods[-QOS]-podUID.slice with the
 * slices of --cgroup-root before it. A pod of the best class has no QOS part.
 */
static bool pod_fits(struct path_piece parent, struct path_piece group, struct path_piece *ret)
{
	static const char *const parents[] = {"kubepods", "burstable", "besteffort"};
	struct path_piece uid = group;

	if (piece_cut_start(&uid, "pod")) {
		*ret = uid;
		for (size_t i = 0; i < sizeof(parents) / sizeof(*parents); i++)
			if (piece_is(parent, parents[i]))
				return is_pod_uid(uid, '-');
		return false;
	}
	/* Behind it may stand :cri-containerd:ID. */
	const char *colon = memchr(group.at, ':', group.size);
	if (colon)
		uid.size = (size_t)(colon - group.at);
	if (!piece_cut_end(&uid, ".slice") || !memmem(uid.at, uid.size, "kubepods", 8))
		return false;
	size_t last = piece_find_last(uid, '-');
	if (last == uid.size)
		return false;
	uid = piece_from(uid, last + 1);
	if (!piece_cut_start(&uid, "pod"))
		return false;
	*ret = uid;
	return is_pod_uid(uid, '_');
}

static bool user_fits(struct path_piece group, struct path_piece *ret)
{
	*ret = group;
	return piece_cut_start(ret, "user-") && piece_cut_end(ret, ".slice") && ret->size && ret->size <= 10 &&
	       piece_of(*ret, DIGITS) && !piece_is(*ret, "0");
}

/* The innermost container so far. */
static void container_enter(struct cgroup_path *path, const struct group_row *row, struct path_piece id, size_t size)
{
	/* Named twice, it still is one: what makes its own groups inside may name them as itself. */
	if (path->runtime && path->id.size == id.size && !memcmp(path->id.at, id.at, id.size))
		return;
	if (path->runtime && !path->outer_size)
		path->outer_size = path->size;
	path->runtime = row->runtime;
	path->id = id;
	path->name = (struct path_piece){NULL, 0};
	if (row->shape == SHAPE_NAME)
		path->name = id;
	path->unit = path->outer_unit = (struct path_piece){NULL, 0};
	path->size = size;
}

/* systemd writes a _ before what would else be a file of the kernel's. */
static void unit_enter(struct cgroup_path *path, struct path_piece group, size_t size)
{
	if (path->runtime)
		return;
	piece_cut_start(&group, "_");
	if (!path->outer_unit.size)
		path->outer_unit = path->unit;
	path->unit = group;
	path->size = size;
}

static void group_enter(struct cgroup_path *path, struct path_piece parent, struct path_piece group, size_t size)
{
	struct path_piece piece;

	if (pod_fits(parent, group, &piece))
		path->pod_uid = piece;
	if (!path->runtime && !path->user.size && user_fits(group, &piece))
		path->user = piece;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!row_fits(&rows[i], parent, group, &piece))
			continue;
		if (rows[i].meaning == IS_CONTAINER)
			container_enter(path, &rows[i], piece, size);
		else if (rows[i].meaning == IS_UNIT)
			unit_enter(path, group, size);
		return;
	}
}

void cgroup_path_read(const char *text, struct cgroup_path *ret)
{
	struct cgroup_path path = {0};
	struct path_piece parent = {"", 0};

	for (const char *at = text; *at;) {
		at += strspn(at, "/");
		struct path_piece group = {at, strcspn(at, "/")};
		at += group.size;
		/* Of a group outside of our namespace of cgroups. */
		bool is_none = piece_is(group, ".") || piece_is(group, "..");
		if (group.size && !is_none)
			group_enter(&path, parent, group, (size_t)(at - text));
		parent = group;
	}
	*ret = path;
}

static int hex_value(char c)
{
	const char *at = c ? strchr(HEX_DIGITS, c) : NULL;

	return at ? (int)(at - HEX_DIGITS) : -1;
}

char *cgroup_path_name(const struct cgroup_path *path)
{
	const char *at = path->name.at;
	size_t left = path->name.size;
	char *name = malloc(left + 1), *end = name;

	if (!name)
		return NULL;
	bool is_escaped = path->runtime && strcmp(path->runtime, "lxc") != 0;
	while (left) {
		int high = -1, low = -1;

		if (is_escaped && left >= 4 && at[0] == '\\' && at[1] == 'x') {
			high = hex_value(at[2]);
			low = hex_value(at[3]);
		}
		bool escape = high >= 0 && low >= 0 && (high || low);
		*end++ = (char)(escape ? high * 16 + low : *at);
		at += escape ? 4 : 1;
		left -= escape ? 4 : 1;
	}
	*end = 0;
	return name;
}

static bool text_has(const char *text, size_t size, const char *start, const char *end)
{
	size_t start_size = strlen(start), end_size = strlen(end);

	return size >= start_size + end_size && !memcmp(text, start, start_size) &&
	       !memcmp(text + size - end_size, end, end_size);
}

/* runc with systemd's driver makes SLICE:PREFIX:NAME to PREFIX-NAME.scope; these are systemd's and desktops' own. */
static bool unit_may_be_container(const struct path_piece *unit)
{
	static const char *const others[] = {"session-", "init.scope", "run-", "app-",
					     "machine-", "vte-spawn-", "snap."};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (text_has(unit->at, unit->size, others[i], ""))
			return false;
	return text_has(unit->at, unit->size, "", ".scope");
}

bool cgroup_path_may_be_container(const char *path, const struct cgroup_path *read)
{
	size_t size = strlen(path);

	if (read->runtime || read->pod_uid.size || size == 1 || text_has(path, size, "", ".slice"))
		return false;
	return read->size != size || unit_may_be_container(&read->unit);
}
