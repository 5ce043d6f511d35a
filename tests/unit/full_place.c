/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "full_place.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/strbuf.h"

static u32 text_of(const struct built_profile *built, enum label label)
{
	u32 id;

	cr_assert_eq(string_table_intern(built->tables.strings, label_name(label), &id), 0);
	return id;
}

static void add_labels(struct common_labels *common)
{
	char text[32];
	STRBUF(error);

	for (int i = 0; i < MAX_COMMON_LABELS; i++) {
		snprintf(text, sizeof(text), "label%d=x", i);
		cr_assert_eq(common_labels_add(common, text, &error), 0);
	}
	cr_assert_eq(common_labels_add(common, "host=h1", &error), 0);
	cr_assert_eq(common_labels_add(common, "boot_id=b1", &error), 0);
}

void build_full_place(struct built_profile *built, struct common_labels *common)
{
	struct origin origin = *profile_origin_at(built->profile, 0);
	struct label_set set;
	u32 id;

	for (int i = 0; i < LABEL_PLACE_CNT; i++)
		set.values[i] = text_of(built, i);
	for (int i = LABEL_PLACE_CNT; i < LABEL_CNT; i++)
		if (origin_text(&origin, i))
			*origin_text(&origin, i) = text_of(built, i);
	cr_assert_eq(label_table_intern(built->tables.labels, &set, &origin.labels), 0);
	profile_clear(built->profile);
	cr_assert_eq(profile_origin(built->profile, &origin, &id), 0);
	cr_assert_eq(profile_add(built->profile, id, STACK_ROOT, 1), 0);
	add_labels(common);
	profile_set_common(built->profile, common);
}
