# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that Python did not start: an embedder's, made by pthread_create()."""

import ctypes
import os

from standing import libc, wait_for_rest

BODY = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


def tids():
    return {int(name) for name in os.listdir("/proc/self/task")}


class Foreign(object):
    """
    A thread at rest in body(argument), an address of C or a callable of Python, for the time of a `with`.

    release() lets it come back.
    """

    def __init__(self, body, argument, release):
        self._body = ctypes.cast(body, ctypes.c_void_p) if not callable(body) or hasattr(body, "argtypes") else BODY(body)
        self._argument = argument
        self._release = release
        self.ident = None

    def __enter__(self):
        thread = ctypes.c_ulong()
        before = tids()
        error = libc.pthread_create(ctypes.byref(thread), None, self._body, ctypes.c_void_p(self._argument))
        assert error == 0, os.strerror(error)
        self.ident = thread.value
        (self.tid,) = tids() - before
        wait_for_rest(self.tid)
        return self

    def __exit__(self, *exc_info):
        self._release()
        assert libc.pthread_join(ctypes.c_ulong(self.ident), None) == 0


def in_c():
    """A foreign thread in fgetc(), without a frame of Python."""
    r, w = os.pipe()
    libc.fdopen.restype = ctypes.c_void_p
    return Foreign(libc.fgetc, libc.fdopen(r, b"r"), lambda: os.close(w))
