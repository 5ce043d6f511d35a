/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kubelet_names.c - the names under which Kubernetes' kubelet keeps logs, whichever runtime a node has
 * (kubernetes, pkg/kubelet/kuberuntime/helpers.go and legacy.go). None of the parts may have a _ in it.
 *
 *	/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log	a link; a moment after the container starts
 *	/var/log/pods/NAMESPACE_POD_UID				a directory; before
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/name_source.h"

#define ENTRIES_MAX 16384

/* What one kind of entry has to end with, and which label each of the parts before is, between _. */
struct name_search {
	char end[NAME_MAX + 8];
	const enum label *parts;
	size_t part_cnt;
	struct container_names *names;
};

static int parts_set(const struct name_search *search, const char *name, size_t size)
{
	for (size_t i = 0; i < search->part_cnt; i++) {
		const char *end = i + 1 < search->part_cnt ? memchr(name, '_', size) : name + size;
		size_t part_size = (size_t)(end - name);

		int err = container_names_set_size(search->names, search->parts[i], name, part_size);
		if (err)
			return err;
		if (i + 1 < search->part_cnt) {
			name += part_size + 1;
			size -= part_size + 1;
		}
	}
	return 1;
}

static int entry_seen(void *data, const char *name)
{
	const struct name_search *search = data;
	size_t size = strlen(name), end_size = strlen(search->end), separator_cnt = 0;

	if (size <= end_size || strcmp(name + size - end_size, search->end))
		return 0;
	size -= end_size;
	for (size_t i = 0; i < size; i++)
		separator_cnt += name[i] == '_';
	return separator_cnt + 1 == search->part_cnt ? parts_set(search, name, size) : 0;
}

/* 1: found. */
static int directory_search(int root_fd, const char *path, struct name_search *search)
{
	return host_directory_list(root_fd, path, ENTRIES_MAX, entry_seen, search);
}

int kubelet_names(const struct name_query *query, struct container_names *names)
{
	static const enum label link_parts[] = {LABEL_K8S_POD, LABEL_K8S_NAMESPACE, LABEL_K8S_CONTAINER};
	static const enum label pod_parts[] = {LABEL_K8S_NAMESPACE, LABEL_K8S_POD};
	struct name_search link = {.parts = link_parts, .part_cnt = 3, .names = names};
	struct name_search pod = {.parts = pod_parts, .part_cnt = 2, .names = names};
	int found = 0;

	if (!*query->pod_uid)
		return -ENOENT;
	if (*query->id) {
		snprintf(link.end, sizeof(link.end), "-%s.log", query->id);
		found = directory_search(query->root_fd, "/var/log/containers", &link);
	}
	if (found <= 0 && found != -ENOMEM) {
		snprintf(pod.end, sizeof(pod.end), "_%s", query->pod_uid);
		found = directory_search(query->root_fd, "/var/log/pods", &pod);
	}
	return found > 0 ? 0 : found ? found : -ENOENT;
}
