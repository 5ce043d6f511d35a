# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The low-level functions of stacktrace 0.1, with the calls they had.

New programs do not need them: ``stacktrace.get_thread_stack()`` gives the same
without text in between. The text is one frame a line,
``0xaddress:name+0xoffset``; ``stacktrace.utils.split()`` reads it.
"""

import ctypes
import threading
from typing import Any

from ._stacktrace import trace
from .utils import PythonEntry, StackEntry

bt_callback = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_size_t)


def _raw_lines(ident: int, maxdepth: int) -> Any:
    for addr, name, offset, _ in trace(ident, maxdepth, False, StackEntry, PythonEntry):
        where = "+0x%x" % offset if offset else ""
        yield ("0x%x:%s%s\n" % (addr, name, where)).encode("utf-8", "replace")


def get_thread_id() -> int:
    """The calling thread's ident, as ``threading.get_ident()``."""
    return threading.get_ident()


def initialize_thread() -> None:
    """Does nothing: there is nothing to set up before the first trace."""


def backtrace_local(out_records: Any, out_record_size: int, maxcount: int) -> int:
    """Write the calling thread's stack into a buffer.

    Parameters
    ----------
    out_records : ctypes array or pointer
        The buffer.
    out_record_size : int
        Its size in bytes. The first line that does not fit, with a zero byte
        behind it, ends the stack.
    maxcount : int
        How many frames at most.

    Returns
    -------
    int
        How many bytes were written, the zero byte not counted.
    """
    text = b""
    for line in _raw_lines(0, maxcount):
        if len(text) + len(line) >= out_record_size:
            break
        text += line
    if out_record_size > 0:
        ctypes.memmove(out_records, text + b"\0", len(text) + 1)
    return len(text)


def backtrace_thread(tid: int, cb: Any, maxdepth: int) -> int:
    """Call ``cb(text, size)`` once with another thread's stack.

    Parameters
    ----------
    tid : int
        The thread's ident; not the calling thread's own.
    cb : bt_callback
        Gets the text as bytes and its size in bytes.
    maxdepth : int
        How many frames at most.

    Returns
    -------
    int
        1, or 0 if there was nothing to call it with: no such thread, or it
        did not answer within a second.
    """
    if tid == threading.get_ident():
        return 0
    text = b"".join(_raw_lines(tid, maxdepth))
    if not text:
        return 0
    cb(text, len(text))
    return 1
