/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/selection.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "container/place.h"

#define ID_DIGITS_MIN 12 /* as much as the runtimes' own programs show */

/*
 * A name is itself first, then a pattern: "[" may be in one. What somebody else chose stands behind a slash (place_naming.h),
 * and no pattern of names reaches over that, but the one that is for all.
 */
static bool text_matches(const char *text, const char *pattern)
{
	return text && (!strcmp(text, pattern) || !strcmp(pattern, "*") || !fnmatch(pattern, text, FNM_PATHNAME));
}

static bool id_begins(const char *id, const char *digits)
{
	size_t size = strlen(digits);

	if (strchr(id, '/'))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isxdigit((unsigned char)digits[i]))
			return false;
	return size >= ID_DIGITS_MIN && !strncasecmp(id, digits, size);
}

static bool container_matches(const struct place *place, const char *path, const char *text)
{
	const char *id = place->values[LABEL_CONTAINER_ID];

	return place->is_container && (text_matches(place->values[LABEL_CONTAINER_NAME], text) ||
				       (id && (!strcmp(id, text) || id_begins(id, text))));
}

static bool pod_matches(const struct place *place, const char *path, const char *text)
{
	const char *slash = strchr(text, '/');
	_cleanup_(free) char *namespace = slash ? strndup(text, slash - text) : NULL;

	return namespace && text_matches(place->values[LABEL_K8S_NAMESPACE], namespace) &&
	       text_matches(place->values[LABEL_K8S_POD], slash + 1);
}

/* By whole components: /a is above /a/b, not above /ab. */
static bool cgroup_matches(const struct place *place, const char *path, const char *text)
{
	size_t size = strlen(text);

	while (size && text[size - 1] == '/')
		size--;
	return !strncmp(path, text, size) && (!path[size] || path[size] == '/');
}

static int container_check(const char *text, struct strbuf *error)
{
	if (text[0])
		return 0;
	strbuf_put(error,
		   "--container wants a name, an id or a pattern of names, as `pyprof-bpf containers` lists them");
	return -EINVAL;
}

static int pod_check(const char *text, struct strbuf *error)
{
	const char *slash = strchr(text, '/');

	if (slash && slash > text && slash[1] && !strchr(slash + 1, '/'))
		return 0;
	strbuf_put(error, "--pod wants NAMESPACE/NAME, like default/web-0 or 'shop/*', not \"");
	strbuf_put_clean(error, text, strlen(text));
	strbuf_put_char(error, '"');
	return -EINVAL;
}

static bool has_parent(const char *path)
{
	for (; path; path = strchr(path, '/')) {
		path += *path == '/';
		if (!strncmp(path, "..", 2) && (!path[2] || path[2] == '/'))
			return true;
	}
	return false;
}

/* The whole line of /proc/PID/cgroup begins with a number. */
static int cgroup_check(const char *text, struct strbuf *error)
{
	size_t digits = strspn(text, "0123456789");
	bool is_line = digits && text[digits] == ':' && strstr(text, ":/");

	if ((text[0] == '/' || is_line) && !has_parent(text))
		return 0;
	strbuf_put(error, "--cgroup wants the whole path, like /system.slice/nginx.service or a directory below "
			  "/sys/fs/cgroup, not \"");
	strbuf_put_clean(error, text, strlen(text));
	strbuf_put_char(error, '"');
	return -EINVAL;
}

static const struct {
	int (*check)(const char *text, struct strbuf *error);
	bool (*matches)(const struct place *place, const char *path, const char *text);
	bool is_by_name;
} selection_kinds[] = {
	[SELECT_CONTAINER] = {container_check, container_matches, true},
	[SELECT_CGROUP] = {cgroup_check, cgroup_matches, false},
	[SELECT_POD] = {pod_check, pod_matches, true},
};

int selection_check(const struct selection *selection, struct strbuf *error)
{
	return selection_kinds[selection->kind].check(selection->text, error);
}

enum selected cgroup_select(const char *path, const struct place *place, const struct selection *selections, size_t cnt)
{
	bool waits = false;

	for (size_t i = 0; i < cnt; i++) {
		if (selection_kinds[selections[i].kind].matches(place, path, selections[i].text))
			return SELECTED_YES;
		waits |= selection_kinds[selections[i].kind].is_by_name && !place->named;
	}
	return waits ? SELECTED_NOT_YET : SELECTED_NO;
}

enum selected place_select(const struct place *place, const struct selection *selections, size_t cnt)
{
	return cgroup_select(place->cgroup, place, selections, cnt);
}
