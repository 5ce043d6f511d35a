# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""containerd: pods as a kubelet makes them, through its part for Kubernetes, and a plain container by `ctr`."""
import json
import os
import secrets

import cri
from machine import BUSY, SHORT, Daemon, Leftovers, groups_remove, image_archive, run, until

PACKAGES = ["containerd", "runc"] + cri.PACKAGES
IMAGE = "pyprof.test/python:3.11"
SPACE = "pyprof"

# No oom_score_adj below one's own without CAP_SYS_RESOURCE. Leftovers for networks that there are none in.
CONFIG = """
version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
  address = "{0}/socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{1}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{0}/cni/bin"
    conf_dir = "{0}/cni/conf"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class Runtime:
    def __init__(self, directory):
        self.token, self.plain, self.pods = secrets.token_hex(4), [], []
        self.leftovers = Leftovers("/run/containerd")
        self.socket = os.path.join(directory, "socket")
        self.cri = cri.Cri(self.socket)
        config = os.path.join(directory, "config.toml")
        with open(config, "w") as file:
            file.write(CONFIG.format(directory, IMAGE))
        self.daemon = Daemon(directory, ["containerd", "--config", config])
        self.daemon.until("its part for Kubernetes answers", self.cri.is_ready)
        archive = os.path.join(directory, "image.tar")
        self.python = image_archive(archive, IMAGE)
        for space in ("k8s.io", SPACE):
            self.ctr(space, "images", "import", "--snapshotter", "native", archive)
        os.unlink(archive)

    def ctr(self, space, *arguments, **options):
        return run("ctr", "-a", self.socket, "-n", space, *arguments, **options)

    def start_plain(self, name):
        function = "in_%s_%s" % (name, self.token)
        container = "%s-%s" % (name, self.token)
        self.plain.append(container)
        self.ctr(SPACE, "run", "-d", "--snapshotter", "native", IMAGE, container, self.python, "-c", BUSY.format(function))
        said = json.loads(self.ctr(SPACE, "containers", "info", container))
        # Which image it was made of is in containerd's own database alone, and its id is its name.
        return {"function": function, "name": said["ID"], "id": said["ID"], "image": None, "runtime": "containerd", "pod": None,
                "namespace": None, "k8s_container": None}

    def start_in_pod(self, pod, name, program=BUSY, wait=False):
        function = "in_pod_%s_%s" % (secrets.token_hex(2), self.token)
        container = self.cri.run_container(pod, name, IMAGE, [self.python, "-c", program.format(function)], wait)
        return self.cri.expected(container, pod, function, "containerd")

    def start(self):
        """Two pods whose containers have the same name, one of them with another beside it."""
        expected = [self.start_plain("plain")]
        for name, namespace, containers in (("web", "shop", ("app", "sidecar")), ("batch", "jobs", ("app",))):
            pod = self.cri.run_pod("%s-%s" % (name, self.token), namespace)
            self.pods.append(pod)
            expected.append(self.cri.expected_sandbox(pod, "containerd"))
            expected.extend(self.start_in_pod(pod, container) for container in containers)
        return expected

    def start_short(self):
        return self.start_in_pod(self.pods[0], "short", SHORT, wait=True)

    def stop(self):
        for container in self.plain:
            self.ctr(SPACE, "tasks", "kill", "-s", "KILL", container, check=False)
            until("the end of " + container, lambda c=container: c not in self.ctr(SPACE, "tasks", "ls", check=False) or
                  "STOPPED" in self.ctr(SPACE, "tasks", "ls", check=False))
            self.ctr(SPACE, "tasks", "rm", container, check=False)
            self.ctr(SPACE, "containers", "rm", container, check=False)
        self.cri.stop()
        self.daemon.stop()
        for name in ("kubepods", SPACE):
            groups_remove(name)
        self.leftovers.remove()
