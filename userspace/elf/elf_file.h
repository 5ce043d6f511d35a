/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_file.h - one ELF file, opened once and shared by everybody who maps it.
 *
 * Addresses here are the file's own virtual addresses ("vaddr"), which symbol
 * tables speak; a process adds its bias. File offsets are what mappings speak.
 * The bytes are another party's: nothing in them is believed unchecked.
 *
 * Symbols are loaded on first need and kept; other bytes are read when asked for,
 * so the file's bytes stay at hand until the last reference goes: by its descriptor, or,
 * for those who cannot keep one, by its path (elf_bytes.h).
 */
#ifndef PYPROF_ELF_FILE_H
#define PYPROF_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "elf/elf_bytes.h"
#include "pyprof/types.h"

struct elf_file;

struct symbol {
	u64 start, size; /* vaddr; size is never 0: reaches to the next symbol where the file says none */
	const char *name; /* as in the file, mangled, or `FUNCTION@plt`; owned by the elf_file; cut at 4,095 bytes */
};

/* Takes over fd, also on failure. The name is for people. -ENOEXEC: not a 64-bit little-endian ELF. */
int elf_file_open_fd(int fd, const char *name, struct elf_file **ret);
/* The same, but no descriptor is kept, of its debug file neither: path leads there again. */
int elf_file_open_by_path(int fd, const char *path, const char *name, struct elf_file **ret);
/* The same of bytes in memory (the vDSO, tests); they are copied. */
int elf_file_open_memory(const void *data, size_t size, const char *name, struct elf_file **ret);

struct elf_file *elf_file_ref(struct elf_file *file);
void elf_file_unref(struct elf_file *file); /* NULL is fine */
DEFINE_CLEANUP(elf_file, struct elf_file *, elf_file_unref)

/* For elf/'s own readers of other parts (elf_image_begin); stays the file's. */
struct elf_bytes *elf_file_bytes(struct elf_file *file);

/*
 * Whether the file still holds what it held when it was opened: -ESTALE when not, -errno when it cannot be told. What
 * was read of it before stays as it was. Lost: a read since the last check could not reach what it held.
 */
int elf_file_check(struct elf_file *file);
bool elf_file_is_lost(const struct elf_file *file);

const char *elf_file_name(const struct elf_file *file);

/*
 * What the program headers say of a file offset. -ENOENT when no PT_LOAD holds it.
 * A PT_LOAD also holds the rest of its first and last page, as the kernel maps them;
 * where several do, code comes first: those who ask mean mappings of code.
 */
int elf_file_address_of_offset(struct elf_file *file, u64 offset, u64 *ret);

/* size bytes of the image at vaddr, as the file has them. -EFAULT for what the file does not have (.bss too). */
int elf_file_read(struct elf_file *file, u64 address, void *ret, size_t size);

/* Where an allocated section or an exported object (.dynsym, else .symtab) lies. -ENOENT. */
int elf_file_section(struct elf_file *file, const char *name, u64 *ret_address, u64 *ret_size);
int elf_file_object(struct elf_file *file, const char *name, u64 *ret_address, u64 *ret_size);

/*
 * The function at address, NULL when no symbol covers it. The first call reads all lists of
 * functions (elf_symbols.h), of which the better name wins (global over local, one without a suffix
 * over one with). Where no symbol is, a stub of the PLT may be. Valid until a debug file is added.
 */
const struct symbol *elf_file_symbol(struct elf_file *file, u64 address);

/*
 * Where the function at address begins as the unwind tables have it, for what no symbol covers. A part that a
 * compiler put elsewhere (`.cold`) is one of its own. -ENOENT: they do not say.
 */
int elf_file_function_start(struct elf_file *file, u64 address, u64 *ret);

/* The build id; stays the file's. -ENOENT when it has none. */
int elf_file_build_id(struct elf_file *file, const u8 **ret, size_t *ret_size);

/*
 * Separate debug files. A stripped file has neither .symtab nor .gnu_debugdata. The name is what
 * .gnu_debuglink calls its debug file (a base name), NULL: none. Adding one takes over fd, also on
 * failure, and goes by path when the file does; -ESTALE when it belongs to another file (debug_link.h), -ENOEXEC
 * when it is no ELF file.
 */
bool elf_file_is_stripped(struct elf_file *file);
const char *elf_file_debug_name(struct elf_file *file);
int elf_file_add_debug_file(struct elf_file *file, int fd, const char *path);
/* For people: where most of its functions are listed, see elf_symbols_place(). */
const char *elf_file_symbol_source(struct elf_file *file);

/* True when the instruction before this return address is a call: what tells a real caller from data. */
bool elf_file_follows_call(struct elf_file *file, u64 address);

/* DT_SONAME, or NULL: what to call the file beside its own name. */
const char *elf_file_soname(struct elf_file *file);

#endif
