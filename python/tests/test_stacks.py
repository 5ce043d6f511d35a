# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that stand on another stack than their own."""

import sys

import pytest

import child


def on_alternate_stack(kind):
    """Prints names: of C without Python frames, of Python with them."""
    import ctypes
    import mmap
    import os
    import re
    import signal
    import threading

    import standing
    from stacktrace import get_thread_stack
    from standing import libc

    SA_ONSTACK, SA_RESTART = 0x08000000, 0x10000000
    SIZE = 1 << 20
    HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)

    class Stack(ctypes.Structure):
        _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

    class Action(ctypes.Structure):
        _fields_ = [
            ("handler", ctypes.c_void_p),
            ("mask", ctypes.c_ulong * 16),
            ("flags", ctypes.c_int),
            ("restorer", ctypes.c_void_p),
        ]

    memory = mmap.mmap(-1, SIZE)
    view = ctypes.c_char.from_buffer(memory)
    parking = standing.Parking()
    r, w = os.pipe()

    @HANDLER
    def in_python(_):
        parking.wait()

    if kind == "C":
        # getchar() takes no arguments, so it can be a handler; it waits for the pipe.
        os.dup2(r, 0)
        handler, release = ctypes.cast(libc.getchar, ctypes.c_void_p).value, lambda: os.write(w, b"x\n")
    else:
        handler, release = ctypes.cast(in_python, ctypes.c_void_p).value, parking.leave
    action = Action(handler=handler, flags=SA_ONSTACK | SA_RESTART)
    assert libc.sigaction(signal.SIGUSR1, ctypes.byref(action), None) == 0

    def body():
        stack = Stack(ctypes.addressof(view), 0, SIZE)
        assert libc.sigaltstack(ctypes.byref(stack), None) == 0
        raise_here()
        assert libc.sigaltstack(ctypes.byref(Stack(None, 2, 0)), None) == 0

    def raise_here():
        libc["raise"](signal.SIGUSR1)

    with standing.Standing(body, release) as target:
        native = [entry.name for entry in get_thread_stack(target.ident, 10 ** 6)]
        mixed = [entry.name.split(".")[-1] for entry in get_thread_stack(target.ident, 10 ** 6, python_frames=True)]
    raised = [i for i, name in enumerate(native) if re.search("raise|gsignal|pthread_kill", name)]
    assert raised, native
    evals = [i for i, name in enumerate(native) if "EvalFrame" in name]
    assert evals[-1] > raised[-1], native
    wanted = ["raise_here", "body", "_run", "run", "_bootstrap_inner", "_bootstrap"]
    if kind == "C":
        assert "read" in " ".join(native[: raised[0]]), native
        assert evals[0] > raised[0], native
    else:
        assert evals[0] < raised[0], native
        wanted = ["wait", "in_python"] + wanted
    assert [name for name in mixed if name in wanted and name != "raise"] == wanted, mixed
    assert get_thread_stack(threading.get_ident())
    print("done")


def test_a_handler_in_c_on_an_alternate_stack_shows_both_stacks():
    assert child.run(on_alternate_stack, "C") == "done\n"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python lets nobody call it on a stack that it does not know")
def test_a_handler_in_python_on_an_alternate_stack_shows_both_stacks():
    assert child.run(on_alternate_stack, "Python") == "done\n"


def test_our_own_handler_has_little_need_of_stack():
    """An alternate stack of the least size that there is holds what we put on it, or we do not use it."""

    def small():
        import ctypes
        import mmap

        import standing
        from stacktrace import get_thread_stack
        from standing import libc

        class Stack(ctypes.Structure):
            _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

        SIZE = libc.getauxval(51) or 2048  # AT_MINSIGSTKSZ: what the kernel's part needs
        SIZE += 2048
        memory = mmap.mmap(-1, 1 << 16)
        view = ctypes.c_char.from_buffer(memory)
        parking = standing.Parking()

        def body():
            address = ctypes.addressof(view) + (1 << 15)
            assert libc.sigaltstack(ctypes.byref(Stack(address, 0, SIZE)), None) == 0
            parking.wait()
            assert libc.sigaltstack(ctypes.byref(Stack(None, 2, 0)), None) == 0

        with standing.Standing(body, parking.leave) as target:
            for _ in range(20):
                assert get_thread_stack(target.ident)
                assert get_thread_stack(target.ident, python_frames=True)
        assert memory[: 1 << 15] == b"\0" * (1 << 15)  # nothing was written beneath it
        print("done")

    assert child.run(small) == "done\n"
