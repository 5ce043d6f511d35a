# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thread that looks at another at a given rate."""

import threading
import time
from typing import Any, Callable, List

from ..basic import DEFAULT_MAXDEPTH, get_thread_stack
from ..utils import StackEntry


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
        self._is_over = threading.Event()
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
        self._is_over.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._is_over.is_set():
            self._func(
                get_thread_stack(self._tid, self._maxdepth, self._show_python, python_frames=self._python_frames)
            )
            now = time.monotonic()
            due += self._interval
            if due < now and self._interval:
                due += self._interval * ((now - due) // self._interval + 1)
            self._is_over.wait(max(0, due - now))

    def __enter__(self) -> "Timer":
        self.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.join()
