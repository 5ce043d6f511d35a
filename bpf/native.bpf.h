/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * native.bpf.h - from a native frame to its caller: by the unwind tables of the
 * files that are mapped (unwind.h), and by frame pointer for code that has none
 * and keeps them (JITs, Go). Like python.bpf.h plain C over a few functions.
 *
 *	native_begin(...)	the interrupted frame, and the process's mappings
 *	native_step(slot)	one frame outward; called in a plain loop
 *
 * On its way the walk places the runs of Python frames (record.h): it alone knows
 * where on the stack each frame begins and ends.
 */
#ifndef PYPROF_NATIVE_BPF_H
#define PYPROF_NATIVE_BPF_H

#include "bound.bpf.h"
#include "pyprof/losses.h"
#include "scratch.bpf.h"

#define MAX_FRAME_SIZE	 (8u << 20) /* a step by frame pointer further up the stack than this is no frame */
#define REGISTERS_ALL	 0xffffu
#define REGISTERS_FOLLOW (1u << REG_RSP | 1u << REG_RBP) /* what a caller's frame still knows */
/*
 * Those that a callee may change, so nobody saves them: rax, rdx, rcx, rsi, rdi, r8 to
 * r11. Assembly that keeps its CFA in one of them across a call (OpenSSL's does) knows
 * that its callee leaves it alone. So it is taken as it is now, and that is a guess.
 */
#define REGISTERS_SCRATCH 0x0f37u

/* ---- which rule */

/* Finds the mapping that s->native.pc lies in: s->native.under_way. 0 or the loss. Global, as native_step() is. */
__weak int mapping_find(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return LOSS_NO_TABLE;
	struct native_walk *w = &s->native;
	u64 pc = w->pc;

	if (pc - w->under_way.start < w->under_way.end - w->under_way.start)
		return 0;

	const struct unwind_mapping_block *block = mapping_block_get(w->mapping / MAPPINGS_PER_BLOCK);
	u64 base = w->mapping, cnt = w->mapping_cnt;

	if (!block || !cnt)
		return LOSS_NO_TABLE;
	for (u32 step = 0; step < 14;
	     step++) { /* MAX_MAPPINGS_OF_PROCESS; without a branch: the verifier sees one path */
		u64 half = cnt >> 1;

		if (!half)
			break;
		u64 below = (s64)(pc - block->at[BOUND(base + half, MAPPINGS_PER_BLOCK - 1)].start) >> 63;
		base += half & ~below;
		cnt -= half;
	}
	w->under_way = block->at[BOUND(base, MAPPINGS_PER_BLOCK - 1)];
	if (pc - w->under_way.start < w->under_way.end - w->under_way.start && w->under_way.id == w->mappings_id)
		return 0;
	w->under_way.start = w->under_way.end = 0;
	return LOSS_NO_TABLE;
}

/* The rule number of a vaddr in a page's rows. */
static __always_inline u32 row_find(const struct unwind_row_block *block, const struct unwind_page *page, u64 address)
{
	u64 base = page->row, cnt = page->cnt, pc = address & (UNWIND_PAGE_SIZE - 1);

	for (u32 step = 0; step < 13; step++) { /* MAX_ROWS_IN_PAGE */
		u64 half = cnt >> 1;

		if (!half)
			break;
		u64 below = (s64)(pc - block->at[BOUND(base + half, ROWS_PER_BLOCK - 1)].pc) >> 63;
		base += half & ~below;
		cnt -= half;
	}
	return block->at[BOUND(base, ROWS_PER_BLOCK - 1)].rule;
}

/* From the tables. 0 or the loss; UNWIND_NONE where they say nothing. */
static __always_inline int table_find(struct native_walk *w, u32 slot, u64 pc, struct unwind_rule *ret)
{
	w->pc = pc;
	int loss = mapping_find(slot);
	if (loss)
		return loss;

	struct unwind_file *file = unwind_file_get(w->under_way.file);
	if (!file)
		return LOSS_NO_TABLE;
	u32 flags = *(volatile u32 *)&file->flags; /* once: they are gone at any instant when the table is withdrawn */
	if (!(flags & UNWIND_FILE_BUILT))
		return LOSS_NO_TABLE;
	if (!file->used)
		file->used = 1;

	u64 address = pc - w->under_way.bias;
	u64 index = (address >> UNWIND_PAGE_SHIFT) - file->first;
	u32 rule_index = 0;

	if (index < file->page_cnt) {
		const struct unwind_page *page = unwind_page_get(file->page + index);
		if (!page)
			return LOSS_NO_TABLE;
		const struct unwind_row_block *block = row_block_get(page->row / ROWS_PER_BLOCK);
		if (!block)
			return LOSS_NO_TABLE;
		if (page->cnt)
			rule_index = row_find(block, page, address);
	}
	const struct unwind_rule *rule = unwind_rule_get(rule_index);
	if (!rule)
		return LOSS_NO_TABLE;
	*ret = *rule;
	if (UNWIND_KIND(ret) == UNWIND_NONE && flags & UNWIND_FILE_TRAMPOLINES)
		ret->cfa = UNWIND_TRAMPOLINE;
	if (UNWIND_KIND(ret) == UNWIND_NONE && flags & UNWIND_FILE_FRAME_POINTERS)
		ret->cfa = UNWIND_FRAME_POINTER;
	if (UNWIND_KIND(ret) == UNWIND_FRAME_POINTER) {
		ret->rbp = UNWIND_RBP_CFA;
		ret->rbp_offset = -16;
	}
	return 0;
}

/* The same, out of what this CPU has looked up lately. */
static __always_inline int rule_find(struct native_walk *w, u32 slot, u64 pc, struct unwind_rule *ret)
{
	struct rule_cache *cache = rule_cache_get(slot);
	if (!cache)
		return LOSS_NO_TABLE;

	u64 key = hash_mix(w->rule_seed, pc);
	struct rule_entry *entry = &cache->at[BOUND(key >> 40, RULE_CACHE_SIZE - 1)];

	if (entry->key == key) {
		*ret = entry->rule;
		return 0;
	}
	int loss = table_find(w, slot, pc, ret);
	if (loss)
		return loss;
	entry->key = key;
	entry->rule = *ret;
	return 0;
}

/* ---- the stack */

/* Reads the stack around an aligned address: some words below it, for rbp is saved under the return address. */
static __always_inline int stack_window_fill(struct window *window, u64 address)
{
	u64 page = address & ~(u64)(PAGE_SIZE - 1);
	u64 start = address - 64 < page ? page : address - 64;
	u64 size = page + PAGE_SIZE - start;

	if (size > WINDOW_SIZE)
		size = WINDOW_SIZE;
	window->start = start;
	window->size = size;
	if (!read_user(window->bytes, size, start))
		return 0;
	window->size = 0;
	return -1;
}

static __always_inline int stack_read(struct native_walk *w, u64 address, u64 *ret)
{
	if (address & 7) { /* may cross into the next page */
		if (!read_user(ret, sizeof(*ret), address))
			return 0;
		w->fault_address = address;
		return -1;
	}
	u64 offset = address - w->window.start;

	if (offset + 8 > w->window.size || offset > WINDOW_SIZE) {
		if (stack_window_fill(&w->window, address)) {
			w->fault_address = address;
			return -1;
		}
		offset = address - w->window.start;
	}
	*ret = *(u64 *)(w->window.bytes + BOUND(offset, WINDOW_SIZE - 1));
	return 0;
}

/* ---- the walk */

/* An activation of 3.10 that is about to end has no CFrame any more; it is what is being executed. */
static __always_inline u64 run_anchor(struct scratch *s, u32 run)
{
	s32 shift = s->python.anchor_shift;

	return !run && shift < 0 ? s->native.interrupted[REG_RSP] : run_at(s, run + shift)->anchor;
}

/* Is this the code of the eval loop? Then it is an activation; whose, is known when all are counted. */
static __always_inline u64 run_count(struct scratch *s)
{
	struct native_walk *w = &s->native;
	u64 pc = w->ip - w->lookup, inside = 0;

	/* Of a Python stack that was cut, what is outward of that has no frames here. */
	if (s->sample.python_end != LOSS_NONE && w->run >= s->python.run_cnt)
		return 0;

	for (u32 i = 0; i < EVAL_RANGES; i++)
		inside |= pc - w->eval[i].start < w->eval[i].size;
	if (!inside)
		return 0;
	if (!w->run++)
		w->first_place = w->cnt;
	return NATIVE_RUN;
}

/* Looks at the anchor of the next run: does it lie in the frame [sp, cfa)? */
static __always_inline u64 run_place(struct scratch *s, u64 sp, u64 cfa)
{
	u32 run = s->native.run;

	if (s->native.counted)
		return run_count(s);
	if (run >= s->python.run_cnt)
		return 0;
	/* An activation that has just begun, or is about to end, executes no frame. */
	if (run_at(s, run + 1)->first == run_at(s, run)->first)
		s->native.run = ++run;
	if (run >= s->python.run_cnt || run_anchor(s, run) - sp >= cfa - sp)
		return 0;
	s->native.run = run + 1;
	return NATIVE_RUN;
}

/* Without anchors: each frame has an activation; one more, the innermost, may be about to begin or to end. */
static __always_inline int counted_runs_match(struct scratch *s, u32 first_word)
{
	struct native_walk *w = &s->native;

	if (w->run == s->python.run_cnt + 1 && w->first_place <= PLACE_DEPTH_MAX) {
		s->words[BOUND(first_word + w->first_place, SAMPLE_WORDS - 1)] &= ~NATIVE_RUN;
		w->id = hash_mix(w->id, w->first_place);
		w->run--;
	}
	return w->run <= s->python.run_cnt;
}

static __always_inline void native_push(struct scratch *s, u64 run)
{
	struct native_walk *w = &s->native;
	u32 word = s->word_cnt;
	/* The interrupted frame's address is the sample's ip; here are only its bits. */
	u64 what = (w->cnt ? w->ip & NATIVE_ADDRESS : 0) | w->bits | run;

	s->words[BOUND(word, SAMPLE_WORDS - 1)] = what;
	s->word_cnt = word + 1;
	w->cnt++;
	w->id = hash_mix(w->id, what);
}

/* The kernel pushed all registers, those of the interrupted code: nothing is lost. */
static __always_inline int signal_step(struct scratch *s)
{
	struct native_walk *w = &s->native;
	u64 *saved = (u64 *)s->object;

	if (read_user(saved, UCONTEXT_REGISTER_CNT * sizeof(u64), w->registers[REG_RSP] + UCONTEXT_REGISTERS)) {
		w->fault_address = w->registers[REG_RSP] + UCONTEXT_REGISTERS;
		return LOSS_NATIVE_FAULT;
	}
#define X(slot, number) w->registers[number] = saved[slot];
	FOR_EACH_UCONTEXT_REGISTER(X)
#undef X
	w->ip = saved[UCONTEXT_RIP];
	w->known = REGISTERS_ALL;
	w->lookup = 0;
	w->bits = NATIVE_EXACT;
	return w->ip ? WALK_ON : WALK_END;
}

/*
 * Made-up code may have been interrupted before it set up its frame, or never do
 * (libffi's closures): then what is on top of the stack leads into a file's code.
 */
static __always_inline int is_just_called(struct scratch *s, u32 slot)
{
	struct native_walk *w = &s->native;

	return !stack_read(w, w->registers[REG_RSP], &w->pc) && !mapping_find(slot) &&
	       w->under_way.file != UNWIND_FILE_ANONYMOUS;
}

/* The CFA of code that nobody described: by what is on top of the stack, or by frame pointer. 0, WALK_END or a loss. */
static __always_inline int made_up_cfa(struct scratch *s, u32 slot, struct unwind_rule *rule, u64 *ret)
{
	struct native_walk *w = &s->native;
	u64 sp = w->registers[REG_RSP], bp = w->registers[REG_RBP];

	if (!w->cnt && is_just_called(s, slot)) {
		rule->rbp = UNWIND_RBP_SAME;
		*ret = sp + 8;
		return 0;
	}
	if (UNWIND_KIND(rule) == UNWIND_TRAMPOLINE) {
		*ret = sp + 16;
		return 0;
	}
	if (!bp && w->cnt)
		return WALK_END;
	if (bp < sp || bp - sp > MAX_FRAME_SIZE || bp & 7)
		return LOSS_FRAME_POINTER;
	*ret = bp + 16;
	return 0;
}

/* Where the frame under way ends, and whether that is a guess: *ret_bits. 0, WALK_END or a loss. */
static __always_inline int cfa_find(struct scratch *s, u32 slot, struct unwind_rule *rule, u64 *ret, u64 *ret_bits)
{
	struct native_walk *w = &s->native;
	u32 kind = UNWIND_KIND(rule), reg = UNWIND_REG(rule);
	u64 sp = w->registers[REG_RSP], base = w->registers[BOUND(reg, 15)];
	int is_caller = w->cnt && !(w->bits & NATIVE_EXACT), is_known = w->known >> reg & 1;

	if (kind == UNWIND_REGISTER || kind == UNWIND_DEREF) {
		if (!is_known)
			return LOSS_UNWIND_RULE;
		if (is_caller && REGISTERS_SCRATCH >> reg & 1)
			*ret_bits = NATIVE_GUESS;
		*ret = base + (s64)rule->cfa_offset;
		if (kind == UNWIND_REGISTER)
			return 0;
		if (stack_read(w, base + (s64)(s16)rule->cfa_offset, ret))
			return LOSS_NATIVE_FAULT;
		*ret += (u32)rule->cfa_offset >> 16;
		return 0;
	}
	switch (kind) {
	case UNWIND_LINK:
		*ret = sp + (s64)rule->cfa_offset;
		return is_caller || !is_known ? LOSS_UNWIND_RULE : 0;
	case UNWIND_PLT:
		*ret = sp + 8 + (((w->ip - w->lookup) & 15) >= (u32)rule->cfa_offset ? 8 : 0);
		return 0;
	case UNWIND_TRAMPOLINE:
	case UNWIND_FRAME_POINTER:
		if (kind == UNWIND_FRAME_POINTER || !w->cnt)
			*ret_bits = NATIVE_GUESS;
		return made_up_cfa(s, slot, rule, ret);
	case UNWIND_END:
		return WALK_END;
	case UNWIND_NONE:
		/* Assembly that nobody described: a leaf hardly ever touches the stack; the outermost frame has no rbp. */
		if (w->cnt)
			return w->registers[REG_RBP] ? LOSS_NO_UNWIND_INFO : WALK_END;
		*ret = sp + 8;
		*ret_bits = NATIVE_GUESS;
		return 0;
	default:
		return LOSS_UNWIND_RULE;
	}
}

/* The caller's rbp, and whether it is known. 0 or a loss. */
static __always_inline int rbp_find(struct native_walk *w, const struct unwind_rule *rule, u64 cfa, u64 *ret,
				    u32 *ret_known)
{
	u64 at;

	*ret = w->registers[REG_RBP];
	*ret_known = w->known & (REGISTERS_FOLLOW | REGISTERS_SCRATCH);
	switch (rule->rbp) {
	case UNWIND_RBP_CFA:
		at = cfa + (s64)rule->rbp_offset;
		break;
	case UNWIND_RBP_BP:
		if (!(w->known >> REG_RBP & 1))
			return LOSS_UNWIND_RULE;
		at = *ret + (s64)rule->rbp_offset;
		break;
	case UNWIND_RBP_UNDEFINED:
		*ret_known &= ~(1u << REG_RBP);
		return 0;
	default:
		return 0;
	}
	*ret_known |= 1u << REG_RBP;
	return stack_read(w, at, ret) ? LOSS_NATIVE_FAULT : 0;
}

/*
 * By rule: from the frame under way to its caller. With the two above and
 * signal_step() all that depends on the architecture. WALK_ON, WALK_END or an enum
 * loss; *ret_run says whether a run of Python frames belongs to the frame.
 */
static __always_inline int unwind_step(struct scratch *s, u32 slot, struct unwind_rule *rule, u64 *ret_run)
{
	struct native_walk *w = &s->native;
	u64 sp = w->registers[REG_RSP], cfa = 0, ip, bp, bits = 0;
	int is_link = UNWIND_KIND(rule) == UNWIND_LINK;
	u32 known;

	int end = cfa_find(s, slot, rule, &cfa, &bits);
	if (end)
		return end;
	if (cfa < sp || (cfa == sp && !is_link))
		return LOSS_STACK_ORDER;
	if (is_link)
		ip = w->registers[BOUND(UNWIND_REG(rule), 15)];
	else if (stack_read(w, cfa - 8, &ip))
		return LOSS_NATIVE_FAULT;
	end = rbp_find(w, rule, cfa, &bp, &known);
	if (end)
		return end;

	*ret_run = run_place(s, sp, cfa);
	if (!ip)
		return WALK_END;
	native_push(s, *ret_run);
	w->registers[REG_RSP] = cfa;
	w->registers[REG_RBP] = bp;
	w->known = known;
	w->ip = ip;
	w->bits = bits;
	w->lookup = 1;
	return WALK_ON;
}

/* Adds the frame under way and moves to its caller. WALK_ON, WALK_END or an enum loss. */
__weak int native_step(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return WALK_END;
	struct native_walk *w = &s->native;
	struct unwind_rule rule = {};
	u64 pc = w->ip - w->lookup, run = 0;

	if (w->cnt >= MAX_NATIVE_FRAMES)
		return LOSS_NATIVE_DEPTH;
	int end = rule_find(w, slot, pc, &rule);
	if (end) {
		w->fault_address = pc;
	} else if (UNWIND_KIND(&rule) == UNWIND_SIGNAL) {
		native_push(s, 0);
		end = signal_step(s);
		return end;
	} else if (UNWIND_KIND(&rule) == UNWIND_NONE && !w->cnt && w->in_kernel && !w->lookup) {
		/* A system call may be the last instruction of its function. */
		w->lookup = 1;
		return WALK_ON;
	} else {
		end = unwind_step(s, slot, &rule, &run);
		if (end == WALK_ON)
			return WALK_ON;
	}
	native_push(s, run);
	return end;
}

static __always_inline void eval_ranges_set(struct scratch *s, const struct python_layout *l)
{
	struct native_walk *w = &s->native;

	w->counted = 1;
	for (u32 i = 0; i < EVAL_RANGES; i++) {
		w->eval[i].start = s->python.runtime + (s64)l->eval[i].start;
		w->eval[i].size = l->eval[i].size;
	}
}

static __always_inline void native_begin(struct scratch *s, const struct process_row *row, u32 in_kernel)
{
	struct native_walk *w = &s->native;
	const struct python_layout *l = s->python.run_cnt ? layout_get(s->python.layout) : NULL;

	__builtin_memcpy(w->interrupted, w->registers, sizeof(w->registers));
	w->interrupted[REG_RIP] = w->ip;
	w->known = REGISTERS_ALL;
	w->bits = w->id = w->fault_address = 0;
	w->lookup = w->cnt = w->run = 0;
	w->in_kernel = in_kernel;
	w->counted = 0;
	if (l && python_layout_is_counted(l))
		eval_ranges_set(s, l);
	w->mapping = w->mapping_cnt = w->mappings_id = 0;
	if (row) {
		w->mapping = row->mapping;
		w->mapping_cnt = row->mapping_cnt;
		w->mappings_id = row->mappings_id;
	}
	/*
	 * All its bits differ: a seed and an address do not add up to another pair's
	 * key. Every eight seconds it is another one: so the tables of hot files are
	 * looked up now and then, and seen to be in use.
	 */
	w->rule_seed = (w->mappings_id + 1 + (s->sample.record.time_ns >> 33 << 32)) * HASH_MULTIPLIER;
	w->under_way.start = w->under_way.end = 0;
	w->window.size = 0;
}

#endif
