# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that stand still, and what Pyflame would say of them: on stdout, before `ready`.

    parked.py [spin]	with `spin`, the newest thread runs for ever instead

The truth is what sys._current_frames() says once all of them stand. Runs under
CPython 2.7 and 3.6 or newer.
"""
import sys
import threading
import time

lock = threading.Lock()
lock.acquire()
order = []  # idents, newest first


def sleep_a():
    time.sleep(1000)


def sleep_b():
    for _ in range(2):
        time.sleep(
            1000
        )


def wait_for_lock():
    lock.acquire()


def spin():
    while True:
        pass


def born(target):
    order.insert(0, threading.current_thread().ident)
    target()


def frames_of(frame):
    while frame:
        yield "%s:%s:%d" % (frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno)
        frame = frame.f_back


def stand_still(stacks_before=None):
    """Until no thread's stack has changed for a while."""
    while True:
        stacks = {ident: list(frames_of(frame)) for ident, frame in sys._current_frames().items()}
        stacks.pop(threading.current_thread().ident)
        if stacks == stacks_before:
            return stacks
        stacks_before = stacks
        time.sleep(0.3)


def observe():
    stacks = stand_still()
    sys.stdout.write("\n".join("%d:\n%s\n" % (ident, "\n".join(stacks[ident])) for ident in order if ident in stacks))
    sys.stdout.write("ready\n")
    sys.stdout.flush()


targets = [sleep_a, sleep_b, wait_for_lock]
if sys.argv[1:] == ["spin"]:
    targets.append(spin)
order.append(threading.current_thread().ident)
for target in targets:
    started = len(order)
    thread = threading.Thread(target=born, args=(target,))
    thread.daemon = True
    thread.start()
    while len(order) == started:
        time.sleep(0.01)
threading.Thread(target=observe).start()
time.sleep(1000)
