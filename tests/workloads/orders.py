# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What CPython itself says of the order in which a program's Python and C call each other.

start() notes each stack that Python has from then on, write() puts the noted ones
into a file, one a line, outermost frame first, TABs between frames, each `HOW
QUALNAME (FILE)`. HOW is how this frame was called:

    =            by the Python frame before it, with no C code between
    c            by C code of the interpreter
    c:x,y        by C code of file y, which file x called, which the Python frame
                 before called; the interpreter's may be anywhere between
    g            as =, or as c: a generator, while it is made and when it runs
    ?            not known: not a function of ours
    ^            it is the first frame

A line that ends in `HOW -` says what C code the frame before calls that calls no Python.
"""
import gc
import sys

import truth

gc.disable()
stacks = set()  # of codes


def files(*names):
    """HOW by these files, but for modules that are built into the interpreter."""
    modules = ("_asyncio", "_hashlib", "_json", "zlib")
    apart = [name for name in names if name not in modules or getattr(__import__(name), "__file__", None)]
    return "c:" + ",".join(apart) if apart else "c"


def note(frame, event, _arg):
    if event == "call":
        stack = []
        while frame:
            stack.append(frame.f_code)
            frame = frame.f_back
        stacks.add(tuple(reversed(stack)))


def start():
    sys.setprofile(note)


def stop():
    sys.setprofile(None)


def write(path, ours, how, leaves):
    """ours: files whose functions are called by =, but for those in how, by their qualified names."""

    def text(code, first):
        calls = "^" if first else how.get(code.co_qualname, "=") if code.co_filename in ours else "?"
        return f"{calls} {truth.clean(code.co_qualname)} ({truth.clean(code.co_filename)})"

    rows = set()
    for stack in stacks:
        row = ""
        for code in stack:
            row += "\t" * bool(row) + text(code, not row)
            if code.co_name in leaves:
                rows.add(f"{row}\t{leaves[code.co_name]} -\n")
        rows.add(f"{row}\n")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(sorted(rows))
