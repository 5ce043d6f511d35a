# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bystander.py SECONDS - sleeps, maps new libraries, burns 0.3 s of CPU in `burn` and ends.

Must show: nothing at all, when another process is profiled.
"""
import sys
import time


def burn():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass


print("ready", flush=True)
time.sleep(float(sys.argv[1]))
import ctypes  # noqa: E402, F401: maps libffi and an extension module

burn()
