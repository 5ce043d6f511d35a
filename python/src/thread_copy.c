/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_copy.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own_memory.h"
#include "pyprof/unwind.h"

#ifndef __x86_64__
#error "registers are known of x86-64 only"
#endif

#define STACK_DISTANCE_MAX (1ull << 30) /* what lies further above is no end of this stack */

/*
 * The kernel's struct ucontext, in words (arch/x86/include/uapi/asm/ucontext.h and sigcontext.h; the registers are in
 * pyprof/unwind.h). libc's header has other numbers for registers than DWARF.
 */
enum ucontext_word {
	UCONTEXT_FLAGS = 0,
	UCONTEXT_LINK = 1,
	UCONTEXT_STACK_START = 2, /* of the alternate stack, whether it was in use or not */
	UCONTEXT_STACK_SIZE = 4,
	UCONTEXT_RSP = UCONTEXT_REGISTERS / 8 + 15,
	UCONTEXT_SEGMENTS = UCONTEXT_REGISTERS / 8 + 18, /* cs is the lowest 16 bits */
	UCONTEXT_WORD_CNT,
};

#define UCONTEXT_FLAGS_MAX 7 /* the kernel sets three bits, and no link */
#define USER_CS		   0x33

/* One per process: the top of the first thread's stack, where the program's name is. 0: not known. */
static atomic_ullong first_stack_end;

void thread_copy_prepare(void)
{
	if (!first_stack_end)
		first_stack_end = getauxval(AT_EXECFN);
}

static bool is_below(u64 address, u64 end)
{
	return address < end && end - address < STACK_DISTANCE_MAX;
}

/* Where the stack under rsp certainly has ended; the end of the address space when nothing says so. */
static u64 stack_end(u64 rsp, u64 ident)
{
	/* Both libcs put what pthread_t points to above the thread's stack. */
	if (is_below(rsp, ident))
		return ident;
	return is_below(rsp, first_stack_end) ? first_stack_end : ~0ull;
}

/*
 * Below rsp a function may use so much (System V ABI). One that is about to return has just taken its caller's rbp
 * from there, and its unwind information still says that it is there.
 */
#define RED_ZONE_SIZE 128

/* lowest: of the stack. Further down than rsp it may not have grown yet. */
static u64 copy_start(u64 rsp, u64 lowest)
{
	u64 start = rsp - lowest > RED_ZONE_SIZE ? rsp - RED_ZONE_SIZE : lowest;
	u8 byte;

	return own_memory_read_some(start, &byte, 1) == 1 ? start : rsp;
}

/* From start to end, as far as there is room. True: there was not. */
static bool piece_copy(const struct copy_room *room, u64 start, u64 end, struct thread_copy *copy)
{
	u8 *bytes = room->bytes[copy->piece_cnt], next;
	struct stack_copy *piece = &copy->pieces[copy->piece_cnt];
	size_t size = end - start < room->size ? end - start : room->size;
	ssize_t read = own_memory_read_some(start, bytes, size);

	*piece = (struct stack_copy){.bytes = bytes, .start = start, .size = read < 0 ? 0 : read};
	if (copy->piece_cnt)
		piece[-1].next = piece;
	copy->piece_cnt++;
	return piece->size == room->size && start + size < end && own_memory_read_some(start + size, &next, 1) == 1;
}

/*
 * The alternate stack
 */

struct extent {
	u64 start, size;
};

static struct extent alternate_stack(const u64 *ucontext)
{
	return (struct extent){ucontext[UCONTEXT_STACK_START], ucontext[UCONTEXT_STACK_SIZE]};
}

/* As the kernel decides it: a stack that was not touched yet has rsp at its end. */
static bool is_on(struct extent stack, u64 rsp)
{
	return rsp > stack.start && rsp - stack.start <= stack.size;
}

/* Is it what the kernel saved when it came to this stack from another one? */
static bool is_entry(const u64 *ucontext, struct extent stack)
{
	return ucontext[UCONTEXT_STACK_START] == stack.start && ucontext[UCONTEXT_STACK_SIZE] == stack.size &&
	       ucontext[UCONTEXT_FLAGS] <= UCONTEXT_FLAGS_MAX && !ucontext[UCONTEXT_LINK] &&
	       (u16)ucontext[UCONTEXT_SEGMENTS] == USER_CS && !is_on(stack, ucontext[UCONTEXT_RSP]);
}

/*
 * The rsp that the stack was left for; 0 when it is not found. It lies below the vector registers, some 12 KiB at most,
 * that the kernel saves first. The highest that looks like it is it: what earlier signals left is overwritten there.
 */
static u64 left_stack_find(const struct copy_room *room, struct extent stack, u64 rsp)
{
	u64 end = (stack.start + stack.size) & ~7ull;
	u64 size = end - rsp < COPY_ROOM_MIN ? (end - rsp) & ~7ull : COPY_ROOM_MIN;
	const u64 *words = (const u64 *)room->bytes[1];
	size_t cnt = size / sizeof(*words);

	/* The room is that of the piece which is looked for. */
	if (own_memory_read_some(end - size, room->bytes[1], size) != (ssize_t)size)
		return 0;
	for (size_t i = cnt; i-- > 0;) {
		if (cnt - i >= UCONTEXT_WORD_CNT && is_entry(&words[i], stack))
			return words[i + UCONTEXT_RSP];
	}
	return 0;
}

static void pieces_copy(const struct copy_room *room, struct extent alternate, struct thread_copy *copy)
{
	u64 rsp = copy->registers[REG_RSP];

	copy->piece_cnt = 0;
	copy->is_cut = false;
	if (is_on(alternate, rsp)) {
		copy->is_cut = piece_copy(room, copy_start(rsp, alternate.start), alternate.start + alternate.size,
					  copy);
		rsp = left_stack_find(room, alternate, rsp);
	}
	if (rsp)
		copy->is_cut |= piece_copy(room, copy_start(rsp, 0), stack_end(rsp, copy->ident), copy);
}

void thread_copy_fill(const void *ucontext, const struct copy_room *room, struct thread_copy *copy)
{
	const u64 *saved = (const u64 *)((const u8 *)ucontext + UCONTEXT_REGISTERS);

#define X(slot, number) copy->registers[number] = saved[slot];
	FOR_EACH_UCONTEXT_REGISTER(X)
#undef X
	copy->registers[REG_RIP] = saved[UCONTEXT_RIP];
	pieces_copy(room, alternate_stack(ucontext), copy);
}

size_t thread_copy_stack_left(const void *ucontext)
{
	struct extent stack = alternate_stack(ucontext);
	u64 here = (u64)__builtin_frame_address(0);

	return is_on(stack, here) ? here - stack.start : SIZE_MAX;
}

/*
 * The caller
 */

/* Of sigaltstack(2): libc's <signal.h> has other numbers for registers than DWARF. */
struct signal_stack {
	u64 start;
	u64 flags;
	u64 size;
};

/* Not inlined, nor left before the copy is made: the registers are those of its frame. */
__attribute__((noinline)) void thread_copy_fill_self(const struct copy_room *room, struct thread_copy *copy)
{
	struct signal_stack stack = {0};

	memset(copy->registers, 0, sizeof(copy->registers));
	syscall(SYS_sigaltstack, NULL, &stack);
	/* What a call preserves, and where it is. */
	__asm__ volatile("movq %%rbx, 3*8(%0)\n\t"
			 "movq %%rbp, 6*8(%0)\n\t"
			 "movq %%rsp, 7*8(%0)\n\t"
			 "movq %%r12, 12*8(%0)\n\t"
			 "movq %%r13, 13*8(%0)\n\t"
			 "movq %%r14, 14*8(%0)\n\t"
			 "movq %%r15, 15*8(%0)\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "movq %%rax, 16*8(%0)\n"
			 "1:"
			 :
			 : "r"(copy->registers)
			 : "rax", "memory");
	pieces_copy(room, (struct extent){stack.start, stack.size}, copy);
	__asm__ volatile("" ::: "memory");
}
