# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an interpreter says of itself, as lines of words, for tests that read the same from its memory:

    string ADDRESS TEXT                          TEXT is UTF-8 in hexadecimal
    code ADDRESS QUALNAME FILENAME FIRSTLINE     texts likewise
    line ADDRESS OFFSET LINE                     of that code object; 0: none
    thread IDENT CODE...                         innermost first, in a thread that keeps still
    end

Then each line of its standard input makes and drops a code object, answered with another "end"; after the line
"spin" its main thread never gives the GIL away again.
"""
from __future__ import print_function

import argparse
import binascii
import dis
import gc
import sys
import threading
import time

PYTHON_2 = sys.version_info < (3,)


def shown(text):
    if PYTHON_2:
        text = text.decode("utf-8", "replace") if isinstance(text, str) else text
        return binascii.hexlify((text[:4096] + (u"\u2026" if len(text) > 4096 else u"")).encode("utf-8")) or "-"
    text = text.replace("\0", "?")
    cut = text[:4096] + ("\u2026" if len(text) > 4096 else "")
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in cut).encode().hex() or "-"


def path_shown(path):
    """As UTF-8 file systems have it, with the bytes that are none."""
    return shown(path) if PYTHON_2 else path.encode("utf-8", "surrogateescape").hex() or "-"


class Text(str):
    """A subclass's characters are behind a pointer."""


STRINGS = ["", "a", "plain", "na\u00efve", "\u0438\u043c\u044f", "\U0001d523unc \u00e9 \u4e2d", "a\0b", "sur\udc80rogate"]
STRINGS += ["x" * 4096, "y" * 4097, "\u00fc" * 5000, "\u4e2d" * 5000, "\U0001f40d" * 5000]
STRINGS += [Text("derived"), Text("d\u00e9riv\u00e9"), Text("\u0438\u043c\u044f")]
if PYTHON_2:  # bytes, in UTF-8 or not
    STRINGS = ["", "a", "plain", "na\xc3\xafve", "\xe2\x82\xac", "\xf0\x9f\x90\x8d", "\xe9t\xe9", "a\xffb"]
    STRINGS += ["x" * 4096, "y" * 4097, Text("derived")]


def plain(a, b=(1,
                2)):
    total = a
    for i in b:
        total += (i
                  if i > 1
                  else
                  -i)
    return total


def branches(x):
    try:
        with open(x) as f, \
             f:
            return [y for y in f if y
                    .strip()]
    except (OSError,
            ValueError) as error:
        raise RuntimeError(
            "no"
        )
    finally:
        del x


def decorated(function):
    return function


@decorated
@decorated
def backward(x):
    return x(a=1, b=2 if x
             else x(3,
                    4),
             c=x)


MODERN = '''
async def waits(things):
    async for thing in things:
        await thing
    async with things:
        yield {k: v for k, v in
               things}
'''


class Class:
    @property
    def value(self):
        return (lambda: (
            self,
            1,
        ))()

    class Inner:
        def method(self): return super().__repr__()


def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            for inner_code in codes_of(constant):
                yield inner_code


far = {}
exec(compile("\n" * 70000 + "def far(x):\n    return (\n" + "\n" * 300 + "    x)\n",
             "f\xc3\xbcr.py" if PYTHON_2 else "f\u00fcr.py", "exec"), far)
if not PYTHON_2:
    exec(compile(MODERN, "modern.py", "exec"), far)
CODES = [code for f in (plain, branches, backward, far.get("waits"), Class.value.fget, Class.Inner.method, far["far"])
         if f for code in codes_of(f.__code__)]
if sys.version_info >= (3, 8):
    for name in ("ascii", "na\u00efve", "\u0438\u043c\u044f", "\U0001d523unc", "sur\udc80"):
        names = {"co_name": name, "co_filename": "/" + name + ".py"}
        if sys.version_info >= (3, 11):
            names["co_qualname"] = "q." + name
        CODES.append(plain.__code__.replace(**names))
with open(argparse.__file__.replace(".pyc", ".py")) as source:  # something large that all versions have
    CODES += codes_of(compile(source.read(), "argparse.py", "exec"))
CODES.append(compile("x = 1\nif x:\n    y = [z for z in 'a']\n", "<module>", "exec"))


def lines_of(code):
    """The line of each code unit (2 bytes; in 2.7, whose instructions have any length, of each byte), and its offset."""
    if sys.version_info >= (3, 11):
        return [(2 * i, position[0] or 0) for i, position in enumerate(code.co_positions())]
    if sys.version_info >= (3, 10):
        return [(at, line or 0) for begin, end, line in code.co_lines() for at in range(begin, end, 2)]
    starts = dict(dis.findlinestarts(code))
    lines, line = [], code.co_firstlineno
    for at in range(len(code.co_code)):
        line = starts.get(at, line)
        lines.append((at, line))
    return lines


def inner(event, ready):
    ready.set()
    event.wait()


def middle(event, ready):
    # Through C and back: another activation of the eval loop.
    list(map(lambda e: inner(e, ready), [event]))


def outer(event, ready):
    yield middle(event, ready)


def still(event, ready):
    for _ in outer(event, ready):
        pass


def chain(frame):
    while frame:
        yield frame.f_code
        frame = frame.f_back


def main():
    event, ready = threading.Event(), [threading.Event() for _ in range(3)]
    threads = [threading.Thread(target=still, args=(event, r)) for r in ready]
    for thread, is_ready in zip(threads, ready):
        thread.daemon = True
        thread.start()
        is_ready.wait()
    while not all(sys._current_frames()[thread.ident].f_code.co_name == "wait"
                  and sys._current_frames()[thread.ident].f_back.f_code.co_name == "wait" for thread in threads):
        time.sleep(0.001)
    time.sleep(0.01)  # from there to the lock there is no other Python frame
    for string in STRINGS:
        print("string", hex(id(string)), shown(string))
    for code in CODES:
        print("code", hex(id(code)), shown(getattr(code, "co_qualname", code.co_name)), path_shown(code.co_filename), code.co_firstlineno)
        for at, line in lines_of(code):
            print("line", hex(id(code)), at, line)
    for thread in threads:
        codes = [hex(id(code)) for code in chain(sys._current_frames()[thread.ident])]
        print("thread", hex(thread.ident), *codes)
    print("end")
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        exec("def made():\n    pass\n", {})
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            gc.collect()  # without a GIL nobody counts what refers to code
        print("end")
        sys.stdout.flush()
        while line == "spin\n":
            pass


main()
