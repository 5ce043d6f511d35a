# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""LXC: containers by lxc-start and lxc-execute, with and without a user namespace, in the groups that LXC takes, and in others."""
import glob
import os
import secrets
import shutil
import sys

from machine import BUSY, SHORT, debian_root, hierarchies, run, until

PACKAGES = ["lxc", "uidmap"]
LXCPATH = "/var/lib/lxc"  # LXC's own, where its names are looked for
# So many are busy that the profiler would come too late for what lives shortly (`new-process`), or the latter for its CPU time.
MEEK = "lxc.cgroup.cpu.shares = 256\n" if os.path.isdir("/sys/fs/cgroup/cpu") else "lxc.cgroup2.cpu.weight = 25\n"
MAP = "lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n"
# With its own /etc/subuid and /etc/subgid, which newuidmap wants, and which are the machine's.
MAPPED = """mount --make-rprivate / && mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@" """


class Runtime:
    def __init__(self, directory):
        self.directory, self.token = directory, secrets.token_hex(4)
        self.paths, self.started = [], []
        self.had = set(self.groups_of_lxc())
        root, self.python = debian_root()
        self.root = os.path.join(directory, "root")
        os.mkdir(self.root)
        os.chmod(directory, 0o711)  # for whom the user namespace has
        # LXC itself would write there, whatever its own options are: a file to execute its init by.
        run("mount", "--bind", root, self.root)
        run("mount", "-o", "remount,bind,ro", self.root)
        self.ids = os.path.join(directory, "ids")
        with open(self.ids, "w") as file:
            file.write("root:100000:65536\n")

    def configure(self, name, options, lxcpath=LXCPATH):
        home = os.path.join(lxcpath, name)
        self.paths.append(home)
        os.mkdir(home)
        with open(os.path.join(home, "config"), "w") as file:
            file.write("lxc.rootfs.path = dir:%s\nlxc.rootfs.options = ro\nlxc.net.0.type = empty\n"
                       "lxc.apparmor.profile = unconfined\n%s" % (self.root, options))

    def command(self, function, program):
        """Without blanks and quotes, of which LXC has rules of its own; and with the function's name, by which it is found if it is left."""
        return [self.python, "-c", "exec(bytes(%s))" % str(list(program.format(function).encode())).replace(" ", ""), function]

    def run(self, label, options="", name=None, lxcpath=LXCPATH):
        name = name or "%s-%s" % (label, self.token)
        function = "in_%s_%s" % (label, self.token)
        self.configure(name, options + MEEK + "lxc.init.cmd = %s\n" % " ".join(self.command(function, BUSY)), lxcpath)
        log = os.path.join(self.directory, "lxc.log")
        start = ["lxc-start", "-P", lxcpath, "-n", name, "-o", log, "-l", "INFO"]
        if MAP in options:
            start = ["unshare", "-m", "sh", "-c", MAPPED, "sh", self.ids] + start
        self.started.append((lxcpath, name))
        try:
            run(*start)
        except SystemExit:
            with open(log) as file:
                sys.stderr.write("".join(line for line in file if " ERROR " in line))
            raise
        return self.said(lxcpath, name, function)

    def said(self, lxcpath, name, function):
        said = dict(line.split(":", 1) for line in run("lxc-info", "-P", lxcpath, "-n", name).splitlines())
        assert said["State"].strip() == "RUNNING", said
        return self.expect(said["Name"].strip(), function)

    @staticmethod
    def expect(name, function):
        return {"function": function, "name": name, "id": name, "image": None, "runtime": "lxc", "pod": None, "namespace": None,
                "k8s_container": None}

    def numbered(self):
        """A restart that finds the group there still: LXC takes another, with a number."""
        left = [os.path.join(where, "lxc.payload.numbered-" + self.token) for where in hierarchies()]
        for group in left:
            os.mkdir(group)
        try:
            one = self.run("numbered")
        finally:
            for group in left:
                os.rmdir(group)
        with open("/proc/%s/cgroup" % run("lxc-info", "-P", LXCPATH, "-n", one["name"], "-pH")) as file:
            assert "lxc.payload.%s-1\n" % one["name"] in file.read()
        return one

    def start(self):
        chosen = "pyprof-chosen-" + self.token
        below = "pyprof-below-" + self.token
        elsewhere = os.path.join(self.directory, "elsewhere")
        os.mkdir(elsewhere)
        return [
            self.run("plain"),
            self.run("mapped", MAP),
            self.run("odd", name="odd name.x:y@z\\x2d-" + self.token),
            self.run("elsewhere", lxcpath=elsewhere),
            self.run("below", "lxc.cgroup.dir = %s/deep\n" % below),
            self.run("chosen", "lxc.cgroup.dir.container = %s/payload\nlxc.cgroup.dir.monitor = %s/monitor\n"
                               "lxc.cgroup.dir.container.inner = ns\n" % (chosen, chosen)),
            self.numbered(),
        ]

    def start_short(self):
        name, function = "short-" + self.token, "in_short_" + self.token
        self.configure(name, "")
        run("lxc-execute", "-P", LXCPATH, "-n", name, "--", *self.command(function, SHORT))
        return self.expect(name, function)

    def groups_of_lxc(self):
        """What LXC leaves behind, for a monitor is in use of its own: all that is this run's, and lxc.pivot."""
        return [os.path.join(path, name) for where in hierarchies() for path, names, _ in os.walk(where)
                for name in names if name == "lxc.pivot" or self.token in name]

    def stop(self):
        for lxcpath, name in self.started:
            run("lxc-stop", "-k", "-P", lxcpath, "-n", name, check=False)
            run("lxc-wait", "-P", lxcpath, "-n", name, "-s", "STOPPED", "-t", "20", check=False)
        until("the monitors end", lambda: not any(self.token in name for name in self.monitors()), 20)
        for group in set(self.groups_of_lxc()) - self.had:
            for path, _, _ in os.walk(group, topdown=False):
                os.rmdir(path)
        run("umount", self.root, check=False)
        for path in self.paths:
            shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def monitors():
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    text = file.read().decode(errors="replace")
            except OSError:
                continue
            if text.startswith("[lxc monitor]"):
                yield text
