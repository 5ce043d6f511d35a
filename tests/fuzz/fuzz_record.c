/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a record that passed says of its parts can be read to the last byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u64 *copy = malloc(size + 1); /* aligned as the ring is, and no byte too long */
	u64 sum = 0;

	memcpy(copy, data, size);
	if (!record_check(copy, size) && ((struct record *)copy)->type == RECORD_SAMPLE) {
		const struct sample *sample = (const struct sample *)copy;

		for (u32 i = 0; i < sample->kernel_cnt; i++)
			sum += sample_kernel(sample)[i];
		for (u32 i = 0; i < sample->python_cnt; i++)
			sum += sample_python(sample)[i].code;
		for (u32 i = 0; i < sample->native_cnt; i++)
			sum += sample_native(sample)[i];
	}
	if (!record_check(copy, size) && ((struct record *)copy)->type == RECORD_STACK) {
		const struct stack_record *stack = (const struct stack_record *)copy;

		for (u32 i = 0; i < stack->run_cnt; i++)
			sum += stack->anchors[i];
		for (u32 i = 0; i < stack->stack_size; i++)
			sum += ((const u8 *)(stack + 1))[i];
	}
	free(copy);
	__asm__ volatile("" ::"r"(sum)); /* the reads are what is tested */
	return 0;
}
