# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Python frames as the package sees them, and as the interpreter itself does."""

import ctypes
import os
import sys

import stacktrace
from stacktrace import get_thread_stack
from standing import libc, parked

PythonEntry = stacktrace.utils.PythonEntry
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
PACKAGE = os.path.dirname(os.path.abspath(stacktrace.__file__)) + os.sep


def sort(compare):
    """Calls it once, through qsort() of two numbers, which compares more often where a sanitizer looks at it."""
    calls = [compare]

    def once(a, b):
        return calls.pop()(a, b) if calls else 0

    libc.qsort((ctypes.c_int * 2)(1, 2), ctypes.c_size_t(2), ctypes.c_size_t(4), COMPARE(once))


def trace(ident):
    return get_thread_stack(ident, 10 ** 6, python_frames=True)


def python_of(stack):
    return [(entry.name, entry.filename, entry.lineno) for entry in stack if isinstance(entry, PythonEntry)]


def truth_of(frame):
    """The same as the interpreter itself says it, innermost first."""
    found = []
    while frame:
        code = frame.f_code
        found.append((getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return found


def check(body, *wanted):
    """A thread at rest in body(wait) has the Python frames that the interpreter says; the names wanted among them."""
    with parked(body) as target:
        expected = truth_of(sys._current_frames()[target.ident])
        stack = trace(target.ident)
    assert python_of(stack) == expected
    names = [name.split(".")[-1] for name, _, _ in expected]
    for name in wanted:
        assert name in names
    return stack
