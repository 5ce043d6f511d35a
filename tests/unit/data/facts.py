# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an interpreter says of itself, as lines of words, for tests that read the same from its memory:

    string ADDRESS TEXT                          TEXT is UTF-8 in hexadecimal
    code ADDRESS QUALNAME FILENAME FIRSTLINE     texts likewise
    line ADDRESS OFFSET LINE                     of each code unit of that code object; 0: none
    thread IDENT CODE...                         innermost first, in a thread that keeps still
    end

Then each line of its standard input makes and drops a code object, answered with another "end".
"""
import sys
import threading
import time

if sys.version_info < (3, 11):
    print("end", flush=True)
    sys.exit()


def shown(text):
    text = text.replace("\0", "?")
    cut = text[:4096] + ("\u2026" if len(text) > 4096 else "")
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in cut).encode().hex() or "-"


class Text(str):
    """A subclass's characters are behind a pointer."""


STRINGS = ["", "a", "plain", "na\u00efve", "\u0438\u043c\u044f", "\U0001d523unc \u00e9 \u4e2d", "a\0b", "sur\udc80rogate"]
STRINGS += ["x" * 4096, "y" * 4097, "\u00fc" * 5000, "\u4e2d" * 5000, "\U0001f40d" * 5000]
STRINGS += [Text("derived"), Text("d\u00e9riv\u00e9"), Text("\u0438\u043c\u044f")]


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
        ) from error
    finally:
        del x


async def waits(things):
    async for thing in things:
        await thing
    async with things:
        yield {k: v for k, v in
               things}


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
            yield from codes_of(constant)


far = {}
exec(compile("\n" * 70000 + "def far(x):\n    return (\n" + "\n" * 300 + "    x)\n", "f\u00fcr.py", "exec"), far)
CODES = [code for f in (plain, branches, waits, Class.value.fget, Class.Inner.method, far["far"])
         for code in codes_of(f.__code__)]
CODES += [plain.__code__.replace(co_name=name, co_qualname="q." + name, co_filename="/" + name + ".py")
          for name in ("ascii", "na\u00efve", "\u0438\u043c\u044f", "\U0001d523unc", "sur\udc80")]
CODES.append(compile("x = 1\nif x:\n    y = [z for z in 'a']\n", "<module>", "exec"))


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
    threads = [threading.Thread(target=still, args=(event, r), daemon=True) for r in ready]
    for thread, is_ready in zip(threads, ready):
        thread.start()
        is_ready.wait()
    while not all(sys._current_frames()[thread.ident].f_code.co_name == "wait"
                  and sys._current_frames()[thread.ident].f_back.f_code.co_name == "wait" for thread in threads):
        time.sleep(0.001)
    time.sleep(0.01)  # from there to the lock there is no other Python frame
    for string in STRINGS:
        print("string", hex(id(string)), shown(string))
    for code in CODES:
        print("code", hex(id(code)), shown(code.co_qualname), shown(code.co_filename), code.co_firstlineno)
        for i, position in enumerate(code.co_positions()):
            print("line", hex(id(code)), 2 * i, position[0] or 0)
    for thread in threads:
        codes = [hex(id(code)) for code in chain(sys._current_frames()[thread.ident])]
        print("thread", hex(thread.ident), *codes)
    print("end", flush=True)
    for _ in sys.stdin:
        exec("def made():\n    pass\n", {})
        print("end", flush=True)


main()
