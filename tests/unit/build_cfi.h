/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * build_cfi.h - makes call frame information that a test needs, byte by byte:
 *
 *	struct cfi_builder b = {.address = 0x3000};
 *	size_t cie = cfi_add_cie(&b, "zR", CFI_BYTES(0x1b), CFI_BYTES(DEF_CFA(7, 8), OFFSET_OF(16, 1)));
 *	cfi_add_fde(&b, cie, 0x1000, 0x20, CFI_BYTES(ADVANCE(4), CFA_OFFSET(16)));
 *
 * The opcodes are those of DWARF 5, section 7.24; operands above 127 are the test's affair.
 */
#ifndef PYPROF_TESTS_BUILD_CFI_H
#define PYPROF_TESTS_BUILD_CFI_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

#define CFI_BYTES(...) ((const u8[]){__VA_ARGS__}), sizeof((const u8[]){__VA_ARGS__})

#define ADVANCE(n)		0x40 | (n)
#define OFFSET_OF(reg, n)	0x80 | (reg), n /* saved at CFA - 8 n */
#define RESTORE(reg)		0xc0 | (reg)
#define UNDEFINED(reg)		0x07, reg
#define SAME(reg)		0x08, reg
#define IN_REGISTER(reg, other) 0x09, reg, other
#define REMEMBER		0x0a
#define RECALL			0x0b
#define DEF_CFA(reg, n)		0x0c, reg, n
#define CFA_REGISTER(reg)	0x0d, reg
#define CFA_OFFSET(n)		0x0e, n
#define CFA_EXPRESSION(size)	0x0f, size
#define EXPRESSION(reg, size)	0x10, reg, size

#define RBP 6
#define RSP 7
#define RIP 16

struct cfi_builder {
	u64 address; /* of the first byte; 0: .debug_frame */
	u8 version; /* of CIEs; 0: 1 */
	u8 bytes[1 << 16];
	size_t size;
};

void cfi_put(struct cfi_builder *b, const void *bytes, size_t size);

/* Returns its offset. The augmentation data may be empty. .debug_frame: absolute 8-byte addresses. */
size_t cfi_add_cie(struct cfi_builder *b, const char *augmentation, const u8 *data, size_t data_size, const u8 *program,
		   size_t size);
/* What compilers write: "zR" with 4-byte relative addresses, CFA rsp+8, return address at CFA-8. */
size_t cfi_add_usual_cie(struct cfi_builder *b);
/* Of a CIE with "zR" and 0x1b, or of .debug_frame. Returns its offset. */
size_t cfi_add_fde(struct cfi_builder *b, size_t cie, u64 start, u64 function_size, const u8 *program, size_t size);

#endif
