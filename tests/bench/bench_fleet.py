# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bench_fleet.py - what it costs to send the windows of thirty busy containers to two engines, and how much is sent.

The containers are cgroups as Docker makes them, each with a service that is busy for a fortieth of its time; the
engines are receivers of the tests, which only take what they are sent. CPU is what the profiler says of itself, kernel
side included, steady: the difference of a long run and a short one. Lines as bench.h has them.
"""
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RECEIVER = os.path.join(HERE, "..", "e2e", "receiver.py")
PROFILER = os.environ["PYPROF_BPF"]
SCRATCH = os.path.join(os.environ["BENCH_SCRATCH"], "fleet")
TIMES = 4 if os.environ.get("BENCH_LONG", "0") not in ("", "0") else 1

CONTAINERS = 30
WINDOW_S = 10
SHORT_S, LONG_S = 2 * WINDOW_S, (2 + 4 * TIMES) * WINDOW_S
BACKLOG_S, BACKLOG_WINDOW_S = 30 * TIMES, 0.1
KINDS = ["otlp", "pyroscope"]
SUFFIXES = ["folded", "svg", "pb.gz", "speedscope.json", "firefox.json", "otlp.pb"]


def line(name, value, unit):
    print("%s\t%.3f\t%s\t-" % (name, value, unit), flush=True)


def cgroup_root():
    """Where containers are told apart: as the profiler, in the hierarchy of pids if that is one of v1."""
    mounts = [text.split() for text in open("/proc/self/mounts")]
    for _, path, kind, options, *_ in mounts:
        if kind == "cgroup" and "pids" in options.split(","):
            return path
    return next(path for _, path, kind, *_ in mounts if kind == "cgroup2")


@contextlib.contextmanager
def containers():
    root = os.path.join(cgroup_root(), "docker")
    existed = os.path.isdir(root)
    groups, services = [], []
    try:
        for seed in range(CONTAINERS):
            group = os.path.join(root, secrets.token_hex(32))
            os.makedirs(group)
            groups.append(group)

            def enter(path=os.path.join(group, "cgroup.procs")):
                with open(path, "w") as procs:
                    procs.write("0")

            command = [sys.executable, os.path.join(HERE, "service.py"), str(seed)]
            services.append(subprocess.Popen(command, preexec_fn=enter, stdout=subprocess.DEVNULL))
        time.sleep(2)  # imports are over
        yield
    finally:
        for service in services:
            service.kill()
            service.wait()
        for group in groups:
            os.rmdir(group)
        if not existed:
            os.rmdir(root)


class Receiver:
    def __init__(self, name, port=0):
        self.saved = os.path.join(SCRATCH, name)
        os.makedirs(self.saved)
        command = [sys.executable, RECEIVER, "--save", self.saved, "--port", str(port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.log = open(os.path.join(SCRATCH, name + ".log"), "w+")
        self.reader = subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=self.log)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.reader.wait()

    def bytes(self):
        return sum(entry.stat().st_size for entry in os.scandir(self.saved))

    def count(self):
        return len(os.listdir(self.saved))

    def times(self):
        return sorted(entry.stat().st_mtime for entry in os.scandir(self.saved))


def profile(seconds, *options):
    stats = os.path.join(SCRATCH, "stats.json")
    done = subprocess.run([PROFILER, "--all", "-d", str(seconds), "--stats", stats] + list(options),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("pyprof-bpf: " + done.stderr)
    with open(stats) as text:
        return json.load(text)


def exports(receivers):
    return [word for kind, receiver in receivers.items()
            for word in ("--export", "%s=http://127.0.0.1:%d" % (kind, receiver.port))]


def cpu_us(stats):
    return stats["agent_cpu_s"] * 1e6 + stats["bpf_ns"] / 1e3


def steady_cost(name, *options):
    short, long = profile(SHORT_S, *options), profile(LONG_S, *options)
    samples = long["samples"] - short["samples"]
    line("fleet.%s.agent_us_per_sample" % name, (cpu_us(long) - cpu_us(short)) / samples, "us")
    line("fleet.%s.agent_share" % name, (cpu_us(long) - cpu_us(short)) / (LONG_S - SHORT_S) / 1e6 / long["cpus"] * 100,
         "% of each CPU")
    line("fleet.%s.rss" % name, long["rss_bytes"] / 1e6, "MB")
    return samples


def cost():
    receivers = {kind: Receiver("cost-" + kind) for kind in KINDS}
    samples = steady_cost("both_exports", *exports(receivers), "--window", str(WINDOW_S))
    print("# 19 Hz, windows of %d s, %d samples in the difference" % (WINDOW_S, samples))
    steady_cost("no_export", "-F", "19", "--window", str(WINDOW_S))
    for kind, receiver in receivers.items():
        receiver.close()
        windows = (SHORT_S + LONG_S) / WINDOW_S
        line("fleet.%s.bytes_per_window_and_container" % kind, receiver.bytes() / windows / CONTAINERS, "B")


def sizes():
    for suffix in SUFFIXES:
        folder = os.path.join(SCRATCH, "files-" + suffix)
        os.makedirs(folder)
        profile(WINDOW_S, "-F", "19", "-o", os.path.join(folder, "{container}." + suffix))
        files = [entry.stat().st_size for entry in os.scandir(folder) if not entry.name.startswith("host.")]
        line("fleet.file.%s.bytes_per_window_and_container" % suffix, sum(files) / len(files), "B")


def drain():
    """A backlog on disk, of one engine that was away; then it is there again."""
    spool = os.path.join(SCRATCH, "spool")
    away = Receiver("away")
    away.close()
    common = ["--spool", spool, "--window", str(BACKLOG_WINDOW_S)]
    port = away.port
    profile(BACKLOG_S, "--export", "pyroscope=http://127.0.0.1:%d" % port, *common)
    waiting = len([name for name in os.listdir(spool) if name.endswith(".msg")])

    back = Receiver("back", port)
    profile(10, "--export", "pyroscope=http://127.0.0.1:%d" % port, "--spool", spool, "--window", "9")
    back.close()
    times = back.times()[:waiting]
    line("fleet.backlog.drained_per_second", (len(times) - 1) / (times[-1] - times[0]), "requests/s")
    print("# %d requests were waiting, %d B each, %d were delivered; the receiver is Python's"
          % (waiting, back.bytes() / max(1, back.count()), back.count()))


def main():
    os.makedirs(SCRATCH)
    try:
        with containers():
            cost()
            sizes()
            drain()
    finally:
        shutil.rmtree(SCRATCH)


if __name__ == "__main__":
    main()
