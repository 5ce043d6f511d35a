/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/option_lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cmd/option_table.h"
#include "export/http_header.h"

/* ---- which containers */

static int selection_add(struct option_line *line, enum selection_kind kind, const char *text)
{
	struct record_options *o = line->options;
	const struct selection selection = {kind, text};
	STRBUF(why);

	if (selection_check(&selection, &why))
		return option_line_error(line, "%s", why.at);
	struct selection *at = array_reserve(o->selections, &o->selection_capacity, o->selection_cnt + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	o->selections = at;
	at[o->selection_cnt++] = selection;
	return 0;
}

int apply_container(struct option_line *line, const char *value)
{
	return selection_add(line, SELECT_CONTAINER, value);
}

int apply_cgroup(struct option_line *line, const char *value)
{
	return selection_add(line, SELECT_CGROUP, value);
}

int apply_pod(struct option_line *line, const char *value)
{
	return selection_add(line, SELECT_POD, value);
}

/* ---- lists of texts, ended by NULL */

static int text_add(struct text_list *list, char *text)
{
	char **at = text ? array_reserve(list->at, &list->capacity, list->cnt + 2, sizeof(*at)) : NULL;

	if (!at) {
		free(text);
		return -ENOMEM;
	}
	list->at = at;
	at[list->cnt++] = text;
	at[list->cnt] = NULL;
	return 0;
}

void text_list_deinit(struct text_list *list)
{
	for (size_t i = 0; i < list->cnt; i++)
		free(list->at[i]);
	free(list->at);
	*list = (struct text_list){0};
}

int apply_env(struct option_line *line, const char *value)
{
	for (const char *at = value;; at++) {
		size_t size = strcspn(at, ",");

		if (!size || memchr(at, '=', size))
			return option_line_error(
				line,
				"--with-env takes names of variables separated by commas, as in HOME,SERVICE, not '%s'",
				value);
		int err = text_add(&line->options->variables, strndup(at, size));
		if (err)
			return err;
		at += size;
		if (!*at)
			return 0;
	}
}

/* ---- the fleet */

/* Everybody may read the words of a command: /proc/PID/cmdline. */
static void secret_hide(const char *from, size_t size)
{
	memset((char *)from, '*', size);
}

int apply_export(struct option_line *line, const char *value)
{
	struct record_options *o = line->options;
	struct destination destination;
	STRBUF(why);

	int err = destination_parse(value, &destination, &why);
	if (err)
		return err == -EINVAL ? option_line_error(line, "%s", why.at) : err;
	for (size_t i = 0; i < o->destination_cnt; i++) {
		if (destination_is_same(&o->destinations[i], &destination)) {
			destination_deinit(&destination);
			return option_line_error(line, "--export has one destination twice: remove one of the two");
		}
	}
	struct destination *at = array_reserve(o->destinations, &o->destination_capacity, o->destination_cnt + 1,
					       sizeof(*at));
	if (!at) {
		destination_deinit(&destination);
		return -ENOMEM;
	}
	o->destinations = at;
	at[o->destination_cnt++] = destination;
	if (destination.password) {
		const char *host = strstr(value, "//"), *end = host ? strchr(host, '@') : NULL;

		if (end)
			secret_hide(host + 2, end - host - 2);
	}
	return 0;
}

int apply_export_header(struct option_line *line, const char *value)
{
	STRBUF(why);

	if (http_header_check(value, &why))
		return option_line_error(line, "--export-header: %s", why.at);
	int err = text_add(&line->options->headers, strdup(value));
	size_t name = strcspn(value, ":");
	if (!err && value[name])
		secret_hide(value + name + 1, strlen(value + name + 1));
	return err;
}
