/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_fallback.c - whatever a file says of its frames, and whatever is on the stack,
 * libunwind comes back, and reads nothing but what it was given.
 *
 * The first byte chooses between an ELF file and an .eh_frame, the second says how
 * many words of stack follow; then comes the file or the section.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elf/eh_index.h"
#include "unwind/cfi.h"
#include "unwind/cfi_index.h"
#include "unwind/fde.h"
#include "unwind/frame_step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STACK_ADDRESS	0x7ffc00001000ull
#define SECTION_ADDRESS 0x2000
#define ROWS_MAX	64

struct walk {
	struct frame_stepper *stepper;
	struct stack_copy stack;
	const struct cfi_cie *cie;
	u64 end;
	u32 rows;
};

static struct frame_registers steps(struct walk *walk, const struct fde *fde, u64 address)
{
	struct frame_registers registers = {.known = (1u << REG_CNT) - 1};

	for (u32 i = 0; i < REG_CNT; i++)
		registers.at[i] = walk->stack.start + 8 * i;
	for (int i = 0; i < 3; i++) {
		if (frame_step(walk->stepper, fde, address, &walk->stack, &registers))
			break;
		if (!(registers.known & 1u << REG_RIP))
			abort();
	}
	return registers;
}

/* What libunwind keeps says the same as what it reads. */
static void step(struct walk *walk, struct fde *fde, u64 address)
{
	if (address < fde->start || address >= fde->end)
		abort();
	struct frame_registers read = steps(walk, fde, address);

	frame_stepper_keep(walk->stepper, fde);
	for (int i = 0; i < 2; i++) {
		struct frame_registers kept = steps(walk, fde, address);

		if (kept.known != read.known || memcmp(kept.at, read.at, sizeof(read.at)))
			abort();
	}
}

static void row(void *data, u64 start, const struct cfi_state *state)
{
	struct walk *walk = data;
	_cleanup_(fde) struct fde *fde = NULL;

	if (!state || walk->rows++ >= ROWS_MAX)
		return;
	if (!fde_build(walk->cie, state, start, walk->end, &fde))
		step(walk, fde, start);
}

static void fuzz_section(struct walk *walk, const u8 *data, size_t size)
{
	const struct cfi_section section = {.bytes = data, .size = size, .address = SECTION_ADDRESS};
	static struct cfi_reader reader;
	struct cfi_fde fde;

	cfi_reader_init(&reader, &section);
	while (walk->rows < ROWS_MAX && cfi_reader_next(&reader, &fde)) {
		walk->cie = fde.cie;
		walk->end = fde.end;
		cfi_fde_run(&fde, row, walk);
	}
}

static void fuzz_file(struct walk *walk, const u8 *data, size_t size)
{
	_cleanup_(elf_file) struct elf_file *file = NULL;
	_cleanup_(cfi_index) struct cfi_index *rest = NULL;
	struct eh_index index = {};

	if (elf_file_open_memory(data, size, "fuzz", &file))
		return;
	bool searched = !eh_index_open(file, &index);
	bool indexed = !cfi_index_build(file, false, &rest);
	for (u64 address = 0; address < 0x2000; address += 0x40) {
		_cleanup_(fde) struct fde *fde = NULL, *other = NULL;

		if (searched && !fde_find(file, &index, address, &fde))
			step(walk, fde, address);
		if (indexed && !cfi_index_find(rest, address, &other))
			step(walk, other, address);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_stepper *stepper;

	if (!stepper && frame_stepper_new(&stepper))
		abort();
	if (size < 2 || size - 2 < 8u * data[1])
		return 0;
	struct walk walk = {
		.stepper = stepper,
		.stack = {.bytes = data + 2, .start = STACK_ADDRESS, .size = 8u * data[1]},
	};
	const u8 *rest = data + 2 + walk.stack.size;

	if (data[0] & 1)
		fuzz_file(&walk, rest, data + size - rest);
	else
		fuzz_section(&walk, rest, data + size - rest);
	return 0;
}
