/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/series_labels.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/visible.h"
#include "profile/common_labels.h"
#include "profile/partition.h"

#define METRIC_NAME  "process_cpu"
#define SERVICE_NAME "service_name"

void series_labels_deinit(struct series_labels *labels)
{
	for (size_t i = 0; i < labels->cnt; i++) {
		free(labels->at[i].name);
		free(labels->at[i].value);
	}
	labels->cnt = 0;
}

static void name_put(const char *name, struct strbuf *b)
{
	if (isdigit((unsigned char)*name))
		strbuf_put_char(b, '_');
	for (; *name; name++) {
		bool is_plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
				(*name >= '0' && *name <= '9');

		strbuf_put_char(b, is_plain ? *name : '_');
	}
}

/* The first whose name is not less. */
static size_t place_of(const struct series_labels *labels, const char *name)
{
	size_t i = 0;

	while (i < labels->cnt && strcmp(labels->at[i].name, name) < 0)
		i++;
	return i;
}

int series_labels_add(struct series_labels *labels, const char *name, const char *value)
{
	STRBUF(clean_name);
	STRBUF(clean_value);

	if (!*name || !*value)
		return 0;
	name_put(name, &clean_name);
	visible_put(&clean_value, value);
	if (clean_name.failed || clean_value.failed)
		return -ENOMEM;
	strbuf_cut(&clean_value, labels->value_max);
	size_t i = place_of(labels, clean_name.at);
	if ((i < labels->cnt && !strcmp(labels->at[i].name, clean_name.at)) || labels->cnt == labels->cnt_max)
		return 0;
	memmove(&labels->at[i + 1], &labels->at[i], (labels->cnt - i) * sizeof(labels->at[0]));
	labels->at[i] = (struct series_label){strbuf_take(&clean_name), strbuf_take(&clean_value)};
	labels->cnt++;
	return 0;
}

static int place_labels_add(struct series_labels *labels, const struct profile_tables *tables, u32 id)
{
	const struct label_set *set = label_table_at(tables->labels, id);
	int err = 0;

	for (int i = 0; !err && i < LABEL_PLACE_CNT; i++)
		err = series_labels_add(labels, label_name(i), string_table_at(tables->strings, set->values[i]));
	return err;
}

static bool names_service(const char *name)
{
	return !strcmp(name, SERVICE_NAME) || !strcmp(name, "service.name");
}

/* The person's word comes first, for what is there is not replaced. */
int series_labels_of(struct series_labels *labels, const struct profile *part)
{
	const struct origin *origin = profile_origin_at(part, profile_at(part, 0)->origin);
	const struct profile_tables *tables = profile_tables_of(part);
	const struct common_labels *common = profile_common(part);

	int err = series_labels_add(labels, "__name__", METRIC_NAME);
	for (size_t i = 0; !err && common && i < common->cnt; i++)
		if (names_service(common->at[i].name))
			err = series_labels_add(labels, SERVICE_NAME, common->at[i].value);
	if (!err)
		err = series_labels_add(labels, SERVICE_NAME, origin_place_name(tables, origin));
	if (!err)
		err = place_labels_add(labels, tables, origin->labels);
	for (size_t i = 0; !err && common && i < common->cnt; i++)
		err = series_labels_add(labels, common->at[i].name, common->at[i].value);
	return err;
}

size_t series_labels_size(const struct series_labels *labels)
{
	size_t size = 0;

	for (size_t i = 0; i < labels->cnt; i++)
		size += strlen(labels->at[i].name) + strlen(labels->at[i].value);
	return size;
}
