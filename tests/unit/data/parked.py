# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that keep still, and where, as lines of words, for tests that read the same from memory. For 2.7 and later:

    thread IDENT CODE LINE FRAME...     of each frame, innermost first; FRAME is the address of the frame object
    end
"""
from __future__ import print_function

import sys
import threading
import time


def inner(event):
    event.wait()


def middle(event):
    # Through C and back: another activation of the eval loop.
    list(map(lambda e: inner(e), [event]))


def outer(event):
    yield middle(event)


class Still(object):
    def __init__(self, event):
        for _ in outer(event):
            pass


def recurse(event, depth):
    if depth:
        recurse(event,
                depth - 1)
    else:
        Still(event)


def is_still(frame):
    return frame.f_code.co_name == "wait" and frame.f_back.f_code.co_name == "wait"


def chain(frame):
    while frame:
        yield frame
        frame = frame.f_back


def main():
    event = threading.Event()
    threads = [threading.Thread(target=recurse, args=(event, 20 * i)) for i in range(3)]
    for thread in threads:
        thread.daemon = True
        thread.start()
        while thread.ident not in sys._current_frames() or not is_still(sys._current_frames()[thread.ident]):
            time.sleep(0.001)
    time.sleep(0.01)  # from there to the lock there is no other Python frame
    kept = []  # or a frame object's address would soon be another's
    for thread in threads:
        frames = list(chain(sys._current_frames()[thread.ident]))
        kept.append(frames)
        where = ["%#x %d %#x" % (id(frame.f_code), frame.f_lineno, id(frame)) for frame in frames]
        print("thread %#x" % thread.ident, *where)
    print("end")
    sys.stdout.flush()
    sys.stdin.read()


main()
