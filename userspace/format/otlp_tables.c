/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/otlp_tables.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "base/visible.h"

/* Of a mapping's file, whether that is a program or a library; semantic conventions. */
#define BUILD_ID_KEY "process.executable.build_id.gnu"
/* By kind; semantic conventions of profiles. What is missing is no frame of any runtime. */
#define FRAME_TYPE_KEY "profile.frame.type"
static const char *const frame_types[FRAME_KIND_CNT] = {
	[FRAME_PYTHON] = "cpython", [FRAME_NATIVE] = "native", [FRAME_KERNEL] = "kernel"};

int otlp_tables_init(struct otlp_tables *t, struct dictionary *d)
{
	*t = (struct otlp_tables){.dictionary = d, .attribute_cnt = 1, .stack_cnt = 1};
	t->mapping_rows = calloc(d->mapping_cnt + 1, sizeof(*t->mapping_rows));
	t->stack_rows = calloc(stack_table_cnt(d->stacks), sizeof(*t->stack_rows));
	if (!t->mapping_rows || !t->stack_rows)
		return -ENOMEM;
	return string_table_new(&t->strings);
}

void otlp_tables_deinit(struct otlp_tables *t)
{
	while (t->blocks) {
		struct otlp_block *next = t->blocks->next;
		free(t->blocks);
		t->blocks = next;
	}
	string_table_free(t->strings);
	id_index_deinit(&t->attribute_index);
	free(t->attributes);
	free(t->mapping_rows);
	free(t->stack_rows);
	free(t->stacks);
}

void *otlp_new(struct otlp_tables *t, size_t cnt, size_t size)
{
	struct otlp_block *block = calloc(1, sizeof(*block) + cnt * size + 1);

	if (!block)
		return NULL;
	block->next = t->blocks;
	t->blocks = block;
	return block->bytes;
}

char *otlp_text(struct otlp_tables *t, const char *text)
{
	STRBUF(visible);

	visible_put(&visible, text);
	char *copy = visible.failed ? NULL : otlp_new(t, visible.size + 1, 1);
	return copy ? memcpy(copy, visible.at, visible.size) : NULL;
}

/* ---- rows ---- */

int otlp_string_row(struct otlp_tables *t, const char *text, int32_t *ret)
{
	STRBUF(visible);
	u32 row;

	visible_put(&visible, text);
	int err = visible.failed ? -ENOMEM : string_table_intern(t->strings, visible.at, &row);
	if (!err)
		*ret = row;
	return err;
}

int otlp_stack_row(struct otlp_tables *t, u32 stack, int32_t *ret)
{
	if (stack != STACK_ROOT && !t->stack_rows[stack]) {
		u32 *stacks = array_room(t->stacks, &t->stack_capacity, t->stack_cnt, sizeof(*stacks));
		if (!stacks)
			return -ENOMEM;
		t->stacks = stacks;
		stacks[t->stack_cnt] = stack;
		t->stack_rows[stack] = t->stack_cnt++;
	}
	*ret = t->stack_rows[stack];
	return 0;
}

static int attribute_row(struct otlp_tables *t, const struct otlp_attribute *attribute, int32_t *ret)
{
	u64 hash = id_hash(id_hash((uintptr_t)attribute->key, attribute->text), attribute->number);
	u32 at = id_index_start(&t->attribute_index, hash), id;

	while (id_index_next(&t->attribute_index, hash, &at, &id)) {
		if (t->attributes[id].key == attribute->key && t->attributes[id].text == attribute->text &&
		    t->attributes[id].number == attribute->number) {
			*ret = id;
			return 0;
		}
	}
	struct otlp_attribute *rows = array_room(t->attributes, &t->attribute_capacity, t->attribute_cnt,
						 sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	t->attributes = rows;
	rows[t->attribute_cnt] = *attribute;
	*ret = t->attribute_cnt;
	return id_index_add(&t->attribute_index, hash, t->attribute_cnt++);
}

/* Values are texts in the dictionary, not in the table of strings: that is for what is referred to. */
int otlp_text_attribute_row(struct otlp_tables *t, const char *key, const char *text, int32_t *ret)
{
	u32 string;
	int err = dictionary_string(t->dictionary, text, &string);

	return err ? err : attribute_row(t, &(struct otlp_attribute){.key = key, .text = string}, ret);
}

int otlp_number_attribute_row(struct otlp_tables *t, const char *key, u64 number, int32_t *ret)
{
	return attribute_row(t, &(struct otlp_attribute){.key = key, .number = number}, ret);
}

/* ---- tables ---- */

/*
 * cnt messages of size bytes, one after another, each initialised as first is, and the list of
 * pointers to them that protobuf-c wants.
 */
static void *rows_new(struct otlp_tables *t, size_t cnt, size_t size, const void *first, void *ret_list)
{
	char *rows = otlp_new(t, cnt, size);
	void **list = otlp_new(t, cnt, sizeof(*list));

	if (!rows || !list)
		return NULL;
	for (size_t i = 0; i < cnt; i++) {
		memcpy(rows + i * size, first, size);
		list[i] = rows + i * size;
	}
	*(void **)ret_list = list;
	return rows;
}

static int mapping_fill(struct otlp_tables *t, const struct dictionary_mapping *mapping, Otlp__Mapping *ret)
{
	int err = otlp_string_row(t, dictionary_text(t->dictionary, mapping->name), &ret->filename_strindex);

	if (err || mapping->build_id == STRING_EMPTY)
		return err;
	ret->attribute_indices = otlp_new(t, 1, sizeof(*ret->attribute_indices));
	if (!ret->attribute_indices)
		return -ENOMEM;
	ret->n_attribute_indices = 1;
	return otlp_text_attribute_row(t, BUILD_ID_KEY, dictionary_text(t->dictionary, mapping->build_id),
				       ret->attribute_indices);
}

static int mappings_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	const struct dictionary *d = t->dictionary;
	Otlp__Mapping empty = OTLP__MAPPING__INIT;
	Otlp__Mapping *rows = rows_new(t, d->mapping_cnt + 1, sizeof(*rows), &empty, &ret->mapping_table);
	u32 cnt = 1;

	if (!rows)
		return -ENOMEM;
	for (u32 i = 0; i < d->mapping_cnt; i++) {
		/* Python's frames, and what is missing, lie in no file. */
		if (d->mappings[i].kind != FRAME_NATIVE && d->mappings[i].kind != FRAME_KERNEL)
			continue;
		int err = mapping_fill(t, &d->mappings[i], &rows[cnt]);
		if (err)
			return err;
		t->mapping_rows[i] = cnt++;
	}
	ret->n_mapping_table = cnt;
	return 0;
}

static int functions_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	const struct dictionary *d = t->dictionary;
	Otlp__Function empty = OTLP__FUNCTION__INIT;
	Otlp__Function *rows = rows_new(t, d->function_cnt + 1, sizeof(*rows), &empty, &ret->function_table);

	if (!rows)
		return -ENOMEM;
	for (u32 i = 0; i < d->function_cnt; i++) {
		const struct dictionary_function *function = &d->functions[i];
		int err = otlp_string_row(t, dictionary_text(d, function->name), &rows[i + 1].name_strindex);

		if (!err)
			err = otlp_string_row(t, dictionary_text(d, function->file), &rows[i + 1].filename_strindex);
		if (err)
			return err;
	}
	ret->n_function_table = d->function_cnt + 1;
	return 0;
}

static int location_fill(struct otlp_tables *t, const struct dictionary_place *place, Otlp__Location *ret)
{
	const char *type = frame_types[place->kind];
	Otlp__Line empty = OTLP__LINE__INIT;
	Otlp__Line *line = rows_new(t, 1, sizeof(*line), &empty, &ret->lines);

	if (!line)
		return -ENOMEM;
	line->function_index = place->function + 1;
	line->line = place->line;
	ret->n_lines = 1;
	ret->mapping_index = place->mapping == MAPPING_NONE ? 0 : t->mapping_rows[place->mapping];
	ret->address = place->address;
	if (!type)
		return 0;
	ret->attribute_indices = otlp_new(t, 1, sizeof(*ret->attribute_indices));
	ret->n_attribute_indices = 1;
	return ret->attribute_indices ? otlp_text_attribute_row(t, FRAME_TYPE_KEY, type, ret->attribute_indices)
				      : -ENOMEM;
}

static int locations_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	const struct dictionary *d = t->dictionary;
	Otlp__Location empty = OTLP__LOCATION__INIT;
	Otlp__Location *rows = rows_new(t, d->place_cnt + 1, sizeof(*rows), &empty, &ret->location_table);
	int err = 0;

	if (!rows)
		return -ENOMEM;
	for (u32 i = 0; !err && i < d->place_cnt; i++)
		err = location_fill(t, &d->places[i], &rows[i + 1]);
	ret->n_location_table = d->place_cnt + 1;
	return err;
}

static int stack_fill(struct otlp_tables *t, u32 stack, struct place_list *places, Otlp__Stack *ret)
{
	int err = dictionary_stack(t->dictionary, stack, places);

	if (err)
		return err;
	ret->location_indices = otlp_new(t, places->cnt, sizeof(*ret->location_indices));
	if (!ret->location_indices)
		return -ENOMEM;
	ret->n_location_indices = places->cnt;
	for (u32 i = 0; i < places->cnt; i++)
		ret->location_indices[i] = places->at[i] + 1;
	return 0;
}

static int stacks_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	Otlp__Stack empty = OTLP__STACK__INIT;
	Otlp__Stack *rows = rows_new(t, t->stack_cnt, sizeof(*rows), &empty, &ret->stack_table);
	struct place_list places = {0};
	int err = 0;

	if (!rows)
		return -ENOMEM;
	for (u32 i = 1; !err && i < t->stack_cnt; i++)
		err = stack_fill(t, t->stacks[i], &places, &rows[i]);
	free(places.at);
	ret->n_stack_table = t->stack_cnt;
	return err;
}

static int attribute_fill(struct otlp_tables *t, const struct otlp_attribute *attribute, Otlp__KeyValueAndUnit *ret)
{
	Otlp__AnyValue empty = OTLP__ANY_VALUE__INIT;

	ret->value = otlp_new(t, 1, sizeof(*ret->value));
	if (!ret->value)
		return -ENOMEM;
	*ret->value = empty;
	if (attribute->text != STRING_EMPTY) {
		ret->value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		ret->value->string_value = (char *)dictionary_text(t->dictionary, attribute->text);
	} else {
		ret->value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		ret->value->int_value = attribute->number;
	}
	return otlp_string_row(t, attribute->key, &ret->key_strindex);
}

static int attributes_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	Otlp__KeyValueAndUnit empty = OTLP__KEY_VALUE_AND_UNIT__INIT;
	Otlp__KeyValueAndUnit *rows = rows_new(t, t->attribute_cnt, sizeof(*rows), &empty, &ret->attribute_table);
	int err = 0;

	if (!rows)
		return -ENOMEM;
	for (u32 i = 1; !err && i < t->attribute_cnt; i++)
		err = attribute_fill(t, &t->attributes[i], &rows[i]);
	ret->n_attribute_table = t->attribute_cnt;
	return err;
}

static int strings_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	u32 cnt = string_table_cnt(t->strings);

	ret->string_table = otlp_new(t, cnt, sizeof(*ret->string_table));
	if (!ret->string_table)
		return -ENOMEM;
	for (u32 i = 0; i < cnt; i++)
		ret->string_table[i] = (char *)string_table_at(t->strings, i);
	ret->n_string_table = cnt;
	return 0;
}

/* Each refers to those after it; all refer to strings. */
int otlp_tables_message(struct otlp_tables *t, Otlp__ProfilesDictionary *ret)
{
	static int (*const parts[])(struct otlp_tables *, Otlp__ProfilesDictionary *) = {
		stacks_message,	   mappings_message,   locations_message,
		functions_message, attributes_message, strings_message,
	};
	Otlp__Link link = OTLP__LINK__INIT;
	int err = rows_new(t, 1, sizeof(link), &link, &ret->link_table) ? 0 : -ENOMEM;

	ret->n_link_table = 1;
	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(*parts); i++)
		err = parts[i](t, ret);
	return err;
}
