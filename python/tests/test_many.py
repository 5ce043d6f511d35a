# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Many traces, by many, of threads that are just in places where nothing may wait.

STACKTRACE_FULL=1: 100,000 traces, else 5,000; STACKTRACE_QUICK=1, for slow
machines and sanitizers: 2,000.
"""

import ctypes
import os
import random
import threading
import time

import pytest

from stacktrace import get_thread_stack
from standing import IS_SANITIZED, Busy, libc, parked

TRACES = 2000 if os.environ.get("STACKTRACE_QUICK") else 100000 if os.environ.get("STACKTRACE_FULL") else 5000
LIBRARIES = ["libresolv.so.2", "libnsl.so.1", "libanl.so.1", "libBrokenLocale.so.1", "libthread_db.so.1"]

pytestmark = [pytest.mark.seconds(60 + TRACES // 20), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def allocate():
    rng = random.Random(6)
    held = [bytearray(rng.choice([10, 100, 1000, 5000, 100000, 300000])) for _ in range(50)]
    del held[::2]
    return held


def allocate_in_c():
    """Without the GIL and without Python's own allocator."""
    libc.malloc.restype = ctypes.c_void_p
    for size in 24, 1000, 70000, 500000:
        libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size))))


def find_library():
    for name in LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name.encode()
    return None


def load_and_unload():
    library = find_library()
    libc.dlopen.restype = ctypes.c_void_p

    def once():
        handle = libc.dlopen(library, 2)
        assert handle
        libc.dlclose(ctypes.c_void_p(handle))

    return once


def fork():
    pid = os.fork()
    if not pid:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def trace_all(idents, count):
    """How many of count traces were empty. Every tenth has Python frames."""
    empty = 0
    for i in range(count):
        empty += not get_thread_stack(idents[i % len(idents)], python_frames=i % 10 == 0)
    return empty


@pytest.mark.parametrize("work", [allocate, allocate_in_c, fork])
def test_threads_that_hold_locks_of_the_c_library(work):
    with Busy(work, 2) as busy:
        empty = trace_all(busy.idents, TRACES // 4)
    assert all(busy.turns)
    assert empty <= TRACES // 1000


def test_threads_in_the_dynamic_linker():
    with Busy(load_and_unload(), 2) as busy:
        empty = trace_all(busy.idents, TRACES // 4)
    assert all(busy.turns)
    assert empty <= TRACES // 1000


def test_all_of_it_at_once_traced_by_several():
    def trace():
        empty.append(trace_all(idents, 10))

    empty = []
    works = [allocate, allocate_in_c, load_and_unload(), fork]
    turns = iter(range(4))
    own = threading.local()

    def work():
        if not hasattr(own, "work"):
            own.work = works[next(turns)]
        own.work()

    with Busy(work, 4) as busy:
        idents = busy.idents
        with Busy(trace, 3):
            while len(empty) * 10 < TRACES // 2:
                time.sleep(0.01)
    assert all(busy.turns)
    assert sum(empty) <= TRACES // 500


def test_eight_threads_trace_eight_threads():
    targets = [parked(lambda wait: sorted([0], key=lambda _: wait() or 0)) for _ in range(8)]
    for target in targets:
        target.__enter__()
    try:
        expected = {target.ident: get_thread_stack(target.ident) for target in targets}
        wrong = []

        def trace():
            for ident, stack in expected.items():
                found = get_thread_stack(ident)
                if found != stack:
                    wrong.append((ident, found))

        with Busy(trace, 8) as busy:
            while sum(busy.turns) * 8 < TRACES // 5:
                time.sleep(0.01)
    finally:
        for target in targets:
            target.__exit__(None, None, None)
    assert all(expected.values()) and not wrong


def test_everybody_traces_everybody():
    def trace():
        for ident in list(idents):
            length = len(get_thread_stack(ident))
            if not is_over:
                lengths.append(length)

    idents, lengths, is_over = [], [], []
    with Busy(trace, 6) as busy:
        idents.extend(busy.idents)
        while len(lengths) < TRACES // 5:
            time.sleep(0.01)
        is_over.append(True)  # from now on threads end
    assert all(busy.turns)
    assert lengths.count(0) <= len(lengths) // 100


def test_threads_that_come_and_go():
    """Idents of ended threads are taken again by new ones."""

    def crowd():
        threads = [threading.Thread(target=time.sleep, args=(0.0005,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        idents[:] = [thread.ident for thread in threads]
        for thread in threads:
            thread.join()

    idents = [1]
    with Busy(crowd) as busy:
        start = time.time()
        while busy.turns[0] < TRACES // 100:
            for ident in list(idents):
                get_thread_stack(ident)
            assert time.time() - start < 60 + TRACES // 100


def resident_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(IS_SANITIZED, reason="freed memory is kept by the sanitizer")
@pytest.mark.parametrize("python_frames", [False, True])
def test_memory_does_not_grow(python_frames):
    count = 20000 if TRACES > 2000 else 2000

    def trace(times):
        for _ in range(times):
            get_thread_stack(target.ident, python_frames=python_frames)
            get_thread_stack(threading.get_ident(), python_frames=python_frames)
            get_thread_stack(1)

    with parked() as target:
        trace(500)
        before = resident_kib()
        trace(count)
        assert resident_kib() - before < 4096  # a leak of 100 bytes a trace would be 6 MB
