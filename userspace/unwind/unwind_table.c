/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/unwind_table.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "elf/elf_cfi.h"
#include "unwind/cfi.h"
#include "unwind/cfi_rule.h"
#include "unwind/known_code.h"
#include "unwind/rule_set.h"
#include "unwind/span_list.h"

/*
 * Known code is looked for in code that has no rule, in pieces longer than padding, and
 * in all code of files with .debug_frame: Go and musl say of their returns from signal
 * handlers that they are ordinary functions.
 */
#define MIN_GAP_SIZE	 32
#define MIN_BLOB_SIZE	 (512 << 10)
#define SCAN_CHUNK_SIZE	 (64u << 10)
#define MAX_SCANNED_SIZE (64ull << 20)

struct builder {
	struct elf_file *file;
	struct elf_cfi *cfi;
	u64 scanned_size;
	struct span_list spans;
	struct rule_set rules;
	u32 fde_cnt;
};

static void builder_free(struct builder *builder)
{
	elf_cfi_free(builder->cfi);
	free(builder->spans.at);
	free(builder);
}
DEFINE_CLEANUP(builder, struct builder *, builder_free)

/*
 * From call frame information to spans
 */

/* One FDE on its way. */
struct fde_spans {
	struct builder *builder;
	const struct cfi_cie *cie;
	u16 last; /* rule; RULE_NONE: none yet */
	int err;
};

static void add_row(void *data, u64 start, const struct cfi_state *state)
{
	struct fde_spans *fde = data;

	u16 rule = rule_set_get(&fde->builder->rules, cfi_rule_of(fde->cie, state));
	if (rule == fde->last || fde->err)
		return;
	fde->err = span_list_add(&fde->builder->spans, start, rule);
	fde->last = rule;
}

/* Cuts the FDE to the code that holds its start. False when there is none: a linker has discarded its function. */
static bool clip(const struct elf_cfi *cfi, struct cfi_fde *fde)
{
	for (size_t i = 0; i < cfi->segment_cnt; i++) {
		const struct code_range *segment = &cfi->segments[i];

		if (fde->start < segment->start || fde->start >= segment->end)
			continue;
		if (fde->end > segment->end)
			fde->end = segment->end;
		return fde->end < MAX_SPAN_ADDRESS;
	}
	return false;
}

static bool is_covered(const struct span_list *spans, size_t cnt, u64 address)
{
	ssize_t i = span_list_find(spans, cnt, address);

	return i >= 0 && !span_is_end(spans->at[i]);
}

/* Leaves out FDEs whose start is in a span already. */
static int builder_add_section(struct builder *builder, const struct elf_cfi_section *from, bool debug_frame)
{
	size_t settled = builder->spans.cnt;
	struct cfi_section section = {
		.bytes = from->bytes,
		.size = from->size,
		.address = from->address,
		.debug_frame = debug_frame,
		.ends_at_zero = from->ends_at_zero,
	};
	struct cfi_reader reader;
	struct cfi_fde fde;

	cfi_reader_init(&reader, &section);
	while (cfi_reader_next(&reader, &fde)) {
		struct fde_spans spans = {.builder = builder, .cie = fde.cie};

		if (!clip(builder->cfi, &fde) || (settled && is_covered(&builder->spans, settled, fde.start)))
			continue;
		builder->fde_cnt++;
		cfi_fde_run(&fde, add_row, &spans);
		int err = spans.err ? spans.err : span_list_add_end(&builder->spans, fde.end);
		if (err)
			return err;
	}
	return span_list_settle(&builder->spans);
}

/*
 * Code that is known by its bytes
 */

/* What holds from address on is to begin there, so that something else can end there. */
static int builder_begin(struct builder *builder, size_t settled, u64 address)
{
	ssize_t i = span_list_find(&builder->spans, settled, address);

	if (i < 0 || span_is_end(builder->spans.at[i]))
		return span_list_add_end(&builder->spans, address);
	return span_list_add(&builder->spans, address, span_rule(builder->spans.at[i]));
}

static int builder_scan_bytes(struct builder *builder, size_t settled, const u8 *bytes, size_t size, u64 address)
{
	for (enum known_code code = 0; code < KNOWN_CODE_CNT; code++) {
		struct known_piece piece = {0};

		while (known_code_next(code, bytes, size, piece.end, &piece)) {
			u16 rule = rule_set_get(&builder->rules, piece.rule);
			int err = span_list_add(&builder->spans, address + piece.start, rule);

			if (!err)
				err = builder_begin(builder, settled, address + piece.end);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Chunks overlap, so that nothing is cut; what is found twice is the same. */
static int builder_scan(struct builder *builder, size_t settled, u64 start, u64 end, u8 *chunk)
{
	if (end >= MAX_SPAN_ADDRESS)
		return 0;
	while (start < end && builder->scanned_size < MAX_SCANNED_SIZE) {
		size_t size = end - start < SCAN_CHUNK_SIZE ? end - start : SCAN_CHUNK_SIZE;

		builder->scanned_size += size;
		if (elf_file_read(builder->file, start, chunk, size))
			return 0;
		int err = builder_scan_bytes(builder, settled, chunk, size, start);
		if (err || size < SCAN_CHUNK_SIZE)
			return err;
		start += size - KNOWN_CODE_SIZE;
	}
	return 0;
}

/* The part of a section from `start` on that has no rule. False: there is no more. */
static bool next_gap(const struct span_list *spans, size_t settled, u64 end, struct code_range *gap)
{
	ssize_t i = span_list_find(spans, settled, gap->end);

	gap->start = gap->end;
	if (i >= 0 && !span_is_end(spans->at[i])) {
		/* Not beyond the section: else many small ones would each go through all that follows. */
		while ((size_t)i < settled && !span_is_end(spans->at[i]) && span_address(spans->at[i]) < end)
			i++;
		gap->start = (size_t)i < settled ? span_address(spans->at[i]) : end;
	}
	i++;
	gap->end = i >= 0 && (size_t)i < settled ? span_address(spans->at[i]) : end;
	if (gap->end > end)
		gap->end = end;
	return gap->start < end;
}

static int builder_add_known(struct builder *builder, bool everywhere)
{
	const struct elf_cfi *cfi = builder->cfi;
	size_t settled = builder->spans.cnt;
	_cleanup_(free) u8 *chunk = malloc(SCAN_CHUNK_SIZE);
	int err = chunk ? 0 : -ENOMEM;

	for (size_t s = 0; s < cfi->section_cnt && !err; s++) {
		const struct code_range *section = &cfi->sections[s];
		struct code_range gap = {section->start, section->start};

		if (everywhere)
			err = builder_scan(builder, settled, section->start, section->end, chunk);
		while (!everywhere && !err && next_gap(&builder->spans, settled, section->end, &gap)) {
			if (gap.end - gap.start >= MIN_GAP_SIZE)
				err = builder_scan(builder, settled, gap.start, gap.end, chunk);
		}
	}
	return err ? err : span_list_settle(&builder->spans);
}

/*
 * Much code without a word about it inside of a file that has call frame
 * information is code that a compiler of its own made, as V8's builtins in node's
 * text: such code keeps frame pointers. Tables and padding are smaller.
 */
static int builder_add_blobs(struct builder *builder)
{
	const struct elf_cfi *cfi = builder->cfi;
	const struct unwind_rule frame_pointer = {.cfa = UNWIND_FRAME_POINTER};
	size_t settled = builder->spans.cnt;
	int err = 0;

	for (size_t s = 0; s < cfi->section_cnt; s++) {
		const struct code_range *section = &cfi->sections[s];
		struct code_range gap = {section->start, section->start};

		while (!err && next_gap(&builder->spans, settled, section->end, &gap)) {
			if (gap.end - gap.start < MIN_BLOB_SIZE || gap.end >= MAX_SPAN_ADDRESS)
				continue;
			err = span_list_add(&builder->spans, gap.start, rule_set_get(&builder->rules, frame_pointer));
			if (!err)
				err = span_list_add_end(&builder->spans, gap.end);
		}
	}
	return err ? err : span_list_settle(&builder->spans);
}

/*
 * From spans to pages
 */

/* Spans that cover code: bytes of sections (meant as code) with a rule. */
static void table_measure(struct unwind_table *table, const struct builder *builder)
{
	const struct span_list *spans = &builder->spans;
	const struct elf_cfi *cfi = builder->cfi;
	size_t i = 0;

	for (size_t s = 0; s < cfi->section_cnt; s++) {
		const struct code_range *section = &cfi->sections[s];

		table->code_size += section->end - section->start;
		for (; i + 1 < spans->cnt && span_address(spans->at[i]) < section->end; i++) {
			u64 start = span_address(spans->at[i]), end = span_address(spans->at[i + 1]);

			start = start > section->start ? start : section->start;
			end = end < section->end ? end : section->end;
			if (!span_is_end(spans->at[i]) && start < end)
				table->covered_size += end - start;
			if (span_address(spans->at[i + 1]) > section->end)
				break; /* it may reach into the next section */
		}
	}
}

/* A page without any rule has no rows; what a search would not find is not claimed. */
static void page_finish(struct unwind_table *table, struct unwind_page *page)
{
	struct unwind_row *rows = &table->rows[page->row];

	page->cnt = table->row_cnt - page->row;
	if (page->cnt == 1 && rows[0].rule == RULE_NONE)
		page->cnt = 0;
	if (page->cnt > MAX_ROWS_IN_PAGE) {
		page->cnt = MAX_ROWS_IN_PAGE;
		rows[MAX_ROWS_IN_PAGE - 1].rule = RULE_UNSUPPORTED;
	}
	table->row_cnt = page->row + page->cnt;
}

static void table_add_row(struct unwind_table *table, u64 address, u16 rule)
{
	table->rows[table->row_cnt++] = (struct unwind_row){.pc = address % UNWIND_PAGE_SIZE, .rule = rule};
}

/* rows has room for a row of each span and one more of each page. */
static void table_fill(struct unwind_table *table, const struct span_list *spans)
{
	u16 current = RULE_NONE;
	size_t next = 0;

	for (u32 i = 0; i < table->page_cnt; i++) {
		u64 start = (table->first + i) << UNWIND_PAGE_SHIFT, end = start + UNWIND_PAGE_SIZE;
		struct unwind_page *page = &table->pages[i];

		page->row = table->row_cnt;
		if (next == spans->cnt || span_address(spans->at[next]) > start)
			table_add_row(table, start, current);
		for (; next < spans->cnt && span_address(spans->at[next]) < end; next++) {
			current = span_rule(spans->at[next]);
			table_add_row(table, span_address(spans->at[next]), current);
		}
		page_finish(table, page);
	}
}

static int table_take_spans(struct unwind_table *table, const struct span_list *spans)
{
	if (!spans->cnt)
		return 0;

	/* The last span is an end, and never the first one. */
	u64 last = (span_address(spans->at[spans->cnt - 1]) - 1) >> UNWIND_PAGE_SHIFT;
	table->first = span_address(spans->at[0]) >> UNWIND_PAGE_SHIFT;
	if (last - table->first >= MAX_UNWIND_PAGES)
		return -E2BIG;
	table->page_cnt = (u32)(last - table->first) + 1;
	table->pages = calloc(table->page_cnt, sizeof(*table->pages));
	table->rows = calloc(spans->cnt + table->page_cnt, sizeof(*table->rows));
	if (!table->pages || !table->rows)
		return -ENOMEM;
	table_fill(table, spans);

	struct unwind_row *fitting = realloc(table->rows, (table->row_cnt + 1) * sizeof(*table->rows));
	if (fitting)
		table->rows = fitting;
	return 0;
}

static int table_take_rules(struct unwind_table *table, const struct rule_set *rules)
{
	table->rules = calloc(rules->cnt, sizeof(*table->rules));
	if (!table->rules)
		return -ENOMEM;
	memcpy(table->rules, rules->rules, rules->cnt * sizeof(*table->rules));
	table->rule_cnt = rules->cnt;
	return 0;
}

static void table_count_unsupported(struct unwind_table *table)
{
	for (u32 i = 0; i < table->row_cnt; i++)
		table->unsupported_cnt += UNWIND_KIND(&table->rules[table->rows[i].rule]) == UNWIND_UNSUPPORTED;
}

static void table_set_key(struct unwind_table *table)
{
	u64 numbers[] = {table->first, table->page_cnt, table->row_cnt, table->rule_cnt, table->frame_pointers};
	XXH3_state_t state;

	XXH3_128bits_reset(&state);
	XXH3_128bits_update(&state, numbers, sizeof(numbers));
	XXH3_128bits_update(&state, table->pages, table->page_cnt * sizeof(*table->pages));
	XXH3_128bits_update(&state, table->rows, table->row_cnt * sizeof(*table->rows));
	XXH3_128bits_update(&state, table->rules, table->rule_cnt * sizeof(*table->rules));
	XXH128_hash_t hash = XXH3_128bits_digest(&state);
	table->key[0] = hash.low64;
	table->key[1] = hash.high64;
}

/*
 * All of it
 */

static const char *source_of(bool eh_frame, bool debug_frame)
{
	if (eh_frame)
		return debug_frame ? ".eh_frame, .debug_frame" : ".eh_frame";
	return debug_frame ? ".debug_frame" : "";
}

static int builder_collect(struct builder *builder, struct unwind_table *table)
{
	const struct elf_cfi *cfi = builder->cfi;

	int err = builder_add_section(builder, &cfi->eh_frame, false);
	u32 eh_frame = builder->fde_cnt;
	if (!err)
		err = builder_add_section(builder, &cfi->debug_frame, true);
	if (err)
		return err;
	table->source = source_of(eh_frame, builder->fde_cnt > eh_frame);
	err = builder_add_known(builder, builder->fde_cnt > eh_frame);
	if (err)
		return err;
	table->fde_cnt = builder->fde_cnt;
	table->frame_pointers = cfi->go || !builder->fde_cnt;
	return table->frame_pointers ? 0 : builder_add_blobs(builder);
}

int unwind_table_build(struct elf_file *file, struct unwind_table **ret)
{
	_cleanup_(unwind_table) struct unwind_table *table = calloc(1, sizeof(*table));
	_cleanup_(builder) struct builder *builder = calloc(1, sizeof(*builder));
	if (!table || !builder)
		return -ENOMEM;

	builder->file = file;
	rule_set_init(&builder->rules);
	int err = elf_cfi_read(file, &builder->cfi);
	if (!err && builder->cfi->machine != CFI_RULE_MACHINE)
		err = -ENOEXEC;
	if (!err)
		err = builder_collect(builder, table);
	if (!err)
		err = table_take_spans(table, &builder->spans);
	if (!err)
		err = table_take_rules(table, &builder->rules);
	if (err)
		return err;
	table_count_unsupported(table);
	table_measure(table, builder);
	table_set_key(table);
	*ret = take(table);
	return 0;
}

void unwind_table_free(struct unwind_table *table)
{
	if (!table)
		return;
	free(table->pages);
	free(table->rows);
	free(table->rules);
	free(table);
}

const struct unwind_rule *unwind_table_find(const struct unwind_table *table, u64 address)
{
	u64 index = (address >> UNWIND_PAGE_SHIFT) - table->first;

	if (index >= table->page_cnt || !table->pages[index].cnt)
		return &table->rules[RULE_NONE];

	const struct unwind_row *rows = &table->rows[table->pages[index].row];
	u32 low = 0, high = table->pages[index].cnt;
	while (high - low > 1) {
		u32 middle = (low + high) / 2;

		if (rows[middle].pc <= address % UNWIND_PAGE_SIZE)
			low = middle;
		else
			high = middle;
	}
	return &table->rules[rows[low].rule];
}
