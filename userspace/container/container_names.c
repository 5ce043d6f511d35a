/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/container_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/host_file.h"

#define SANDBOX "POD" /* what holds a pod's namespaces; a container's name has no capitals in Kubernetes */

/*
 * The first that is there counts. Who may write one:
 *
 * containerd (internal/cri/annotations): all that it has, after those of the pod that its administrator lets through
 * (pod_annotations), so nobody else. But 1.4 and older have only some of these keys: what such a one lets through under
 * the others cannot be told from its own.
 *
 * CRI-O (internal/factory/container, server/sandbox_run): all annotations of the pod are in each of its containers, then
 * its own, then the kubelet's labels (container.name, pod.name, pod.namespace: kubernetes, staging/src/k8s.io/kubelet/pkg/types/labels.go).
 * In the sandbox those of the pod come behind its own, and before the labels: there the cri-o.* are anybody's, so
 * that it is a sandbox is said by the labels, and its image by nobody.
 *
 * dockershim, cri-dockerd: the kubelet's labels replace those of the image. nerdctl: its pkg/labels.
 */
static const struct annotation_row {
	unsigned dialects;
	const char *key;
	enum label label;
	const char *value, *means; /* if it has that value; NULL: any, as it is */
} rows[] = {
	{DIALECT_CONTAINERD, "io.kubernetes.cri.container-type", LABEL_K8S_CONTAINER, "sandbox", SANDBOX},
	{DIALECT_CONTAINERD, "io.kubernetes.cri.container-name", LABEL_K8S_CONTAINER, NULL, NULL},
	{DIALECT_CONTAINERD, "io.kubernetes.cri.sandbox-name", LABEL_K8S_POD, NULL, NULL},
	{DIALECT_CONTAINERD, "io.kubernetes.cri.sandbox-namespace", LABEL_K8S_NAMESPACE, NULL, NULL},
	{DIALECT_CONTAINERD, "io.kubernetes.cri.image-name", LABEL_IMAGE, NULL, NULL},
	{DIALECT_KUBELET | DIALECT_CRI_O, "io.kubernetes.container.name", LABEL_K8S_CONTAINER, NULL, NULL},
	{DIALECT_KUBELET | DIALECT_CRI_O, "io.kubernetes.pod.name", LABEL_K8S_POD, NULL, NULL},
	{DIALECT_KUBELET | DIALECT_CRI_O, "io.kubernetes.pod.namespace", LABEL_K8S_NAMESPACE, NULL, NULL},
	{DIALECT_CRI_O, "io.kubernetes.cri-o.ImageName", LABEL_IMAGE, NULL, NULL},
	{DIALECT_CRI_O, "io.kubernetes.cri-o.Image", LABEL_IMAGE, NULL, NULL},
	{DIALECT_NERDCTL, "nerdctl/name", LABEL_CONTAINER_NAME, NULL, NULL},
};

void container_names_deinit(struct container_names *names)
{
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		free(names->values[i]);
	*names = (struct container_names){0};
}

int container_names_set_size(struct container_names *names, enum label label, const char *text, size_t size)
{
	if (!size || names->values[label])
		return 0;
	if (size > CONTAINER_NAME_MAX) {
		size = CONTAINER_NAME_MAX;
		/* Not within a character of UTF-8, which has up to three bytes that continue it. */
		for (int i = 0; i < 3 && ((unsigned char)text[size] & 0xc0) == 0x80; i++)
			size--;
	}
	names->values[label] = strndup(text, size);
	return names->values[label] ? 0 : -ENOMEM;
}

int container_names_set(struct container_names *names, enum label label, const char *text)
{
	return text ? container_names_set_size(names, label, text, strlen(text)) : 0;
}

static bool is_sandbox(const struct container_names *names)
{
	const char *container = names->values[LABEL_K8S_CONTAINER];

	return container && !strcmp(container, SANDBOX);
}

/*
 * k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT, as CRI-O calls a container (server/naming.go) also when nobody labelled it, as crictl
 * does not. In Kubernetes no part has a _.
 */
static int cri_o_name_set(struct container_names *names, const char *text)
{
	static const enum label labels[] = {LABEL_K8S_CONTAINER, LABEL_K8S_POD, LABEL_K8S_NAMESPACE};
	const char *parts[6];
	size_t cnt = 0;

	for (const char *at = text; at; at = strchr(at, '_')) {
		at += at != text;
		if (cnt == 6)
			return 0;
		parts[cnt++] = at;
	}
	if (cnt != 6 || strncmp(text, "k8s_", 4))
		return 0;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		int err = container_names_set_size(names, labels[i], parts[i + 1],
						   (size_t)(parts[i + 2] - parts[i + 1]) - 1);
		if (err)
			return err;
	}
	return 0;
}

int container_names_set_annotations(struct container_names *names, const json_t *annotations, unsigned dialects)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct annotation_row *row = &rows[i];
		const char *text = row->dialects & dialects ? json_text(annotations, row->key) : NULL;

		if (!text || (row->value && strcmp(text, row->value)))
			continue;
		if (row->label == LABEL_IMAGE && is_sandbox(names))
			continue;
		int err = container_names_set(names, row->label, row->value ? row->means : text);
		if (err)
			return err;
	}
	/* In a sandbox's it is anybody's; but that has labels, of CRI-O's own if of no one else's. */
	if (!(dialects & DIALECT_CRI_O) || names->values[LABEL_K8S_CONTAINER])
		return 0;
	return cri_o_name_set(names, json_text(annotations, "io.kubernetes.cri-o.Name"));
}
