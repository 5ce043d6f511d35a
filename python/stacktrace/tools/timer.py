# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thread that looks at another at a given rate."""

import atexit
import threading
import time
from typing import Any, Callable, List, Optional, Set

from .._stacktrace import sampler, sampler_dropped, sampler_finish, sampler_start, sampler_stop, sampler_take
from ..basic import DEFAULT_MAXDEPTH
from ..utils import LOOKAHEAD, PythonEntry, StackEntry, arrange

# How long join() goes on with what was seen before it.
_REST_SECONDS = 1.0
# How long the end of an interpreter waits for a call of func.
_EXIT_SECONDS = 0.1

_running = set()  # type: Set[Timer]


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
        that are late are left out. By default 1/20, that is 20 Hz. With 0
        one look follows the other.
    maxdepth, show_python, python_frames
        As of ``stacktrace.get_thread_stack()``.

    Raises
    ------
    TypeError
        If ``tid`` or ``maxdepth`` is no int, or ``interval`` no number.
    ValueError
        If ``interval`` is negative or not finite.

    Notes
    -----
    The looks are made by a thread outside Python, which never waits for the
    GIL; so a thread that keeps it is seen as often as one that does not.
    ``func`` is called when there is the GIL to do so: up to 4096 stacks wait
    for it, of more the oldest are dropped, see ``dropped``.

    When the target thread has ended, ``func`` goes on being called, with
    ``[]``, until ``join()``; and if a new thread gets the same ident, which
    the system may give it, with that one's stacks.

    The timer's thread is a daemon: it keeps no program from ending. A
    sub-interpreter that allows no daemons ends its timers when it ends. A
    timer can be started once. After ``fork()`` the child's copy of one that
    was started is over.

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
        self._func = func
        self._show_python = show_python
        self._python_frames = python_frames
        # Those behind the last one tell what it is; what is no number of frames is refused in there.
        wanted = maxdepth + LOOKAHEAD if isinstance(maxdepth, int) and maxdepth > 0 else maxdepth
        self._maxdepth = maxdepth
        self._sampler = sampler(tid, interval, wanted, python_frames)
        self._until = None  # type: Optional[float]
        self._thread = threading.Thread(target=self._run, name="stacktrace.Timer", daemon=_IS_DAEMON)

    @property
    def dropped(self) -> int:
        """How many stacks were seen of which ``func`` was never called: it, or the way to it, was too slow."""
        return sampler_dropped(self._sampler)

    def start(self) -> None:
        """Begin. The first look is at once.

        Raises
        ------
        RuntimeError
            If it was started before, or no thread can be made.
        """
        self._thread.start()
        try:
            sampler_start(self._sampler)
        except RuntimeError:
            sampler_stop(self._sampler)
            raise

    def join(self) -> None:
        """End, and wait until ``func`` is not called any more. May be called again.

        No look is made any more. With those that were made before ``func``
        is still called, but after one second with no further one.

        Called by ``func`` itself, it does not wait: that call is the last.

        Raises
        ------
        RuntimeError
            If it was not started.
        """
        if self._thread.ident is None:
            raise RuntimeError("cannot join a timer before it is started")
        if self._thread is threading.current_thread():
            self._end(0)
        else:
            self._end(_REST_SECONDS)
            self._thread.join()

    def _end(self, rest_seconds: float) -> None:
        until = time.monotonic() + rest_seconds
        self._until = until if self._until is None else min(until, self._until)
        sampler_stop(self._sampler)

    def _is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def _run(self) -> None:
        _running.add(self)
        try:
            while not self._is_over():
                entries = sampler_take(self._sampler, StackEntry, PythonEntry)
                if entries is None:
                    break
                self._func(arrange(entries, self._show_python, self._python_frames, self._maxdepth))
        finally:
            sampler_finish(self._sampler)
            _running.discard(self)

    def __enter__(self) -> "Timer":
        self.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.join()


def _end_all() -> None:
    """At the end of an interpreter, whose threads may not run on: but not for long, func may take for ever."""
    timers = _running.copy()
    for timer in timers:
        timer._end(0)
    for timer in timers:
        if timer._thread is not threading.current_thread():
            timer._thread.join(_EXIT_SECONDS)


def _are_daemons_allowed() -> bool:
    """Not in some sub-interpreters, since 3.12."""
    try:
        threading.Thread(daemon=True)
    except RuntimeError:
        return False
    return True


_IS_DAEMON = _are_daemons_allowed()
if _IS_DAEMON:
    atexit.register(_end_all)
else:
    # Those of atexit come later: the interpreter waits for its other threads first, and so for ever for ours.
    threading._register_atexit(_end_all)  # type: ignore[attr-defined]
