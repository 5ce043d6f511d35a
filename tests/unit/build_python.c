/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "build_python.h"

#include <criterion/criterion.h>
#include <string.h>

#include "python/code_object.h"
#include "python/layout.h"

struct built_python *built_python_new(u32 version)
{
	struct built_python *built = calloc(1, sizeof(*built));

	cr_assert(built);
	cr_assert_eq(python_layout_of_version(version, &built->layout), 0);
	return built;
}

void built_python_free(struct built_python *built)
{
	free(built);
}

struct remote_memory built_memory(const struct built_python *built)
{
	return remote_memory_of_bytes(built->bytes, built->size, BUILT_BASE);
}

static void built_poke(struct built_python *built, u64 address, const void *data, size_t size)
{
	cr_assert(address >= BUILT_BASE && address - BUILT_BASE + size <= built->size);
	memcpy(built->bytes + (address - BUILT_BASE), data, size);
}

u64 built_peek_u64(const struct built_python *built, u64 address)
{
	u64 value;

	memcpy(&value, built->bytes + (address - BUILT_BASE), sizeof(value));
	return value;
}

void built_poke_u64(struct built_python *built, u64 address, u64 value)
{
	built_poke(built, address, &value, sizeof(value));
}

void built_poke_u32(struct built_python *built, u64 address, u32 value)
{
	built_poke(built, address, &value, sizeof(value));
}

u64 built_space(struct built_python *built, size_t size)
{
	u64 address = BUILT_BASE + built->size;

	built->size += (size + 15) & ~15ull;
	cr_assert_leq(built->size, BUILT_SIZE);
	return address;
}

u64 built_type(struct built_python *built, const char *name)
{
	u64 text = built_space(built, strlen(name) + 1);
	u64 type = built_space(built, 256);

	built_poke(built, text, name, strlen(name));
	built_poke_u64(built, type + built->layout.type_name, text);
	return type;
}

static u64 built_object(struct built_python *built, const char *type, size_t size)
{
	u64 type_address = built_type(built, type);
	u64 address = built_space(built, size);

	built_poke_u64(built, address, 1); /* the reference count */
	built_poke_u64(built, address + built->layout.object_type, type_address);
	return address;
}

u64 built_bytes(struct built_python *built, const void *data, size_t size)
{
	const char *type = built->layout.string_state == ABSENT ? "str" : "bytes";
	u64 address = built_object(built, type, built->layout.bytes_data + size);

	built_poke_u64(built, address + built->layout.bytes_size, size);
	built_poke(built, address + built->layout.bytes_data, data, size);
	return address;
}

u64 built_string(struct built_python *built, const void *units, size_t length, unsigned int unit_size, bool ascii)
{
	u16 data = ascii ? built->layout.string_ascii_size : built->layout.string_compact_size;
	u64 address = built_object(built, "str", data + length * unit_size);
	u32 state = unit_size | 8 | (ascii ? 16 : 0);

	built_poke_u64(built, address + built->layout.string_length, length);
	if (built->layout.string_state != ABSENT)
		built_poke_u32(built, address + built->layout.string_state, state << built->layout.string_kind_bit);
	built_poke(built, address + data, units, length * unit_size);
	return address;
}

static u64 built_ascii(struct built_python *built, const char *text)
{
	u64 address = built_string(built, text, strlen(text), 1, true);
	u64 hash = 5381;

	for (const char *c = text; *c; c++)
		hash = hash * 33 + *c;
	built_poke_u64(built, address + built->layout.string_hash, hash);
	return address;
}

/* By enum line_table_kind: the first 2 bytes of code on the first line, the next 2 on the second. */
static const struct {
	u8 bytes[6];
	size_t size;
} line_tables[] = {
	[LINE_TABLE_UNSIGNED] = {{2, 1}, 2},
	[LINE_TABLE_SIGNED] = {{2, 1}, 2},
	[LINE_TABLE_RANGES] = {{2, 0, 2, 1}, 4},
	[LINE_TABLE_LOCATIONS] = {{0x80 | 10 << 3, 0x00, 0x00, 0x80 | 11 << 3, 0x00, 0x00}, 6},
};

u64 built_code(struct built_python *built, const char *qualname, const char *name, const char *file, u32 first_line)
{
	const struct python_layout *layout = &built->layout;
	u64 address = built_object(built, "code", CODE_WINDOW + 64);
	u64 line_table = built_bytes(built, line_tables[layout->line_table_kind].bytes,
				     line_tables[layout->line_table_kind].size);

	if (layout->code_qualname != ABSENT)
		built_poke_u64(built, address + layout->code_qualname, built_ascii(built, qualname));
	built_poke_u64(built, address + layout->code_name, built_ascii(built, name));
	built_poke_u64(built, address + layout->code_filename, built_ascii(built, file));
	built_poke_u64(built, address + layout->code_line_table, line_table);
	built_poke_u32(built, address + layout->code_first_line, first_line);
	if (layout->code_version != ABSENT)
		built_poke_u32(built, address + layout->code_version, 4711);
	return address;
}

u32 signature_read(const struct remote_memory *memory, const struct python_layout *layout, u64 code)
{
	u32 signature = 0;

	code_object_signature(memory, layout, code, &signature); /* 0 of what is none */
	return signature;
}

u32 built_signature(const struct built_python *built, u64 code)
{
	struct remote_memory memory = built_memory(built);

	return signature_read(&memory, &built->layout, code);
}
