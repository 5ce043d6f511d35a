/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/check_chains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t cnt, size_t size)
{
	void *memory = calloc(cnt + 1, size);

	if (!memory)
		abort();
	return memory;
}

static size_t lines_of(const char *text)
{
	size_t cnt = 0;

	for (; *text; text++)
		cnt += *text == '\n';
	return cnt;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- the truth */

static u32 name_find(const struct chains *chains, const char *name)
{
	char **at = bsearch(&name, chains->names, chains->name_cnt, sizeof(*chains->names), compare_strings);

	return at ? (u32)(at - chains->names) : CHAIN_NOBODY;
}

bool chains_know(const struct chains *chains, const char *frame)
{
	return name_find(chains, frame) != CHAIN_NOBODY;
}

/* As the truth has it: `-` and `*` are no names. */
static u32 end_of_pair(const struct chains *chains, const char *name)
{
	return !strcmp(name, "-") ? CHAIN_OUTSIDE : !strcmp(name, "*") ? CHAIN_ANYWHERE : name_find(chains, name);
}

struct truth_line {
	char *caller, *callee;
	u32 min, max;
};

static bool number_parse(const char *text, u32 *ret)
{
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	if (!text || end == text || *end || value > 1000)
		return false;
	*ret = (u32)value;
	return true;
}

/* Cuts the line in place. */
static bool truth_line_parse(char *line, struct truth_line *ret)
{
	ret->caller = strsep(&line, "\t");
	ret->callee = strsep(&line, "\t");
	return ret->callee && *ret->caller && *ret->callee && number_parse(strsep(&line, "\t"), &ret->min) &&
	       number_parse(strsep(&line, "\t"), &ret->max) && !line && ret->min <= ret->max;
}

static void names_collect(struct chains *chains, const struct truth_line *lines, size_t cnt)
{
	size_t unique = 0;

	chains->names = allocate(2 * cnt, sizeof(*chains->names));
	for (size_t i = 0; i < cnt; i++) {
		if (lines[i].caller[1])
			chains->names[chains->name_cnt++] = lines[i].caller;
		if (lines[i].callee[1])
			chains->names[chains->name_cnt++] = lines[i].callee;
	}
	qsort(chains->names, chains->name_cnt, sizeof(*chains->names), compare_strings);
	for (size_t i = 0; i < chains->name_cnt; i++)
		if (!i || strcmp(chains->names[i], chains->names[i - 1]))
			chains->names[unique++] = chains->names[i];
	chains->name_cnt = unique;
}

const char *chains_parse(const char *text, struct chains *ret)
{
	struct chains chains = {.text = strdup(text)};
	size_t cnt = lines_of(text), starts = 0;
	struct truth_line *lines = allocate(cnt, sizeof(*lines));
	const char *problem = cnt && text[strlen(text) - 1] == '\n' ? NULL : "the truth is empty or cut off";
	char *at = chains.text;

	for (size_t i = 0; i < cnt && !problem; i++)
		if (!truth_line_parse(strsep(&at, "\n"), &lines[i]))
			problem = "a line of the truth is no pair";
	if (!problem) {
		names_collect(&chains, lines, cnt);
		chains.pairs = allocate(cnt, sizeof(*chains.pairs));
		chains.pair_cnt = cnt;
	}
	for (size_t i = 0; i < chains.pair_cnt; i++) {
		chains.pairs[i] = (struct chain_pair){.caller = end_of_pair(&chains, lines[i].caller),
						      .callee = end_of_pair(&chains, lines[i].callee),
						      .min = lines[i].min,
						      .max = lines[i].max};
		starts += chains.pairs[i].caller == CHAIN_OUTSIDE;
	}
	if (!problem && !starts)
		problem = "the truth begins nowhere";
	free(lines);
	if (problem)
		chains_free(&chains);
	else
		*ret = chains;
	return problem;
}

void chains_free(struct chains *chains)
{
	free(chains->names);
	free(chains->pairs);
	free(chains->text);
	*chains = (struct chains){0};
}

/* ---- one stack */

static struct chain_pair *pair_find(const struct chains *chains, u32 caller, u32 callee)
{
	for (size_t i = 0; i < chains->pair_cnt; i++)
		if (chains->pairs[i].caller == caller && chains->pairs[i].callee == callee)
			return &chains->pairs[i];
	return NULL;
}

/* Frames of others that may stand innermost, in this function. */
static u32 leaf_max(const struct chains *chains, u32 name)
{
	const struct chain_pair *pair = pair_find(chains, name, CHAIN_OUTSIDE);

	return pair ? pair->max : 0;
}

static bool has_signals(const struct chains *chains)
{
	for (size_t i = 0; i < chains->pair_cnt; i++)
		if (chains->pairs[i].caller == CHAIN_ANYWHERE)
			return true;
	return false;
}

static bool fits(const struct chain_pair *pair, u32 others)
{
	return pair && others >= pair->min && others <= pair->max;
}

/* The pair that lets callee follow caller with so many others between; NULL when there is none. */
static struct chain_pair *step_find(const struct chains *chains, u32 caller, u32 callee, u32 others)
{
	struct chain_pair *pair = pair_find(chains, caller, callee);

	if (fits(pair, others))
		return pair;
	/* What was interrupted may have been one of the others; and one that the handler's end. */
	pair = pair_find(chains, CHAIN_ANYWHERE, callee);
	if (!pair || caller == CHAIN_OUTSIDE || others < pair->min || others > pair->max + leaf_max(chains, caller) + 1)
		return NULL;
	return pair;
}

static bool may_end(const struct chains *chains, u32 leaf, u32 others)
{
	if (leaf == CHAIN_OUTSIDE)
		return fits(pair_find(chains, CHAIN_OUTSIDE, CHAIN_OUTSIDE), others);
	/* A handler returns to a frame of its own. */
	return others <= leaf_max(chains, leaf) + has_signals(chains);
}

enum stack_kind { STACK_RIGHT, STACK_INCOMPLETE, STACK_WRONG };

/* With count, adds it to what the stack consists of. *ret_others: frames of others innermost. */
static enum stack_kind walk(const struct folded_line *line, const struct chains *chains, u64 count, u32 *ret_others)
{
	size_t end = line->frame_cnt;
	u32 caller = CHAIN_OUTSIDE, others = 0;

	for (size_t i = 1; i < end; i++)
		if (*line->frames[i] == '[' && frame_kind_of(line->frames[i]) >= FRAME_UNKNOWN)
			return STACK_INCOMPLETE;
	while (end > 1 && frame_kind_of(line->frames[end - 1]) == FRAME_KERNEL)
		end--;
	for (size_t i = 1; i < end; i++) {
		u32 name = name_find(chains, line->frames[i]);
		if (name == CHAIN_NOBODY) {
			others++;
			continue;
		}
		struct chain_pair *pair = step_find(chains, caller, name, others);
		if (!pair)
			return STACK_WRONG;
		pair->seen += count;
		caller = name;
		others = 0;
	}
	*ret_others = others;
	return may_end(chains, caller, others) ? STACK_RIGHT : STACK_WRONG;
}

static void stack_print(const struct folded_line *line, char *ret, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < line->frame_cnt && at < size; i++)
		at += (size_t)snprintf(ret + at, size - at, "%s%s", i ? ";" : "", line->frames[i]);
}

static void pair_print(const struct chains *chains, const struct chain_pair *pair, char *ret, size_t size)
{
	snprintf(ret, size, "%s -> %s", pair->caller < chains->name_cnt ? chains->names[pair->caller] : "(outside)",
		 pair->callee < chains->name_cnt ? chains->names[pair->callee] : "(outside)");
}

struct chain_verdict check_chains(const struct folded *folded, struct chains *chains)
{
	struct chain_verdict verdict = {0};

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		u32 others = 0;

		verdict.samples += line->count;
		switch (walk(line, chains, 0, &others)) {
		case STACK_RIGHT:
			walk(line, chains, line->count, &others);
			verdict.right += line->count;
			verdict.others += others ? line->count : 0;
			break;
		case STACK_INCOMPLETE:
			verdict.incomplete += line->count;
			if (!*verdict.first_incomplete)
				stack_print(line, verdict.first_incomplete, sizeof(verdict.first_incomplete));
			break;
		case STACK_WRONG:
			verdict.wrong += line->count;
			if (!*verdict.first_wrong)
				stack_print(line, verdict.first_wrong, sizeof(verdict.first_wrong));
		}
	}
	for (size_t i = 0; i < chains->pair_cnt; i++) {
		const struct chain_pair *pair = &chains->pairs[i];
		if (pair->seen || pair->callee == CHAIN_OUTSIDE)
			continue;
		if (!verdict.unseen++)
			pair_print(chains, pair, verdict.first_unseen, sizeof(verdict.first_unseen));
	}
	return verdict;
}

/* ---- names for stripped files */

const char *symbols_parse(const char *text, const char *file, struct symbols *ret)
{
	struct symbols symbols = {.at = allocate(lines_of(text), sizeof(*symbols.at))};

	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		unsigned long long address;
		char type, name[200];

		if (sscanf(line, "%llx %c %199s", &address, &type, name) == 3 && strchr("tTwWi", type)) {
			char *cold = strstr(name, ".cold");
			if (cold)
				*cold = 0;
			struct named_address *at = &symbols.at[symbols.cnt];
			if (symbols.cnt && address < at[-1].address) {
				symbols_free(&symbols);
				return "the symbols are in no order: was that `nm -n`?";
			}
			at->address = address;
			if (asprintf(&at->frame, "%s (%s)", name, file) < 0)
				abort();
			symbols.cnt++;
		}
		line = *end ? end + 1 : end;
	}
	if (!symbols.cnt) {
		symbols_free(&symbols);
		return "no symbols";
	}
	*ret = symbols;
	return NULL;
}

void symbols_free(struct symbols *symbols)
{
	for (size_t i = 0; i < symbols->cnt; i++)
		free(symbols->at[i].frame);
	free(symbols->at);
	*symbols = (struct symbols){0};
}

static char *symbol_find(const struct symbols *symbols, u64 address)
{
	char *frame = NULL;

	for (size_t i = 0; i < symbols->cnt && symbols->at[i].address <= address; i++)
		frame = symbols->at[i].frame;
	return frame;
}

void symbols_apply(const struct symbols *symbols, const char *file, struct folded *folded)
{
	for (size_t i = 0; i < folded->cnt; i++) {
		struct folded_line *line = &folded->lines[i];
		for (size_t j = 1; j < line->frame_cnt; j++) {
			unsigned long long address;
			char found[200];
			if (sscanf(line->frames[j], "0x%llx (%199[^)])", &address, found) != 2 || strcmp(found, file))
				continue;
			char *frame = symbol_find(symbols, address);
			if (frame)
				line->frames[j] = frame;
		}
	}
}
