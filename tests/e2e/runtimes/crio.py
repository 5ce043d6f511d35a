# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""CRI-O: pods as a kubelet makes them, also of a tenant whose annotations lie about who he is. Debian has no package of it: its
programs `crio` and `pinns` are in the directory PYPROF_CRIO, or in PATH. Its storage is one that only its configuration says."""
import os
import secrets
import shutil
import sys

import cri
from machine import BUSY, SHORT, Daemon, Leftovers, groups_remove, image_archive, run

PACKAGES = ["conmon", "podman", "runc"] + cri.PACKAGES
IMAGE = "pyprof.test/python:3.11"

# Without networks, hooks and what else it would look for outside of its own directory.
CONFIG = """
[crio]
root = "{0}/root"
runroot = "{0}/run"
storage_driver = "vfs"
storage_option = []
log_dir = "{0}/logs"
version_file = "{0}/version"
version_file_persist = "{0}/version.kept"
clean_shutdown_file = "{0}/clean.shutdown"
internal_wipe = false
[crio.api]
listen = "{0}/socket"
stream_address = "127.0.0.1"
stream_port = "0"
[crio.image]
pause_image = "{1}"
pause_command = ""
signature_policy = "{0}/policy.json"
signature_policy_dir = "{0}/policies"
[crio.network]
network_dir = "{0}/cni/conf"
plugin_dirs = ["{0}/cni/bin"]
[crio.nri]
enable_nri = false
[crio.runtime]
apparmor_profile = "unconfined"
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
container_attach_socket_dir = "{0}/attach"
container_exits_dir = "{0}/exits"
default_runtime = "runc"
hooks_dir = []
cdi_spec_dirs = []
irqbalance_config_restore_file = "disable"
namespaces_dir = "{0}/namespaces"
pinns_path = "{2}"
[crio.runtime.runtimes.runc]
runtime_path = "{0}/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/bin/conmon"
"""

# CRI-O makes what holds a pod's namespaces harder to kill than itself, which needs CAP_SYS_RESOURCE.
RUNC = r"""#!/bin/sh
for word; do
	[ "$option" != --bundle ] || sed -i 's/\("oomScoreAdj": *\)-[0-9]*/\10/' "$word/config.json"
	option=$word
done
exec runc "$@"
"""

# What a tenant may write into his pod, and CRI-O copies. The first is its own mark.
LIES = {"io.container.manager": "libpod", "nerdctl/name": "forged"}
LIES.update(("io.kubernetes.cri-o." + key, "forged") for key in ("ContainerName", "ContainerType", "Image", "ImageName", "KubeName",
                                                                 "Name", "SandboxName"))
LIES.update(("io.kubernetes.cri." + key, "forged") for key in ("container-name", "image-name", "sandbox-name", "sandbox-namespace"))
LIES.update(("io.kubernetes." + key, "forged") for key in ("container.name", "pod.name", "pod.namespace", "pod.uid"))


def program(name):
    path = shutil.which(name, path=os.environ.get("PYPROF_CRIO")) or shutil.which(name)
    return path or sys.exit("crio: there is no %s in PYPROF_CRIO or PATH (https://github.com/cri-o/cri-o)" % name)


class Runtime:
    def __init__(self, directory):
        self.directory, self.token, self.pods, self.daemon = directory, secrets.token_hex(4), [], None
        self.leftovers = Leftovers("/run/runc")
        self.cri = cri.Cri(os.path.join(directory, "socket"))
        crio, pinns = program("crio"), program("pinns")
        for folder in ("cni/conf", "cni/bin", "conf.d"):
            os.makedirs(os.path.join(directory, folder))
        self.write("crio.conf", CONFIG.format(directory, IMAGE, pinns))
        self.write("policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
        self.write("runc", RUNC, mode=0o755)
        archive = os.path.join(directory, "image.tar")
        self.python = image_archive(archive, IMAGE)
        run("podman", "--root", os.path.join(directory, "root"), "--runroot", os.path.join(directory, "run"), "--storage-driver",
            "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "load", "-i", archive)
        os.unlink(archive)
        self.daemon = Daemon(directory, [crio, "--config", os.path.join(directory, "crio.conf"), "--config-dir",
                                         os.path.join(directory, "conf.d")])
        self.daemon.until("its socket answers", self.cri.is_ready)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def start_in_pod(self, pod, name, program=BUSY, wait=False):
        function = "in_pod_%s_%s" % (secrets.token_hex(2), self.token)
        container = self.cri.run_container(pod, name, IMAGE, [self.python, "-c", program.format(function)], wait)
        return self.cri.expected(container, pod, function, "cri-o")

    def start(self):
        """Two pods whose containers have the same name, and one that wants to be taken for another."""
        expected = []
        for name, namespace, containers, lies in (("web", "shop", ("app", "sidecar"), {}), ("batch", "jobs", ("app",), {}),
                                                  ("mallory", "tenant", ("app",), LIES)):
            pod = self.cri.run_pod("%s-%s" % (name, self.token), namespace, annotations=lies)
            self.pods.append(pod)
            expected.append(self.cri.expected_sandbox(pod, "cri-o"))
            expected.extend(self.start_in_pod(pod, container) for container in containers)
        return expected

    def start_short(self):
        """Of the pod that lies."""
        return self.start_in_pod(self.pods[-1], "short", SHORT, wait=True)

    def stop(self):
        self.cri.stop()
        if self.daemon:
            self.daemon.stop()
        groups_remove("kubepods")
        self.leftovers.remove()
