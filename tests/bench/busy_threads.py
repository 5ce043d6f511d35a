# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""busy_threads.py FILE COUNT - so many threads that all want to run; FILE is a u64, the pieces of work done so far."""
import mmap
import sys
import threading
import time

COUNT = int(sys.argv[2])
with open(sys.argv[1], "wb") as made:
    made.write(bytes(4096))
with open(sys.argv[1], "r+b") as shared:
    words = mmap.mmap(shared.fileno(), 4096)
done = memoryview(words).cast("Q")
begin = threading.Event()  # else those that are there first keep the others from being started


def piece(depth):
    if depth:
        return piece(depth - 1) + 1
    return sum(range(50))


def work():
    begin.wait()
    while True:
        piece(10)
        done[0] += 1


threads = [threading.Thread(target=work, daemon=True) for _ in range(COUNT)]
for thread in threads:
    thread.start()
begin.set()
time.sleep(100000)
