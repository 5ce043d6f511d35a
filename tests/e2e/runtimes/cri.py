# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pods and containers as Kubernetes' kubelet makes them: its interface to runtimes, spoken through a socket. gRPC is
HTTP/2, which curl speaks, with five bytes before each message; messages are in cri.proto."""
import os
import secrets
import subprocess
import sys
import tempfile

from machine import HERE, TOP, run, until

EXITED = 2
PACKAGES = ["curl", "protobuf-compiler"]


def pool_with(pool, files):
    for file in files:
        pool.Add(file)
    return pool


def messages():
    """The classes of cri.proto, by name."""
    # Where the readers of our formats have Google's library.
    sys.path.insert(0, os.path.join(run(os.path.join(TOP, "tools", "get_readers.sh"), timeout=600), "python"))
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    described = subprocess.run(["protoc", "-I", HERE, "--descriptor_set_out=/dev/stdout", "cri.proto"], stdout=subprocess.PIPE,
                               check=True).stdout
    files = descriptor_pb2.FileDescriptorSet.FromString(described).file
    return {name.split(".")[-1]: message
            for name, message in message_factory.GetMessageClassesForFiles(
                [file.name for file in files], pool_with(descriptor_pool.DescriptorPool(), files)).items()}


class Cri:
    """One runtime's socket. Requests and answers are dicts, in the names of cri.proto."""

    def __init__(self, socket):
        self.socket, self.messages, self.pods = socket, messages(), []

    def call(self, method, answer="Empty", check=True, **request):
        from google.protobuf import json_format

        body = json_format.ParseDict(request, self.messages[method + "Request"]()).SerializeToString()
        with tempfile.NamedTemporaryFile() as headers:
            done = subprocess.run(
                ["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", self.socket, "-D", headers.name, "--data-binary", "@-",
                 "-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--max-time", "60",
                 "http://localhost/runtime.v1.RuntimeService/" + method],
                input=b"\0" + len(body).to_bytes(4, "big") + body, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            said = headers.read().decode()
        if "grpc-status: 0" not in said:
            if not check:
                return None
            sys.exit("%s: %s%s" % (method, said, done.stderr.decode()))
        return json_format.MessageToDict(self.messages[answer].FromString(done.stdout[5:]), preserving_proto_field_name=True)

    def is_ready(self):
        return os.path.exists(self.socket) and self.call("Version", "VersionResponse", check=False) is not None

    def run_pod(self, name, namespace, **more):
        """In the host's network, so that no plugin for networks is needed. Below such groups as a kubelet makes."""
        uid = "%s-%s-4%s-8%s-%s" % tuple(secrets.token_hex(8)[:n] for n in (8, 4, 3, 3, 12))
        config = {
            "metadata": {"name": name, "uid": uid, "namespace": namespace, "attempt": 0},
            "log_directory": "",
            "labels": {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": uid},
            "linux": {"cgroup_parent": "/kubepods/besteffort/pod" + uid,
                      "security_context": {"namespace_options": {"network": "NODE"}}},
        }
        config.update(more)
        pod = self.call("RunPodSandbox", "RunPodSandboxResponse", config=config)["pod_sandbox_id"]
        self.pods.append((pod, config))
        return pod

    def run_container(self, pod, name, image, command, wait=False):
        """Its id; wait: until it has ended."""
        config = dict(self.pods)[pod]
        labels = dict(config["labels"], **{"io.kubernetes.container.name": name})
        container = self.call(
            "CreateContainer", "CreateContainerResponse", pod_sandbox_id=pod, sandbox_config=config,
            config={"metadata": {"name": name}, "image": {"image": image, "user_specified_image": image}, "command": command,
                    "labels": labels,
                    "linux": {"security_context": {"namespace_options": {"network": "NODE", "pid": "CONTAINER"}}}},
        )["container_id"]
        self.call("StartContainer", container_id=container)
        if wait:
            until("the end of " + name, lambda: self.container(container).get("state") == EXITED)
        return container

    def container(self, container):
        return self.call("ContainerStatus", "ContainerStatusResponse", container_id=container)["status"]

    def pod(self, pod):
        return self.call("PodSandboxStatus", "PodSandboxStatusResponse", pod_sandbox_id=pod)["status"]

    def expected(self, container, pod, function, runtime):
        """What check_runtime.py compares with. A container is called what its pod calls it."""
        one, its_pod = self.container(container), self.pod(pod)["metadata"]
        return {"function": function, "name": one["metadata"]["name"], "id": one["id"], "image": one["image"]["image"],
                "runtime": runtime, "pod": its_pod["name"], "namespace": its_pod["namespace"],
                "k8s_container": one["metadata"]["name"]}

    def expected_sandbox(self, pod, runtime):
        """What holds the pod's namespaces is called as the kubelet calls it, and has no image that anybody chose."""
        its_pod = self.pod(pod)
        return {"function": None, "name": "POD", "id": its_pod["id"], "image": None, "runtime": runtime,
                "pod": its_pod["metadata"]["name"], "namespace": its_pod["metadata"]["namespace"], "k8s_container": "POD"}

    def stop(self):
        for pod, config in self.pods:
            self.call("StopPodSandbox", check=False, pod_sandbox_id=pod)
            self.call("RemovePodSandbox", check=False, pod_sandbox_id=pod)
