/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * threads.bpf.c - the threads of a process as they are now, to whoever reads the
 * iterator: nobody is stopped. What is read of a thread that runs meanwhile does
 * not fit together; its switch count is read first and says so (thread_record.h).
 */
#include "maps.bpf.h"

#include "bound.bpf.h"
#include "identity.bpf.h"
#include "pyprof/thread_record.h"
#include "registers.bpf.h"

#define PF_EXITING 0x00000004

/* A system call whose result is still to come: the kernel enters with -ENOSYS in rax; the others mean "begin again". */
#define ENOSYS		      38
#define ERESTART_FIRST	      512 /* ERESTARTSYS */
#define ERESTART_RESTARTBLOCK 516

struct thread_buffer {
	struct thread_record record;
	u64 kernel[MAX_KERNEL_FRAMES + 1]; /* one more, for the mask */
	struct pt_regs registers;
};

/* One at a time: each reader has loaded its own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct thread_buffer);
} thread_buffers SEC(".maps");

/* Written by user space before it reads. */
u32 threads_of; /* pid; 0: all */
u32 threads_kernel; /* with kernel stacks */

/* By how much our CPU's clock was ahead of CLOCK_MONOTONIC when it was newest; user space sets it to the least. */
s64 threads_clock;

/* ---- what kernels name differently, or have only when so configured */

static __always_inline u32 task_cpu(struct task_struct *task)
{
	if (bpf_core_field_exists(task->cpu))
		return BPF_CORE_READ(task, cpu);
	if (bpf_core_field_exists(task->thread_info.cpu))
		return BPF_CORE_READ(task, thread_info.cpu);
	return 0; /* there is only one */
}

static __always_inline u64 task_state_word(struct task_struct *task)
{
	return bpf_core_field_exists(task->__state) ? BPF_CORE_READ(task, __state) : BPF_CORE_READ(task, state);
}

/* On a machine with one CPU, only the reader of the iterator runs. */
static __always_inline int task_is_on_cpu(struct task_struct *task)
{
	if (bpf_core_field_exists(task->on_cpu))
		return BPF_CORE_READ(task, on_cpu);
	return (void *)task == (void *)bpf_get_current_task();
}

static __always_inline int task_is_queued(struct task_struct *task)
{
	if (bpf_core_field_exists(task->se.sched_delayed) && BPF_CORE_READ(task, se.sched_delayed))
		return 0;
	return BPF_CORE_READ(task, on_rq);
}

/* ---- one thread */

/*
 * The letter that /proc shows. include/linux/sched.h: the states that are reported are
 * bits 0 to 6; TASK_IDLE is uninterruptible sleep that does not count as load; one
 * that is frozen or waits for a lock of PREEMPT_RT sleeps uninterruptibly, too.
 */
#define STATE_UNINTERRUPTIBLE 0x02
#define STATE_IDLE	      0x402
#define STATE_AS_DISK	      0x9000

static __always_inline u32 state_letter(u64 state, u64 exit_state)
{
	u64 bits = (state | exit_state) & 0x7f;

	if (state & STATE_AS_DISK)
		bits = STATE_UNINTERRUPTIBLE;
	if ((state & STATE_IDLE) == STATE_IDLE)
		return 'I';
	if (bits & 0x40)
		return 'P';
	if (bits & 0x20)
		return 'Z';
	if (bits & 0x10)
		return 'X';
	if (bits & 0x08)
		return 't';
	if (bits & 0x04)
		return 'T';
	if (bits & 0x02)
		return 'D';
	return bits & 0x01 ? 'S' : 'R';
}

/* Of the task's CPU. There is a shorter way, but kallsyms does not name `runqueues` everywhere. */
static __always_inline struct rq *task_queue(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->se.cfs_rq) || !bpf_core_field_exists(((struct cfs_rq *)0)->rq))
		return NULL;
	return BPF_CORE_READ(task, se.cfs_rq, rq);
}

/*
 * Since when, in the clock of its run queue: that rests while its CPU is idle, so now
 * is our own CPU's, which user space has just made go on. What was taken from its CPU
 * by interrupts and hypervisors since is missing from clock_task: as much as is
 * missing in all, at most, so the answer is rather too short by that than too long.
 */
static __always_inline u64 off_cpu_read(struct task_struct *task, u64 now)
{
	struct rq *queue = task_queue(task), *own = task_queue((void *)bpf_get_current_task());
	u64 last = BPF_CORE_READ(task, se.exec_start);

	if (!queue || !own || !last)
		return 0;

	s64 ahead = BPF_CORE_READ(own, clock) - now;
	if (ahead > threads_clock)
		threads_clock = ahead;

	s64 since = last + (BPF_CORE_READ(queue, clock) - BPF_CORE_READ(queue, clock_task));
	s64 off = (s64)now + threads_clock - since;

	return off > 0 ? off : 1;
}

static __always_inline u64 switches_read(struct task_struct *task)
{
	return BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
}

static __always_inline u32 flags_read(struct task_struct *task)
{
	u64 flags = BPF_CORE_READ(task, flags);
	u32 ret = 0;

	if (task_is_on_cpu(task))
		ret |= THREAD_ON_CPU;
	else if (task_is_queued(task))
		ret |= THREAD_RUNNABLE;
	if (flags & PF_EXITING)
		ret |= THREAD_EXITING;
	if (flags & (PF_KTHREAD | PF_IO_WORKER) || !BPF_CORE_READ(task, mm))
		ret |= THREAD_NO_MEMORY;
	return ret;
}

/*
 * orig_ax is the number of a system call, and -1 after interrupts and faults. It stays
 * behind when the call has returned, and a new thread has its creator's: both have
 * the result in ax. A call that a signal stopped goes on as restart_syscall(), with
 * the registers that it had: then those are its arguments all the same.
 */
static __always_inline u32 syscall_fill(struct thread_record *record, const struct pt_regs *regs)
{
	u64 error = -(u64)regs->ax;

	if ((s64)regs->orig_ax < 0 || (error != ENOSYS && (error < ERESTART_FIRST || error > ERESTART_RESTARTBLOCK)))
		return 0;
	record->syscall = regs->orig_ax;
	record->arguments[0] = regs->di;
	record->arguments[1] = regs->si;
	record->arguments[2] = regs->dx;
	record->arguments[3] = regs->r10;
	record->arguments[4] = regs->r8;
	record->arguments[5] = regs->r9;
	return THREAD_IN_SYSCALL;
}

static __always_inline void record_fill(struct thread_buffer *buffer, struct task_struct *task)
{
	struct thread_record *record = &buffer->record;
	/* First of all: whoever runs from now on has another count afterwards, or is still on its CPU below. */
	record->switches = switches_read(task);
	record->record.type = RECORD_THREAD;
	record->record.time_ns = bpf_ktime_get_ns();
	process_id_fill(&record->process, task);
	record->tid = task_number(task);
	record->thread_cnt = BPF_CORE_READ(task, signal, nr_threads);
	record->cpu = task_cpu(task);
	record->state = state_letter(task_state_word(task), BPF_CORE_READ(task, exit_state));
	record->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm),
			      (void *)task + bpf_core_field_offset(struct task_struct, comm));

	u32 flags = flags_read(task);

	if (!(flags & THREAD_NO_MEMORY) && !entry_registers_read(&buffer->registers, task)) {
		registers_copy(record->registers, &record->registers[REG_RIP], &buffer->registers);
		if (!(flags & THREAD_ON_CPU))
			flags |= syscall_fill(record, &buffer->registers);
	}
	if (!(flags & THREAD_ON_CPU)) {
		record->off_cpu_ns = off_cpu_read(task, record->record.time_ns);
		if (threads_kernel) {
			long size = bpf_get_task_stack(task, buffer->kernel, MAX_KERNEL_FRAMES * sizeof(u64), 0);

			record->kernel_cnt = size > 0 ? (u64)size / sizeof(u64) : 0;
		}
	}
	/* Who ran from the start, and stopped before its CPU was asked for, has been counted by now. */
	if (task_is_on_cpu(task) || switches_read(task) != record->switches)
		flags |= THREAD_ON_CPU;
	record->flags = flags;
}

SEC("iter/task")
int list_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct *self = (void *)bpf_get_current_task();
	u32 zero = 0;

	namespace_level = BPF_CORE_READ(self, thread_pid, level);
	if (!task)
		return 0;

	struct thread_buffer *buffer = bpf_map_lookup_elem(&thread_buffers, &zero);
	u32 pid = task_number(BPF_CORE_READ(task, group_leader));

	if (!buffer || !pid || (threads_of && pid != threads_of))
		return 0;
	__builtin_memset(&buffer->record, 0, sizeof(buffer->record));
	record_fill(buffer, task);

	u64 words = BOUND(buffer->record.kernel_cnt, MAX_KERNEL_FRAMES);

	buffer->record.record.size = sizeof(buffer->record) + words * sizeof(u64);
	bpf_seq_write(ctx->meta->seq, buffer, sizeof(buffer->record) + words * sizeof(u64));
	return 0;
}
