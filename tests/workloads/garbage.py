# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""garbage.py LIBRARY SECONDS - writes garbage over its own thread state, frames and code objects.

Must show: nothing that can be foretold, and the profiler alive. The garbage is
written by garbage.c, which never comes back to the interpreter.
"""
import ctypes
import sys


def address_of_frame(frame):
    """PyFrameObject.f_frame; to 3.10, which have no qualified names either, the object is the frame."""
    apart = hasattr(frame.f_code, "co_qualname")
    return ctypes.c_uint64.from_address(id(frame) + 24).value if apart else id(frame)


def inner(library, seconds):
    areas = [ctypes.pythonapi.PyThreadState_Get()]
    for depth in range(4):
        areas.append(address_of_frame(sys._getframe(depth)))
        areas.append(id(sys._getframe(depth).f_code))
    addresses = (ctypes.c_uint64 * len(areas))(*areas)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    library.write_garbage(addresses, len(areas), 256, ctypes.c_uint64(int(seconds * 1e9)))


def middle(library, seconds):
    inner(library, seconds)


def outer(library, seconds):
    middle(library, seconds)


ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_uint64
outer(ctypes.CDLL(sys.argv[1]), float(sys.argv[2]))
