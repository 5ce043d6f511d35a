/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/kernel_bug.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* "6.1.38-1" is 3 numbers and a rest. Gives how many numbers there were. */
static int version_parse(const char *text, struct kernel_version *ret, const char **ret_rest)
{
	int end[3] = {0};
	int cnt = sscanf(text, "%5u%n.%5u%n.%5u%n", &ret->major, &end[0], &ret->minor, &end[1], &ret->patch, &end[2]);

	*ret_rest = cnt > 0 ? text + end[cnt - 1] : text;
	return cnt;
}

/* A distribution's place for the upstream version: behind this word. */
static bool version_behind(const char *text, const char *word, struct kernel_version *ret)
{
	const char *found = strstr(text, word);
	const char *rest;
	struct kernel_version version = {.exact = true};

	if (!found || version_parse(found + strlen(word), &version, &rest) != 3)
		return false;
	*ret = version;
	return true;
}

/* Ubuntu's is the last word of its signature. */
static bool version_at_end(const char *text, struct kernel_version *ret)
{
	const char *blank = strrchr(text, ' ');

	return blank && version_behind(blank, " ", ret);
}

int kernel_version_of(const struct kernel_words *words, struct kernel_version *ret)
{
	struct kernel_version version = {0};
	const char *rest;

	if (version_at_end(words->signature, ret) || version_behind(words->version, " Debian ", ret))
		return 0;
	int cnt = version_parse(words->release, &version, &rest);
	if (cnt < 2)
		return -EINVAL;
	/* X.Y.0-something: distributions stay at 0 and count in the something. */
	version.exact = cnt == 3 && (version.patch || !*rest);
	*ret = version;
	return 0;
}

enum kernel_bug kernel_bug_of(const struct kernel_version *v)
{
	/* The first patch level of each release that is right again; UINT_MAX-like: none ever was. */
	static const struct {
		unsigned major, minor, fixed;
	} rows[] = {{5, 19, -1u}, {6, 0, -1u}, {6, 1, 36}, {6, 2, -1u}, {6, 3, 10}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].major != v->major || rows[i].minor != v->minor)
			continue;
		if (!v->exact)
			return KERNEL_BUG_UNDECIDABLE;
		return v->patch < rows[i].fixed ? KERNEL_BUG_PRESENT : KERNEL_BUG_NONE;
	}
	return KERNEL_BUG_NONE;
}
