/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/packages.h"

#include <string.h>

const char *packages_install(const struct python *python, const struct place *place, const char *names)
{
	const char *target = in_place(place, "packages");
	const char *command = text_of("%s -m pip install -q --no-input --disable-pip-version-check --only-binary :all: "
				      "--target %s %s",
				      python->path, target, names);

	if (strcmp(python->root, "/")) /* Debian's has no pip, and its root no network */
		return NULL;
	struct child *pip = child_start(NULL, (const char *[]){"/bin/sh", "-c", command, NULL});
	return child_wait(pip, 300) ? NULL : target;
}
