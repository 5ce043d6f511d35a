# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""many.py COUNT - that many threads that wait in `parked`, called by `step` 0 to 4 times. Prints a line IDENT STEPS of each."""
import sys
import threading
import time

lines = []
forever = threading.Lock()
forever.acquire()


def parked():
    forever.acquire()


def step(n):
    if n:
        step(n - 1)
    else:
        parked()


def run(n):
    lines.append("%d %d\n" % (threading.current_thread().ident, n))
    step(n)


threading.stack_size(128 * 1024)
for number in range(int(sys.argv[1])):
    thread = threading.Thread(target=run, args=(number % 5,))
    thread.daemon = True
    thread.start()
while len(lines) < int(sys.argv[1]):
    time.sleep(0.01)
time.sleep(0.2)
sys.stdout.write("".join(lines) + "ready\n")
sys.stdout.flush()
time.sleep(100000)
