/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/strbuf.h"
#include "container/place.h"
#include "container/selection.h"

TestSuite(selection);

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct place web(void)
{
	return (struct place){
		.key = 1,
		.is_container = true,
		.named = true,
		.cgroup = (char *)"/docker/" ID,
		.values = {[LABEL_CONTAINER_NAME] = (char *)"web-1",
			   [LABEL_CONTAINER_ID] = (char *)ID,
			   [LABEL_K8S_NAMESPACE] = (char *)"shop",
			   [LABEL_K8S_POD] = (char *)"cart-7f9"},
	};
}

static enum selected select_one(const struct place *place, enum selection_kind kind, const char *text)
{
	const struct selection selection = {kind, text};

	return place_select(place, &selection, 1);
}

Test(selection, a_container_is_selected_by_name_glob_id_and_its_beginning)
{
	struct place place = web();

	static const char *const yes[] = {"web-1", "web-*", "*", "w[e]b-?", ID, "0123456789ab", "0123456789ABCDEF"};
	static const char *const no[] = {"web",		 "web-2",	 "eb-1",  "0123456789a",
					 "123456789abc", "0123456789ac", "WEB-1", "0123456789ab*"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		cr_expect_eq(select_one(&place, SELECT_CONTAINER, yes[i]), SELECTED_YES, "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		cr_expect_eq(select_one(&place, SELECT_CONTAINER, no[i]), SELECTED_NO, "%s", no[i]);
}

Test(selection, a_name_with_a_bracket_is_itself)
{
	struct place place = web();

	place.values[LABEL_CONTAINER_NAME] = (char *)"a[b]";
	cr_expect_eq(select_one(&place, SELECT_CONTAINER, "a[b]"), SELECTED_YES);
	cr_expect_eq(select_one(&place, SELECT_CONTAINER, "a\\[b]"), SELECTED_YES);
}

Test(selection, the_host_and_units_are_no_containers)
{
	struct place host = {.named = true, .cgroup = (char *)"/"};

	cr_expect_eq(select_one(&host, SELECT_CONTAINER, "*"), SELECTED_NO);
	cr_expect_eq(select_one(&host, SELECT_POD, "*/*"), SELECTED_NO);
	cr_expect_eq(select_one(&host, SELECT_CGROUP, "/"), SELECTED_YES);
}

Test(selection, a_pod_is_selected_by_namespace_and_name)
{
	struct place place = web();

	cr_expect_eq(select_one(&place, SELECT_POD, "shop/cart-7f9"), SELECTED_YES);
	cr_expect_eq(select_one(&place, SELECT_POD, "*/cart-*"), SELECTED_YES);
	cr_expect_eq(select_one(&place, SELECT_POD, "shop/cart"), SELECTED_NO);
	cr_expect_eq(select_one(&place, SELECT_POD, "other/*"), SELECTED_NO);
}

Test(selection, no_is_not_final_while_names_are_looked_for)
{
	struct place place = web();

	place.named = false;
	cr_expect_eq(select_one(&place, SELECT_CONTAINER, "other"), SELECTED_NOT_YET);
	cr_expect_eq(select_one(&place, SELECT_CONTAINER, "web-1"), SELECTED_YES);
	cr_expect_eq(select_one(&place, SELECT_POD, "a/b"), SELECTED_NOT_YET);
	cr_expect_eq(select_one(&place, SELECT_CGROUP, "/lxc"), SELECTED_NO, "paths do not change");
}

Test(selection, a_cgroup_is_selected_with_all_below_it_by_whole_names)
{
	struct place place = web();
	const struct selection inner = {SELECT_CGROUP, "/a/b"}, slash = {SELECT_CGROUP, "/a/b/"};
	static const struct {
		const char *path;
		enum selected expected;
	} rows[] = {
		{"/a/b", SELECTED_YES}, {"/a/b/c", SELECTED_YES}, {"/a/bc", SELECTED_NO},
		{"/a", SELECTED_NO},	{"/", SELECTED_NO},	  {"/x/a/b", SELECTED_NO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_eq(cgroup_select(rows[i].path, &place, &inner, 1), rows[i].expected, "%s", rows[i].path);
		cr_expect_eq(cgroup_select(rows[i].path, &place, &slash, 1), rows[i].expected, "%s", rows[i].path);
	}
}

Test(selection, one_row_of_several_is_enough)
{
	struct place place = web();
	const struct selection rows[] = {{SELECT_POD, "a/b"}, {SELECT_CONTAINER, "x"}, {SELECT_CGROUP, "/docker"}};

	cr_expect_eq(place_select(&place, rows, 3), SELECTED_YES);
	cr_expect_eq(place_select(&place, rows, 2), SELECTED_NO);
	cr_expect_eq(place_select(&place, rows, 0), SELECTED_NO);
}

Test(selection, what_cannot_be_meant_is_refused_with_what_to_write)
{
	static const struct {
		enum selection_kind kind;
		const char *text;
		int expected;
	} rows[] = {
		{SELECT_CONTAINER, "web", 0},	     {SELECT_CONTAINER, "", -EINVAL},	{SELECT_POD, "a/b", 0},
		{SELECT_POD, "a", -EINVAL},	     {SELECT_POD, "/b", -EINVAL},	{SELECT_POD, "a/", -EINVAL},
		{SELECT_POD, "a/b/c", -EINVAL},	     {SELECT_CGROUP, "/a", 0},		{SELECT_CGROUP, "0::/a", 0},
		{SELECT_CGROUP, "/..a/b..", 0},	     {SELECT_CGROUP, "a", -EINVAL},	{SELECT_CGROUP, "", -EINVAL},
		{SELECT_CGROUP, "/a/../b", -EINVAL}, {SELECT_CGROUP, "/a/..", -EINVAL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct selection selection = {rows[i].kind, rows[i].text};
		STRBUF(error);

		cr_expect_eq(selection_check(&selection, &error), rows[i].expected, "%s", rows[i].text);
		cr_expect_eq(error.size > 0, rows[i].expected < 0, "%s", rows[i].text);
	}
}
