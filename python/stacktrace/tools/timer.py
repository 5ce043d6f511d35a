# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thread that looks at another at a given rate."""

import math
import threading
import time
from typing import Any, Callable, List

from .._stacktrace import sleeper, trace_at, wake
from ..basic import DEFAULT_MAXDEPTH
from ..utils import PythonEntry, StackEntry, arrange


class Timer(object):
    """Calls a function with a thread's stack, again and again, from a thread of its own.

    Parameters
    ----------
    tid : int
        Which thread, as ``threading.get_ident()`` names it.
    func : callable
        Is called with each stack, a list of ``StackEntry``. When it raises,
        that is reported as any thread's exception, and the timer ends.
    interval : float
        Seconds from one look to the next; at most so many looks are made:
        what a look and ``func`` take does not make the rate lower, and looks
        that are late are left out. By default 1/20, that is 20 Hz.
    maxdepth, show_python, python_frames
        As of ``stacktrace.get_thread_stack()``.

    Notes
    -----
    When the target thread has ended, ``func`` goes on being called, with
    ``[]``, until ``join()``; and if a new thread gets the same ident, which
    the system may give it, with that one's stacks.

    The timer's thread is a daemon: it keeps no program from ending. A timer
    can be started once.

    Examples
    --------
    >>> with Timer(thread.ident, print, interval=0.1):
    ...     thread.join()
    """

    def __init__(
        self,
        tid: int,
        func: Callable[[List[StackEntry]], Any],
        interval: float = 1 / 20,
        maxdepth: int = DEFAULT_MAXDEPTH,
        show_python: bool = True,
        *,
        python_frames: bool = False
    ) -> None:
        if interval < 0:
            raise ValueError("interval must be 0 seconds or more")
        self._tid = tid
        self._func = func
        self._interval = interval
        self._maxdepth = maxdepth
        self._show_python = show_python
        self._python_frames = python_frames
        self._sleeper = sleeper()
        self._thread = threading.Thread(target=self._run, name="stacktrace.Timer", daemon=True)

    def start(self) -> None:
        """Begin. The first look is at once.

        Raises
        ------
        RuntimeError
            If it was started before.
        """
        self._thread.start()

    def join(self) -> None:
        """End, and wait until ``func`` is not called any more. May be called again.

        Called by ``func`` itself, it does not wait: that call is the last.

        Raises
        ------
        RuntimeError
            If it was not started.
        """
        wake(self._sleeper)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            entries = trace_at(
                due, self._sleeper, self._tid, self._maxdepth, self._python_frames, StackEntry, PythonEntry
            )
            if entries is None:
                break
            self._func(arrange(entries, self._show_python, self._python_frames))
            due = self._next(due, time.monotonic())

    def _next(self, due: float, now: float) -> float:
        """When the next look is due: at the first time after now that is a number of intervals after the last."""
        if not self._interval:
            return now
        return due + self._interval * max(1, math.ceil((now - due) / self._interval))

    def __enter__(self) -> "Timer":
        self.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.join()
