# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""StackEntry and the filter: values in, values out."""

import copy
import pickle

import pytest

from stacktrace.utils import (
    PythonEntry,
    StackEntry,
    arrange,
    is_python_stack_maybe,
    is_python_stack_sure,
    mark_python,
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


def python_names(text):
    """Those of the words that are marked, with how many stand before."""
    return [(i, entry.name) for i, entry in enumerate(mark_python(entries(text))) if entry.is_python]


def test_what_calls_anything_is_python_where_the_eval_loop_calls():
    assert python_names("os_read PyObject_Vectorcall _PyEval_EvalFrameDefault main") == [
        (1, "PyObject_Vectorcall"), (2, "_PyEval_EvalFrameDefault")
    ]
    assert [i for i, _ in python_names("os_read _PyObject_MakeTpCall call_function _PyEval_EvalFrameDefault main")] == [1, 2, 3]


def test_what_calls_anything_is_not_python_where_c_calls_c():
    # As sorted([1], key=partial(os.read, fd)) is on 3.13.
    names = (
        "os_read cfunction_vectorcall_FASTCALL partial_vectorcall PyObject_CallOneArg list_sort_impl list_sort "
        "cfunction_vectorcall_FASTCALL_KEYWORDS PyObject_Vectorcall builtin_sorted "
        "cfunction_vectorcall_FASTCALL_KEYWORDS PyObject_Vectorcall _PyEval_EvalFrameDefault thread_run"
    )
    assert python_names(names) == [(10, "PyObject_Vectorcall"), (11, "_PyEval_EvalFrameDefault")]


def test_what_calls_anything_and_leads_nowhere_is_not_python():
    assert python_names("os_read PyObject_Vectorcall") == []
    assert python_names("os_read PyObject_Vectorcall 0x10 _PyEval_EvalFrameDefault") == [(3, "_PyEval_EvalFrameDefault")]


def test_who_calls_the_eval_loop_is_python_without_a_name():
    assert [i for i, _ in python_names("read _PyEval_EvalFrameDefault 0x10 PyObject_CallOneArg 0x20 main")] == [1, 2, 3]
    assert [i for i, _ in python_names("read _PyEval_EvalFrameDefault 0x10 0x20 _PyEval_EvalFrameDefault")] == [1, 2, 4]


def test_a_slot_that_is_called_between_python_is_python_without_a_name():
    names = "read _PyEval_EvalFrameDefault _PyObject_FastCallDictTstate 0x10 _PyObject_MakeTpCall _PyEval_EvalFrameDefault"
    assert [i for i, _ in python_names(names)] == [1, 2, 3, 4, 5]


def test_other_functions_without_a_name_are_not_python():
    # As list.sort(key=lambda ...) is on a stripped 3.14; list_sort() has no name there.
    names = "_PyEval_EvalFrameDefault 0x10 PyObject_CallOneArg 0x20 0x30 PyObject_Vectorcall _PyEval_EvalFrameDefault"
    assert [i for i, _ in python_names(names)] == [0, 1, 2, 5, 6]
    assert [i for i, _ in python_names("0x10 _PyEval_EvalFrameDefault main")] == [1]


def test_pythons_frames_end_no_run():
    plain = entries("read PyObject_Vectorcall _PyEval_EvalFrameDefault 0x10 main")
    python = PythonEntry(1, "f", 0, True, "f.py", 1)
    mixed = plain[:2] + [python] + plain[2:3] + [python, StackEntry(0, "[truncated: python-depth]", 0, False)] + plain[3:]
    marked = [entry for entry in mark_python(mixed) if entry.name not in ("f", "[truncated: python-depth]")]
    assert marked == mark_python(plain)


def test_a_stack_that_is_cut_is_marked_as_the_whole_one_is():
    whole = entries("read PyObject_Vectorcall call_function _PyEval_EvalFrameDefault main")
    for depth in range(6):
        assert arrange(whole, True, False, depth) == arrange(whole, True, False)[:depth]


ENTRY = PythonEntry(0x1010, "f", 16, True, "/a/f.py", 7)


def parts(entry):
    return type(entry), tuple(entry), entry.filename, entry.lineno


def test_an_entry_of_python_has_a_file_and_a_line_besides():
    assert ENTRY == (0x1010, "f", 16, True) and (ENTRY.filename, ENTRY.lineno) == ("/a/f.py", 7)
    assert parts(PythonEntry(addr=0x1010, name="f", offset=16, is_python=True, filename="/a/f.py", lineno=7)) == parts(ENTRY)
    assert repr(ENTRY) == "PythonEntry(addr=4112, name='f', offset=16, is_python=True, filename='/a/f.py', lineno=7)"
    assert parts(eval(repr(ENTRY))) == parts(ENTRY)
    assert str(ENTRY) == "[0x1010] f (f.py:7) +16 [PY]"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_entry_of_python_is_pickled_whole(protocol):
    assert parts(pickle.loads(pickle.dumps(ENTRY, protocol))) == parts(ENTRY)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, PythonEntry._make, lambda entry: entry._replace()])
def test_an_entry_of_python_is_copied_whole(how):
    assert parts(how(ENTRY)) == parts(ENTRY)


def test_an_entry_of_python_takes_another_line():
    assert parts(ENTRY._replace(lineno=8)) == (PythonEntry, tuple(ENTRY), "/a/f.py", 8)
    assert parts(ENTRY._replace(name="g", filename="/b")) == (PythonEntry, (0x1010, "g", 16, True), "/b", 7)
    with pytest.raises(ValueError):
        ENTRY._replace(line=8)


def test_an_entry_of_python_is_not_made_of_four_in_silence():
    with pytest.raises(TypeError):
        PythonEntry(*ENTRY)
    with pytest.raises(TypeError):
        PythonEntry._make(tuple(ENTRY))
