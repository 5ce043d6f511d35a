/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/container_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/host_file.h"

/*
 * cri: containerd, pkg/cri/annotations. cri-o: CRI-O, pkg/annotations. The ones without either: kubernetes,
 * staging/src/k8s.io/kubelet/pkg/types/labels.go, which dockershim, cri-dockerd and CRI-O note.
 * nerdctl: its pkg/labels. The first that is there counts.
 */
static const struct annotation_row {
	const char *key;
	enum label label;
	bool in_pod;
	const char *value, *means; /* if it has that value; NULL: any, as it is */
} rows[] = {
	{"io.kubernetes.cri.container-type", LABEL_K8S_CONTAINER, true, "sandbox", "POD"},
	{"io.kubernetes.cri-o.ContainerType", LABEL_K8S_CONTAINER, true, "sandbox", "POD"},
	{"io.kubernetes.cri.container-name", LABEL_K8S_CONTAINER, true, NULL, NULL},
	{"io.kubernetes.container.name", LABEL_K8S_CONTAINER, true, NULL, NULL},
	{"io.kubernetes.cri.sandbox-name", LABEL_K8S_POD, true, NULL, NULL},
	{"io.kubernetes.pod.name", LABEL_K8S_POD, true, NULL, NULL},
	{"io.kubernetes.cri.sandbox-namespace", LABEL_K8S_NAMESPACE, true, NULL, NULL},
	{"io.kubernetes.pod.namespace", LABEL_K8S_NAMESPACE, true, NULL, NULL},
	{"io.kubernetes.cri.image-name", LABEL_IMAGE, true, NULL, NULL},
	{"io.kubernetes.cri-o.ImageName", LABEL_IMAGE, true, NULL, NULL},
	{"io.kubernetes.cri-o.Image", LABEL_IMAGE, true, NULL, NULL},
	{"nerdctl/name", LABEL_CONTAINER_NAME, false, NULL, NULL},
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

int container_names_set_annotations(struct container_names *names, const json_t *annotations, bool in_pod)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *text = json_text(annotations, rows[i].key);

		if (!text || (rows[i].in_pod && !in_pod) || (rows[i].value && strcmp(text, rows[i].value)))
			continue;
		int err = container_names_set(names, rows[i].label, rows[i].value ? rows[i].means : text);
		if (err)
			return err;
	}
	return 0;
}
