# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""shares.py TOTALS - four functions that know how much CPU each of them used.

Must show: each function as often as its share of the CPU time in TOTALS, which
always holds lines `NAME NANOSECONDS` of this thread's CPU clock.
"""
import os
import random
import sys
from time import thread_time_ns


def half(until):
    while thread_time_ns() < until:
        for i in range(50):
            i * i


def quarter(until):
    while thread_time_ns() < until:
        sum(range(2000))


def sixth(until):
    while thread_time_ns() < until:
        sorted(range(300), key=lambda x: -x)


def twelfth(until):
    while thread_time_ns() < until:
        [str(i) for i in range(20)]


FUNCTIONS = [(half, 6), (quarter, 3), (sixth, 2), (twelfth, 1)]
totals = dict.fromkeys((function.__name__ for function, _ in FUNCTIONS), 0)


def forever():
    out = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
    first = True
    while True:
        slice_ns = random.randrange(500_000, 1_500_000)  # out of step with any sampling clock
        for function, parts in FUNCTIONS:
            before = thread_time_ns()
            function(before + parts * slice_ns)
            totals[function.__name__] += thread_time_ns() - before
        os.pwrite(out, "".join(f"{name} {ns:020d}\n" for name, ns in totals.items()).encode(), 0)
        if first:
            print("ready", flush=True)
            first = False


forever()
