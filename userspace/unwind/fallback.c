/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/fallback.h"

#include <errno.h>
#include <string.h>

#include "elf/eh_index.h"
#include "pyprof/losses.h"
#include "pyprof/unwind.h"
#include "unwind/cfi_index.h"
#include "unwind/fde.h"
#include "unwind/frame_step.h"
#include "unwind/known_code.h"
#include "unwind/placement.h"

/* Powers of two. What is asked for comes from the same few places of the same few files. */
#define INDEX_SLOTS 256
#define FDE_SLOTS   2048

#define MAX_FRAME_SIZE (8u << 20) /* a frame pointer that leads further up is none */

/* Mapped files are known by their id, which is never reused. */
struct index_slot {
	u32 file; /* id + 1; 0: empty */
	int err; /* the file has no search table */
	struct eh_index index;
	int rest_err;
	struct cfi_index *rest; /* of what the search table does not lead to; NULL: not asked for, or rest_err */
};

/* Bytes of such indexes. When there are more, all are dropped: few files need one. */
#define REST_SIZE_MAX (2 * CFI_INDEX_SIZE_MAX)

struct fde_slot {
	u32 file;
	int err;
	u64 address;
	struct fde *fde;
};

struct fallback {
	struct process_table *processes;
	struct frame_stepper *stepper;
	struct index_slot indexes[INDEX_SLOTS];
	size_t rest_size;
	struct fde_slot fdes[FDE_SLOTS]; /* of some 150 bytes each; of 5 KiB at most */
};

struct walk {
	struct fallback *fallback;
	struct process *process;
	struct stack_copy stack;
	struct frame_registers registers;
	struct placement placement;
	bool exact; /* rip is not a return address but an instruction that was interrupted */
	bool in_kernel;
	u64 bits; /* NATIVE_*: how rip was found */
	struct unwound *ret;
};

int fallback_new(struct process_table *processes, struct fallback **ret)
{
	_cleanup_(fallback) struct fallback *fallback = calloc(1, sizeof(*fallback));

	if (!fallback)
		return -ENOMEM;
	fallback->processes = processes;
	int err = frame_stepper_new(&fallback->stepper);
	if (err)
		return err;
	*ret = take(fallback);
	return 0;
}

void fallback_free(struct fallback *fallback)
{
	if (!fallback)
		return;
	for (size_t i = 0; i < FDE_SLOTS; i++)
		fde_free(fallback->fdes[i].fde);
	for (size_t i = 0; i < INDEX_SLOTS; i++)
		cfi_index_free(fallback->indexes[i].rest);
	frame_stepper_free(fallback->stepper);
	free(fallback);
}

/*
 * What the files say
 */

static void index_drop_rest(struct fallback *fallback, struct index_slot *slot)
{
	if (slot->rest)
		fallback->rest_size -= cfi_index_size(slot->rest);
	cfi_index_free(take(slot->rest));
	slot->rest_err = 0;
}

static struct index_slot *index_get(struct fallback *fallback, const struct mapped_file *file)
{
	struct index_slot *slot = &fallback->indexes[file->id % INDEX_SLOTS];

	if (slot->file != file->id + 1) {
		index_drop_rest(fallback, slot);
		slot->file = file->id + 1;
		slot->err = eh_index_open(file->elf, &slot->index);
	}
	return slot;
}

static int rest_get(struct fallback *fallback, struct index_slot *slot, const struct mapped_file *file)
{
	if (slot->rest || slot->rest_err)
		return slot->rest_err;
	slot->rest_err = cfi_index_build(file->elf, !slot->err, &slot->rest);
	if (slot->rest_err)
		return slot->rest_err;
	fallback->rest_size += cfi_index_size(slot->rest);
	for (size_t i = 0; i < INDEX_SLOTS && fallback->rest_size > REST_SIZE_MAX; i++) {
		if (&fallback->indexes[i] != slot)
			index_drop_rest(fallback, &fallback->indexes[i]);
	}
	return 0;
}

static int fde_read(struct fallback *fallback, const struct mapped_file *file, u64 address, struct fde **ret)
{
	struct index_slot *slot = index_get(fallback, file);

	int err = slot->err ? slot->err : fde_find(file->elf, &slot->index, address, ret);
	if (!slot->err && err != -ENOENT)
		return err;
	err = rest_get(fallback, slot, file);
	if (err == -ENOMEM)
		slot->rest_err = 0; /* there may be some next time */
	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	return cfi_index_find(slot->rest, address, ret);
}

/* The FDE stays the cache's, until the next is asked for. */
static int fde_get(struct fallback *fallback, const struct mapped_file *file, u64 address, const struct fde **ret)
{
	u64 hash = (address ^ (u64)file->id << 40) * 0x9e3779b97f4a7c15ull;
	struct fde_slot *slot = &fallback->fdes[hash >> 32 & (FDE_SLOTS - 1)];

	if (slot->file != file->id + 1 || slot->address != address) {
		struct fde *fde = NULL;
		int err = fde_read(fallback, file, address, &fde);

		if (err == -ENOMEM)
			return err;
		fde_free(slot->fde);
		if (fde)
			frame_stepper_keep(fallback->stepper, fde);
		*slot = (struct fde_slot){.file = file->id + 1, .err = err, .address = address, .fde = fde};
	}
	if (slot->err)
		return slot->err;
	*ret = slot->fde;
	return 0;
}

/* Where an address of the process lies. */
struct place {
	bool mapped;
	const struct mapped_file *file; /* NULL: memory without an ELF file */
	u64 vaddr; /* in the file */
};

static struct place place_find(struct walk *walk, u64 address)
{
	const struct mapping *mapping = process_mapping_file(walk->fallback->processes, walk->process, address);
	struct place place = {.mapped = mapping};

	if (!mapping || !mapping->file || !mapping->file->elf)
		return place;
	if (elf_file_address_of_offset(mapping->file->elf, address - mapping->start + mapping->file_offset,
				       &place.vaddr))
		return place;
	place.file = mapping->file;
	return place;
}

/* Is this the return address of somebody's? */
static bool is_caller(struct walk *walk, u64 address)
{
	struct place place = place_find(walk, address - 1);

	if (!place.mapped)
		return false;
	return !place.file || elf_file_follows_call(place.file->elf, place.vaddr + 1);
}

/*
 * Steps without an FDE. Each gives 0 and the caller's registers in *caller, or the
 * reason why it cannot: an enum loss, LOSS_NONE at the thread's first frame.
 */

static int step_to(struct walk *walk, u64 cfa, struct frame_registers *caller)
{
	*caller = walk->registers;
	if (!stack_copy_read(&walk->stack, cfa - 8, &caller->at[REG_RIP]))
		return LOSS_NATIVE_FAULT;
	caller->at[REG_RSP] = cfa;
	return 0;
}

static int step_by_frame_pointer(struct walk *walk, int loss, struct frame_registers *caller)
{
	u64 rbp = walk->registers.at[REG_RBP], sp = walk->registers.at[REG_RSP];

	if (!(walk->registers.known & 1u << REG_RBP))
		return loss;
	if (!rbp && walk->ret->cnt)
		return LOSS_NONE;
	if (rbp < sp || rbp - sp > MAX_FRAME_SIZE || rbp & 7)
		return loss;
	int err = step_to(walk, rbp + 16, caller);
	if (err)
		return err;
	/* Of the callee-saved registers only rbp is known to be where it was. */
	caller->known = 1u << REG_RBP | 1u << REG_RSP | 1u << REG_RIP;
	if (!stack_copy_read(&walk->stack, rbp, &caller->at[REG_RBP]))
		return LOSS_NATIVE_FAULT;
	if (!caller->at[REG_RIP])
		return caller->at[REG_RBP] ? loss : LOSS_NONE;
	return is_caller(walk, caller->at[REG_RIP]) ? 0 : loss;
}

/* What nobody described: a leaf in assembly hardly ever touches the stack; code made at run time may keep frame pointers. */
static int step_by_guess(struct walk *walk, const struct place *place, struct frame_registers *caller)
{
	if (place->mapped && !place->file)
		return step_by_frame_pointer(walk, LOSS_FRAME_POINTER, caller);
	if (!walk->ret->cnt && !step_to(walk, walk->registers.at[REG_RSP] + 8, caller) &&
	    is_caller(walk, caller->at[REG_RIP]))
		return 0;
	return step_by_frame_pointer(walk, place->file ? LOSS_NO_UNWIND_INFO : LOSS_NO_TABLE, caller);
}

/* A libc without CFI (musl) has signal handlers return to such code. */
static bool is_signal_return(struct walk *walk)
{
	struct place place = place_find(walk, walk->registers.at[REG_RIP]);
	u8 bytes[SIGNAL_RETURN_SIZE];

	return place.file && !elf_file_read(place.file->elf, place.vaddr, bytes, sizeof(bytes)) &&
	       known_code_is_signal_return(bytes, sizeof(bytes));
}

/* rsp points to the ucontext_t that the kernel pushed. */
static int step_by_ucontext(struct walk *walk, struct frame_registers *caller)
{
	static const u8 order[UCONTEXT_REGISTER_CNT] = {
#define X(slot, number) [slot] = number,
		FOR_EACH_UCONTEXT_REGISTER(X)
#undef X
			[UCONTEXT_RIP] = REG_RIP,
	};
	u64 at = walk->registers.at[REG_RSP] + UCONTEXT_REGISTERS;

	for (u32 i = 0; i < UCONTEXT_REGISTER_CNT; i++) {
		if (!stack_copy_read(&walk->stack, at + 8 * i, &caller->at[order[i]]))
			return LOSS_NATIVE_FAULT;
	}
	caller->known = (1u << REG_CNT) - 1;
	return 0;
}

/*
 * The walk
 */

struct step {
	struct frame_registers caller;
	bool signal;
	bool guess;
};

/* The interrupted instruction, or the call. After a system call at its function's end there is no more of it. */
static u64 walk_lookup(const struct walk *walk, bool retry)
{
	return walk->registers.at[REG_RIP] - (walk->exact && !retry ? 0 : 1);
}

static int step_by_fde(struct walk *walk, const struct place *place, const struct fde *fde, struct step *step)
{
	step->caller = walk->registers;
	step->signal = fde->signal;
	switch (frame_step(walk->fallback->stepper, fde, place->vaddr, &walk->stack, &step->caller)) {
	case 0:
		return step->caller.at[REG_RIP] ? 0 : LOSS_NONE;
	case -ENOENT:
		return LOSS_NONE;
	case -EFAULT:
		return LOSS_NATIVE_FAULT;
	default:
		return LOSS_UNWIND_RULE;
	}
}

/* 0, -ENOMEM, or an enum loss. */
static int walk_step(struct walk *walk, struct step *step)
{
	struct place place = place_find(walk, walk_lookup(walk, false));
	const struct fde *fde;
	int err = -ENOENT;

	if (place.file)
		err = fde_get(walk->fallback, place.file, place.vaddr, &fde);
	if (err == -ENOENT && place.file && walk->in_kernel && !walk->ret->cnt) {
		place = place_find(walk, walk_lookup(walk, true));
		if (place.file)
			err = fde_get(walk->fallback, place.file, place.vaddr, &fde);
	}
	if (err == -ENOMEM)
		return err;
	/* What .debug_frame says of a return from a signal (Go, musl) is of no use. */
	if ((err || fde->debug_frame) && is_signal_return(walk)) {
		step->signal = true;
		return step_by_ucontext(walk, &step->caller);
	}
	if (!err)
		return step_by_fde(walk, &place, fde, step);
	if (err != -ENOENT)
		return LOSS_UNWIND_RULE;
	step->guess = true;
	return step_by_guess(walk, &place, &step->caller);
}

/* The leaf has no address here (record.h). */
static void walk_push(struct walk *walk, bool run)
{
	u64 word = walk->ret->cnt ? (walk->registers.at[REG_RIP] & NATIVE_ADDRESS) : 0;

	walk->ret->words[walk->ret->cnt++] = word | walk->bits | (run ? NATIVE_RUN : 0);
}

/* Adds the frame under way and moves to its caller. 0, -ENOMEM, or an enum loss (a walk never ends with the one that is 0). */
static int walk_frame(struct walk *walk)
{
	u64 sp = walk->registers.at[REG_RSP], cfa;
	struct step step = {.caller = walk->registers};

	int end = walk_step(walk, &step);
	if (end < 0)
		return end;
	/* The stack grows down; only from a handler's a signal frame may lead anywhere. */
	cfa = step.caller.at[REG_RSP];
	if (!end && (!(step.caller.known & 1u << REG_RSP) || (cfa <= sp && !step.signal)))
		end = LOSS_STACK_ORDER;
	bool placed = (!end || end == LOSS_NONE) && !step.signal;
	walk_push(walk, placed && placement_frame(&walk->placement, walk_lookup(walk, false), sp, cfa));
	if (end)
		return end;
	walk->registers = step.caller;
	walk->exact = step.signal;
	walk->bits = (step.signal ? NATIVE_EXACT : 0) | (step.guess ? NATIVE_GUESS : 0);
	return 0;
}

struct unwind_origin unwind_origin_of(const struct stack_record *record, bool in_kernel)
{
	return (struct unwind_origin){
		.registers = record->registers,
		.anchors = record->anchors,
		.run_cnt = record->run_cnt,
		.in_kernel = in_kernel,
		.stack = {.bytes = (const u8 *)(record + 1), .start = record->stack_start, .size = record->stack_size},
	};
}

int fallback_unwind(struct fallback *fallback, struct process *process, const struct unwind_origin *origin,
		    struct unwound *ret)
{
	struct walk walk = {
		.fallback = fallback,
		.process = process,
		.stack = origin->stack,
		.registers = {.known = (1u << REG_CNT) - 1},
		.placement = {.anchors = origin->anchors, .cnt = origin->run_cnt, .is_cut = origin->runs_cut},
		.exact = true,
		.in_kernel = origin->in_kernel,
		.ret = ret,
	};
	int end = 0;

	if (process->python_file && python_layout_is_counted(&process->python_file->python.layout)) {
		walk.placement.counted = &process->python_file->python.layout;
		walk.placement.runtime = process->python_runtime;
	}
	memcpy(walk.registers.at, origin->registers, sizeof(walk.registers.at));
	ret->cnt = 0;
	while (!end)
		end = ret->cnt < ret->max ? walk_frame(&walk) : LOSS_NATIVE_DEPTH;
	if (end < 0)
		return end;
	ret->end = end;
	placement_settle(&walk.placement, ret->words, ret->cnt);
	ret->unmerged = !placement_is_merged(&walk.placement, end == LOSS_NONE);
	return 0;
}
