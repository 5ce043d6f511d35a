/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * object.h - looking into a CPython's objects from outside: attributes, dicts,
 * sequences, numbers and texts of another process, read without running any of its
 * code and while it may change them.
 *
 * An object is its address there. Everything read is hostile: lengths are bounded,
 * loops capped, a torn read gives nonsense or an error, never a crash. All readers
 * answer -EINVAL (it is not that, or does not add up), -EFAULT (not readable),
 * -ENOENT (find: not there), -ESRCH, -EPERM, -ENOMEM.
 */
#ifndef PYPROF_OBJECT_H
#define PYPROF_OBJECT_H

#include <stdbool.h>

#include "base/remote_memory.h"
#include "base/strbuf.h"
#include "pyprof/python_abi.h"
#include "inspect/object_layout.h"

#define OBJECT_ITEMS_MAX 65536 /* of one container; what is beyond is not seen */
#define OBJECT_NAME_SIZE 128 /* a name (of a type, a C function) with its NUL; what is longer is cut */

struct python_objects {
	const struct remote_memory *memory; /* borrowed */
	const struct python_layout *layout; /* borrowed */
	struct object_layout object;
	u64 runtime; /* address of _PyRuntime; to 3.6 of the variable `interp_head` */
	u32 unicode_unit; /* 2.7: bytes in a unit of its unicode objects, by how it was built; 0: not known, and later */
};

/* runtime as in struct python_file. memory and layout must outlive it. -ENOTSUP: a version that we do not know. */
int python_objects_init(struct python_objects *objects, const struct remote_memory *memory,
			const struct python_layout *layout, u64 runtime);

/* The type of the object, and what TYPE_IS_* bits it has. */
int object_type(const struct python_objects *objects, u64 address, u64 *ret);
int object_type_flags(const struct python_objects *objects, u64 type, u64 *ret);
/* tp_name of the object's type: "dict", "collections.deque", "Point"; valid UTF-8 without control characters. */
int object_type_name(const struct python_objects *objects, u64 address, char ret[OBJECT_NAME_SIZE]);
/* Whether the object's type, or one that it derives from by tp_base, has exactly this tp_name. */
bool object_is_a(const struct python_objects *objects, u64 address, const char *type_name);

/* A pointer inside an object, or anywhere: an 8-byte word. */
int object_word(const struct python_objects *objects, u64 address, u64 *ret);

/*
 * The value of an instance attribute (what is in __dict__; neither slots nor those of
 * the class), wherever the version keeps it. -ENOENT: has none of this name.
 */
int object_attribute(const struct python_objects *objects, u64 address, const char *name, u64 *ret);

/* The first visit that does not return 0 is the last, and its answer is the reader's. */
typedef int (*object_visit_item)(void *ctx, size_t index, u64 value);
typedef int (*object_visit_pair)(void *ctx, u64 key, u64 value);

/* All instance attributes as (name, value); a dict's pairs in their order (2.7: of its table). */
int object_attributes(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx);
int dict_for_each(const struct python_objects *objects, u64 address, object_visit_pair visit, void *ctx);
/* The value of this str key. */
int dict_find(const struct python_objects *objects, u64 address, const char *key, u64 *ret);
/* len() of a dict, list, tuple, set, by its type; bounded by nothing. */
int dict_count(const struct python_objects *objects, u64 address, u64 *ret);
int list_count(const struct python_objects *objects, u64 address, u64 *ret);
int tuple_count(const struct python_objects *objects, u64 address, u64 *ret);
int set_count(const struct python_objects *objects, u64 address, u64 *ret);

/* Items of a list and of a tuple in order, of a set or frozenset in the order of its table, as repr() has it. */
int list_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx);
int tuple_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx);
int set_for_each(const struct python_objects *objects, u64 address, object_visit_item visit, void *ctx);
int tuple_item(const struct python_objects *objects, u64 address, size_t index, u64 *ret);

/* int, bool and 2.7's long, when they fit; -ERANGE. */
int object_int(const struct python_objects *objects, u64 address, s64 *ret);

/* The digits of an int (2.7: of a long), least first, of object.long_digit_bits each. */
struct object_digits {
	bool negative;
	u64 cnt; /* 0: it is 0. Not bounded by what is readable */
	u64 address;
};
int object_digits(const struct python_objects *objects, u64 address, struct object_digits *ret);
int object_digit(const struct python_objects *objects, const struct object_digits *digits, u64 index, u32 *ret);

/* The text of a str (2.7: also of a unicode) as UTF-8, of PYTHON_STRING_MAX characters (string.h). */
int object_text(const struct python_objects *objects, u64 address, struct strbuf *b);
/* Whether it is a str (2.7: or unicode) of exactly this ASCII text. */
bool object_is_text(const struct python_objects *objects, u64 address, const char *text);

/* What a cell holds; 0: nothing yet. -EINVAL: not a cell. */
int object_cell(const struct python_objects *objects, u64 address, u64 *ret);

/*
 * What a callable is bound to (0: nothing) and how it is called: of a built-in function
 * or method (PyCFunctionObject) its C name, of a bound method "".
 */
struct object_callable {
	u64 self;
	u64 function; /* bound method: the function; else 0 */
	char name[OBJECT_NAME_SIZE];
};
int object_callable(const struct python_objects *objects, u64 address, struct object_callable *ret);

/* A slot of a frame holds an object, by an address with tags, or from 3.14 on an int of its own. */
struct object_slot {
	u64 address; /* 0: unbound, or an int */
	bool is_int;
	s64 value;
};
struct object_slot object_slot_of(const struct python_objects *objects, u64 word);

/* sys.modules of this interpreter (address of its PyInterpreterState), and one of it by name: a module object. */
int interpreter_modules(const struct python_objects *objects, u64 interpreter, u64 *ret);
int interpreter_module(const struct python_objects *objects, u64 interpreter, const char *name, u64 *ret);
/* A global variable of a module object. -ENOENT: no such. */
int module_attribute(const struct python_objects *objects, u64 module, const char *name, u64 *ret);

#endif
