# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whoever has the dynamic linker's lock, and wants the GIL, is not waited for with the GIL."""
import ctypes
import os
import threading
import time

import pytest

from stacktrace import get_thread_stack

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


class Iterating(threading.Thread):
    """In dl_iterate_phdr() all the time, which calls back into Python under its lock."""

    def __init__(self):
        super().__init__(daemon=True)
        self.is_over = False
        self.rounds = 0
        self._callback = CALLBACK(lambda info, size, data: 0)

    def run(self):
        libc = ctypes.CDLL(None)
        while not self.is_over:
            libc.dl_iterate_phdr(self._callback, None)
            self.rounds += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *args):
        self.is_over = True
        self.join()


@pytest.mark.parametrize("python_frames", [False, True])
def test_traces_beside_a_thread_that_lists_the_libraries(python_frames):
    with Iterating() as thread:
        until = time.time() + 1
        traces = 0
        while time.time() < until:
            assert get_thread_stack(threading.get_ident(), python_frames=python_frames)
            get_thread_stack(thread.ident, python_frames=python_frames)
            traces += 1
        assert traces > 10
        assert thread.rounds > 10


def test_a_child_forked_beside_it_traces():
    with Iterating():
        for _ in range(20):
            child = os.fork()
            if not child:
                os._exit(0 if get_thread_stack(threading.get_ident()) else 1)
            assert os.waitpid(child, 0)[1] == 0
