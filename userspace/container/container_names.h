/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * container_names.h - what is known of a container by name, while it is put together from several
 * files. What was said first stays.
 */
#ifndef PYPROF_CONTAINER_NAMES_H
#define PYPROF_CONTAINER_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "profile/label.h"

#define CONTAINER_NAME_MAX 256 /* bytes of a name that are kept, whole characters */

/* Texts by label, NULL where there is none; owned. */
struct container_names {
	char *values[LABEL_PLACE_CNT];
	bool complete; /* more files would tell nothing more; else look again later */
};

void container_names_deinit(struct container_names *names);
static inline void names_cleanup_(struct container_names *names)
{
	container_names_deinit(names);
}
/* Unless there is one already, or the text is empty or NULL. -ENOMEM. */
int container_names_set(struct container_names *names, enum label label, const char *text);
int container_names_set_size(struct container_names *names, enum label label, const char *text, size_t size);
/*
 * Whose keys are read: those that the program writes itself. A key of another's stands there only because somebody who
 * chose a label of an image, or an annotation of a pod, wants to be taken for what he is not.
 */
enum name_dialect {
	DIALECT_NONE = 0,
	DIALECT_KUBELET = 1 << 0, /* dockershim and cri-dockerd, with what the kubelet told them; plain runc's */
	DIALECT_CONTAINERD = 1 << 1, /* its part for Kubernetes */
	DIALECT_CRI_O = 1 << 2,
	DIALECT_NERDCTL = 1 << 3,
};
/*
 * From what the runtime noted with the container: an object of texts, or anything else, which says nothing. dialects: set of
 * those that count there. None of Kubernetes', unless it is known to be of a pod: labels come from images, too.
 */
int container_names_set_annotations(struct container_names *names, const json_t *annotations, unsigned dialects);

#endif
