# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""depth.py DEPTH COUNTER: works for ever, DEPTH Python frames deep.

The stack: <module>, then DEPTH - 2 functions, each of its own code object in a
file of its own, as layers of a real program are, then `work`. Nearly all time
is spent in `work`; each of its calls adds one to the 64-bit number at the start
of the file COUNTER. The lowest layers call in loops, so that stacks change
near their leaf, and now and then everything returns to the top.
"""
import mmap
import sys

depth = int(sys.argv[1])

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


LAYER = '''

def layer_{index}(request, table, limit=1 << 30):
    """Layer {index}: passes a request on, {times} times, and looks at what comes back."""
    answer = 0
    for turn in range({times}):
        part = {below}(request + turn, table)
        if part > limit:
            raise ValueError("layer {index}: too much: %d" % part)
        answer += part
    return answer
'''

LOOPING_LAYERS = 3
below = "work"
names = {"work": work}
for index in range(depth - 2, 0, -1):
    times = 4 if index > depth - 2 - LOOPING_LAYERS else 1
    source = LAYER.format(index=index, times=times, below=below)
    exec(compile(source, f"/srv/app/layer_{index}.py", "exec"), names)
    below = f"layer_{index}"

top = names[below]
table = {}
sys.setrecursionlimit(depth + 200)
while True:
    top(1, table)
