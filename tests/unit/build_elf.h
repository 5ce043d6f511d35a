/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * build_elf.h - makes the ELF file that a test needs, in memory:
 *
 *	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);
 *	u32 text = elf_builder_add_code(b, ".text", 0x1000, code, sizeof(code));
 *	elf_builder_add_symbol(b, SHT_SYMTAB, "main", STB_GLOBAL, STT_FUNC, text, 0x1000, 32);
 *	struct elf_file *file = elf_builder_open(b);	// frees the builder
 *
 * Each allocated section gets a PT_LOAD of its own, at a file offset that agrees with
 * its address modulo 4,096; others can be added. What the builder does not do on its
 * own (hostile values), a test pokes into the finished bytes, with the headers from built_elf_*.
 * Nothing fails: out of memory aborts, as does a wrong call.
 */
#ifndef PYPROF_TESTS_BUILD_ELF_H
#define PYPROF_TESTS_BUILD_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

#include "elf/elf_file.h"
#include "pyprof/types.h"

struct elf_builder;

struct elf_builder *elf_builder_new(u16 type, u16 machine);
void elf_builder_free(struct elf_builder *b);

/* A section, its number back. With SHF_ALLOC in flags it is loaded at address. The bytes are copied; NULL: zeros. */
u32 elf_builder_add_section(struct elf_builder *b, const char *name, u32 type, u64 flags, u64 address,
			    const void *bytes, size_t size);
/* The two usual kinds: loaded, executable or writable. */
u32 elf_builder_add_code(struct elf_builder *b, const char *name, u64 address, const void *bytes, size_t size);
u32 elf_builder_add_data(struct elf_builder *b, const char *name, u64 address, const void *bytes, size_t size);

/* Into SHT_SYMTAB or SHT_DYNSYM. Section: a number from above, or SHN_ABS, SHN_UNDEF. */
void elf_builder_add_symbol(struct elf_builder *b, u32 table, const char *name, u8 bind, u8 type, u32 section,
			    u64 address, u64 size);

/* A program header beside those made for sections. */
void elf_builder_add_segment(struct elf_builder *b, const Elf64_Phdr *segment);

void elf_builder_set_soname(struct elf_builder *b, const char *soname);

/* Leaves the section headers away, as sstrip does; .dynsym is found through PT_DYNAMIC. */
void elf_builder_strip_section_headers(struct elf_builder *b);
/* DT_GNU_HASH in place of DT_HASH. */
void elf_builder_use_gnu_hash(struct elf_builder *b);

/* The file's bytes, to be freed by the caller. Frees the builder. */
void *elf_builder_finish(struct elf_builder *b, size_t *ret_size);

/* The same, opened. NULL when elf_file_open_memory refuses it. */
struct elf_file *elf_builder_open(struct elf_builder *b);

/* Headers in finished bytes, to read or to spoil: the file's, a section's by name, the i-th program header. */
Elf64_Ehdr *built_elf_header(void *bytes);
Elf64_Shdr *built_elf_section(void *bytes, const char *name);
Elf64_Phdr *built_elf_segment(void *bytes, size_t i);

#endif
