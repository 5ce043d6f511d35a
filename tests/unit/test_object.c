/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/object.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live_python.h"

#define SCRIPT "tests/unit/data/values.py" /* says which facts there are */

static struct python_objects objects_of(const struct live_python *python)
{
	struct python_objects objects;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0, "%s",
		     python->name);
	return objects;
}

static void check_attributes(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	size_t cnt = 0;

	for (const char *fact = NULL; (fact = live_python_fact(python, "attribute", fact)); cnt++) {
		char name[128];
		u64 address, expected, value = 0;

		cr_assert_eq(sscanf(fact, "attribute %llx %127s %llx", &address, name, &expected), 3);
		int err = object_attribute(&objects, address, name, &value);
		cr_expect(!err && value == expected, "%s: attribute %s of %#llx: %d, %#llx, not %#llx", python->name,
			  name, address, err, value, expected);
	}
	cr_assert_gt(cnt, 200);
}

Test(object, has_the_attributes_that_getattr_finds)
{
	for_each_live_python_running(SCRIPT, 0, check_attributes);
}

static void check_missing(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	size_t cnt = 0;

	for (const char *fact = NULL; (fact = live_python_fact(python, "missing", fact)); cnt++) {
		char name[128];
		u64 address, value;

		cr_assert_eq(sscanf(fact, "missing %llx %127s", &address, name), 2);
		cr_expect_eq(object_attribute(&objects, address, name, &value), -ENOENT, "%s: %s of %#llx",
			     python->name, name, address);
	}
	cr_assert_gt(cnt, 200);
}

Test(object, has_no_attributes_that_getattr_does_not_find)
{
	for_each_live_python_running(SCRIPT, 0, check_missing);
}

static u64 main_interpreter(const struct python_objects *objects)
{
	u64 interpreter;

	cr_assert_eq(object_word(objects, objects->runtime + objects->layout->runtime_interpreters, &interpreter), 0);
	return interpreter;
}

static void check_callables(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	u64 sys, module, path, read;
	struct object_callable callable;

	/* sys.stdin.read and the like are made anew when asked for; a built-in function is there: sys.exit. */
	cr_assert_eq(interpreter_module(&objects, main_interpreter(&objects), "sys", &module), 0);
	sys = module;
	cr_assert_eq(module_attribute(&objects, sys, "exit", &read), 0);
	cr_assert_eq(object_callable(&objects, read, &callable), 0, "%s", python->name);
	cr_assert_str_eq(callable.name, "exit");
	cr_assert(!callable.function);
	cr_assert_eq(module_attribute(&objects, sys, "path", &path), 0);
	cr_assert_eq(object_callable(&objects, path, &callable), -EINVAL);
}

Test(object, that_is_a_builtin_function_tells_its_name)
{
	for_each_live_python_running(SCRIPT, 0, check_callables);
}

static void check_types(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	u64 module, modules, missing;
	char name[OBJECT_NAME_SIZE];

	cr_assert_eq(interpreter_modules(&objects, main_interpreter(&objects), &modules), 0);
	cr_assert_eq(object_type_name(&objects, modules, name), 0);
	cr_assert_str_eq(name, "dict");
	cr_assert(object_is_a(&objects, modules, "object"));
	cr_assert_not(object_is_a(&objects, modules, "list"));
	cr_assert_eq(interpreter_module(&objects, main_interpreter(&objects), "threading", &module), 0);
	cr_assert_eq(object_type_name(&objects, module, name), 0);
	cr_assert_str_eq(name, "module");
	cr_assert_eq(interpreter_module(&objects, main_interpreter(&objects), "no such", &missing), -ENOENT);
}

Test(object, knows_its_type_and_what_that_derives_from)
{
	for_each_live_python_running(SCRIPT, 0, check_types);
}

Test(object, slots_of_a_frame_are_told_by_their_tags)
{
	struct python_objects objects = {.object = {.slot_tags = 3, .slot_int_tag = 3}};

	cr_assert_eq(object_slot_of(&objects, 0x7f0000001231).address, 0x7f0000001230);
	cr_assert_eq(object_slot_of(&objects, 1).address, 0); /* NULL, as 3.14 writes it */
	struct object_slot number = object_slot_of(&objects, (u64)-7 << 2 | 3);
	cr_assert(number.is_int && number.value == -7 && !number.address);

	objects.object.slot_tags = objects.object.slot_int_tag = 0;
	cr_assert_eq(object_slot_of(&objects, 0x7f0000001230).address, 0x7f0000001230);
	cr_assert_not(object_slot_of(&objects, 0x7f0000001230).is_int);
}

Test(object, layouts_are_complete)
{
	static const u32 versions[] = {0x0207, 0x0306, 0x0307, 0x0308, 0x0309, 0x030a,
				       0x030b, 0x030c, 0x030d, 0x030e, 0x030f};
	struct object_layout layout;

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		cr_assert_eq(object_layout_of_version(versions[i] << 16 | 0x5f0, false, &layout), 0);
		cr_assert_eq(layout.object_size, 16);
		cr_assert_eq(object_layout_of_version(versions[i] << 16 | 0x5f0, true, &layout),
			     versions[i] < 0x030d ? -ENOTSUP : 0);
	}
	cr_assert_eq(object_layout_of_version(0x02060000, false, &layout), -ENOTSUP);
}
