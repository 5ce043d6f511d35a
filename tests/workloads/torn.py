# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""torn.py TRUTH - calls and returns as fast as CPython can.

Must show: `<module>;run;caller`, then hot_a and perhaps leaf_a, or hot_b and
perhaps leaf_b, or neither. Never leaf_a under hot_b.
"""
import sys

import truth


def leaf_a(x):
    return x + 1


def leaf_b(x):
    return x - 1


def hot_a(x):
    leaf_a(x)
    return leaf_a(x)


def hot_b(x):
    leaf_b(x)

    return leaf_b(x)


def caller():
    for x in range(100):
        hot_a(x)
        hot_b(x)


def finish():
    truth.write(sys.argv[1])
    truth.ready()


truth.run(caller, finish)
