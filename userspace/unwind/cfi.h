/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cfi.h - call frame information, read as it is written: CIEs, FDEs and their
 * programs (DWARF 5, section 6.4; .eh_frame: Linux Standard Base, "Exception
 * Frames"). Says for each range of addresses where the caller's registers are, in
 * DWARF's own terms; cfi_rule.h makes rules of that.
 *
 * Pure: bytes in, rows out. The bytes are hostile: time is linear in them, memory
 * constant, and what is malformed is left out or given as a row without a state.
 */
#ifndef PYPROF_CFI_H
#define PYPROF_CFI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "pyprof/types.h"
#include "pyprof/unwind.h"

struct cfi_section {
	const u8 *bytes; /* borrowed */
	size_t size;
	u64 address; /* vaddr of the first byte */
	bool debug_frame; /* .debug_frame's format, else .eh_frame's */
	bool ends_at_zero; /* a length of 0 ends it; else that is skipped, as a linker may have put more behind it */
};

enum cfi_kind {
	CFI_UNSPECIFIED, /* not mentioned; the CFA of a program that never defines one */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET, /* saved at CFA + offset */
	CFI_VAL_OFFSET, /* is CFA + offset */
	CFI_REGISTER, /* is in another register. For a CFA: that register + offset */
	CFI_EXPRESSION, /* saved where a DWARF expression says. For a CFA: is what it says */
	CFI_VAL_EXPRESSION, /* is what a DWARF expression says */
};

struct cfi_value {
	u8 kind; /* enum cfi_kind */
	u32 number; /* CFI_REGISTER: its number; CFI_*EXPRESSION: its size */
	union {
		s64 offset;
		const u8 *expression; /* in the section */
	};
};

struct cfi_state {
	struct cfi_value cfa;
	struct cfi_value registers[REG_CNT]; /* of the caller */
};

struct cfi_cie {
	u64 offset; /* in the section; the id by which FDEs name it */
	u64 code_align;
	s64 data_align;
	u64 return_register;
	u8 encoding; /* of its FDEs' addresses */
	bool augmented; /* its FDEs have augmentation data */
	bool signal; /* a frame that the kernel made: its caller was interrupted, it did not call */
	struct cfi_state initial;
};

struct cfi_fde {
	u64 start, end; /* vaddr; half open, not empty */
	const struct cfi_cie *cie; /* valid until the next FDE is read */
	const struct cfi_section *section;
	struct cursor program;
};

#define CFI_CIE_CACHE_SIZE 16 /* a power of two */

struct cfi_reader {
	const struct cfi_section *section;
	size_t offset; /* of the next entry */
	struct {
		struct cfi_cie cie;
		bool known, usable;
	} cies[CFI_CIE_CACHE_SIZE];
};

/* Borrows the section. */
void cfi_reader_init(struct cfi_reader *reader, const struct cfi_section *section);

/* The next FDE that can be read; false at the end. */
bool cfi_reader_next(struct cfi_reader *reader, struct cfi_fde *ret);

/*
 * Runs the program. row is called with ascending addresses, first with the FDE's
 * start; a row holds up to the next one, the last to the FDE's end. NULL for the
 * state: the program is malformed from here on.
 */
typedef void (*cfi_row_fn)(void *data, u64 start, const struct cfi_state *state);
void cfi_fde_run(const struct cfi_fde *fde, cfi_row_fn row, void *data);

#endif
