# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""order.py TRUTH - Python calls C calls Python, five times over, in every way the standard library has.

Must show: each sample's Python frames are one of the stacks in TRUTH, and between
two of them stands the C code that TRUTH says (orders.py), in that order.
"""
import ctypes
import functools
import hashlib
import json
import os
import re
import sqlite3
import sys
import zlib

import orders
import truth

try:
    import builtins
except ImportError:
    import __builtin__ as builtins
try:
    import order_3  # what 2.7 cannot parse
except SyntaxError:
    order_3 = None

DIGEST = hashlib.sha256.__module__
HOW = {  # what is called by anything but =
    "<module>": "c",
    "Dying.__del__": "c",
    "Dying.__init__": "?",
    "Slots.__eq__": "c",
    "Slots.__getattr__": "c",
    "Slots.__init__": "?",
    "Slots.size": "c",
    "by_ctypes.<locals>.in_ctypes": orders.files("_ctypes", "libffi", "libc", "libffi", "_ctypes"),
    "by_filter.<locals>.in_filter": "c",
    "by_json.<locals>.in_json": orders.files("_json"),
    "by_map.<locals>.in_map": "c",
    "by_re.<locals>.in_re": "c",
    "by_reduce.<locals>.in_reduce": orders.files("_functools"),
    "by_sort.<locals>.in_sort": "c",
    "by_sqlite.<locals>.in_sqlite": "c:_sqlite3,libsqlite3,_sqlite3",
    "in_generator": "g",
    "in_generator_below": "g",
}
if order_3:
    HOW.update(order_3.HOW)
LEAVES = {  # C code that calls no Python
    "by_hashlib": orders.files(*(("_hashlib", "libcrypto") if DIGEST == "_hashlib" else (DIGEST,))),
    "by_sqlite": "c:_sqlite3,libsqlite3,_sqlite3,libsqlite3",
    "by_zlib": orders.files("zlib", "libz", "zlib"),
}


def spin(n=20):
    total = 0
    for i in range(n):
        total += i & 3
    return total


def go(ways):
    """Down the first way, which calls in_...() through C, which goes down the rest."""
    spin()
    if ways:
        ways[0](ways[1:])
    spin()


def by_sort(ways):
    def in_sort(_):
        go(ways)

    [0].sort(key=in_sort)


def by_reduce(ways):
    def in_reduce(_a, _b):
        go(ways)

    functools.reduce(in_reduce, (1, 2))


def by_re(ways):
    def in_re(_match):
        go(ways)
        return "y"

    re.sub("x", in_re, "x")


def by_map(ways):
    def in_map(_):
        go(ways)
        return 1

    sum(map(in_map, (1,)))


def by_filter(ways):
    def in_filter(_):
        go(ways)

    list(filter(in_filter, (1,)))


def by_json(ways):
    def in_json(_):
        go(ways)

    json.loads('[1, {"a": 2}]', object_hook=in_json)


def by_sqlite(ways):
    def in_sqlite():
        go(ways)

    connection.create_function("down", 0, in_sqlite)
    connection.execute("select down()").close()


connection = sqlite3.connect(":memory:")
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
qsort = ctypes.CDLL(None).qsort
qsort.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, compare]
two = (ctypes.c_int * 2)(1, 2)


def by_ctypes(ways):
    def in_ctypes(_a, _b):
        go(ways)
        return 0

    qsort(two, 2, 4, compare(in_ctypes))


class Slots(object):
    def __init__(self, ways):
        self.ways = ways

    @property
    def size(self):
        go(self.ways)

    def __eq__(self, other):
        go(self.ways)
        return True

    def __getattr__(self, name):
        go(self.ways)


class Dying(object):
    def __init__(self, ways):
        self.ways = ways

    def __del__(self):
        go(self.ways)


def by_property(ways):
    getattr(Slots(ways), "size")


def by_eq(ways):
    [Slots(ways)].count(0)


def by_getattr(ways):
    getattr(Slots(ways), "absent")


def by_del(ways):
    box = [Dying(ways)]
    del box[:]


def by_generator(ways):
    sum(in_generator(ways))


def in_generator(ways):
    go(ways)
    yield 1
    go(ways)
    for below in in_generator_below(ways):
        yield below


def in_generator_below(ways):
    go(ways)
    yield 2


def by_exec(ways):
    exec(EXECUTED, {"in_exec": in_exec, "ways": ways})


def in_exec(ways):
    go(ways)


EXECUTED = compile("in_exec(ways)\n", "<executed>", "exec")


def by_import(ways):
    def in_import():
        go(ways)

    builtins.in_import = in_import
    sys.modules.pop("imported", None)
    import imported


def make_imported():
    """In a directory that nobody else changes: the finder looks at its time."""
    os.mkdir(os.path.dirname(IMPORTED))
    with open(IMPORTED, "w") as out:
        out.write("in_import()\n")
    sys.path.insert(0, os.path.dirname(IMPORTED))


IMPORTED = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "imports", "imported.py")


def by_zlib(_ways):
    zlib.compress(BLOCK)


def by_hashlib(_ways):
    hashlib.sha256(BLOCK)


by_async = order_3.by_async if order_3 else by_reduce
by_yield_from = order_3.by_yield_from if order_3 else by_generator
BLOCK = bytes(bytearray(range(256))) * 40
CHAINS = [
    (by_sort, by_reduce, by_re, by_map, by_filter, by_zlib),
    (by_ctypes, by_json, by_sqlite, by_re, by_sort),
    (by_property, by_eq, by_del, by_getattr, by_reduce),
    (by_generator, by_ctypes, by_yield_from, by_map, by_sqlite, by_zlib),
    (by_async, by_sort, by_json, by_generator, by_del, by_ctypes),
    (by_exec, by_sqlite, by_import, by_filter, by_ctypes, by_hashlib),
    (by_ctypes, by_ctypes, by_ctypes, by_ctypes, by_ctypes, by_zlib),
    (by_json, by_eq, by_json, by_async, by_sqlite, by_exec, by_re),
    (by_del, by_del, by_reduce, by_reduce, by_property, by_import, by_map),
]


def body():
    for chain in CHAINS:
        go(chain)


def finish():
    orders.stop()
    ours = {__file__, EXECUTED.co_filename, IMPORTED}
    if order_3:
        order_3.add_instants(orders.stacks)
        ours.add(order_3.__file__)
    orders.write(sys.argv[1], ours, HOW, LEAVES)
    truth.ready()


def forever():
    """Caches are warm when the stacks are noted; from the very same line it then goes on."""
    turn = 0
    while True:
        body()
        turn += 1
        if turn == 3:
            orders.start()
        elif turn == 6:
            finish()


make_imported()
if order_3:
    order_3.go = go
forever()
