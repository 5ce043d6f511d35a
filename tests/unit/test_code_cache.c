/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/code_cache.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>

#include "build_python.h"

#define PROCESS	   7
#define NO_VERSION 0x030912f0 /* signatures of name, line and file */
#define QUALNAMES  0x030b07f0 /* the same, and qualified names */
#define VERSIONS   0x030c01f0 /* co_version */
#define MANY_BYTES (64u << 20)

typedef int get_function(struct code_cache *cache, u32 process, const struct remote_memory *memory,
			 const struct python_layout *layout, u64 address, u32 signature,
			 const struct code_object **ret);

static struct code_cache *cache_new(size_t bytes_max)
{
	struct code_cache *cache;

	cr_assert_eq(code_cache_new(bytes_max, &cache), 0);
	return cache;
}

static const struct code_object *get_by(get_function *get, struct code_cache *cache, const struct built_python *built,
					u64 address, u32 signature, int expected)
{
	struct remote_memory memory = built_memory(built);
	const struct code_object *code = NULL;

	cr_assert_eq(get(cache, PROCESS, &memory, &built->layout, address, signature, &code), expected);
	return code;
}

/* The line of the second instruction, which built_code() puts on the second line. */
static u32 second_line(const struct code_object *code)
{
	return code_object_line(code, 2);
}

/* As if another text of the same name, file and first line lived there now: its second line is one further on. */
static void replace_lines(struct built_python *built, u64 address)
{
	static const u8 signed_lines[] = {2, 2};
	static const u8 locations[] = {0x80 | 10 << 3, 0x00, 0x00, 0x80 | 12 << 3, 0x00, 0x00};
	bool is_signed = built->layout.line_table_kind == LINE_TABLE_SIGNED;
	u64 table = is_signed ? built_bytes(built, signed_lines, sizeof(signed_lines))
			      : built_bytes(built, locations, sizeof(locations));

	built_poke_u64(built, address + built->layout.code_line_table, table);
}

Test(code_cache, knows_what_it_was_asked_before)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSIONS);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
	u64 address = built_code(built, "C.f", "f", "a.py", 7);
	u32 signature = built_signature(built, address);
	const struct code_object *code = get_by(code_cache_get, cache, built, address, signature, 0), *again;

	cr_assert_str_eq(code->function, "C.f");
	cr_assert_eq(code_cache_get(cache, PROCESS, NULL, &built->layout, address, signature, &again), 0);
	cr_assert_eq(again, code);
	cr_assert_eq(code_cache_get(cache, PROCESS + 1, NULL, &built->layout, address, signature, &again), -ESRCH);
	code_cache_forget(cache, PROCESS);
	cr_assert_eq(code_cache_get(cache, PROCESS, NULL, &built->layout, address, signature, &again), -ESRCH);
}

Test(code_cache, another_text_with_the_same_signature_has_its_own_lines)
{
	static const u32 versions[] = {NO_VERSION, QUALNAMES};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		_cleanup_(built_python) struct built_python *built = built_python_new(versions[i]);
		_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
		u64 address = built_code(built, "<module>", "<module>", "<string>", 7);
		u32 signature = built_signature(built, address);

		cr_assert_eq(second_line(get_by(code_cache_get_sure, cache, built, address, signature, 0)), 8);
		replace_lines(built, address);
		cr_assert_eq(built_signature(built, address), signature, "the test needs two of one signature");
		cr_assert_eq(second_line(get_by(code_cache_get_sure, cache, built, address, signature, 0)), 9);
	}
}

Test(code_cache, a_line_table_that_differs_in_its_last_byte_only_is_another)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
	u8 lines[5000] = {0};

	u64 address = built_code(built, "f", "f", "<string>", 7);
	u32 signature = built_signature(built, address);
	u64 table = built_bytes(built, lines, sizeof(lines));
	built_poke_u64(built, address + built->layout.code_line_table, table);
	for (u8 last = 1; last < 10; last++) {
		built->bytes[table - BUILT_BASE + built->layout.bytes_data + sizeof(lines) - 1] = last;
		cr_assert_eq(second_line(get_by(code_cache_get_sure, cache, built, address, signature, 0)), 7u + last);
	}
}

Test(code_cache, another_function_of_one_name_has_its_own_qualified_one)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(QUALNAMES);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
	u64 address = built_code(built, "A.f", "f", "<string>", 7);
	u64 other = built_code(built, "B.f", "f", "<string>", 7);
	u16 qualname = built->layout.code_qualname;
	u32 signature = built_signature(built, address);

	cr_assert_str_eq(get_by(code_cache_get_sure, cache, built, address, signature, 0)->function, "A.f");
	built_poke_u64(built, address + qualname, built_peek_u64(built, other + qualname));
	cr_assert_str_eq(get_by(code_cache_get_sure, cache, built, address, signature, 0)->function, "B.f");
}

Test(code_cache, what_did_not_change_is_not_read_again)
{
	static const u32 versions[] = {NO_VERSION, QUALNAMES, VERSIONS};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		_cleanup_(built_python) struct built_python *built = built_python_new(versions[i]);
		_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
		u64 address = built_code(built, "C.f", "f", "a.py", 7);
		u32 signature = built_signature(built, address);
		const struct code_object *code = get_by(code_cache_get_sure, cache, built, address, signature, 0);
		const char *file = code->file;

		cr_assert_eq(get_by(code_cache_get_sure, cache, built, address, signature, 0), code);
		cr_assert_eq(code->file, file);
	}
}

Test(code_cache, one_that_died_is_not_taken_for_the_one_that_is_known)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
	u64 address = built_code(built, "f", "f", "a.py", 7);
	u32 signature = built_signature(built, address);

	get_by(code_cache_get_sure, cache, built, address, signature, 0);
	built_poke_u64(built, address, 0);
	get_by(code_cache_get_sure, cache, built, address, signature, -ESTALE);
	built_poke_u64(built, address, 1);
	get_by(code_cache_get_sure, cache, built, address, signature, 0);
}

Test(code_cache, one_that_was_freed_is_asked_for_again)
{
	static get_function *const gets[] = {code_cache_get, code_cache_get_sure};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
		_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
		u64 address = built_code(built, "work", "work", "gen.py", 1);
		u32 signature = built_signature(built, address);

		built_poke_u64(built, address, 0);
		get_by(gets[i], cache, built, address, signature, -ESTALE);
		built_poke_u64(built, address, 1);
		cr_assert_str_eq(get_by(gets[i], cache, built, address, signature, 0)->function, "work");
	}
}

Test(code_cache, what_is_no_code_object_is_remembered)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(MANY_BYTES);
	u64 address = built_code(built, "f", "f", "a.py", 7);
	u32 signature = built_signature(built, address);
	u64 type = built_peek_u64(built, address + built->layout.object_type);
	const struct code_object *code = NULL;

	built_poke_u64(built, address + built->layout.object_type, built_type(built, "codec"));
	get_by(code_cache_get, cache, built, address, signature, -EINVAL);
	cr_assert_eq(code_cache_get(cache, PROCESS, NULL, &built->layout, address, signature, &code), -EINVAL);
	cr_assert_null(code);
	built_poke_u64(built, address + built->layout.object_type, type);
	get_by(code_cache_add, cache, built, address, signature, 0);
	cr_assert_str_eq(get_by(code_cache_get, cache, built, address, signature, 0)->function, "f");
}

/* What malloc says that the program uses, by itself. */
static size_t used_bytes(void)
{
	return mallinfo2().uordblks;
}

static bool malloc_is_glibcs(void)
{
	size_t before = used_bytes();
	void *volatile block = malloc(1000);
	size_t after = used_bytes();

	free(block);
	return after > before;
}

Test(code_cache, counts_what_it_takes_and_stays_below_its_bound)
{
	const size_t bytes_max = 1 << 20;
	_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
	size_t before = used_bytes();
	_cleanup_(code_cache) struct code_cache *cache = cache_new(bytes_max);
	u64 address = built_code(built, "f", "f", "/app/some/where/a.py", 1);
	size_t most = 0;

	for (u32 line = 1; line < 20000; line++) {
		built_poke_u32(built, address + built->layout.code_first_line, line);
		get_by(code_cache_get, cache, built, address, built_signature(built, address), 0);
		size_t bytes = code_cache_bytes(cache), used = used_bytes() - before;

		most = bytes > most ? bytes : most;
		if (malloc_is_glibcs())
			cr_assert(used <= bytes + bytes / 16 && bytes <= used + used / 16, "%zu are %zu", bytes, used);
	}
	cr_assert_leq(most, bytes_max + bytes_max / 16);
	cr_assert_gt(most, bytes_max / 2);
	code_cache_forget(cache, PROCESS);
	cr_assert_leq(code_cache_bytes(cache), 256);
}

Test(code_cache, one_that_is_larger_than_the_bound_is_still_given)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(NO_VERSION);
	_cleanup_(code_cache) struct code_cache *cache = cache_new(1);
	u64 f = built_code(built, "f", "f", "a.py", 1), g = built_code(built, "g", "g", "a.py", 1);

	for (size_t i = 0; i < 3; i++) {
		cr_assert_str_eq(get_by(code_cache_get, cache, built, f, built_signature(built, f), 0)->function, "f");
		cr_assert_str_eq(get_by(code_cache_get_sure, cache, built, g, built_signature(built, g), 0)->function,
				 "g");
	}
}
