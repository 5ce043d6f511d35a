# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""outsiders.py - three threads that C started and Python knows nothing of, in pause(); and one of Python's, in `inside`."""
import ctypes
import sys
import threading
import time

libc = ctypes.CDLL(None)


def inside():
    time.sleep(100000)


for _ in range(3):
    thread = ctypes.c_void_p()
    if libc.pthread_create(ctypes.byref(thread), None, libc.pause, None):
        sys.exit("no thread")
thread = threading.Thread(target=inside)
thread.daemon = True
thread.start()
time.sleep(0.2)
sys.stdout.write("ready\n")
sys.stdout.flush()
time.sleep(100000)
