# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""StackEntry and the filter: values in, values out."""

import pickle

import pytest

from stacktrace.utils import (
    StackEntry,
    is_python_stack_maybe,
    is_python_stack_sure,
    simple_processing,
    skip_python,
    split,
)

SURE = ["_PyEval_EvalFrameDefault", "_PyEval_EvalCodeWithName", "PyObject_Call", "_PyObject_FastCallDict", "PyCFuncPtr_call"]
MAYBE = SURE + [
    "function_call", "fast_function", "call_function", "method_call", "slot_tp_call", "builtin_exec", "partial_call",
    "PyEval_EvalCode", "_PyFunction_Vectorcall",
]
NEITHER = ["main", "start_thread", "run_mod", "clock_nanosleep", "?", "copy_PyObject"]


def entries(text):
    """Entries named by the words of the text, the first at 1000, each 10 bytes into its function."""
    return [StackEntry(1000 + i, name, 10, False) for i, name in enumerate(text.split())]


def shown(stack):
    return [(entry.addr, entry.name, entry.is_python) for entry in skip_python(stack)]


def test_an_entry_is_a_tuple_of_four_with_the_old_names():
    entry = StackEntry(0xABC, "main", 12, True)
    assert StackEntry._fields == ("addr", "name", "offset", "is_python")
    assert entry == (0xABC, "main", 12, True)
    assert entry == StackEntry(addr=0xABC, name="main", offset=12, is_python=True)
    assert entry._replace(name="x").name == "x" and type(entry._replace(name="x")) is StackEntry
    assert hash(entry) == hash((0xABC, "main", 12, True))
    assert pickle.loads(pickle.dumps(entry)) == entry


@pytest.mark.parametrize(
    "entry, text",
    [
        (StackEntry(0x7FEFA9AEE17A, "_ctypes_callproc", 794, False), "[0x7fefa9aee17a] _ctypes_callproc +794"),
        (StackEntry(0x10, "PyCFuncPtr_call", 222, True), "[0x10] PyCFuncPtr_call +222 [PY]"),
        (StackEntry(0x10, "<skipped 3 Python entries>", 0, True), "[0x10] <skipped 3 Python entries> [PY]"),
        (StackEntry(0x10, "main", 0, False), "[0x10] main"),
        (StackEntry(0x10, "operator+", 1, False), "[0x10] operator+ +1"),
    ],
)
def test_the_text_of_an_entry(entry, text):
    assert str(entry) == text
    assert "{}".format(entry) == text


def test_split_reads_the_old_raw_text():
    assert list(split("0x10:main+0x1f\n\n0xff:?\n")) == [StackEntry(0x10, "main", 0x1F, False), StackEntry(0xFF, "?", 0, False)]
    assert list(split("")) == []


@pytest.mark.parametrize("name", ["operator+", "std::operator+ <char>", "a+b+c", "+[NSObject load]"])
def test_split_takes_names_with_a_plus(name):
    assert list(split("0x10:%s+0x1f" % name)) == [StackEntry(0x10, name, 0x1F, False)]


def test_simple_processing_is_split_without_the_frames_of_macos():
    raw = "0x1:_bt_callback+0x1\n0x2:_sigtramp+0x1\n0x3:main+0x1\n0x4:_bt_callback+0x1\n"
    assert [entry.name for entry in simple_processing(raw)] == ["main", "_bt_callback"]
    assert list(simple_processing("0x3:main+0x1\n")) == list(split("0x3:main+0x1\n"))


@pytest.mark.parametrize("name", SURE)
def test_surely_python(name):
    assert is_python_stack_sure(StackEntry(1, name, 1, False))


@pytest.mark.parametrize("name", MAYBE)
def test_maybe_python(name):
    assert is_python_stack_maybe(StackEntry(1, name, 1, False))


@pytest.mark.parametrize("name", NEITHER)
def test_not_python(name):
    assert not is_python_stack_sure(StackEntry(1, name, 1, False))
    assert not is_python_stack_maybe(StackEntry(1, name, 1, False))


def test_a_run_of_python_is_one_entry_behind_the_one_that_opens_it():
    assert shown(entries("sleep _PyEval_EvalFrameDefault PyObject_Call fast_function run_mod main")) == [
        (1000, "sleep", False),
        (1001, "_PyEval_EvalFrameDefault", True),
        (1002, "<skipped 2 Python entries>", True),
        (1004, "run_mod", False),
        (1005, "main", False),
    ]


def test_what_ends_a_run_is_there_once():
    assert [name for _, name, _ in shown(entries("_PyEval_EvalFrameDefault Py_X run_mod main"))].count("run_mod") == 1


def test_what_is_maybe_python_does_not_open_a_run():
    assert shown(entries("read PyEval_EvalCode main")) == [
        (1000, "read", False), (1001, "PyEval_EvalCode", False), (1002, "main", False)
    ]


def test_a_run_of_one_skips_nothing():
    assert shown(entries("read _PyEval_EvalFrameDefault main")) == [
        (1000, "read", False), (1001, "_PyEval_EvalFrameDefault", True), (1002, "main", False)
    ]


def test_a_run_may_be_the_outermost():
    assert shown(entries("_PyEval_EvalFrameDefault Py_BytesMain")) == [
        (1000, "_PyEval_EvalFrameDefault", True), (1001, "<skipped 1 Python entries>", True)
    ]


def test_runs_are_counted_one_by_one():
    names = [name for _, name, _ in shown(entries("PyObject_Call Py_A qsort PyObject_Call Py_B Py_C main"))]
    assert names == [
        "PyObject_Call", "<skipped 1 Python entries>", "qsort", "PyObject_Call", "<skipped 2 Python entries>", "main"
    ]


def test_the_filter_of_nothing_is_nothing():
    assert list(skip_python([])) == []


def test_the_filter_takes_an_iterator():
    assert shown(iter(entries("read main"))) == [(1000, "read", False), (1001, "main", False)]
