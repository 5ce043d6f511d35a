# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""signals.py TRUTH - a signal every few milliseconds, whose handler is a Python function.

Must show: work() and what it calls, and under any of these, through C code of the
interpreter, on_signal() and what it calls (orders.py). Never one handler in the other.
"""
import re
import signal
import sys

import orders
import truth

HOW = {"work.<locals>.<lambda>": "c", "on_signal": "c"}


def spin(n):
    total = 0
    for i in range(n):
        total += i & 3
    return total


def in_signal():
    spin(60000)


def on_signal(_number, _frame):
    in_signal()
    spin(60000)
    signal.setitimer(signal.ITIMER_PROF, 0.005)


def work():
    spin(1000)
    [3, 2].sort(key=lambda n: spin(n * 300))
    SLOW.match("a" * 14)


SLOW = re.compile("(?:a?){14}(?:a){14}b")


def finish():
    """A handler runs wherever the interpreter looks for signals, which is in any frame, and in re."""
    orders.stop()
    on, inside = (on_signal.__code__,), (in_signal.__code__,)
    for stack in {stack[:size] for stack in orders.stacks for size in range(1, len(stack) + 1)}:
        for handler in (), inside, (spin.__code__,), inside + (spin.__code__,):
            orders.stacks.add(stack + on + handler)
    orders.write(sys.argv[1], {__file__}, HOW, {})
    signal.signal(signal.SIGPROF, on_signal)
    signal.setitimer(signal.ITIMER_PROF, 0.005)
    truth.ready()


def forever():
    turn = 0
    while True:
        work()
        turn += 1
        if turn == 3:
            orders.start()
        elif turn == 6:
            finish()


forever()
