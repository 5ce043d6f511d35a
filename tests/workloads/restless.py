# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""restless.py TRUTH - 400 frames deep, and never twice the same stack.

Must show: `<module>;run;body;down;down;...`, on lines that differ from sample to
sample, so that each is new to the profiler and as large as samples get.
"""
import random
import sys

import truth

sys.setrecursionlimit(2000)
DEPTH = 400


def down(depth, bits):
    if not depth:
        return 1
    if bits & 1:
        return down(depth - 1, bits >> 1)

    return down(depth - 1, bits >> 1)


def body():
    # These three meet every pair of lines, so that what is traced once is the whole truth.
    down(DEPTH, 0)
    down(DEPTH, -1)
    down(DEPTH, 0xCCCCCCCC)

    for _ in range(100):
        down(DEPTH, random.getrandbits(DEPTH))


def finish():
    truth.write(sys.argv[1])
    truth.ready()


truth.run(body, finish)
