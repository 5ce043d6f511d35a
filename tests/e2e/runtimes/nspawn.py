# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
systemd-nspawn, also where no systemd runs: in the groups that systemd starts systemd-nspawn@NAME.service in, and that machined makes for a
machine that it is told of (machine-NAME.scope). What is below these nspawn makes itself.
"""
import glob
import os
import secrets
import subprocess

from machine import BUSY, SHORT, debian_root, hierarchies, run, until

PACKAGES = ["systemd-container"]
SLICE = "machine.slice"
STATE = "/run/systemd/nspawn"


class Runtime:
    def __init__(self, directory):
        self.token, self.started = secrets.token_hex(4), []
        self.root, self.python = debian_root()
        self.log = os.path.join(directory, "nspawn.log")
        self.had = [where for where in hierarchies() if os.path.isdir(os.path.join(where, SLICE))]

    def groups(self):
        return [os.path.join(path, name) for where in hierarchies() for path, names, _ in os.walk(os.path.join(where, SLICE))
                for name in names if self.token in name]

    @staticmethod
    def enter(group):
        """What systemd and machined do before a machine runs, in hierarchies of both versions."""
        for where in hierarchies():
            path = os.path.join(where, SLICE, group)
            if os.path.exists(os.path.join(where, "cpuset.cpus")):
                continue  # of v1: nothing runs in there before it is told on which CPU
            os.makedirs(path, exist_ok=True)
            with open(os.path.join(path, "cgroup.procs"), "w") as file:
                file.write("0")

    def begin(self, label, group, *options, program=BUSY):
        name, function = "%s-%s" % (label, self.token), "in_%s_%s" % (label.replace(".", "_").replace("-", "_"), self.token)
        group = group % (name if "@" in group else run("systemd-escape", "--", name))
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--console=pipe", "--read-only", "--as-pid2",
                 "--directory", self.root, "--machine", name, *options, self.python, "-c", program.format(function)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=lambda: self.enter(group))
        self.started.append(process)
        return process, group, function

    @staticmethod
    def expect(name, function):
        return {"function": function, "name": name, "id": name, "image": None, "runtime": "systemd-nspawn", "pod": None,
                "namespace": None, "k8s_container": None}

    def leader(self, group):
        """What nspawn started, in the group that it made for it."""
        for where in hierarchies():
            try:
                with open(os.path.join(where, SLICE, group, "payload", "cgroup.procs")) as file:
                    pids = file.read().split()
            except OSError:
                continue
            for pid in pids:
                with open("/proc/%s/cmdline" % pid) as file:
                    if file.read().startswith(self.python):
                        return pid
        return None

    def run(self, label, group, *options):
        process, group, function = self.begin(label, group, *options)

        def runs():
            if process.poll() is not None:
                with open(self.log) as log:
                    raise RuntimeError("systemd-nspawn: " + log.read())
            return self.leader(group)
        until("the machine runs", runs)
        # The name that nspawn gave to the machine.
        return self.expect(run("nsenter", "-t", self.leader(group), "-u", "uname", "-n"), function)

    def start(self):
        return [
            self.run("service", "systemd-nspawn@%s.service"),
            self.run("with-dashes.and.dots", "systemd-nspawn@%s.service"),
            self.run("mapped", "systemd-nspawn@%s.service", "--private-users=524288:65536", "--private-users-ownership=off"),
            self.run("registered", "machine-%s.scope"),
        ]

    def start_short(self):
        process, _, function = self.begin("short", "systemd-nspawn@%s.service", program=SHORT)
        if process.wait(60) != 0:
            with open(self.log) as log:
                raise RuntimeError("systemd-nspawn: " + log.read())
        return self.expect("short-" + self.token, function)

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
        for group in self.groups():
            for path, _, _ in os.walk(group, topdown=False):
                os.rmdir(path)
        for where in hierarchies():
            if where not in self.had and os.path.isdir(os.path.join(where, SLICE)):
                os.rmdir(os.path.join(where, SLICE))
        for path in glob.glob(STATE + "/*/*" + self.token + "*"):
            run("rm", "-rf", "--one-file-system", path)
