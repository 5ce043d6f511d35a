/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "host_root.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

static char directory[] = "/tmp/pyprof-test-XXXXXX";

const char *host_root_make(void)
{
	cr_assert_not_null(mkdtemp(directory));
	return directory;
}

void host_root_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	(void)!system(command);
}

void host_root_make_parents(const char *path, char ret[HOST_ROOT_PATH])
{
	snprintf(ret, HOST_ROOT_PATH, "%s%s", directory, path);
	for (char *at = ret + strlen(directory) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		(void)mkdir(ret, 0700);
		*at = '/';
	}
}

void host_root_put(const char *path, const char *text)
{
	char full[HOST_ROOT_PATH];

	host_root_make_parents(path, full);
	_cleanup_(stream) FILE *out = fopen(full, "w");
	cr_assert_not_null(out);
	fputs(text, out);
}
