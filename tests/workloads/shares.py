# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""shares.py TOTALS - four functions that know how much CPU each of them used.

Must show: each function as often as its share of the CPU time in TOTALS, which
always holds lines `NAME NANOSECONDS` of this thread's CPU clock.
"""
import os
import random
import sys

try:
    from time import thread_time as cpu_time
except ImportError:  # to 3.6; the process has but one thread
    try:
        from time import process_time as cpu_time
    except ImportError:
        from time import clock as cpu_time

import truth


def half(until):
    while cpu_time() < until:
        for i in range(50):
            i * i


def quarter(until):
    while cpu_time() < until:
        sum(range(2000))


def sixth(until):
    while cpu_time() < until:
        sorted(range(300), key=lambda x: -x)


def twelfth(until):
    while cpu_time() < until:
        [str(i) for i in range(20)]


FUNCTIONS = [(half, 6), (quarter, 3), (sixth, 2), (twelfth, 1)]
totals = dict.fromkeys((function.__name__ for function, _ in FUNCTIONS), 0)


def forever():
    out = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
    first = True
    while True:
        piece = random.uniform(0.0005, 0.0015)  # out of step with any sampling clock
        for function, parts in FUNCTIONS:
            before = cpu_time()
            function(before + parts * piece)
            totals[function.__name__] += int((cpu_time() - before) * 1e9)
        os.lseek(out, 0, os.SEEK_SET)
        os.write(out, "".join("%s %020d\n" % total for total in totals.items()).encode("ascii"))
        if first:
            truth.ready()
            first = False


forever()
