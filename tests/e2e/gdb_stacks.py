# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gdb_stacks.py - in gdb: writes the first thread's native frames, outermost first, as gdb sees them.
With $GDB_THREADS those of all threads, each under a line `thread<TAB>TID`.

Lines `SYMBOL<TAB>FILE`, into the file that $GDB_STACKS names; `?` for what gdb does
not know. What was inlined, and who was left by a tail call,
has no frame on the stack.
"""
import os

import gdb


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in fields[0].split("-"))
            yield start, end, os.path.basename(fields[5].strip()) if len(fields) > 5 else "?"


def file_at(files, pc):
    return next((name for start, end, name in files if start <= pc < end), "?")


def frames(files):
    frame = gdb.newest_frame()
    while frame:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            yield f"{frame.name() or '?'}\t{file_at(files, frame.pc())}"
        frame = frame.older()


process = gdb.selected_inferior()
mapped = list(mappings(process.pid))
threads = sorted(process.threads(), key=lambda thread: thread.num)
every = "GDB_THREADS" in os.environ
with open(os.environ["GDB_STACKS"], "w", encoding="utf-8") as out:
    for thread in threads if every else threads[:1]:
        thread.switch()
        if every:
            out.write(f"thread\t{thread.ptid[1]}\n")
        out.write("\n".join(reversed(list(frames(mapped)))) + "\n")
