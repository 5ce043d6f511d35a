# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""fork(): the child can trace, the parent goes on."""

import multiprocessing
import os
import threading
import time

import pytest

from stacktrace import get_thread_stack
from standing import IS_SANITIZED, Busy, parked

# To fork a process of many threads is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def in_child(work, seconds=30):
    """The value (0 to 255) of work() in a forked child; one that hangs or crashes fails the test."""
    pid = os.fork()
    if not pid:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    deadline = time.time() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.WIFEXITED(status), "the child died of signal %d" % os.WTERMSIG(status)
            return os.WEXITSTATUS(status)
        if time.time() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.001)


def own_trace():
    return 0 if len(get_thread_stack(threading.get_ident())) > 5 else 1


def trace_of_new_thread():
    with parked() as target:
        stack = get_thread_stack(target.ident, python_frames=True)
    return 0 if "_run" in [entry.name.split(".")[-1] for entry in stack] else 1


# The sanitizer's own locks, which a thread needs to begin, may be held by another thread at the moment of the fork.
NEW_THREAD = pytest.param(trace_of_new_thread, marks=pytest.mark.skipif(IS_SANITIZED, reason="a fork leaves the "
                                                                         "sanitizer's locks behind"))


@pytest.mark.parametrize("work", [own_trace, NEW_THREAD])
def test_a_child_traces_itself_and_its_threads(work):
    assert in_child(work) == 0  # also the first trace of all may be a child's
    with parked() as target:
        assert get_thread_stack(target.ident)
        assert in_child(work) == 0


def test_threads_of_the_parent_have_no_stack_in_the_child():
    with parked() as target:
        assert get_thread_stack(target.ident)
        assert in_child(lambda: 0 if get_thread_stack(target.ident) == [] else 1) == 0
        assert get_thread_stack(target.ident)


def test_children_of_children():
    assert in_child(lambda: in_child(lambda: in_child(trace_of_new_thread))) == 0


def test_forks_in_the_midst_of_traces():
    with parked() as target, Busy(lambda: get_thread_stack(target.ident, python_frames=True), 3) as busy:
        for _ in range(40):
            assert in_child(own_trace) == 0
            assert in_child(trace_of_new_thread) == 0
    assert all(busy.turns)


def test_a_thread_that_forks_is_traced():
    def fork():
        pid = os.fork()
        if not pid:
            os._exit(0)
        statuses.append(os.waitpid(pid, 0)[1])

    statuses = []
    with Busy(fork) as busy:
        deadline = time.time() + 60
        empty = 0
        while len(statuses) < 200 and time.time() < deadline:
            empty += not get_thread_stack(busy.idents[0])
    assert len(statuses) >= 200 and not any(statuses)
    assert empty <= 2


def worker(pipe):
    pipe.send((own_trace(), trace_of_new_thread()))


def test_workers_of_multiprocessing():
    with parked() as target:
        assert get_thread_stack(target.ident)
        kind = multiprocessing.get_context("fork")
        for _ in range(5):
            ours, theirs = kind.Pipe()
            process = kind.Process(target=worker, args=(theirs,))
            process.start()
            assert ours.poll(30) and ours.recv() == (0, 0)
            process.join()
            assert process.exitcode == 0
