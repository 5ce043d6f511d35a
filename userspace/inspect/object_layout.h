/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * object_layout.h - where CPython's objects keep what they hold: what only those who
 * look into objects need, beside struct python_layout (pyprof/python_abi.h), which
 * the walkers share. A row for each version, measured by tools/gen_object_layout.py;
 * what a target says of itself in its _Py_DebugOffsets (3.13 and later) goes first.
 *
 * Every member is an offset in bytes unless its comment says otherwise, and ABSENT
 * (python_abi.h) where a version has no such thing.
 */
#ifndef PYPROF_OBJECT_LAYOUT_H
#define PYPROF_OBJECT_LAYOUT_H

#include <stdbool.h>

#include "base/remote_memory.h"
#include "pyprof/python_abi.h"

struct object_layout {
	/* PyObject, PyVarObject */
	u16 object_size; /* sizeof(PyObject) */
	u16 item_cnt; /* ob_size */

	/* PyTypeObject, PyHeapTypeObject */
	u16 type_flags; /* u64: see TYPE_IS_* */
	u16 type_basic_size;
	u16 type_item_size;
	u16 type_dict_offset; /* s64 tp_dictoffset; negative: from the end */
	u16 type_base;
	u16 type_cached_keys; /* of a class: the keys that its instances' values belong to */

	/*
	 * Where an instance has its attributes, other than by tp_dictoffset: a dict
	 * pointer and a pointer to PyDictValues *before* the object, or (inline) values
	 * behind its tp_basicsize.
	 */
	u16 managed_dict_flag; /* bit of tp_flags; 0: no such thing */
	u16 managed_dict; /* so many bytes before the object is a pointer to its dict */
	u16 managed_values; /* likewise to its PyDictValues; 0: there is none */
	u16 managed_values_tag; /* the pointer is one to values only with this bit, and then so much too small */
	u16 inline_values_flag; /* bit of tp_flags; 0: no such thing */

	/* PyDictValues; to 3.10 an array of pointers */
	u16 values_valid; /* u8; 0: the dict has them */
	u16 values_capacity; /* u8 */
	u16 values_first;

	/* PyDictObject; table and mask in 2.7 alone, keys and values since */
	u16 dict_used;
	u16 dict_table;
	u16 dict_mask;
	u16 dict_keys;
	u16 dict_values; /* 0: the keys hold the values too */

	/* PyDictKeysObject */
	u16 keys_size; /* s64 dk_size, to 3.10 */
	u16 keys_log2_index_size; /* u8, 3.11 and later */
	u16 keys_kind; /* u8, 3.11 and later; 0: general, else all keys are str and entries have no hash */
	u16 keys_entry_cnt; /* s64 */
	u16 keys_indices; /* the index table, after which come the entries */

	u16 list_items; /* pointer to them */
	u16 tuple_items; /* the items themselves */

	/* PySetObject, setentry */
	u16 set_used;
	u16 set_mask;
	u16 set_table;
	u16 set_entry_key;
	u16 set_entry_hash;
	u16 set_dummy_is_text; /* 1: what was removed left the str "<dummy key>"; 0: the hash -1 */

	/* PyIntObject of 2.7; PyLongObject */
	u16 int_value;
	u16 long_tag; /* u64: sign in the low two bits (0: +, 1: zero, 2: -), digits from bit 3; ABSENT: ob_size tells */
	u16 long_digits;
	u16 long_digit_size; /* bytes */
	u16 long_digit_bits; /* bits used of each */
	u16 float_value;

	/* PyUnicodeObject of 2.7, whose str is what python_layout calls a string */
	u16 unicode_length;
	u16 unicode_data; /* pointer to its units of 2 or 4 bytes: see struct python_objects */

	/* A str to 3.11 whose kind is 0: wchar_t, 4 bytes each */
	u16 wide_data;
	u16 wide_length;

	u16 cell_value;
	u16 method_function; /* PyMethodObject */
	u16 method_self;
	u16 builtin_definition; /* PyCFunctionObject: address of its PyMethodDef */
	u16 builtin_self;
	u16 definition_name; /* PyMethodDef: address of a C string */

	/* _PyInterpreterFrame; to 3.10 PyFrameObject. Slots hold addresses of objects, with tags */
	u16 frame_locals; /* the first slot */
	u16 slot_tags; /* bits of a slot that are no address */
	u16 slot_int_tag; /* when the tags are exactly these, the rest, shifted right by two, is an int; 0: no such thing */

	/* PyCodeObject */
	u16 code_flags;
	u16 code_argument_cnt;
	u16 code_keyword_cnt; /* ABSENT in 2.7 */
	u16 code_local_cnt; /* co_nlocals; from 3.11 on co_nlocalsplus, with cells */
	u16 code_local_names; /* tuple; from 3.11 on with those of cells */
	u16 code_cell_names; /* tuple, to 3.10 */
	u16 code_free_names; /* tuple, to 3.10 */
	u16 code_local_kinds; /* bytes, 3.11 and later */

	/* PyInterpreterState, _PyRuntimeState */
	u16 interpreter_id; /* s64 */
	u16 interpreter_modules; /* sys.modules */
	u16 interpreter_gil; /* address of its struct _gil_runtime_state, 3.12 and later */
	u16 runtime_gil; /* the struct itself, 3.7 to 3.11 */

	/* struct _gil_runtime_state */
	u16 gil_enabled; /* int; free-threaded builds: 0: there is none now */
	u16 gil_holder; /* PyThreadState that has it, or had it last */
	u16 gil_locked; /* int */
	u16 gil_condition; /* from here to gil_size is what threads wait on */
	u16 gil_size;

	u16 runtime_initialized; /* int */
	u16 runtime_finalizing; /* PyThreadState that ends the interpreter, or 0 */
};

/* Bits of tp_flags that tell what a type derives from; the same in all versions. */
#define TYPE_IS_INT	(1ull << 23) /* 2.7 alone */
#define TYPE_IS_LONG	(1ull << 24)
#define TYPE_IS_LIST	(1ull << 25)
#define TYPE_IS_TUPLE	(1ull << 26)
#define TYPE_IS_BYTES	(1ull << 27)
#define TYPE_IS_UNICODE (1ull << 28)
#define TYPE_IS_DICT	(1ull << 29)

/* -ENOTSUP: not measured. */
int object_layout_of_version(u32 version, bool free_threaded, struct object_layout *ret);

/* The same, and what the _PyRuntime at this address says itself. -EFAULT: not readable. */
int object_layout_of_process(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
			     struct object_layout *ret);

#endif
