/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/code_object.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "build_python.h"
#include "live_python.h"

static struct code_object *read_built(const struct built_python *built, u64 address, u32 signature, int expected)
{
	struct remote_memory memory = built_memory(built);
	struct code_object *code = NULL;

	cr_assert_eq(code_object_read(&memory, &built->layout, address, signature, &(struct code_types){0}, &code),
		     expected);
	return code;
}

static const u32 versions[] = {0x030b07f0, 0x030c01f0, 0x020712f0, 0x030912f0, 0x030a0df0};

/* Each test below runs for each way to sign (by the name's hash, by co_version), line table and kind of string. */
#define for_each_version(built)                                                                                        \
	for (size_t version_ = 0; version_ < sizeof(versions) / sizeof(*versions); version_++)                         \
		for (_cleanup_(built_python) struct built_python *built = built_python_new(versions[version_]); built; \
		     built_python_free(take(built)))

Test(code_object, has_its_names_and_lines)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "C.f", "f", "/app/a.py", 7);
		_cleanup_(code_object) struct code_object *code = read_built(built, address,
									     built_signature(built, address), 0);

		cr_assert_str_eq(code->function, built->layout.code_qualname == ABSENT ? "f" : "C.f");
		cr_assert_str_eq(code->file, "/app/a.py");
		cr_assert_eq(code->first_line, 7);
		cr_assert_eq(code_object_line(code, 0), 7);
		cr_assert_eq(code_object_line(code, 2), 8);
		cr_assert_eq(code_object_line(code, PYTHON_INSTR_UNKNOWN), 0);
	}
}

Test(code_object, without_a_qualified_name_has_its_plain_one)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "C.f", "f", "a.py", 7);
		if (built->layout.code_qualname != ABSENT)
			built_poke_u64(built, address + built->layout.code_qualname, 0);
		_cleanup_(code_object) struct code_object *code = read_built(built, address,
									     built_signature(built, address), 0);

		cr_assert_str_eq(code->function, "f");
	}
}

Test(code_object, whose_frame_has_not_begun_shows_its_first_line_or_nothing)
{
	for_each_version(built)
	{
		bool shows = built->layout.code_first_traceable == ABSENT;
		u64 address = built_code(built, "f", "f", "a.py", 7);
		_cleanup_(code_object) struct code_object *code = read_built(built, address,
									     built_signature(built, address), 0);

		cr_assert_eq(shows, built->layout.version < 0x030b0000);
		cr_assert_eq(code_object_is_visible(code, PYTHON_INSTR_BEFORE), shows);
		cr_assert_eq(code_object_line(code, PYTHON_INSTR_BEFORE), shows ? 7 : 0);
		cr_assert(code_object_is_visible(code, PYTHON_INSTR_UNKNOWN));
		cr_assert(code_object_is_visible(code, 2));
	}
}

Test(code_object, another_at_the_same_address_is_stale)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);

		read_built(built, address, built_signature(built, address) ^ 1, -ESTALE);
	}
}

/* All that the older versions have to tell code objects apart. */
Test(code_object, of_another_file_or_line_has_another_signature)
{
	for_each_version(built)
	{
		if (built->layout.code_version != ABSENT)
			continue;
		u32 signature = built_signature(built, built_code(built, "f", "f", "/app/a.py", 7));

		cr_assert_eq(built_signature(built, built_code(built, "f", "f", "/app/a.py", 7)), signature);
		cr_assert_neq(built_signature(built, built_code(built, "f", "f", "/app/b.py", 7)), signature);
		cr_assert_neq(built_signature(built, built_code(built, "f", "f", "/app/a.py", 8)), signature);
		cr_assert_neq(built_signature(built, built_code(built, "g", "g", "/app/a.py", 7)), signature);
	}
}

Test(code_object, one_whose_reference_count_became_a_free_list_is_stale)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);
		u32 signature = built_signature(built, address);

		built_poke_u64(built, address, 0);
		read_built(built, address, signature, -ESTALE);
		built_poke_u64(built, address, BUILT_BASE + 64);
		read_built(built, address, signature, -ESTALE);
	}
}

/* The first word is the thread that owns it, or a free list; two counts lie further in. */
Test(code_object, of_a_free_threaded_build_is_stale_when_nobody_refers_to_it)
{
	static const struct {
		u32 local;
		u64 shared; /* above two bits of state */
		int err;
	} counts[] = {
		{1, 0, 0}, {0, 1 << 2 | 3, 0}, {~0u, 0, 0}, {2, -1ull << 2, 0}, {0, 0, -ESTALE}, {0, 3, -ESTALE},
	};
	_cleanup_(built_python) struct built_python *built = built_python_new(0x030c01f0);
	u64 address = built_code(built, "f", "f", "a.py", 7);
	u32 signature = built_signature(built, address);

	built->layout.object_refs_local = 4;
	built->layout.object_refs_shared = CODE_WINDOW - 8;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		built_poke_u64(built, address, (u64)counts[i].local << 32 | 0x1000);
		built_poke_u64(built, address + built->layout.object_refs_shared, counts[i].shared);
		_cleanup_(code_object) struct code_object *code = read_built(built, address, signature, counts[i].err);
	}
}

Test(code_object, of_another_type_is_invalid)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);

		built_poke_u64(built, address + built->layout.object_type, built_type(built, "codec"));
		read_built(built, address, built_signature(built, address), -EINVAL);
		built_poke_u64(built, address + built->layout.object_type, 1);
		read_built(built, address, built_signature(built, address), -EINVAL);
	}
}

Test(code_object, with_a_line_table_that_is_no_bytes_object_is_invalid)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);

		built_poke_u64(built, address + built->layout.code_line_table, address);
		read_built(built, address, built_signature(built, address), -EINVAL);
	}
}

Test(code_object, with_a_line_table_that_is_too_long_is_invalid)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);
		u64 table = built_peek_u64(built, address + built->layout.code_line_table);

		built_poke_u64(built, table + built->layout.bytes_size, ~0ull);
		read_built(built, address, built_signature(built, address), -EINVAL);
	}
}

static size_t reads;

static int read_counted(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	const struct remote_memory *counted = memory->bytes;

	reads++;
	return remote_read(counted, address, ret, size);
}

/* The reads that it takes to read the code object at address. */
static size_t reads_of(const struct built_python *built, u64 address, struct code_types *types, int expected)
{
	struct remote_memory memory = built_memory(built), counting = {.read = read_counted, .bytes = &memory};
	_cleanup_(code_object) struct code_object *code = NULL;

	reads = 0;
	cr_assert_eq(
		code_object_read(&counting, &built->layout, address, built_signature(built, address), types, &code),
		expected);
	return reads;
}

Test(code_object, whose_types_are_known_takes_four_reads_less)
{
	for_each_version(built)
	{
		u64 address = built_code(built, "f", "f", "a.py", 7);
		struct code_types types = {0};

		size_t unknown = reads_of(built, address, &types, 0);
		cr_expect_eq(reads_of(built, address, &types, 0), unknown - 4);
		/* What is known of one type says nothing of another. */
		built_poke_u64(built, address + built->layout.object_type, built_type(built, "codec"));
		reads_of(built, address, &types, -EINVAL);
	}
}

Test(code_object, outside_memory_is_a_fault)
{
	for_each_version(built) read_built(built, 0x1000, 1, -EFAULT);
}

static void check_lines(const struct live_python *python, const char *fact, const struct code_object *code)
{
	unsigned long long address, owner;
	unsigned int instr, line;

	cr_assert_eq(sscanf(fact, "code %llx", &address), 1);
	while ((fact = live_python_fact(python, "line", fact)) &&
	       sscanf(fact, "line %llx %u %u", &owner, &instr, &line) == 3 && owner == address)
		cr_assert_eq(code_object_line(code, instr), line, "%s: %s at %u is line %u, not %u", python->name,
			     code->function, instr, line, code_object_line(code, instr));
}

static void check_code(const struct live_python *python, const char *fact)
{
	unsigned long long address;
	int function_at, file_at;
	u32 first_line;

	cr_assert_eq(sscanf(fact, "code %llx %n%*s %n%*s %u", &address, &function_at, &file_at, &first_line), 2);
	_cleanup_(free) char *function = fact_text(fact + function_at);
	_cleanup_(free) char *file = fact_text(fact + file_at);
	_cleanup_(code_object) struct code_object *code = NULL;
	u32 signature = signature_read(&python->memory, &python->file.layout, address);
	int err = code_object_read(&python->memory, &python->file.layout, address, signature, &(struct code_types){0},
				   &code);

	cr_assert_eq(err, 0, "%s: %s: %s", python->name, function, strerror(-err));
	cr_assert_str_eq(code->function, function, "%s", python->name);
	cr_assert_str_eq(code->file, file, "%s", python->name);
	cr_assert_eq(code->first_line, first_line, "%s", python->name);
	check_lines(python, fact, code);
}

static void check_codes(const struct live_python *python)
{
	size_t cnt = 0;

	for (const char *fact = NULL; (fact = live_python_fact(python, "code", fact)); cnt++)
		check_code(python, fact);
	cr_assert_gt(cnt, 10);
}

Test(code_object, of_a_live_interpreter_is_what_it_says_itself, .timeout = 600)
{
	for_each_live_python(check_codes);
}

static void check_gone(const struct live_python *python)
{
	unsigned long long address;
	struct code_object *code;

	cr_assert_eq(sscanf(live_python_fact(python, "string", NULL), "string %llx", &address), 1);
	u32 signature = signature_read(&python->memory, &python->file.layout, address);
	cr_assert_neq(code_object_read(&python->memory, &python->file.layout, address, signature,
				       &(struct code_types){0}, &code),
		      0, "%s: took a string for code", python->name);
}

Test(code_object, a_live_string_is_none, .timeout = 600)
{
	for_each_live_python(check_gone);
}
