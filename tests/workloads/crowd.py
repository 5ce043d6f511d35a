# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""crowd.py TRUTH COUNT - that many threads that call and return as fast as they can.

TRUTH says which frame may stand directly inside of which: a line
`INNER OUTER LINE`, LINE being where OUTER calls INNER, and `LEAF NAME FIRST LAST`
for the lines that NAME itself can be at.
"""
import sys
import threading
import time

COUNT = int(sys.argv[2])
go = threading.Event()


def leaf_a(x):
    return x + 1


def leaf_b(x):
    return x - 1


def hot_a(x):
    leaf_a(x)  # calls leaf_a
    return leaf_a(x)  # calls leaf_a


def hot_b(x):
    leaf_b(x)  # calls leaf_b

    return leaf_b(x)  # calls leaf_b


def odd(n):
    if n:
        even(n - 1)  # calls even
    hot_a(n)  # calls hot_a


def even(n):
    if n:
        odd(n - 1)  # calls odd
    hot_b(n)  # calls hot_b


def caller(n):
    go.wait()
    while True:
        odd(n)  # calls odd
        even(n)  # calls even


def tell():
    with open(__file__) as source:
        lines = source.read().split("\n")
    begin = {}
    name = ""
    with open(sys.argv[1], "w") as out:
        for number, line in enumerate(lines, 1):
            if line.startswith("def "):
                name = line[4:].split("(")[0]
                begin[name] = number
            elif line and not line.startswith(" "):
                name = ""
            if name and line.strip():
                out.write("LEAF %s %d %d\n" % (name, begin[name], number))
            if "  # calls " in line and name != "tell":
                out.write("%s %s %d\n" % (line.split("  # calls ")[1], name, number))


def main():
    threading.stack_size(256 * 1024)
    for number in range(COUNT):
        thread = threading.Thread(target=caller, args=(number % 7,))
        thread.daemon = True
        thread.start()
    tell()
    go.set()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(3600)


main()
