# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bench_stacktrace.py - what one trace of the package in python/ takes, and what the traced thread notices.

Beside numba's stacktrace 0.1, where its repository can be reached or BENCH_STACKTRACE names its source: the two take
turns, each in a process of its own, and a factor is of medians of the same run. stacktrace_cost.py measures; times
are the caller's clock around get_thread_stack(). Lines as bench.h has them.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(HERE, "..", "..", "python")
THEIRS = os.environ.get("BENCH_STACKTRACE") or "git+https://github.com/numba/stacktrace"
TIMES = 4 if os.environ.get("BENCH_LONG", "0") not in ("", "0") else 1

NO_GOAL = None
NS_PER_US = 1000
# The old one waits for ever for a thread that has just ended.
TIMEOUT_S = 120


def line(name, value, unit, goal=NO_GOAL):
    verdict = "-" if goal is NO_GOAL else "<= %g %s" % (goal, "met" if value <= goal else "MISSED")
    print("%s\t%.3f\t%s\t%s" % (name, value, unit, verdict), flush=True)


def note(text):
    print("# " + text, flush=True)


def skip(name, reason):
    print("%s\tskipped\t-\t%s" % (name, reason), flush=True)


class Package:
    """One implementation, installed in an environment of its own in the scratch directory."""

    def __init__(self, prefix, source):
        self.prefix = prefix
        self.python = None
        directory = os.path.join(os.environ["BENCH_SCRATCH"], prefix)
        venv.create(directory, with_pip=True)
        python = os.path.join(directory, "bin", "python")
        for isolation in [], ["--no-build-isolation"]:  # the first wants setuptools from PyPI
            command = [python, "-m", "pip", "-q", "--disable-pip-version-check", "install"] + isolation + [source]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.error = done.stdout.decode(errors="replace")
            if not done.returncode:
                self.python = python
                return

    def measure(self, name, count, options=()):
        """What stacktrace_cost.py says; None if it did not finish."""
        command = [self.python, os.path.join(HERE, "stacktrace_cost.py"), name, str(count)] + list(options)
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            note("%s: %s hung" % (self.prefix, name))
            return None
        if done.returncode:
            note("%s: %s did not finish: status %d" % (self.prefix, name, done.returncode))
            return None
        return json.loads(done.stdout)


def add(total, more):
    for key, values in (more or {}).items():
        total.setdefault(key, []).extend(values)


def quantile(values, share):
    values = sorted(values)
    at = share * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (at - below) * (values[above] - values[below])


def take_turns(packages, name, count, rounds, options=()):
    """{package: what was measured}, over all rounds; of the old one, which is slow, a tenth of a large count."""
    result = {package: {} for package in packages}
    for _ in range(rounds):
        for package in packages:
            is_old = package is not packages[0]
            add(result[package], package.measure(name, max(count // 10, min(count, 40)) if is_old else count, options))
    return {package: measured for package, measured in result.items() if measured}


def compare_times(name, result, goal=NO_GOAL):
    """Median and 99th percentile; of the other one how many times as long."""
    medians = []
    for package, measured in result.items():
        prefix = "%s_%s" % (package.prefix, name)
        median = statistics.median(measured["ns"])
        medians.append(median)
        line(prefix, median / NS_PER_US, "us", goal if package.prefix == "stacktrace" else NO_GOAL)
        if len(measured["ns"]) >= 100:
            line(prefix + "_p99", quantile(measured["ns"], 0.99) / NS_PER_US, "us")
        if any(measured.get("empty", [])):
            line(prefix + "_empty", sum(measured["empty"]), "traces")
    if len(medians) == 2:
        line("stacktrace_%s_factor" % name, medians[1] / medians[0], "x")


def compare_medians(name, result, units):
    for package, measured in result.items():
        for key, unit in units:
            line("%s_%s_%s" % (package.prefix, name, key), statistics.median(measured[key]), unit)


def frames(result):
    return ", ".join("%s %d" % (package.prefix, measured["frames"][0]) for package, measured in result.items())


# Measurement: traces in a round, goal in us, "plus scheduling" or not.
LOOKS = [
    ("self", 2000, 50, False),
    ("asleep", 1000, 200, True),
    ("asleep_seldom", 500, NO_GOAL, True),
    ("in_sleep", 500, NO_GOAL, True),
    ("in_c", 1000, NO_GOAL, True),
    ("asleep_beside_busy", 100, NO_GOAL, True),
    ("busy", 100, NO_GOAL, True),
]
WITH_PYTHON = ["self", "asleep"]
ROUNDS = 3


def measure_looks(packages, scheduling_us):
    for name, count, goal, is_scheduled in LOOKS:
        result = take_turns(packages, name, count * TIMES, ROUNDS)
        note("%s: frames in a stack: %s" % (name, frames(result)))
        compare_times(name, result, goal + scheduling_us if goal and is_scheduled else goal)
    for name, count, goal, _ in LOOKS:
        if name in WITH_PYTHON:
            result = take_turns(packages[:1], name, count * TIMES, ROUNDS, ["python_frames"])
            note("%s, with python_frames=True: frames in a stack: %s" % (name, frames(result)))
            compare_times(name + "_python_frames", result)


def main():
    source = os.path.join(os.environ["BENCH_SCRATCH"], "stacktrace_source")
    shutil.copytree(OURS, source)  # the symlinks' targets with it: nothing is left in the repository
    ours = Package("stacktrace", source)
    if not ours.python:
        print(ours.error, file=sys.stderr)
        sys.exit("bench: the package in python/ cannot be installed")
    packages = [ours, Package("numba_stacktrace", THEIRS)]
    if not packages[1].python:
        packages.pop()
        skip("numba_stacktrace", "cannot be had from " + THEIRS)

    scheduling = ours.measure("two_wakeups", 2000 * TIMES)["ns"]
    scheduling_us = statistics.median(scheduling) / NS_PER_US
    line("stacktrace_scheduling", scheduling_us, "us")
    line("stacktrace_scheduling_p99", quantile(scheduling, 0.99) / NS_PER_US, "us")
    measure_looks(packages, scheduling_us)

    first = take_turns(packages, "first", 1, 10 * TIMES)
    compare_times("first", first)
    for options in [], ["python_frames"]:
        result = take_turns(packages[: 2 - len(options)], "target_cpu", 1000 * TIMES, ROUNDS, options)
        compare_times("_".join(["target_cpu"] + options), result)
    compare_medians(
        "at_100_a_second",
        take_turns(packages, "slowdown", 2 * TIMES, ROUNDS),
        [("percent", "%"), ("waking_percent", "%"), ("rate", "Hz")],
    )
    compare_medians(
        "memory",
        take_turns(packages, "memory", 20, 1),
        [("libraries", "libraries"), ("import_kib", "KiB"), ("kib", "KiB"), ("anonymous_kib", "KiB")],
    )


main()
