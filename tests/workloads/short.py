# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""short.py [SECONDS] - about 100 ms of CPU in a function entered at once, then the end.

Must show: `<module>;burn`. Prints the nanoseconds of CPU it measured inside burn.
"""
import sys
from time import thread_time_ns


def burn(ns):
    start = thread_time_ns()
    while thread_time_ns() - start < ns:
        for i in range(100):
            i * i
    return thread_time_ns() - start


print(burn(int(float(sys.argv[1] if len(sys.argv) > 1 else 0.1) * 1e9)), flush=True)
