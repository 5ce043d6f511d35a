# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""subinterpreters.py - two interpreters beside the main one: the first under a thread, the other under the main thread.

Must show: `in_first` and `in_second`, each once, each under the thread that runs it.
"""
import sys
import threading
import time

try:
    import _interpreters
    create, run = _interpreters.create, _interpreters.exec
except ImportError:
    import _xxsubinterpreters
    create, run = _xxsubinterpreters.create, _xxsubinterpreters.run_string

CODE = """
import os
import time

def in_%s():
    os.write(1, b"%s")
    time.sleep(100000)

in_%s()
"""


def under_a_thread():
    run(first, CODE % ("first", "", "first"))


first, second = create(), create()
thread = threading.Thread(target=under_a_thread, name="beside")
thread.daemon = True
thread.start()
time.sleep(0.5)
run(second, CODE % ("second", "ready\\n", "second"))
