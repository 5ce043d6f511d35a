/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* It includes <ucontext.h>, whose REG_RSP and so on are other numbers than DWARF's, which unwind.h defines. */
#include <libunwind-x86_64.h>
#undef REG_RAX
#undef REG_RBP
#undef REG_RSP
#undef REG_RIP

#include "unwind/frame_step.h"

#include <errno.h>
#include <string.h>

/* Exported by libunwind, named in none of its headers; perf declares it likewise. */
int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
				       unw_proc_info_t *ret, int need_unwind_info, void *data);

/* libunwind reads a byte at a time, each by a word. Expressions of 256 bytes for 18 registers need 5,000. */
#define READS_MAX 20000

/*
 * libunwind's cache knows what an FDE said by nothing but the address that it was asked for, and here the addresses
 * of all files and processes meet. So of an FDE that is kept it is told one that no other has, in the kernel's half,
 * where no stack is. Expressions may ask for the address: what has any is not kept.
 */
#define KEPT_ADDRESS  (1ull << 63)
#define KEPT_LOW_BITS 16 /* of pc: libunwind's hash is made for code */

struct frame_stepper {
	unw_addr_space_t space, keeping; /* the latter with libunwind's cache */
	u64 last_id;

	/* of the step under way */
	const struct fde *fde;
	const struct stack_copy *stack;
	const struct frame_registers *registers;
	u64 pc, address; /* address: what libunwind is told pc is */
	u32 reads_left;
	bool beyond; /* a word was wanted that lies above the copy */
};

/* Behind the last byte there are zeros: libunwind reads aligned words, whatever their rest is. */
static bool fde_read(const struct fde *fde, u64 address, u64 *ret)
{
	u64 offset = address - FDE_ADDRESS, left;

	if (address < FDE_ADDRESS || offset >= fde->size)
		return false;
	left = fde->size - offset;
	*ret = 0;
	memcpy(ret, fde->bytes + offset, left < sizeof(*ret) ? left : sizeof(*ret));
	return true;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *data)
{
	struct frame_stepper *stepper = data;
	u64 word;

	if (write || !stepper->reads_left)
		return -UNW_EINVAL;
	stepper->reads_left--;
	if (!fde_read(stepper->fde, address, &word) && !stack_copy_read(stepper->stack, address, &word)) {
		stepper->beyond |= address >= stepper->stack->start;
		return -UNW_EINVAL;
	}
	*value = word;
	return 0;
}

/* rip is where the FDE was looked up: a byte before a return address. */
static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *data)
{
	const struct frame_stepper *stepper = data;

	if (write)
		return -UNW_EREADONLYREG;
	if (number == UNW_X86_64_RIP) {
		*value = stepper->address;
		return 0;
	}
	if (number < 0 || number >= REG_CNT || !(stepper->registers->known & 1u << number))
		return -UNW_EBADREG;
	*value = stepper->registers->at[number];
	return 0;
}

static int find_fde(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *ret, int need_unwind_info, void *data)
{
	const struct frame_stepper *stepper = data;
	unw_dyn_info_t table = {
		.start_ip = stepper->fde->start,
		.end_ip = stepper->fde->end,
		.format = UNW_INFO_FORMAT_REMOTE_TABLE,
		.u.rti = {.segbase = FDE_ADDRESS, .table_len = 1, .table_data = FDE_ADDRESS},
	};

	if (stepper->pc < table.start_ip || stepper->pc >= table.end_ip)
		return -UNW_ENOINFO;
	int err = UNW_OBJ(dwarf_search_unwind_table)(space, stepper->pc, &table, ret, need_unwind_info, data);

	if (!err && ip != stepper->pc) {
		ret->start_ip = ip;
		ret->end_ip = ip + 1;
	}
	return err;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *data)
{
}

static int find_dynamic_info(unw_addr_space_t space, unw_word_t *ret, void *data)
{
	return -UNW_ENOINFO;
}

static int access_fp_register(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *data)
{
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *data)
{
	return -UNW_EINVAL;
}

static int get_name(unw_addr_space_t space, unw_word_t address, char *name, size_t size, unw_word_t *offset, void *data)
{
	return -UNW_EINVAL;
}

int frame_stepper_new(struct frame_stepper **ret)
{
	unw_accessors_t accessors = {
		.find_proc_info = find_fde,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = find_dynamic_info,
		.access_mem = access_memory,
		.access_reg = access_register,
		.access_fpreg = access_fp_register,
		.resume = resume,
		.get_proc_name = get_name,
	};
	_cleanup_(frame_stepper) struct frame_stepper *stepper = calloc(1, sizeof(*stepper));

	if (!stepper)
		return -ENOMEM;
	stepper->space = unw_create_addr_space(&accessors, 0);
	stepper->keeping = unw_create_addr_space(&accessors, 0);
	if (!stepper->space || !stepper->keeping)
		return -ENOMEM;
	unw_set_caching_policy(stepper->space, UNW_CACHE_NONE);
	/* A cache of this address space; that of a thread is shared by all its users of libunwind. */
	unw_set_caching_policy(stepper->keeping, UNW_CACHE_GLOBAL);
	*ret = take(stepper);
	return 0;
}

void frame_stepper_free(struct frame_stepper *stepper)
{
	if (!stepper)
		return;
	if (stepper->space)
		unw_destroy_addr_space(stepper->space);
	if (stepper->keeping)
		unw_destroy_addr_space(stepper->keeping);
	free(stepper);
}

void frame_stepper_keep(struct frame_stepper *stepper, struct fde *fde)
{
	if (fde->plain)
		fde->id = ++stepper->last_id;
}

static void registers_collect(unw_cursor_t *cursor, u32 undefined, struct frame_registers *ret)
{
	*ret = (struct frame_registers){};
	for (int i = 0; i < REG_CNT; i++) {
		unw_word_t value;

		if (undefined & 1u << i || unw_get_reg(cursor, i, &value))
			continue;
		ret->at[i] = value;
		ret->known |= 1u << i;
	}
}

static u64 kept_address(const struct fde *fde, u64 pc)
{
	return KEPT_ADDRESS | fde->id << KEPT_LOW_BITS | (pc & ((1u << KEPT_LOW_BITS) - 1));
}

int frame_step(struct frame_stepper *stepper, const struct fde *fde, u64 pc, const struct stack_copy *stack,
	       struct frame_registers *registers)
{
	struct frame_registers caller;
	unw_cursor_t cursor;

	if (fde->undefined & 1u << REG_RIP)
		return -ENOENT;
	stepper->fde = fde;
	stepper->pc = pc;
	stepper->address = fde->id ? kept_address(fde, pc) : pc;
	stepper->stack = stack;
	stepper->registers = registers;
	stepper->reads_left = READS_MAX;
	stepper->beyond = false;

	/*
	 * A new cursor for each frame, not one for all: so every frame goes through our
	 * hands, and libunwind never gets to guess where there is no FDE.
	 */
	if (unw_init_remote(&cursor, fde->id ? stepper->keeping : stepper->space, stepper))
		return -EBADMSG;
	if (unw_step(&cursor) < 0)
		return stepper->beyond ? -EFAULT : -EBADMSG;
	registers_collect(&cursor, fde->undefined, &caller);
	if (!(caller.known & 1u << REG_RIP))
		return -EBADMSG;
	*registers = caller;
	return 0;
}
