/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/lxc_configs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/clock.h"
#include "container/host_file.h"
#include "container/name_cache.h"

#define CONTAINERS_MAX 4096 /* in one directory */
#define AGAIN_NS       (500 * NS_PER_MS) /* shorter than new groups are asked for (place_owners.c) */

/* DIRECTORY/NAME/FILE */
static const struct config_home {
	const char *directory, *file;
} homes[] = {
	{"/var/lib/lxc", "config"},
	{"/run/incus", "lxc.conf"},
	{"/var/log/incus", "lxc.conf"},
	{"/var/log/lxd", "lxc.conf"},
	{"/var/snap/lxd/common/lxd/logs", "lxc.conf"},
};
#define HOME_CNT (sizeof(homes) / sizeof(*homes))

struct config_row {
	char *name, *cgroup;
};

struct lxc_configs {
	int root_fd;
	struct name_cache *cache;
	struct config_row *rows; /* those that chose a group */
	u32 cnt, capacity;
	u64 from_ns; /* when they are looked at again; 0: now */
};

struct setting {
	const char *key;
	const char *at;
	size_t size; /* 0: not set */
};

static void piece_trim(const char **at, size_t *size)
{
	static const char blanks[] = " \t\r";

	while (*size && strchr(blanks, **at)) {
		++*at;
		--*size;
	}
	while (*size && strchr(blanks, (*at)[*size - 1]))
		--*size;
}

static void line_read(const char *line, size_t size, struct setting *settings, size_t cnt)
{
	const char *equals = memchr(line, '=', size);

	if (!equals)
		return;
	const char *value = equals + 1;
	size_t key_size = (size_t)(equals - line), value_size = size - key_size - 1;
	piece_trim(&line, &key_size);
	piece_trim(&value, &value_size);
	if (value_size > 1 && (*value == '"' || *value == '\'') && value[value_size - 1] == *value) {
		value++;
		value_size -= 2;
	}
	for (size_t i = 0; i < cnt; i++)
		if (key_size == strlen(settings[i].key) && !memcmp(line, settings[i].key, key_size))
			settings[i] = (struct setting){settings[i].key, value, value_size};
}

/* "KEY = VALUE" each line (lxc.container.conf(5), lxc.system.conf(5)); the last counts. */
static void settings_read(const char *text, struct setting *settings, size_t cnt)
{
	while (*text) {
		size_t size = strcspn(text, "\n");

		line_read(text, size, settings, cnt);
		text += size + (text[size] == '\n');
	}
}

static int text_add(const char *text, struct name_rows *rows)
{
	const char *texts[LABEL_PLACE_CNT] = {text};

	return name_rows_add(rows, "", texts);
}

/* Where containers are. */
static int system_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	struct setting path = {.key = "lxc.lxcpath"};

	settings_read(text, &path, 1);
	if (!path.size || *path.at != '/')
		return 0;
	_cleanup_(free) char *directory = strndup(path.at, path.size);
	return directory ? text_add(directory, rows) : -ENOMEM;
}

static const struct name_file system_file = {system_parse, USER_FILE_MAX};

/* The path of its group, "/" first. */
static int config_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	struct setting settings[] = {{.key = "lxc.cgroup.dir.container"}, {.key = "lxc.cgroup.relative"}};
	struct setting *group = &settings[0], *relative = &settings[1];
	char path[HOST_PATH_MAX];

	settings_read(text, settings, 2);
	if (relative->size && (relative->size != 1 || *relative->at != '0'))
		return 0;
	while (group->size && *group->at == '/') {
		group->at++;
		group->size--;
	}
	while (group->size && group->at[group->size - 1] == '/')
		group->size--;
	if (!group->size)
		return 0;
	if (snprintf(path, sizeof(path), "/%.*s", (int)group->size, group->at) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return text_add(path, rows);
}

static const struct name_file config_file = {config_parse, HOST_FILE_MAX};

int lxc_configs_new(int root_fd, struct name_cache *cache, struct lxc_configs **ret)
{
	struct lxc_configs *configs = calloc(1, sizeof(*configs));

	if (!configs)
		return -ENOMEM;
	configs->root_fd = root_fd;
	configs->cache = cache;
	*ret = configs;
	return 0;
}

static void rows_clear(struct lxc_configs *configs)
{
	for (size_t i = 0; i < configs->cnt; i++) {
		free(configs->rows[i].name);
		free(configs->rows[i].cgroup);
	}
	configs->cnt = 0;
}

void lxc_configs_free(struct lxc_configs *configs)
{
	if (!configs)
		return;
	rows_clear(configs);
	free(configs->rows);
	free(configs);
}

/* homes[i], and behind them the one that an administrator chose. False: there is none. */
static bool home_get(const struct lxc_configs *configs, size_t i, struct config_home *ret, char path[HOST_PATH_MAX])
{
	const char *texts[LABEL_PLACE_CNT];

	if (i < HOME_CNT) {
		*ret = homes[i];
		return true;
	}
	if (name_cache_find(configs->cache, &system_file, "/etc/lxc/lxc.conf", HOST_ANYBODY, false, "", texts) ||
	    snprintf(path, HOST_PATH_MAX, "%s", texts[0]) >= HOST_PATH_MAX)
		return false;
	*ret = (struct config_home){path, "config"};
	return true;
}

bool lxc_configs_has(const struct lxc_configs *configs, const char *name)
{
	char path[HOST_PATH_MAX], chosen[HOST_PATH_MAX];

	for (size_t i = 0; i <= HOME_CNT; i++) {
		struct config_home home;
		struct stat st;

		if (!home_get(configs, i, &home, chosen))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/%s", home.directory, name, home.file) >= (int)sizeof(path))
			continue;
		if (!host_file_find(configs->root_fd, path, &st))
			return true;
	}
	return false;
}

static int row_add(struct lxc_configs *configs, const char *name, const char *cgroup)
{
	struct config_row *rows = array_room(configs->rows, &configs->capacity, configs->cnt, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	configs->rows = rows;
	struct config_row row = {strdup(name), strdup(cgroup)};
	if (!row.name || !row.cgroup) {
		free(row.name);
		free(row.cgroup);
		return -ENOMEM;
	}
	rows[configs->cnt++] = row;
	return 0;
}

struct home_visit {
	struct lxc_configs *configs;
	const struct config_home *home;
};

static int config_visit(void *ctx, const char *name)
{
	const struct home_visit *visit = ctx;
	const char *texts[LABEL_PLACE_CNT];
	char path[HOST_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s/%s", visit->home->directory, name, visit->home->file) >=
	    (int)sizeof(path))
		return 0;
	if (name_cache_find(visit->configs->cache, &config_file, path, HOST_ANYBODY, false, "", texts))
		return 0;
	return row_add(visit->configs, name, texts[0]);
}

static void configs_read(struct lxc_configs *configs)
{
	char chosen[HOST_PATH_MAX];

	rows_clear(configs);
	for (size_t i = 0; i <= HOME_CNT; i++) {
		struct config_home home;

		if (!home_get(configs, i, &home, chosen))
			continue;
		struct home_visit visit = {configs, &home};
		host_directory_list(configs->root_fd, home.directory, CONTAINERS_MAX, config_visit, &visit);
	}
}

const char *lxc_configs_find(struct lxc_configs *configs, const char *cgroup, size_t *ret_size)
{
	u64 now_ns = clock_monotonic_ns();
	const char *name = NULL;
	size_t longest = 0;

	if (now_ns >= configs->from_ns) {
		configs_read(configs);
		configs->from_ns = now_ns + AGAIN_NS;
	}
	for (size_t i = 0; i < configs->cnt; i++) {
		const struct config_row *row = &configs->rows[i];
		size_t size = strlen(row->cgroup);

		if (size <= longest || strncmp(cgroup, row->cgroup, size) || (cgroup[size] && cgroup[size] != '/'))
			continue;
		longest = size;
		name = row->name;
	}
	if (name)
		*ret_size = longest;
	return name;
}
