#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""gen_line_tables.py - line tables and what they mean, said by the interpreter that runs this.

    for python in python3.11 python3.12 ...; do $python tools/gen_line_tables.py; done > tests/unit/data/line_tables.txt

Each line of the output: VERSION FIRSTLINE TABLE LINE*UNITS,... where TABLE is co_linetable in hexadecimal and the
lines are those of co_positions(), as runs of code units (2 bytes each); 0: no line.
"""
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
        ) from error
    finally:
        del x

async def waits(things):
    async for thing in things:
        await thing
    async with things:
        yield {k: v for k, v in
               things}

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

class Class(object,
            metaclass=type):
    x: int = 1
    @property
    def value(self):
        return (lambda: (
            self,
            1,
        ))()
    class Inner:
        def method(self): return super().__repr__()
'''
FAR = "def far(x):\n    return (" + "\n" * 300 + "    x" + "\n" * 70000 + "    .y(\n\n    ))\n"
WIDE = "def wide(x):\n    return [" + "x, " * 200 + "\n" * 3 + "x]\n"
LONG = "def long(x):\n" + "".join(f"    x.a{i}(x,\n        {i})\n" for i in range(40))


def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from codes_of(constant)


def main():
    version = "%d.%d" % sys.version_info[:2]
    sources = [SOURCE if sys.version_info >= (3, 12) else SOURCE.replace("{10\n                        }", "{10}")]
    for source in sources + [FAR, WIDE, LONG]:
        for code in codes_of(compile(source, "source", "exec")):
            lines = itertools.groupby(position[0] or 0 for position in code.co_positions())
            runs = ",".join(f"{line}*{len(list(units))}" for line, units in lines)
            print(version, code.co_firstlineno, code.co_linetable.hex(), runs)


main()
