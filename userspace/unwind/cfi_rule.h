/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cfi_rule.h - what call frame information says (cfi.h) as a rule that the kernel
 * side can follow (include/pyprof/unwind.h). All that depends on x86-64 and its
 * toolchains is here: what else a program may say is UNWIND_UNSUPPORTED.
 */
#ifndef PYPROF_CFI_RULE_H
#define PYPROF_CFI_RULE_H

#include "pyprof/unwind.h"
#include "unwind/cfi.h"

#define CFI_RULE_MACHINE EM_X86_64 /* <elf.h> */

/* Pure, and never wrong: what cannot be said exactly is UNWIND_UNSUPPORTED. state NULL (malformed) too. */
struct unwind_rule cfi_rule_of(const struct cfi_cie *cie, const struct cfi_state *state);

#endif
