/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "base/file.h"
#include "elf/eh_index.h"
#include "unwind/fde.h"
#include "unwind/frame_step.h"

TestSuite(fde);

/*
 * Expressions
 */

static int check(const char *bytes, size_t size)
{
	return fde_expression_check(bytes, size);
}

#define CHECK(bytes) check(bytes, sizeof(bytes) - 1)

Test(fde, expressions_that_toolchains_write_pass)
{
	/* .plt: breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus */
	cr_assert_eq(CHECK("\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"), 0);
	/* a realigned stack: breg6 -8; deref */
	cr_assert_eq(CHECK("\x76\x78\x06"), 0);
	/* libc's sigreturn: breg7 160; deref */
	cr_assert_eq(CHECK("\x77\xa0\x01\x06"), 0);
}

Test(fde, what_libunwind_does_wrong_does_not_pass)
{
	cr_assert_eq(CHECK("\x77\x08\x31\x1b"), -ENOTSUP); /* div */
	cr_assert_eq(CHECK("\x77\x08\x31\x1d"), -ENOTSUP); /* mod */
	cr_assert_eq(CHECK("\x77\x08\x2f\xfb\xff"), -ENOTSUP); /* skip -5: for ever */
	cr_assert_eq(CHECK("\x31\x28\xfc\xff"), -ENOTSUP); /* bra */
	cr_assert_eq(CHECK("\x92\xff\xff\xff\xff\x0f\x00"), -ENOTSUP); /* bregx */
	cr_assert_eq(CHECK("\x81\x00"), -ENOTSUP); /* breg17 */
	cr_assert_eq(CHECK("\x50"), -ENOTSUP); /* reg0 */
	cr_assert_eq(CHECK("\x03\x01\x02\x03\x04\x05\x06\x07\x08"), -ENOTSUP); /* addr */
}

Test(fde, an_operand_that_is_cut_does_not_pass)
{
	cr_assert_eq(CHECK("\x77"), -EBADMSG);
	cr_assert_eq(CHECK("\x77\x80"), -EBADMSG);
	cr_assert_eq(CHECK("\x0e\x01\x02\x03"), -EBADMSG);
}

/*
 * Steps. What is expected is what DWARF 5, section 6.4.1, says of each kind.
 */

static struct frame_stepper *stepper;
static u64 words[32]; /* the stack: each has a value of its own */
static struct stack_copy stack = {.bytes = (const u8 *)words, .start = 0x7000, .size = sizeof(words)};
static struct frame_registers registers;
static const struct cfi_cie cie = {.return_register = REG_RIP, .code_align = 1, .data_align = -8};
static struct cfi_state state;

#define CODE 0x401000ull

static void set_up(void)
{
	cr_assert_eq(frame_stepper_new(&stepper), 0);
	for (u32 i = 0; i < 32; i++)
		words[i] = 0x5000 + i;
	registers.known = (1u << REG_CNT) - 1;
	for (u32 i = 0; i < REG_CNT; i++)
		registers.at[i] = 0x100 + i;
	registers.at[REG_RSP] = 0x7010;
	state.cfa = (struct cfi_value){.kind = CFI_REGISTER, .number = REG_RSP, .offset = 32};
	state.registers[REG_RIP] = (struct cfi_value){.kind = CFI_OFFSET, .offset = -8};
}

static void tear_down(void)
{
	frame_stepper_free(stepper);
}

#define StepTest(name, ...) Test(fde, name, .init = set_up, .fini = tear_down, ##__VA_ARGS__)

static int step(void)
{
	_cleanup_(fde) struct fde *fde = NULL;

	int err = fde_build(&cie, &state, CODE, CODE + 16, &fde);
	return err ? err : frame_step(stepper, fde, CODE + 15, &stack, &registers);
}

StepTest(what_is_not_mentioned_stays_and_rsp_becomes_the_cfa)
{
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[REG_RSP], 0x7030);
	cr_assert_eq(registers.at[REG_RIP], 0x5005);
	cr_assert_eq(registers.at[12], 0x100 + 12);
	cr_assert_eq(registers.known, (1u << REG_CNT) - 1);
}

static struct fde *fde_kept(s32 cfa_offset)
{
	struct fde *fde;

	state.cfa.offset = cfa_offset;
	cr_assert_eq(fde_build(&cie, &state, CODE, CODE + 16, &fde), 0);
	frame_stepper_keep(stepper, fde);
	return fde;
}

static u64 step_from(const struct fde *fde, u64 rsp)
{
	registers.at[REG_RSP] = rsp;
	cr_assert_eq(frame_step(stepper, fde, CODE + 15, &stack, &registers), 0);
	return registers.at[REG_RIP];
}

StepTest(what_is_kept_of_one_file_is_not_taken_for_the_same_address_of_another)
{
	_cleanup_(fde) struct fde *one = fde_kept(32);
	_cleanup_(fde) struct fde *other = fde_kept(64);

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(step_from(one, 0x7010), 0x5005);
		cr_assert_eq(step_from(other, 0x7010), 0x5009);
	}
	state.cfa.offset = 16;
	registers.at[REG_RSP] = 0x7010;
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[REG_RIP], 0x5003);
	cr_assert_eq(step_from(one, 0x7010), 0x5005);
}

StepTest(what_is_kept_is_the_rule_and_not_what_it_gave)
{
	state.registers[3] = (struct cfi_value){.kind = CFI_OFFSET, .offset = -24};
	_cleanup_(fde) struct fde *fde = fde_kept(32);

	for (u32 i = 0; i < 3; i++) {
		registers.at[12] = 0x600 + i;
		cr_assert_eq(step_from(fde, 0x7010 + 8 * i), 0x5005 + i);
		cr_assert_eq(registers.at[3], 0x5003 + i);
		cr_assert_eq(registers.at[12], 0x600 + i);
	}
	registers.at[REG_RSP] = 0x7100;
	cr_assert_eq(frame_step(stepper, fde, CODE + 15, &stack, &registers), -EFAULT);
}

StepTest(expressions_get_the_real_address_also_of_what_is_kept)
{
	static const u8 rip[] = {0x80, 0x00}; /* breg16 0 */

	state.registers[14] = (struct cfi_value){.kind = CFI_VAL_EXPRESSION, .number = 2, .expression = rip};
	_cleanup_(fde) struct fde *fde = fde_kept(32);

	for (u32 i = 0; i < 2; i++) {
		step_from(fde, 0x7010);
		cr_assert_eq(registers.at[14], CODE + 15);
	}
}

StepTest(registers_that_changed_places_change_back)
{
	state.registers[12] = (struct cfi_value){.kind = CFI_REGISTER, .number = 13};
	state.registers[13] = (struct cfi_value){.kind = CFI_REGISTER, .number = 12};
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[12], 0x100 + 13);
	cr_assert_eq(registers.at[13], 0x100 + 12);
}

StepTest(an_offset_is_a_place_and_a_val_offset_a_value)
{
	state.registers[3] = (struct cfi_value){.kind = CFI_OFFSET, .offset = -24};
	state.registers[14] = (struct cfi_value){.kind = CFI_VAL_OFFSET, .offset = -24};
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[3], 0x5003);
	cr_assert_eq(registers.at[14], 0x7030 - 24);
}

StepTest(expressions_find_places_and_values_from_the_frames_own_registers)
{
	static const u8 here[] = {0x77, 0x08}, caller_relative[] = {0x38, 0x1c}; /* breg7 8; lit8, minus */

	state.registers[3] = (struct cfi_value){.kind = CFI_EXPRESSION, .number = 2, .expression = here};
	state.registers[14] = (struct cfi_value){.kind = CFI_VAL_EXPRESSION, .number = 2, .expression = here};
	state.registers[15] = (struct cfi_value){.kind = CFI_EXPRESSION, .number = 2, .expression = caller_relative};
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[3], 0x5003); /* the word at 0x7018 */
	cr_assert_eq(registers.at[14], 0x7018);
	cr_assert_eq(registers.at[15], 0x5005); /* that at the CFA - 8 */
}

StepTest(an_undefined_register_is_lost_and_what_needs_it_fails)
{
	state.registers[REG_RBP] = (struct cfi_value){.kind = CFI_UNDEFINED};
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[REG_RIP], 0x5005);
	cr_assert_eq(registers.known, ((1u << REG_CNT) - 1) & ~(1u << REG_RBP));
	state.cfa.number = REG_RBP;
	cr_assert_eq(step(), -EBADMSG);
}

/* glibc's vfork has it in rdi across the system call. */
StepTest(a_return_address_may_be_in_a_register)
{
	state.cfa.offset = 8;
	state.registers[REG_RIP] = (struct cfi_value){.kind = CFI_REGISTER, .number = 5};
	cr_assert_eq(step(), 0);
	cr_assert_eq(registers.at[REG_RIP], 0x105);
	cr_assert_eq(registers.at[REG_RSP], 0x7018);
}

StepTest(an_undefined_rip_is_the_first_frame)
{
	state.registers[REG_RIP] = (struct cfi_value){.kind = CFI_UNDEFINED};
	cr_assert_eq(step(), -ENOENT);
	cr_assert_eq(registers.at[REG_RSP], 0x7010, "and the registers stay");
}

StepTest(a_word_beyond_the_copy_is_a_fault_one_below_it_nonsense)
{
	state.cfa.offset = 0x1000;
	cr_assert_eq(step(), -EFAULT);
	state.cfa.offset = -0x1000;
	cr_assert_eq(step(), -EBADMSG);
	cr_assert_eq(registers.at[REG_RSP], 0x7010);
}

StepTest(what_cannot_be_said_is_not_built)
{
	state.cfa.number = REG_CNT;
	cr_assert_eq(step(), -ENOTSUP);
	state.cfa = (struct cfi_value){.kind = CFI_UNSPECIFIED};
	cr_assert_eq(step(), -ENOTSUP);
}

StepTest(a_return_address_that_is_nowhere_is_not_built)
{
	state.registers[REG_RIP] = (struct cfi_value){.kind = CFI_UNSPECIFIED};
	cr_assert_eq(step(), -ENOTSUP);
}

StepTest(an_expression_longer_than_any_is_not_built)
{
	static u8 long_one[257] = {0x77, 0x00};

	memset(long_one + 2, 0x96, sizeof(long_one) - 2);
	state.registers[3] = (struct cfi_value){.kind = CFI_EXPRESSION, .number = 257, .expression = long_one};
	cr_assert_eq(step(), -ENOTSUP);
}

/*
 * Files
 */

static int note_libc(struct dl_phdr_info *info, size_t size, void *path)
{
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	strcpy(path, info->dlpi_name);
	return 1;
}

static struct elf_file *open_libc(bool section_headers)
{
	_cleanup_(free) char *bytes = NULL;
	struct elf_file *file;
	char path[4096];
	size_t size;

	cr_assert_eq(dl_iterate_phdr(note_libc, path), 1);
	cr_assert_eq(file_read(path, 64 << 20, &bytes, &size), 0);
	if (!section_headers) {
		ElfW(Ehdr) *header = (void *)bytes;

		header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
	}
	cr_assert_eq(elf_file_open_memory(bytes, size, "libc", &file), 0);
	return file;
}

Test(fde, a_file_needs_no_section_headers)
{
	_cleanup_(elf_file) struct elf_file *file = open_libc(true), *bare = open_libc(false);
	struct eh_index index, bare_index;
	u64 address, size;

	cr_assert_eq(eh_index_open(file, &index), 0);
	cr_assert_eq(eh_index_open(bare, &bare_index), 0);
	cr_assert_eq(index.table, bare_index.table);
	cr_assert_eq(index.cnt, bare_index.cnt);
	cr_assert_eq(elf_file_section(file, ".eh_frame_hdr", &address, &size), 0);
	cr_assert_eq(index.header, address);
	cr_assert_eq(index.table + 8ull * index.cnt, address + size);
}

Test(fde, a_row_holds_for_its_addresses_and_no_others)
{
	_cleanup_(elf_file) struct elf_file *file = open_libc(true);
	struct eh_index index;
	u64 start, size, prologue_end = 0;

	cr_assert_eq(eh_index_open(file, &index), 0);
	cr_assert_eq(elf_file_object(file, "qsort_r", &start, &size), 0);
	for (u64 address = start; address < start + size;) {
		_cleanup_(fde) struct fde *fde = NULL, *last = NULL;

		cr_assert_eq(fde_find(file, &index, address, &fde), 0);
		cr_assert_eq(fde->start, address, "rows lie side by side");
		cr_assert_eq(fde_find(file, &index, fde->end - 1, &last), 0);
		cr_assert_eq(last->size, fde->size);
		cr_assert_eq(memcmp(last->bytes, fde->bytes, fde->size), 0);
		address = fde->end;
		prologue_end = prologue_end ?: address;
	}
	cr_assert_lt(prologue_end, start + size, "there are several");
}

Test(fde, where_nothing_is_said_nothing_is_found)
{
	_cleanup_(elf_file) struct elf_file *file = open_libc(true);
	struct eh_index index;
	struct fde *fde;

	cr_assert_eq(eh_index_open(file, &index), 0);
	cr_assert_eq(fde_find(file, &index, 0, &fde), -ENOENT);
	cr_assert_eq(fde_find(file, &index, ~0ull, &fde), -ENOENT);
	index.cnt = UINT32_MAX; /* the rest of the table is not a table */
	cr_assert_neq(fde_find(file, &index, ~0ull, &fde), 0);
}
