# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""depth.py DEPTH COUNTER [KIND CNT]: works for ever, DEPTH Python frames deep.

The stack: <module>, then DEPTH - 2 functions, each of its own code object in a
file of its own, as layers of a real program are, then `work`. Nearly all time
is spent in `work`; each of its calls adds one to the 64-bit number at the start
of the file COUNTER. The lowest layers call in loops, so that stacks change
near their leaf, and now and then everything returns to the top.

KIND says what C code there is between and below, CNT how much of it:
    levels     `work` calls into the library $BENCH_LEVELS (levels.c), which works CNT C functions further down
    callbacks  the innermost CNT calls go through C: functools.reduce, or sum and map, in turn
"""
import functools
import mmap
import os
import sys

depth = int(sys.argv[1])
kind, cnt = (sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else ("python", 0)

with open(sys.argv[2], "r+b") as file:
    done = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")


def work(request, table):
    """About a tenth of a millisecond of what interpreters do all day."""
    total = 0
    for key in range(request, request + 100):
        entry = table.get(key % 97)
        if entry is None:
            entry = [key, str(key)]
            table[key % 97] = entry
        entry[0] = (entry[0] * 31 + key) & 0xFFFF
        total += entry[0] + len(entry[1])
    done[0] += 1
    return total


def work_in_c(request, table):
    total = library.descend(cnt, request)
    done[0] += 1
    return total


LAYER = '''

def layer_{index}(request, table, limit=1 << 30):
    """Layer {index}: passes a request on, {times} times, and looks at what comes back."""
    answer = 0
    for turn in range({times}):
        part = {call}
        if part > limit:
            raise ValueError("layer {index}: too much: %d" % part)
        answer += part
    return answer
'''

CALL = "{below}(request + turn, table)"
CALLS_THROUGH_C = [
    "functools.reduce({below}, (table,), request + turn)",
    "sum(map({below}, (request + turn,), (table,)))",
]


def call_of_layer(index):
    height = depth - 2 - index
    if kind == "callbacks" and height < cnt:
        return CALLS_THROUGH_C[height % len(CALLS_THROUGH_C)]
    return CALL


LOOPING_LAYERS = 3
below = "work"
names = {"work": work, "functools": functools}
if kind == "levels":
    import ctypes

    library = ctypes.PyDLL(os.environ["BENCH_LEVELS"])
    library.descend.argtypes = (ctypes.c_uint32, ctypes.c_uint64)
    names["work"] = work_in_c
for index in range(depth - 2, 0, -1):
    times = 4 if index > depth - 2 - LOOPING_LAYERS else 1
    call = call_of_layer(index).format(below=below)
    source = LAYER.format(index=index, times=times, call=call)
    exec(compile(source, f"/srv/app/layer_{index}.py", "exec"), names)
    below = f"layer_{index}"

top = names[below]
table = {}
sys.setrecursionlimit(depth + 200)
while True:
    top(1, table)
