/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/module_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* size bytes of a path that it does not own. */
struct part {
	const char *at;
	size_t size;
};

static bool part_ends_with(struct part part, const char *end)
{
	size_t size = strlen(end);

	return part.size > size && !memcmp(part.at + part.size - size, end, size);
}

static struct part without_deleted(const char *path)
{
	static const char deleted[] = " (deleted)";
	struct part part = {path, strlen(path)};

	if (part_ends_with(part, deleted))
		part.size -= sizeof(deleted) - 1;
	return part;
}

static struct part base_of(struct part path)
{
	const char *slash = memrchr(path.at, '/', path.size);

	if (!slash || slash + 1 == path.at + path.size)
		return path;
	return (struct part){slash + 1, path.at + path.size - slash - 1};
}

/* Without .so and the tag before it; what is left is empty when the base is no shared object, or has only a tag. */
static struct part stem_of(struct part base, bool *ret_tagged)
{
	struct part stem = {base.at, 0};

	*ret_tagged = false;
	if (!part_ends_with(base, ".so"))
		return stem;
	const char *tag = memmem(base.at, base.size, ".cpython-", strlen(".cpython-"));
	if (!tag && part_ends_with(base, ".abi3.so"))
		tag = base.at + base.size - strlen(".abi3.so");
	*ret_tagged = tag;
	stem.size = tag ? (size_t)(tag - base.at) : base.size - strlen(".so");
	return stem;
}

/* What follows the innermost directory in which Python looks for modules; empty: there is none. */
static struct part below_module_directory(struct part path)
{
	static const char *const directories[] = {"/site-packages/", "/dist-packages/", "/lib-dynload/"};
	struct part best = {path.at + path.size, 0};
	bool found = false;

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		size_t size = strlen(directories[i]);
		struct part rest = path;

		for (const char *at; (at = memmem(rest.at, rest.size, directories[i], size));) {
			/* The slash may begin the next one. */
			rest = (struct part){at + size - 1, rest.at + rest.size - (at + size - 1)};
			if (!found || rest.at + 1 > best.at)
				best = (struct part){rest.at + 1, rest.size - 1};
			found = true;
		}
	}
	return best;
}

/* Identifiers, parted by slashes: what `import` can name. Bytes above ASCII are letters of some script. */
static bool is_importable(struct part path)
{
	bool at_start = true;

	for (size_t i = 0; i < path.size; i++) {
		unsigned char c = path.at[i];

		if (c == '/' ? at_start : !(isalpha(c) || c == '_' || c >= 0x80 || (isdigit(c) && !at_start)))
			return false;
		at_start = c == '/';
	}
	return path.size && !at_start;
}

size_t module_path_size(const char *path)
{
	return without_deleted(path).size;
}

char *module_name_of_path(const char *path_)
{
	struct part path = without_deleted(path_), base = base_of(path), below = below_module_directory(path);
	bool is_tagged;

	struct part module = stem_of(base, &is_tagged);
	if (below.size && module.size)
		module = (struct part){below.at, module.at + module.size - below.at};
	else if (!is_tagged)
		module.size = 0;
	if (!is_importable(module))
		return strndup(base.at, base.size);

	char *name = strndup(module.at, module.size);
	for (char *slash = name; slash && (slash = strchr(slash, '/'));)
		*slash = '.';
	return name;
}
