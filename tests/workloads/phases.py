# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""phases.py WHEN - stays on its way out. WHEN is

    shutdown   threading waits for a thread that sleeps in `not_a_daemon`; another one sleeps in `daemon`
    atexit     in `at_exit`, a callback of atexit; another thread sleeps in `daemon`
    modules    in `__del__`, called while modules are torn down
    over       after Py_Finalize, in exit()
"""
import atexit
import ctypes
import sys
import threading
import time


def ready():
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def daemon():
    time.sleep(100000)


def not_a_daemon():
    ready()
    time.sleep(100000)


def at_exit():
    ready()
    time.sleep(100000)


class Last(object):
    def __init__(self):
        self.write, self.sleep = __import__("os").write, time.sleep  # globals are gone by then

    def __del__(self):
        self.write(1, b"ready\n")
        self.sleep(100000)


def over():
    """What exit() calls, without Python: it writes, then it pauses; the last that is registered comes first."""
    libc = ctypes.CDLL(None)
    libc.__cxa_atexit(libc.pause, None, None)
    libc.strdup.restype = ctypes.c_void_p
    libc.__cxa_atexit(libc.puts, ctypes.c_void_p(libc.strdup(b"ready")), None)
    libc.__cxa_atexit(libc.setlinebuf, ctypes.c_void_p.in_dll(libc, "stdout"), None)


if sys.argv[1] in ("shutdown", "atexit"):
    thread = threading.Thread(target=daemon)
    thread.daemon = True
    thread.start()
if sys.argv[1] == "shutdown":
    threading.Thread(target=not_a_daemon).start()
elif sys.argv[1] == "atexit":
    atexit.register(at_exit)
elif sys.argv[1] == "modules":
    last = Last()
else:
    over()
