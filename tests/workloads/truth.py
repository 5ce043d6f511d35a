# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What CPython itself says a program's stacks can be, for the tests to compare with.

run(body, then) calls body() for ever. The first time it traces every single
instruction and notes, each time, the pair (frame that called, frame that runs),
each written as the folded format does: `QUALNAME (FILE:LINE)`. Then it calls
then(), and goes on from the very same line without tracing. So every two
neighbours in a later stack must be a pair; `` calls a thread's outermost frame.

For this to be the whole truth a body does the same on every call, and creates
each generator and coroutine on the line that first resumes it (the frame shows
up under its creator for an instant, and tracing cannot see that).

Runs under CPython 2.7 and 3.6 or newer. To 3.6 only the first instruction of a
line can be traced, so while a body is traced each of its instructions is made a
line of its own (instructions_are_lines). To 3.9 f_lineno of a frame that is traced
says what was traced last, so PyCode_Addr2Line() is asked, as f_lineno does later.
"""
import dis
import gc
import io
import sys
import threading

gc.disable()
RESUME = dis.opmap.get("RESUME")
TRACES_OPCODES = hasattr(sys._getframe(), "f_trace_opcodes")
NAMES_ARE_BYTES = str is bytes
pairs = set()  # (id of code or 0, line, id of code, line)
codes = {}  # keeps them alive, so that ids stay unique
started = set()
line_tables = {}  # id of code -> (where its pointer to it is, its line table, that in its place)
lines = {}  # (id of code, offset) -> line, asked for while the line table was its own
line_lock = threading.Lock()  # or a thread could take another's line table for the code's own

if hasattr(sys._getframe().f_code, "co_lines"):

    def line_of(frame):
        return frame.f_lineno

    def lines_of(code, last=sys.maxsize):
        """Lines of what begins up to this offset; of co_firstlineno a frame speaks before its first instruction."""
        return {code.co_firstlineno} | {line for start, _, line in code.co_lines() if start <= last}

else:
    import ctypes

    addr2line = ctypes.pythonapi.PyCode_Addr2Line
    addr2line.argtypes = [ctypes.py_object, ctypes.c_int]

    def line_of(frame):
        place = (id(frame.f_code), frame.f_lasti)
        if place not in lines:
            lines[place] = addr2line(frame.f_code, frame.f_lasti)
        return lines[place]

    def lines_of(code, last=sys.maxsize):
        ours = [line for start, line in dis.findlinestarts(code) if start <= last]
        return {code.co_firstlineno} | set(ours)


def key(frame, line):
    if frame is None:
        return (0, 0)
    codes[id(frame.f_code)] = frame.f_code
    return (id(frame.f_code), line)


def caller_key(frame):
    return key(frame, frame and line_of(frame))


def lines_before_start(code):
    """Lines of what runs before tracing can begin, which is RESUME and what stands before it."""
    if RESUME is None:
        return {code.co_firstlineno}
    opcodes = code.co_code
    return lines_of(code, next((i for i in range(0, len(opcodes), 2) if opcodes[i] == RESUME), 0))


def instruction_starts(code):
    if not NAMES_ARE_BYTES:
        return range(0, len(code.co_code), 2)
    starts, at = [], 0
    while at < len(code.co_code):
        starts.append(at)
        at += 3 if ord(code.co_code[at]) >= dis.HAVE_ARGUMENT else 1
    return starts


def pointer_at(address):
    return ctypes.c_void_p.from_address(address)


def instructions_are_lines(code):
    """Until lines_are_lines(), on CPythons that cannot trace instructions but do trace lines."""
    if id(code) in line_tables:
        return
    codes[id(code)] = code
    starts = instruction_starts(code)
    for start in starts:
        lines[id(code), start] = addr2line(code, start)
    lines[id(code), -1] = addr2line(code, -1)
    table = bytearray()
    for start, end in zip(starts, starts[1:]):
        table += bytearray((end - start, 1))
    own = code.co_lnotab
    places = range(id(code), id(code) + type(code).__basicsize__, tuple.__itemsize__)
    place = [place for place in places if pointer_at(place).value == id(own)][-1]
    line_tables[id(code)] = (place, own, bytes(table))
    pointer_at(place).value = id(line_tables[id(code)][2])
    assert code.co_lnotab == bytes(table), "a code object is not what we think it is"


def lines_are_lines():
    for place, own, _ in line_tables.values():
        pointer_at(place).value = id(own)


def note(frame):
    pairs.add(caller_key(frame.f_back) + key(frame, line_of(frame)))


def note_start(frame):
    back = frame.f_back
    mark = caller_key(back) + key(frame, 0)
    if mark not in started:
        started.add(mark)
        for line in lines_before_start(frame.f_code):
            pairs.add(mark[:2] + key(frame, line))
    if back and back.f_code is run.__code__:
        for line in lines_of(back.f_code):
            pairs.add(caller_key(back.f_back) + key(back, line))
        while back:
            note(back)
            back = back.f_back


def trace(frame, event, arg):
    if event == "call":
        if TRACES_OPCODES:
            frame.f_trace_opcodes = True
        else:
            with line_lock:
                instructions_are_lines(frame.f_code)
        note_start(frame)
    note(frame)
    return trace


def run(body, then, traced=True):
    if traced:
        sys.settrace(trace)
    while True:
        body()
        if traced:
            sys.settrace(None)
            traced = False
            then()


def decoded(text):
    return text.decode("utf-8") if NAMES_ARE_BYTES else text


def clean(name):
    return u"".join(
        u"?" if ord(c) < 32 or 127 <= ord(c) < 160 else u":" if c == u";" else c for c in decoded(name)
    )


def name_of(code):
    """To 3.10 a code object does not know its qualified name."""
    return getattr(code, "co_qualname", code.co_name)


def name_as(qualname):
    """What name_of() says of the code of a function with this qualified name."""
    return qualname if hasattr(run.__code__, "co_qualname") else qualname.rpartition(".")[2]


def text(code_id, line):
    if not code_id:
        return u""
    code = codes[code_id]
    line = u"?" if line is None else line
    return u"%s (%s:%s)" % (clean(name_of(code)), clean(code.co_filename), line)


def write_lines(path, rows):
    with io.open(path, "w", encoding="utf-8") as out:
        out.writelines(sorted(rows))


def write(path):
    """One pair a line: CALLER<TAB>CALLEE."""
    lines_are_lines()
    write_lines(path, {u"%s\t%s\n" % (text(*pair[:2]), text(*pair[2:])) for pair in pairs.copy()})


def ready():
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def start_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.daemon = True
    thread.start()
