# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What gdb says of the same threads."""

import ctypes
import os
import select
import shutil
import subprocess

import pytest

import elf
from stacktrace import get_thread_stack
from standing import Standing, libc, parked

pytestmark = [
    pytest.mark.skipif(not shutil.which("gdb"), reason="there is no gdb"),
    pytest.mark.skipif(bool(os.environ.get("STACKTRACE_QUICK")), reason="gdb takes half a minute to look at ASan"),
]

# Frames that gdb infers, of inlined functions and tail calls, are none.
SCRIPT = """
import gdb
for thread in gdb.selected_inferior().threads():
    if thread.ptid[1] == %d:
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None and frame.pc():
            if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
                print("frame %%x %%s" %% (frame.pc(), frame.name()))
            frame = frame.older()
"""


def backtrace(tid, directory):
    """[(address, name)] of a thread of this process, innermost first."""
    libc.prctl(0x59616D61, ctypes.c_ulong(2 ** 64 - 1), 0, 0, 0)  # PR_SET_PTRACER: anyone
    script = directory / "backtrace.py"
    script.write_text(SCRIPT % tid)
    command = ["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set backtrace past-main on",
               "-p", str(os.getpid()), "-x", str(script)]
    # Without what is meant for the Python under test: its modules, and a sanitizer that is preloaded.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_"))}
    gdb = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    try:
        output = gdb.communicate(timeout=60)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        gdb.kill()
        gdb.communicate()
        pytest.skip("gdb takes longer than a minute")
    rows = [line.split() for line in output.splitlines() if line.startswith("frame ")]
    if not rows:
        pytest.skip("gdb cannot look at this process: " + output[-300:])
    return [(int(row[1], 16), row[2]) for row in rows]


def of_lock():
    return parked()


def of_select():
    r, w = os.pipe()
    return Standing(lambda: select.select([r], [], []), lambda: os.write(w, b"x"))


def of_callbacks():
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def sort(levels, wait):
        if not levels:
            return wait() or 0
        function = compare(lambda a, b: sort(levels - 1, wait))
        libc.qsort((ctypes.c_int * 2)(1, 2), ctypes.c_size_t(2), ctypes.c_size_t(4), function)
        return 0

    return parked(lambda wait: sort(5, wait))


def of_sorted():
    return parked(lambda wait: max([0], key=lambda _: sorted([0], key=lambda _: wait() or 0)))


@pytest.mark.parametrize("place", [of_lock, of_select, of_callbacks, of_sorted])
def test_gdb_sees_the_same_stack(place, tmp_path):
    with place() as target:
        stack = get_thread_stack(target.ident, 10 ** 6)
        truth = backtrace(target.tid, tmp_path)
        files = elf.Files()
    # A system call that is to be restarted begins at its own instruction, two bytes before where gdb sees it stand.
    assert truth[0][0] - stack[0].addr in (0, 2)
    assert [entry.addr for entry in stack[1:]] == [address for address, _ in truth[1:]], (stack, truth)
    agreed = 0
    for entry, (_, name) in zip(stack, truth):
        aliases, _ = files.names_at(entry.addr - entry.offset)
        if aliases and name != "None":
            assert elf.plain(name) in aliases | {entry.name}, (str(entry), name, aliases)
            agreed += 1
    assert agreed > 5
