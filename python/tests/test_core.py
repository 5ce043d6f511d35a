# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""stacktrace.core, the calls beneath 0.1: text in a buffer, and a callback."""

import ctypes
import threading

import pytest

from stacktrace import core, get_thread_stack
from stacktrace.utils import simple_processing, split
from standing import ended_ident, parked


def test_the_ident_of_the_calling_thread():
    core.initialize_thread()
    assert core.get_thread_id() == threading.get_ident()


def test_the_text_of_another_thread_is_its_stack():
    def callback(text, size):
        calls.append(text[:size])

    calls = []
    with parked() as target:
        assert core.backtrace_thread(target.ident, core.bt_callback(callback), 100) == 1
        expected = get_thread_stack(target.ident)
    (text,) = calls
    found = list(simple_processing(text.decode()))
    assert [entry[:3] for entry in found] == [entry[:3] for entry in expected]
    assert not any(entry.is_python for entry in found)


def test_a_thread_that_is_gone_has_no_text():
    calls = []
    callback = core.bt_callback(lambda *arguments: calls.append(arguments))
    assert core.backtrace_thread(ended_ident(), callback, 100) == 0
    assert not calls


def test_maxdepth_of_the_text():
    calls = []
    callback = core.bt_callback(lambda text, size: calls.append(text[:size]))
    with parked() as target:
        core.backtrace_thread(target.ident, callback, 3)
        core.backtrace_thread(target.ident, callback, 0)
    assert len(calls[0].splitlines()) == 3
    assert calls[1:] in ([], [b""])


@pytest.mark.parametrize("size", [0, 1, 10, 100, 1000, 4096])
def test_a_buffer_is_never_overrun(size):
    memory = ctypes.create_string_buffer(b"\x55" * 8192, 8192)
    written = core.backtrace_local(memory, size, 100)
    assert written <= size
    assert memory.raw[size:] == b"\x55" * (8192 - size)
    assert len(list(split(memory.raw[:written].decode()))) == len(memory.raw[:written].splitlines())
    assert written > 100 or size < 1000
