/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* registers.bpf.h - the registers with which user mode goes on, by DWARF number. */
#ifndef PYPROF_REGISTERS_BPF_H
#define PYPROF_REGISTERS_BPF_H

#include "maps.bpf.h"

#define KERNEL_HAS(function) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##function)

static __always_inline void registers_copy(u64 to[REG_RIP], u64 *ip, const struct pt_regs *regs)
{
	to[0] = regs->ax;
	to[1] = regs->dx;
	to[2] = regs->cx;
	to[3] = regs->bx;
	to[4] = regs->si;
	to[5] = regs->di;
	to[6] = regs->bp;
	to[7] = regs->sp;
	to[8] = regs->r8;
	to[9] = regs->r9;
	to[10] = regs->r10;
	to[11] = regs->r11;
	to[12] = regs->r12;
	to[13] = regs->r13;
	to[14] = regs->r14;
	to[15] = regs->r15;
	*ip = regs->ip;
}

/* A task's registers as they were at its last entry from user mode, which are at the top of its kernel stack. */
static __always_inline int entry_registers_read(struct pt_regs *to, struct task_struct *task)
{
	struct pt_regs *regs;

	if (KERNEL_HAS(task_pt_regs))
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
	else
		regs = BPF_CORE_READ(task, stack) + config.thread_size - sizeof(*regs);
	return bpf_probe_read_kernel(to, sizeof(*to), regs);
}

#endif
