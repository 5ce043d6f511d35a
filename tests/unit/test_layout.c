/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/layout.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "live_python.h"

/* The head of _Py_DebugOffsets of Debian's 3.15.2, up to what one test needs; zeros follow. */
static void debug_offsets_begin(u64 offsets[256], u32 version, u64 free_threaded)
{
	memset(offsets, 0, 256 * sizeof(*offsets));
	memcpy(offsets, "xdebugpy", 8);
	offsets[1] = version;
	offsets[2] = free_threaded;
}

Test(layout, of_a_version_that_does_not_describe_itself_comes_from_the_table)
{
	struct python_layout layout;

	cr_assert_eq(python_layout_of_version(0x030b02f0, &layout), 0);
	cr_assert_eq(layout.version, 0x030b02f0);
	cr_assert_eq(layout.frame_is_entry, 68);
	cr_assert_eq(layout.frame_owner, ABSENT);
	cr_assert_eq(layout.code_version, ABSENT);
	cr_assert_eq(layout.interpreter_generation, 0);
	cr_assert_eq(python_layout_check(&layout), 0);

	cr_assert_eq(python_layout_of_version(0x030c01f0, &layout), 0);
	cr_assert_eq(layout.frame_is_entry, ABSENT);
	cr_assert_eq(layout.frame_owner, 70);
	cr_assert_eq(layout.code_version, 92);
	cr_assert_eq(layout.interpreter_generation, 0);
	cr_assert_eq(python_layout_check(&layout), 0);
}

Test(layout, of_other_versions_is_not_known)
{
	static const u32 versions[] = {0,	   0x02061200, 0x03000000, 0x030500f0, 0x03090000,
				       0x030b00b5, 0x030d00f0, 0x030f00f0, 0x031000f0};
	struct python_layout layout;

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		cr_assert_eq(python_layout_of_version(versions[i], &layout), -ENOTSUP, "%#x", versions[i]);
}

Test(layout, needs_the_cookie)
{
	struct python_layout layout;
	u64 offsets[256];

	debug_offsets_begin(offsets, 0x030d00f0, 0);
	((char *)offsets)[7] = 'z';
	cr_assert_eq(python_layout_of_debug_offsets(offsets, sizeof(offsets), &layout), -EINVAL);
}

Test(layout, of_a_struct_of_unknown_version_is_not_supported)
{
	static const u32 versions[] = {0x030c00f0, 0x030d00b4, 0x031000f0};
	struct python_layout layout;
	u64 offsets[256];

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		debug_offsets_begin(offsets, versions[i], 0);
		cr_assert_eq(python_layout_of_debug_offsets(offsets, sizeof(offsets), &layout), -ENOTSUP, "%#x",
			     versions[i]);
	}
}

Test(layout, of_offsets_that_cannot_be_is_invalid)
{
	struct python_layout layout;
	u64 offsets[256];

	for (int fill = 0; fill < 2; fill++) {
		debug_offsets_begin(offsets, 0x030e00f0, 0);
		for (size_t i = 3; i < 256; i++)
			offsets[i] = fill ? ~0ull : 0;
		cr_assert_eq(python_layout_of_debug_offsets(offsets, sizeof(offsets), &layout), -EINVAL);
	}
}

Test(layout, with_an_offset_outside_what_the_walker_reads_is_invalid)
{
	struct python_layout good, bad;

	cr_assert_eq(python_layout_of_version(0x030c00f0, &good), 0);
	bad = good;
	bad.thread_id = THREAD_STATE_WINDOW - 4;
	cr_assert_eq(python_layout_check(&bad), -EINVAL);
	bad = good;
	bad.frame_owner = FRAME_WINDOW;
	cr_assert_eq(python_layout_check(&bad), -EINVAL);
	bad = good;
	bad.code_line_table = CODE_WINDOW;
	cr_assert_eq(python_layout_check(&bad), -EINVAL);
	bad = good;
	bad.frame_previous = ABSENT;
	cr_assert_eq(python_layout_check(&bad), -EINVAL);
	bad = good;
	bad.frame_owner = ABSENT;
	cr_assert_eq(python_layout_check(&bad), -EINVAL, "nothing ends a run");
	bad = good;
	bad.string_ascii_size = 8;
	cr_assert_eq(python_layout_check(&bad), -EINVAL);
}

static const u32 versions_of_objects[] = {0x020700f0, 0x020712f0, 0x030600f0, 0x030700f0,
					  0x030710f0, 0x030800f0, 0x030902f0, 0x030a00f0};

Test(layout, to_3_10_has_frames_that_are_objects)
{
	for (size_t i = 0; i < sizeof(versions_of_objects) / sizeof(*versions_of_objects); i++) {
		u32 version = versions_of_objects[i];
		struct python_layout layout;

		cr_assert_eq(python_layout_of_version(version, &layout), 0, "%#x", version);
		cr_assert_eq(python_layout_check(&layout), 0, "%#x", version);
		cr_assert_eq(layout.version, version);
		cr_assert_eq(layout.frame_instr_unit, version < 0x030a0000 ? 1 : 2);
		cr_assert_eq(python_layout_is_counted(&layout), version < 0x030a0000);
		cr_assert_eq(layout.thread_cframe == ABSENT, version < 0x030a0000);
		cr_assert_eq(layout.string_state == ABSENT, version < 0x03000000);
		cr_assert_eq(layout.thread_previous == ABSENT, version < 0x03000000);
	}
}

Test(layout, tells_where_the_runtime_keeps_the_thread_that_has_the_gil)
{
	cr_assert_eq(python_runtime_current(0x020712f0), 0);
	cr_assert_eq(python_runtime_current(0x03060ff0), 0);
	cr_assert_eq(python_runtime_current(0x030703f0), 1392, "it moved in 3.7.4");
	cr_assert_eq(python_runtime_current(0x030704f0), 1480);
	cr_assert_eq(python_runtime_current(0x030b07f0), 576);
	cr_assert_eq(python_runtime_current(0x030c01f0), 0);
}

/* One member changed at a time. */
#define check_refused(version, change)                                        \
	do {                                                                  \
		struct python_layout layout;                                  \
		cr_assert_eq(python_layout_of_version(version, &layout), 0);  \
		cr_assert_eq(python_layout_check(&layout), 0);                \
		change;                                                       \
		cr_assert_eq(python_layout_check(&layout), -EINVAL, #change); \
	} while (0)

Test(layout, with_a_window_that_does_not_hold_its_members_is_invalid)
{
	check_refused(0x030900f0, layout.thread_window = THREAD_STATE_WINDOW + 8);
	check_refused(0x030900f0, layout.thread_window = layout.thread_id);
	check_refused(0x020712f0, layout.thread_window = layout.thread_size + 8);
	check_refused(0x030900f0, layout.frame_window = FRAME_WINDOW + 8);
	check_refused(0x030900f0, layout.frame_window = layout.frame_instr);
	check_refused(0x020712f0, layout.frame_thread = layout.frame_window);
	check_refused(0x030c00f0, layout.frame_owner = layout.frame_window);
	check_refused(0x030900f0, layout.code_window = CODE_WINDOW + 8);
	check_refused(0x030900f0, layout.code_window = layout.code_line_table);
	check_refused(0x030a00f0, layout.thread_cframe = layout.thread_window);
	check_refused(0x030900f0, layout.object_type = layout.bytes_data);
}

Test(layout, whose_members_contradict_each_other_is_invalid)
{
	check_refused(0x030900f0, layout.thread_previous = ABSENT);
	check_refused(0x020712f0, layout.frame_thread = ABSENT);
	check_refused(0x020712f0, layout.string_kind_bit = 2);
	check_refused(0x020712f0, layout.string_compact_size = 72);
	check_refused(0x030900f0, layout.string_state = ABSENT);
	check_refused(0x030900f0, layout.frame_instr_unit = 0);
	check_refused(0x030900f0, layout.frame_instr_unit = 3);
	check_refused(0x030b00f0, layout.frame_instr_unit = 2);
	check_refused(0x030a00f0, layout.cframe_previous = ABSENT);
	check_refused(0x030a00f0, layout.cframe_frame = 0);
	check_refused(0x030900f0, layout.thread_cframe = 48);
	check_refused(0x030b00f0, layout.cframe_frame = ABSENT);
	check_refused(0x030c00f0, layout.frame_is_entry = 68);
	check_refused(0x030900f0, layout.line_table_kind = LINE_TABLE_LOCATIONS + 1);
	check_refused(0x030b00f0, layout.code_bytecode = ABSENT);
	check_refused(0x030c00f0, layout.frame_bytecode_index = 72);
	check_refused(0x030c00f0, layout.code_bytecodes = 224);
	check_refused(0x030c00f0, layout.object_refs_local = 12);
}

Test(layout, has_ranges_of_the_eval_loop_where_it_is_counted_and_up_to_the_first_empty_one)
{
	struct python_layout layout;

	cr_assert_eq(python_layout_of_version(0x030900f0, &layout), 0);
	layout.eval[0].start = -0x10000;
	layout.eval[0].size = 0x8000;
	layout.eval[1].start = 0x10000;
	layout.eval[1].size = 0x100;
	cr_assert_eq(python_layout_check(&layout), 0);

	check_refused(0x030900f0, layout.eval[1].size = 16);
	check_refused(0x030900f0, layout.eval[0].start = 16);
	check_refused(0x030900f0, layout.eval[0].size = ~0u);
	check_refused(0x030900f0, {
		layout.eval[0].start = 0x7fffff00;
		layout.eval[0].size = 0x200;
	});
	check_refused(0x030a00f0, layout.eval[0].size = 16);
	check_refused(0x030c00f0, layout.eval[0].size = 16);
}

/* The file says the same as the process, and each truncation of what it says is refused. */
static void check_description(const struct live_python *python)
{
	u8 data[DEBUG_OFFSETS_MAX_SIZE];
	struct python_layout layout;
	size_t size = sizeof(data);

	cr_assert_eq(python_layout_check(&python->file.layout), 0);
	cr_assert_eq(remote_read(&python->memory, python->runtime, data, sizeof(data)), 0);
	if (memcmp(data, "xdebugpy", 8))
		return;
	cr_assert_eq(python_layout_of_debug_offsets(data, sizeof(data), &layout), 0);
	cr_assert_eq(memcmp(&layout, &python->file.layout, sizeof(layout)), 0, "%s: file and process differ",
		     python->name);
	while (size && !python_layout_of_debug_offsets(data, size, &layout))
		size--;
	cr_assert_gt(size, 300);
	for (; size; size--)
		cr_assert_eq(python_layout_of_debug_offsets(data, size, &layout), -EINVAL);
}

Test(layout, of_a_live_interpreter_is_what_its_file_says, .timeout = 600)
{
	for_each_live_python(check_description);
}

/* Python 3.13 does not say where its generation is: it counts only where it was measured. */
static void check_newer_3_13(const struct live_python *python)
{
	u64 offsets[DEBUG_OFFSETS_MAX_SIZE / sizeof(u64)];
	struct python_layout layout;

	if (python->file.version >> 16 != 0x030d)
		return;
	cr_assert_neq(python->file.layout.interpreter_generation, 0, "%s", python->name);
	cr_assert_eq(remote_read(&python->memory, python->runtime, offsets, sizeof(offsets)), 0);
	offsets[1] = 0x030dfff0;
	cr_assert_eq(python_layout_of_debug_offsets(offsets, sizeof(offsets), &layout), 0);
	cr_assert_eq(layout.interpreter_generation, 0);
	cr_assert_eq(layout.generation_size, 0);
}

Test(layout, of_a_release_of_3_13_newer_than_was_measured_has_no_generation, .timeout = 600)
{
	for_each_live_python(check_newer_3_13);
}

static u64 read_value(const struct live_python *python, u64 address, size_t size)
{
	u64 value = 0;

	cr_assert_eq(remote_read(&python->memory, address, &value, size), 0);
	return value;
}

static void check_generation(const struct live_python *python)
{
	const struct python_layout *layout = &python->file.layout;
	u64 at = read_value(python, python->runtime + layout->runtime_interpreters, 8) + layout->interpreter_generation;

	if (!layout->interpreter_generation)
		return;
	for (int i = 0; i < 10; i++) {
		u64 before = read_value(python, at, layout->generation_size);

		live_python_make_code(python);
		u64 after = read_value(python, at, layout->generation_size);
		cr_assert(after > before && after < before + 1000, "%s: %llu to %llu", python->name, before, after);
	}
}

Test(layout, knows_a_generation_that_grows_as_code_comes_and_goes, .timeout = 600)
{
	for_each_live_python(check_generation);
}
