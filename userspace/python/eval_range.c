/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/eval_range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/eh_index.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define PART_SIZE_MAX (1 << 20) /* bytes; 40 KiB are usual, 200 KiB with the checks of sanitizers */
#define CANDIDATES    64 /* other functions that something in the code looks like a jump into */
#define LOOKUPS_MAX   4096 /* of targets in no candidate yet; real files need some hundred */

/*
 * Jumps between two parts, in both directions. Bytes that only look like a jump hit
 * the middle of one function once or twice; real parts have some hundred.
 */
#define PART_JUMPS 8

/* In the order of preference: 2.7 has no function of the first name, and from 3.6 on the second only calls it. */
static const char *const eval_names[] = {"_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx"};

struct candidate {
	struct code_range range;
	size_t jumps;
};

struct search {
	struct elf_file *elf;
	struct eh_index index;
	struct code_range body;
	struct candidate candidates[CANDIDATES];
	size_t cnt, lookups;
};

static bool is_inside(const struct code_range *range, u64 address)
{
	return address > range->start && address < range->end;
}

/* The distance that a jump to far away goes (jmp rel32, jcc rel32), from its own end; size is what it takes. */
static bool jump_decode(const u8 *code, size_t left, s32 *ret_distance, size_t *ret_size)
{
	size_t opcode = code[0] == 0xe9 ? 1 : left > 1 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80 ? 2 : 0;

	if (!opcode || left < opcode + sizeof(*ret_distance))
		return false;
	memcpy(ret_distance, code + opcode, sizeof(*ret_distance));
	*ret_size = opcode + sizeof(*ret_distance);
	return true;
}

/*
 * Calls visit with the target of whatever may be a jump in this code. Instructions are
 * not told apart: one byte in a hundred only looks like one.
 */
static int jumps_visit(struct elf_file *elf, const struct code_range *range, void (*visit)(void *ctx, u64 target),
		       void *ctx)
{
	size_t size = range->end - range->start;

	if (size > PART_SIZE_MAX)
		return -E2BIG;
	_cleanup_(free) u8 *code = malloc(size + 1);
	if (!code)
		return -ENOMEM;
	int err = elf_file_read(elf, range->start, code, size);
	for (size_t i = 0; !err && i < size; i++) {
		size_t jump_size;
		s32 distance;

		if (jump_decode(code + i, size - i, &distance, &jump_size))
			visit(ctx, range->start + i + jump_size + distance);
	}
	return err;
}

static void jump_from_body(void *ctx, u64 target)
{
	struct search *search = ctx;
	struct code_range range;

	if (target >= search->body.start && target < search->body.end)
		return;
	for (size_t i = 0; i < search->cnt; i++) {
		if (!is_inside(&search->candidates[i].range, target))
			continue;
		search->candidates[i].jumps++;
		return;
	}
	if (search->cnt < CANDIDATES && search->lookups++ < LOOKUPS_MAX &&
	    !eh_index_range(search->elf, &search->index, target, &range) && is_inside(&range, target))
		search->candidates[search->cnt++] = (struct candidate){.range = range, .jumps = 1};
}

struct back_jumps {
	const struct code_range *body;
	size_t cnt;
};

static void jump_from_candidate(void *ctx, u64 target)
{
	struct back_jumps *back = ctx;

	back->cnt += is_inside(back->body, target);
}

static int candidate_compare(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	return a->jumps < b->jumps ? 1 : a->jumps > b->jumps ? -1 : a->range.start < b->range.start ? -1 : 1;
}

/* Counts jumps back too, and sorts. */
static int candidates_rank(struct search *search)
{
	for (size_t i = 0; i < search->cnt; i++) {
		struct candidate *candidate = &search->candidates[i];
		struct back_jumps back = {.body = &search->body};
		int err = jumps_visit(search->elf, &candidate->range, jump_from_candidate, &back);

		if (err == -ENOMEM)
			return err;
		candidate->jumps = err ? 0 : candidate->jumps + back.cnt;
	}
	qsort(search->candidates, search->cnt, sizeof(search->candidates[0]), candidate_compare);
	return 0;
}

static int body_find(struct elf_file *elf, struct code_range *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(eval_names); i++) {
		u64 address, size;

		if (elf_file_object(elf, eval_names[i], &address, &size))
			continue;
		if (!size || size > PART_SIZE_MAX || address > UINT64_MAX - size)
			return -ENOENT;
		*ret = (struct code_range){.start = address, .end = address + size};
		return 0;
	}
	return -ENOENT;
}

int eval_ranges_find(struct elf_file *elf, struct code_range *ret, size_t max, size_t *ret_cnt)
{
	struct search search = {.elf = elf};
	int err = max ? body_find(elf, &search.body) : -ENOENT;
	if (err)
		return err;

	if (!eh_index_open(elf, &search.index)) {
		err = jumps_visit(elf, &search.body, jump_from_body, &search);
		if (!err)
			err = candidates_rank(&search);
		if (err == -ENOMEM)
			return err;
	}
	size_t cnt = 0;
	ret[cnt++] = search.body;
	for (size_t i = 0; !err && i < search.cnt && cnt < max && search.candidates[i].jumps >= PART_JUMPS; i++)
		ret[cnt++] = search.candidates[i].range;
	*ret_cnt = cnt;
	return 0;
}
