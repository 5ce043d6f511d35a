/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "decode_pprof.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folded_lines.h"

#define ADD(pprof, list, row)                                   \
	do {                                                    \
		cr_assert_lt((pprof)->list##_cnt, DECODED_MAX); \
		(pprof)->list##s[(pprof)->list##_cnt++] = row;  \
	} while (0)

static struct decoded_mapping decode_mapping(struct wire wire)
{
	struct decoded_mapping row = {0};
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row.id = field.value;
		if (field.number == 5)
			row.filename = field.value;
		if (field.number == 6)
			row.build_id = field.value;
		if (field.number == 7)
			row.has_functions = field.value;
	}
	return row;
}

static void decode_line(struct wire wire, struct decoded_location *row)
{
	struct wire_field field;

	cr_assert_eq(row->function, 0, "we write one line for each location");
	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row->function = field.value;
		if (field.number == 2)
			row->line = field.value;
	}
}

static struct decoded_location decode_location(struct wire wire)
{
	struct decoded_location row = {0};
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row.id = field.value;
		if (field.number == 2)
			row.mapping = field.value;
		if (field.number == 3)
			row.address = field.value;
		if (field.number == 4)
			decode_line(field.piece, &row);
	}
	return row;
}

static struct decoded_function decode_function(struct wire wire)
{
	struct decoded_function row = {0};
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row.id = field.value;
		if (field.number == 2)
			row.name = field.value;
		if (field.number == 3)
			row.system_name = field.value;
		if (field.number == 4)
			row.filename = field.value;
	}
	return row;
}

static struct decoded_label decode_label(struct wire wire)
{
	struct decoded_label row = {0};
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row.key = field.value;
		if (field.number == 2)
			row.str = field.value;
		if (field.number == 3)
			row.num = field.value;
	}
	return row;
}

static struct decoded_sample *decode_sample(struct wire wire)
{
	struct decoded_sample *row = calloc(1, sizeof(*row));
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			row->location_cnt = wire_numbers(&field, row->locations, row->location_cnt, DECODED_DEPTH_MAX);
		if (field.number == 2)
			row->value_cnt = wire_numbers(&field, row->values, row->value_cnt, 4);
		if (field.number == 3) {
			cr_assert_lt(row->label_cnt, 32);
			row->labels[row->label_cnt++] = decode_label(field.piece);
		}
	}
	return row;
}

static void decode_type(struct wire wire, u64 *ret_type, u64 *ret_unit)
{
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		if (field.number == 1)
			*ret_type = field.value;
		if (field.number == 2)
			*ret_unit = field.value;
	}
}

static void decode_field(struct decoded_pprof *pprof, const struct wire_field *field)
{
	switch (field->number) {
	case 1:
		cr_assert_lt(pprof->type_cnt, 4);
		decode_type(field->piece, &pprof->types[pprof->type_cnt], &pprof->units[pprof->type_cnt]);
		pprof->type_cnt++;
		break;
	case 2:
		ADD(pprof, sample, decode_sample(field->piece));
		break;
	case 3:
		ADD(pprof, mapping, decode_mapping(field->piece));
		break;
	case 4:
		ADD(pprof, location, decode_location(field->piece));
		break;
	case 5:
		ADD(pprof, function, decode_function(field->piece));
		break;
	case 6:
		ADD(pprof, string, wire_text(field));
		break;
	case 9:
		pprof->time_ns = field->value;
		break;
	case 10:
		pprof->duration_ns = field->value;
		break;
	case 11:
		decode_type(field->piece, &pprof->period_type, &pprof->period_unit);
		break;
	case 12:
		pprof->period = field->value;
		break;
	case 13:
		pprof->comment_cnt = wire_numbers(field, pprof->comments, pprof->comment_cnt, 64);
		break;
	case 14:
		pprof->default_type = field->value;
		break;
	default:
		cr_assert_fail("pprof has no field %u that we write", field->number);
	}
}

/* ---- the rules ---- */

static void expect_string(const struct decoded_pprof *pprof, u64 index)
{
	cr_assert_lt(index, pprof->string_cnt, "a string that is not there: %llu", index);
}

static const struct decoded_function *function_at(const struct decoded_pprof *pprof, u64 id)
{
	for (size_t i = 0; i < pprof->function_cnt; i++)
		if (pprof->functions[i].id == id)
			return &pprof->functions[i];
	cr_assert(false, "no function %llu", id);
	return NULL;
}

static const struct decoded_mapping *mapping_at(const struct decoded_pprof *pprof, u64 id)
{
	for (size_t i = 0; i < pprof->mapping_cnt; i++)
		if (pprof->mappings[i].id == id)
			return &pprof->mappings[i];
	cr_assert(false, "no mapping %llu", id);
	return NULL;
}

static const struct decoded_location *location_at(const struct decoded_pprof *pprof, u64 id)
{
	for (size_t i = 0; i < pprof->location_cnt; i++)
		if (pprof->locations[i].id == id)
			return &pprof->locations[i];
	cr_assert(false, "no location %llu", id);
	return NULL;
}

static void check_ids(const struct decoded_pprof *pprof)
{
	for (size_t i = 0; i < pprof->mapping_cnt; i++) {
		cr_assert_neq(pprof->mappings[i].id, 0);
		expect_string(pprof, pprof->mappings[i].filename);
		expect_string(pprof, pprof->mappings[i].build_id);
		cr_assert_eq(mapping_at(pprof, pprof->mappings[i].id), &pprof->mappings[i], "two have one id");
	}
	for (size_t i = 0; i < pprof->function_cnt; i++) {
		cr_assert_neq(pprof->functions[i].id, 0);
		expect_string(pprof, pprof->functions[i].name);
		expect_string(pprof, pprof->functions[i].filename);
		cr_assert_eq(pprof->functions[i].system_name, 0, "pprof would demangle it");
		cr_assert_eq(function_at(pprof, pprof->functions[i].id), &pprof->functions[i], "two have one id");
	}
	for (size_t i = 0; i < pprof->location_cnt; i++) {
		cr_assert_neq(pprof->locations[i].id, 0);
		function_at(pprof, pprof->locations[i].function);
		if (pprof->locations[i].mapping)
			mapping_at(pprof, pprof->locations[i].mapping);
		cr_assert_eq(location_at(pprof, pprof->locations[i].id), &pprof->locations[i], "two have one id");
	}
}

static void check_labels(const struct decoded_pprof *pprof, const struct decoded_sample *sample)
{
	for (size_t i = 0; i < sample->label_cnt; i++) {
		const struct decoded_label *label = &sample->labels[i];

		expect_string(pprof, label->key);
		expect_string(pprof, label->str);
		cr_assert_neq(label->key, 0);
		cr_assert(!label->str != !label->num, "a label is a text or a number");
		cr_assert(strncmp(pprof->strings[label->key], "pprof::", 7), "a name that pprof keeps for itself");
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(sample->labels[k].key, label->key, "a label twice");
	}
}

static void check_strings(const struct decoded_pprof *pprof)
{
	cr_assert(pprof->string_cnt && !*pprof->strings[0], "the first string is empty");
	for (size_t i = 0; i < pprof->string_cnt; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert(strcmp(pprof->strings[i], pprof->strings[k]), "'%s' twice", pprof->strings[i]);
}

static void check(const struct decoded_pprof *pprof)
{
	check_strings(pprof);
	check_ids(pprof);
	cr_assert_geq(pprof->type_cnt, 1);
	for (size_t i = 0; i < pprof->type_cnt; i++) {
		expect_string(pprof, pprof->types[i]);
		expect_string(pprof, pprof->units[i]);
	}
	expect_string(pprof, pprof->period_type);
	expect_string(pprof, pprof->default_type);
	for (size_t i = 0; i < pprof->comment_cnt; i++)
		expect_string(pprof, pprof->comments[i]);
	for (size_t i = 0; i < pprof->sample_cnt; i++) {
		const struct decoded_sample *sample = pprof->samples[i];

		cr_assert_eq(sample->value_cnt, pprof->type_cnt, "a value for each type");
		for (size_t k = 0; k < sample->location_cnt; k++)
			location_at(pprof, sample->locations[k]);
		check_labels(pprof, sample);
	}
}

struct decoded_pprof *pprof_decode(const void *gzipped, size_t size)
{
	struct decoded_pprof *pprof = calloc(1, sizeof(*pprof));
	struct wire_field field;
	size_t plain_size;
	u8 *plain = gunzip(gzipped, size, &plain_size);
	struct wire wire = wire_of(plain, plain_size);

	while (wire_next(&wire, &field))
		decode_field(pprof, &field);
	free(plain);
	check(pprof);
	return pprof;
}

void decoded_free(struct decoded_pprof *pprof)
{
	for (size_t i = 0; i < pprof->string_cnt; i++)
		free(pprof->strings[i]);
	for (size_t i = 0; i < pprof->sample_cnt; i++)
		free(pprof->samples[i]);
	free(pprof);
}

/* ---- back to text ---- */

static const struct decoded_label *label_of(const struct decoded_pprof *pprof, const struct decoded_sample *sample,
					    const char *name)
{
	for (size_t i = 0; i < sample->label_cnt; i++)
		if (!strcmp(pprof->strings[sample->labels[i].key], name))
			return &sample->labels[i];
	return NULL;
}

/* "COMM (PID)", as far as there are labels for it. */
static void put_process(const struct decoded_pprof *pprof, const struct decoded_sample *sample, const char *name,
			const char *number, const char *between, FILE *out)
{
	const struct decoded_label *text = label_of(pprof, sample, name), *id = label_of(pprof, sample, number);

	if (!text && !id)
		return;
	fprintf(out, "%s%s", between, text ? pprof->strings[text->str] : "?");
	if (id)
		fprintf(out, " (%llu)", id->num);
}

static void put_frame(const struct decoded_pprof *pprof, const struct decoded_location *location, FILE *out)
{
	const struct decoded_function *function = function_at(pprof, location->function);
	const char *name = pprof->strings[function->name];
	const char *file = location->mapping ? pprof->strings[mapping_at(pprof, location->mapping)->filename] : "";

	fprintf(out, ";%s", name);
	if (!strcmp(file, "[kernel.kallsyms]"))
		fputs("_[k]", out);
	else if (!strcmp(file, "[python]"))
		fprintf(out, location->line ? " (%s:%llu)" : " (%s:?)", pprof->strings[function->filename],
			location->line);
	else if (*file && strcmp(file, "[pyprof-bpf]") && strncmp(name, "0x", 2))
		fprintf(out, " (%s)", file);
}

char *decoded_folded(const struct decoded_pprof *pprof)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < pprof->sample_cnt; i++) {
		const struct decoded_sample *sample = pprof->samples[i];

		put_process(pprof, sample, "comm", "pid", "", out);
		put_process(pprof, sample, "thread_name", "tid", ";", out);
		for (size_t k = sample->location_cnt; k-- > 0;)
			put_frame(pprof, location_at(pprof, sample->locations[k]), out);
		fprintf(out, " %llu\n", sample->values[0]);
	}
	fclose(out);
	char *sorted = folded_lines_sort(text);
	free(text);
	return sorted;
}

static void put_rows(const struct decoded_pprof *pprof, FILE *out)
{
	for (size_t i = 0; i < pprof->mapping_cnt; i++)
		fprintf(out, "mapping %llu: %s%s%s\n", pprof->mappings[i].id,
			pprof->strings[pprof->mappings[i].filename], pprof->mappings[i].build_id ? " " : "",
			pprof->strings[pprof->mappings[i].build_id]);
	for (size_t i = 0; i < pprof->location_cnt; i++) {
		const struct decoded_location *location = &pprof->locations[i];
		const struct decoded_function *function = function_at(pprof, location->function);

		fprintf(out, "location %llu: mapping %llu address %llx %s %s:%llu\n", location->id, location->mapping,
			location->address, pprof->strings[function->name], pprof->strings[function->filename],
			location->line);
	}
}

static void put_sample(const struct decoded_pprof *pprof, const struct decoded_sample *sample, FILE *out)
{
	fputs("sample", out);
	for (size_t i = 0; i < sample->value_cnt; i++)
		fprintf(out, " %llu", sample->values[i]);
	fputs(":", out);
	for (size_t i = 0; i < sample->location_cnt; i++)
		fprintf(out, " %llu", sample->locations[i]);
	for (size_t i = 0; i < sample->label_cnt; i++) {
		const struct decoded_label *label = &sample->labels[i];

		fprintf(out, " %s=", pprof->strings[label->key]);
		if (label->str)
			fputs(pprof->strings[label->str], out);
		else
			fprintf(out, "%llu", label->num);
	}
	fputs("\n", out);
}

char *decoded_text(const struct decoded_pprof *pprof)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < pprof->type_cnt; i++)
		fprintf(out, "type %s/%s%s\n", pprof->strings[pprof->types[i]], pprof->strings[pprof->units[i]],
			pprof->types[i] == pprof->default_type ? " (default)" : "");
	fprintf(out, "time %llu duration %llu period %llu %s/%s\n", pprof->time_ns, pprof->duration_ns, pprof->period,
		pprof->strings[pprof->period_type], pprof->strings[pprof->period_unit]);
	for (size_t i = 0; i < pprof->comment_cnt; i++)
		fprintf(out, "comment %s\n", pprof->strings[pprof->comments[i]]);
	put_rows(pprof, out);
	for (size_t i = 0; i < pprof->sample_cnt; i++)
		put_sample(pprof, pprof->samples[i], out);
	fclose(out);
	return text;
}
