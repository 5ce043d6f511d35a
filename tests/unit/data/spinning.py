# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thread that never holds still, and which code objects it executes, for tests that catch it. For 2.7 and later:

    thread IDENT CODE...     innermost first
    end
"""
from __future__ import print_function

import sys
import threading
import time


def spin(_):
    while True:
        pass


def through_c():
    list(map(spin, [None]))


def chain(frame):
    while frame:
        yield frame
        frame = frame.f_back


def is_spinning(thread):
    frame = sys._current_frames().get(thread.ident)
    return frame and frame.f_code is spin.__code__


def main():
    thread = threading.Thread(target=through_c)
    thread.daemon = True
    thread.start()
    while not is_spinning(thread):
        time.sleep(0.001)
    codes = ["%#x" % id(frame.f_code) for frame in chain(sys._current_frames()[thread.ident])]
    print("thread %#x" % thread.ident, *codes)
    print("end")
    sys.stdout.flush()
    sys.stdin.read()


main()
