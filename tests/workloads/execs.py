# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""execs.py COUNT - becomes another program COUNT times, each time after almost nothing.

Must show: at its end `<module>;last`, for 0.3 s of CPU.
"""
import os
import sys
from time import thread_time


def last():
    end = thread_time() + 0.3  # the clock has gone on through every exec
    while thread_time() < end:
        pass


left = int(sys.argv[1])
if left:
    os.execv(sys.executable, [sys.executable, "-S", "-E", sys.argv[0], str(left - 1)])
last()
print("done", flush=True)
