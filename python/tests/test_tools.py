# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timer, Profiler and the command line."""

import inspect
import threading
import time
import zlib

import pytest

import child
from stacktrace import get_thread_stack
from stacktrace.tools import Profiler, Timer
from stacktrace.utils import StackEntry
from standing import Busy, parked

DATA = bytes(bytearray(i * i % 251 for i in range(200000)))


def wait_until(condition, seconds=30):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline
        time.sleep(0.005)


def test_the_timer_has_the_old_arguments():
    parameters = inspect.signature(Timer).parameters
    assert list(parameters)[:5] == ["tid", "func", "interval", "maxdepth", "show_python"]
    assert parameters["interval"].default == 1 / 20.0
    assert parameters["maxdepth"].default == 100
    assert parameters["show_python"].default is True


def test_the_timer_calls_with_lists_of_entries():
    stacks = []
    with parked() as target:
        with Timer(target.ident, stacks.append, interval=0.001, show_python=False) as timer:
            wait_until(lambda: len(stacks) > 10)
        expected = get_thread_stack(target.ident, show_python=False)
        assert isinstance(timer, Timer)
    assert all(type(stack) is list and stack for stack in stacks)
    assert all(isinstance(entry, StackEntry) for stack in stacks for entry in stack)
    assert stacks == [expected] * len(stacks)


def test_the_timer_calls_on_a_thread_of_its_own():
    callers = []
    with parked() as target:
        with Timer(target.ident, lambda _: callers.append(threading.get_ident()), interval=0.001):
            wait_until(lambda: len(callers) > 2)
    assert set(callers).isdisjoint({threading.get_ident(), target.ident}) and len(set(callers)) == 1


def test_the_timer_keeps_its_interval():
    calls = []
    with parked() as target:
        with Timer(target.ident, calls.append, interval=0.1):
            time.sleep(1.05)
    assert 3 <= len(calls) <= 12  # a loaded machine may be late, never early


def test_the_timer_stops_when_joined_and_join_may_be_called_twice():
    calls = []
    with parked() as target:
        timer = Timer(target.ident, calls.append, 0.001)
        timer.start()
        wait_until(lambda: calls)
        timer.join()
        count = len(calls)
        time.sleep(0.05)
        timer.join()
    assert len(calls) == count


def test_the_timer_passes_maxdepth_on():
    stacks = []
    with parked() as target:
        with Timer(target.ident, stacks.append, interval=0.001, maxdepth=2):
            wait_until(lambda: len(stacks) > 3)
    assert [len(stack) for stack in stacks] == [2] * len(stacks)


def test_the_timer_goes_on_with_empty_lists_when_its_thread_has_ended():
    stacks = []
    with parked() as target:
        timer = Timer(target.ident, stacks.append, interval=0.001)
        timer.start()
        wait_until(lambda: stacks)
    try:
        stacks.append("over")
        wait_until(lambda: stacks[-1] == [])
    finally:
        timer.join()


def test_a_callback_that_raises_ends_the_timer_and_not_the_program():
    def raising():
        import time

        import standing
        from stacktrace.tools import Timer

        calls = []

        def callback(stack):
            calls.append(stack)
            raise RuntimeError("of the callback")

        with standing.parked() as target:
            with Timer(target.ident, callback, interval=0.001):
                time.sleep(0.3)
            print(len(calls))

    assert child.run(raising) == "1\n"


def test_a_profile_is_a_dict_by_function_start():
    with parked() as target:
        with Profiler(target.ident, interval=0.001) as profiler:
            wait_until(lambda: len(profiler.get_result()) > 3)
            time.sleep(0.05)
        assert isinstance(profiler, Profiler)
    result = profiler.get_result()
    assert type(result) is dict and len(result) > 3
    for start, row in result.items():
        assert type(start) is int and start > 0
        assert set(row) == {"count", "name"}
        assert row["count"] > 0 and type(row["count"]) is int
        assert row["name"] and type(row["name"]) is str
    assert profiler.get_result() is result  # the live one, as ever


def test_a_profile_is_sorted_by_count():
    with Busy(lambda: zlib.compress(DATA)) as busy:
        with Profiler(busy.idents[0], interval=0.002) as profiler:
            wait_until(lambda: len(profiler.get_result()) > 10)
    rows = profiler.get_sorted()
    counts = [row["count"] for _, row in rows]
    assert counts == sorted(counts, reverse=True)
    assert dict(rows) == profiler.get_result()


def test_a_profile_leaves_python_out():
    with Busy(lambda: zlib.compress(DATA)) as busy:
        with Profiler(busy.idents[0], interval=0.002) as profiler:
            wait_until(lambda: sum(row["count"] for row in profiler.get_result().values()) > 100)
    assert "_PyEval_EvalFrameDefault" not in [row["name"] for row in profiler.get_result().values()]


def test_the_profiler_passes_the_timers_arguments_on():
    with parked() as target:
        with Profiler(target.ident, maxdepth=1, interval=0.001) as profiler:
            wait_until(lambda: profiler.get_result())
            time.sleep(0.02)
    assert len(profiler.get_result()) == 1
    with pytest.raises(TypeError):
        Profiler(target.ident, no_such_argument=1)


def test_a_profile_of_known_work_finds_it():
    with Busy(lambda: zlib.compress(DATA, 9)) as busy:
        with Profiler(busy.idents[0], interval=0.002, show_python=False) as profiler:
            wait_until(lambda: sum(row["count"] for row in profiler.get_result().values()) > 1000)
    counts = {}
    for row in profiler.get_result().values():
        counts[row["name"]] = counts.get(row["name"], 0) + row["count"]
    most = max(counts.values())  # of what is on all stacks, some times over
    deflate = max([count for name, count in counts.items() if "deflate" in name] or [0])
    assert deflate > most * 0.2, sorted(counts.items(), key=lambda item: -item[1])


def test_the_command_line_explains_itself():
    status, output, errors = child.start(["-m", "stacktrace", "--help"])
    assert status == 0 and "--demo" in output, errors


def test_the_demo_shows_stacks():
    status, output, errors = child.start(["-m", "stacktrace", "--demo"])
    assert status == 0, errors
    assert len([line for line in output.splitlines() if "[0x" in line]) > 5, output


def test_the_command_line_refuses_what_it_does_not_know():
    status, _, errors = child.start(["-m", "stacktrace", "--no-such-option"])
    assert status == 2 and "no-such-option" in errors
