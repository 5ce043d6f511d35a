/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * label.h - what a profile says of where its samples were taken, besides their
 * stacks: names that other programs sort and select by. One table has what each is
 * called, in the world of pprof and Pyroscope and in OpenTelemetry's semantic conventions.
 *
 * Those of a process or thread are members of its struct origin. Those of a place
 * where many processes run (a container, a unit) are the same for all of them: a
 * label_set, interned, by id in the origin.
 */
#ifndef PYPROF_LABEL_H
#define PYPROF_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

/* X(ID, "pprof's and Pyroscope's name", "OpenTelemetry's", is it a number). Those of a place come first. */
#define FOR_EACH_LABEL(X)                                              \
	X(CONTAINER_NAME, "container_name", "container.name", false)   \
	X(CONTAINER_ID, "container_id", "container.id", false)         \
	X(RUNTIME, "runtime", "container.runtime.name", false)         \
	X(IMAGE, "image", "container.image.name", false)               \
	X(K8S_POD, "k8s_pod", "k8s.pod.name", false)                   \
	X(K8S_NAMESPACE, "k8s_namespace", "k8s.namespace.name", false) \
	X(K8S_CONTAINER, "k8s_container", "k8s.container.name", false) \
	X(SYSTEMD_UNIT, "systemd_unit", "systemd.unit.name", false)    \
	X(COMM, "comm", "process.executable.name", false)              \
	X(EXE, "exe", "process.executable.path", false)                \
	X(COMMAND_LINE, "command_line", "process.command_line", false) \
	X(ENVIRONMENT, "environment", "process.environment", false)    \
	X(PID, "pid", "process.pid", true)                             \
	X(THREAD_NAME, "thread_name", "thread.name", false)            \
	X(TID, "tid", "thread.id", true)

enum label {
#define X(id, name, otel, is_number) LABEL_##id,
	FOR_EACH_LABEL(X)
#undef X
		LABEL_CNT,
	LABEL_PLACE_CNT = LABEL_COMM
};

const char *label_name(enum label label); /* "container_name" */
const char *label_otel_name(enum label label); /* "container.name" */
bool label_is_number(enum label label);
int label_find(const char *name, enum label *ret); /* by pprof's name; -ENOENT */

/* String ids, STRING_EMPTY where there is none. */
struct label_set {
	u32 values[LABEL_PLACE_CNT];
};

/* By what it says. */
u64 label_set_hash(const struct label_set *set);

#define LABEL_SET_EMPTY 0 /* id of the set without any */

struct label_table;

int label_table_new(struct label_table **ret);
void label_table_free(struct label_table *table);
DEFINE_CLEANUP(label_table, struct label_table *, label_table_free)

/*
 * A row of its own, empty until it is set: of a place whose names are found after its first
 * samples. -ENOSPC, -ENOMEM.
 */
int label_table_reserve(struct label_table *table, u32 *ret);
void label_table_set(struct label_table *table, u32 id, const struct label_set *set);
/* Finds or adds a copy. -ENOSPC at the bound, -ENOMEM. */
int label_table_intern(struct label_table *table, const struct label_set *set, u32 *ret);
u32 label_table_cnt(const struct label_table *table);
/* Valid until the next intern. */
const struct label_set *label_table_at(const struct label_table *table, u32 id);

struct origin;
/* Where an origin keeps the string of a label that is one process's own; NULL: of a place, or a number. */
u32 *origin_text(struct origin *origin, enum label label);

/* One label with its value. */
struct label_value {
	enum label label;
	const char *text; /* NULL: a number */
	u64 number;
};

struct profile_tables;
struct view;

/*
 * All labels that an origin has, in the order of the table, at most LABEL_CNT. The
 * texts are the tables'. What the view leaves out (--no-pid, no --threads) is left out here too.
 */
size_t origin_labels(const struct profile_tables *tables, const struct origin *origin, const struct view *view,
		     struct label_value ret[LABEL_CNT]);

#endif
