/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/label.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "build_profile.h"

static u32 string_id(const struct built_profile *built, const char *text)
{
	u32 id;

	cr_assert_eq(string_table_intern(built->tables.strings, text, &id), 0);
	return id;
}

/* "comm=python3 pid=10", as pprof names them. */
static const char *labels_text(const struct built_profile *built, const struct origin *origin, struct view view)
{
	struct label_value values[LABEL_CNT];
	static char text[512];
	size_t cnt = origin_labels(&built->tables, origin, &view, values), size = 0;

	text[0] = 0;
	for (size_t i = 0; i < cnt; i++) {
		size += snprintf(text + size, sizeof(text) - size, "%s%s=", i ? " " : "", label_name(values[i].label));
		if (values[i].text)
			size += snprintf(text + size, sizeof(text) - size, "%s", values[i].text);
		else
			size += snprintf(text + size, sizeof(text) - size, "%llu", values[i].number);
	}
	return text;
}

/* What Prometheus, and so Pyroscope, allows. */
Test(label, names_are_ones_that_label_selectors_take)
{
	for (int i = 0; i < LABEL_CNT; i++) {
		const char *name = label_name(i);

		cr_assert(*name);
		for (const char *c = name; *c; c++)
			cr_assert(islower(*c) || *c == '_' || (c > name && isdigit(*c)), "%s", name);
	}
}

Test(label, each_is_found_by_its_name_and_nothing_else_is)
{
	enum label label;

	for (int i = 0; i < LABEL_CNT; i++) {
		cr_assert_eq(label_find(label_name(i), &label), 0);
		cr_assert_eq((int)label, i);
	}
	cr_assert_eq(label_find("container.name", &label), -ENOENT);
	cr_assert_eq(label_find("", &label), -ENOENT);
}

Test(label, equal_sets_are_one_and_the_empty_one_is_0)
{
	_cleanup_(label_table) struct label_table *table = NULL;
	struct label_set set = {0};
	u32 empty, web, again, db;

	cr_assert_eq(label_table_new(&table), 0);
	cr_assert_eq(label_table_intern(table, &set, &empty), 0);
	cr_assert_eq(empty, LABEL_SET_EMPTY);
	set.values[LABEL_CONTAINER_NAME] = 7;
	cr_assert_eq(label_table_intern(table, &set, &web), 0);
	cr_assert_eq(label_table_intern(table, &set, &again), 0);
	set.values[LABEL_CONTAINER_NAME] = 0;
	set.values[LABEL_CONTAINER_ID] = 7;
	cr_assert_eq(label_table_intern(table, &set, &db), 0);
	cr_assert(web == again && web != db && web != empty);
	cr_assert_eq(label_table_at(table, web)->values[LABEL_CONTAINER_NAME], 7);
}

Test(label, sets_without_end_end_at_the_bound)
{
	_cleanup_(label_table) struct label_table *table = NULL;
	struct label_set set = {0};
	u32 id;
	int err = 0;

	cr_assert_eq(label_table_new(&table), 0);
	for (u32 i = 1; !err && i < 1u << 20; i++) {
		set.values[LABEL_IMAGE] = i;
		err = label_table_intern(table, &set, &id);
	}
	cr_assert_eq(err, -ENOSPC);
}

Test(label, an_origin_has_those_of_its_thread_its_process_and_its_container)
{
	BUILT_PROFILE(built, "");
	struct label_set set = {0};
	struct origin origin = {.pid = 10,
				.tid = 12,
				.comm = string_id(&built, "python3"),
				.thread_comm = string_id(&built, "worker"),
				.exe = string_id(&built, "/usr/bin/python3")};

	set.values[LABEL_CONTAINER_NAME] = string_id(&built, "web");
	set.values[LABEL_IMAGE] = string_id(&built, "shop:1");
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	cr_assert_str_eq(labels_text(&built, &origin, (struct view){.pids = true, .threads = true}),
			 "container_name=web image=shop:1 comm=python3 exe=/usr/bin/python3 pid=10 thread_name=worker "
			 "tid=12");
	cr_assert_str_eq(labels_text(&built, &origin, (struct view){0}),
			 "container_name=web image=shop:1 comm=python3 exe=/usr/bin/python3");
}

Test(label, an_origin_of_which_little_is_known_has_few)
{
	BUILT_PROFILE(built, "");
	struct origin origin = {.pid = 10};

	cr_assert_str_eq(labels_text(&built, &origin, (struct view){.pids = true, .threads = true}), "pid=10");
}

Test(label, origins_in_two_containers_are_two)
{
	BUILT_PROFILE(built, "");
	struct label_set set = {0};
	struct origin origin = {.pid = 10};
	u32 host, web;

	set.values[LABEL_CONTAINER_NAME] = string_id(&built, "web");
	cr_assert_eq(profile_origin(built.profile, &origin, &host), 0);
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	cr_assert_eq(profile_origin(built.profile, &origin, &web), 0);
	cr_assert_neq(host, web);
}

/* A place has samples before anybody knows what it is called. */
Test(label, a_row_that_was_reserved_has_no_labels_until_it_is_set)
{
	BUILT_PROFILE(built, "python3 (10);main (app.py:3) 1\n");
	struct label_set set = {0};
	u32 row, other;

	cr_assert_eq(label_table_reserve(built.tables.labels, &row), 0);
	cr_assert_eq(label_table_reserve(built.tables.labels, &other), 0);
	cr_assert_neq(row, LABEL_SET_EMPTY);
	cr_assert_neq(row, other);
	struct origin origin = {.pid = 10, .labels = row};
	cr_assert_str_eq(labels_text(&built, &origin, (struct view){.pids = true}), "pid=10");

	set.values[LABEL_CONTAINER_NAME] = string_id(&built, "web");
	label_table_set(built.tables.labels, row, &set);
	cr_assert_str_eq(labels_text(&built, &origin, (struct view){.pids = true}), "container_name=web pid=10");
	origin.labels = other;
	cr_assert_str_eq(labels_text(&built, &origin, (struct view){.pids = true}), "pid=10");
}

Test(label, every_text_of_a_process_has_its_place_in_the_origin)
{
	struct origin origin = {0};

	for (int i = 0; i < LABEL_CNT; i++) {
		u32 *text = origin_text(&origin, i);

		cr_assert_eq(!text, i < LABEL_PLACE_CNT || label_is_number(i), "%s", label_name(i));
		if (text)
			cr_assert_eq((*text)++, 0, "%s has the place of another", label_name(i));
	}
}
