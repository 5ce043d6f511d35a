# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python_frames=True: which Python functions, in which lines, and between which frames of C."""

import ctypes
import functools
import io
import os
import re
import sys
import threading

import pytest

import stacktrace
from stacktrace import get_thread_stack, print_stack, print_thread_stack
from stacktrace.utils import StackEntry
from standing import Busy, libc, parked

PythonEntry = stacktrace.utils.PythonEntry
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
PACKAGE = os.path.dirname(os.path.abspath(stacktrace.__file__)) + os.sep


def sort(compare):
    libc.qsort((ctypes.c_int * 2)(1, 2), ctypes.c_size_t(2), ctypes.c_size_t(4), COMPARE(compare))


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


def test_a_plain_thread():
    stack = check(lambda wait: wait(), "wait", "run", "_bootstrap")
    assert any(not isinstance(entry, PythonEntry) for entry in stack)


def test_calls_of_python_by_python():
    def outer(wait):
        return inner(wait)

    def inner(wait):
        (
            wait
            ()
        )

    check(outer, "outer", "inner")


def test_recursion_keeps_every_level():
    def descend(levels, wait):
        return descend(levels - 1, wait) if levels else wait()

    stack = check(lambda wait: descend(150, wait), "descend")
    assert len([entry for entry in stack if entry.name.endswith("descend")]) == 151


def test_generators():
    def numbers(wait):
        yield 1
        wait()
        yield 2

    def delegating(wait):
        yield from numbers(wait)

    check(lambda wait: list(delegating(wait)), "numbers", "delegating")
    check(lambda wait: [number for number in delegating(wait)], "numbers", "delegating")


def test_coroutines():
    async def innermost(wait):
        wait()

    async def outer(wait):
        await innermost(wait)

    def drive(wait):
        try:
            outer(wait).send(None)
        except StopIteration:
            pass

    check(drive, "innermost", "outer", "drive")


def test_comprehensions_and_lambdas():
    check(lambda wait: [wait() for _ in range(1)])
    check(lambda wait: {1: (lambda: wait())() for _ in range(1)}, "<lambda>")
    check(lambda wait: list(wait() for _ in range(1)), "<genexpr>")


def test_class_bodies():
    def body(wait):
        class Parked(object):
            waited = wait()

    check(body, "Parked", "body")


def test_constructors_and_special_methods():
    class Waits(object):
        def __init__(self, wait):
            self.wait = wait
            self + self

        def __add__(self, other):
            return self.item

        @property
        def item(self):
            return self[0]

        def __getitem__(self, index):
            with self:
                pass

        def __enter__(self):
            self.wait()

        def __exit__(self, *exc_info):
            pass

    check(Waits, "__init__", "__add__", "item", "__getitem__", "__enter__")


def test_metaclasses_and_decorators():
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    class Meta(type):
        def __call__(cls, wait):
            return cls.make(wait)

    class Made(metaclass=Meta):
        @classmethod
        @decorated
        def make(cls, wait):
            wait()

    check(Made, "wrapper", "__call__", "make")


def test_code_that_was_compiled_at_run_time():
    source = "def made(wait):\n\n    wait()\n\n\nmade(wait)\n"

    def body(wait):
        exec(compile(source, "<made up>", "exec"), {"wait": wait})

    stack = check(body, "made", "<module>")
    assert ("made", "<made up>", 3) in python_of(stack)
    assert ("<module>", "<made up>", 6) in python_of(stack)
    check(lambda wait: eval("wait()", {"wait": wait}), "<module>")


def test_names_and_files_that_are_not_ascii():
    source = "def \u00fcber\u6f22(wait):\n    wait()\n\u00fcber\u6f22(wait)\n"
    stack = check(lambda wait: exec(compile(source, "/\u6f22/\U0001f40d.py", "exec"), {"wait": wait}))
    assert ("\u00fcber\u6f22", "/\u6f22/\U0001f40d.py", 2) in python_of(stack)


def test_handlers_of_exceptions():
    def body(wait):
        try:
            raise ValueError
        except ValueError:
            try:
                raise KeyError
            finally:
                wait()

    def outer(wait):
        try:
            body(wait)
        except KeyError:
            pass

    check(outer, "body", "outer")


def test_long_functions_have_their_lines():
    lines = ["def long(wait):"] + ["    x = %d" % i for i in range(3000)] + ["    wait()", "long(wait)"]
    stack = check(lambda wait: exec(compile("\n".join(lines), "<long>", "exec"), {"wait": wait}), "long")
    assert ("long", "<long>", 3002) in python_of(stack)


@pytest.mark.parametrize("levels", [1, 4])
def test_c_and_python_are_in_the_order_of_their_calls(levels):
    def descend(levels, wait):
        if levels:
            sort(lambda a, b: descend(levels - 1, wait) or 0)
        else:
            wait()

    stack = check(lambda wait: descend(levels, wait), "sort", "descend")
    # In glibc up to 2.36 qsort() jumps to qsort_r(), later it calls it.
    words = [re.sub(r"^.*\.|^(__)?(?=qsort)|(?<=qsort)_r$", "", entry.name) for entry in stack]
    words = [word for word in words if word in ("descend", "<lambda>", "qsort", "sort")]
    words = [word for i, word in enumerate(words) if word != "qsort" or words[i - 1] != "qsort"]
    assert words[: 4 * levels + 1] == ["descend"] + ["<lambda>", "qsort", "sort", "descend"] * levels


def test_a_key_function_is_called_by_sorted():
    def key(wait):
        wait()
        return 0

    def sorting(wait):
        sorted([wait], key=key)

    stack = check(sorting, "key", "sorting")
    names = [entry.name.split(".")[-1] for entry in stack]
    between = stack[names.index("key") + 1 : names.index("sorting")]
    assert between and not [entry for entry in between if isinstance(entry, PythonEntry)]
    assert [entry for entry in between if "sort" in entry.name]


def test_the_same_c_frames_as_without():
    def sorting(wait):
        sort(lambda a, b: wait() or 0)

    with parked(sorting) as target:
        plain = get_thread_stack(target.ident, 10 ** 6)
        mixed = trace(target.ident)
    assert [entry for entry in mixed if not isinstance(entry, PythonEntry)] == plain


def test_show_python_false_leaves_pythons_frames_in_place_of_the_interpreters():
    with parked(lambda wait: sort(lambda a, b: wait() or 0)) as target:
        plain = get_thread_stack(target.ident, 10 ** 6)
        mixed = trace(target.ident)
        short = get_thread_stack(target.ident, 10 ** 6, False, python_frames=True)
    assert python_of(short) == python_of(mixed)
    assert [entry[:2] for entry in short if not isinstance(entry, PythonEntry)] == [
        entry[:2] for entry in plain if not entry.is_python
    ]
    assert not [entry for entry in short if entry.name == "_PyEval_EvalFrameDefault" or "<skipped" in entry.name]


def test_entries_of_python_are_entries():
    with parked() as target:
        stack = trace(target.ident)
        buf = io.StringIO()
        print_thread_stack(target.ident, buf, python_frames=True)
    entry = [entry for entry in stack if isinstance(entry, PythonEntry)][0]
    assert isinstance(entry, StackEntry) and len(entry) == 4
    addr, name, offset, is_python = entry
    assert is_python is True and type(addr) is int and type(offset) is int and offset >= 0
    assert name == python_of(stack)[0][0]
    assert type(entry.filename) is str and type(entry.lineno) is int
    assert str(entry).startswith("[0x%x] %s" % (addr, name)) and str(entry) in buf.getvalue()
    assert entry.filename in str(entry) or os.path.basename(entry.filename) in str(entry)
    assert entry._replace(offset=0).name == name


def test_a_trace_of_oneself():
    def own(_):
        stacks.append(get_thread_stack(threading.get_ident(), 10 ** 6, python_frames=True))
        expected.extend(truth_of(sys._getframe()))
        return 0

    stacks, expected = [], []
    sorted([0], key=own)
    found = [row for row in python_of(stacks[0]) if not row[1].startswith(PACKAGE)]
    assert found[1:] == expected[1:]  # the innermost has gone on by a line
    assert found[0][:2] == expected[0][:2] and found[0][2] == expected[0][2] - 1


def test_print_stack_shows_python():
    buf = io.StringIO()
    print_stack(buf, python_frames=True)
    assert "test_print_stack_shows_python" in buf.getvalue()


def test_maxdepth_counts_both_kinds():
    with parked() as target:
        whole = trace(target.ident)
        for depth in 0, 1, 5, len(whole) - 1, len(whole):
            assert get_thread_stack(target.ident, depth, python_frames=True) == whole[:depth]


def test_a_busy_thread_has_frames_that_it_can_have():
    def leaf():
        return sum(range(50))

    def work():
        for _ in range(10):
            leaf()

    possible = {"leaf": "work", "work": "_run"}
    with Busy(work) as busy:
        for _ in range(500):
            names = [row[0].split(".")[-1] for row in python_of(trace(busy.idents[0]))]
            assert names[-1] == "_bootstrap" and names.count("_run") == 1, names
            for inner, outer in zip(names, names[1:]):
                assert possible.get(inner, outer) == outer, names
