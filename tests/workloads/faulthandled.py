# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""faulthandled.py TRUTH SCRIPT ARGUMENT... - another workload, which writes its tracebacks to TRUTH at SIGUSR1. CPython 3."""
import faulthandler
import signal
import sys

faulthandler.register(signal.SIGUSR1, file=open(sys.argv[1], "w"), all_threads=True)
del sys.argv[:2]
with open(sys.argv[0]) as source:
    code = compile(source.read(), sys.argv[0], "exec")
exec(code)
