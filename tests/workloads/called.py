# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""called.py NAME [SECONDS [BUSY]] - a function of that name works for so long, or for ever, for this share of the time.

Must show: in every sample `NAME` under `main` under `<module>`.
"""
import sys
import time

END = time.time() + float(sys.argv[2]) if len(sys.argv) > 2 and float(sys.argv[2]) else None
BUSY = float(sys.argv[3]) if len(sys.argv) > 3 else 1


def called():
    if BUSY < 1:
        time.sleep(0.01 * (1 - BUSY))
    until = time.time() + 0.01 * BUSY
    while time.time() < until:
        for i in range(50):
            i * i


called.__code__ = called.__code__.replace(co_name=sys.argv[1], **(
    {"co_qualname": sys.argv[1]} if sys.version_info >= (3, 11) else {}))


def main():
    print("ready", flush=True)
    while not END or time.time() < END:
        called()


main()
