# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""headless.py - its main thread ends by pthread_exit(), a zombie since; the process lives on in a thread in `survivor`."""
import ctypes
import sys
import threading
import time


def survivor():
    time.sleep(0.3)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    time.sleep(100000)


threading.Thread(target=survivor).start()
ctypes.CDLL(None).pthread_exit(None)
