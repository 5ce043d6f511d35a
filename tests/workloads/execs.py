# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""execs.py COUNT - becomes another program COUNT times, each time after almost nothing.

Must show: at its end `<module>;last`, for 0.3 s of CPU.
"""
import os
import sys

try:
    from time import thread_time as cpu_time
except ImportError:  # to 3.6; the process has but one thread
    try:
        from time import process_time as cpu_time
    except ImportError:
        from time import clock as cpu_time


def last():
    end = cpu_time() + 0.3  # the clock has gone on through every exec
    while cpu_time() < end:
        pass


left = int(sys.argv[1])
if left:
    os.execv(sys.executable, [sys.executable, "-S", "-E", sys.argv[0], str(left - 1)])
last()
sys.stdout.write("done\n")
