# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""reuse.py - code objects that live for 2 ms, at addresses used again and again.

Must show: `made_N_L (/made/N/L.py:LINE)` with LINE from L + 1 to L + 4, called by
`<module> (/made/N/L.py:L+6)`: a name, file or line of another code object does
not add up within its own text.
"""
import gc
import itertools
import sys
import time

import truth

TEMPLATE = """{newlines}def made_{n}_{line}():
    end = clock() + 0.002
    while clock() < end:
        for i in range(20):
            i + i

made_{n}_{line}()
"""

addresses = {}
clock = getattr(time, "perf_counter", time.time)
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)


def live_and_die(n):
    line = 1 + n * 7 % 90
    text = TEMPLATE.format(newlines="\n" * (line - 1), n=n, line=line)
    code = compile(text, "/made/%d/%d.py" % (n, line), "exec")
    names = {"clock": clock}
    exec(code, names)
    address = id(names["made_%d_%d" % (n, line)].__code__)
    addresses[address] = addresses.get(address, 0) + 1
    names.clear()  # the function goes, and its code with it


for n in itertools.count():
    if n == 200:
        assert len(addresses) < 50, "the allocator does not use addresses again: this tests nothing"
        truth.ready()
    live_and_die(n)
    # Without a GIL, nobody counts what refers to a code object: only the collector finds that it is free.
    if n % 10 == 9 and not has_gil():
        gc.collect()
