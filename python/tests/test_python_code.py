# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python_frames=True in all kinds of code that Python has."""

import functools
import linecache
import os
import sys
import threading

import pytest
import stacktrace.tools.profile
from python_truth import check, python_of, trace
from stacktrace.tools import Profiler
from stacktrace.utils import PythonEntry, StackEntry


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


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\x1b[2Jb", "a\x9bb", "a\udcffb", "\xe4\u20ac", "\u202eb", "x" * 200])
def test_a_file_is_found_by_its_name(name, tmp_path):
    path = os.path.join(str(tmp_path), name + ".py")
    source = "def made():\n    return trace(ident)  # in " + ascii(name) + "\n\n\nstack = made()\n"
    with open(os.fsencode(path), "w") as file:
        file.write(source)
    here = {"trace": trace, "ident": threading.get_ident()}
    exec(compile(source, path, "exec"), here)
    entry = [entry for entry in here["stack"] if entry.name == "made"][0]
    assert entry.filename == here["made"].__code__.co_filename == path
    assert linecache.getline(entry.filename, entry.lineno) == source.splitlines(True)[1]
    assert str(entry).isprintable()


@pytest.mark.skipif(sys.version_info < (3, 8), reason="no CodeType.replace()")
def test_a_name_that_a_terminal_would_obey_is_not_printed():
    name = "a\x1b[2Jb\r"
    here = {"trace": trace, "ident": threading.get_ident()}
    exec("def made():\n    return trace(ident)\n", here)
    made = here["made"].__code__
    names = {key: name for key in ("co_name", "co_qualname") if hasattr(made, key)}
    here["made"].__code__ = made.replace(**names)
    stack = here["made"]()
    entry = [entry for entry in stack if entry.name == name][0]
    assert "a?[2Jb?" in str(entry)
    profiler = Profiler(threading.get_ident(), python_frames=True)
    profiler._add(stack)
    assert "a?[2Jb? (<string>)" in [row["name"] for row in profiler.get_result().values()]


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


def test_each_text_that_is_called_the_same_has_its_own_lines():
    """They take each other's place in memory, and till 3.11 a code object has no number of its own."""
    here = {"trace": trace, "ident": threading.get_ident()}
    wrong = []
    for i in range(500):
        line = i * 7 % 5 + 2
        exec(compile("x = 1\n" * (line - 1) + "stack = trace(ident)", "<string>", "exec"), here)
        found = [entry for entry in python_of(here["stack"]) if entry[1] == "<string>"]
        if found != [("<module>", "<string>", line)]:
            wrong.append((line, found))
    assert not wrong


def test_a_function_in_a_dead_ones_place_is_counted_by_its_own_name():
    profiler = Profiler(threading.get_ident(), python_frames=True)
    for i in range(200):
        for offset in (2, 10):
            profiler._add([PythonEntry(0x1000 + offset, "fn_%d" % i, offset, True, "made.py", 1)])
    rows = [row for row in profiler.get_result().values() if row["name"].startswith("fn_")]
    assert sorted(row["name"] for row in rows) == sorted("fn_%d (made.py)" % i for i in range(200))
    assert {row["count"] for row in rows} == {2}
    assert all(type(key) is int for key in profiler.get_result())


def test_a_profile_does_not_grow_for_good(monkeypatch):
    monkeypatch.setattr(stacktrace.tools.profile, "_ROWS_MAX", 10)
    profiler = Profiler(threading.get_ident())
    for i in range(100):
        profiler._add([StackEntry(4096 + i % 2, "f%d" % i, 0, False)])
    rows = profiler.get_result()
    assert len(rows) == 11 and rows[0] == {"count": 90, "name": "[other functions]"}
    profiler._add([StackEntry(4096, "f0", 0, False)])
    assert rows[4096] == {"count": 2, "name": "f0"}
