/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "elf/call_site.h"
#include "elf/debug_link.h"
#include "elf/eh_index.h"
#include "elf/elf_dynamic.h"
#include "elf/elf_image.h"
#include "elf/elf_symbols.h"
#include "elf/plt.h"
#include "elf/symbol_table.h"

/* A PT_LOAD; the sums of its fields do not overflow. */
struct segment {
	u64 address, offset;
	u64 size; /* in the file */
	bool executable;
};

struct elf_file {
	u32 refs;
	struct elf_bytes bytes;
	char *name;
	u16 machine;
	struct segment *segments;
	size_t segment_cnt;
	struct elf_bytes debug; /* of the debug file, until its symbols are read */
	struct symbol_table *symbols; /* NULL: not asked for yet, or there are none */
	struct symbol_table *stubs; /* likewise */
	struct debug_link *link; /* likewise */
	char *soname; /* likewise */
	struct eh_index unwind_index; /* no rows: likewise */
	bool symbols_tried, stubs_tried, link_tried, soname_tried, unwind_index_tried;
};

/*
 * Opening and closing
 */

static bool segment_of(const GElf_Phdr *header, struct segment *ret)
{
	u64 end;

	if (header->p_type != PT_LOAD || !header->p_filesz ||
	    __builtin_add_overflow(header->p_vaddr, header->p_filesz, &end) ||
	    __builtin_add_overflow(header->p_offset, header->p_filesz, &end) || end > INT64_MAX)
		return false;
	*ret = (struct segment){
		.address = header->p_vaddr,
		.offset = header->p_offset,
		.size = header->p_filesz,
		.executable = header->p_flags & PF_X,
	};
	return true;
}

static int elf_file_read_headers(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	GElf_Ehdr header;
	GElf_Phdr segment;

	int err = elf_image_begin(&file->bytes, &image);
	if (err)
		return err;
	if (!gelf_getehdr(image.elf, &header))
		return -ENOEXEC;
	file->machine = header.e_machine;
	file->segments = calloc(MAX_PROGRAM_HEADERS, sizeof(*file->segments));
	if (!file->segments)
		return -ENOMEM;
	for (int i = 0; i < MAX_PROGRAM_HEADERS && gelf_getphdr(image.elf, i, &segment); i++)
		file->segment_cnt += segment_of(&segment, &file->segments[file->segment_cnt]);

	size_t used = (file->segment_cnt + 1) * sizeof(*file->segments);
	struct segment *fitting = realloc(file->segments, used);
	if (fitting)
		file->segments = fitting;
	return 0;
}

/* Takes over bytes, also on failure. */
static int elf_file_open(struct elf_bytes bytes_, const char *name, struct elf_file **ret)
{
	_cleanup_(elf_bytes) struct elf_bytes bytes = bytes_;
	_cleanup_(elf_file) struct elf_file *file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->refs = 1;
	file->debug = ELF_BYTES_NONE;
	file->bytes = bytes;
	bytes = ELF_BYTES_NONE;
	file->name = strdup(name);
	if (!file->name)
		return -ENOMEM;

	int err = elf_file_read_headers(file);
	if (err)
		return err;
	*ret = take(file);
	return 0;
}

int elf_file_open_fd(int fd, const char *name, struct elf_file **ret)
{
	struct elf_bytes bytes;
	int err = elf_bytes_open(fd, &bytes);

	return err ? err : elf_file_open(bytes, name, ret);
}

int elf_file_open_by_path(int fd, const char *path, const char *name, struct elf_file **ret)
{
	struct elf_bytes bytes;
	int err = elf_bytes_open_by_path(fd, path, &bytes);

	return err ? err : elf_file_open(bytes, name, ret);
}

int elf_file_open_memory(const void *data, size_t size, const char *name, struct elf_file **ret)
{
	struct elf_bytes bytes;
	int err = elf_bytes_copy(data, size, &bytes);

	return err ? err : elf_file_open(bytes, name, ret);
}

struct elf_file *elf_file_ref(struct elf_file *file)
{
	file->refs++;
	return file;
}

void elf_file_unref(struct elf_file *file)
{
	if (!file || --file->refs)
		return;
	elf_bytes_close(&file->bytes);
	elf_bytes_close(&file->debug);
	symbol_table_free(file->symbols);
	symbol_table_free(file->stubs);
	free(file->link);
	free(file->soname);
	free(file->segments);
	free(file->name);
	free(file);
}

struct elf_bytes *elf_file_bytes(struct elf_file *file)
{
	return &file->bytes;
}

int elf_file_check(struct elf_file *file)
{
	return elf_bytes_check(&file->bytes);
}

bool elf_file_is_lost(const struct elf_file *file)
{
	return file->bytes.is_lost;
}

const char *elf_file_name(const struct elf_file *file)
{
	return file->name;
}

/*
 * The image
 */

static const struct segment *segment_find_offset(const struct elf_file *file, u64 offset, bool executable)
{
	for (size_t i = 0; i < file->segment_cnt; i++) {
		const struct segment *s = &file->segments[i];

		if (s->executable == executable && offset >= s->offset && offset - s->offset < s->size)
			return s;
	}
	return NULL;
}

/* The same with what the kernel maps because it maps whole pages. */
static const struct segment *segment_find_page(const struct elf_file *file, u64 offset, bool executable)
{
	u64 page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < file->segment_cnt; i++) {
		const struct segment *s = &file->segments[i];
		u64 last = s->offset + s->size - 1;

		if (s->executable == executable && offset / page >= s->offset / page && offset / page <= last / page)
			return s;
	}
	return NULL;
}

int elf_file_address_of_offset(struct elf_file *file, u64 offset, u64 *ret)
{
	const struct segment *s = segment_find_offset(file, offset, true);

	if (!s)
		s = segment_find_page(file, offset, true);
	if (!s)
		s = segment_find_offset(file, offset, false);
	if (!s)
		s = segment_find_page(file, offset, false);
	if (!s)
		return -ENOENT;
	*ret = s->address + (offset - s->offset);
	return 0;
}

int elf_file_read(struct elf_file *file, u64 address, void *ret, size_t size)
{
	for (size_t i = 0; i < file->segment_cnt; i++) {
		const struct segment *s = &file->segments[i];
		u64 distance = address - s->address;

		if (address >= s->address && distance < s->size && size <= s->size - distance)
			return elf_bytes_read(&file->bytes, s->offset + distance, ret, size);
	}
	return -EFAULT;
}

static bool elf_file_is_code(const struct elf_file *file, u64 address)
{
	for (size_t i = 0; i < file->segment_cnt; i++) {
		const struct segment *s = &file->segments[i];

		if (s->executable && address >= s->address && address - s->address < s->size)
			return true;
	}
	return false;
}

/* The bytes before address that can be the instruction before it: all code, and as many as there are. */
static size_t elf_file_read_before(struct elf_file *file, u64 address, u8 ret[CALL_SITE_SIZE])
{
	if (!address || !elf_file_is_code(file, address - 1))
		return 0;
	for (size_t size = CALL_SITE_SIZE; size; size--) {
		if (address >= size && elf_file_is_code(file, address - size) &&
		    !elf_file_read(file, address - size, ret, size))
			return size;
	}
	return 0;
}

bool elf_file_follows_call(struct elf_file *file, u64 address)
{
	u8 before[CALL_SITE_SIZE];
	s64 distance;

	size_t size = elf_file_read_before(file, address, before);
	switch (call_site_decode(file->machine, before, size, &distance)) {
	case CALL_INDIRECT:
		return true;
	case CALL_DIRECT:
		/* A linker resolves these in the same file: through the PLT at least. */
		return elf_file_is_code(file, address + distance);
	default:
		return false;
	}
}

/*
 * Sections and symbols
 */

int elf_file_section(struct elf_file *file, const char *name, u64 *ret_address, u64 *ret_size)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	GElf_Shdr header;

	int err = elf_image_begin(&file->bytes, &image);
	if (err)
		return err;
	if (!elf_image_find_section(image.elf, name, &header) || !(header.sh_flags & SHF_ALLOC))
		return -ENOENT;
	*ret_address = header.sh_addr;
	*ret_size = header.sh_size;
	return 0;
}

static const Elf64_Sym *source_find(const struct symbol_source *source, const char *name)
{
	size_t size = strlen(name) + 1;

	for (size_t i = 0; i < source->cnt; i++) {
		const Elf64_Sym *symbol = &source->symbols[i];

		if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) == STT_TLS)
			continue;
		if (symbol->st_name < source->strings_size && source->strings_size - symbol->st_name >= size &&
		    !memcmp(source->strings + symbol->st_name, name, size))
			return symbol;
	}
	return NULL;
}

int elf_file_object(struct elf_file *file, const char *name, u64 *ret_address, u64 *ret_size)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	struct symbol_source source;
	const Elf64_Sym *symbol = NULL;

	int err = elf_image_begin(&file->bytes, &image);
	if (err)
		return err;
	if (elf_symbols_exported(image.elf, &source))
		symbol = source_find(&source, name);
	if (!symbol && elf_image_symbols(image.elf, SHT_SYMTAB, &source))
		symbol = source_find(&source, name);
	if (!symbol)
		return -ENOENT;
	*ret_address = symbol->st_value;
	*ret_size = symbol->st_size;
	return 0;
}

static int elf_file_code_segments(const struct elf_file *file, struct code_range **ret, size_t *ret_cnt)
{
	struct code_range *ranges = calloc(file->segment_cnt + 1, sizeof(*ranges));
	size_t cnt = 0;

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < file->segment_cnt; i++) {
		const struct segment *s = &file->segments[i];

		if (s->executable)
			ranges[cnt++] = (struct code_range){s->address, s->address + s->size};
	}
	*ret = ranges;
	*ret_cnt = cnt;
	return 0;
}

static int elf_file_load_symbols(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	_cleanup_(free) struct code_range *segments = NULL;
	size_t segment_cnt;

	int err = elf_image_begin(&file->bytes, &image);
	if (!err)
		err = elf_file_code_segments(file, &segments, &segment_cnt);
	return err ? err : elf_symbols_load(image.elf, &file->debug, segments, segment_cnt, &file->symbols);
}

static int elf_file_load_stubs(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;
	_cleanup_(free) struct code_range *segments = NULL;
	size_t segment_cnt;

	int err = elf_image_begin(&file->bytes, &image);
	if (!err)
		err = elf_file_code_segments(file, &segments, &segment_cnt);
	return err ? err : plt_load(image.elf, segments, segment_cnt, file->symbols, &file->stubs);
}

static const struct symbol *elf_file_stub(struct elf_file *file, u64 address)
{
	if (!file->stubs_tried) {
		file->stubs_tried = true;
		elf_file_load_stubs(file);
	}
	return file->stubs ? symbol_table_find(file->stubs, address) : NULL;
}

const struct symbol *elf_file_symbol(struct elf_file *file, u64 address)
{
	if (!file->symbols_tried) {
		file->symbols_tried = true;
		elf_file_load_symbols(file);
		elf_bytes_close(&file->debug);
	}
	const struct symbol *symbol = file->symbols ? symbol_table_find(file->symbols, address) : NULL;
	return symbol ? symbol : elf_file_stub(file, address);
}

int elf_file_function_start(struct elf_file *file, u64 address, u64 *ret)
{
	struct code_range range;

	if (!file->unwind_index_tried) {
		file->unwind_index_tried = true;
		eh_index_open(file, &file->unwind_index);
	}
	if (eh_index_range(file, &file->unwind_index, address, &range) || !elf_file_is_code(file, range.start))
		return -ENOENT;
	*ret = range.start;
	return 0;
}

/*
 * Debug files
 */

/* NULL when memory is short. */
static const struct debug_link *elf_file_link(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;

	if (!file->link_tried) {
		file->link = calloc(1, sizeof(*file->link));
		file->link_tried = file->link != NULL;
		if (file->link && !elf_image_begin(&file->bytes, &image))
			debug_link_read(image.elf, file->link);
	}
	return file->link;
}

int elf_file_build_id(struct elf_file *file, const u8 **ret, size_t *ret_size)
{
	const struct debug_link *link = elf_file_link(file);

	if (!link)
		return -ENOMEM;
	if (!link->build_id_size)
		return -ENOENT;
	*ret = link->build_id;
	*ret_size = link->build_id_size;
	return 0;
}

const char *elf_file_debug_name(struct elf_file *file)
{
	const struct debug_link *link = elf_file_link(file);

	return link && link->name[0] ? link->name : NULL;
}

bool elf_file_is_stripped(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;

	return !elf_image_begin(&file->bytes, &image) && elf_symbols_are_stripped(image.elf);
}

const char *elf_file_symbol_source(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;

	return elf_image_begin(&file->bytes, &image) ? "" : elf_symbols_place(image.elf, elf_bytes_exist(&file->debug));
}

int elf_file_add_debug_file(struct elf_file *file, int fd, const char *path)
{
	_cleanup_(elf_bytes) struct elf_bytes bytes = ELF_BYTES_NONE;
	int err = file->bytes.path ? elf_bytes_open_by_path(fd, path, &bytes) : elf_bytes_open(fd, &bytes);
	if (err)
		return err;
	const struct debug_link *link = elf_file_link(file);

	err = link ? debug_link_check(link, &bytes) : -ENOMEM;
	if (err)
		return err;
	elf_bytes_close(&file->debug);
	file->debug = bytes;
	bytes = ELF_BYTES_NONE;
	symbol_table_free(take(file->symbols));
	symbol_table_free(take(file->stubs));
	file->symbols_tried = file->stubs_tried = false;
	return 0;
}

static char *elf_file_read_soname(struct elf_file *file)
{
	_cleanup_(elf_image) struct elf_image image = ELF_IMAGE_NONE;

	if (elf_image_begin(&file->bytes, &image))
		return NULL;
	const char *name = elf_dynamic_soname(image.elf);
	return name ? strndup(name, SYMBOL_NAME_SIZE - 1) : NULL;
}

const char *elf_file_soname(struct elf_file *file)
{
	if (!file->soname_tried) {
		file->soname_tried = true;
		file->soname = elf_file_read_soname(file);
	}
	return file->soname;
}
