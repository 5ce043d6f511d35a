# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""workload.py SECONDS: main -> once -> work for a quarter of the time, main -> thrice -> work for the rest.

Each line that a stack must show is marked `# at: NAME`.
"""
import sys
import time


def work():
    return sorted(n * n & 255 for n in range(2000))  # at: work


def once():
    return work()  # at: once


def thrice():
    return work(), work(), work()  # at: thrice


def main(end):
    while time.monotonic() < end:
        once()  # at: main_once
        thrice()  # at: main_thrice


main(time.monotonic() + float(sys.argv[1]))
