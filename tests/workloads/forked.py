# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""forked.py HOW - a child of a thread of a process with more threads; it sleeps in `child`. Prints its pid, then `ready`.

HOW is `os` for os.fork(), or `libc`: then CPython knows nothing of it, and has the states of threads that the child has not.
"""
import ctypes
import os
import sys
import threading
import time

fork = os.fork if sys.argv[1] == "os" else ctypes.PyDLL(None).fork


def other():
    time.sleep(100000)


def child():
    time.sleep(100000)


def forks():
    pid = fork()
    if not pid:
        child()
    sys.stdout.write("%d\nready\n" % pid)
    sys.stdout.flush()
    time.sleep(100000)


for target in other, other, forks:
    thread = threading.Thread(target=target)
    thread.daemon = True
    thread.start()
time.sleep(100000)
