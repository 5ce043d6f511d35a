# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that want the GIL all the time, for tests that look who has it:

    busy IDENT        a thread that does nothing but run
    end

While it waits for the first line of its input, nobody runs; then all of them do, and do not end by themselves.
"""
import sys
import threading

started = []


def spin(go):
    started.append(1)
    go.wait()
    while True:
        pass


go = threading.Event()
for _ in range(2):
    thread = threading.Thread(target=spin, args=(go,))
    thread.daemon = True
    thread.start()
    sys.stdout.write("busy %s\n" % hex(thread.ident).rstrip("L"))
sys.stdout.write("end\n")
sys.stdout.flush()
sys.stdin.readline()
go.set()
sys.stdout.write("busy\n")
sys.stdout.flush()
sys.stdin.readline()
