/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_cfi.c - any bytes as .eh_frame or .debug_frame (the first bit tells): rows ascend, rules are said. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "unwind/cfi_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rows {
	const struct cfi_fde *fde;
	u64 next; /* no row starts before it */
	bool ended;
};

static void check_row(void *data, u64 start, const struct cfi_state *state)
{
	struct rows *rows = data;

	if (rows->ended || start < rows->next || start >= rows->fde->end)
		abort();
	struct unwind_rule rule = cfi_rule_of(rows->fde->cie, state);
	if (UNWIND_KIND(&rule) == UNWIND_NONE || UNWIND_KIND(&rule) >= UNWIND_FRAME_POINTER)
		abort();
	rows->next = start + 1;
	rows->ended = !state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cfi_reader reader;
	struct cfi_fde fde;

	if (!size)
		return 0;
	struct cfi_section section = {
		.bytes = data + 1,
		.size = size - 1,
		.address = 0x3000,
		.debug_frame = data[0] & 1,
		.ends_at_zero = data[0] & 2,
	};
	cfi_reader_init(&reader, &section);
	while (cfi_reader_next(&reader, &fde)) {
		struct rows rows = {.fde = &fde, .next = fde.start};

		if (fde.start >= fde.end)
			abort();
		cfi_fde_run(&fde, check_row, &rows);
	}
	return 0;
}
