# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timer, Profiler and the command line."""

import gc
import inspect
import os
import random
import sys
import threading
import time
import zlib

import pytest

import child
from stacktrace import get_thread_stack
from stacktrace.tools import Profiler, Timer
from stacktrace.utils import StackEntry
from standing import Busy, parked
from test_interpreters import interpreters

QUEUE_MAX = 4096  # of the documentation

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


def test_the_timer_is_never_early():
    calls = []
    with parked() as target:
        begin = time.monotonic()
        with Timer(target.ident, calls.append, interval=0.1):
            wait_until(lambda: len(calls) >= 5)
        elapsed = time.monotonic() - begin
    assert len(calls) <= elapsed / 0.1 + 1, elapsed


def test_the_timer_keeps_its_rate_with_a_slow_function():
    """A sleep of the interval after each call would make 57 % of it."""
    interval, times = 0.02, []

    def slow(_):
        times.append(time.monotonic())
        time.sleep(0.015)

    with parked() as target:
        get_thread_stack(target.ident)  # reads the symbols
        with Timer(target.ident, slow, interval):
            wait_until(lambda: len(times) > 100)
    due = (times[-1] - times[0]) / interval
    assert due * 0.75 < len(times) <= due + 3, (len(times), due)


class Sorting(object):
    """A thread that is in sorting() most of the time, without giving up the GIL there; it knows how long."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._strings = [str(random.random()) for _ in range(300000)]
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        def sorting():
            return sorted(self._strings)

        inside = 0.0
        begin = now = time.perf_counter()
        while now - begin < self._seconds:
            start = now
            ordered = sorting()
            inside += time.perf_counter() - start
            del ordered
            now = time.perf_counter()
        self.share = inside / (now - begin)


@pytest.mark.parametrize("interval", [0.002, 0.02])
def test_a_thread_is_seen_where_it_is_and_not_where_it_gives_up_the_gil(interval):
    target = Sorting(3)
    seen = []

    def note(stack):
        seen.append("sorting" in [entry.name.split(".")[-1] for entry in stack])

    gc.disable()
    try:
        target.thread.start()
        with Timer(target.thread.ident, note, interval, python_frames=True):
            target.thread.join()
    finally:
        gc.enable()
    share = sum(seen) / len(seen)
    assert len(seen) > 50
    assert abs(share - target.share) < 0.15, (share, target.share, len(seen))


def test_what_was_seen_while_the_gil_was_kept_is_delivered_by_join():
    """As of a program that profiles one call of C: the first time that anything can be delivered is the end."""
    strings = [str(random.random()) for _ in range(800000)]
    stacks = []
    get_thread_stack(threading.get_ident())
    with Timer(threading.get_ident(), stacks.append, interval=0.002):
        strings.sort()
    assert len(stacks) > 10  # of some 300


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
        import threading
        import time

        import standing
        from stacktrace.tools import Timer

        calls = []

        def callback(stack):
            calls.append(stack)
            raise RuntimeError("of the callback")

        with standing.parked() as target:
            timer = Timer(target.ident, callback, interval=0.001)
            timer.start()
            while not calls or any(thread.name == "stacktrace.Timer" for thread in threading.enumerate()):
                time.sleep(0.001)
            time.sleep(0.05)
            timer.join()
        print(len(calls))

    status, output, errors = child.start(["-c", child.source_of(raising)])
    assert (status, output) == (0, "1\n"), errors
    assert "Traceback" in errors and "RuntimeError: of the callback" in errors


@pytest.mark.parametrize("interval", [-1, -0.001, float("nan"), float("inf")])
def test_the_timer_refuses_an_interval_that_is_none(interval):
    with pytest.raises(ValueError):
        Timer(threading.get_ident(), print, interval)


def test_the_timer_refuses_other_types_when_it_is_made():
    for arguments in [(None, print), ("1", print), (1, print, 0.1, "10"), (1, print, 0.1, None), (1, print, "0.1")]:
        with pytest.raises(TypeError):
            Timer(*arguments)
    with pytest.raises(TypeError):
        Profiler(None)


@pytest.mark.parametrize("tid", [0, -1, 1 << 200, 12345])
def test_a_timer_of_no_thread_gives_empty_lists(tid):
    stacks = []
    with Timer(tid, stacks.append, interval=0.001):
        wait_until(lambda: len(stacks) > 2)
    assert stacks == [[]] * len(stacks)


def test_a_timer_can_be_started_once():
    calls = []
    timer = Timer(threading.get_ident(), calls.append, interval=0.001)
    with timer:
        with pytest.raises(RuntimeError):
            timer.start()
        wait_until(lambda: len(calls) > 1)  # it goes on all the same
    with pytest.raises(RuntimeError):
        timer.start()


def test_join_before_start_is_refused_and_start_works_after_it():
    calls = []
    timer = Timer(threading.get_ident(), calls.append, interval=0.001)
    with pytest.raises(RuntimeError):
        timer.join()
    with timer:
        wait_until(lambda: calls)


def test_join_waits_for_a_call_that_runs():
    begun, ended = threading.Event(), []

    def slow(_):
        begun.set()
        time.sleep(0.2)
        ended.append(True)

    timer = Timer(threading.get_ident(), slow, interval=60)
    timer.start()
    begun.wait()
    timer.join()
    assert ended == [True]


def test_join_is_prompt():
    calls = []
    timer = Timer(threading.get_ident(), calls.append, interval=3600)
    timer.start()
    wait_until(lambda: calls)
    begin = time.monotonic()
    timer.join()
    assert time.monotonic() - begin < 0.5 and len(calls) == 1


def test_join_by_the_function_itself_makes_that_call_the_last():
    calls = []

    def ending(_):
        calls.append(True)
        if len(calls) == 3:
            time.sleep(0.05)  # more are waiting by now
            timer.join()

    timer = Timer(threading.get_ident(), ending, interval=0.001)
    timer.start()
    wait_until(lambda: len(calls) == 3)
    timer.join()
    assert len(calls) == 3


def test_looks_go_on_while_the_function_is_slow_and_only_so_many_wait():
    gate, calls = threading.Event(), []

    def blocked(_):
        calls.append(True)
        gate.wait()

    timer = Timer(threading.get_ident(), blocked, interval=0, maxdepth=0)
    timer.start()
    wait_until(lambda: timer.dropped > 0)
    assert len(calls) <= 1
    threading.Timer(0.1, gate.set).start()
    timer.join()
    assert 100 < len(calls) <= QUEUE_MAX + 1


def test_nothing_is_dropped_when_the_function_is_fast():
    calls = []
    with Timer(threading.get_ident(), calls.append, interval=0.01) as timer:
        wait_until(lambda: len(calls) > 10)
    assert timer.dropped == 0


def test_join_does_not_wait_for_a_slow_function_for_long():
    calls = []

    def slow(_):
        calls.append(True)
        time.sleep(0.05)

    timer = Timer(threading.get_ident(), slow, interval=0.001)
    timer.start()
    time.sleep(2)
    begin = time.monotonic()
    timer.join()
    assert time.monotonic() - begin < 3  # of up to 2000 calls, 100 s
    assert timer.dropped > 0


def test_the_thread_that_looks_takes_no_signals_and_has_a_name():
    calls = []
    with Timer(threading.get_ident(), calls.append, interval=0.001):
        wait_until(lambda: calls)
        found = []
        for tid in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/status" % tid) as status:
                rows = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
            if rows["Name"] == "stacktrace":
                found.append(int(rows["SigBlk"], 16))
    taken = (1 << 64) - 1 & ~found[0]
    assert len(found) == 1
    assert taken & ~(1 << 8 | 1 << 18 | 1 << 31 | 1 << 32) == 0, hex(taken)  # SIGKILL, SIGSTOP, two of glibc's own


def test_a_timer_of_the_parent_is_over_in_a_child():
    def run():
        import os
        import threading
        import time

        from stacktrace.tools import Timer

        calls = []
        timer = Timer(threading.get_ident(), calls.append, interval=0.001)
        timer.start()
        while not calls:
            time.sleep(0.001)
        for _ in range(20):
            child = os.fork()
            if not child:
                count = len(calls)
                time.sleep(0.02)
                timer.join()
                timer.join()
                good = len(calls) == count and timer.dropped >= 0
                with Timer(threading.get_ident(), calls.append, interval=0.001):  # its own works
                    while len(calls) < count + 3:
                        time.sleep(0.001)
                del timer
                os._exit(0 if good else 1)
            assert os.waitpid(child, 0)[1] == 0
        count = len(calls)
        while len(calls) < count + 10:  # the parent's goes on
            time.sleep(0.001)
        timer.join()
        print("done")

    assert child.run(run) == "done\n"


@pytest.mark.parametrize("interval", [0, 0.001, 3600])
def test_a_program_may_end_while_a_timer_runs(interval):
    def end(interval):
        import threading
        import time

        from stacktrace.tools import Timer

        calls = []
        Timer(threading.get_ident(), calls.append, interval, python_frames=True).start()
        while not calls:
            time.sleep(0.001)
        print("over")

    for _ in range(5):
        assert child.run(end, interval) == "over\n"


def test_a_program_may_end_while_a_timers_function_never_does():
    def end():
        import threading

        from stacktrace.tools import Timer

        begun = threading.Event()

        def stuck(_):
            begun.set()
            threading.Event().wait()

        Timer(threading.get_ident(), stuck, 0.001).start()
        begun.wait()
        print("over")

    assert child.run(end) == "over\n"


@pytest.mark.skipif(not interpreters(), reason="this Python has no subinterpreters")
@pytest.mark.parametrize("is_joined", [True, False])
@pytest.mark.parametrize("config", ["legacy", "isolated"])
def test_a_timer_in_a_subinterpreter(config, is_joined):
    """Daemon threads may be forbidden there; and it ends well when its timer runs still."""
    if sys.version_info < (3, 12) and not is_joined:
        pytest.skip("this Python does not end an interpreter with threads")

    def run(name, config, is_joined):
        import sys

        module = __import__(name)
        if sys.version_info >= (3, 12):
            try:
                ident = module.create(config)
            except (TypeError, ValueError):
                ident = module.create(isolated=config == "isolated")
        elif sys.version_info >= (3, 9):
            ident = module.create(isolated=config == "isolated")
        else:
            ident = module.create()
        code = (
            "import threading, time\n"
            "try:\n    from stacktrace.tools import Timer\n"
            "except ImportError:\n    print('refused', flush=True)\n"
            "else:\n"
            "    calls = []\n"
            "    timer = Timer(threading.get_ident(), calls.append, 0.001)\n"
            "    try:\n        timer.start()\n"
            "    except RuntimeError:\n        print('refused', flush=True)\n"  # to 3.11: no threads at all
            "    else:\n"
            "        while len(calls) < 5: time.sleep(0.001)\n"
            "        if %r: timer.join()\n"
            "        print(all(calls), flush=True)\n"
        ) % is_joined
        error = module.run_string(ident, code)
        assert not error, error
        module.destroy(ident)

    assert child.run(run, interpreters().__name__, config, is_joined) in ("True\n", "refused\n")


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
            wait_until(lambda: sum(row["count"] for row in dict(profiler.get_result()).values()) > 100)
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
            wait_until(lambda: sum(row["count"] for row in dict(profiler.get_result()).values()) > 1000)
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
