# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which functions a thread is in, by counting."""

import os.path
import threading
from typing import Any, Dict, List, Tuple

from ..utils import PythonEntry, StackEntry, printable
from .timer import Timer

# Of a program that makes functions all the time a profile must not grow for good: a row is half a KiB.
_ROWS_MAX = 65536
_OTHERS = (0, "[other functions]")


class Profiler(object):
    """Counts the functions on a thread's stack at a given rate.

    A function is counted once for each of its frames, so recursion counts
    each level. Frames of the interpreter (``is_python``) are not counted;
    with ``python_frames=True`` Python's own functions are.

    Parameters
    ----------
    tid : int
        Which thread, as ``threading.get_ident()`` names it.
    **kwargs
        ``interval``, ``maxdepth``, ``show_python`` and ``python_frames``, as
        of ``stacktrace.tools.Timer``.

    Examples
    --------
    >>> with Profiler(threading.get_ident(), interval=0.01) as profiler:
    ...     work()
    >>> for start, row in profiler.get_sorted()[:3]:
    ...     print(row['count'], row['name'])
    """

    def __init__(self, tid: int, **kwargs: Any) -> None:
        self._timer = Timer(tid, self._add, **kwargs)
        self._profile = {}  # type: Dict[int, Dict[str, Any]]
        self._rows = {}  # type: Dict[Tuple[int, str], Dict[str, Any]]
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to count. A profiler can be started once."""
        self._timer.start()

    def join(self) -> None:
        """End, and wait until nothing is counted any more."""
        self._timer.join()

    def get_result(self) -> Dict[int, Dict[str, Any]]:
        """What was counted, by function.

        Returns
        -------
        dict
            The key is the address at which the function starts (int), the
            value a dict of two: ``'count'``, how many frames of it were seen
            (int), and ``'name'`` (str). A function that came to an address
            where another had been counted before has a key of its own, below
            0. After 65,536 functions the others are counted as one,
            ``'[other functions]'``.

            It is the dict that is counted into: walk through it after
            ``join()``, or through a copy.
        """
        return self._profile

    def get_sorted(self) -> List[Tuple[int, Dict[str, Any]]]:
        """The items of ``get_result()``, highest count first.

        Returns
        -------
        list of (int, dict)
        """
        with self._lock:
            return sorted(self._profile.items(), key=lambda item: item[1]["count"], reverse=True)

    def _add(self, entries: List[StackEntry]) -> None:
        with self._lock:
            for entry in entries:
                if isinstance(entry, PythonEntry):
                    self._count(entry, printable("%s (%s)" % (entry.name, os.path.basename(entry.filename))))
                elif not entry.is_python:
                    self._count(entry, entry.name)

    def _count(self, entry: StackEntry, name: str) -> None:
        start = entry.addr - entry.offset
        row = self._rows.get((start, name))
        if row is None:
            row = self._row_of_new(start, name)
        row["count"] += 1

    def _row_of_new(self, start: int, name: str) -> Dict[str, Any]:
        if len(self._rows) >= _ROWS_MAX:
            start, name = _OTHERS
        row = self._rows.get((start, name))
        if row is None:
            # What is freed leaves its address to others: code objects do, and libraries.
            key = start if start not in self._profile else -len(self._rows)
            row = self._rows[start, name] = self._profile[key] = {"count": 0, "name": name}
        return row

    def __enter__(self) -> "Profiler":
        self.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.join()
