# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the runtimes' modules need of this machine: commands, daemons, a Debian root with a Python, and busy programs."""
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..", "..")
SHORT_S = 0.2

# What runs in containers: python3 -c ... The innermost function has a name that no other program on the machine has.
BUSY = "def {0}():\n while True: pass\n{0}()\n"
SHORT = "import time\nend = time.monotonic() + %g\ndef {0}():\n while time.monotonic() < end: pass\n{0}()\n" % SHORT_S
IDLE = "import time\ntime.sleep(1e6)\n"


def run(*command, timeout=120, check=True, **options):
    """Its stdout, without the newline at its end."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **options)
    if check and done.returncode != 0:
        sys.exit("%s: %d\n%s" % (" ".join(map(str, command)), done.returncode,
                                 (done.stdout + done.stderr).decode(errors="replace")[-3000:]))
    return done.stdout.decode().rstrip("\n")


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("%s: not within %d s" % (what, seconds))
        time.sleep(0.05)


class Daemon:
    """A runtime's own daemon, which logs to DIRECTORY/NAME.log."""

    def __init__(self, directory, command, **options):
        self.name = os.path.basename(command[0])
        self.log = os.path.join(directory, self.name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)

    def until(self, what, condition, seconds=60):
        """Ends the check, with what the daemon said, when it does not become ready."""
        def ready():
            if self.process.poll() is not None:
                sys.exit("%s ended: %s" % (self.name, self.said()))
            return condition()
        try:
            until("%s: %s" % (self.name, what), ready, seconds)
        except SystemExit:
            sys.stderr.write(self.said())
            raise

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-3000:]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def debian_root():
    """A Debian root with a Python that tools/get_pythons.sh made, and that Python's path in it: never write into it."""
    for line in run(os.path.join(TOP, "tools", "get_pythons.sh"), timeout=1200).splitlines():
        name, python, root = line.split("\t")
        if name == "bookworm-3.11":
            return root, python
    sys.exit("tools/get_pythons.sh lists no bookworm-3.11")


def root_archive(path):
    """The same, smaller, as a tar file for runtimes that import images. Gives that Python's path."""
    root, python = debian_root()
    run("tar", "-C", root, "--one-file-system", "--exclude=./usr/share", "--exclude=./var", "--exclude=./usr/sbin", "-cf", path,
        ".")
    return python


def image_archive(path, name):
    """The same as an image with a name, as `docker save` writes one. What it runs unless told otherwise sleeps."""
    layer = path + ".layer"
    python = root_archive(layer)
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": [python, "-c", IDLE], "StopSignal": "SIGKILL"},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}, "history": [{"created_by": "pyprof-bpf's tests"}]}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        archive.add(layer, "layer.tar")
        for file, content in (("config.json", config), ("manifest.json", manifest)):
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    os.unlink(layer)
    return python


def hierarchies():
    """Where hierarchies of cgroups are mounted."""
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file if line.split(" - ")[1].startswith("cgroup")]


def groups_remove(name):
    """The cgroups of that name, and those in it, in each hierarchy: what is empty. Runtimes leave the parents of theirs."""
    for root in ["/sys/fs/cgroup"] + [os.path.join("/sys/fs/cgroup", child) for child in os.listdir("/sys/fs/cgroup")]:
        for path, _, _ in os.walk(os.path.join(root, name), topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass  # somebody's


class Leftovers:
    """Files and folders that a runtime makes outside of its own: those that were not there before go with it."""

    def __init__(self, *paths):
        self.new = [path for path in paths if not os.path.exists(path)]

    def remove(self):
        for path in filter(os.path.lexists, self.new):
            run("rm", "-rf", "--one-file-system", path)
