# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""own_gils.py - two interpreters that spin at once, in `spin_a` and `spin_b`, each with a GIL of its own. CPython 3.12 or later."""
import sys
import threading
import time

try:
    import _interpreters as interpreters
    create, run = interpreters.create, interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    create, run = lambda: interpreters.create(isolated=True), interpreters.run_string

CODE = """
def spin_%s():
    while True:
        pass

spin_%s()
"""

for name in "ab":
    thread = threading.Thread(target=run, args=(create(), CODE % (name, name)))
    thread.daemon = True
    thread.start()
time.sleep(0.5)
sys.stdout.write("ready\n")
sys.stdout.flush()
time.sleep(100000)
