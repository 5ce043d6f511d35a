# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Several interpreters in one process, for tests that list them:

    interpreter ID    in the order of their making, the main one first; alone where Python code can make no others
    end
"""
import sys


def make():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return __import__(name).create
        except ImportError:
            pass
    return None


kept = [0]  # who forgets the number of one ends it
create = make()
for _ in range(3 if create else 0):
    kept.append(create())
for number in kept:
    sys.stdout.write("interpreter %d\n" % int(number))
sys.stdout.write("end\n")
sys.stdout.flush()
sys.stdin.readline()
