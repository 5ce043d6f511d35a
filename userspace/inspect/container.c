/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The half of object.h that is about what holds others: dicts, instances, sequences, sets. */
#include <errno.h>
#include <string.h>

#include "inspect/object.h"

#define BLOCK_WORDS 192 /* read in one go; divisible by the words of each kind of entry */

/* Type check by the bits of tp_flags. */
static int type_expect(const struct python_objects *objects, u64 address, u64 bit)
{
	u64 type, flags;
	int err = object_type(objects, address, &type);

	if (!err)
		err = object_type_flags(objects, type, &flags);
	if (!err && !(flags & bit))
		err = -EINVAL;
	return err;
}

static u64 bounded(u64 cnt, u64 max)
{
	return cnt < max ? cnt : max;
}

/* Rows of the same number of words, in memory one after the other. */
typedef int (*visit_row)(void *ctx, size_t index, const u64 *words);

static int rows_for_each(const struct python_objects *objects, u64 address, u64 cnt, size_t words, visit_row visit,
			 void *ctx)
{
	u64 block[BLOCK_WORDS];
	size_t at_once = BLOCK_WORDS / words;
	int err = 0;

	for (u64 i = 0; !err && i < cnt; i += at_once) {
		size_t now = bounded(cnt - i, at_once);

		err = remote_read(objects->memory, address + i * words * sizeof(u64), block, now * words * sizeof(u64));
		for (size_t j = 0; !err && j < now; j++)
			err = visit(ctx, i + j, block + j * words);
	}
	return err;
}

/* PyDictKeysObject, as far as one needs it. */
struct dict_keys {
	u64 entries; /* address of the first */
	u64 cnt;
	size_t words; /* of each: (hash, key, value) or (key, value) */
};

#define KEYS_HEADER_MAX	   64
#define KEYS_SIZE_LOG2_MAX 40

/* Objects/dictobject.c: DK_IXSIZE. */
static u64 index_size(u64 slot_cnt)
{
	return slot_cnt <= 0xff ? 1 : slot_cnt <= 0xffff ? 2 : slot_cnt <= 0xffffffff ? 4 : 8;
}

static int keys_find(const struct python_objects *objects, u64 address, struct dict_keys *ret)
{
	const struct object_layout *layout = &objects->object;
	u8 header[KEYS_HEADER_MAX];
	u64 slot_cnt, index_table;
	struct dict_keys keys = {.words = 3};

	if (layout->keys_indices > sizeof(header)) /* ABSENT too */
		return -EINVAL;
	int err = remote_read(objects->memory, address, header, layout->keys_indices);
	if (err)
		return err;

	memcpy(&keys.cnt, header + layout->keys_entry_cnt, sizeof(keys.cnt));
	if (layout->keys_size != ABSENT) {
		memcpy(&slot_cnt, header + layout->keys_size, sizeof(slot_cnt));
		index_table = slot_cnt * index_size(slot_cnt);
	} else {
		u8 log2 = header[layout->keys_log2_index_size];

		slot_cnt = index_table = log2 <= KEYS_SIZE_LOG2_MAX ? 1ull << log2 : 0;
		if (header[layout->keys_kind])
			keys.words = 2;
	}
	if (!slot_cnt || slot_cnt > 1ull << KEYS_SIZE_LOG2_MAX || keys.cnt > slot_cnt)
		return -EINVAL;
	keys.cnt = bounded(keys.cnt, OBJECT_ITEMS_MAX);
	keys.entries = address + layout->keys_indices + index_table;
	*ret = keys;
	return 0;
}

struct pair_visitor {
	const struct python_objects *objects;
	object_visit_pair visit;
	void *ctx;
	u64 values; /* address of the values, by index; 0: they are in the entries */
};

static int pair_visit(void *ctx, size_t index, size_t words, const u64 *entry)
{
	const struct pair_visitor *visitor = ctx;
	u64 key = entry[words - 2], value = entry[words - 1];

	if (visitor->values) {
		int err = object_word(visitor->objects, visitor->values + index * sizeof(u64), &value);
		if (err)
			return err;
	}
	return key && value ? visitor->visit(visitor->ctx, key, value) : 0;
}

static int pair_visit_2(void *ctx, size_t index, const u64 *entry)
{
	return pair_visit(ctx, index, 2, entry);
}

static int pair_visit_3(void *ctx, size_t index, const u64 *entry)
{
	return pair_visit(ctx, index, 3, entry);
}

/* values: address of the first one, or 0. capacity: of the values. */
static int keys_for_each(const struct python_objects *objects, u64 keys_address, u64 values, u64 capacity,
			 object_visit_pair visit, void *ctx)
{
	struct pair_visitor visitor = {objects, visit, ctx, values};
	struct dict_keys keys;
	int err = keys_find(objects, keys_address, &keys);
	if (err)
		return err;
	if (values)
		keys.cnt = bounded(keys.cnt, capacity);
	return rows_for_each(objects, keys.entries, keys.cnt, keys.words, keys.words == 2 ? pair_visit_2 : pair_visit_3,
			     &visitor);
}

/* Address of a PyDictValues: its first value, and how many there can be. */
static int values_find(const struct python_objects *objects, u64 address, u64 *first, u64 *capacity)
{
	u16 at = objects->object.values_capacity;
	u8 size;

	*first = address + objects->object.values_first;
	*capacity = OBJECT_ITEMS_MAX; /* as many as keys, where nothing else is said */
	if (at == ABSENT)
		return 0;
	int err = remote_read(objects->memory, address + at, &size, sizeof(size));
	if (!err)
		*capacity = size;
	return err;
}

/* 2.7: one open table, where what is free or was removed has no value. */
static int table_for_each(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx)
{
	struct pair_visitor visitor = {objects, visit, ctx, 0};
	u64 mask, table;
	int err = object_word(objects, address + objects->object.dict_mask, &mask);

	if (!err)
		err = object_word(objects, address + objects->object.dict_table, &table);
	if (!err && mask > 1ull << KEYS_SIZE_LOG2_MAX)
		err = -EINVAL;
	return err ? err
		   : rows_for_each(objects, table, bounded(mask + 1, 2 * OBJECT_ITEMS_MAX), 3, pair_visit_3, &visitor);
}

int dict_for_each(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx)
{
	u64 keys, values, capacity = 0;
	int err = type_expect(objects, address, TYPE_IS_DICT);

	if (err)
		return err;
	if (objects->object.dict_table != ABSENT)
		return table_for_each(objects, address, visit, ctx);
	err = object_word(objects, address + objects->object.dict_keys, &keys);
	if (!err)
		err = object_word(objects, address + objects->object.dict_values, &values);
	if (!err && values)
		err = values_find(objects, values, &values, &capacity);
	return err ? err : keys_for_each(objects, keys, values, capacity, visit, ctx);
}

struct key_search {
	const struct python_objects *objects;
	const char *key;
	u64 value; /* 0: not found yet */
};

static int key_search_visit(void *ctx, u64 key, u64 value)
{
	struct key_search *search = ctx;

	if (!object_is_text(search->objects, key, search->key))
		return 0;
	search->value = value;
	return 1;
}

static int key_search_answer(const struct key_search *search, int err, u64 *ret)
{
	if (search->value)
		*ret = search->value;
	else if (!err)
		err = -ENOENT;
	return search->value ? 0 : err;
}

int dict_find(const struct python_objects *objects, u64 address, const char *key, u64 *ret)
{
	struct key_search search = {.objects = objects, .key = key};
	int err = dict_for_each(objects, address, key_search_visit, &search);

	return key_search_answer(&search, err, ret);
}

/* Where an instance's attributes are: a dict, or values whose keys its type knows. */
struct instance {
	u64 dict; /* 0: none */
	u64 values; /* address of the PyDictValues; 0: none */
	u64 type;
};

/* tp_dictoffset counts from the end of what has items, rounded up to words (_PyObject_GetDictPtr). */
static int plain_instance_find(const struct python_objects *objects, u64 address, struct instance *instance)
{
	const struct object_layout *layout = &objects->object;
	u64 offset, basic_size, item_size, cnt;
	int err = object_word(objects, instance->type + layout->type_dict_offset, &offset);

	if (err || !offset)
		return err ? err : -ENOENT;
	if ((s64)offset < 0) {
		err = object_word(objects, instance->type + layout->type_basic_size, &basic_size);
		if (!err)
			err = object_word(objects, instance->type + layout->type_item_size, &item_size);
		if (!err)
			err = object_word(objects, address + layout->item_cnt, &cnt);
		if (err)
			return err;
		cnt = (s64)cnt < 0 ? -cnt : cnt;
		offset += (basic_size + cnt * item_size + 7) & ~7ull;
	}
	return object_word(objects, address + offset, &instance->dict);
}

static int managed_instance_find(const struct python_objects *objects, u64 address, struct instance *instance)
{
	const struct object_layout *layout = &objects->object;
	u64 word;

	if (layout->managed_values) {
		int err = object_word(objects, address - layout->managed_values, &word);
		if (err)
			return err;
		if (word && (word & layout->managed_values_tag) == layout->managed_values_tag) {
			instance->values = word + layout->managed_values_tag;
			return 0;
		}
	}
	return object_word(objects, address - layout->managed_dict, &instance->dict);
}

/* Behind the object, as long as nobody asked for more than they can hold. */
static int inline_values_find(const struct python_objects *objects, u64 address, struct instance *instance)
{
	u64 basic_size;
	u8 valid;
	int err = object_word(objects, instance->type + objects->object.type_basic_size, &basic_size);

	if (!err)
		err = remote_read(objects->memory, address + basic_size + objects->object.values_valid, &valid,
				  sizeof(valid));
	if (!err && valid)
		instance->values = address + basic_size;
	return err;
}

static int instance_find(const struct python_objects *objects, u64 address, struct instance *ret)
{
	struct instance instance = {0};
	u64 flags;
	int err = object_type(objects, address, &instance.type);

	if (!err)
		err = object_type_flags(objects, instance.type, &flags);
	if (!err && flags & objects->object.inline_values_flag)
		err = inline_values_find(objects, address, &instance);
	if (!err && !instance.values)
		err = flags & objects->object.managed_dict_flag ? managed_instance_find(objects, address, &instance)
								: plain_instance_find(objects, address, &instance);
	if (!err && !instance.values && !instance.dict)
		err = -ENOENT;
	if (!err)
		*ret = instance;
	return err;
}

static int instance_for_each(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx)
{
	struct instance instance;
	u64 keys, values, capacity;
	int err = instance_find(objects, address, &instance);

	if (err || !instance.values)
		return err ? err : dict_for_each(objects, instance.dict, visit, ctx);
	err = object_word(objects, instance.type + objects->object.type_cached_keys, &keys);
	if (!err)
		err = values_find(objects, instance.values, &values, &capacity);
	return err ? err : keys_for_each(objects, keys, values, capacity, visit, ctx);
}

int object_attributes(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx)
{
	int err = instance_for_each(objects, address, visit, ctx);

	return err == -ENOENT ? 0 : err; /* has no attributes, now or ever */
}

int object_attribute(const struct python_objects *objects, u64 address, const char *name, u64 *ret)
{
	struct key_search search = {.objects = objects, .key = name};
	int err = instance_for_each(objects, address, key_search_visit, &search);

	return key_search_answer(&search, err, ret);
}

static int count_read(const struct python_objects *objects, u64 address, u16 at, u64 *ret)
{
	u64 cnt;
	int err = object_word(objects, address + at, &cnt);

	if (!err && (s64)cnt < 0)
		err = -EINVAL;
	if (!err)
		*ret = cnt;
	return err;
}

int dict_count(const struct python_objects *objects, u64 address, u64 *ret)
{
	int err = type_expect(objects, address, TYPE_IS_DICT);

	return err ? err : count_read(objects, address, objects->object.dict_used, ret);
}

int list_count(const struct python_objects *objects, u64 address, u64 *ret)
{
	int err = type_expect(objects, address, TYPE_IS_LIST);

	return err ? err : count_read(objects, address, objects->object.item_cnt, ret);
}

int tuple_count(const struct python_objects *objects, u64 address, u64 *ret)
{
	int err = type_expect(objects, address, TYPE_IS_TUPLE);

	return err ? err : count_read(objects, address, objects->object.item_cnt, ret);
}

/* Sets have no bit of their own in tp_flags. */
static int set_expect(const struct python_objects *objects, u64 address)
{
	return object_is_a(objects, address, "set") || object_is_a(objects, address, "frozenset") ? 0 : -EINVAL;
}

int set_count(const struct python_objects *objects, u64 address, u64 *ret)
{
	int err = set_expect(objects, address);

	return err ? err : count_read(objects, address, objects->object.set_used, ret);
}

struct item_visitor {
	const struct python_objects *objects;
	object_visit_item visit;
	void *ctx;
	size_t cnt;
};

static int item_visit(void *ctx, size_t index, const u64 *word)
{
	struct item_visitor *visitor = ctx;

	return *word ? visitor->visit(visitor->ctx, index, *word) : 0;
}

int list_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx)
{
	struct item_visitor visitor = {objects, visit, ctx, 0};
	u64 cnt, items;
	int err = list_count(objects, address, &cnt);

	if (!err)
		err = object_word(objects, address + objects->object.list_items, &items);
	return err ? err : rows_for_each(objects, items, bounded(cnt, OBJECT_ITEMS_MAX), 1, item_visit, &visitor);
}

int tuple_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx)
{
	struct item_visitor visitor = {objects, visit, ctx, 0};
	u64 cnt;
	int err = tuple_count(objects, address, &cnt);

	return err ? err
		   : rows_for_each(objects, address + objects->object.tuple_items, bounded(cnt, OBJECT_ITEMS_MAX), 1,
				   item_visit, &visitor);
}

int tuple_item(const struct python_objects *objects, u64 address, size_t index, u64 *ret)
{
	u64 cnt;
	int err = tuple_count(objects, address, &cnt);

	if (!err && index >= cnt)
		err = -ENOENT;
	return err ? err : object_word(objects, address + objects->object.tuple_items + index * sizeof(u64), ret);
}

/* A set's slot is free, or has an item, or had one. */
static int set_visit(void *ctx, size_t index, const u64 *entry)
{
	struct item_visitor *visitor = ctx;
	const struct object_layout *layout = &visitor->objects->object;
	u64 key = entry[layout->set_entry_key / sizeof(u64)], hash = entry[layout->set_entry_hash / sizeof(u64)];

	if (!key || (!layout->set_dummy_is_text && hash == ~0ull))
		return 0;
	if (layout->set_dummy_is_text && object_is_text(visitor->objects, key, "<dummy key>"))
		return 0;
	return visitor->visit(visitor->ctx, visitor->cnt++, key);
}

int set_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx)
{
	struct item_visitor visitor = {objects, visit, ctx, 0};
	u64 mask, table;
	int err = set_expect(objects, address);

	if (!err)
		err = object_word(objects, address + objects->object.set_mask, &mask);
	if (!err)
		err = object_word(objects, address + objects->object.set_table, &table);
	if (!err && mask > 1ull << KEYS_SIZE_LOG2_MAX)
		err = -EINVAL;
	return err ? err
		   : rows_for_each(objects, table, bounded(mask + 1, 2 * OBJECT_ITEMS_MAX), 2, set_visit, &visitor);
}
