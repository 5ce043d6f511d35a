# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program's signals, masks and descriptors are as they were."""

import ctypes
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import child
from stacktrace import get_thread_stack, print_stack
from standing import IS_SANITIZED, SIGNALS, Parking, Standing, libc, parked

ROWS = ["SigBlk", "SigIgn", "SigCgt"]


class Action(ctypes.Structure):
    _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_ubyte * 128), ("flags", ctypes.c_int), ("restorer", ctypes.c_void_p)]


def signals_of(tid):
    with open("/proc/self/task/%d/status" % tid) as status:
        return [line.rstrip() for line in status if line.split(":")[0] in ROWS]


def actions():
    """Of each signal: handler, mask (of which the kernel fills 8 bytes) and flags."""
    found = {}
    for number in SIGNALS:
        action = Action()
        assert libc.sigaction(number, None, ctypes.byref(action)) == 0
        found[number] = action.handler, bytes(bytearray(action.mask[:8])), action.flags
    return found


def wait_until_equal(look, wanted):
    """A thread answers first, and then leaves our handler."""
    deadline = time.time() + 10
    while look() != wanted and time.time() < deadline:
        time.sleep(0.01)
    assert look() == wanted


def trace_all_ways(ident):
    get_thread_stack(ident)
    get_thread_stack(ident, python_frames=True)
    get_thread_stack(ident, show_python=False)
    get_thread_stack(threading.get_ident())
    get_thread_stack(1)


def test_dispositions_are_as_they_were():
    with parked() as target:

        def look():
            return actions(), signals_of(target.tid), signals_of(os.getpid())

        before = look()
        python = [signal.getsignal(number) for number in SIGNALS]
        for _ in range(100):
            trace_all_ways(target.ident)
        wait_until_equal(look, before)
        assert [signal.getsignal(number) for number in SIGNALS] == python


def test_dispositions_are_as_they_were_also_where_the_target_does_not_answer():
    parking = Parking()

    def body():
        signal.pthread_sigmask(signal.SIG_SETMASK, SIGNALS)
        parking.wait()

    with Standing(body, parking.leave) as target:
        before = actions(), signals_of(target.tid)
        assert get_thread_stack(target.ident) == []
        assert (actions(), signals_of(target.tid)) == before


def test_the_masks_of_threads_are_as_they_were():
    parking = Parking()
    masks = []

    def body():
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGTERM})
        parking.wait()
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    own = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Standing(body, parking.leave) as target:
        for _ in range(50):
            trace_all_ways(target.ident)
    assert masks == [{signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGTERM}]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == own


def test_handlers_of_the_program_stay_and_are_not_called_by_us():
    def own_handlers():
        import os
        import signal
        import time

        import standing
        from stacktrace import get_thread_stack

        calls = []
        numbers = [n for n in standing.SIGNALS if n not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGRTMAX - 3)]
        for number in numbers:
            signal.signal(number, lambda *args: calls.append(args))
        with standing.parked() as target:
            for _ in range(200):
                assert get_thread_stack(target.ident)  # one signal is free
            time.sleep(0.05)
            assert calls == [], calls
            for number in numbers:
                os.kill(os.getpid(), number)
            time.sleep(0.05)
        assert sorted(number for number, _ in calls) == sorted(numbers)
        print("done")

    assert child.run(own_handlers) == "done\n"


def test_where_every_signal_has_a_handler_there_is_no_stack_and_no_call():
    def all_taken():
        import signal
        import threading
        import time

        import standing
        from stacktrace import get_thread_stack

        calls = []
        for number in standing.SIGNALS - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, lambda *args: calls.append(args))
        with standing.parked() as target:
            start = time.time()
            assert get_thread_stack(target.ident) == []
            assert time.time() - start < 3
        assert get_thread_stack(threading.get_ident())  # which needs none
        assert calls == []
        print("done")

    assert child.run(all_taken) == "done\n"


def test_signals_that_wait_to_be_read_are_not_lost():
    """As a program has it that reads them by sigwait() or signalfd(): blocked in all threads."""

    def reads_signals():
        import os
        import signal
        import threading
        import time

        import standing
        from stacktrace import get_thread_stack

        signal.pthread_sigmask(signal.SIG_BLOCK, standing.SIGNALS)
        numbers = set(range(signal.SIGRTMIN, signal.SIGRTMAX + 1))
        is_over = threading.Event()

        def busy():
            while not is_over.is_set():
                pass

        thread = threading.Thread(target=busy)
        thread.start()
        for number in numbers:
            os.kill(os.getpid(), number)
        for _ in range(20):
            start = time.time()
            assert get_thread_stack(thread.ident) == []
            assert time.time() - start < 0.5
        assert numbers <= signal.sigpending()
        is_over.set()
        thread.join()
        print("done")

    assert child.run(reads_signals) == "done\n"


@pytest.mark.skipif(IS_SANITIZED, reason="the sanitizer takes the signal")
def test_faulthandler_still_gets_a_segmentation_fault():
    def crash():
        import ctypes
        import faulthandler
        import threading

        import standing
        from stacktrace import get_thread_stack

        faulthandler.enable()
        with standing.parked() as target:
            for _ in range(20):
                assert get_thread_stack(target.ident)
                assert get_thread_stack(target.ident, python_frames=True)
                assert get_thread_stack(threading.get_ident())
            ctypes.string_at(1)

    source = child.source_of(crash)
    status, _, errors = child.start(["-c", source])
    assert status == -signal.SIGSEGV, errors
    assert "Fatal Python error: Segmentation fault" in errors
    assert re.search(r'File ".*", line \d+ in string_at', errors)
    assert " in crash" in errors
    assert " in wait" in errors or "Cannot show all threads" in errors


@pytest.mark.skipif(IS_SANITIZED, reason="the sanitizer takes the signal")
def test_a_segmentation_fault_without_faulthandler_just_kills():
    def crash():
        import ctypes

        import standing
        from stacktrace import get_thread_stack

        with standing.parked() as target:
            assert get_thread_stack(target.ident)
            ctypes.string_at(1)

    status, _, errors = child.start(["-c", child.source_of(crash)])
    assert status == -signal.SIGSEGV, errors


def test_a_thread_in_a_handler_of_its_own_is_traced():
    found = []
    old = signal.signal(signal.SIGUSR1, lambda *_: found.extend(traced_by_another()))

    def traced_by_another():
        stacks = []
        main = threading.get_ident()
        thread = threading.Thread(target=lambda: stacks.extend(get_thread_stack(main, python_frames=True)))
        thread.start()
        thread.join()
        return stacks

    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        while not found:
            time.sleep(0.001)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert "traced_by_another" in [entry.name.split(".")[-1] for entry in found]


def test_no_descriptor_is_left_open():
    with parked() as target:
        trace_all_ways(target.ident)
        before = len(os.listdir("/proc/self/fd"))
        for i in range(200):
            trace_all_ways(target.ident)
            if i % 50 == 0:  # a new library: mappings are read again
                ctypes.CDLL(["libm.so.6", "libresolv.so.2", "libdl.so.2", "librt.so.1"][i // 50])
        assert len(os.listdir("/proc/self/fd")) == before


def test_traces_go_on_when_all_descriptors_are_closed():
    def close_all():
        import ctypes
        import os

        import standing
        from stacktrace import get_thread_stack

        with standing.parked() as target:
            before = get_thread_stack(target.ident)
            os.closerange(3, 65536)
            assert get_thread_stack(target.ident) == before
            held = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
            ctypes.CDLL("libresolv.so.2")
            assert get_thread_stack(target.ident) == before
            assert all(os.readlink("/proc/self/fd/%d" % fd) == "/dev/null" for fd in held)
        print("done")

    assert child.run(close_all) == "done\n"


def test_no_descriptor_is_inherited():
    print_stack(file=open(os.devnull, "w"))
    listing = subprocess.Popen(["ls", "/proc/self/fd"], stdout=subprocess.PIPE, close_fds=False)
    inherited = listing.communicate()[0].decode().split()
    for name in inherited:
        path = "/proc/self/fd/" + name
        if int(name) > 2 and os.path.exists(path):
            assert not re.search(r"/proc/\d+|\.so|python", os.readlink(path)), os.readlink(path)
