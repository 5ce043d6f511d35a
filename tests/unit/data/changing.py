# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Containers that never rest, for tests that read them meanwhile:

    changes ADDRESS CHARACTERS   one of which its text begins with
    end

It waits for a line, says "changing", and changes them until it is ended.
"""
import sys

sequence, mapping, members = [], {}, set(range(100))
for container, begin in ((sequence, "["), (mapping, "{"), (members, "s{")):
    sys.stdout.write("changes %s %s\n" % (hex(id(container)).rstrip("L"), begin))
sys.stdout.write("end\n")
sys.stdout.flush()
sys.stdin.readline()
sys.stdout.write("changing\n")
sys.stdout.flush()
number = 0
while True:
    number += 1
    size = number % 50
    sequence[:] = [[number] * size for _ in range(size)]
    mapping.clear()
    for i in range(size):
        mapping["key %d" % i if number % 2 else i] = {"inner": [str(i)] * size}
    members.clear()
    members.update(range(number, number + size))
