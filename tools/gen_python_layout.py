#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gen_python_layout.py - measures CPython layouts and writes userspace/python/layout_table.h.

    tools/gen_python_layout.py INCLUDE_DIR... > userspace/python/layout_table.h

INCLUDE_DIR holds a CPython's Python.h and internal/ (pyenv: versions/X.Y.Z/include/pythonX.Y, Debian:
usr/include/pythonX.Y of libpythonX.Y-dev). A small program compiled against these headers says where everything
is, so neither a build nor debug information is needed. From 3.13 on each is measured twice, the second time as a
free-threaded build. Several patch releases of one version must agree, or this fails; what may differ (the place
of the generation and the size of the interpreter state) is kept with the releases that it was measured in. What
is known to have moved within a version, whose older headers are not at hand, is stated in MOVED.

A new version: put its headers at the end of the arguments, look at what the compiler or the comparison complains
about, and add a row to MEMBERS for what moved.
"""
import sys

from python_headers import answer_of, prints_of, since, version_of

ABSENT = "0xffff"


def offset(struct, member):
    return f"offsetof({struct}, {member})"


# Member of struct python_layout: [(first version, expression)...]; None: that version has no such thing.
MEMBERS = {
    "thread_window": [((2, 7), "AT_MOST(sizeof(PyThreadState), 256)")],
    # Up to the end of f_lasti. From 3.11 on frames lie in chunks of memory that go on behind them.
    "frame_window": [((2, 7), "(offsetof(PyFrameObject, f_lasti) + sizeof(int) + 7) / 8 * 8"), ((3, 11), "88")],
    # From 3.11 on the bytecode follows.
    "code_window": [((2, 7), "AT_MOST(sizeof(PyCodeObject), 216)"), ((3, 11), "216")],
    # To 3.6 the variable interp_head is the place itself.
    "runtime_interpreters": [((2, 7), "0"), ((3, 7), offset("_PyRuntimeState", "interpreters.head"))],
    "interpreter_next": [((2, 7), offset("PyInterpreterState", "next"))],
    "interpreter_threads": [
        ((2, 7), offset("PyInterpreterState", "tstate_head")),
        ((3, 11), offset("PyInterpreterState", "threads.head")),
    ],
    # 3.12 counts versions in a static variable; its func_state.next_version never moves.
    "interpreter_generation": [
        ((2, 7), "0"),
        ((3, 13), offset("PyInterpreterState", "func_state.next_version")),
        ((3, 14), offset("PyInterpreterState", "_code_object_generation")),
    ],
    "generation_size": [
        ((2, 7), "0"),
        ((3, 13), "sizeof(((PyInterpreterState *)0)->func_state.next_version)"),
        ((3, 14), "sizeof(((PyInterpreterState *)0)->_code_object_generation)"),
    ],
    "thread_previous": [((2, 7), None), ((3, 6), offset("PyThreadState", "prev"))],
    "thread_next": [((2, 7), offset("PyThreadState", "next"))],
    "thread_interpreter": [((2, 7), offset("PyThreadState", "interp"))],
    "thread_frame": [
        ((2, 7), offset("PyThreadState", "frame")),
        ((3, 11), offset("PyThreadState", "cframe")),
        ((3, 13), offset("PyThreadState", "current_frame")),
    ],
    "thread_cframe": [((2, 7), None), ((3, 10), offset("PyThreadState", "cframe")), ((3, 11), None)],
    "thread_id": [((2, 7), offset("PyThreadState", "thread_id"))],
    "thread_size": [
        ((2, 7), "sizeof(PyThreadState)"),
        ((3, 15), offset("_PyThreadStateImpl", "base_frame") + " + sizeof(_PyInterpreterFrame)"),
    ],
    "cframe_frame": [((2, 7), None), ((3, 11), offset("_PyCFrame", "current_frame")), ((3, 13), None)],
    "cframe_previous": [
        ((2, 7), None),
        ((3, 10), offset("CFrame", "previous")),
        ((3, 11), offset("_PyCFrame", "previous")),
        ((3, 13), None),
    ],
    "frame_code": [
        ((2, 7), offset("PyFrameObject", "f_code")),
        ((3, 11), offset("_PyInterpreterFrame", "f_code")),
        ((3, 13), offset("_PyInterpreterFrame", "f_executable")),
    ],
    "frame_previous": [
        ((2, 7), offset("PyFrameObject", "f_back")),
        ((3, 11), offset("_PyInterpreterFrame", "previous")),
    ],
    "frame_instr": [
        ((2, 7), offset("PyFrameObject", "f_lasti")),
        ((3, 11), offset("_PyInterpreterFrame", "prev_instr")),
        ((3, 13), offset("_PyInterpreterFrame", "instr_ptr")),
    ],
    # An index in bytes, since 3.10 in code units; then a pointer.
    "frame_instr_unit": [((2, 7), "1"), ((3, 10), "2"), ((3, 11), "0")],
    "frame_bytecode_index": [((2, 7), None), ((3, 14), offset("_PyInterpreterFrame", "tlbc_index"))],
    "frame_thread": [((2, 7), offset("PyFrameObject", "f_tstate")), ((3, 6), None)],
    "frame_owner": [((2, 7), None), ((3, 12), offset("_PyInterpreterFrame", "owner"))],
    "frame_is_entry": [((2, 7), None), ((3, 11), offset("_PyInterpreterFrame", "is_entry")), ((3, 12), None)],
    # FRAME_OWNED_BY_CSTACK up to 3.13, then FRAME_OWNED_BY_INTERPRETER, after which comes FRAME_OWNED_BY_CSTACK.
    "frame_owner_shim": [((2, 7), "3"), ((3, 12), "FRAME_OWNED_BY_CSTACK"), ((3, 14), "FRAME_OWNED_BY_INTERPRETER")],
    # The free-threaded 3.14 uses one bit of the two; code objects are aligned to more, so both may go.
    "frame_code_mask": [((2, 7), "~0ull"), ((3, 14), "~3ull")],
    "code_version": [((2, 7), None), ((3, 12), offset("PyCodeObject", "co_version"))],
    "code_bytecode": [((2, 7), None), ((3, 11), offset("PyCodeObject", "co_code_adaptive"))],
    "code_bytecodes": [((2, 7), None), ((3, 14), offset("PyCodeObject", "co_tlbc"))],
    "bytecodes_entries": [((2, 7), None), ((3, 14), offset("_PyCodeArray", "entries"))],
    "code_first_line": [((2, 7), offset("PyCodeObject", "co_firstlineno"))],
    "code_first_traceable": [((2, 7), None), ((3, 11), offset("PyCodeObject", "_co_firsttraceable"))],
    "code_filename": [((2, 7), offset("PyCodeObject", "co_filename"))],
    "code_name": [((2, 7), offset("PyCodeObject", "co_name"))],
    "code_qualname": [((2, 7), None), ((3, 11), offset("PyCodeObject", "co_qualname"))],
    "code_line_table": [((2, 7), offset("PyCodeObject", "co_lnotab")), ((3, 10), offset("PyCodeObject", "co_linetable"))],
    "line_table_kind": [((2, 7), "0"), ((3, 6), "1"), ((3, 10), "2"), ((3, 11), "3")],  # enum line_table_kind
    "string_length": [((2, 7), offset("PyVarObject", "ob_size")), ((3, 6), offset("PyASCIIObject", "length"))],
    "string_hash": [((2, 7), offset("PyStringObject", "ob_shash")), ((3, 6), offset("PyASCIIObject", "hash"))],
    "string_state": [((2, 7), None), ((3, 6), offset("PyASCIIObject", "state"))],
    "string_kind_bit": [((2, 7), None), ((3, 6), "kind_bit()")],
    "string_ascii_size": [((2, 7), offset("PyStringObject", "ob_sval")), ((3, 6), "sizeof(PyASCIIObject)")],
    "string_compact_size": [((2, 7), None), ((3, 6), "sizeof(PyCompactUnicodeObject)")],
    "bytes_size": [((2, 7), offset("PyVarObject", "ob_size"))],
    "bytes_data": [((2, 7), offset("PyBytesObject", "ob_sval"))],
    "type_name": [((2, 7), offset("PyTypeObject", "tp_name"))],
    "object_type": [((2, 7), offset("PyObject", "ob_type"))],
    "object_refs_local": [((2, 7), None), ((3, 13), offset("PyObject", "ob_ref_local"))],
    "object_refs_shared": [((2, 7), None), ((3, 13), offset("PyObject", "ob_ref_shared"))],
}

# What only builds with --disable-gil have.
FREE_THREADED = {
    "frame_bytecode_index",
    "code_bytecodes",
    "bytecodes_entries",
    "object_refs_local",
    "object_refs_shared",
}

# Where in _PyRuntimeState the PyThreadState is that has the GIL; to 3.6 a variable of its own, later each interpreter's.
CURRENT = [((2, 7), None), ((3, 7), offset("_PyRuntimeState", "gilstate.tstate_current")), ((3, 12), None)]

# (version, what moved, in which patch release, by how much). 1392 to 3.7.3, 1480 since: py-spy's bindings say so too.
MOVED = [((3, 7), "runtime_current", 4, 88)]

# Where struct _Py_DebugOffsets says it: member of struct debug_offsets_index: [(first version, its path)...].
DESCRIBED = {
    "runtime_interpreters": [((3, 13), "runtime_state.interpreters_head")],
    "interpreter_size": [((3, 13), "interpreter_state.size")],
    "interpreter_next": [((3, 13), "interpreter_state.next")],
    "interpreter_threads": [((3, 13), "interpreter_state.threads_head")],
    "interpreter_generation": [((3, 13), None), ((3, 14), "interpreter_state.code_object_generation")],
    "thread_previous": [((3, 13), "thread_state.prev")],
    "thread_next": [((3, 13), "thread_state.next")],
    "thread_interpreter": [((3, 13), "thread_state.interp")],
    "thread_frame": [((3, 13), "thread_state.current_frame")],
    "thread_id": [((3, 13), "thread_state.thread_id")],
    "thread_size": [((3, 13), "thread_state.size")],
    "frame_code": [((3, 13), "interpreter_frame.executable")],
    "frame_previous": [((3, 13), "interpreter_frame.previous")],
    "frame_instr": [((3, 13), "interpreter_frame.instr_ptr")],
    "frame_owner": [((3, 13), "interpreter_frame.owner")],
    "frame_bytecode_index": [((3, 13), None), ((3, 14), "interpreter_frame.tlbc_index")],
    "code_bytecode": [((3, 13), "code_object.co_code_adaptive")],
    "code_bytecodes": [((3, 13), None), ((3, 14), "code_object.co_tlbc")],
    "code_first_line": [((3, 13), "code_object.firstlineno")],
    "code_filename": [((3, 13), "code_object.filename")],
    "code_name": [((3, 13), "code_object.name")],
    "code_qualname": [((3, 13), "code_object.qualname")],
    "code_line_table": [((3, 13), "code_object.linetable")],
    "string_length": [((3, 13), "unicode_object.length")],
    "string_state": [((3, 13), "unicode_object.state")],
    "string_ascii_size": [((3, 13), "unicode_object.asciiobject_size")],
    "bytes_size": [((3, 13), "bytes_object.ob_size")],
    "bytes_data": [((3, 13), "bytes_object.ob_sval")],
    "type_name": [((3, 13), "type_object.tp_name")],
    "object_type": [((3, 13), "pyobject.ob_type")],
}

PROBE = """
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <frameobject.h>
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_runtime.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_code.h"
#elif PY_VERSION_HEX >= 0x03090000
#include "internal/pycore_runtime.h"
#include "internal/pycore_interp.h"
#elif PY_VERSION_HEX >= 0x03080000
#include "internal/pycore_pystate.h"
#elif PY_VERSION_HEX >= 0x03070000
#include "internal/pystate.h"
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_debug_offsets.h"
#include "internal/pycore_interpframe_structs.h"
#endif

#define AT_MOST(size, limit) ((size) < (limit) ? (size) : (limit))

#if PY_MAJOR_VERSION >= 3
static unsigned int bit_of(const PyASCIIObject *string)
{
	unsigned int word;

	memcpy(&word, &string->state, sizeof(word));
	return __builtin_ctz(word);
}

/* Readers expect `compact` three bits and `ascii` four bits above the first bit of `kind`. */
static unsigned int kind_bit(void)
{
	PyASCIIObject kind, compact, ascii;

	memset(&kind, 0, sizeof(kind));
	compact = ascii = kind;
	kind.state.kind = 1;
	compact.state.compact = 1;
	ascii.state.ascii = 1;
	if (bit_of(&compact) != bit_of(&kind) + 3 || bit_of(&ascii) != bit_of(&kind) + 4)
		return 999;
	return bit_of(&kind);
}
#endif

int main(void)
{
	printf("version %%llu\\n", (unsigned long long)PY_VERSION_HEX);
	printf("interpreter_size %%llu\\n", (unsigned long long)sizeof(PyInterpreterState));
	printf("described_thread_size %%llu\\n", (unsigned long long)sizeof(PyThreadState));
%s
	return 0;
}
"""


def measure(include, version, free_threaded):
    """All numbers of one version's headers, as a dictionary; None for what it does not have."""
    wanted = {name: since(rows, version) for name, rows in MEMBERS.items()}
    wanted["runtime_current"] = since(CURRENT, version)
    if version >= (3, 13):
        for name, rows in DESCRIBED.items():
            path = since(rows, version)
            wanted["index." + name] = path and offset("_Py_DebugOffsets", path)
        wanted["index.size"] = "sizeof(_Py_DebugOffsets)"
    if not free_threaded:
        wanted.update((name, None) for name in wanted if name.removeprefix("index.") in FREE_THREADED)
    prints = prints_of(wanted)
    found = dict.fromkeys(wanted)
    found.update(answer_of(include, PROBE % prints, free_threaded))
    if found["string_kind_bit"] and found["string_kind_bit"] > 31:
        sys.exit(f"{include}: the bits of a string's state are in another order")
    return found


def merge(rows):
    """One row for the patch releases of a version, which must agree."""
    rows.sort(key=lambda row: row["version"])
    first, last = rows[0], rows[-1]
    for row in rows:
        differing = {name for name in first if row[name] != first[name]}
        differing -= {"version", "interpreter_size"}
        if "index.size" in first:
            differing -= {"thread_size", "described_thread_size"}  # the target says it
        if differing:
            sys.exit(f"{row['version']:#x} differs from {first['version']:#x} in {sorted(differing)}")
    merged = dict(last)
    merged["smallest_interpreter"] = first["interpreter_size"]
    return merged


def number(name, value):
    if value is None:
        return ABSENT
    return f"{value % 2**64:#x}ull" if name == "frame_code_mask" else str(value)


def rows_of(row, version):
    """The row, or two of them: before something moved, and since then."""
    first = row["version"] & 0xFFFF0000 | 0xC1  # betas may still differ
    rows = [dict(row, first=first)]
    for moved_version, member, patch, by in MOVED:
        if moved_version == version:
            rows.insert(0, dict(row, **{"first": first, member: row[member] - by}))
            rows[1]["first"] = row["version"] & 0xFFFF0000 | patch << 8 | 0xC1
    return rows


def write_row(row, free_threaded, out):
    out.append("\t{")
    out.append(f"\t\t.first_version = {row['first']:#010x},")
    out.append(f"\t\t.last_measured = {row['version']:#010x},")
    out.append(f"\t\t.smallest_interpreter = {row['smallest_interpreter']},")
    out.append(f"\t\t.largest_interpreter = {row['interpreter_size']},")
    if row["thread_size"] != row["described_thread_size"]:
        out.append(f"\t\t.thread_tail = {row['thread_size'] - row['described_thread_size']},")
    if row["runtime_current"] is not None:
        out.append(f"\t\t.runtime_current = {row['runtime_current']},")
    out.append("\t\t.layout = {")
    out.append(f"\t\t\t.free_threaded = {int(free_threaded)},")
    out += [f"\t\t\t.{name} = {number(name, row[name])}," for name in MEMBERS]
    out.append("\t\t},")
    if "index.size" in row:
        out.append("\t\t.index = {")
        out.append(f"\t\t\t.size = {row['index.size']},")
        out += [f"\t\t\t.{name} = {row['index.' + name]}," for name in DESCRIBED if row["index." + name] is not None]
        out.append("\t\t},")
    out.append("\t},")


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    versions = {}
    for include in sys.argv[1:]:
        version = version_of(include)
        for free_threaded in (False, True) if version >= (3, 13) else (False,):
            row = measure(include, version, free_threaded)
            versions.setdefault((version, free_threaded), []).append(row)
    out = [
        "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */",
        "/*",
        " * layout_table.h - CPython layouts as measured from its headers, x86-64. Made by",
        " * tools/gen_python_layout.py: do not edit. For layout.c alone, which explains it.",
        " */",
        "#ifndef PYPROF_LAYOUT_TABLE_H",
        "#define PYPROF_LAYOUT_TABLE_H",
        "",
        "/* clang-format off */",
        "static const struct measured_layout measured_layouts[] = {",
    ]
    for (version, free_threaded), rows in sorted(versions.items()):
        for row in rows_of(merge(rows), version):
            write_row(row, free_threaded, out)
    out += ["};", "/* clang-format on */", "", "#endif"]
    print("\n".join(out))


main()
