# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python -m stacktrace --demo: what this package shows, on a thread of its own."""

import argparse
import random
import signal
import sqlite3
import sys
import threading
import time
import zlib

from . import __version__, print_stack, print_thread_stack
from .tools import Profiler

PROFILED_SECONDS = 1.0
ROWS_SHOWN = 12


class Worker(object):
    """A thread that compresses, sorts, and asks a database, which calls back, for the time of a ``with``."""

    def __init__(self) -> None:
        numbers = random.Random(6)
        self._numbers = [numbers.random() for _ in range(20000)]
        self._data = bytes(bytearray(numbers.randrange(64) for _ in range(200000)))
        self._is_over = False
        self._rests = threading.Event()
        self._goes_on = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        database = sqlite3.connect(":memory:")
        database.create_function("weight", 1, self.weight)
        while not self._is_over:
            self.query(database)
            self.compress()
            self.sort()

    def query(self, database: sqlite3.Connection) -> None:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT sum(weight(i)) FROM n"
        ).fetchone()

    def compress(self) -> None:
        zlib.compress(self._data)

    def sort(self) -> None:
        sorted(self._numbers, key=self.weight)

    def weight(self, number: float) -> float:
        if not self._goes_on.is_set():
            self._rests.set()
            self._goes_on.wait()
        return -number

    def wait_for_rest(self) -> None:
        """Until it waits in the function that the database calls."""
        self._rests.wait()
        time.sleep(0.05)

    def go_on(self) -> None:
        self._goes_on.set()

    @property
    def ident(self) -> int:
        return self._thread.ident or 0

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over = True
        self.go_on()
        self._thread.join()


def say(text: str) -> None:
    print("\n" + text + "\n")


def demo() -> None:
    print(
        "A thread asks SQLite, which calls back into Python; there it waits, for now.\n"
        "Innermost frames come first. [PY] is what runs Python code."
    )
    with Worker() as worker:
        worker.wait_for_rest()
        show_stacks(worker.ident)
        say("Now it goes on, and also compresses with zlib and sorts a list by a key function.")
        worker.go_on()
        show_profile(worker.ident, "The C functions that it is in", show_python=False)
        show_profile(worker.ident, "Python's, too", show_python=False, python_frames=True)
    say("And this thread, print_stack(python_frames=True):")
    print_stack(python_frames=True)


def show_stacks(tid: int) -> None:
    calls = [
        ("its C stack", "", {}),
        ("the interpreter's frames are skipped", ", show_python=False", {"show_python": False}),
        ("with Python's frames, each before the C frame that executes it", ", python_frames=True", {"python_frames": True}),
        (
            "Python's frames in place of the interpreter's",
            ", show_python=False, python_frames=True",
            {"show_python": False, "python_frames": True},
        ),
    ]
    for title, arguments, options in calls:
        say("print_thread_stack(tid%s): %s." % (arguments, title))
        print_thread_stack(tid, **options)  # type: ignore


def show_profile(tid: int, title: str, **options: bool) -> None:
    say("Profiler(tid, interval=0.005%s) for %g s. %s, by how often they were on the stack:" % (
        "".join(", %s=%s" % option for option in sorted(options.items())), PROFILED_SECONDS, title))
    with Profiler(tid, interval=0.005, **options) as profiler:
        time.sleep(PROFILED_SECONDS)
    rows = profiler.get_sorted()
    for _, row in rows[:ROWS_SHOWN]:
        print("%6d  %s" % (row["count"], row["name"]))
    if len(rows) > ROWS_SHOWN:
        print("        and %d more" % (len(rows) - ROWS_SHOWN))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stacktrace",
        description="C stacks of the threads of this process, seen from Python. "
        "A library: see help(stacktrace), help(stacktrace.get_thread_stack), help(stacktrace.tools).",
    )
    parser.add_argument("--demo", action="store_true", help="show it on a thread that works; takes two seconds")
    parser.add_argument("--version", action="version", version="stacktrace " + __version__)
    if parser.parse_args().demo:
        if sys.stdout is None:
            sys.exit("python -m stacktrace: standard output is closed")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough ends this as any other command
        demo()
    else:
        parser.print_help()


if __name__ == "__main__":
    main()
