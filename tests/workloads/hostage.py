# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""hostage.py - threads that stand still, and lines `root ADDRESS` of what CPython knows them by, for who wants to spoil it."""
import ctypes
import sys
import threading
import time

ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p
lock = threading.Lock()
lock.acquire()
roots = []


class Thing(object):
    def __init__(self):
        self.name = u"thing"
        self.list = [1, 2.5, None, b"x" * 100, self]


def values(n, thing, *args, **kw):
    text, some, table, number = u"text \u4e2d", {1, 2}, {"k": (1, [2])}, 1 << 100
    frame = sys._getframe()
    roots.extend([ctypes.pythonapi.PyThreadState_Get(), id(frame), id(frame.f_code), id(frame.f_code.co_name)])
    roots.extend(id(x) for x in (text, some, table, number, thing, thing.list, threading.current_thread(), lock))
    del frame
    if n:
        return values(n - 1, thing, n, k=n)
    return sorted([1, 2], key=lambda x: time.sleep(100000) if n == 0 else x)


def waits():
    with lock:
        pass


# A syntax error to 2.7.
ASYNC = """
import asyncio

async def leaf():
    roots.append(id(asyncio.current_task()))
    await asyncio.sleep(100000)

async def main():
    roots.append(id(asyncio.get_running_loop()))
    await asyncio.gather(leaf(), leaf())

asyncio.run(main())
"""


def awaits():
    exec(compile(ASYNC, "<async>", "exec"), {"roots": roots})


targets = [(values, (3, Thing())), (values, (0, Thing())), (waits, ())]
if sys.version_info >= (3, 7):
    targets.append((awaits, ()))
for target, args in targets:
    thread = threading.Thread(target=target, args=args)
    thread.daemon = True
    thread.start()
time.sleep(0.5)
roots.append(ctypes.pythonapi.PyThreadState_Get())
sys.stdout.write("".join("root 0x%x\n" % root for root in sorted(set(roots))) + "ready\n")
sys.stdout.flush()
time.sleep(100000)
