/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/common_labels.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "profile/label.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 64
#define LETTERS	     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

enum { HOST, BOOT_ID, OWN_CNT };

/* Those that we add. Semantic conventions have the first only; the second is in their manner. */
static const struct {
	const char *name, *otel_name;
} own[OWN_CNT] = {[HOST] = {"host", "host.name"}, [BOOT_ID] = {"boot_id", "host.boot.id"}};

_Static_assert(COMMON_LABELS_MAX == MAX_COMMON_LABELS + OWN_CNT, "no room for our own");

/* To receivers that know no dots in names (Prometheus and all that came after it). */
static bool is_same_name(const char *a, const char *b)
{
	while (*a && (*a == '.' ? '_' : *a) == (*b == '.' ? '_' : *b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

/* Which of ours, by either name; OWN_CNT: none. */
static size_t own_find(const char *name)
{
	size_t i = 0;

	while (i < OWN_CNT && strcmp(own[i].name, name) && strcmp(own[i].otel_name, name))
		i++;
	return i;
}

static struct common_label *label_of(struct common_labels *labels, const char *name)
{
	for (size_t i = 0; i < labels->cnt; i++)
		if (!strcmp(labels->at[i].name, name))
			return &labels->at[i];
	return NULL;
}

/* Room for ours is kept. */
static bool is_full(struct common_labels *labels)
{
	size_t cnt = labels->cnt;

	for (size_t i = 0; i < OWN_CNT; i++)
		cnt -= !!label_of(labels, own[i].name);
	return cnt >= MAX_COMMON_LABELS;
}

static int labels_set(struct common_labels *labels, const char *name, const char *otel_name, const char *value)
{
	struct common_label *known = label_of(labels, name);
	struct common_label label = {.name = strdup(name), .otel_name = strdup(otel_name), .value = strdup(value)};

	if (!label.name || !label.otel_name || !label.value) {
		free(label.name);
		free(label.otel_name);
		free(label.value);
		return -ENOMEM;
	}
	if (known) {
		free(known->name);
		free(known->otel_name);
		free(known->value);
		*known = label;
	} else {
		labels->at[labels->cnt++] = label;
	}
	return 0;
}

/* ---- what a person wrote ---- */

static int refuse(struct strbuf *error, const char *what, const char *text)
{
	strbuf_clear(error);
	strbuf_put(error, what);
	if (text) {
		strbuf_put(error, ", not '");
		strbuf_put_clean(error, text, strlen(text));
		strbuf_put_char(error, '\'');
	}
	return error->failed ? -ENOMEM : -EINVAL;
}

/* Every profile has these of its own, and one key cannot say two things. */
static bool is_taken(const char *name)
{
	for (int i = 0; i < LABEL_CNT; i++)
		if (is_same_name(label_name(i), name) || is_same_name(label_otel_name(i), name))
			return true;
	return false;
}

/* One that differs from it in dots alone: ours, or what the person said before; NULL: none. */
static const char *near_find(const struct common_labels *labels, const char *name)
{
	for (size_t i = 0; i < OWN_CNT; i++) {
		if (is_same_name(own[i].name, name))
			return own[i].name;
		if (is_same_name(own[i].otel_name, name))
			return own[i].otel_name;
	}
	for (size_t i = 0; i < labels->cnt; i++)
		if (strcmp(labels->at[i].name, name) && is_same_name(labels->at[i].name, name))
			return labels->at[i].name;
	return NULL;
}

static int name_check(const char *name, struct strbuf *error)
{
	size_t size = strlen(name);

	if (!size || !strchr(LETTERS, *name) || name[strspn(name, LETTERS "0123456789.")])
		return refuse(error, "the KEY of a label is made of letters, digits, _ and ., with no digit first",
			      name);
	if (size > COMMON_LABEL_NAME_MAX)
		return refuse(error, "the KEY of a label has at most 64 characters", name);
	/* Prometheus and all that came after it keep these for themselves. */
	if (!strncmp(name, "__", 2))
		return refuse(error, "names that begin with __ belong to the receivers: choose another KEY", name);
	if (is_taken(name))
		return refuse(error, "each sample says this for itself: choose another KEY", name);
	return 0;
}

static bool value_is_clean(const char *value)
{
	STRBUF(clean);

	strbuf_put_clean(&clean, value, strlen(value));
	return !clean.failed && !strcmp(clean.at, value);
}

static int value_check(const char *value, struct strbuf *error)
{
	if (!*value || strlen(value) > COMMON_LABEL_VALUE_MAX)
		return refuse(error, "the VALUE of a label has 1 to 256 bytes", *value ? value : NULL);
	if (!value_is_clean(value))
		return refuse(error, "the VALUE of a label is UTF-8 text without control characters", value);
	return 0;
}

int common_labels_add(struct common_labels *labels, const char *text, struct strbuf *error)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		return refuse(error, "a label is KEY=VALUE, as in region=eu-1", text);
	_cleanup_(free) char *name = strndup(text, (size_t)(equals - text));
	if (!name)
		return -ENOMEM;

	int err = name_check(name, error);
	if (!err)
		err = value_check(equals + 1, error);
	if (err)
		return err;
	size_t i = own_find(name);
	if (i < OWN_CNT)
		return labels_set(labels, own[i].name, own[i].otel_name, equals + 1);
	const char *near = near_find(labels, name);
	if (near) {
		STRBUF(what);
		strbuf_printf(&what, "to most receivers '%s' is the same name: choose another KEY", near);
		return what.failed ? -ENOMEM : refuse(error, what.at, name);
	}
	if (!label_of(labels, name) && is_full(labels))
		return refuse(error, "there can be 13 labels, which is what engines have room for: leave one out",
			      NULL);
	return labels_set(labels, name, name, equals + 1);
}

/* ---- what we know ---- */

static int own_add(struct common_labels *labels, size_t i, const char *value)
{
	STRBUF(clean);

	if (label_of(labels, own[i].name) || !*value)
		return 0;
	strbuf_put_clean(&clean, value, strlen(value));
	return clean.failed ? -ENOMEM : labels_set(labels, own[i].name, own[i].otel_name, clean.at);
}

int common_labels_add_host(struct common_labels *labels)
{
	_cleanup_(free) char *boot_id = NULL;
	struct utsname host;
	size_t size;
	int err = 0;

	if (!uname(&host))
		err = own_add(labels, HOST, host.nodename);
	if (err || file_read(BOOT_ID_PATH, BOOT_ID_SIZE, &boot_id, &size))
		return err;
	boot_id[strcspn(boot_id, "\n")] = 0;
	return own_add(labels, BOOT_ID, boot_id);
}

void common_labels_deinit(struct common_labels *labels)
{
	for (size_t i = 0; i < labels->cnt; i++) {
		free(labels->at[i].name);
		free(labels->at[i].otel_name);
		free(labels->at[i].value);
	}
	*labels = (struct common_labels){0};
}
