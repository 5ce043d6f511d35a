# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""forks.py COUNT [SECONDS] - many processes, each busy for a moment every two seconds.

Must show: `<module>;child;work` or a part of it, in COUNT processes. The children
end with their parent, which ends after SECONDS if that is given.
"""
import os
import sys
import time


def work():
    total = 0
    for i in range(20000):
        total += i
    return total


def child(parent):
    while os.getppid() == parent:
        work()

        time.sleep(2)
    os._exit(0)


me = os.getpid()
for _ in range(int(sys.argv[1])):
    if not os.fork():
        child(me)
print("ready", flush=True)
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 3600)
