# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""busy_threads.py FILE COUNT - so many threads that all want to run, and what they notice of being looked at.

FILE holds four u64: pieces of work done; the longest time, in ns, in which none of the threads did one; the number of
times that a reader wants the latter to begin anew; how often it did.
"""
import mmap
import struct
import sys
import threading
import time

COUNT = int(sys.argv[2])
with open(sys.argv[1], "wb") as made:
    made.write(bytes(4096))
with open(sys.argv[1], "r+b") as shared:
    words = mmap.mmap(shared.fileno(), 4096)
asked = memoryview(words).cast("Q")


class Progress:
    done = 0
    longest = 0
    begun = 0
    last = time.monotonic_ns()


def piece(depth):
    if depth:
        return piece(depth - 1) + 1
    return sum(range(50))


def work():
    while True:
        piece(10)
        now = time.monotonic_ns()
        gap = now - Progress.last
        Progress.last = now
        Progress.done += 1
        if asked[2] != Progress.begun:
            Progress.begun = asked[2]
            Progress.longest = gap = 0
        if gap > Progress.longest:
            Progress.longest = gap
        asked[0] = Progress.done
        asked[1] = Progress.longest
        asked[3] = Progress.begun


threads = [threading.Thread(target=work, daemon=True) for _ in range(COUNT)]
for thread in threads:
    thread.start()
time.sleep(100000)
