/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * otlp.c - writes OpenTelemetry's profiles signal: a ProfilesData, which is also the body
 * of an export request (proto/otlp.proto has the layout and its version).
 *
 * A resource for each container or unit and one for what runs in none, as the protocol's own
 * comments advise; process and thread are attributes of samples, so that a
 * host does not become thousands of resources. One profile in each, of samples/count with
 * the period beside it: receivers multiply. Each of its samples has another stack or
 * other attributes than all others.
 *
 * What holds for the whole profile (the host, what a person adds) is said by each resource. A person
 * who calls an attribute service.name, or service_name, names the service.
 */
#include "format/otlp.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "format/format.h"
#include "format/otlp_tables.h"
#include "format/output.h"
#include "format/profile_id.h"
#include "profile/common_labels.h"
#include "profile/losses.h"
#include "profile/partition.h"
#include "pyprof/version.h"

#define SERVICE_KEY "service.name"
/*
 * Of one resource: backends keep labels, not attributes, and have bounds of their own (30 names in all, some of them the
 * receiver's), beyond which they refuse the profile.
 */
#define RESOURCE_ATTRIBUTES_MAX 25

_Static_assert(1 + LABEL_PLACE_CNT + COMMON_LABELS_MAX <= RESOURCE_ATTRIBUTES_MAX, "not all attributes have room");

struct otlp_writer {
	struct dictionary *dictionary;
	const struct truth *truth;
	const struct otlp_request *request; /* NULL: a file */
	struct otlp_tables tables;
	u32 *resource_samples; /* by labels: rows in samples */
};

/* ---- attributes that stand in place: of resources and of the scope ---- */

struct key_values {
	Otlp__KeyValue *list[RESOURCE_ATTRIBUTES_MAX + LOSS_CNT + 1];
	size_t cnt;
};

static Otlp__AnyValue *key_value_add(struct otlp_writer *w, const char *key, struct key_values *list)
{
	struct row {
		Otlp__KeyValue key_value;
		Otlp__AnyValue value;
	} *row = otlp_new(&w->tables, 1, sizeof(*row));

	if (!row)
		return NULL;
	row->key_value = (Otlp__KeyValue)OTLP__KEY_VALUE__INIT;
	row->value = (Otlp__AnyValue)OTLP__ANY_VALUE__INIT;
	row->key_value.key = (char *)key;
	row->key_value.value = &row->value;
	list->list[list->cnt++] = &row->key_value;
	return &row->value;
}

static int key_text(struct otlp_writer *w, const char *key, const char *text, struct key_values *list)
{
	Otlp__AnyValue *value = key_value_add(w, key, list);

	if (!value)
		return -ENOMEM;
	value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	value->string_value = otlp_text(&w->tables, text);
	return value->string_value ? 0 : -ENOMEM;
}

static int key_number(struct otlp_writer *w, const char *key, u64 number, struct key_values *list)
{
	Otlp__AnyValue *value = key_value_add(w, key, list);

	if (!value)
		return -ENOMEM;
	value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value->int_value = number;
	return 0;
}

static int key_values_take(struct otlp_writer *w, const struct key_values *list, size_t *ret_cnt, Otlp__KeyValue ***ret)
{
	*ret = otlp_new(&w->tables, list->cnt, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, list->list, list->cnt * sizeof(**ret));
	*ret_cnt = list->cnt;
	return 0;
}

static bool key_is_known(const struct key_values *list, const char *key)
{
	for (size_t i = 0; i < list->cnt; i++)
		if (!strcmp(list->list[i]->key, key))
			return true;
	return false;
}

/* One more, if its key is new and there is room. */
static int resource_text(struct otlp_writer *w, const char *key, const char *text, struct key_values *list,
			 Otlp__Resource *resource)
{
	if (key_is_known(list, key))
		return 0;
	if (list->cnt < RESOURCE_ATTRIBUTES_MAX)
		return key_text(w, key, text, list);
	resource->dropped_attributes_count++;
	return 0;
}

static bool names_service(const struct common_label *label)
{
	return !strcmp(label->name, SERVICE_KEY) || !strcmp(label->name, "service_name");
}

static const char *service_name(const struct profile *profile, u32 labels)
{
	const struct common_labels *common = profile_common(profile);

	for (size_t i = 0; common && i < common->cnt; i++)
		if (names_service(&common->at[i]))
			return common->at[i].value;
	return origin_place_name(profile_tables_of(profile), &(struct origin){.labels = labels});
}

static int resource_fill(struct otlp_writer *w, u32 labels, Otlp__Resource *ret)
{
	const struct profile *profile = w->dictionary->profile;
	const struct profile_tables *tables = profile_tables_of(profile);
	const struct label_set *set = label_table_at(tables->labels, labels);
	const struct common_labels *common = profile_common(profile);
	struct key_values list = {.cnt = 0};

	int err = key_text(w, SERVICE_KEY, service_name(profile, labels), &list);
	for (int i = 0; !err && i < LABEL_PLACE_CNT; i++)
		if (set->values[i] != STRING_EMPTY)
			err = resource_text(w, label_otel_name(i), string_table_at(tables->strings, set->values[i]),
					    &list, ret);
	for (size_t i = 0; !err && common && i < common->cnt; i++)
		if (!names_service(&common->at[i]))
			err = resource_text(w, common->at[i].otel_name, common->at[i].value, &list, ret);
	return err ? err : key_values_take(w, &list, &ret->n_attributes, &ret->attributes);
}

/*
 * What was sampled and what was not, of all resources together: they share one scope. Of a window in
 * several messages the first says it: who adds them up must not count it twice.
 */
static int scope_fill(struct otlp_writer *w, Otlp__Scope *ret)
{
	struct key_values list = {.cnt = 0};
	char key[96];

	ret->name = (char *)"pyprof-bpf";
	ret->version = (char *)PYPROF_VERSION;
	if (w->request && w->request->piece)
		return 0;
	int err = key_number(w, "pyprof_bpf.samples", w->truth->samples, &list);
	for (int i = 0; !err && i < LOSS_CNT; i++) {
		if (!w->truth->lost[i])
			continue;
		snprintf(key, sizeof(key), "pyprof_bpf.lost.%s", loss_reason(i));
		char *copy = otlp_text(&w->tables, key);
		err = copy ? key_number(w, copy, w->truth->lost[i], &list) : -ENOMEM;
	}
	return err ? err : key_values_take(w, &list, &ret->n_attributes, &ret->attributes);
}

/* ---- samples ---- */

/* Of a process and its thread: the resource has the others. */
static int sample_attributes(struct otlp_writer *w, u32 origin, size_t *ret_cnt, int32_t **ret)
{
	const struct dictionary *d = w->dictionary;
	struct label_value values[LABEL_CNT];
	size_t cnt = origin_labels(profile_tables_of(d->profile), &d->origins[origin], &d->view, values);
	int err = 0;

	*ret_cnt = 0;
	*ret = otlp_new(&w->tables, cnt, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; !err && i < cnt; i++) {
		const char *key = label_otel_name(values[i].label);

		if (values[i].label < LABEL_PLACE_CNT)
			continue;
		int32_t *row = *ret + (*ret_cnt)++;
		err = values[i].text ? otlp_text_attribute_row(&w->tables, key, values[i].text, row)
				     : otlp_number_attribute_row(&w->tables, key, values[i].number, row);
	}
	return err;
}

static int sample_add(struct otlp_writer *w, const struct dictionary_sample *from, size_t attribute_cnt,
		      int32_t *attributes, Otlp__Profile *profile)
{
	struct row {
		Otlp__Sample sample;
		int64_t value;
	} *row = otlp_new(&w->tables, 1, sizeof(*row));

	if (!row)
		return -ENOMEM;
	row->sample = (Otlp__Sample)OTLP__SAMPLE__INIT;
	row->value = from->samples;
	row->sample.values = &row->value;
	row->sample.n_values = 1;
	row->sample.attribute_indices = attributes;
	row->sample.n_attribute_indices = attribute_cnt;
	profile->samples[profile->n_samples++] = &row->sample;
	return otlp_stack_row(&w->tables, from->stack, &row->sample.stack_index);
}

static int origin_add(struct otlp_writer *w, u32 origin, Otlp__Profile *profile)
{
	u32 first = dictionary_first_sample(w->dictionary, origin),
	    end = dictionary_first_sample(w->dictionary, origin + 1);
	int32_t *attributes;
	size_t cnt;
	int err = sample_attributes(w, origin, &cnt, &attributes);

	for (u32 i = first; !err && i < end; i++)
		err = sample_add(w, &w->dictionary->samples[i], cnt, attributes, profile);
	return err;
}

static int value_type(struct otlp_writer *w, const char *type, const char *unit, Otlp__ValueType **ret)
{
	*ret = otlp_new(&w->tables, 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	**ret = (Otlp__ValueType)OTLP__VALUE_TYPE__INIT;
	int err = otlp_string_row(&w->tables, type, &(*ret)->type_strindex);
	return err ? err : otlp_string_row(&w->tables, unit, &(*ret)->unit_strindex);
}

static int profile_id_fill(struct otlp_writer *w, u32 labels, Otlp__Profile *ret)
{
	struct profile_id *id = otlp_new(&w->tables, 1, sizeof(*id));

	if (!id)
		return -ENOMEM;
	ret->profile_id = (ProtobufCBinaryData){sizeof(id->bytes), id->bytes};
	return profile_id_make(w->request->window_id, profile_tables_of(w->dictionary->profile), labels,
			       w->request->piece, id);
}

static int profile_fill(struct otlp_writer *w, u32 labels, Otlp__Profile *ret)
{
	const struct dictionary *d = w->dictionary;
	int err = w->request ? profile_id_fill(w, labels, ret) : 0;

	if (!err)
		err = value_type(w, "samples", "count", &ret->sample_type);

	if (!err && w->truth->hz) {
		ret->period = (NS_PER_S + w->truth->hz / 2) / w->truth->hz;
		err = value_type(w, "cpu", "nanoseconds", &ret->period_type);
	}
	ret->time_unix_nano = w->truth->start_realtime_ns;
	/* Some backends take two profiles of one resource and one time for the same one: pieces begin a millisecond apart. */
	if (w->request)
		ret->time_unix_nano += w->request->piece * NS_PER_MS;
	ret->duration_nano = w->truth->seconds * NS_PER_S;
	ret->samples = otlp_new(&w->tables, w->resource_samples[labels], sizeof(*ret->samples));
	if (!ret->samples)
		return -ENOMEM;
	for (u32 i = 0; !err && i < d->origin_cnt; i++)
		if (d->origins[i].labels == labels)
			err = origin_add(w, i, ret);
	return err;
}

/* ---- resources ---- */

static int resource_add(struct otlp_writer *w, u32 labels, Otlp__Scope *scope, Otlp__ProfilesData *data)
{
	struct row {
		Otlp__ResourceProfiles resource_profiles;
		Otlp__Resource resource;
		Otlp__ScopeProfiles scope_profiles, *scopes[1];
		Otlp__Profile profile, *profiles[1];
	} *row = otlp_new(&w->tables, 1, sizeof(*row));

	if (!row)
		return -ENOMEM;
	row->resource_profiles = (Otlp__ResourceProfiles)OTLP__RESOURCE_PROFILES__INIT;
	row->resource = (Otlp__Resource)OTLP__RESOURCE__INIT;
	row->scope_profiles = (Otlp__ScopeProfiles)OTLP__SCOPE_PROFILES__INIT;
	row->profile = (Otlp__Profile)OTLP__PROFILE__INIT;
	row->resource_profiles.resource = &row->resource;
	row->resource_profiles.scope_profiles = row->scopes;
	row->resource_profiles.n_scope_profiles = 1;
	row->scopes[0] = &row->scope_profiles;
	row->scope_profiles.scope = scope;
	row->scope_profiles.profiles = row->profiles;
	row->scope_profiles.n_profiles = 1;
	row->profiles[0] = &row->profile;
	data->resource_profiles[data->n_resource_profiles++] = &row->resource_profiles;
	int err = resource_fill(w, labels, &row->resource);
	return err ? err : profile_fill(w, labels, &row->profile);
}

/* A profile without samples says that there were none: it has a resource too. */
static int resources_fill(struct otlp_writer *w, Otlp__Scope *scope, Otlp__ProfilesData *data)
{
	const struct dictionary *d = w->dictionary;
	u32 end = LABEL_SET_EMPTY + 1;
	int err = 0;

	for (u32 i = 0; i < d->origin_cnt; i++)
		if (d->origins[i].labels >= end)
			end = d->origins[i].labels + 1;
	w->resource_samples = otlp_new(&w->tables, end, sizeof(*w->resource_samples));
	data->resource_profiles = otlp_new(&w->tables, end, sizeof(*data->resource_profiles));
	if (!w->resource_samples || !data->resource_profiles)
		return -ENOMEM;
	for (u32 i = 0; i < d->sample_cnt; i++)
		w->resource_samples[d->origins[d->samples[i].origin].labels]++;
	for (u32 labels = 0; !err && labels < end; labels++)
		if (w->resource_samples[labels])
			err = resource_add(w, labels, scope, data);
	return err || d->sample_cnt ? err : resource_add(w, LABEL_SET_EMPTY, scope, data);
}

/* ---- the message ---- */

struct stream_buffer {
	ProtobufCBuffer base;
	FILE *out;
	int err;
};

static void append(ProtobufCBuffer *base, size_t size, const u8 *bytes)
{
	struct stream_buffer *stream = (struct stream_buffer *)base;

	if (!stream->err)
		stream->err = output_put(stream->out, bytes, size);
}

static int message_write(struct otlp_writer *w, FILE *out)
{
	struct stream_buffer stream = {.base = {.append = append}, .out = out};
	Otlp__ProfilesDictionary dictionary = OTLP__PROFILES_DICTIONARY__INIT;
	Otlp__ProfilesData data = OTLP__PROFILES_DATA__INIT;
	Otlp__Scope scope = OTLP__SCOPE__INIT;

	int err = scope_fill(w, &scope);
	if (!err)
		err = resources_fill(w, &scope, &data);
	if (!err)
		err = otlp_tables_message(&w->tables, &dictionary);
	if (err)
		return err;
	data.dictionary = &dictionary;
	if (w->request && w->request->size_max && protobuf_c_message_get_packed_size(&data.base) > w->request->size_max)
		return -EFBIG;
	protobuf_c_message_pack_to_buffer(&data.base, &stream.base);
	return stream.err ? stream.err : output_flush(out);
}

int otlp_request_write(const struct profile *profile, const struct truth *truth, const struct view *view,
		       const struct otlp_request *request, FILE *out)
{
	_cleanup_(dictionary) struct dictionary *dictionary = NULL;

	int err = dictionary_new(profile, view, true, &dictionary);
	if (err)
		return err;
	struct otlp_writer writer = {.dictionary = dictionary, .truth = truth, .request = request};
	err = otlp_tables_init(&writer.tables, dictionary);
	if (!err)
		err = message_write(&writer, out);
	otlp_tables_deinit(&writer.tables);
	return err;
}

int otlp_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	return otlp_request_write(profile, truth, view, NULL, out);
}
