# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""leaves.py CASE - goes down through one piece of C code, and stays there for ever.

Must show: one and the same stack up to the innermost Python function, which is
spin() but for cases whose leaf is C code.
"""
import functools
import os
import sys

import truth

try:
    from leaves_3 import by_asyncio, by_generators  # what 2.7 cannot parse
except SyntaxError:
    pass


def spin(*_):
    while True:
        for _ in range(1000):
            pass


def by_json():
    import json

    json.loads('[1, {"a": [2]}]', object_hook=spin)


def by_re():
    import re

    re.sub("x", spin, "x")


def by_sqlite3():
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.create_function("down", 0, spin)
    connection.execute("select down()")


def by_zlib():
    import zlib

    block = bytes(bytearray(range(256))) * 100000
    while True:
        zlib.compress(block, 9)


def by_sort():
    [2, 1].sort(key=lambda n: sorted([n], key=spin))


def by_ctypes():
    import ctypes

    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    qsort = ctypes.CDLL(None).qsort
    qsort.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, compare]
    qsort((ctypes.c_int * 2)(1, 2), 2, 4, compare(lambda a, b: qsort((ctypes.c_int * 2)(1, 2), 2, 4, compare(spin))))


def by_reduce():
    functools.reduce(lambda a, b: functools.reduce(spin, (a, b)), (1, 2))


def by_signal():
    import signal

    signal.signal(signal.SIGUSR1, spin)
    if hasattr(signal, "raise_signal"):
        signal.raise_signal(signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)


def by_numpy():
    import numpy

    numpy.frompyfunc(spin, 1, 1)(numpy.arange(3))


def by_numpy_sort():
    import numpy

    numbers = numpy.random.default_rng(1).random(3000000)
    while True:
        numpy.sort(numbers, kind="stable")


def by_gevent():
    import gevent

    def inner():
        gevent.sleep(0)
        sorted([1], key=spin)

    def outer():
        gevent.sleep(0)
        gevent.joinall([gevent.spawn(gevent.sleep, 1000), gevent.spawn(inner)])

    gevent.joinall([gevent.spawn(outer)])


case = globals().get("by_" + sys.argv[1])
if case:
    truth.ready()
    case()
print("no such case with this version")
