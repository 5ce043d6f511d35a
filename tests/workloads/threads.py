# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""threads.py TRUTH COUNT - many threads, each busy for a moment each second.

Must show: `_bootstrap;_bootstrap_inner;run;run;turn;work` or a part of it, and
the main thread asleep.
"""
import sys
import threading
import time

import truth

COUNT = int(sys.argv[2])


def work():
    total = 0
    for i in range(3000):
        total += i
    return total


def turn():
    work()

    time.sleep(1)


def main():
    threading.stack_size(128 * 1024)
    started = threading.Semaphore(0)
    for number in range(COUNT):
        truth.start_thread(truth.run, turn, started.release, number < 3)
    for _ in range(3):
        started.acquire()
    time.sleep(2)  # the last ones are in their first turn
    truth.write(sys.argv[1])
    truth.ready()
    while True:
        time.sleep(3600)


main()
