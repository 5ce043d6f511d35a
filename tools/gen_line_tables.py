#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gen_line_tables.py - line tables and what they mean, said by the interpreter that runs this.

    for python in python2.7 python3.6 ...; do $python tools/gen_line_tables.py; done > tests/unit/data/line_tables.txt

Each line of the output: VERSION FIRSTLINE TABLE WHERE*BYTES,... where TABLE is co_linetable, to 3.9 co_lnotab, in
hexadecimal, and WHERE what co_positions(), to 3.10 PyCode_Addr2Line(), says of each byte of the code, as runs:
LINE:COLUMN-LINE:COLUMN, LINE where there are no columns, 0 where there is no line.
"""
from __future__ import print_function

import binascii
import ctypes
import itertools
import sys

SOURCE = '''
def plain(a, b=(1,
                2)):
    total = a
    for i in b:
        total += (i
                  if i > 1
                  else
                  -i)
    return total

@decorated(1,
           2)
@decorated
def backward(x):
    while x:
        x = x(a=1, b=2 if x
              else x(3,
                     4),
              c=x)
        if x: break
        for (x.a,
             x.b) in x: continue
    else:
        return x [
            0
        ](lambda: x
          or 1)

def branches(x):
    try:
        with open(x) as f, \\
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

class Class(object,
            type):
    x = 1
    @property
    def value(self):
        return (lambda: (
            self,
            1,
        ))()
    class Inner:
        def method(self): return super().__repr__()
'''
MODERN = '''
def chained(x):
    try:
        x()
    except OSError as error:
        raise RuntimeError(
            "no"
        ) from error

async def waits(things):
    async for thing in things:
        await thing
    async with things:
        yield {k: v for k, v in
               things}

class Typed(object,
            metaclass=type):
    x: int = 1
'''
NEWER = '''
def matches(value):
    match value:
        case {"a": [x, *_], **rest} if (x
                                        and rest):
            return x
        case str() | int():
            while value:
                value = value[
                    1:]
            else:
                return (yield)
    return f"{value!r:>{10
                        }}" if 0 else None
'''
FAR = "def far(x):\n    return (" + "\n" * 300 + "    x" + "\n" * 70000 + "    .y(\n\n    ))\n"
WIDE = "def wide(x):\n    return [" + "x, " * 200 + "\n" * 3 + "x]\n"
LONG = "def long(x):\n" + "".join("    x.a%d(x,\n        %d)\n" % (i, i) for i in range(40))



def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            for inner in codes_of(constant):
                yield inner


def written(line, end_line, column, end_column):
    if not line or column is None:
        return "%d" % (line or 0)
    return "%d:%d-%d:%d" % (line, column, end_line, end_column)


def places_of(code):
    """Where each byte of the code comes from."""
    if sys.version_info >= (3, 11):
        return [written(*position) for position in code.co_positions() for _ in range(2)]
    find = ctypes.pythonapi.PyCode_Addr2Line
    find.argtypes = [ctypes.py_object, ctypes.c_int]
    return ["%d" % max(find(code, at), 0) for at in range(len(code.co_code))]


def main():
    version = "%d.%d" % sys.version_info[:2]
    sources = [SOURCE]
    if sys.version_info >= (3, 6):
        sources.append(MODERN)
    if sys.version_info >= (3, 10):
        sources.append(NEWER if sys.version_info >= (3, 12) else NEWER.replace("{10\n                        }", "{10}"))
    for source in sources + [FAR, WIDE, LONG]:
        for code in codes_of(compile(source, "source", "exec")):
            table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
            runs = ",".join("%s*%d" % (place, len(list(run))) for place, run in itertools.groupby(places_of(code)))
            print(version, code.co_firstlineno, binascii.hexlify(table).decode() or "-", runs)


main()
