# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -*- coding: utf-8 -*-
"""stacks.py TRUTH - a bit of everything that puts frames on a Python stack.

Must show: for each thread only neighbours that TRUTH has as a pair (truth.py),
from `<module>;main;run` or a thread's first function to the innermost one.
"""
import functools
import hashlib
import io
import os
import sys
import threading
import zipfile
import zlib

import truth

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread
try:
    import stacks_3  # what 2.7 cannot parse
except SyntaxError:
    stacks_3 = None

here = os.path.dirname(os.path.abspath(sys.argv[1]))


def spin(n):
    total = 0

    for i in range(n * 40):
        # A comment, so that a line that is one off is a line that cannot be.
        total += i & 3

    return total


def outer():
    a = middle(1)

    b = middle(2)
    return a + b


def middle(n):
    if n == 1:
        return inner_one(n)

    return inner_two(n)


def inner_one(n):
    return spin(n + 4)


def inner_two(n):

    x = spin(n + 3)
    return x


def recurse(depth):
    if not depth:
        return spin(60)
    if depth % 2:
        below = recurse(depth - 1)
    else:

        below = recurse(
            depth - 1
        )
    return below + 1


def numbers(n):
    for i in range(n):
        spin(2)

        yield i
    for more in more_numbers(n):
        yield more


def more_numbers(n):
    while n:

        yield spin(n)
        n -= 1


def generators():
    total = 0
    for x in numbers(5):
        total += x

    total += sum(spin(2) for _ in range(4))
    return total + sum(numbers(4))


def comprehensions():
    a = [spin(1) for _ in range(6)]
    b = {x: spin(1) for x in range(5)}

    c = {spin(1) + x for x in range(5)}
    d = [
        spin(x)
        for x in range(3)
        if [
            spin(y)
            for y in range(2)
        ]
    ]
    return len(a) + len(b) + len(c) + len(d)


def decorate(times):
    def decorator(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            result = 0
            for _ in range(times):

                result += function(*args, **kwargs)
            return result

        return wrapper

    return decorator


@decorate(2)
@decorate(
    times=2,
)
def decorated(n=3):
    return spin(n)


def cached(n):
    return spin(n)


if hasattr(functools, "lru_cache"):
    cached = functools.lru_cache(maxsize=1)(cached)


class Base(object):
    def __init__(self, n):
        self.n = n
        spin(2)

    def method(self):
        return spin(self.n)

    @property
    def size(self):

        return spin(3)

    @classmethod
    def made(cls):
        return cls(4)

    @staticmethod
    def plain():
        return spin(2)

    def __len__(self):
        return spin(2) and 3

    def __lt__(self, other):
        return spin(1) < 0 or self.n < other.n

    def __getattr__(self, name):
        return spin(2)


class Derived(Base):
    def method(self):
        return super(Derived, self).method() + 1

    def __enter__(self):
        spin(2)
        return self

    def __exit__(self, *exc):
        spin(2)
        return True

    def __del__(self):
        spin(2)


def drop(box):
    """To 3.12 tracing keeps what a local variable held until the next instruction, but not what a list did."""
    del box[:]


def classes():
    one = Derived(3)
    two = Derived.made()
    total = one.method() + one.size + len(two) + one.absent
    total += Base.plain() + sorted([two, one])[0].n

    with one as block:
        total += block.method()
        raise ValueError(total)

    drop([Derived(2)])

    class Local(Base):
        here = spin(3)

        def method(self):
            return spin(2) + self.here

    return total + Local(2).method()


def by_c():
    a = sorted([3, 1, 2], key=lambda x: spin(x))
    b = list(map(lambda x: spin(x) + 1, a))
    c = functools.reduce(lambda x, y: spin(2) + y, b)

    d = max(
        a,
        key=lambda x:
            spin(x),
    )
    return c + d + functools.partial(inner_one, 2)() + min(filter(middle, a))


def exceptions():
    try:
        raiser(4)
    except KeyError:
        spin(3)
    finally:

        spin(2)
    for i in range(3):
        try:
            if i == 1:
                continue
            spin(2)
        finally:
            spin(1)


def raiser(n):
    try:
        if not n:
            raise KeyError(spin(2))
        raiser(n - 1)
    except ValueError:
        spin(1)


def multi_line():
    return (
        spin(1)
        +
        inner_one(

            inner_two(
                3,
            ),
        ) % 7
        + "".join(
            str(spin(x))
            for x in (1, 2)
        ).count("1")
        + spin(
            2)
    )


EXECUTED = compile(
    """

def made_by_exec(n):

    return spin(n)

a = made_by_exec(3)
b = [made_by_exec(1) for _ in range(3)]

c = (lambda x:
     made_by_exec(x))(2)
""",
    "<made by exec; 7>",
    "exec",
)


EVALUATED = compile("spin(3) + spin(2)", "<evaluated>", "eval")


def executed():
    exec(EXECUTED, {"spin": spin})
    return eval(EVALUATED, {"spin": spin})


FOREIGN = u'''
class Größe:
    """Latin-1."""

    def çalışma(self, n, spin):
        return spin(n)


def работа(n, spin):

    return Größe().çalışma(n, spin)


def 漢字(n, spin):
    def 𠀀(n):
        return работа(n, spin)

    return 𠀀(n)


entry = 漢字
'''
PLAIN = u"""
def entry(n, spin):

    return spin(n)
"""


def native(text):
    """What this version calls str, of which 2.7 makes bytes."""
    return text if isinstance(text, str) else text.encode("utf-8")


def load(path):
    """As an import does, but for the file's name, which not all versions can find in any script."""
    with io.open(path, encoding="utf-8") as file:
        names = {"__name__": "loaded"}
        exec(compile(native(file.read()), native(path), "exec"), names)
        return names["entry"]


def load_foreign():
    """Names and paths in Latin-1, UCS-2 and UCS-4, which CPython stores in three ways."""
    try:
        compile(native(FOREIGN), "<foreign>", "exec")
        text = FOREIGN
    except SyntaxError:
        text = PLAIN
    entries = []
    for name in (u"grün", u"путь", u"𠀀😀"):
        path = os.path.join(truth.decoded(here), name + u".py")
        with io.open(path, "w", encoding="utf-8") as out:
            out.write(text)
        entries.append(load(path))
    return entries


def load_zipped():
    path = os.path.join(here, "zipped.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in_zip.py", "def from_zip(n, spin):\n    # one\n\n    return spin(n)\n")
    sys.path.insert(0, path)
    import in_zip

    return in_zip


def foreign():
    for entry in entries:
        entry(3, spin)
    return zipped.from_zip(4, spin)


def main_body():
    outer()
    recurse(300)

    generators()
    if stacks_3:
        stacks_3.body(spin)
    comprehensions()

    decorated()
    cached(3)
    cached(4)
    classes()
    by_c()
    exceptions()

    multi_line()
    executed()
    foreign()


def thread_body():
    outer()

    recurse(20)
    by_c()


def without_gil():
    """Most of its time with the GIL released; the state is found all the same."""
    zlib.compress(BLOCK, 6)

    hashlib.sha256(BLOCK).digest()
    digest = hashlib.md5()
    for _ in range(3):
        digest.update(BLOCK)


BLOCK = bytes(bytearray(range(256))) * 2000
entries = load_foreign()
zipped = load_zipped()
BODIES = [thread_body, without_gil, without_gil]
traced = threading.Semaphore(0)


def raw_thread():
    truth.run(thread_body, traced.release)


def finish():
    for _ in range(len(BODIES) + 1):
        traced.acquire()
    truth.write(sys.argv[1])
    truth.ready()


def main():
    for body in BODIES:
        truth.start_thread(truth.run, body, traced.release)
    start_new_thread(raw_thread, ())
    truth.run(main_body, finish)


main()
