# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names, defaults, order and text: what programs written for stacktrace 0.1 build on."""

import inspect
import io
import os
import re
import sys
import threading
import typing
from functools import partial

import pytest

import stacktrace
from stacktrace import get_thread_stack, print_stack, print_thread_stack, tools
from stacktrace.utils import StackEntry
from standing import Busy, Standing, parked

LINE = re.compile(r"\[0x[0-9a-f]+\] (?P<name>\S.*?)( \+(?P<offset>\d+))?( \[PY\])?$")
# What 0.1's own tests and their copies look for in each line.
OLD_LINE = re.compile(r"\[0x[0-9a-z]+\]\s+[_a-zA-Z0-9]+\s+\+\d+")


def text_of(function, *args, **kwargs):
    with io.StringIO() as buf:
        assert function(*args, file=buf, **kwargs) is None
        return buf.getvalue()


def arguments(function):
    return [
        (p.name, p.default) if p.default is not p.empty else p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]


def keyword_only(function):
    return {p.name: p.default for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}


def test_the_package_exports_what_it_always_did():
    assert {"print_stack", "print_thread_stack", "get_thread_stack"} <= set(stacktrace.__all__)
    assert {"Timer", "Profiler"} <= set(tools.__all__)


def test_arguments_have_the_old_names_order_and_defaults():
    rest = [("maxdepth", 100), ("show_python", True)]
    assert arguments(print_stack) == [("file", None)] + rest + [("_bufsize", 4096)]
    assert arguments(print_thread_stack) == ["tid", ("file", None)] + rest
    assert arguments(get_thread_stack) == ["tid"] + rest


@pytest.mark.parametrize("function", [print_stack, print_thread_stack, get_thread_stack])
def test_what_is_new_is_keyword_only_and_off(function):
    assert keyword_only(function) == {"python_frames": False}


def test_the_functions_say_what_they_do():
    for function in print_stack, print_thread_stack, get_thread_stack:
        assert len(function.__doc__) > 100
        assert "maxdepth" in function.__doc__


def test_the_old_names_of_the_defaults_are_there():
    from stacktrace.basic import DEFAULT_BUFSIZE, DEFAULT_MAXDEPTH

    assert (DEFAULT_MAXDEPTH, DEFAULT_BUFSIZE) == (100, 4096)


def test_print_stack_prints_a_line_for_each_frame():
    lines = text_of(print_stack).splitlines()
    assert len(lines) > 5
    for line in lines:
        assert LINE.match(line), line


def test_each_c_frame_has_a_name_and_an_offset():
    with parked() as target:
        lines = text_of(print_stack).splitlines() + text_of(print_thread_stack, target.ident).splitlines()
    for line in lines:
        assert OLD_LINE.match(line), line


@pytest.mark.parametrize("bufsize", [0, 1, 10, 50, 100, 300])
def test_print_stack_never_prints_more_than_bufsize(bufsize):
    text = text_of(print_stack, _bufsize=bufsize)
    assert len(text) <= bufsize
    assert all(LINE.match(line) for line in text.splitlines())
    assert text == "" or text.endswith("\n")


def test_the_default_bufsize_holds_more_than_ten_frames():
    assert len(text_of(print_stack).splitlines()) > 10


@pytest.mark.parametrize("maxdepth", [0, 1, 13, 29])
def test_no_more_frames_than_maxdepth_and_as_many_as_there_are(maxdepth):
    with parked() as target:
        whole = get_thread_stack(target.ident, 10 ** 6)
        assert len(whole) > 5
        assert get_thread_stack(target.ident, maxdepth) == whole[:maxdepth]
        assert len(text_of(print_thread_stack, target.ident, maxdepth=maxdepth).splitlines()) == min(maxdepth, len(whole))
    own = get_thread_stack(threading.get_ident(), maxdepth)
    assert len(own) == min(maxdepth, len(get_thread_stack(threading.get_ident(), 10 ** 6)))
    assert len(text_of(print_stack, maxdepth=maxdepth).splitlines()) <= maxdepth


def test_maxdepth_0_is_empty_also_after_a_deep_stack():
    with parked() as target:
        assert get_thread_stack(target.ident)
        assert get_thread_stack(target.ident, 0) == []
        assert text_of(print_thread_stack, target.ident, maxdepth=0) == ""


def test_a_negative_maxdepth_has_no_frames():
    with parked() as target:
        for maxdepth in -1, -100, -(2 ** 31):
            assert get_thread_stack(target.ident, maxdepth) == []
    assert text_of(print_stack, maxdepth=-1) == ""


def test_the_default_maxdepth_is_100():
    def descend(levels):
        if levels:  # sorted() with a key is C between two levels of Python, in every version
            return sorted([0], key=lambda _: descend(levels - 1))
        stacks.append(get_thread_stack(threading.get_ident()))
        stacks.append(get_thread_stack(threading.get_ident(), 10 ** 6))

    stacks = []
    descend(60)
    assert len(stacks[0]) == 100
    assert len(stacks[1]) > 120
    assert stacks[0][15:] == stacks[1][15:100]  # further in they are two calls


def test_the_innermost_frame_is_first():
    with parked() as target:
        names = [entry.name for entry in get_thread_stack(target.ident)]
    begins = [i for i, name in enumerate(names) if name in ("start_thread", "clone", "clone3", "__clone3", "__clone")]
    evals = [i for i, name in enumerate(names) if "EvalFrame" in name]
    assert evals, names
    assert not begins or begins[0] > evals[-1], names


def test_print_stack_writes_to_the_stdout_of_the_moment(monkeypatch):
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", first)
    print_stack()
    monkeypatch.setattr(sys, "stdout", second)
    with parked() as target:
        print_thread_stack(target.ident)
    assert LINE.match(first.getvalue().splitlines()[0])
    assert LINE.match(second.getvalue().splitlines()[0])


def test_all_arguments_can_be_positional():
    buf = io.StringIO()
    print_stack(buf, 3, True, 4096)
    assert len(buf.getvalue().splitlines()) == 3
    with parked() as target:
        print_thread_stack(target.ident, buf, 2, True)
        assert len(buf.getvalue().splitlines()) == 5
        assert len(get_thread_stack(target.ident, 4, True)) == 4
        assert get_thread_stack(tid=target.ident, maxdepth=4, show_python=True)


def test_entries_are_named_tuples_of_four():
    with parked() as target:
        stack = get_thread_stack(target.ident)
    assert type(stack) is list
    for entry in stack:
        assert isinstance(entry, StackEntry) and isinstance(entry, tuple)
        addr, name, offset, is_python = entry
        assert (type(addr), type(name), type(offset), type(is_python)) == (int, str, int, bool)
        assert addr - offset > 0 and offset >= 0 and name == name.strip() and name
        assert entry == (entry.addr, entry.name, entry.offset, entry.is_python)


def test_the_print_functions_print_what_get_thread_stack_gives():
    with parked() as target:
        for show in True, False:
            expected = "".join("{}\n".format(entry) for entry in get_thread_stack(target.ident, show_python=show))
            assert text_of(print_thread_stack, target.ident, show_python=show) == expected


def test_a_thread_at_rest_has_the_same_stack_each_time():
    with parked() as target:
        stacks = [get_thread_stack(target.ident) for _ in range(20)]
    assert all(stack == stacks[0] for stack in stacks)


def test_python_is_marked_in_both_modes():
    with parked() as target:
        shown = get_thread_stack(target.ident)
        hidden = get_thread_stack(target.ident, show_python=False)
    for stack in shown, hidden, get_thread_stack(threading.get_ident()):
        assert any(entry.is_python for entry in stack)
        assert not all(entry.is_python for entry in stack)
    marked = [entry.name for entry in shown if entry.is_python]
    assert "_PyEval_EvalFrameDefault" in marked
    assert not [entry for entry in shown if entry.name in ("start_thread", "clone", "clone3") and entry.is_python]


def test_show_python_false_replaces_runs_of_python_and_repeats_nothing():
    def descend(levels, wait):
        return sorted([0], key=lambda _: descend(levels - 1, wait)) if levels else wait()

    with parked(lambda wait: descend(3, wait)) as target:
        shown = get_thread_stack(target.ident, 10 ** 6)
        hidden = get_thread_stack(target.ident, 10 ** 6, False)
    skips = [re.match(r"<skipped (\d+) Python entries>$", entry.name) for entry in hidden]
    assert any(skips)
    assert all(entry.is_python and entry.offset == 0 for entry, skip in zip(hidden, skips) if skip)
    # Every frame is there once, or is one of those that were skipped.
    kept = [entry for entry, skip in zip(hidden, skips) if not skip]
    assert len(kept) + sum(int(skip.group(1)) for skip in skips if skip) == len(shown)
    rest = iter(shown)
    assert all(any(entry.addr == other.addr and entry.name == other.name for other in rest) for entry in kept)
    assert not [entry for entry in kept if not entry.is_python and entry.name == "_PyEval_EvalFrameDefault"]


def test_the_interpreters_frames_where_c_calls_c_are_not_python():
    """No Python runs between sorted() and read(): what looks for the C functions outward to Python finds both."""
    r, w = os.pipe()
    with Standing(lambda: sorted([1], key=partial(os.read, r)), lambda: os.write(w, b"x")) as target:
        shown = get_thread_stack(target.ident)
        hidden = get_thread_stack(target.ident, show_python=False)
    os.close(r)
    os.close(w)
    inner = [entry.name for entry in hidden[: [entry.is_python for entry in hidden].index(True)]]
    assert {"read", "__read", "__libc_read"} & set(inner)
    assert inner == [entry.name for entry in shown[: [entry.is_python for entry in shown].index(True)]]
    named = {entry.name for entry in shown}
    if "builtin_sorted" in named and sys.version_info >= (3, 9):  # before, by what 0.1 has for Python, too
        assert "list_sort_impl" in inner and "builtin_sorted" in inner, shown


def test_the_innermost_frame_of_oneself_is_not_python():
    """dask.distributed takes what stands before the first that is."""
    for _ in range(10):
        assert not get_thread_stack(threading.get_ident(), show_python=False)[0].is_python
        assert not get_thread_stack(threading.get_ident())[0].is_python


def test_the_calling_thread_is_who_threading_says(monkeypatch):
    """gevent puts another get_ident() in its place."""
    names = [entry.name for entry in get_thread_stack(threading.get_ident(), 10 ** 6)]
    real = threading.get_ident()
    monkeypatch.setattr(threading, "get_ident", lambda: 12345)
    assert [entry.name for entry in get_thread_stack(12345, 10 ** 6)] == names
    assert [entry.name for entry in get_thread_stack(threading.get_ident(), 10 ** 6)] == names
    assert [entry.name for entry in get_thread_stack(real, 10 ** 6)] == names
    assert get_thread_stack(0) == []


def test_a_program_without_stdout_prints_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    print_stack()
    print_thread_stack(threading.get_ident())


def test_what_can_be_written_to_is_a_file():
    class Written(object):
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

    for function, arguments in (print_stack, ()), (print_thread_stack, (threading.get_ident(),)):
        written = Written()
        function(*arguments, file=written)
        assert all(LINE.match(line) for line in written.text.splitlines()) and written.text.endswith("\n")


@pytest.mark.parametrize("function", [print_stack, print_thread_stack, get_thread_stack])
def test_type_hints_can_be_read(function):
    assert "maxdepth" in typing.get_type_hints(function)


def test_a_trace_of_oneself_is_never_empty():
    for show in True, False:
        assert all(get_thread_stack(threading.get_ident(), show_python=show) for _ in range(200))


def test_a_busy_thread_is_traced_too():
    with Busy(lambda: sum(range(1000))) as busy:
        stacks = [get_thread_stack(busy.idents[0]) for _ in range(50)]
    assert all(stacks)
    assert all(any(entry.is_python for entry in stack) for stack in stacks)


@pytest.mark.parametrize("tid", ["1", 1.5, None, b"1"])
def test_what_is_no_number_is_a_type_error(tid):
    with pytest.raises(TypeError):
        get_thread_stack(tid)
