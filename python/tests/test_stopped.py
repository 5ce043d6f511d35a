# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that cannot answer, for somebody holds them: [] in time, and all is well once they go on."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import pytest

from stacktrace import get_thread_stack
from standing import Busy, libc, get_tid, parked

QUICKLY = 3  # seconds; the promise is one
PR_SET_PTRACER = 0x59616D61
CLONE_VM, CLONE_VFORK, SIGCHLD = 0x100, 0x4000, 17

# A debugger of one thread, as a process of its own. `hold`: stops it, says so, and lets go when told. `halt`: again
# and again for a tenth of a second, unasked, for a thread may hold the GIL then, and nobody here could tell it.
DEBUGGER = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
tid = int(sys.argv[1])

def ptrace(request, data=0):
    if libc.ptrace(request, tid, 0, data):
        sys.exit("ptrace: " + os.strerror(ctypes.get_errno()))

def stop():
    ptrace(PTRACE_INTERRUPT)
    while True:
        status = os.waitpid(tid, 0x40000000)[1]
        if status >> 16 == 128:
            return
        ptrace(PTRACE_CONT, os.WSTOPSIG(status))  # it was about to get a signal

ptrace(PTRACE_SEIZE)
if sys.argv[2] == "hold":
    stop()
    print("stopped", flush=True)
    sys.stdin.readline()
else:
    for _ in range(20):
        stop()
        time.sleep(0.1)
        ptrace(PTRACE_CONT)
        time.sleep(0.01)
    stop()
ptrace(PTRACE_DETACH)
"""


def debugger(tid, what):
    libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(2 ** 64 - 1), 0, 0, 0)
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", DEBUGGER, str(tid), what], stdin=pipe, stdout=pipe, stderr=pipe)


class Stopped(object):
    """The thread is stopped by a debugger for the time of a `with`."""

    def __init__(self, tid):
        self._debugger = debugger(tid, "hold")
        if self._debugger.stdout.readline() != b"stopped\n":
            pytest.skip("no debugger here: " + self._debugger.communicate()[1].decode())

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._debugger.communicate(b"\n")


def seconds_of_empty_trace(ident, **kwargs):
    start = time.time()
    assert get_thread_stack(ident, **kwargs) == []
    return time.time() - start


@pytest.mark.parametrize("python_frames", [False, True])
def test_a_thread_under_a_debugger_has_no_stack_until_it_goes_on(python_frames):
    with parked() as target:
        before = get_thread_stack(target.ident, python_frames=python_frames)
        with Stopped(target.tid):
            for _ in range(2):
                assert seconds_of_empty_trace(target.ident, python_frames=python_frames) < QUICKLY
        for _ in range(20):
            assert get_thread_stack(target.ident, python_frames=python_frames) == before


def test_others_run_and_are_traced_while_one_waits():
    with parked() as target, parked() as other:
        with Stopped(target.tid), Busy(lambda: seconds_of_empty_trace(target.ident)) as waiting:
            time.sleep(0.2)  # now it waits, without the GIL
            start = time.time()
            assert all(get_thread_stack(other.ident) for _ in range(20))
            assert time.time() - start < 0.7, "a trace had to wait for that of a stopped thread"
            assert waiting.threads[0].is_alive()


def test_a_thread_that_waits_for_vfork_has_no_stack_until_it_goes_on():
    """clone(CLONE_VFORK) suspends its caller as vfork() does; the child sleeps in C."""
    memory = ctypes.create_string_buffer(1 << 20)
    top = (ctypes.addressof(memory) + len(memory) - 64) & ~15
    begun, tids, pids = threading.Event(), [], []

    def body():
        tids.append(get_tid())
        begun.set()
        sleep = ctypes.cast(libc.sleep, ctypes.c_void_p)
        pids.append(libc.clone(sleep, ctypes.c_void_p(top), CLONE_VM | CLONE_VFORK | SIGCHLD, ctypes.c_void_p(4)))
        # The child may still be a zombie that shares our memory for an instant.
        os.waitpid(pids[0], 0)
        over.acquire()

    over = threading.Lock()
    over.acquire()
    thread = threading.Thread(target=body)
    thread.start()
    begun.wait()
    try:
        deadline = time.time() + 3
        while " D " not in open("/proc/self/task/%d/stat" % tids[0]).read():
            assert time.time() < deadline
            time.sleep(0.01)
        if pids:
            pytest.skip("the machine is too slow")
        assert seconds_of_empty_trace(thread.ident) < QUICKLY
        while not pids:
            time.sleep(0.05)
        time.sleep(0.1)
        assert get_thread_stack(thread.ident)
    finally:
        over.release()
        thread.join()


def test_a_thread_that_is_halted_while_it_is_traced_all_the_time():
    """Wherever that finds it, in our handler too, nobody hangs and nothing is wrong later."""

    def work():
        tids[:] = [get_tid()]

    tids = []
    with Busy(work) as busy:
        with Busy(lambda: get_thread_stack(busy.idents[0], python_frames=True)) as tracing:
            while not tids:
                time.sleep(0.01)
            errors = debugger(tids[0], "halt").communicate()[1].decode()
        if "ptrace: Operation not permitted" in errors:
            pytest.skip(errors)
        assert not errors
        assert tracing.turns[0] > 0
        assert get_thread_stack(busy.idents[0])
