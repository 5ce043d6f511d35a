# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python_frames=True: which Python functions, in which lines, and between which frames of C."""

import io
import os
import re
import sys
import threading

import pytest

import stacktrace
from python_truth import PACKAGE, PythonEntry, check, python_of, sort, trace, truth_of
from stacktrace import get_thread_stack, print_stack, print_thread_stack
from stacktrace.utils import StackEntry
from standing import Busy, Room, parked


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


def test_of_a_very_deep_stack_the_innermost_512_are_there():
    def descend(levels, wait):
        return sorted([0], key=lambda _: descend(levels - 1, wait)) if levels else wait()

    with Room(), parked(lambda wait: descend(290, wait)) as target:
        expected = truth_of(sys._current_frames()[target.ident])
        stack = trace(target.ident)
        plain = get_thread_stack(target.ident, 10 ** 6)
    found = python_of(stack)
    assert 512 <= len(found) <= len(expected) and found == expected[: len(found)]
    marks = [entry.name for entry in stack if entry.name.startswith("[")]
    if len(found) < len(expected):
        assert marks[0] in ("[truncated: python-depth]", "[truncated: python-runs]")
        at = [entry.name for entry in stack].index(marks[0])
        assert not any(isinstance(entry, PythonEntry) for entry in stack[at:])
    assert [e for e in stack if not isinstance(e, PythonEntry) and e.name not in marks] == plain


@pytest.mark.parametrize("levels", [1, 4])
def test_c_and_python_are_in_the_order_of_their_calls(levels):
    def descend(levels, wait):
        if levels:
            sort(lambda a, b: descend(levels - 1, wait) or 0)
        else:
            wait()

    stack = check(lambda wait: descend(levels, wait), "sort", "descend")
    # In glibc up to 2.36 qsort() jumps to qsort_r(), later it calls it.
    words = [re.sub(r"^.*\.|^(__|__interceptor_)?(?=qsort)|(?<=qsort)_r$", "", entry.name) for entry in stack]
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
    assert [entry for entry in between if not entry.is_python]  # list_sort_impl(), where files have its name


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
    found = python_of(stacks[0])
    assert not [row for row in found if row[1].startswith(PACKAGE)]
    assert found[1:] == expected[1:]  # the innermost has gone on by a line
    assert found[0][:2] == expected[0][:2] and found[0][2] == expected[0][2] - 1


def test_print_stack_shows_python():
    for show_python in True, False:
        buf = io.StringIO()
        print_stack(buf, show_python=show_python, python_frames=True)
        print_thread_stack(threading.get_ident(), buf, show_python=show_python, python_frames=True)
        assert buf.getvalue().count("test_print_stack_shows_python") == 2
        assert os.path.basename(stacktrace.basic.__file__) not in buf.getvalue()


def test_maxdepth_of_oneself_counts_no_frames_of_the_packages_own():
    def deep(levels, depth):
        if levels:
            return deep(levels - 1, depth)
        return get_thread_stack(threading.get_ident(), depth, python_frames=True)

    depths = [10 ** 6, 1, 5, 10, 20, 25]
    stacks = [deep(20, depth) for depth in depths]
    whole = stacks[0]
    assert python_of(whole)[0][0].endswith("deep")
    for depth, stack in zip(depths, stacks):
        assert [entry[1:] for entry in stack] == [entry[1:] for entry in whole[:depth]]
    if sys.version_info >= (3, 11):  # before, each call of the package's own has frames of C
        assert python_of(stacks[2])


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
