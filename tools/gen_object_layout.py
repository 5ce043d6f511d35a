#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gen_object_layout.py - measures where CPython's objects keep what they hold; writes userspace/inspect/object_layout_table.h.

    tools/gen_object_layout.py INCLUDE_DIR... > userspace/inspect/object_layout_table.h

INCLUDE_DIR holds a CPython's Python.h and internal/, as for gen_python_layout.py. A small program compiled against
these headers says where everything is. From 3.13 on each is measured twice, the second time as a free-threaded
build. Several patch releases of one version must agree, except where the target itself says it (DESCRIBED).

A new version: put its headers at the end of the arguments, look at what the compiler or the comparison complains
about, and add an entry to MEMBERS for what moved.
"""
import sys

from python_headers import answer_of, prints_of, since, version_of

ABSENT = "0xffff"


def offset(struct, member):
    return f"offsetof({struct}, {member})"


# Versions are (major, minor). Member of struct object_layout: [(first version, expression)...]; None: it has none.
V27, V36, V37, V38, V39 = (2, 7), (3, 6), (3, 7), (3, 8), (3, 9)
V310, V311, V312, V313, V314, V315 = (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15)

MEMBERS = {
    "object_size": [(V27, "sizeof(PyObject)")],
    "item_cnt": [(V27, offset("PyVarObject", "ob_size"))],
    "type_flags": [(V27, offset("PyTypeObject", "tp_flags"))],
    "type_basic_size": [(V27, offset("PyTypeObject", "tp_basicsize"))],
    "type_item_size": [(V27, offset("PyTypeObject", "tp_itemsize"))],
    "type_dict_offset": [(V27, offset("PyTypeObject", "tp_dictoffset"))],
    "type_base": [(V27, offset("PyTypeObject", "tp_base"))],
    "type_cached_keys": [(V27, None), (V36, offset("PyHeapTypeObject", "ht_cached_keys"))],
    # Include/internal/pycore_object.h: _PyObject_ManagedDictPointer(), _PyObject_ValuesPointer(), PyDictOrValues.
    "managed_dict_flag": [(V27, "0"), (V311, "Py_TPFLAGS_MANAGED_DICT")],
    "managed_dict": [(V27, "0"), (V311, "-MANAGED_DICT_OFFSET"), (V312, "3 * sizeof(void *)"), (V313, "-MANAGED_DICT_OFFSET")],
    "managed_values": [(V27, "0"), (V311, "4 * sizeof(void *)"), (V312, "3 * sizeof(void *)"), (V313, "0")],
    "managed_values_tag": [(V27, "0"), (V312, "1"), (V313, "0")],
    "inline_values_flag": [(V27, "0"), (V313, "Py_TPFLAGS_INLINE_VALUES")],
    "values_valid": [(V27, None), (V313, offset("PyDictValues", "valid"))],
    "values_capacity": [(V27, None), (V313, offset("PyDictValues", "capacity"))],
    "values_first": [(V27, "0"), (V311, offset("PyDictValues", "values"))],
    "dict_used": [(V27, offset("PyDictObject", "ma_used"))],
    "dict_table": [(V27, offset("PyDictObject", "ma_table")), (V36, None)],
    "dict_mask": [(V27, offset("PyDictObject", "ma_mask")), (V36, None)],
    "dict_keys": [(V27, None), (V36, offset("PyDictObject", "ma_keys"))],
    "dict_values": [(V27, None), (V36, offset("PyDictObject", "ma_values"))],
    "keys_size": [(V27, None), (V36, offset("struct dict_keys", "dk_size")), (V311, None)],
    "keys_log2_index_size": [(V27, None), (V311, offset("PyDictKeysObject", "dk_log2_index_bytes"))],
    "keys_kind": [(V27, None), (V311, offset("PyDictKeysObject", "dk_kind"))],
    "keys_entry_cnt": [
        (V27, None),
        (V36, offset("struct dict_keys", "dk_nentries")),
        (V311, offset("PyDictKeysObject", "dk_nentries")),
    ],
    "keys_indices": [
        (V27, None),
        (V36, offset("struct dict_keys", "dk_indices")),
        (V311, offset("PyDictKeysObject", "dk_indices")),
    ],
    "list_items": [(V27, offset("PyListObject", "ob_item"))],
    "tuple_items": [(V27, offset("PyTupleObject", "ob_item"))],
    "set_used": [(V27, offset("PySetObject", "used"))],
    "set_mask": [(V27, offset("PySetObject", "mask"))],
    "set_table": [(V27, offset("PySetObject", "table"))],
    "set_entry_key": [(V27, offset("setentry", "key"))],
    "set_entry_hash": [(V27, offset("setentry", "hash"))],
    # Objects/setobject.c: the hash of what was removed is -1, but in 2.7 it stays, and the key is a certain str.
    "set_dummy_is_text": [(V27, "1"), (V36, "0")],
    "int_value": [(V27, offset("PyIntObject", "ob_ival")), (V36, None)],
    "long_tag": [(V27, None), (V312, offset("PyLongObject", "long_value.lv_tag"))],
    "long_digits": [(V27, offset("PyLongObject", "ob_digit")), (V312, offset("PyLongObject", "long_value.ob_digit"))],
    "long_digit_size": [(V27, "sizeof(digit)")],
    "long_digit_bits": [(V27, "PyLong_SHIFT")],
    "float_value": [(V27, offset("PyFloatObject", "ob_fval"))],
    "unicode_length": [(V27, offset("PyUnicodeObject", "length")), (V36, None)],
    "unicode_data": [(V27, offset("PyUnicodeObject", "str")), (V36, None)],
    # PyASCIIObject.wstr, PyCompactUnicodeObject.wstr_length: strings whose kind is 0 have nothing else.
    "wide_data": [(V27, None), (V36, offset("PyASCIIObject", "wstr")), (V312, None)],
    "wide_length": [(V27, None), (V36, offset("PyCompactUnicodeObject", "wstr_length")), (V312, None)],
    "cell_value": [(V27, offset("PyCellObject", "ob_ref"))],
    "method_function": [(V27, offset("PyMethodObject", "im_func"))],
    "method_self": [(V27, offset("PyMethodObject", "im_self"))],
    "builtin_definition": [(V27, offset("PyCFunctionObject", "m_ml"))],
    "builtin_self": [(V27, offset("PyCFunctionObject", "m_self"))],
    "definition_name": [(V27, offset("PyMethodDef", "ml_name"))],
    "frame_locals": [(V27, offset("PyFrameObject", "f_localsplus")), (V311, offset("_PyInterpreterFrame", "localsplus"))],
    # Include/internal/pycore_stackref.h: Py_TAG_BITS and Py_INT_TAG; 3.14's free-threaded build has one bit of the two.
    "slot_tags": [(V27, "0"), (V314, "3")],
    "slot_int_tag": [(V27, "0"), (V314, "3")],
    "code_flags": [(V27, offset("PyCodeObject", "co_flags"))],
    "code_argument_cnt": [(V27, offset("PyCodeObject", "co_argcount"))],
    "code_keyword_cnt": [(V27, None), (V36, offset("PyCodeObject", "co_kwonlyargcount"))],
    "code_local_cnt": [(V27, offset("PyCodeObject", "co_nlocals")), (V311, offset("PyCodeObject", "co_nlocalsplus"))],
    "code_local_names": [(V27, offset("PyCodeObject", "co_varnames")), (V311, offset("PyCodeObject", "co_localsplusnames"))],
    "code_cell_names": [(V27, offset("PyCodeObject", "co_cellvars")), (V311, None)],
    "code_free_names": [(V27, offset("PyCodeObject", "co_freevars")), (V311, None)],
    "code_local_kinds": [(V27, None), (V311, offset("PyCodeObject", "co_localspluskinds"))],
    "interpreter_id": [(V27, None), (V37, offset("PyInterpreterState", "id"))],
    "interpreter_modules": [
        (V27, offset("PyInterpreterState", "modules")),
        (V312, offset("PyInterpreterState", "imports.modules")),
    ],
    "interpreter_gil": [(V27, None), (V312, offset("PyInterpreterState", "ceval.gil"))],
    "runtime_gil": [(V27, None), (V37, offset("_PyRuntimeState", "ceval.gil")), (V312, None)],
    "gil_enabled": [(V27, None), (V313, "GIL_ENABLED")],
    "gil_holder": [(V27, None), (V37, offset("struct _gil_runtime_state", "last_holder"))],
    "gil_locked": [(V27, None), (V37, offset("struct _gil_runtime_state", "locked"))],
    "gil_condition": [(V27, None), (V37, offset("struct _gil_runtime_state", "cond"))],
    "gil_size": [(V27, None), (V37, "sizeof(struct _gil_runtime_state)")],
    "runtime_initialized": [(V27, None), (V37, offset("_PyRuntimeState", "initialized"))],
    "runtime_finalizing": [
        (V27, None),
        (V37, offset("_PyRuntimeState", "finalizing")),
        (V39, offset("_PyRuntimeState", "_finalizing")),
    ],
}

# Where struct _Py_DebugOffsets says it: its path in there. What differs between patch releases must be one of these.
DESCRIBED = {
    "interpreter_id": "interpreter_state.id",
    "interpreter_modules": "interpreter_state.imports_modules",
    "interpreter_gil": "interpreter_state.ceval_gil",
    "gil": "interpreter_state.gil_runtime_state",  # where these two are said to be relative to
    "gil_holder": "interpreter_state.gil_runtime_state_holder",
    "gil_locked": "interpreter_state.gil_runtime_state_locked",
    "runtime_finalizing": "runtime_state.finalizing",
}

PROBE = """
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#include <frameobject.h>
#if PY_VERSION_HEX < 0x030b0000
#include <longintrepr.h>
#endif
#if PY_VERSION_HEX >= 0x03080000
#include "internal/pycore_pystate.h"
#elif PY_VERSION_HEX >= 0x03070000
#include "internal/pystate.h"
#endif
#if PY_VERSION_HEX >= 0x03090000
#include "internal/pycore_runtime.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_gil.h"
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#endif
#if PY_VERSION_HEX >= 0x030d0000
#include "internal/pycore_tuple.h"
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_debug_offsets.h"
#include "internal/pycore_interpframe_structs.h"
#include "internal/pycore_stackref.h"
_Static_assert(!(Py_TAG_BITS & ~3) && Py_INT_TAG == 3, "tags of stack references");
#endif
#ifdef Py_GIL_DISABLED
#define GIL_ENABLED offsetof(struct _gil_runtime_state, enabled)
#else
#define GIL_ENABLED 0xffff
#endif

#if PY_VERSION_HEX >= 0x03060000 && PY_VERSION_HEX < 0x030b0000
/* Objects/dict-common.h, which is not installed; the same in 3.6 to 3.10. */
struct dict_keys {
	Py_ssize_t dk_refcnt;
	Py_ssize_t dk_size;
	void *dk_lookup;
	Py_ssize_t dk_usable;
	Py_ssize_t dk_nentries;
	char dk_indices[];
};
#endif

int main(void)
{
	printf("version %%llu\\n", (unsigned long long)PY_VERSION_HEX);
%s
	return 0;
}
"""


def measure(include, version, free_threaded):
    """All numbers of one version's headers, as a dictionary; None for what it does not have."""
    wanted = {name: since(rows, version) for name, rows in MEMBERS.items()}
    if version >= V313:
        for name, path in DESCRIBED.items():
            wanted["index." + name] = offset("_Py_DebugOffsets", path)
        wanted["index.size"] = "sizeof(_Py_DebugOffsets)"
    prints = prints_of(wanted)
    found = dict.fromkeys(wanted)
    found.update(answer_of(include, PROBE % prints, free_threaded))
    return found


def merge(rows):
    """One row for the patch releases of a version, which must agree."""
    rows.sort(key=lambda row: row["version"])
    first, last = rows[0], rows[-1]
    for row in rows:
        differing = {name for name in first if row[name] != first[name]} - {"version"}
        if "index.size" in first:
            differing -= set(DESCRIBED)
        if differing:
            sys.exit(f"{row['version']:#x} differs from {first['version']:#x} in {sorted(differing)}")
    return last


def number(value):
    return ABSENT if value in (None, 0xFFFF) else str(value)


def write_row(row, free_threaded, out):
    out.append("\t{")
    out.append(f"\t\t.minor_version = {row['version'] >> 16:#06x},")
    out.append(f"\t\t.free_threaded = {int(free_threaded)},")
    out.append("\t\t.layout = {")
    out += [f"\t\t\t.{name} = {number(row[name])}," for name in MEMBERS]
    out.append("\t\t},")
    if "index.size" in row:
        out.append("\t\t.described = {")
        out.append(f"\t\t\t.size = {row['index.size']},")
        out += [f"\t\t\t.{name} = {row['index.' + name]}," for name in DESCRIBED]
        out.append("\t\t},")
    out.append("\t},")


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    versions = {}
    for include in sys.argv[1:]:
        version = version_of(include)
        for free_threaded in (False, True) if version >= V313 else (False,):
            row = measure(include, version, free_threaded)
            versions.setdefault((version, free_threaded), []).append(row)
    out = [
        "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */",
        "/*",
        " * object_layout_table.h - where CPython's objects keep what they hold, as measured from",
        " * its headers, x86-64. Made by tools/gen_object_layout.py: do not edit. For",
        " * object_layout.c alone, which explains it.",
        " */",
        "#ifndef PYPROF_OBJECT_LAYOUT_TABLE_H",
        "#define PYPROF_OBJECT_LAYOUT_TABLE_H",
        "",
        "/* clang-format off */",
        "static const struct measured_objects measured_objects[] = {",
    ]
    for (_, free_threaded), rows in sorted(versions.items()):
        write_row(merge(rows), free_threaded, out)
    out += ["};", "/* clang-format on */", "", "#endif"]
    print("\n".join(out))


main()
