# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""short.py [SECONDS] - about 100 ms of CPU in a function entered at once, then the end.

Must show: `<module>;burn`. Prints the nanoseconds of CPU it measured inside burn.
"""
import sys

try:
    from time import thread_time as cpu_time
except ImportError:  # to 3.6; the process has but one thread
    try:
        from time import process_time as cpu_time
    except ImportError:
        from time import clock as cpu_time


def burn(seconds):
    start = cpu_time()
    while cpu_time() - start < seconds:
        for i in range(100):
            i * i
    return cpu_time() - start


sys.stdout.write("%d\n" % (burn(float(sys.argv[1] if len(sys.argv) > 1 else 0.1)) * 1e9))
