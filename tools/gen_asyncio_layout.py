#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gen_asyncio_layout.py - measures what asyncio's readers need and writes userspace/inspect/asyncio_layout_table.h.

    tools/gen_asyncio_layout.py INCLUDE_DIR... > userspace/inspect/asyncio_layout_table.h

INCLUDE_DIR holds a CPython's Python.h and internal/, of 3.11 or later, as for gen_python_layout.py. What CPython
declares in no header is listed here in its order (FUTURE, TASK, PARTIAL: struct FutureObj and TaskObj of
Modules/_asynciomodule.c, partialobject of Modules/_functoolsmodule.c; see the debug information of the extension
modules); from 3.14 on the target's own AsyncioDebug goes first. Patch releases of one version must agree.
"""
import sys

from python_headers import answer_of, prints_of, since, version_of

ABSENT = "0xffff"

# Names in their order: pointers, but for name:type.
FUTURE = [
    (
        (3, 11),
        "loop callback0 context0 callbacks exception exception_tb result source_tb cancel_msg state:int log_tb:int"
        " blocking:int dict weakreflist cancelled_exc",
    ),
    (
        (3, 13),
        "loop callback0 context0 callbacks exception exception_tb result source_tb cancel_msg cancelled_exc state:int"
        " bits:bit",
    ),
    (
        (3, 14),
        "loop callback0 context0 callbacks exception exception_tb result source_tb cancel_msg cancelled_exc awaited_by"
        " state:int is_task:char awaited_by_is_set:char bits:bit",
    ),
]
TASK = [
    ((3, 11), "waiter coro name"),
    ((3, 13), "num_cancels:int waiter coro name"),
    ((3, 14), "num_cancels:int waiter coro name context node"),
]
PARTIAL = [((3, 11), "fn args")]


def offset(struct, member):
    return f"offsetof({struct}, {member})"


# Member of struct asyncio_layout: [(first version, expression)...]; None: that version has no such thing.
MEMBERS = {
    "coroutine_state": [((3, 11), offset("PyCoroObject", "cr_frame_state"))],
    "coroutine_frame": [((3, 11), offset("PyCoroObject", "cr_iframe"))],
    "state_created": [((3, 11), "FRAME_CREATED")],
    "state_executing": [((3, 11), "FRAME_EXECUTING")],
    # To 3.12 each suspended frame may await something: see resume_opcode.
    "state_await_first": [((3, 11), "FRAME_SUSPENDED"), ((3, 13), "FRAME_SUSPENDED_YIELD_FROM")],
    "state_await_last": [
        ((3, 11), "FRAME_SUSPENDED"),
        ((3, 13), "FRAME_SUSPENDED_YIELD_FROM"),
        ((3, 15), "FRAME_SUSPENDED_YIELD_FROM_LOCKED"),
    ],
    "resume_opcode": [((3, 11), "RESUME"), ((3, 13), None)],
    "resume_opcode_changed": [((3, 11), "RESUME_QUICK"), ((3, 12), "INSTRUMENTED_RESUME"), ((3, 13), None)],
    "frame_owner": [((3, 11), offset("_PyInterpreterFrame", "owner"))],
    "frame_owner_generator": [((3, 11), "FRAME_OWNED_BY_GENERATOR")],
    "frame_stack_top": [
        ((3, 11), offset("_PyInterpreterFrame", "stacktop")),
        ((3, 14), offset("_PyInterpreterFrame", "stackpointer")),
    ],
    "frame_stack_indexed": [((3, 11), "1"), ((3, 14), "0")],
    # _PyGen_yf() in Objects/genobject.c: 3.15 keeps a second word above what is awaited.
    "await_depth": [((3, 11), "1"), ((3, 15), "2")],
    "future_loop": [((3, 11), offset("FutureObj", "loop"))],
    "future_callback": [((3, 11), offset("FutureObj", "callback0"))],
    "future_callbacks": [((3, 11), offset("FutureObj", "callbacks"))],
    "future_state": [((3, 11), offset("FutureObj", "state"))],
    "future_awaited_by": [((3, 11), None), ((3, 14), offset("FutureObj", "awaited_by"))],
    "future_awaited_by_is_set": [((3, 11), None), ((3, 14), offset("FutureObj", "awaited_by_is_set"))],
    "task_waiter": [((3, 11), offset("TaskObj", "waiter"))],
    "task_coroutine": [((3, 11), offset("TaskObj", "coro"))],
    "task_name": [((3, 11), offset("TaskObj", "name"))],
    "task_node": [((3, 11), None), ((3, 14), offset("TaskObj", "node"))],
    "thread_tasks": [((3, 11), None), ((3, 14), offset("_PyThreadStateImpl", "asyncio_tasks_head"))],
    # In 3.13 right behind a PyThreadState, which grew between patch releases.
    "thread_running_loop": [
        ((3, 11), None),
        ((3, 13), offset("_PyThreadStateImpl", "asyncio_running_loop") + " - sizeof(PyThreadState)"),
        ((3, 14), offset("_PyThreadStateImpl", "asyncio_running_loop")),
    ],
    "running_loop_behind": [((3, 11), "0"), ((3, 13), "1"), ((3, 14), "0")],
    "thread_running_task": [((3, 11), None), ((3, 14), offset("_PyThreadStateImpl", "asyncio_running_task"))],
    "thread_dict": [((3, 11), offset("PyThreadState", "dict")), ((3, 13), None)],
    # set_running_loop() in Modules/_asynciomodule.c: a PyRunningLoopHolder, then the loop itself.
    "running_loop_held": [((3, 11), "1"), ((3, 12), "0")],
    "interpreter_tasks": [((3, 11), None), ((3, 14), offset("PyInterpreterState", "asyncio_tasks_head"))],
    "module_state": [((3, 11), None), ((3, 14), offset("PyModuleObject", "md_state"))],
    "weakref_object": [((3, 11), offset("PyWeakReference", "wr_object"))],
    "function_closure": [((3, 11), offset("PyFunctionObject", "func_closure"))],
    "partial_args": [((3, 11), offset("partialobject", "args"))],
}

PROBE = """
#define Py_BUILD_CORE 1
#include <Python.h>
#include <opcode.h>
#include <stddef.h>
#include <stdio.h>
#include "internal/pycore_runtime.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_moduleobject.h"
#if PY_VERSION_HEX >= 0x030d0000
#include "internal/pycore_tstate.h"
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_interpframe_structs.h"
#endif

typedef struct {
	PyObject_HEAD
%s} FutureObj;
typedef struct {
	PyObject_HEAD
%s} TaskObj;
typedef struct {
	PyObject_HEAD
%s} partialobject;

int main(void)
{
	printf("version %%lld\\n", (long long)PY_VERSION_HEX);
%s
	return 0;
}
"""

TYPES = {"": "void *%s", "int": "int %s", "char": "char %s", "bit": "unsigned %s : 1"}


def members_of(names):
    return "".join(f"\t{TYPES[kind] % name};\n" for name, _, kind in (word.partition(":") for word in names.split()))


def measure(include, version, free_threaded):
    """All numbers of one version's headers, as a dictionary; None for what it does not have."""
    wanted = {name: since(rows, version) for name, rows in MEMBERS.items()}
    prints = prints_of(wanted)
    future, task, partial = (since(rows, version) for rows in (FUTURE, TASK, PARTIAL))
    structs = members_of(future), members_of(future) + members_of(task), members_of(partial)
    found = dict.fromkeys(wanted)
    found.update(answer_of(include, PROBE % (*structs, prints), free_threaded))
    return found


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    versions = {}
    for include in sys.argv[1:]:
        version = version_of(include)
        for free_threaded in (False, True) if version >= (3, 13) else (False,):
            row = measure(include, version, free_threaded)
            known = versions.setdefault((version, free_threaded), row)
            differing = {name for name in row if row[name] != known[name]} - {"version"}
            if differing:
                sys.exit(f"{row['version']:#x} differs from {known['version']:#x} in {sorted(differing)}")
    out = [
        "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */",
        "/*",
        " * asyncio_layout_table.h - where asyncio and coroutines keep what they hold, x86-64. Made",
        " * by tools/gen_asyncio_layout.py: do not edit. For asyncio_layout.c alone.",
        " */",
        "#ifndef PYPROF_ASYNCIO_LAYOUT_TABLE_H",
        "#define PYPROF_ASYNCIO_LAYOUT_TABLE_H",
        "",
        "/* clang-format off */",
        "static const struct measured_asyncio measured_asyncio[] = {",
    ]
    for (version, free_threaded), row in sorted(versions.items()):
        out.append("\t{")
        out.append(f"\t\t.minor_version = {version[0] << 8 | version[1]:#06x},")
        out.append(f"\t\t.free_threaded = {int(free_threaded)},")
        out.append("\t\t.layout = {")
        out += [f"\t\t\t.{name} = {ABSENT if row[name] is None else row[name]}," for name in MEMBERS]
        out += ["\t\t},", "\t},"]
    out += ["};", "/* clang-format on */", "", "#endif"]
    print("\n".join(out))


main()
