/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "supplier.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/build_cfi.h"
#include "tests/unit/build_elf.h"
#include "tests/unit/build_program.h"
#include "tests/unit/build_unwind.h"
#include "unwind/extents.h"

static struct unwind_memory memory;
static struct mapped_file_cache *files;
static struct process_table *table;
static struct supplier *supplier;

static void begin(void)
{
	program_directory_begin();
	memory = built_unwind_memory();
	files = mapped_file_cache_new();
	cr_assert_not_null(files);
	cr_assert_eq(process_table_new(files, &table), 0);
	cr_assert_eq(supplier_new(&memory, table, &supplier), 0);
}

static void end(void)
{
	supplier_free(supplier);
	process_table_free(table);
	mapped_file_cache_free(files);
	built_unwind_memory_free(&memory);
	program_directory_end();
}

TestSuite(supplier, .init = begin, .fini = end);

/* Pids beyond what a kernel gives, so that /proc has nothing to say of them. */
#define PID	 0x40000000u
#define TEXT	 0x10000ull
#define BASE	 0x7f0000000000ull
#define EH_FRAME 0x3000
#define LONG_NS	 (120 * NS_PER_S)

/* Two functions so many pages of a table apart. */
static void make_file(const char *name, u32 page_cnt)
{
	static const u8 code[64];
	struct elf_builder *b = elf_builder_new(ET_DYN, EM_X86_64);
	struct cfi_builder cfi = {.address = EH_FRAME};
	u64 last = TEXT + (page_cnt - 1) * (u64)UNWIND_PAGE_SIZE;
	size_t size, cie = cfi_add_usual_cie(&cfi);
	_cleanup_(stream) FILE *out = fopen(name, "w");

	cfi_add_fde(&cfi, cie, TEXT, 32, CFI_BYTES(0));
	if (page_cnt > 1)
		cfi_add_fde(&cfi, cie, last, 32, CFI_BYTES(0));
	elf_builder_add_code(b, ".text", TEXT, code, sizeof(code));
	if (page_cnt > 1)
		elf_builder_add_code(b, ".text.far", last, code, sizeof(code));
	elf_builder_add_section(b, ".eh_frame", SHT_PROGBITS, SHF_ALLOC, EH_FRAME, cfi.bytes, cfi.size);
	_cleanup_(free) void *bytes = elf_builder_finish(b, &size);
	cr_assert_not_null(out);
	cr_assert_eq(fwrite(bytes, 1, size, out), size);
}

static u64 text_offset(const char *name)
{
	_cleanup_(elf_file) struct elf_file *file = program_open(name);
	u64 address;

	for (u64 offset = 0; offset < 1 << 20; offset += 4096)
		if (!elf_file_address_of_offset(file, offset, &address) && address == TEXT)
			return offset;
	cr_assert_fail("%s has no text", name);
	return 0;
}

/* name NULL: made-up code. */
static void map(u32 pid, u64 start, u64 size, const char *name, u64 time_ns)
{
	struct {
		struct mapping_record record;
		char path[256];
	} r = {.record = {.record = {.type = RECORD_MAPPING, .size = sizeof(r), .time_ns = time_ns},
			  .pid = pid,
			  .tid = pid,
			  .start = start,
			  .end = start + size,
			  .path_size = sizeof(r.path)}};
	struct process *process;
	struct stat st;

	if (name) {
		cr_assert_eq(stat(name, &st), 0);
		cr_assert_not_null(realpath(name, r.path));
		r.record.inode = st.st_ino;
		r.record.dev_major = major(st.st_dev);
		r.record.dev_minor = minor(st.st_dev);
		r.record.file_offset = text_offset(name);
	}
	cr_assert_eq(process_table_map(table, &r.record, &process), 0);
}

static struct process *add(u32 pid)
{
	const struct process_id id = {.start_ns = 5, .exec_id = 1, .pid = pid};
	struct process *process;

	cr_assert_eq(process_table_get(table, &id, "name", &process), 0);
	return process;
}

static struct process *fork_of(const struct process *parent, u32 pid, u64 time_ns)
{
	const struct process_record record = {
		.record = {.type = RECORD_FORK, .size = sizeof(record), .time_ns = time_ns},
		.process = {.start_ns = time_ns, .exec_id = parent->id.exec_id, .pid = pid},
		.parent = parent->id,
	};
	struct process *child;

	cr_assert_eq(process_table_fork(table, &record, &child), 0);
	return child;
}

/* A process with one file's text at BASE. */
static struct process *add_with(u32 pid, const char *name)
{
	struct process *process = add(pid);

	map(pid, BASE, 4096, name, 10);
	return process;
}

static struct process_row row_of(struct process *process)
{
	struct process_row row = {0};

	cr_assert_eq(supplier_map(supplier, process, &row), 0);
	return row;
}

/* As the kernel side finds it; NULL: no-table. */
static const struct unwind_mapping *mapping_at(const struct process_row *row, u64 address)
{
	for (u32 i = row->mapping; i < row->mapping + row->mapping_cnt; i++) {
		const struct unwind_mapping *mapping = &memory.mappings[i];

		if (address >= mapping->start && address < mapping->end && mapping->id == row->mappings_id)
			return mapping;
	}
	return NULL;
}

static bool is_built(struct process *process)
{
	struct process_row row = row_of(process);
	const struct unwind_mapping *mapping = mapping_at(&row, BASE);

	return mapping && memory.files[mapping->file].flags & UNWIND_FILE_BUILT;
}

static bool was_behind(const struct process *process, u32 mappings_id, u64 time_ns)
{
	const struct sample sample = {.record.time_ns = time_ns, .mappings_id = mappings_id};

	return supplier_was_behind(supplier, process, &sample);
}

/* Processes with so many mappings each, all of which fit. */
static void fill_mappings(u32 process_cnt, u32 cnt)
{
	for (u32 i = 0; i < process_cnt; i++) {
		struct process *process = add(PID + 1000 + i);

		for (u32 k = 0; k < cnt; k++)
			map(process->id.pid, BASE + 8192 * (u64)k, 4096, NULL, 10);
		cr_assert_eq(row_of(process).mapping_cnt, cnt);
	}
}

/*
 * Mappings
 */

Test(supplier, a_mapping_is_found_with_its_file_and_bias)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");
	map(PID, BASE + 0x10000, 4096, NULL, 11);
	struct process_row row = row_of(process);

	cr_assert_eq(row.mapping_cnt, 2);
	cr_assert_neq(row.mappings_id, 0);
	cr_assert_eq(BASE - mapping_at(&row, BASE)->bias, TEXT);
	cr_assert_eq(mapping_at(&row, BASE + 0x10000)->file, UNWIND_FILE_ANONYMOUS);
	cr_assert_null(mapping_at(&row, BASE + 4096));
}

Test(supplier, a_forked_family_shares_its_mappings_until_one_changes)
{
	make_file("a", 1);
	struct process *parent = add_with(PID, "a"), *child = fork_of(parent, PID + 1, 20);
	struct process_row old = row_of(parent), childs = row_of(child);

	cr_assert_eq(childs.mapping, old.mapping);
	cr_assert_eq(childs.mappings_id, old.mappings_id);
	map(PID, BASE + 0x10000, 4096, NULL, 30);
	struct process_row fresh = row_of(parent);
	cr_assert_neq(fresh.mappings_id, old.mappings_id);
	cr_assert_neq(fresh.mapping, old.mapping);
	childs = row_of(child);
	cr_assert_eq(childs.mappings_id, old.mappings_id, "whose mappings stayed");
	cr_assert_not_null(mapping_at(&childs, BASE));
}

Test(supplier, mappings_that_stayed_keep_their_id)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");

	u32 id = row_of(process).mappings_id;
	cr_assert_eq(row_of(process).mappings_id, id);
	map(PID, BASE, 4096, "a", 30);
	cr_assert_eq(row_of(process).mappings_id, id, "nothing new");
}

Test(supplier, the_vsyscall_page_and_all_above_it_is_left_out)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");

	map(PID, 0xffffffffff600000, 4096, NULL, 11);
	cr_assert_eq(row_of(process).mapping_cnt, 1);
}

Test(supplier, a_process_without_mappings_has_none)
{
	struct process_row row = row_of(add(PID));

	cr_assert_eq(row.mapping_cnt, 0);
	cr_assert_eq(row.mappings_id, 0);
}

Test(supplier, what_was_forgotten_gives_its_place_to_others)
{
	enum { CNT = MAPPING_TABLE_MAX - 3 };

	fill_mappings(4, CNT);
	for (u32 i = 0; i < 4; i++)
		supplier_forget(supplier, process_table_newest(table, PID + 1000 + i));
	supplier_tick(supplier, clock_monotonic_ns() + REST_NS);
	for (u32 i = 0; i < 4; i++)
		cr_assert_eq(row_of(process_table_newest(table, PID + 1000 + i)).mapping_cnt, CNT);
}

Test(supplier, mappings_that_did_not_fit_are_supplied_once_there_is_room)
{
	enum { CNT = MAPPING_TABLE_MAX - 3 };

	fill_mappings(4, CNT);
	make_file("a", 1);
	struct process *process = add_with(PID, "a"), *child;
	for (u32 i = 1; i < 7; i++)
		map(PID, BASE + 8192 * (u64)i, 4096, NULL, 10);
	u64 begin_ns = clock_monotonic_ns();
	cr_assert_eq(row_of(process).mapping_cnt, 0, "twelve are left, six in each block");
	cr_assert_eq(row_of(process).mappings_id, 0);
	child = fork_of(process, PID + 1, 20);
	cr_assert_eq(row_of(child).mapping_cnt, 0);
	bool is_too_early = !supplier_want(supplier, process, BASE);
	cr_assert(is_too_early || clock_monotonic_ns() - begin_ns >= NS_PER_S, "not at each sample");

	supplier_forget(supplier, process_table_newest(table, PID + 1000));
	supplier_tick(supplier, clock_monotonic_ns() + REST_NS);
	usleep(1100000);
	cr_assert(supplier_want(supplier, process, BASE));
	cr_assert_eq(row_of(process).mapping_cnt, 7);
	cr_assert(supplier_want(supplier, child, BASE), "its row still says that there are none");
	cr_assert_eq(row_of(child).mappings_id, row_of(process).mappings_id);
	cr_assert_not(supplier_want(supplier, child, BASE));
	cr_assert(supplier_is_busy(supplier), "and the file is wanted");
}

/*
 * Files
 */

Test(supplier, a_file_is_built_when_it_is_wanted_and_not_before)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");

	cr_assert(supplier_want(supplier, process, BASE), "not supplied");
	row_of(process);
	cr_assert_not(supplier_is_busy(supplier));
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	cr_assert_not(is_built(process));
	cr_assert_not(supplier_want(supplier, process, BASE));
	cr_assert(supplier_is_busy(supplier));
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	cr_assert(is_built(process));
	cr_assert_not(supplier_is_busy(supplier));
	supplier_want(supplier, process, BASE);
	cr_assert_not(supplier_is_busy(supplier), "it is there");
}

Test(supplier, the_most_wanted_is_built_first)
{
	make_file("a", 1);
	make_file("b", 2);
	make_file("c", 3);
	struct process *few = add_with(PID, "a"), *many = add_with(PID + 1, "b"), *once = add_with(PID + 2, "c");

	row_of(few);
	row_of(many);
	row_of(once);
	supplier_expect(supplier, once);
	for (int i = 0; i < 2; i++)
		supplier_want(supplier, few, BASE);
	for (int i = 0; i < 3; i++)
		supplier_want(supplier, many, BASE);
	cr_assert_eq(supplier_turn(supplier, 0), 0);
	cr_assert(is_built(many) && !is_built(few) && !is_built(once));
	cr_assert_eq(supplier_turn(supplier, 0), 0);
	cr_assert(is_built(few) && !is_built(once));
	cr_assert_eq(supplier_turn(supplier, 0), 0);
	cr_assert(is_built(once));
}

Test(supplier, a_sample_wants_the_other_files_of_its_process_too)
{
	make_file("a", 1);
	make_file("b", 2);
	struct process *process = add_with(PID, "a"), *other = add_with(PID + 1, "b");

	map(PID, BASE + 0x10000, 4096, "b", 11);
	row_of(process);
	row_of(other);
	supplier_want(supplier, process, BASE);
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	cr_assert(is_built(process) && is_built(other));
}

Test(supplier, a_file_that_nobody_maps_is_dropped_after_a_while)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");
	struct process_row row = row_of(process);
	u32 number = mapping_at(&row, BASE)->file;

	supplier_want(supplier, process, BASE);
	supplier_turn(supplier, NS_PER_S);
	cr_assert(memory.files[number].flags & UNWIND_FILE_BUILT);
	supplier_tick(supplier, clock_monotonic_ns() + LONG_NS);
	cr_assert(memory.files[number].flags & UNWIND_FILE_BUILT, "mapped");
	supplier_forget(supplier, process);
	supplier_tick(supplier, clock_monotonic_ns() + NS_PER_S);
	cr_assert(memory.files[number].flags & UNWIND_FILE_BUILT, "kept for the next");
	supplier_tick(supplier, clock_monotonic_ns() + LONG_NS);
	cr_assert_not(memory.files[number].flags & UNWIND_FILE_BUILT);

	make_file("b", 2);
	row = row_of(add_with(PID + 1, "b"));
	cr_assert_eq(mapping_at(&row, BASE)->file, number, "the number is free again");
}

static void turn_for_rounds(int cnt)
{
	for (int i = 0; i < cnt; i++) {
		cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
		supplier_tick(supplier, clock_monotonic_ns() + 2 * REST_NS);
	}
}

/* Built one after the other: a file of so many pages each, at BASE in a process of its own. */
static void build_files(const u32 *page_cnts, u32 cnt)
{
	for (u32 i = 0; i < cnt; i++) {
		char name[16];

		snprintf(name, sizeof(name), "file%u", i);
		make_file(name, page_cnts[i]);
		struct process *process = add_with(PID + i, name);
		row_of(process);
		supplier_want(supplier, process, BASE);
		cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
		cr_assert(is_built(process), "%s", name);
	}
}

/* All tables were used once, long ago. */
static void all_grow_cold(void)
{
	for (u32 i = 0; i < MAX_UNWIND_FILES; i++)
		memory.files[i].used = !!(memory.files[i].flags & UNWIND_FILE_BUILT);
	supplier_tick(supplier, 1);
}

Test(supplier, holes_that_are_too_small_are_not_waited_for)
{
	const u32 page_cnts[] = {8000, 100, 8001, 101, 8002, 102};

	build_files(page_cnts, 6);
	all_grow_cold();
	make_file("large", 9000);
	struct process *process = add_with(PID + 100, "large");
	row_of(process);
	supplier_want(supplier, process, BASE);
	turn_for_rounds(10);
	cr_assert(is_built(process));
	cr_assert_not(supplier_is_busy(supplier));
}

Test(supplier, while_room_rests_nothing_is_tried)
{
	const u32 page_cnts[] = {16000, 16001};

	build_files(page_cnts, 2);
	all_grow_cold();
	make_file("large", 12000);
	struct process *process = add_with(PID + 100, "large");
	row_of(process);
	supplier_want(supplier, process, BASE);
	cr_assert(supplier_is_busy(supplier));
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	cr_assert_not(is_built(process));
	cr_assert_not(supplier_is_busy(supplier), "or the profiler would turn without end");
	supplier_tick(supplier, clock_monotonic_ns() + 2 * REST_NS);
	cr_assert(supplier_is_busy(supplier));
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	cr_assert(is_built(process));
}

Test(supplier, a_table_without_room_is_not_tried_again_for_a_while)
{
	const u32 page_cnts[] = {16000, 16001};

	build_files(page_cnts, 2);
	make_file("large", 12000);
	struct process *process = add_with(PID + 100, "large");
	row_of(process);
	supplier_want(supplier, process, BASE);
	cr_assert_eq(supplier_turn(supplier, NS_PER_S), 0);
	supplier_want(supplier, process, BASE);
	cr_assert_not(supplier_is_busy(supplier), "the others are in use");
	cr_assert(is_built(process_table_newest(table, PID)));
	cr_assert(is_built(process_table_newest(table, PID + 1)));

	all_grow_cold();
	supplier_tick(supplier, clock_monotonic_ns() + LONG_NS);
	supplier_want(supplier, process, BASE);
	turn_for_rounds(3);
	cr_assert(is_built(process), "now they are not");
}

Test(supplier, a_table_that_can_never_fit_drives_out_no_other)
{
	const u32 page_cnts[] = {8000, 8001};

	build_files(page_cnts, 2);
	all_grow_cold();
	make_file("huge", 30000);
	struct process *process = add_with(PID + 100, "huge");
	row_of(process);
	supplier_want(supplier, process, BASE);
	turn_for_rounds(3);
	cr_assert(is_built(process), "but empty");
	cr_assert_not(supplier_is_busy(supplier));
	cr_assert(is_built(process_table_newest(table, PID)));
	cr_assert(is_built(process_table_newest(table, PID + 1)));
}

/*
 * Walks by mappings of another time
 */

Test(supplier, nothing_was_behind_where_nothing_was_replaced)
{
	make_file("a", 1);
	struct process *process = add_with(PID, "a");
	u32 id = row_of(process).mappings_id;

	map(PID, BASE + 0x10000, 4096, NULL, 30);
	cr_assert_not(was_behind(process, id, 40));
	row_of(process);
	cr_assert_not(was_behind(process, id, 40));
}

Test(supplier, a_walk_after_a_replacement_by_older_mappings_was_behind)
{
	make_file("a", 1);
	make_file("b", 2);
	struct process *process = add_with(PID, "a");
	u32 id = row_of(process).mappings_id;

	map(PID, BASE, 4096, "b", 30);
	cr_assert(was_behind(process, id, 40), "not yet told");
	cr_assert_not(was_behind(process, id, 20));
	cr_assert_not(was_behind(process, 0, 40), "it went by none");
	u32 fresh = row_of(process).mappings_id;
	cr_assert(was_behind(process, id, 40), "told after that");
	cr_assert_not(was_behind(process, id, 20));
	cr_assert_not(was_behind(process, fresh, 50));
}

Test(supplier, a_process_that_was_never_supplied_was_behind_once_something_was_replaced)
{
	make_file("a", 1);
	make_file("b", 2);
	struct process *process = add_with(PID, "a");

	cr_assert_not(was_behind(process, 7, 40));
	map(PID, BASE, 4096, "b", 30);
	cr_assert(was_behind(process, 7, 40));
}

Test(supplier, a_child_was_behind_with_what_its_parent_had_before_the_replacement)
{
	make_file("a", 1);
	make_file("b", 2);
	struct process *parent = add_with(PID, "a");
	u32 id = row_of(parent).mappings_id;

	map(PID, BASE, 4096, "b", 30);
	struct process *child = fork_of(parent, PID + 1, 40);
	cr_assert(was_behind(child, id, 50), "its row is a copy of the parent's");
	u32 fresh = row_of(parent).mappings_id;
	cr_assert(was_behind(child, id, 50));
	cr_assert_not(was_behind(child, fresh, 60), "forked after the parent's row was filled");
	cr_assert_eq(row_of(child).mappings_id, fresh);
	cr_assert(was_behind(child, id, 50));
	cr_assert_not(was_behind(child, fresh, 60));
}
