# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which threads can be traced, which give [], and that none notices."""

import ctypes
import random
import re
import signal
import threading
import time

import pytest

from foreign import Foreign, in_c, tids
from stacktrace import get_thread_stack
from standing import SIGNALS, Parking, Room, Standing, ended_ident, libc, parked

QUICKLY = 3  # seconds; the promise is one


def is_empty_quickly(ident, **kwargs):
    start = time.time()
    stack = get_thread_stack(ident, **kwargs)
    return stack == [] and time.time() - start < QUICKLY


def test_a_thread_that_has_ended_has_no_stack():
    for _ in range(20):
        ident = ended_ident()
        assert is_empty_quickly(ident)
        assert is_empty_quickly(ident, python_frames=True)


def test_a_thread_that_has_ended_and_was_not_joined_has_no_stack():
    thread = ctypes.c_ulong()
    before = tids()
    assert libc.pthread_create(ctypes.byref(thread), None, libc.abs, ctypes.c_void_p(1)) == 0
    while tids() - before:
        time.sleep(0.01)
    try:
        assert is_empty_quickly(thread.value)
    finally:
        assert libc.pthread_join(thread, None) == 0


@pytest.mark.parametrize("ident", [0, 1, 4096, 2 ** 31, 2 ** 47, 2 ** 63, 2 ** 64 - 1])
def test_what_is_no_thread_has_no_stack(ident):
    assert is_empty_quickly(ident)


def test_random_numbers_are_no_threads():
    rng = random.Random(6)
    own = threading.get_ident()
    for ident in [rng.getrandbits(64) for _ in range(100)] + [own + rng.randrange(1, 2 ** 20) for _ in range(100)]:
        assert get_thread_stack(ident) == []


def test_addresses_of_objects_are_no_threads():
    things = [object(), b"x" * 10000, threading.current_thread(), ctypes.create_string_buffer(10 ** 6)]
    for thing in things:
        assert get_thread_stack(id(thing)) == []
    assert get_thread_stack(ctypes.addressof(things[-1])) == []


@pytest.mark.parametrize("ident", [-1, -(2 ** 63), 2 ** 64, 2 ** 200])
def test_what_fits_in_no_pthread_t_is_refused_or_has_no_stack(ident):
    try:
        assert get_thread_stack(ident) == []
    except (OverflowError, ValueError):
        pass


def test_a_thread_that_blocks_all_signals_has_no_stack():
    parking = Parking()

    def body():
        signal.pthread_sigmask(signal.SIG_SETMASK, SIGNALS)
        parking.wait()
        return signal.sigpending()

    with Standing(body, parking.leave) as target:
        for _ in range(3):
            assert is_empty_quickly(target.ident)
            assert is_empty_quickly(target.ident, python_frames=True)
    assert target.result == set()  # nothing of ours is left over


def test_a_thread_that_blocks_all_signals_but_one_is_traced():
    parking = Parking()

    def body():
        signal.pthread_sigmask(signal.SIG_SETMASK, SIGNALS - {signal.SIGRTMIN + 5})
        parking.wait()

    with Standing(body, parking.leave) as target:
        assert get_thread_stack(target.ident)


def test_the_main_thread_is_traced_by_another():
    found = []
    main = threading.main_thread().ident
    thread = threading.Thread(target=lambda: found.extend(get_thread_stack(main, 10 ** 6, python_frames=True)))
    thread.start()
    thread.join()
    assert "test_the_main_thread_is_traced_by_another" in [entry.name for entry in found]


def test_a_foreign_thread_in_c_is_traced():
    with in_c() as target:
        stack = get_thread_stack(target.ident)
        mixed = get_thread_stack(target.ident, python_frames=True)
    assert stack and re.search(r"\b(read|_?_?f?getc|_IO_\w+)\b", " ".join(entry.name for entry in stack)), stack
    assert not [entry for entry in stack + mixed if entry.is_python]
    assert [entry.name for entry in mixed] == [entry.name for entry in stack]


def test_a_foreign_thread_in_python_is_traced():
    parking = Parking()

    def body(_):
        parking.wait()
        return 0

    with Foreign(body, 0, parking.leave) as target:
        names = [entry.name.split(".")[-1] for entry in get_thread_stack(target.ident, 10 ** 6, python_frames=True)]
    assert [name for name in names if name in ("wait", "body")] == ["wait", "body"]


@pytest.mark.parametrize("kibibytes", [32, 64, 256])
def test_a_thread_with_a_small_stack_is_traced(kibibytes):
    old = threading.stack_size()
    try:
        threading.stack_size(kibibytes * 1024)
        target = parked()
        target.__enter__()
    except (RuntimeError, ValueError):
        pytest.skip("no thread starts with so small a stack")
    finally:
        threading.stack_size(old)
    try:
        assert get_thread_stack(target.ident)
        assert get_thread_stack(target.ident, python_frames=True)
    finally:
        target.__exit__(None, None, None)


def test_a_deep_stack_is_whole():
    def descend(levels, wait):
        return sorted([0], key=lambda _: descend(levels - 1, wait)) if levels else wait()

    with Room(), parked(lambda wait: descend(300, wait)) as target:
        stack = get_thread_stack(target.ident, 10 ** 6)
    assert len([entry for entry in stack if "EvalFrame" in entry.name]) >= 300
    assert not [entry for entry in stack if entry.name == "?"]
