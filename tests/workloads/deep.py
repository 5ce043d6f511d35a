# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""deep.py - recursion 1,000 deep, more than a sample holds.

Must show: the innermost 512 frames, all `deep`, under `[truncated: python-depth]`.
"""
import sys

import truth

sys.setrecursionlimit(3000)


def deep(depth):
    if depth:
        return deep(depth - 1)
    truth.ready()
    while True:
        pass


deep(1000)
