# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""standing.py TRUTH - threads that stand still, each in its own way, and what CPython itself says of them.

TRUTH gets the threads of sys._current_frames() as Pyflame prints them: IDENT:,
FILE:FUNCTION:LINE innermost first, a blank line between threads; above each a
line `# NAME`. In no particular order.
"""
import functools
import os
import socket
import sys
import threading
import time

forever = threading.Event()
lock = threading.Lock()
lock.acquire()
pair = socket.socketpair()
pipe = os.pipe()


def sleeps():
    time.sleep(100000)


def deep(n):
    if n:
        return deep(n - 1)
    return lock.acquire()


def in_a_key(x):
    return (
        x,
        forever.wait(100000)
    )


def sorts():
    return sorted([1, 2], key=in_a_key)


def yields():
    for i in range(10):
        yield i
        forever.wait(100000)


def generates():
    return sum(
        i * 2
        for i in yields())


def makes_a_class():
    class Body(object):
        x = 1
        y = forever.wait(100000)
    return Body


def executes():
    exec(compile("import time\n\ndef made(x):\n    time.sleep(100000)\n\nmade(1)\n", "<made up>", "exec"), {})


def receives():
    return pair[0].recv(
        10)


def reads():
    return os.read(pipe[0], 1)


class Thing(object):
    def __init__(self):
        self.size = self.method(1, *[2, 3])

    def method(self, *args):
        return [self.finish(x) for x in args]

    def finish(self, x):
        return (lambda: forever.wait(100000))()


def constructs():
    return functools.partial(Thing)()


def dies():
    class Mourned(object):
        def __del__(self):
            forever.wait(100000)
    mourned = Mourned()
    del mourned


def joins():
    first.join()


WAYS = [deep, sorts, generates, makes_a_class, executes, receives, reads, constructs, dies, joins]


def stacks(but):
    names = dict((t.ident, t.name) for t in threading.enumerate())
    texts = {}
    for ident, frame in sys._current_frames().items():
        if ident == but:
            continue
        lines = ["# %s" % names.get(ident, "?"), "%d:" % ident]
        while frame:
            code = frame.f_code
            lines.append("%s:%s:%d" % (code.co_filename, code.co_name, frame.f_lineno))
            frame = frame.f_back
        texts[ident] = "\n".join(lines) + "\n"
    return texts


def tells():
    me = threading.current_thread().ident
    before = {}
    while True:
        now = stacks(me)
        if now == before and len(now) == len(WAYS) + 2:
            break
        before = now
        time.sleep(0.3)
    with open(sys.argv[1] + ".part", "w") as out:
        out.write("\n".join(now.values()))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def start(target, *args):
    thread = threading.Thread(target=target, args=args, name="it " + target.__name__)
    thread.daemon = True
    thread.start()
    return thread


first = start(sleeps)
for way in WAYS:
    start(way, *((20,) if way is deep else ()))
start(tells)
forever.wait(100000)
