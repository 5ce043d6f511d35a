# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One look at one thread."""

import sys
import threading
from typing import TYPE_CHECKING, Any, List, Optional

from ._stacktrace import trace
from .utils import LOOKAHEAD, PythonEntry, StackEntry, arrange

if TYPE_CHECKING:
    from typing import Protocol

    class SupportsWrite(Protocol):
        def write(self, __text: str) -> object: ...

else:
    SupportsWrite = Any

DEFAULT_MAXDEPTH = 100
DEFAULT_BUFSIZE = 4096

_CALLING_THREAD = 0  # which is no thread's ident


def _get_stack(ident: int, maxdepth: int, show_python: bool, python_frames: bool) -> List[StackEntry]:
    if not isinstance(maxdepth, int) or maxdepth <= 0:
        return trace(ident, maxdepth, python_frames, StackEntry, PythonEntry)  # which is [], or what is wrong
    # More than are asked for, in place of the package's own, and to know what the last ones are.
    entries = trace(ident, maxdepth + len(_OWN_CODE) + LOOKAHEAD, python_frames, StackEntry, PythonEntry)
    if ident == _CALLING_THREAD and python_frames:
        entries = _without_own(entries)
    return arrange(entries, show_python, python_frames, maxdepth)


def _without_own(entries: List[StackEntry]) -> List[StackEntry]:
    """Without the Python frames of the call by which the calling thread asks: the innermost ones."""
    kept = []
    is_own = True
    for entry in entries:
        if is_own and type(entry) is PythonEntry:
            is_own = entry.addr - entry.offset in _OWN_CODE
            if is_own:
                continue
        kept.append(entry)
    return kept


def get_thread_stack(
    tid: int, maxdepth: int = DEFAULT_MAXDEPTH, show_python: bool = True, *, python_frames: bool = False
) -> List[StackEntry]:
    """Get the C stack of a thread of this process.

    Another thread is interrupted by a signal for some microseconds, in which
    it copies its stack, wherever it is: asleep in a system call, inside
    malloc, without the GIL. The system call goes on afterwards, except for
    the few that signal(7) lists as never restarted.

    Parameters
    ----------
    tid : int
        Which thread, as ``threading.get_ident()`` and ``Thread.ident`` name
        it. May be the calling one. (Not the kernel's number of it,
        ``threading.get_native_id()``.)
    maxdepth : int
        How many frames to look at, at most, from the innermost outward and
        before any are left out. With 0 or less the result is empty.
    show_python : bool
        True: all frames as they are. False: the interpreter's own frames,
        those that run Python code, are replaced: the innermost of each run of
        them stays, the others become one entry
        ``<skipped N Python entries>``.
    python_frames : bool
        Whether to add the frames of Python itself, each a ``PythonEntry``
        before the C frame that executes it. With ``show_python=False`` they
        stand for the interpreter's frames, which are left out wholly.
        Of more than 512 of them the innermost come, then an entry
        ``[truncated: python-depth]``. Where it is not known which C frame
        executes which of them they all come first, then an entry
        ``[unmerged]``, then the C frames.

    Returns
    -------
    list of StackEntry
        Tuples ``(addr, name, offset, is_python)``, innermost frame first.
        Empty if there is no such thread, or it did not answer within a
        second: one that is stopped, or blocks all signals, cannot.

    Raises
    ------
    TypeError
        If ``tid`` or ``maxdepth`` is no int; ``Thread.ident`` is None before
        the thread is started.
    OSError
        If this process cannot read ``/proc/self/maps``, or, with
        ``python_frames=True``, if its version of CPython is not known.
    MemoryError
    """
    # As `threading` names it now: gevent puts another function there, and other numbers.
    if tid == threading.get_ident():
        tid = _CALLING_THREAD
    elif tid == _CALLING_THREAD and isinstance(tid, int):
        return []
    return _get_stack(tid, maxdepth, show_python, python_frames)


def print_thread_stack(
    tid: int,
    file: Optional[SupportsWrite] = None,
    maxdepth: int = DEFAULT_MAXDEPTH,
    show_python: bool = True,
    *,
    python_frames: bool = False
) -> None:
    """Print the C stack of a thread of this process, a frame a line, innermost first.

    Parameters
    ----------
    tid : int
        Which thread; see ``get_thread_stack()``, also for what may be raised.
    file : file object
        Where to: anything with ``write(str)``; by default what ``sys.stdout``
        is now, and if that is None, nowhere, as ``print()``.
    maxdepth, show_python, python_frames
        As of ``get_thread_stack()``.

    Notes
    -----
    A line is ``[0xaddress] name +offset``, with `` [PY]`` behind it for what
    ``is_python``; an offset of 0 is left out. Prints nothing for a thread
    that is gone.
    """
    file = sys.stdout if file is None else file
    for entry in get_thread_stack(tid, maxdepth, show_python, python_frames=python_frames):
        print(entry, file=file)


def print_stack(
    file: Optional[SupportsWrite] = None,
    maxdepth: int = DEFAULT_MAXDEPTH,
    show_python: bool = True,
    _bufsize: int = DEFAULT_BUFSIZE,
    *,
    python_frames: bool = False
) -> None:
    """Print the C stack of the calling thread, a frame a line, innermost first.

    Parameters
    ----------
    file : file object
        Where to, as of ``print_thread_stack()``.
    maxdepth, show_python, python_frames
        As of ``get_thread_stack()``, also for what may be raised.
    _bufsize : int
        How many characters to print at most. Lines are printed whole: the
        first that does not fit ends the stack.
    """
    file = sys.stdout if file is None else file
    left = _bufsize
    for entry in _get_stack(_CALLING_THREAD, maxdepth, show_python, python_frames):
        left -= len(str(entry)) + 1
        if left < 0:
            break
        print(entry, file=file)


# The code of what stands between a caller and the trace.
_OWN_CODE = frozenset(
    id(function.__code__) for function in (_get_stack, get_thread_stack, print_thread_stack, print_stack)
)
