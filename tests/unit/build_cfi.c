/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/unit/build_cfi.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void cfi_put(struct cfi_builder *b, const void *bytes, size_t size)
{
	if (size > sizeof(b->bytes) - b->size)
		abort();
	if (size)
		memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
}

static void put_u32(struct cfi_builder *b, u32 value)
{
	cfi_put(b, &value, sizeof(value));
}

static void put_u64(struct cfi_builder *b, u64 value)
{
	cfi_put(b, &value, sizeof(value));
}

static void put_u8(struct cfi_builder *b, u8 value)
{
	cfi_put(b, &value, sizeof(value));
}

/* Pads with no operations and fills in the length. */
static size_t finish(struct cfi_builder *b, size_t start)
{
	while ((b->size - start) % 8)
		put_u8(b, 0);
	u32 length = b->size - start - sizeof(length);
	memcpy(b->bytes + start, &length, sizeof(length));
	return start;
}

size_t cfi_add_cie(struct cfi_builder *b, const char *augmentation, const u8 *data, size_t data_size, const u8 *program,
		   size_t size)
{
	size_t start = b->size;

	put_u32(b, 0);
	put_u32(b, b->address ? 0 : UINT32_MAX);
	put_u8(b, b->version ? b->version : 1);
	cfi_put(b, augmentation, strlen(augmentation) + 1);
	if (b->version == 4)
		cfi_put(b, (const u8[]){8, 0}, 2);
	cfi_put(b, (const u8[]){1, 0x78, RIP}, 3); /* factors 1 and -8 */
	if (augmentation[0] == 'z')
		put_u8(b, data_size);
	cfi_put(b, data, data_size);
	cfi_put(b, program, size);
	return finish(b, start);
}

size_t cfi_add_usual_cie(struct cfi_builder *b)
{
	if (!b->address)
		return cfi_add_cie(b, "", NULL, 0, CFI_BYTES(DEF_CFA(RSP, 8), OFFSET_OF(RIP, 1)));
	return cfi_add_cie(b, "zR", CFI_BYTES(0x1b), CFI_BYTES(DEF_CFA(RSP, 8), OFFSET_OF(RIP, 1)));
}

size_t cfi_add_fde(struct cfi_builder *b, size_t cie, u64 start, u64 function_size, const u8 *program, size_t size)
{
	size_t at = b->size;

	put_u32(b, 0);
	if (b->address) {
		put_u32(b, b->size - cie);
		put_u32(b, start - (b->address + b->size));
		put_u32(b, function_size);
		put_u8(b, 0); /* no augmentation data */
	} else {
		put_u32(b, cie);
		put_u64(b, start);
		put_u64(b, function_size);
	}
	cfi_put(b, program, size);
	return finish(b, at);
}
