# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""unlocked.py TRUTH - eight threads, of which four run C code that has released the GIL.

Must show: libz under compress() alone, libcrypto under digest() alone, and only the
C code that TRUTH says (orders.py) under what the other threads do.
"""
import ctypes
import functools
import hashlib
import sys
import threading
import zlib

import orders
import truth

digest_module = hashlib.sha256.__module__  # whose own one holds the GIL
HOW = {
    "sort.<locals>.sort_key": "c",
    "reduce.<locals>.in_reduce": orders.files("_functools"),
    "in_qsort": orders.files("_ctypes", "libffi", "libc", "libffi", "_ctypes"),
}
LEAVES = {
    "compress": orders.files("zlib", "libz", "zlib"),
    "digest": orders.files("_hashlib", "libcrypto") if digest_module == "_hashlib" else orders.files(digest_module),
}
BLOCK = bytes(bytearray(range(256))) * 2000


def spin(n=100):
    total = 0
    for i in range(n):
        total += i & 3
    return total


def compress():
    zlib.compress(BLOCK, 6)


def digest():
    hashlib.sha256(BLOCK)


def sort():
    def sort_key(_n):
        return spin()

    [3, 1, 2].sort(key=sort_key)


def reduce():
    def in_reduce(_a, _b):
        spin()

    functools.reduce(in_reduce, (1, 2, 3))


def in_qsort(_a, _b):
    spin()
    return 0


def call_back():
    qsort(two, 2, 4, callback)


compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
callback = compare(in_qsort)
qsort = ctypes.CDLL(None).qsort
qsort.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, compare]
two = (ctypes.c_int * 2)(1, 2)
noted = threading.Semaphore(0)


def forever(body):
    turn = 0
    while True:
        body()
        turn += 1
        if turn == 3:
            orders.start()
        elif turn == 6:
            orders.stop()
            noted.release()


BODIES = [compress, compress, digest, digest, sort, reduce, call_back, call_back]
for thread_body in BODIES:
    truth.start_thread(forever, thread_body)
for _ in BODIES:
    noted.acquire()
orders.write(sys.argv[1], {__file__}, HOW, LEAVES)
truth.ready()
threading.Event().wait()
