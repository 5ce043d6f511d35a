# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Docker: dockerd with a containerd of its own, and containers by `docker run`. Its data root is one that only its command line
says; its sockets and bundles (--exec-root) are where they always are, which the profiler relies on."""
import json
import os
import secrets
import sys

from machine import BUSY, IDLE, SHORT, Daemon, Leftovers, groups_remove, root_archive, run

PACKAGES = ["docker.io"]
IMAGE = "pyprof.test/python:3.11"
# The limits and the network that an unprivileged root may have.
RUN = ["--network", "none", "--ulimit", "nofile=1024:1024"]


def privileged():
    """--privileged, or as much of it as a root has that lacks capabilities itself."""
    with open("/proc/self/status") as status, open("/proc/sys/kernel/cap_last_cap") as last:
        bounding = int(next(line for line in status if line.startswith("CapBnd:")).split()[1], 16)
        if bounding == (2 << int(last.read())) - 1:
            return ["--privileged"]
    return ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"]


class Runtime:
    def __init__(self, directory):
        self.directory, self.token, self.expected = directory, secrets.token_hex(4), []
        self.socket = "unix://%s/docker.sock" % directory
        self.leftovers = Leftovers("/run/docker", "/run/containerd", "/etc/docker/key.json")
        self.daemon = None
        if run("pidof", "dockerd", check=False):
            sys.exit("docker: a dockerd runs on this machine already")
        self.daemon = Daemon(directory, [
            "dockerd", "--data-root", os.path.join(directory, "data"), "--pidfile", os.path.join(directory, "docker.pid"), "-H",
            self.socket, "--storage-driver=vfs", "--iptables=false", "--bridge=none", "--ip-masq=false", "--exec-opt",
            "native.cgroupdriver=cgroupfs"])
        self.daemon.until("its socket answers", lambda: self.docker("version", check=False).count("Version:") > 1)
        archive = os.path.join(directory, "root.tar")
        self.python = root_archive(archive)
        self.docker("import", archive, IMAGE)
        os.unlink(archive)

    def docker(self, *arguments, **options):
        return run("docker", "-H", self.socket, *arguments, **options)

    def run(self, name, *options, program=BUSY, detach=True):
        function = "in_%s_%s" % (name, self.token)
        self.docker("run", "--name", "%s-%s" % (name, self.token), *(["-d"] if detach else []), *RUN, *options, IMAGE, self.python,
                    "-c", program.format(function))
        one = self.inspect("%s-%s" % (name, self.token), None if program == IDLE else function)
        self.expected.append(one)
        return one

    def inspect(self, container, function):
        said = json.loads(self.docker("inspect", container))[0]
        return {"function": function, "name": said["Name"].lstrip("/"), "id": said["Id"], "image": said["Config"]["Image"],
                "runtime": "docker", "pod": None, "namespace": None, "k8s_container": None}

    def start(self):
        self.run("plain")
        self.run("privileged", *privileged())
        self.run("own", "--cgroupns", "private")
        self.run("host", "--cgroupns", "host")
        self.run("parent", "--cgroup-parent", "/pyprof-" + self.token)
        self.run("idle", program=IDLE)
        return list(self.expected)

    def start_short(self):
        return self.run("short", program=SHORT, detach=False)

    def change(self):
        one = self.expected[0]
        self.docker("rename", one["id"], "renamed-" + self.token)
        return [self.inspect(one["id"], one["function"])]

    def stop(self):
        for one in self.expected:
            self.docker("rm", "-f", one["id"], check=False)
        if self.daemon:
            self.daemon.stop()
        for name in ("docker", "pyprof-" + self.token):
            groups_remove(name)
        self.leftovers.remove()
