# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""check_runtime.py NAME PROFILER - starts a container runtime with all its state in a directory of its own, runs busy containers
by it, and compares what the profiler says of them with what the runtime says: the labels of samples, also of a container
that lives 200 ms, `pyprof-bpf containers`, and what --container and --pod select.

NAME.py has PACKAGES, what must be installed, and

class Runtime:
    def __init__(self, directory):  starts it, if there is a daemon
    def start(self):       list of expected containers, below: each runs a busy program
    def start_short(self): the expected one that lived machine.SHORT_S; waits for its end
    def change(self):      (optional) the same as start(), after things were renamed
    def stop(self):        nothing is left: processes, mounts, cgroups. Also after a failure in any of the above

An expected container is a dict of what the runtime's own commands say, None where there is none: function (that is busy in
there, a name that nothing else has; None: nothing is busy), name, id, image, runtime, pod, namespace, k8s_container.
"""
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from machine import HERE, TOP, run, until

HZ = 199
LABELS = {"container_name": "name", "container_id": "id", "runtime": "runtime", "image": "image", "k8s_pod": "pod",
          "k8s_namespace": "namespace", "k8s_container": "k8s_container"}
COLUMNS = ("name", "id", "runtime", "image", "pod", "namespace")


class Check:
    def __init__(self, profiler, directory):
        self.profiler, self.directory = profiler, directory
        self.readers = run(os.path.join(TOP, "tools", "get_readers.sh"), timeout=600)
        self.compared, self.wrong = 0, []

    def equal(self, what, told, expected):
        self.compared += 1
        if told != expected:
            self.wrong.append("%s: %s instead of %s" % (what, told, expected))

    def begin(self, *options):
        """The profiler, from when it samples."""
        process = subprocess.Popen([self.profiler, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        descriptors = "/proc/%d/fd" % process.pid

        def samples():
            if process.poll() is not None:
                sys.exit("the profiler ended: " + process.stderr.read().decode())
            links = [os.readlink(os.path.join(descriptors, name)) for name in os.listdir(descriptors)]
            return links.count("anon_inode:[perf_event]") >= os.cpu_count()
        try:
            until("the profiler samples", samples)
        except BaseException:
            process.kill()
            raise
        time.sleep(0.5)
        return process

    def end(self, process):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode:
            sys.exit("the profiler failed: " + errors.decode())

    def labels(self, path, functions):
        """By function and label: values."""
        found = {function: {} for function in functions}
        for line in run("python3", os.path.join(HERE, "..", "read_labels.py"), self.readers, path, *functions).splitlines():
            function, key, value = line.split("\t")
            found[function].setdefault(key, []).append(value)
        return found

    def check_labels(self, path, expected):
        busy = [one for one in expected if one["function"]]
        found = self.labels(path, [one["function"] for one in busy])
        for one in busy:
            self.equal("%s has samples" % one["function"], bool(found[one["function"]]), True)
            for label, key in LABELS.items():
                wanted = [one[key]] if one[key] is not None else []
                self.equal("%s of %s" % (label, one["function"]), found[one["function"]].get(label, []), wanted)

    def check_list(self, expected):
        rows = json.loads(run(self.profiler, "containers", "--json"))
        for one in expected:
            row = [row for row in rows if row["id"] == one["id"]]
            self.equal("rows of %s (%s)" % (one["name"], one["id"]), len(row), 1)
            for column in COLUMNS if row else ():
                self.equal("containers --json: %s of %s" % (column, one["name"]), row[0][column], one[column])
            for column in ("python_processes", "cpu_percent") if row and one["function"] else ():
                self.equal("containers --json: %s has %s" % (one["name"], column), row[0][column] > 0, True)

    def check_selection(self, option, key, expected, running):
        """Of all that run, those have samples that are called so, and they alone."""
        for wanted in sorted({one_key for one_key in map(key, expected) if one_key}):
            path = os.path.join(self.directory, "selected.folded")
            run(self.profiler, "-F", str(HZ), "-d", "1", option, wanted, "-o", path)
            with open(path) as file:
                text = file.read()
            functions = [one["function"] for one in running if one["function"]]
            chosen = [one["function"] for one in running if one["function"] and key(one) == wanted]
            self.equal("%s %s" % (option, wanted), [name for name in functions if name in text], chosen)

    def all(self, runtime):
        expected = runtime.start()
        path = os.path.join(self.directory, "all.pb.gz")
        profiler = self.begin("--all", "-F", str(HZ), "-o", path)
        try:
            short = runtime.start_short()
            time.sleep(2)
        finally:
            self.end(profiler)
        self.check_labels(path, expected + [short])
        self.check_list(expected)
        self.check_selection("--container", lambda one: one["name"], expected, expected)
        self.check_selection("--container", lambda one: len(one["id"]) == 64 and one["id"][:12], expected, expected)
        self.check_selection("--pod", lambda one: one["pod"] and "%s/%s" % (one["namespace"], one["pod"]), expected, expected)
        if hasattr(runtime, "change"):
            self.check_list(runtime.change())
        return expected + [short]


def mounts_below(directory):
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file if directory in line]


def check_nothing_left(check, directory, expected):
    functions = [one["function"].encode() for one in expected if one["function"]]

    def command(pid):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                return file.read()
        except OSError:
            return b""
    commands = [command(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
    check.equal("processes left", [line for line in commands if directory.encode() in line or
                                   any(function in line for function in functions)], [])
    check.equal("cgroups left", [path for path, _, _ in os.walk("/sys/fs/cgroup")
                                 if any(one["id"] in path for one in expected)], [])


def main():
    name, profiler = sys.argv[1], os.path.abspath(sys.argv[2])
    module = importlib.import_module(name)
    missing = [package for package in module.PACKAGES
               if run("dpkg-query", "-W", "-f", "${db:Status-Status}", package, check=False) != "installed"]
    if missing:
        sys.exit("%s: apt-get install -y --no-install-recommends %s" % (name, " ".join(missing)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="pyprof-runtime-")
    runtime, expected, check = None, [], Check(profiler, directory)
    try:
        runtime = module.Runtime.__new__(module.Runtime)  # to be stopped also when it did not start
        runtime.__init__(directory)
        expected = check.all(runtime)
    finally:
        if runtime:
            runtime.stop()
        mounts = mounts_below(directory)
        check.equal("mounts left", mounts, [])
        if not mounts:  # what is mounted there is not ours to remove
            shutil.rmtree(directory)
    check_nothing_left(check, directory, expected)
    print("%s: %d answers of the profiler compared with the runtime's, %d wrong" % (name, check.compared, len(check.wrong)))
    for line in check.wrong:
        print("  " + line)
    sys.exit(1 if check.wrong else 0)


main()
