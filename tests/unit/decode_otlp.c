/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Field numbers are those of opentelemetry-proto 1.10, typed from its text, not from ours. */
#include "decode_otlp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folded_lines.h"
#include "wire.h"

#define ROWS_MAX 20000

enum table { MAPPINGS, LOCATIONS, FUNCTIONS, LINKS, STRINGS, ATTRIBUTES, STACKS, TABLE_CNT };

struct otlp {
	struct wire rows[TABLE_CNT][ROWS_MAX];
	bool used[TABLE_CNT][ROWS_MAX];
	size_t cnt[TABLE_CNT];
	FILE *text, *folded;
};

/* The last of that number: what protobuf says counts. */
static bool find(struct wire wire, u32 number, struct wire_field *ret)
{
	struct wire_field field;
	bool found = false;

	while (wire_next(&wire, &field)) {
		if (field.number == number) {
			*ret = field;
			found = true;
		}
	}
	return found;
}

static u64 number_of(struct wire wire, u32 number)
{
	struct wire_field field;

	return find(wire, number, &field) ? field.value : 0;
}

static size_t numbers_of(struct wire wire, u32 number, u64 *ret, size_t max)
{
	struct wire_field field;
	size_t cnt = 0;

	while (wire_next(&wire, &field))
		if (field.number == number)
			cnt = wire_numbers(&field, ret, cnt, max);
	return cnt;
}

static struct wire row(struct otlp *otlp, enum table table, u64 index)
{
	cr_assert_lt(index, otlp->cnt[table], "table %d has no row %llu", table, index);
	otlp->used[table][index] = true;
	return otlp->rows[table][index];
}

static const char *string(struct otlp *otlp, u64 index)
{
	static char texts[8][8192];
	static int next;
	struct wire wire = row(otlp, STRINGS, index);
	char *text = texts[next++ % 8];

	cr_assert_lt(wire_size(&wire), sizeof(texts[0]));
	memcpy(text, wire.at, wire_size(&wire));
	text[wire_size(&wire)] = 0;
	return text;
}

/* ---- values ---- */

static void put_any(struct wire wire, FILE *out)
{
	struct wire_field field;

	cr_assert(wire_next(&wire, &field), "an attribute without a value");
	if (field.number == 1) {
		char *text = wire_text(&field);
		fputs(text, out);
		free(text);
	} else {
		cr_assert_eq(field.number, 3);
		fprintf(out, "%llu", field.value);
	}
	cr_assert_not(wire_next(&wire, &field), "two values");
}

static char *any_text(struct wire wire)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	put_any(wire, out);
	fclose(out);
	return text;
}

/* Of rows of the attribute table: KEY=VALUE, a key once. */
struct attributes {
	char keys[32][128];
	char *values[32];
	size_t cnt;
};

static void attributes_of(struct otlp *otlp, const u64 *indices, size_t cnt, struct attributes *ret)
{
	struct wire_field value;

	*ret = (struct attributes){.cnt = cnt};
	for (size_t i = 0; i < cnt; i++) {
		struct wire wire = row(otlp, ATTRIBUTES, indices[i]);

		cr_assert_neq(indices[i], 0);
		snprintf(ret->keys[i], sizeof(ret->keys[i]), "%s", string(otlp, number_of(wire, 1)));
		cr_assert(*ret->keys[i]);
		cr_assert(find(wire, 2, &value));
		ret->values[i] = any_text(value.piece);
		for (size_t k = 0; k < i; k++)
			cr_assert(strcmp(ret->keys[i], ret->keys[k]), "%s twice", ret->keys[i]);
	}
}

static void attributes_free(struct attributes *attributes)
{
	for (size_t i = 0; i < attributes->cnt; i++)
		free(attributes->values[i]);
}

static const char *attribute(const struct attributes *attributes, const char *key)
{
	for (size_t i = 0; i < attributes->cnt; i++)
		if (!strcmp(attributes->keys[i], key))
			return attributes->values[i];
	return NULL;
}

/* Of a resource or a scope, where they stand in place. */
static void put_key_values(struct wire wire, u32 number, const char *what, FILE *out)
{
	struct wire_field field, key, value;

	while (wire_next(&wire, &field)) {
		if (field.number != number)
			continue;
		cr_assert(find(field.piece, 1, &key) && find(field.piece, 2, &value));
		char *text = wire_text(&key);
		fprintf(out, "%s %s=", what, text);
		put_any(value.piece, out);
		fputs("\n", out);
		free(text);
	}
}

/* ---- frames ---- */

static void put_location(struct otlp *otlp, u64 index)
{
	struct wire wire = row(otlp, LOCATIONS, index), function;
	struct attributes attributes, of_mapping;
	struct wire_field line = {0};
	u64 indices[8];

	cr_assert_neq(index, 0);
	attributes_of(otlp, indices, numbers_of(wire, 4, indices, 8), &attributes);
	const char *type = attribute(&attributes, "profile.frame.type");
	struct wire mapped = row(otlp, MAPPINGS, number_of(wire, 1));
	const char *mapping = string(otlp, number_of(mapped, 4));
	cr_assert(find(wire, 3, &line));
	function = row(otlp, FUNCTIONS, number_of(line.piece, 1));
	const char *name = string(otlp, number_of(function, 1)), *file = string(otlp, number_of(function, 3));

	attributes_of(otlp, indices, numbers_of(mapped, 5, indices, 8), &of_mapping);
	const char *build_id = attribute(&of_mapping, "process.executable.build_id.gnu");

	fprintf(otlp->text, "  %s | %s | %s:%llu | %s%s%s | %llx\n", type ? type : "-", name, file,
		number_of(line.piece, 2), mapping, build_id ? " " : "", build_id ? build_id : "", number_of(wire, 2));
	attributes_free(&of_mapping);
	fprintf(otlp->folded, ";%s", name);
	if (type && !strcmp(type, "kernel"))
		fputs("_[k]", otlp->folded);
	else if (type && !strcmp(type, "cpython"))
		fprintf(otlp->folded, number_of(line.piece, 2) ? " (%s:%llu)" : " (%s:?)", file,
			number_of(line.piece, 2));
	else if (*mapping && strncmp(name, "0x", 2))
		fprintf(otlp->folded, " (%s)", mapping);
	attributes_free(&attributes);
}

static void put_named(const struct attributes *attributes, const char *name, const char *number, const char *between,
		      FILE *out)
{
	const char *text = attribute(attributes, name), *id = attribute(attributes, number);

	if (!text && !id)
		return;
	fprintf(out, "%s%s", between, text ? text : "?");
	if (id)
		fprintf(out, " (%s)", id);
}

/* ---- samples ---- */

struct identity {
	u64 stack, link, attributes[16];
	size_t attribute_cnt;
};

static void put_sample(struct otlp *otlp, struct wire wire, struct identity *ret)
{
	struct attributes attributes;
	u64 values[8], locations[4096], times[8];
	size_t value_cnt = numbers_of(wire, 4, values, 8), cnt;

	*ret = (struct identity){.stack = number_of(wire, 1), .link = number_of(wire, 3)};
	ret->attribute_cnt = numbers_of(wire, 2, ret->attributes, 16);
	cr_assert_eq(numbers_of(wire, 5, times, 8), 0);
	cr_assert_eq(value_cnt, 1, "one value for each sample");
	row(otlp, LINKS, ret->link);
	attributes_of(otlp, ret->attributes, ret->attribute_cnt, &attributes);
	fprintf(otlp->text, "sample %llu", values[0]);
	for (size_t i = 0; i < attributes.cnt; i++)
		fprintf(otlp->text, " %s=%s", attributes.keys[i], attributes.values[i]);
	fputs("\n", otlp->text);
	put_named(&attributes, "process.executable.name", "process.pid", "", otlp->folded);
	put_named(&attributes, "thread.name", "thread.id", ";", otlp->folded);
	cnt = numbers_of(row(otlp, STACKS, ret->stack), 1, locations, 4096);
	while (cnt)
		put_location(otlp, locations[--cnt]);
	fprintf(otlp->folded, " %llu\n", values[0]);
	attributes_free(&attributes);
}

static void put_type(struct otlp *otlp, const char *what, struct wire wire)
{
	fprintf(otlp->text, "%s %s/%s\n", what, string(otlp, number_of(wire, 1)), string(otlp, number_of(wire, 2)));
}

static void put_id(struct otlp *otlp, struct wire wire)
{
	cr_assert_eq(wire_size(&wire), 16);
	fputs("id ", otlp->text);
	for (const u8 *at = wire.at; at < wire.end; at++)
		fprintf(otlp->text, "%02x", *at);
	fputs("\n", otlp->text);
}

static void put_profile(struct otlp *otlp, struct wire wire)
{
	struct identity *known = calloc(ROWS_MAX, sizeof(*known));
	struct wire_field field;
	size_t cnt = 0;

	cr_assert(find(wire, 1, &field), "a profile without its sample type");
	put_type(otlp, "type", field.piece);
	if (find(wire, 5, &field))
		put_type(otlp, "period type", field.piece);
	cr_assert(!find(wire, 3, &field) || field.type == 1, "the time is a fixed64");
	fprintf(otlp->text, "time %llu duration %llu period %llu\n", number_of(wire, 3), number_of(wire, 4),
		number_of(wire, 6));
	while (wire_next(&wire, &field)) {
		cr_assert_leq(field.number, 7, "a field that we do not write");
		if (field.number == 7)
			put_id(otlp, field.piece);
		if (field.number != 2)
			continue;
		cr_assert_lt(cnt, ROWS_MAX);
		put_sample(otlp, field.piece, &known[cnt]);
		for (size_t i = 0; i < cnt; i++)
			cr_assert(memcmp(&known[i], &known[cnt], sizeof(*known)), "two samples are the same one");
		cnt++;
	}
	free(known);
}

static void put_scope(struct otlp *otlp, struct wire wire)
{
	struct wire_field field;

	cr_assert(find(wire, 1, &field));
	put_key_values(field.piece, 3, "scope", otlp->text);
	while (wire_next(&wire, &field))
		if (field.number == 2)
			put_profile(otlp, field.piece);
}

static void put_resource(struct otlp *otlp, struct wire wire)
{
	struct wire_field field;

	cr_assert(find(wire, 1, &field));
	put_key_values(field.piece, 1, "resource", otlp->text);
	while (wire_next(&wire, &field))
		if (field.number == 2)
			put_scope(otlp, field.piece);
}

/* ---- the dictionary ---- */

static void dictionary_read(struct otlp *otlp, struct wire wire)
{
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		cr_assert(field.number <= TABLE_CNT, "the dictionary has no table %u", field.number);
		size_t *cnt = &otlp->cnt[field.number - 1];

		cr_assert_lt(*cnt, ROWS_MAX);
		cr_assert_eq(field.type, 2);
		if (field.number - 1 == STRINGS)
			cr_assert(utf8_is_valid(field.piece.at, wire_size(&field.piece)));
		otlp->rows[field.number - 1][(*cnt)++] = field.piece;
	}
	for (int table = 0; table < TABLE_CNT; table++) {
		cr_assert(otlp->cnt[table], "table %d has no first row", table);
		cr_assert_eq(wire_size(&otlp->rows[table][0]), 0, "the first row of table %d is not empty", table);
	}
}

/* What is in a table is used, and there once. */
static void check_rows(const struct otlp *otlp)
{
	for (int table = 0; table < TABLE_CNT; table++) {
		for (size_t i = 1; i < otlp->cnt[table]; i++) {
			const struct wire *row = &otlp->rows[table][i];

			cr_assert(otlp->used[table][i], "nothing refers to row %zu of table %d", i, table);
			for (size_t k = 0; k < i; k++) {
				const struct wire *other = &otlp->rows[table][k];

				cr_assert(wire_size(row) != wire_size(other) ||
						  memcmp(row->at, other->at, wire_size(row)),
					  "rows %zu and %zu of table %d are the same", i, k, table);
			}
		}
	}
}

static void decode(const void *bytes, size_t size, char **ret_text, char **ret_folded)
{
	struct otlp *otlp = calloc(1, sizeof(*otlp));
	struct wire wire = wire_of(bytes, size);
	size_t text_size, folded_size;
	struct wire_field field;

	otlp->text = open_memstream(ret_text, &text_size);
	otlp->folded = open_memstream(ret_folded, &folded_size);
	cr_assert(find(wire, 2, &field), "no dictionary");
	dictionary_read(otlp, field.piece);
	while (wire_next(&wire, &field))
		if (field.number == 1)
			put_resource(otlp, field.piece);
	check_rows(otlp);
	fclose(otlp->text);
	fclose(otlp->folded);
	free(otlp);
}

char *otlp_text_of(const void *bytes, size_t size)
{
	char *text, *folded;

	decode(bytes, size, &text, &folded);
	free(folded);
	return text;
}

char *otlp_folded_of(const void *bytes, size_t size)
{
	char *text, *folded;

	decode(bytes, size, &text, &folded);
	char *sorted = folded_lines_sort(folded);
	free(text);
	free(folded);
	return sorted;
}
