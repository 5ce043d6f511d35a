# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What CPython itself says of the order in which a program's Python and C call each other.

start() notes each stack that Python has from then on, write() puts the noted ones
into a file, one a line, outermost frame first, TABs between frames, each `HOW
QUALNAME (FILE)`. HOW is how this frame was called:

    =            by the Python frame before it, with no C code between
    i            by the Python frame before it, through the interpreter's own C code
                 alone: so is every call of Python by Python before 3.11
    c            by C code of the interpreter
    c:x,y        by C code of file y, which file x called, which the Python frame
                 before called; the interpreter's may be anywhere between
    g            as =, or as c: a generator, while it is made and when it runs
    ?            not known: not a function of ours
    ^            it is the first frame

A line that ends in `HOW -` says what C code the frame before calls that calls no Python.
"""
import ctypes
import gc
import os
import sys

import truth

gc.disable()
# 3.11, which brought qualified names too, was the first to call Python out of Python without its own C code.
PLAIN_CALL = "=" if hasattr(truth.run.__code__, "co_qualname") else "i"
stacks = set()  # of codes


def loaded():
    """The file names that the dynamic linker has; the roots of the tests have no /proc."""
    names = set()

    def note_name(info, _size, _data):
        names.add(os.path.basename(ctypes.cast(info[1], ctypes.c_char_p).value.decode("utf-8")))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(callback(note_name), None)
    return names


def is_file(file, name):
    """`_ctypes` is `_ctypes.so`, and not `_ctypes_test.so`."""
    return file.startswith(name) and file[len(name) :][:1] != "_" and not file[len(name) :][:1].isalpha()


def files(*names):
    """HOW by these files, but for those that are part of another one here: modules of the interpreter, libffi of _ctypes."""
    for name in names:
        if not name.startswith("lib"):
            __import__(name)
    found = loaded()
    apart = []
    for name in names:
        if any(is_file(file, name) for file in found) and apart[-1:] != [name]:
            apart.append(name)
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
    """ours: files whose functions are called plainly, but for those in how, by their qualified names."""
    how = {truth.name_as(name): calls for name, calls in how.items()}

    def text(code, first):
        known = how.get(truth.name_of(code), PLAIN_CALL) if code.co_filename in ours else "?"
        calls = "^" if first else known
        return u"%s %s (%s)" % (calls, truth.clean(truth.name_of(code)), truth.clean(code.co_filename))

    rows = set()
    for stack in stacks:
        row = u""
        for code in stack:
            row += u"\t" * bool(row) + text(code, not row)
            if code.co_name in leaves:
                rows.add(u"%s\t%s -\n" % (row, leaves[code.co_name]))
        rows.add(row + u"\n")
    truth.write_lines(path, rows)
