# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What C frames say, compared with what the loader, the files and the work itself say."""

import ctypes
import os
import random
import re
import threading
import time
import zlib

import pytest

import elf
from python_truth import sort
from stacktrace import get_thread_stack
from standing import IS_SANITIZED, Busy, Standing, libc, parked

EVAL_LOOP = "_PyEval_EvalFrameDefault"
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
DATA = bytes(bytearray(map(random.Random(1).randrange, [40] * 300000)))


def search(compare):
    numbers = (ctypes.c_int * 1)(1)
    libc.bsearch(numbers, numbers, ctypes.c_size_t(1), ctypes.c_size_t(4), COMPARE(compare))


def stacks():
    """Some that have little in common: (what it is, its frames)."""
    with parked() as target:
        yield "of a lock", get_thread_stack(target.ident)
    with parked(lambda wait: sort(lambda a, b: wait() or 0)) as target:
        yield "of qsort", get_thread_stack(target.ident)
    with Standing(lambda: time.sleep(0.3)) as target:
        yield "of sleep", get_thread_stack(target.ident)
    with Busy(lambda: zlib.compress(DATA, 9)) as busy:
        for _ in range(20):
            time.sleep(0.005)
            yield "of deflate", get_thread_stack(busy.idents[0])
    yield "of oneself", get_thread_stack(threading.get_ident())
    yield "of oneself in qsort", own_stack_in(sort)


def own_stack_in(call):
    found = []
    call(lambda a, b: found.append(get_thread_stack(threading.get_ident(), 10 ** 6)) or 0)
    return found[0]


def test_each_frame_lies_in_executable_memory():
    for what, stack in stacks():
        files = elf.Files()
        assert stack, what
        for entry in stack:
            assert files.is_executable(entry.addr - 1) or files.is_executable(entry.addr), (what, str(entry))
            assert files.is_executable(entry.addr - entry.offset), (what, str(entry))


def test_each_name_is_one_that_the_file_has_at_that_address():
    seen = set()
    for what, stack in stacks():
        files = elf.Files()
        for entry in stack:
            names, vaddr = files.names_at(entry.addr - entry.offset)
            if names:
                assert entry.name in names, (what, str(entry), names)
                seen.add(entry.name)
            elif entry.name == EVAL_LOOP:
                # A part of it that the compiler moved away, and whose symbol was stripped.
                assert files.has_symbol(entry.addr, EVAL_LOOP), (what, str(entry))
            elif vaddr is not None and entry.name != "?":
                # No symbol begins there: then the name is the address, as in `0x1a2b0`.
                assert re.match(r"0x[0-9a-f]+$", entry.name), (what, str(entry))
                assert int(entry.name, 16) == vaddr, (what, str(entry))
    assert len(seen) > 10, seen


def test_the_loader_agrees_about_the_function_of_each_address():
    agreed = 0
    for what, stack in stacks():
        for entry in stack[1:]:  # return addresses: the call is before
            name, start = elf.dladdr(entry.addr - 1)
            if name is None:
                continue
            # Local symbols, which the loader does not know, may begin further in, never before.
            assert entry.addr - entry.offset >= start, (what, str(entry), name)
            agreed += entry.addr - entry.offset == start
    assert agreed > 20


def test_a_function_has_one_start_in_all_stacks():
    starts = {}
    for what, stack in stacks():
        for entry in stack:
            starts.setdefault(entry.addr - entry.offset, set()).add(entry.name)
    assert all(len(names) == 1 for names in starts.values()), starts


def test_no_frame_is_there_twice():
    for what, stack in stacks():
        pairs = list(zip(stack, stack[1:]))
        assert not [str(a) for a, b in pairs if a.addr == b.addr], what


@pytest.mark.parametrize("levels", [0, 1, 5, 20])
@pytest.mark.parametrize("call, name", [(sort, "qsort"), (search, "bsearch")])
def test_as_many_levels_of_c_as_there_were_calls(call, name, levels):
    def descend(levels, wait):
        call(lambda a, b: descend(levels - 1, wait) or 0) if levels else wait()

    with parked(lambda wait: descend(levels, wait)) as target:
        stack = get_thread_stack(target.ident, 10 ** 6)
    calls = [entry.name for entry in stack if re.match(r"(__|__interceptor_)?%s(_r)?$" % name, entry.name)]
    # In glibc up to 2.36 qsort() jumps to qsort_r(), later it calls it.
    counts = {calls.count(which) // (2 if IS_SANITIZED and call is search else 1) for which in set(calls)}
    assert counts == ({levels} if levels else set()), calls


@pytest.mark.parametrize("levels", [1, 5, 20])
def test_a_trace_of_oneself_is_as_deep(levels):
    def descend(levels):
        if levels:
            search(lambda a, b: descend(levels - 1) or 0)
        else:
            found.extend(get_thread_stack(threading.get_ident(), 10 ** 6))

    found = []
    descend(levels)
    assert [entry.name for entry in found].count("bsearch") == levels * (2 if IS_SANITIZED else 1)


def test_a_sleeping_thread_is_in_the_function_that_sleeps():
    with Standing(lambda: time.sleep(0.5)) as target:
        stack = get_thread_stack(target.ident)
    assert re.search("nanosleep|select", " ".join(entry.name for entry in stack[:4])), stack[:4]
    evals = [i for i, entry in enumerate(stack) if "EvalFrame" in entry.name]
    assert 0 < evals[0] < 8, stack


def test_compression_is_seen_in_deflate():
    with Busy(lambda: zlib.compress(DATA, 9)) as busy:
        found = [get_thread_stack(busy.idents[0]) for _ in range(60) if not time.sleep(0.002)]
    hits = [stack for stack in found if any("deflate" in entry.name for entry in stack)]
    assert len(hits) > 40, found[0]
    for stack in hits:
        names = [entry.name for entry in stack]
        first = [i for i, name in enumerate(names) if "deflate" in name][0]
        assert first < [i for i, name in enumerate(names) if "EvalFrame" in name][0]


def test_what_a_thread_does_now_and_not_before():
    r, w = os.pipe()
    with parked() as first, Standing(lambda: os.read(r, 1), lambda: os.write(w, b"x")) as second:
        for _ in range(50):
            lock, read = get_thread_stack(first.ident), get_thread_stack(second.ident)
            assert "read" not in [entry.name for entry in lock]
            assert {"read", "__read", "__libc_read"} & {entry.name for entry in read}
    os.close(r)
    os.close(w)


def test_the_outermost_frame_is_where_threads_begin():
    """Threads begin in clone() or clone3(), which call start_thread(); no way leads further."""
    with parked() as target:
        stack = get_thread_stack(target.ident, 10 ** 6)
    names, _ = elf.Files().names_at(stack[-1].addr - stack[-1].offset)
    if names:
        assert names & {"clone", "__clone", "clone3", "__clone3", "start_thread"}, stack[-1]
    else:
        name, _ = elf.dladdr(stack[-1].addr - 1)
        assert name is None or "clone" in name or stack[-1].name.startswith("0x"), stack[-1]


def test_the_main_threads_outermost_frame_is_the_programs_entry():
    found = get_thread_stack(threading.main_thread().ident, 10 ** 6)
    assert any(entry.name in ("main", "Py_BytesMain", "__libc_start_main", "_start") for entry in found[-4:]), found[-4:]
