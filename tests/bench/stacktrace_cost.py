# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""stacktrace_cost.py MEASUREMENT COUNT [python_frames] - what one package named `stacktrace` costs in this process.

Uses what stacktrace 0.1 has too, so that the same text measures either. Prints one JSON object: lists of what was
measured, times in ns. bench_stacktrace.py starts it and makes medians of them.
"""
import hashlib
import importlib.machinery
import importlib.util
import json
import math
import os
import sys
import sysconfig
import threading
import time

DEPTH = 15  # frames of C; the "15 frames"
WARM_UP = 20
PAUSE_S = 0.001
RATE = 100  # traces a second
ROUND_S = 1.0
LIBRARIES = 50

now = time.perf_counter_ns


class Looks:
    """get_thread_stack() of one thread, timed."""

    def __init__(self, ident, **options):
        import stacktrace

        self.trace = stacktrace.get_thread_stack
        self.ident = ident
        self.options = options

    def one(self):
        return self.trace(self.ident, **self.options)

    def many(self, count, pause=0.0):
        times, empty = [], 0
        for _ in range(WARM_UP):
            frames = len(self.one())
        for _ in range(count):
            if pause:
                time.sleep(pause)
            begin = now()
            stack = self.one()
            times.append(now() - begin)
            empty += not stack
        return {"ns": times, "frames": [frames], "empty": [empty]}


# ---- threads to look at ----


def started(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    time.sleep(0.1)
    return thread.ident


def wait_for_lock():
    threading.Event().wait()


def sleep():
    time.sleep(100000)


def work_in_c():
    """For seconds in one call, and without the GIL."""
    while True:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 5000000)


pieces = 0


def work_in_python():
    global pieces
    while True:
        math.fsum(range(50))
        pieces += 1


# ---- measurements: each takes how many times, and the options of get_thread_stack() ----


def measure_self(count, options):
    """With DEPTH frames of C on the stack, at least, so that so many are traced."""
    looks = Looks(threading.get_ident(), maxdepth=DEPTH, **options)

    def deeper(levels):
        return list(map(deeper, [levels - 1]))[0] if levels else looks.many(count)

    return deeper(DEPTH // 3)


def measure_asleep(count, options):
    return Looks(started(wait_for_lock), **options).many(count)


def measure_asleep_seldom(count, options):
    return Looks(started(wait_for_lock), **options).many(count, PAUSE_S)


def measure_in_sleep(count, options):
    return Looks(started(sleep), **options).many(count)


def measure_in_c(count, options):
    return Looks(started(work_in_c), **options).many(count)


def measure_asleep_beside_busy(count, options):
    ident = started(wait_for_lock)
    started(work_in_python)
    return Looks(ident, **options).many(count, PAUSE_S)


def measure_busy(count, options):
    return Looks(started(work_in_python), **options).many(count, PAUSE_S)


def measure_first(count, options):
    """One look, in a process that never did; count is 1."""
    ident = threading.get_ident()
    begin = now()
    looks = Looks(ident, **options)
    imported = now()
    looks.one()
    return {"import_ns": [imported - begin], "ns": [now() - imported]}


def measure_target_cpu(count, options):
    """What a thread that does nothing else is made to use by one trace of it."""
    ident = started(wait_for_lock)
    looks = Looks(ident, **options)
    clock = time.pthread_getcpuclockid(ident)
    result = []
    looks.many(WARM_UP)
    for _ in range(10):
        begin = time.clock_gettime_ns(clock)
        for _ in range(count // 10):
            looks.one()
        result.append((time.clock_gettime_ns(clock) - begin) / (count // 10))
    return {"ns": result}


def speed_during(act, rate):
    """Pieces of work a second, while act() is called at that rate from this thread."""
    calls, begin, done = 0, time.monotonic(), pieces
    end = begin + ROUND_S
    while True:
        due = begin + (calls + 1) / rate if rate else end
        left = min(due, end) - time.monotonic()
        if left > 0:
            time.sleep(left)
        if time.monotonic() >= end:
            break
        act()
        calls += 1
    return (pieces - done) / (time.monotonic() - begin), calls


def measure_slowdown(count, options):
    """Of a thread that runs Python: by traces, and by a thread that only wakes up as often. In percent."""
    looks = Looks(started(work_in_python), **options)
    looks.many(1)
    result = {"percent": [], "waking_percent": [], "rate": []}
    before, _ = speed_during(None, 0)
    for _ in range(count):
        traced, calls = speed_during(looks.one, RATE)
        after, _ = speed_during(None, 0)
        result["percent"].append(100 * (1 - 2 * traced / (before + after)))
        result["rate"].append(calls / ROUND_S)
        woken, _ = speed_during(int, RATE)
        before, _ = speed_during(None, 0)
        result["waking_percent"].append(100 * (1 - 2 * woken / (before + after)))
    return result


def resident():
    """(all, anonymous) in KiB."""
    with open("/proc/self/status") as status:
        rows = dict(line.split(":", 1) for line in status)
    return [int(rows[name].split()[0]) for name in ("VmRSS", "RssAnon")]


def mapped_libraries():
    with open("/proc/self/maps") as maps:
        return len({line.split()[-1] for line in maps if " r-xp " in line and ".so" in line})


def load_libraries():
    """The interpreter's own extension modules, then whatever there is."""
    import ctypes

    places = [sysconfig.get_path("platstdlib") + "/lib-dynload", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"]
    for place in filter(os.path.isdir, places):
        for name in sorted(os.listdir(place)):
            if mapped_libraries() >= LIBRARIES:
                return
            if name.endswith(".so") or (place != places[0] and name.startswith("libx") and ".so." in name):
                try:
                    ctypes.CDLL(os.path.join(place, name))
                except OSError:
                    pass


def measure_memory(count, options):
    load_libraries()
    before = resident()
    looks = Looks(threading.get_ident(), **options)
    imported = resident()
    looks.many(count)
    Looks(started(wait_for_lock), **options).many(count)
    traced = resident()
    return {
        "libraries": [mapped_libraries()],
        "import_kib": [imported[0] - before[0]],
        "kib": [traced[0] - before[0]],
        "anonymous_kib": [traced[1] - before[1]],
    }


def measure_two_wakeups(count, options):
    """No trace: a byte to another process and one back. What "plus scheduling" is on this machine."""
    to_child, to_parent = os.pipe(), os.pipe()
    if not os.fork():
        os.close(to_child[1])
        while os.read(to_child[0], 1):
            os.write(to_parent[1], b"x")
        os._exit(0)
    times = []
    for _ in range(count):
        begin = now()
        os.write(to_child[1], b"x")
        os.read(to_parent[0], 1)
        times.append(now() - begin)
    os.close(to_child[1])
    os.wait()
    return {"ns": times}


def main():
    name, count = sys.argv[1], int(sys.argv[2])
    options = {option: True for option in sys.argv[3:]}
    print(json.dumps(globals()["measure_" + name](count, options)))
    sys.stdout.flush()
    os._exit(0)  # some of the threads never end


main()
