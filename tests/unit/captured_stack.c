/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "captured_stack.h"

#include <criterion/criterion.h>
#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

void captured_stack_asm(struct captured_stack *stack, u64 *registers);
void captured_stack_asm_bare(struct captured_stack *stack, u64 *registers);
void captured_stack_copy(struct captured_stack *stack);

/*
 * Notes the registers (DWARF's numbers, so not in the order that one would think)
 * as they are at its own first instruction, then has the stack copied.
 */
#define CAPTURE                                                                            \
	"	mov %rdx, 8(%rsi); mov %rcx, 16(%rsi); mov %rbx, 24(%rsi); mov %rsi, 32(%rsi)\n" \
	"	mov %rdi, 40(%rsi); mov %rbp, 48(%rsi); mov %rsp, 56(%rsi); mov %r8, 64(%rsi)\n" \
	"	mov %r9, 72(%rsi); mov %r10, 80(%rsi); mov %r11, 88(%rsi); mov %r12, 96(%rsi)\n" \
	"	mov %r13, 104(%rsi); mov %r14, 112(%rsi); mov %r15, 120(%rsi)\n"                 \
	"	lea 1b(%rip), %rax; mov %rax, 128(%rsi)\n"

__asm__(".text\n"
	".globl captured_stack_asm\n"
	".type captured_stack_asm, @function\n"
	"captured_stack_asm:\n"
	".cfi_startproc\n"
	"1:\n" CAPTURE "	sub $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"	call captured_stack_copy\n"
	"	add $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size captured_stack_asm, . - captured_stack_asm\n"

	".globl captured_stack_asm_bare\n"
	".type captured_stack_asm_bare, @function\n"
	"captured_stack_asm_bare:\n"
	"1:\n" CAPTURE "	sub $8, %rsp\n"
	"	call captured_stack_copy\n"
	"	add $8, %rsp\n"
	"	ret\n"
	".size captured_stack_asm_bare, . - captured_stack_asm_bare\n");

/* All of these have rsp in rbx, which the lies do not keep them from finding again. */
#define THROUGH(name, info)                                       \
	__asm__(".text\n"                                         \
		".globl captured_through_" name "\n"              \
		"captured_through_" name ":\n"                    \
		".cfi_startproc\n"                                \
		"	push %rbx\n"                                    \
		".cfi_def_cfa_offset 16\n"                        \
		".cfi_offset %rbx, -16\n"                         \
		"	mov %rsp, %rbx\n"                               \
		"	sub $4096, %rsp\n"                              \
		"	and $-4096, %rsp\n"                             \
		"	sub $2048, %rsp\n"                              \
		"	mov %rbx, 8(%rsp)\n"                            \
		"	xorq $85, 8(%rsp)\n" info "	call *%rsi\n" \
		"	mov %rbx, %rsp\n"                               \
		".cfi_def_cfa %rsp, 16\n"                         \
		"	pop %rbx\n"                                     \
		".cfi_def_cfa_offset 8\n"                         \
		"	ret\n"                                          \
		".cfi_endproc\n")

THROUGH("rbx", ".cfi_def_cfa %rbx, 16\n");
/* breg7 8; deref; const1u 85; xor; plus_uconst 16 */
THROUGH("expression", ".cfi_escape 0x0f, 8, 0x77, 8, 0x06, 0x08, 85, 0x27, 0x23, 16\n");
/* breg3 16; lit1; div */
THROUGH("division", ".cfi_escape 0x0f, 4, 0x73, 16, 0x31, 0x1b\n");
/* breg7 -64 */
THROUGH("lie", ".cfi_escape 0x0f, 2, 0x77, 0x40\n");

__asm__(".text\n"
	".globl captured_through_frames\n"
	"captured_through_frames:\n"
	".cfi_startproc\n"
	"	sub $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"	dec %rdx\n"
	"	jz 1f\n"
	"	call captured_through_frames\n"
	"	add $8, %rsp\n"
	".cfi_remember_state\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_restore_state\n"
	"1:	call *%rsi\n"
	"	add $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"

	".globl captured_illegal\n"
	"	nop\n"
	"captured_illegal:\n"
	".cfi_startproc\n"
	"	ud2\n"
	".cfi_endproc\n"

	".globl captured_bare_sigreturn\n"
	"	nop\n"
	"captured_bare_sigreturn:\n"
	"	mov $15, %rax\n"
	"	syscall\n");

/* By the kernel, page by page: what is not mapped is not copied, and no sanitizer looks. */
__attribute__((used)) void captured_stack_copy(struct captured_stack *stack)
{
	struct stack_record *record = &stack->record;

	record->stack_start = record->registers[7] & ~(u64)(PAGE - 1);
	record->stack_size = 0;
	while (record->stack_size < MAX_STACK_COPY) {
		struct iovec from = {(void *)(record->stack_start + record->stack_size), PAGE};
		struct iovec to = {stack->bytes + record->stack_size, PAGE};

		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != PAGE)
			break;
		record->stack_size += PAGE;
	}
	record->record.type = RECORD_STACK;
	record->record.size = sizeof(*record) + record->stack_size;
}

#define FUNCTION_SIZE 512 /* more than either of the next two has */

/* Sanitizers put a frame of theirs before the one that asks. */
static inline __attribute__((always_inline)) void take_callers(struct captured_stack *stack, u64 self)
{
	void **callers = stack->callers;

	stack->caller_cnt = backtrace(callers, CAPTURED_FRAMES_MAX);
	while (stack->caller_cnt && (u64)callers[0] - self >= FUNCTION_SIZE)
		memmove(callers, callers + 1, --stack->caller_cnt * sizeof(*callers));
}

__attribute__((noinline)) void captured_stack_end(struct captured_stack *stack)
{
	take_callers(stack, (u64)captured_stack_end);
	captured_stack_asm(stack, stack->record.registers);
	__asm__ volatile("" ::: "memory"); /* no tail call */
}

__attribute__((noinline)) void captured_stack_end_bare(struct captured_stack *stack)
{
	take_callers(stack, (u64)captured_stack_end_bare);
	captured_stack_asm_bare(stack, stack->record.registers);
	__asm__ volatile("" ::: "memory");
}

struct way {
	struct captured_stack *stack;
	captured_fn fn;
};

static void *way_run(void *data)
{
	struct way *way = data;

	way->fn(way->stack);
	return NULL;
}

void captured_stack_take(struct captured_stack *stack, captured_fn fn)
{
	struct way way = {.stack = stack, .fn = fn};
	pthread_t thread;

	memset(&stack->record, 0, sizeof(stack->record));
	cr_assert_eq(pthread_create(&thread, NULL, way_run, &way), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_gt(stack->record.stack_size, 0);
	cr_assert_gt(stack->caller_cnt, 0);
}
