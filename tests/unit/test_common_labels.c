/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/common_labels.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "profile/label.h"

static const struct common_label *find(const struct common_labels *labels, const char *name)
{
	for (size_t i = 0; i < labels->cnt; i++)
		if (!strcmp(labels->at[i].name, name))
			return &labels->at[i];
	return NULL;
}

static void add(struct common_labels *labels, const char *text)
{
	STRBUF(error);

	cr_assert_eq(common_labels_add(labels, text, &error), 0, "%s: %s", text, error.at);
}

static void expect_refused(struct common_labels *labels, const char *text, const char *expected)
{
	size_t cnt = labels->cnt;
	STRBUF(error);

	cr_expect_eq(common_labels_add(labels, text, &error), -EINVAL, "'%s' was taken", text);
	cr_expect(strstr(error.at, expected), "'%s' says: %s", text, error.at);
	cr_expect_null(strchr(error.at, '\n'));
	cr_expect_eq(labels->cnt, cnt);
}

Test(common_labels, host_and_boot_are_what_the_kernel_says)
{
	struct common_labels labels = {0};
	char host[256], boot[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

	cr_assert_eq(gethostname(host, sizeof(host)), 0);
	cr_assert(file && fscanf(file, "%63s", boot) == 1);
	fclose(file);
	cr_assert_eq(common_labels_add_host(&labels), 0);
	cr_assert_eq(labels.cnt, 2);
	cr_assert_str_eq(find(&labels, "host")->value, host);
	cr_assert_str_eq(find(&labels, "host")->otel_name, "host.name");
	cr_assert_str_eq(find(&labels, "boot_id")->value, boot);
	common_labels_deinit(&labels);
	cr_assert_eq(labels.cnt, 0);
}

Test(common_labels, a_key_and_a_value_are_taken_and_the_last_of_a_key_wins)
{
	struct common_labels labels = {0};

	add(&labels, "region=eu-1");
	add(&labels, "team.name=a=b c");
	add(&labels, "_x9=\xc3\xa9");
	add(&labels, "region=eu-2");
	cr_assert_eq(labels.cnt, 3);
	cr_assert_str_eq(find(&labels, "region")->value, "eu-2");
	cr_assert_str_eq(find(&labels, "region")->otel_name, "region");
	cr_assert_str_eq(find(&labels, "team.name")->value, "a=b c");
	cr_assert_str_eq(find(&labels, "_x9")->value, "\xc3\xa9");
	common_labels_deinit(&labels);
}

Test(common_labels, a_persons_host_wins_by_either_name)
{
	struct common_labels labels = {0};

	add(&labels, "host.name=mine");
	cr_assert_eq(common_labels_add_host(&labels), 0);
	cr_assert_eq(labels.cnt, 2);
	cr_assert_str_eq(find(&labels, "host")->value, "mine");
	cr_assert_str_eq(find(&labels, "host")->otel_name, "host.name");
	common_labels_deinit(&labels);
}

Test(common_labels, what_is_no_label_is_refused_with_the_way_to_write_it)
{
	struct common_labels labels = {0};

	expect_refused(&labels, "region", "KEY=VALUE");
	expect_refused(&labels, "", "KEY=VALUE");
	expect_refused(&labels, "=x", "KEY of a label");
	expect_refused(&labels, "9a=x", "no digit first");
	expect_refused(&labels, ".a=x", "no digit first");
	expect_refused(&labels, "a-b=x", "letters, digits");
	expect_refused(&labels, "a b=x", "letters, digits");
	expect_refused(&labels, "\xc3\xa9=x", "letters, digits");
	expect_refused(&labels, "a\n=x", "letters, digits");
	expect_refused(&labels, "__name__=x", "__");
	expect_refused(&labels, "a=", "1 to 256");
	expect_refused(&labels, "a=\xff", "UTF-8");
	expect_refused(&labels, "a=x\ny", "control");
}

Test(common_labels, what_each_sample_says_for_itself_is_refused_by_either_name)
{
	struct common_labels labels = {0};
	char text[128];

	for (int i = 0; i < LABEL_CNT; i++) {
		snprintf(text, sizeof(text), "%s=x", label_name(i));
		expect_refused(&labels, text, "each sample");
		snprintf(text, sizeof(text), "%s=x", label_otel_name(i));
		expect_refused(&labels, text, "each sample");
	}
	expect_refused(&labels, "k8s.pod_name=x", "each sample");
}

Test(common_labels, keys_that_differ_in_dots_alone_are_refused)
{
	struct common_labels labels = {0};

	add(&labels, "a.b=1");
	expect_refused(&labels, "a_b=2", "'a.b' is the same name");
	add(&labels, "a.b=3");
	add(&labels, "a.bc=4");
	expect_refused(&labels, "host_name=x", "'host.name' is the same name");
	expect_refused(&labels, "boot.id=x", "'boot_id' is the same name");
	add(&labels, "service.name=x");
	expect_refused(&labels, "service_name=y", "'service.name' is the same name");
	cr_assert_eq(labels.cnt, 3);
	cr_assert_str_eq(find(&labels, "a.b")->value, "3");
	common_labels_deinit(&labels);
}

Test(common_labels, lengths_and_their_number_are_bounded_and_the_host_has_room)
{
	struct common_labels labels = {0};
	char text[512];

	memset(text, 'a', sizeof(text));
	memcpy(text + COMMON_LABEL_NAME_MAX, "=x", 3);
	add(&labels, text);
	memcpy(text + COMMON_LABEL_NAME_MAX, "a=x", 4);
	expect_refused(&labels, text, "64");
	memset(text, 'a', sizeof(text));
	text[1] = '=';
	text[2 + COMMON_LABEL_VALUE_MAX] = 0;
	add(&labels, text);
	text[2 + COMMON_LABEL_VALUE_MAX] = 'a';
	text[3 + COMMON_LABEL_VALUE_MAX] = 0;
	expect_refused(&labels, text, "256");

	for (size_t i = labels.cnt; i < MAX_COMMON_LABELS; i++) {
		snprintf(text, sizeof(text), "k%zu=x", i);
		add(&labels, text);
	}
	expect_refused(&labels, "more=x", "13 labels");
	add(&labels, "k5=again");
	add(&labels, "boot_id=mine");
	expect_refused(&labels, "more=x", "13 labels");
	cr_assert_eq(common_labels_add_host(&labels), 0);
	cr_assert_eq(labels.cnt, MAX_COMMON_LABELS + 2);
	common_labels_deinit(&labels);
}
