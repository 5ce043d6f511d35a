# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that stand at a known place, and how to see from outside that they do."""

import ctypes
import os
import signal
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
SIGNALS = set(range(1, signal.NSIG)) - {32, 33}  # but for those that glibc keeps to itself
# AddressSanitizer has memory and a SIGSEGV of its own, and stands between programs and qsort() and bsearch().
IS_SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
SYS_GETTID = {"x86_64": 186, "aarch64": 178}[os.uname()[4]]


def get_tid():
    """The kernel's number of the calling thread; threading.get_native_id() is not in 3.6."""
    return libc.syscall(SYS_GETTID)


def _look(tid):
    with open("/proc/self/task/%d/status" % tid) as status:
        rows = dict(line.rstrip("\n").split(":", 1) for line in status)
    return rows["State"].split()[0], rows["voluntary_ctxt_switches"], rows["nonvoluntary_ctxt_switches"]


def wait_for_rest(tid, seconds=30):
    """Until the thread sleeps and goes on sleeping, as one that waits for the GIL does not."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        before = _look(tid)
        time.sleep(0.02)
        if before[0] == "S" and _look(tid) == before:
            return
    raise AssertionError("thread %d does not come to rest: %s" % (tid, before))


class Standing(object):
    """
    A thread in body() for the time of a `with`, at rest when that begins.

    release() lets body() come back; what it gave is `result`, what it raised
    is raised at the end of the `with`, and `seconds` is how long it took.
    """

    def __init__(self, body, release=None):
        self.result = None
        self.error = None
        self.seconds = None
        self._body = body
        self._release = release
        self._begun = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        self.tid = get_tid()
        self._begun.set()
        start = time.time()
        try:
            self.result = self._body()
        except BaseException as error:
            self.error = error
        self.seconds = time.time() - start

    @property
    def ident(self):
        return self.thread.ident

    def __enter__(self):
        self.thread.start()
        self._begun.wait()
        wait_for_rest(self.tid)
        return self

    def __exit__(self, *exc_info):
        if self._release:
            self._release()
        self.thread.join()
        if self.error and exc_info[0] is None:
            raise self.error


def ended_ident():
    """The ident of a thread that was joined and has ended for the kernel, too: join() may come back before."""
    tids = []
    thread = threading.Thread(target=lambda: tids.append(get_tid()))
    thread.start()
    thread.join()
    while os.path.exists("/proc/self/task/%d" % tids[0]):
        time.sleep(0.001)
    return thread.ident


class Parking(object):
    """A place to stand at: wait() until leave()."""

    def __init__(self):
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self):
        with self._lock:
            pass  # whoever comes after leave() goes on: ASan's qsort() compares twice

    def leave(self):
        self._lock.release()


def parked(body=None):
    """A Standing thread that waits for a lock, under `body(wait)` if there is one."""
    parking = Parking()
    return Standing(lambda: body(parking.wait) if body else parking.wait(), parking.leave)


class Room(object):
    """Threads that start within this `with` may go deep."""

    def __enter__(self):
        self._size = threading.stack_size(64 << 20)
        self._limit = sys.getrecursionlimit()
        sys.setrecursionlimit(10000)

    def __exit__(self, *exc_info):
        sys.setrecursionlimit(self._limit)
        threading.stack_size(self._size)


class Busy(object):
    """Threads that call work() again and again for the time of a `with`."""

    def __init__(self, work, count=1):
        self._work = work
        self._is_over = False
        self.errors = []
        self.turns = [0] * count
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def _run(self, index):
        try:
            while not self._is_over:
                self._work()
                self.turns[index] += 1
        except BaseException as error:
            self.errors.append(error)

    @property
    def idents(self):
        return [thread.ident for thread in self.threads]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        self._is_over = True
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors
