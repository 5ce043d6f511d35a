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
"""
import dis
import gc
import sys

gc.disable()
RESUME = dis.opmap["RESUME"]
pairs = set()  # (id of code or 0, line, id of code, line)
codes = {}  # keeps them alive, so that ids stay unique
started = set()


def key(frame, line):
    if frame is None:
        return (0, 0)
    codes[id(frame.f_code)] = frame.f_code
    return (id(frame.f_code), line)


def lines_before_start(code):
    """Lines of what runs before tracing can begin; of co_firstlineno the frame speaks before its first instruction."""
    opcodes = code.co_code
    resume = next((i for i in range(0, len(opcodes), 2) if opcodes[i] == RESUME), 0)
    return {code.co_firstlineno} | {line for start, _, line in code.co_lines() if start <= resume}


def note(frame):
    back = frame.f_back
    pairs.add(key(back, back and back.f_lineno) + key(frame, frame.f_lineno))


def note_start(frame):
    back = frame.f_back
    mark = key(back, back and back.f_lineno) + key(frame, 0)
    if mark not in started:
        started.add(mark)
        for line in lines_before_start(frame.f_code):
            pairs.add(mark[:2] + key(frame, line))
    if back and back.f_code is run.__code__:
        for _, _, line in back.f_code.co_lines():
            pairs.add(key(back.f_back, back.f_back and back.f_back.f_lineno) + key(back, line))
        while back:
            note(back)
            back = back.f_back


def trace(frame, event, arg):
    if event == "call":
        frame.f_trace_opcodes = True
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


def clean(name):
    return "".join("?" if ord(c) < 32 or 127 <= ord(c) < 160 else ":" if c == ";" else c for c in name)


def text(code_id, line):
    if not code_id:
        return ""
    code = codes[code_id]
    return clean(f"{code.co_qualname} ({code.co_filename}:{'?' if line is None else line})")


def write(path):
    """One pair a line: CALLER<TAB>CALLEE."""
    rows = {f"{text(*pair[:2])}\t{text(*pair[2:])}\n" for pair in pairs.copy()}
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(sorted(rows))


def ready():
    print("ready", flush=True)
