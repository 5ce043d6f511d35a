/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sample.bpf.c - the perf_event program: one interrupt in, one record out.
 *
 * It runs on every CPU, HZ times a second, and takes the whole truth of that
 * instant: kernel stack, Python stack, native stack, thread, process. Everything
 * after it only looks at what is sent here. It updates no hash map (a bucket lock
 * in an interrupt can deadlock a machine) and ends within a time budget.
 */
#include "maps.bpf.h"

#include "bound.bpf.h"
#include "cgroup.bpf.h"
#include "identity.bpf.h"
#include "native.bpf.h"
#include "python.bpf.h"
#include "registers.bpf.h"
#include "ring.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct config config = {0};
u32 namespace_level;
u32 epoch;
u32 selection_overflows, selection_settled;

_Static_assert(LOSS_CNT <= 32, "counters are indexed by a masked loss");
_Static_assert(sizeof(((struct counters *)0)->losses) == 8 * LOSS_CNT, "");

#define CLOCK_CHECK_STEPS 32 /* steps between two looks at the clock */

/* What is of interest of the task that was interrupted. */
struct current {
	u64 start_ns, exec_id; /* of its process */
	u64 thread_pointer;
	struct task_struct *leader;
	struct mm_struct *mm;
	u64 cgroup_id, cgroup_v1_id;
	u32 flags;
	u32 pid, tid;
};

/* From 5.11 on the kernel lets us read a task as memory of our own: six helper calls less, a quarter of a microsecond. */
static __always_inline void current_read(struct current *ret)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = (void *)bpf_get_current_task();

	if (KERNEL_HAS(get_current_task_btf)) {
		struct task_struct *readable = bpf_get_current_task_btf();
		struct task_struct *leader = readable->group_leader;

		ret->start_ns = leader->start_boottime;
		ret->exec_id = readable->self_exec_id;
		ret->thread_pointer = readable->thread.fsbase;
		ret->flags = readable->flags;
		ret->leader = leader;
		ret->mm = readable->mm;
		ret->cgroup_id = readable->cgroups->dfl_cgrp->kn->id;
		ret->cgroup_v1_id = cgroup_v1_id(readable->cgroups);
	} else {
		ret->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		ret->exec_id = BPF_CORE_READ(task, self_exec_id);
		ret->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
		ret->flags = BPF_CORE_READ(task, flags);
		ret->leader = BPF_CORE_READ(task, group_leader);
		ret->mm = BPF_CORE_READ(task, mm);
		ret->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		ret->cgroup_v1_id = cgroup_v1_id(BPF_CORE_READ(task, cgroups));
	}
	ret->pid = namespace_level ? task_number(ret->leader) : pid_tgid >> 32;
	ret->tid = namespace_level ? task_number(task) : (u32)pid_tgid;
}

/* 1 when the sample was taken in the kernel. */
static __always_inline int registers_read(struct bpf_perf_event_data *ctx, struct scratch *s)
{
	/* volatile: a narrowed load of this member is refused by 5.10. */
	u64 cs = *(volatile unsigned long *)&ctx->regs.cs;
	struct pt_regs *copy = (struct pt_regs *)s->object;

	if (cs & 3) {
		registers_copy(s->native.registers, &s->native.ip, &ctx->regs);
		return 0;
	}
	if (KERNEL_HAS(get_current_task_btf))
		entry_registers_read(copy, bpf_get_current_task_btf());
	else
		entry_registers_read(copy, (struct task_struct *)bpf_get_current_task());
	registers_copy(s->native.registers, &s->native.ip, copy);
	return 1;
}

/*
 * A part that this CPU sent lately goes as its id alone. Only what really was
 * sent is remembered: see parts_sent().
 */
static __always_inline int part_was_sent(struct sent_cache *cache, u64 id)
{
	return cache->ids[BOUND(id >> 20, SENT_CACHE_SIZE - 1)] == id;
}

static __always_inline void part_sent(struct sent_cache *cache, u64 id)
{
	if (sample_is_asked_for())
		return;
	cache->ids[BOUND(id >> 20, SENT_CACHE_SIZE - 1)] = id;
}

/*
 * Ids name parts within a process, but the cache holds those of all. How the walk
 * ended is a part of what the part says. 0 means "no part".
 */
static __always_inline u64 part_id(u64 hash, u64 process_hash, u32 end)
{
	return hash_mix(hash_mix(hash, process_hash), (u64)epoch << 32 | end) | 1;
}

static __always_inline void kernel_part(struct bpf_perf_event_data *ctx, struct scratch *s, struct sent_cache *cache)
{
	long size = bpf_get_stack(ctx, s->words, MAX_KERNEL_FRAMES * sizeof(u64), 0);
	if (size <= 0)
		return;

	u32 cnt = BOUND((u64)size / sizeof(u64), 127);
	u64 id = 0;

	for (u32 i = 0; i < MAX_KERNEL_FRAMES; i++) {
		if (i >= cnt)
			break;
		id = hash_mix(id, s->words[i]);
	}
	s->sample.kernel_id = part_id(id, 0, LOSS_NONE);
	if (part_was_sent(cache, s->sample.kernel_id))
		return;
	s->sample.kernel_cnt = cnt;
	s->word_cnt = cnt;
}

/* Sends one of the code objects that were noted. Global: what is here is looked at once, and not for each. */
__weak int fresh_send_next(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return 0;
	const struct python_layout *l = layout_get(s->python.layout);
	if (!l)
		return 0;

	code_record_fill(s, l, s->python.fresh_sent);
	s->python.fresh_sent++;
	if (s->code.pieces[CODE_PIECE_OBJECT].size)
		ring_tell(&s->code, sizeof(s->code), 1);
	return 0;
}

/* Before the sample that shows it, each code object that this CPU had not seen. */
static __always_inline void fresh_send(struct scratch *s, u32 slot)
{
	u32 cnt = s->python.fresh;

	s->python.fresh_sent = 0;
	for (u32 i = 0; i < MAX_FRESH_CODES; i++) {
		if (i >= cnt)
			break;
		fresh_send_next(slot);
	}
}

/* True when address lies on the stack that this thread runs on. */
static __always_inline int is_on_stack(u64 address, u64 sp, const struct current *current)
{
	if (address < sp)
		return 0;
	if (address < current->thread_pointer)
		return 1;

	/* The main thread's stack is not below its thread pointer. */
	struct mm_struct *mm = current->mm;

	return address <= BPF_CORE_READ(mm, start_stack);
}

/* One turn of the loop below. Global: what is here is looked at once, and not a thousand times. */
__weak int python_turn(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return WALK_END;
	const struct python_layout *l = layout_get(s->python.layout);
	if (!l)
		return WALK_END;

	int end = python_step(slot);
	if (end != WALK_RESTART)
		return end;
	python_restart(s, l);
	return WALK_ON;
}

static __always_inline void python_part(struct scratch *s, u32 slot, const struct process_row *row, u64 process_hash,
					struct sent_cache *cache)
{
	struct python_walk *w = &s->python;
	const struct python_layout *l;
	u64 start = s->sample.record.time_ns;
	int end;

	w->layout = row->layout;
	w->runtime = row->runtime;
	w->thread_pointer = s->sample.thread_pointer;
	w->process_tag = process_hash >> 32;
	w->state = w->id = w->fault_address = 0;
	w->cnt = w->run_cnt = w->fresh = 0;
	w->window.size = 0;
	w->first_word = s->word_cnt;
	s->runs[0].first = 0;
	s->runs[0].anchor = 0;

	l = layout_get(w->layout);
	if (!l)
		return;
	s->sample.flags |= SAMPLE_PYTHON | python_thread(s, slot, l);
	s->sample.thread_state = w->state;
	if (!w->state)
		return;

	end = python_begin(s, l, start);
	if (!end) {
		end = LOSS_PYTHON_DEPTH;
		for (u32 i = 0; i < MAX_PYTHON_FRAMES + MAX_PYTHON_RUNS + 1; i++) {
			end = python_turn(slot);
			if (end != WALK_ON)
				break;
			if (!((i + 1) % CLOCK_CHECK_STEPS) && bpf_ktime_get_ns() - start > config.time_budget_ns) {
				end = LOSS_TIME;
				break;
			}
		}
	}
	s->sample.python_end = end == WALK_END ? LOSS_NONE : end;
	s->sample.fault_address = w->fault_address;
	s->sample.run_cnt = w->run_cnt;
	if (!w->cnt)
		return;
	if (w->fresh && !sample_is_asked_for())
		fresh_send(s, slot);

	s->sample.python_id = part_id(w->id, process_hash, s->sample.python_end);
	if (part_was_sent(cache, s->sample.python_id))
		s->word_cnt = w->first_word;
	else
		s->sample.python_cnt = w->cnt;
}

/*
 * Two parts of stack_send(), global, so that the verifier does not go on from each
 * length that a stack may have. The pages from stack_start up, as many as are there: their size.
 */
__weak int stack_pages_copy(u32 slot)
{
	struct stack_copy *copy = bpf_map_lookup_elem(&stack_records, &slot);
	if (!copy)
		return 0;
	u64 start = copy->record.stack_start;
	u32 size = 0;

	for (u32 page = 0; page < MAX_STACK_COPY / PAGE_SIZE; page++) {
		if (page * PAGE_SIZE >= config.stack_copy_size)
			break;
		if (read_user(copy->bytes + page * PAGE_SIZE, PAGE_SIZE, start + page * PAGE_SIZE))
			break;
		size += PAGE_SIZE;
	}
	return size;
}

__weak int anchors_fill(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return 0;
	struct stack_copy *copy = bpf_map_lookup_elem(&stack_records, &slot);
	if (!copy)
		return 0;
	struct stack_record *record = &copy->record;

	for (u32 i = 0; i < MAX_PYTHON_RUNS; i++) {
		/* Without a branch: one path for the verifier. */
		u64 has_frames = s->runs[i].first != s->runs[i + 1].first;

		record->anchors[i] = run_at(s, i + s->python.anchor_shift)->anchor & -has_frames;
	}
	if (s->python.anchor_shift < 0)
		record->anchors[0] = run_anchor(s, 0);
	return 0;
}

/*
 * The stack from rsp up, for user space to unwind: page by page, for only what is
 * there can be copied. Copying 16 KiB costs microseconds: hence so many a second.
 */
__weak int stack_send(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return 0;
	struct stack_copy *copy = bpf_map_lookup_elem(&stack_records, &slot);
	if (!copy)
		return 0;
	struct stack_record *record = &copy->record;
	u64 second = s->sample.record.time_ns >> 30, size;

	if (s->copies_second != second) {
		s->copies_second = second;
		s->copies = 0;
	}
	if (s->copies >= config.stack_copies)
		return 0;
	s->copies++;

	__builtin_memcpy(record->registers, s->native.interrupted, sizeof(record->registers));
	record->stack_start = record->registers[REG_RSP] & ~(u64)(PAGE_SIZE - 1);
	size = BOUND(stack_pages_copy(slot), 2 * MAX_STACK_COPY - 1);
	if (!size || size > config.stack_copy_size) /* the latter cannot be; the verifier needs to read it */
		return 0;

	record->record.type = RECORD_STACK;
	record->record.size = sizeof(*record) + size;
	record->record.time_ns = s->sample.record.time_ns;
	record->process = s->sample.process;
	record->tid = s->sample.tid;
	record->cpu = s->sample.cpu;
	record->stack_size = size;
	record->run_cnt = s->python.run_cnt;
	if (s->python.run_cnt)
		anchors_fill(slot);
	if (!ring_tell(record, sizeof(*record) + size, 0))
		s->sample.flags |= SAMPLE_STACK;
	return 0;
}

static __always_inline int native_walk(struct scratch *s, u32 slot)
{
	for (u32 i = 0; i < MAX_NATIVE_FRAMES + 1; i++) {
		int end = native_step(slot);

		if (end != WALK_ON)
			return end == WALK_END ? LOSS_NONE : end;
		if (!((i + 1) % CLOCK_CHECK_STEPS) &&
		    bpf_ktime_get_ns() - s->sample.record.time_ns > config.time_budget_ns)
			return LOSS_TIME;
	}
	return LOSS_NATIVE_DEPTH;
}

/* Runs that found no frame lie outward of where the walk was cut short; otherwise their place is not known. */
static __always_inline void placement_check(struct scratch *s, u32 first_word, const struct current *current)
{
	if (s->native.counted && !counted_runs_match(s, first_word))
		s->sample.flags |= SAMPLE_UNMERGED;

	u32 run = s->native.run;

	if (run >= s->python.run_cnt)
		return;
	if (s->sample.native_end == LOSS_NONE ||
	    (!s->native.counted && !is_on_stack(run_anchor(s, run), s->native.registers[REG_RSP], current)))
		s->sample.flags |= SAMPLE_UNMERGED;
}

static __always_inline void native_part(struct scratch *s, u32 slot, const struct process_row *row,
					const struct current *current, u64 process_hash, struct sent_cache *cache)
{
	struct native_walk *w = &s->native;
	u32 first_word = s->word_cnt;

	native_begin(s, row, s->sample.flags & SAMPLE_IN_KERNEL);
	s->sample.mappings_id = w->mappings_id;
	s->sample.native_end = native_walk(s, slot);
	if (w->fault_address)
		s->sample.fault_address = w->fault_address;
	placement_check(s, first_word, current);
	if (s->sample.native_end == LOSS_UNWIND_RULE && config.stack_copy_size)
		stack_send(slot);

	/* The same addresses read differently under Python frames, and after other files were mapped. */
	u64 what = (u64)w->mappings_id << 1 | (s->sample.python_id != 0);
	s->sample.native_id = part_id(hash_mix(w->id, what), process_hash, s->sample.native_end);
	if (part_was_sent(cache, s->sample.native_id))
		s->word_cnt = first_word;
	else
		s->sample.native_cnt = w->cnt;
}

static __always_inline void sample_send(struct scratch *s, struct sent_cache *cache, struct counters *count)
{
	u64 words = s->word_cnt;
	u64 size = sizeof(s->sample) + words * sizeof(u64);

	if (size > sizeof(s->sample) + sizeof(s->words)) /* cannot be; the verifier needs to read it */
		return;
	s->sample.record.size = size;
	u32 loss = ring_send(&s->sample, size,
			     s->python.fresh || s->sample.flags & SAMPLE_THREAD_LOOKUP ||
				     !(s->sample.flags & SAMPLE_KNOWN));
	if (loss != LOSS_NONE) {
		count->losses[BOUND(loss, 31)]++;
		return;
	}
	count->samples++;
	if (s->sample.kernel_cnt)
		part_sent(cache, s->sample.kernel_id);
	if (s->sample.python_cnt)
		part_sent(cache, s->sample.python_id);
	if (s->sample.native_cnt)
		part_sent(cache, s->sample.native_id);
}

static __always_inline void sample_take(struct bpf_perf_event_data *ctx, struct scratch *s, u32 slot,
					const struct current *current, const struct process_id *process,
					const struct process_row *row, struct counters *count, u64 now)
{
	struct sample *sample = &s->sample;
	u32 cache_slot = sample_is_asked_for() ? 0 : slot; /* it stays empty */
	struct sent_cache *cache = bpf_map_lookup_elem(&sent_caches, &cache_slot);
	if (!cache)
		return;

	__builtin_memset(sample, 0, sizeof(*sample));
	sample->record.type = RECORD_SAMPLE;
	sample->record.time_ns = now;
	sample->process = *process;
	sample->tid = current->tid;
	sample->cpu = slot;
	sample->weight_ns = config.weight_ns;
	sample->cgroup_id = current->cgroup_id;
	sample->cgroup_v1_id = current->cgroup_v1_id;
	sample->python_end = sample->native_end = LOSS_NONE;
	bpf_probe_read_kernel(sample->comm, sizeof(sample->comm),
			      (void *)current->leader + bpf_core_field_offset(struct task_struct, comm));
	bpf_get_current_comm(sample->thread_comm, sizeof(sample->thread_comm));
	s->word_cnt = 0;
	s->python.fresh = s->python.run_cnt = 0;
	s->python.anchor_shift = 0;

	if (registers_read(ctx, s)) {
		sample->flags |= SAMPLE_IN_KERNEL;
		if (config.kernel_stacks)
			kernel_part(ctx, s, cache);
	}

	/* No user memory: a kernel thread, or a process on its way out. */
	if (current->flags & (PF_KTHREAD | PF_IO_WORKER) || !current->mm) {
		sample->flags |= SAMPLE_KERNEL_THREAD | SAMPLE_KNOWN;
		sample_send(s, cache, count);
		return;
	}

	u64 process_hash = hash_mix(hash_mix(process->start_ns, process->exec_id), process->pid);

	sample->ip = s->native.ip;
	sample->thread_pointer = current->thread_pointer;
	if (row && row->flags & PROCESS_KNOWN)
		sample->flags |= SAMPLE_KNOWN;
	if (row && row->runtime)
		python_part(s, slot, row, process_hash, cache);
	if (sample_is_asked_for()) {
		native_begin(s, row, sample->flags & SAMPLE_IN_KERNEL);
		stack_send(slot);
	} else if (config.python_native || !sample->python_id)
		native_part(s, slot, row, current, process_hash, cache);
	sample_send(s, cache, count);
}

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct counters *count = counters_get();
	if (!count)
		return 0;

	if (!(u32)bpf_get_current_pid_tgid()) {
		count->idle++;
		goto out;
	}

	struct current current;
	current_read(&current);
	struct process_id process = {current.start_ns, current.exec_id, current.pid, 0};
	struct process_row *row = process_row_find(&process);
	if (config.selected_cgroups && selection_overflows == selection_settled &&
	    !cgroup_is_selected(current.cgroup_id) && !cgroup_is_selected(current.cgroup_v1_id)) {
		count->other++;
		goto out;
	}
	if (!config.all && !(row && row->flags & PROCESS_SELECTED)) {
		count->other++;
		goto out;
	}

	u32 slot = bpf_get_smp_processor_id();
	struct scratch *s = scratch_get(slot);
	if (!s)
		goto out;
	if (s->busy) {
		count->losses[LOSS_SCRATCH_BUSY]++;
		goto out;
	}
	s->busy = 1;
	sample_take(ctx, s, slot, &current, &process, row, count, now);
	s->busy = 0;
out:
	count->runs++;
	count->run_ns += bpf_ktime_get_ns() - now;
	return sample_is_asked_for(); /* 0 would leave it out of the overflows after which the event stops */
}
