# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects, and what the interpreter itself says of them, for tests that read the same from its memory:

    value ADDRESS TEXT             repr() of the object, or what stands for what is not looked into; in hexadecimal
    cut ADDRESS TEXT               the same where limits apply: 8 characters, 3 items, 2 containers deep
    attribute ADDRESS NAME VALUE   getattr(), as addresses
    missing ADDRESS NAME           there is none
    frame FRAME CODE               a function that waits: addresses of the frame object and its code
    variable NAME TEXT ARGUMENT    of the frame above: repr() of what is bound; 1: it is an argument
    many FRAME CODE                another one, that has 300 variables, each a str of 2,000 characters
    name IDENT TEXT                of a thread
    end
"""
import array
import binascii
import random
import sys
import threading
import time
import warnings

OLD = sys.version_info < (3,)
KEPT = []


def put(*words):
    sys.stdout.write(" ".join(words) + "\n")


def hexadecimal(text):
    if not isinstance(text, bytes):
        text = text.encode("utf-8")
    return binascii.hexlify(text).decode("ascii") or "-"


def put_object(kind, value, text):
    KEPT.append(value)
    put(kind, hex(id(value)).rstrip("L"), hexadecimal(text))


class Plain(object):
    def __init__(self, cnt):
        for i in range(cnt):
            setattr(self, "name_%d" % i, [i])


class Slotted(Plain):
    __slots__ = ("slot",)


class Text(str):
    pass


class Number(long if OLD else int):  # noqa: F821
    pass


class Pair(tuple):
    pass


class Fault(ValueError):
    pass


def code_point(number):
    if OLD and number > 0xFFFF:
        return ("\\U%08x" % number).decode("unicode_escape")
    return unichr(number) if OLD else chr(number)  # noqa: F821


def texts():
    u = code_point
    yield u"plain"
    yield u""
    for text in ("it's", 'say "so"', 'it\'s "so"', "back\\slash", "\t\n\r\0\x1f\x7f ~", "x" * 4096):
        yield text
        yield u"" + text
    yield u(0xEF) + u"na" + u(0x80) + u(0xA0) + u(0xAD) + u(0xFF)
    yield u(0x438) + u(0x43C) + u(0x44F) + u(0x2028) + u(0x200B) + u(0x202E) + u(0xFEFF)
    yield u(0x1F40D) + u"s" + u(0x1D523) + u(0xE000) + u(0xE0001) + u(0x10FFFD)
    yield u"a" + u(0xDC80) + u"b" + u(0xD800)
    if not OLD:
        import unicodedata

        known = [c for c in list(range(0x80, 0x3400)) + list(range(0xA000, 0xB000)) + list(range(0xF000, 0x20000))
                 if unicodedata.category(chr(c)) != "Cn"]
        for i in range(0, len(known), 997):
            yield "".join(map(chr, known[i:i + 997]))


def wide_text():
    """To 3.11: a str of wchar_t that nobody has asked for its characters yet."""
    warnings.simplefilter("ignore")
    try:
        import ctypes

        make = ctypes.pythonapi.PyUnicode_FromUnicode
        units = ctypes.pythonapi.PyUnicode_AsUnicode
    except (ImportError, AttributeError):
        return None
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_ssize_t]
    units.restype, units.argtypes = ctypes.c_void_p, [ctypes.py_object]
    text = make(None, 5)
    ctypes.memmove(units(text), array.array("I", [ord(c) for c in "wi'de"]).tobytes(), 20)
    return text


def ints():
    for bits in list(range(0, 70)) + [89, 90, 91, 119, 120, 121, 300, 600, 1024, 1889]:
        for step in (-1, 0, 1):
            yield (1 << bits) + step
            yield -(1 << bits) + step
    for digits in (9, 10, 18, 19, 27, 100, 577):
        yield 10 ** digits - 1
        yield -(10 ** digits)
    for i in (0, 1, 255, 256, -1, -5, -6):
        yield i


def floats():
    for exponent in range(-1074, 1024):
        yield 2.0 ** exponent
    numbers = random.Random(5)
    for _ in range(300):
        yield numbers.uniform(-1, 1) * 10.0 ** numbers.randint(-20, 20)
    for x in (0.0, -0.0, 0.1, 1 / 3.0, 1e15, 1e16, 123456789012345680.0, 1e22, 1e23, 0.0001, 0.00001, 1.5e-5, 5e-324,
              1.7976931348623157e308, float("inf"), -float("inf"), float("nan"), 100.0, 2.5, 9007199254740993.0):
        yield x


def containers():
    some = list(range(20))
    removed = dict((i, str(i)) for i in range(30))
    for i in range(0, 30, 3):
        del removed[i]
    holes = set(range(40))
    for i in range(0, 40, 3):
        holes.discard(i)
    instance = Plain(5)
    for value in ([], [1], some, (), (1,), (1, "two", 3.0), {}, {"a": 1}, {"a": 1, 2: "b", None: ()}, removed,
                  dict((i, i) for i in range(300)), dict(("k%d" % i, i) for i in range(70)), instance.__dict__,
                  set(), {1, 2, 3}, set("abcdef"), holes, frozenset(), frozenset([5]), frozenset("xyz"),
                  [[1, [2, [3]]], {"k": (1, {2: {3}})}], (None, True, False), {True: False}, [b"x", u"y", "z"]):
        yield value


def put_values():
    for value in [None, True, False, b"", b"bytes\x00\xff'", b"'\"\t", b"\\", bytes(range(256)) if not OLD else b"x"]:
        put_object("value", value, repr(value))
    for make in (texts, ints, floats, containers):
        for value in make():
            put_object("value", value, repr(value))
    for value in (Plain(0), Text("x"), Number(3), Pair((1, 2)), Fault("x"), Plain, len, put, 1j):
        name = type(value).__name__
        put_object("value", value, "<%s at %s>" % (name, hex(id(value)).rstrip("L")))
    for value in (10 ** 700 + 1, 10 ** 700 - 10 ** 690, 1 << 3000, -(7 ** 900)):
        put_object("value", value, "<int of %d digits>" % len(str(abs(value))))
    wide = wide_text()
    if wide is not None:
        put_object("value", wide, '"wi\'de"')


def put_cuts():
    u = "u" if OLD else ""
    more = "\xe2\x80\xa6" if OLD else "\u2026"
    put_object("cut", "12345678", "'12345678'")
    put_object("cut", "123456789", "'12345678%s'" % more)
    put_object("cut", u"'2345678 and so on", u + "\"'2345678%s\"" % more)
    put_object("cut", [1, 2, 3], "[1, 2, 3]")
    put_object("cut", [1, 2, 3, 4], "[1, 2, 3, ...]")
    put_object("cut", (1, 2, 3, 4), "(1, 2, 3, ...)")
    put_object("cut", list(range(1000)), "[0, 1, 2, ...]")
    put_object("cut", [[[1]]], "[[[...]]]")
    put_object("cut", [[()]], "[[()]]")
    put_object("cut", {1: {2: {3: 4}}}, "{1: {2: {...}}}")
    put_object("cut", [({1},)], "[(%s,)]" % ("set(...)" if OLD else "{...}"))
    itself = []
    itself.append(itself)
    put_object("cut", itself, "[[[...]]]")


def put_attributes():
    looked_at = Plain(3)
    looked_at.__dict__["name_1"]
    shrunk = Plain(6)
    del shrunk.name_2
    replaced = Plain(2)
    replaced.__dict__ = {"name_0": looked_at, "name_1": shrunk}
    odd = Plain(2)
    odd.__dict__[7] = "not a name"
    slotted, text, number, pair, fault = Slotted(2), Text("abc"), Number(1 << 70), Pair((1, 2, 3)), Fault("x")
    for value in (text, number, pair, fault):
        value.name_0, value.name_1 = [0], [1]
    for value in (Plain(0), Plain(1), Plain(5), Plain(29), Plain(31), Plain(100), looked_at, shrunk, replaced, odd,
                  slotted, text, number, pair, fault, threading, sys.modules["__main__"], threading.Thread()):
        KEPT.append(value)
        for name in list(vars(value)) if value is threading else ["name_%d" % i for i in range(101)] + ["KEPT", "_name"]:
            if hasattr(value, name) and name in value.__dict__:
                put("attribute", hex(id(value)).rstrip("L"), name, hex(id(getattr(value, name))).rstrip("L"))
            else:
                put("missing", hex(id(value)).rstrip("L"), name)


def waits(first, second=2.5, *rest, **named):
    number, text, unbound_later = 7, "text", 1
    del unbound_later
    captured = [first]

    def inner():
        return captured, second

    comprehension = [item + number for item in range(3)]
    ready.set()
    event.wait()
    return inner, text, comprehension, never  # noqa: F821
    never = 1


def closes(a):
    def inner(x, y=(1, 2)):
        z = {"k": x}
        ready.set()
        event.wait()
        return a, z
    return inner


if not OLD:
    exec("def keywords(p, q=2, *, k, l='l', **named):\n"
         "    cell = k\n"
         "    def inner(): return cell, k\n"
         "    ready.set()\n    event.wait()\n    return inner\n")


exec("def many():\n" + "".join("    v%d = 'x' * 2000\n" % i for i in range(300)) +
     "    ready.set()\n    event.wait()\n")


def frame_of(target, arguments, named):
    """Of a new thread, the outermost frame of `target`, once it waits."""
    ready.clear()
    thread = threading.Thread(target=target, args=arguments, kwargs=named, name="waits \u20ac" if not OLD else "waits")
    thread.daemon = True
    thread.start()
    ready.wait()
    while True:
        frame = sys._current_frames()[thread.ident]
        inner = frame.f_code.co_name
        while frame.f_code is not target.__code__:
            frame = frame.f_back
        if inner in ("wait", "acquire"):
            break
        time.sleep(0.001)
    KEPT.append(frame)
    return frame


def put_variables(target, arguments, named):
    """f_locals is what CPython itself makes of a frame's slots."""
    frame = frame_of(target, arguments, named)
    code = frame.f_code
    cnt = code.co_argcount + getattr(code, "co_kwonlyargcount", 0) + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    put("frame", hex(id(frame)).rstrip("L"), hex(id(code)).rstrip("L"))
    found = dict(frame.f_locals)
    for name in sorted(found, key=lambda name: (name not in code.co_varnames[:cnt], code.co_varnames.index(name)
                                                if name in code.co_varnames else 1000)):
        value = found[name]
        KEPT.append(value)
        opaque = type(value) not in (int, float, str, type(u""), list, tuple, dict, type(None))
        text = "<%s at %s>" % (type(value).__name__, hex(id(value)).rstrip("L")) if opaque else repr(value)
        put("variable", name, hexadecimal(text), str(int(name in code.co_varnames[:cnt])))


ready, event = threading.Event(), threading.Event()


def main():
    put_values()
    put_cuts()
    put_attributes()
    put_variables(waits, ("one",), {})
    put_variables(waits, (u"one", None, 3, [4]), {"five": 5})
    put_variables(closes([1]), (9,), {})
    if not OLD:
        put_variables(globals()["keywords"], (1,), {"k": 3, "other": "x"})
    frame = frame_of(globals()["many"], (), {})
    put("many", hex(id(frame)).rstrip("L"), hex(id(frame.f_code)).rstrip("L"))
    for thread in threading.enumerate():
        put("name", hex(thread.ident).rstrip("L"), hexadecimal(thread.name))
    put("end")
    sys.stdout.flush()
    for _ in sys.stdin:
        pass


main()
