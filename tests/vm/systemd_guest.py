# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""systemd_guest.py - what tests/vm/systemd.sh shows, run in the machine by a unit of it.

stdout has a line ok|fail|note<TAB>WHAT<TAB>DETAIL for each thing. What is left behind goes, at the end, as a tar to ttyS2:
expected.json {function: {label: value}} with profiles of it, the journal, what was exported.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import traceback
import tty

PROFILER = "/usr/local/bin/pyprof-bpf"
OUT = "/out"
SERVICE = "pyprof-bpf.service"
RIGHTS = {"bpf": 39, "perfmon": 38, "sys_ptrace": 19, "dac_read_search": 2, "syslog": 34, "checkpoint_restore": 40}
PODMAN = ("podman", "--cgroup-manager", "systemd", "--events-backend", "file", "--storage-driver", "vfs")
BUSY = """
import sys, time
begin = time.monotonic()
until = begin + float(sys.argv[2])
exec("def %s(until):\\n while time.monotonic() < until:\\n  sum(range(200))" % sys.argv[1])
while True:
    globals()[sys.argv[1]](min(until, time.monotonic() + 0.2))
    if time.monotonic() >= until:
        break
    time.sleep(0.8)  # there are many, and emulation is slow
"""


def tell(result, what, detail=""):
    print(result, what, str(detail).replace("\n", " | "), sep="\t", flush=True)


def check(what, good, detail=""):
    tell("ok" if good else "fail", what, detail)


def run(*command, timeout=180, good=True, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                          universal_newlines=True, **options)
    if good and done.returncode:
        raise RuntimeError("%s: status %d: %s" % (" ".join(command), done.returncode, done.stderr or done.stdout))
    return done.stdout if good else done


def until(what, is_so, limit=90):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.25)
    raise RuntimeError("not in %d s: %s" % (limit, what))


def show(unit, *names):
    text = run("systemctl", "show", unit, *("-p" + name for name in names))
    return dict(line.split("=", 1) for line in text.splitlines())


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def busy(name, seconds=3600):
    return ["/usr/bin/python3", "-S", "-E", "/check/busy.py", name, str(seconds)]


def as_bob(*command):
    return ["runuser", "-u", "bob", "--", "env", "XDG_RUNTIME_DIR=/run/user/1000",
            "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus", *command]


# ---- the service

class Receiver:
    """tests/e2e/receiver.py, which both destinations are sent to."""

    def __init__(self, name, script, port=0):
        self.directory = os.path.join(OUT, name)
        os.makedirs(self.directory)
        self.process = subprocess.Popen(["python3", "/check/receiver.py", "--script", script, "--save", self.directory, "--port",
                                         str(port)], stdin=subprocess.PIPE, stdout=open(self.directory + ".log", "w"))
        until("the receiver listens", lambda: self.lines())
        self.port = int(self.lines()[0].split()[1])

    def lines(self):
        with open(self.directory + ".log") as file:
            return [line for line in file if line.endswith("\n")]

    def read(self):
        """What it was sent."""
        return [json.loads(line) for line in self.lines()[1:]]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        return self.read()


def options_write(*options):
    write("/etc/default/pyprof-bpf", "PYPROF_BPF_OPTIONS=%s\n" % " ".join(options))


def journal_since(cursor):
    text = run("journalctl", "-u", SERVICE, "-o", "json", "--after-cursor", cursor)
    return [json.loads(line) for line in text.splitlines()]


def journal_end():
    run("journalctl", "--sync")
    return json.loads(run("journalctl", "-n", "1", "-o", "json"))["__CURSOR"]


def messages(cursor):
    """Of the program itself, not what systemd says of it."""
    run("journalctl", "--sync")
    return [row for row in journal_since(cursor) if row.get("_COMM") == "pyprof-bpf"]


def check_rights():
    pid = show(SERVICE, "MainPID")["MainPID"]
    expected = sum(1 << bit for bit in RIGHTS.values())
    threads = os.listdir("/proc/%s/task" % pid)
    for thread in threads:
        with open("/proc/%s/task/%s/status" % (pid, thread)) as file:
            status = dict(line.split(":", 1) for line in file)
        for name in "CapEff", "CapPrm", "CapInh", "CapAmb":
            if int(status[name], 16) != expected:
                tell("fail", "%s of thread %s" % (name, status["Name"].strip()), status[name].strip())
    check("rights of %d threads while it samples" % len(threads), len(threads) > 1, status["CapPrm"].strip())
    check("it is nobody's root", int(status["Uid"].split()[0]) >= 61184, status["Uid"].strip().replace("\t", " "))
    check("NoNewPrivs", status["NoNewPrivs"].strip() == "1")
    tell("note", "systemctl status", run("systemctl", "status", "--no-pager", "-l", SERVICE))


def check_messages(rows, what):
    texts = [row["MESSAGE"] for row in rows]
    plain = [isinstance(text, str) and "\033" not in text and "\n" not in text for text in texts]
    check("journal: %s: plain lines" % what, texts and all(plain), "\n".join("<%s> %s" % (row["PRIORITY"], row["MESSAGE"])
                                                                             for row in rows))


def stop_timed():
    begin = time.monotonic()
    run("systemctl", "stop", SERVICE)
    state = show(SERVICE, "Result", "ExecMainStatus", "ExecMainCode", "ActiveState", "NRestarts")
    return time.monotonic() - begin, state


def check_service():
    score = run("systemd-analyze", "security", "--no-pager", SERVICE, good=False).stdout.splitlines()
    tell("note", "systemd-analyze security", score[-1] if score else "")
    verify = run("systemd-analyze", "verify", SERVICE, good=False)
    said = [line for line in verify.stderr.splitlines() if SERVICE in line and "Command 'man " not in line]  # man is not here
    check("systemd-analyze verify", not said, "\n".join(said))
    engine = Receiver("exported", "200")
    options_write("--export otlp=http://127.0.0.1:%d" % engine.port, "--export pyroscope=http://127.0.0.1:%d" % engine.port,
                  "--label env=prod")
    cursor = journal_end()
    begin = time.monotonic()
    run("systemctl", "start", SERVICE)
    workload = subprocess.Popen(["systemd-run", "-q", "--scope", "--unit=exported", *busy("busy_exported")])
    until("both engines were sent two windows", lambda: min(sum("push" in row["path"] for row in engine.read()),
                                                            sum("otlp" in row["path"] or "v1dev" in row["path"]
                                                                for row in engine.read())) >= 2, 180)
    tell("note", "second window was there after", "%.0f s" % (time.monotonic() - begin))
    check_rights()
    seconds, state = stop_timed()
    check("systemctl stop", seconds < 30 and state["Result"] == "success" and state["ExecMainStatus"] == "0",
          "%.1f s %s" % (seconds, state))
    workload.terminate()
    rows = engine.stop()
    told = messages(cursor)
    check_messages(told, "a good run")
    sent = [int(n) for row in told for n in re.findall(r"(\d+) (?:requests? )?sent", row["MESSAGE"])]
    check("what it says it sent came", sum(sent) == len(rows) if sent else False, "%s of %d" % (sent, len(rows)))
    check("nothing in the spool", not spooled(), spooled())


def spooled():
    found = []
    for path, _, files in os.walk("/var/lib/private/pyprof-bpf"):
        found += [os.path.join(path, name) for name in files]
    return [path for path in found if os.path.getsize(path) > 0]


def check_outage():
    """No engine: stopped, all is in the spool; started again, it comes."""
    options_write("--export otlp=http://127.0.0.1:9", "--window 3")
    cursor = journal_end()
    run("systemctl", "start", SERVICE)
    time.sleep(25)
    seconds, state = stop_timed()
    check("systemctl stop without an engine", seconds < 30 and state["Result"] == "success", "%.1f s %s" % (seconds, state))
    told = messages(cursor)
    check_messages(told, "no engine")
    check("an engine that fails is at least a warning", any(int(row["PRIORITY"]) <= 4 for row in told))
    kept = spooled()
    check("the spool keeps what was not sent", bool(kept), [(path, os.path.getsize(path)) for path in kept])
    state = os.stat("/var/lib/private/pyprof-bpf/spool")
    tell("note", "the spool's mode and owner", "%o %d" % (state.st_mode, state.st_uid))
    engine = Receiver("outage", "200", 9)
    cursor = journal_end()
    run("systemctl", "start", SERVICE)
    time.sleep(20)
    run("systemctl", "restart", SERVICE)
    until("something new is sent", lambda: len(engine.read()) > 0)
    time.sleep(8)
    stop_timed()
    engine.stop()
    check_messages(messages(cursor), "after the outage, with a restart")
    check("the spool is empty", not spooled(), spooled())


def check_failures():
    reload = run("systemctl", "start", SERVICE) or run("systemctl", "reload", SERVICE, good=False)
    tell("note", "systemctl reload", "%d %s" % (reload.returncode, reload.stderr))
    pid = show(SERVICE, "MainPID")["MainPID"]
    run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", SERVICE)
    until("it was started again", lambda: show(SERVICE, "MainPID", "ActiveState")["ActiveState"] == "active" and
          show(SERVICE, "MainPID")["MainPID"] not in ("0", pid))
    check("killed, it comes back", show(SERVICE, "NRestarts")["NRestarts"] == "1")
    stop_timed()
    options_write("--export nonsense")
    cursor = journal_end()
    run("systemctl", "start", SERVICE, good=False)
    time.sleep(13)
    state = show(SERVICE, "ActiveState", "NRestarts", "ExecMainStatus")
    check("a wrong command line is not tried again", state == {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "2"},
          state)
    told = messages(cursor)
    check_messages(told, "a wrong command line")
    check("its message is an error", told and all(int(row["PRIORITY"]) <= 3 for row in told))
    run("systemctl", "reset-failed", SERVICE)


def check_paranoid():
    """What somebody is told who took CAP_SYS_ADMIN out of the unit on a kernel that wants it."""
    with open("/proc/sys/kernel/perf_event_paranoid") as file:
        level = int(file.read())
    rights = " ".join("CAP_" + name.upper() for name in RIGHTS)
    done = run("systemd-run", "-q", "--pipe", "--wait", "-pDynamicUser=yes", "-pAmbientCapabilities=" + rights,
               "-pCapabilityBoundingSet=" + rights, PROFILER, "--all", "-d", "1", "-o", "-", good=False)
    check("without CAP_SYS_ADMIN, paranoid is %d" % level, done.returncode == (level > 2) and
          (level < 3 or "add that" in done.stderr), done.stderr)


def check_idle(seconds=60):
    options_write("--export otlp=http://127.0.0.1:9")
    engine = Receiver("idle", "200", 9)
    run("systemctl", "start", SERVICE)
    time.sleep(15)

    def spent():
        return int(show(SERVICE, "CPUUsageNSec")["CPUUsageNSec"])

    with open("/proc/stat") as file:
        before_all = file.readline()
    before = spent()
    time.sleep(seconds)
    used = spent() - before
    with open("/proc/stat") as file:
        tell("note", "the machine meanwhile", before_all + file.readline())
    group = "/sys/fs/cgroup" + show(SERVICE, "ControlGroup")["ControlGroup"]
    memory = {}
    for name in ("memory.peak", "memory.current"):
        try:
            with open(os.path.join(group, name)) as file:
                memory[name] = "%.1f MiB" % (int(file.read()) / 1048576)
        except OSError as error:
            memory[name] = error.strerror
    check("idle for %d s: less than 5 %% of a CPU, in emulation" % seconds, used < seconds * 5e7, "%.0f ms of CPU; %s" % (used / 1e6, memory))
    stop_timed()
    engine.stop()


# ---- units and containers

class Workloads:
    """All that is busy, with what is to be said of it."""

    def __init__(self):
        self.expected, self.processes = {}, []

    def expect(self, function, **labels):
        self.expected[function] = labels

    def spawn(self, *command):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=open(os.path.join(OUT, "stderr"), "a")))

    def unit(self, function, name, *options):
        run("systemd-run", "-q", "--unit", name, *options, *busy(function))
        self.expect(function, systemd_unit=name if "." in name else name + ".service")

    def units(self):
        write("/etc/systemd/system/busy@.service", "[Service]\nExecStart=%s\n" % " ".join(busy("busy_template")))
        run("systemctl", "daemon-reload")
        run("systemctl", "start", r"busy@a\x2db.service")
        self.expect("busy_template", systemd_unit=r"busy@a\x2db.service")
        self.unit("busy_plain", "plain")
        self.unit("busy_sliced", "sliced", "-pSlice=outer-inner.slice")
        self.unit("busy_delegated", "delegated", "-pDelegate=yes")
        self.spawn("systemd-run", "-q", "--scope", "--unit=scoped", *busy("busy_scope"))
        self.expect("busy_scope", systemd_unit="scoped.scope")

    def users(self):
        run("useradd", "-m", "-u", "1000", "bob")
        run("loginctl", "enable-linger", "bob")
        until("bob's manager runs", lambda: os.path.exists("/run/user/1000/bus"))
        run(*as_bob("systemd-run", "--user", "-q", "--unit=mine", *busy("busy_user")))
        self.expect("busy_user", systemd_unit="user-1000/mine.service")
        self.spawn(*as_bob("systemd-run", "--user", "-q", "--scope", "--unit=myscope", *busy("busy_user_scope")))
        self.expect("busy_user_scope", systemd_unit="user-1000/myscope.scope")

    def root_make(self, name):
        """A machine's root: this one's programs, and its own everything else."""
        root = "/var/lib/machines/" + name
        for directory in ("usr", "var", "root", "tmp", "run", "proc", "sys", "dev", "check"):
            os.makedirs(os.path.join(root, directory))
        for link in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + link, os.path.join(root, link))
        shutil.copytree("/etc", os.path.join(root, "etc"), symlinks=True, ignore=shutil.ignore_patterns("multi-user.target.wants",
                                                                                                       "check.service"))
        shutil.copy("/check/busy.py", os.path.join(root, "check"))
        os.remove(os.path.join(root, "etc/machine-id"))
        write(os.path.join(root, "etc/machine-id"), os.urandom(16).hex() + "\n")
        run("mount", "--bind", "/usr", os.path.join(root, "usr"))
        return root

    def machines(self):
        root = self.root_make("al-pha")
        self.spawn("systemd-nspawn", "-q", "--console=pipe", "-M", "al-pha", "-D", root, *busy("busy_machine"))
        self.expect("busy_machine", container_name="al-pha", runtime="systemd-nspawn")
        root = self.root_make("web-1")
        units = os.path.join(root, "etc/systemd/system")
        write(os.path.join(units, "inside.service"), "[Service]\nExecStart=%s\n" % " ".join(busy("busy_inside")))
        os.makedirs(os.path.join(units, "multi-user.target.wants"))
        os.symlink("../inside.service", os.path.join(units, "multi-user.target.wants/inside.service"))
        write("/etc/systemd/nspawn/web-1.nspawn", "[Exec]\nPrivateUsers=no\n[Network]\nVirtualEthernet=no\n")
        run("systemctl", "start", "systemd-nspawn@web-1.service")
        self.expect("busy_inside", container_name="web-1", runtime="systemd-nspawn")
        until("both machines are registered", lambda: len(run("machinectl", "--no-legend", "list").splitlines()) == 2)
        tell("note", "machinectl list", run("machinectl", "--no-legend", "list"))

    def podman(self):
        root = self.root_make("pod")
        common = (*PODMAN, "run", "--network", "none", "--rm")
        self.spawn(*common, "--name", "of_podman", "--rootfs", root, *busy("busy_podman"))
        self.expect("busy_podman", container_name="of_podman", runtime="podman")
        root = self.root_make("split")
        run("systemd-run", "-q", "--unit=quad", "-pDelegate=yes", *common, "--cgroups=split", "--name", "of_unit", "--rootfs", root,
            *busy("busy_split"))
        self.expect("busy_split", container_name="of_unit", runtime="podman")
        until("podman's containers run", lambda: len(run(*PODMAN, "ps", "-q").splitlines()) == 2)
        for name, function in ("of_podman", "busy_podman"), ("of_unit", "busy_split"):
            self.expected[function]["container_id"] = run(*PODMAN, "inspect", "--format", "{{.Id}}", name).strip()

    def start(self, *names):
        for name in names:
            attempt(getattr(self, name))
        with open(os.path.join(OUT, "stderr"), "a+") as file:
            file.seek(0)
            tell("note", "stderr of all that was started", file.read())
        tell("note", "systemd-cgls", run("systemd-cgls", "--no-pager", "-l", good=False).stdout)

    def short(self, number):
        """A unit that is gone before anybody could ask for it."""
        function = "busy_short_%d" % number
        run("systemd-run", "-q", "--collect", "--wait", "--unit=short-%d" % number, *busy(function, 0.2))
        self.expect(function, systemd_unit="short-%d.service" % number)

    def stop(self):
        for process in self.processes:
            process.terminate()
        run("systemctl", "stop", "plain", "sliced", "delegated", r"busy@a\x2db", "quad", "systemd-nspawn@web-1", "user@1000",
            good=False)
        run(*PODMAN, "rm", "-f", "-a", good=False)
        run("machinectl", "terminate", "al-pha", good=False)


def record_begin(path, *options):
    """The profiler, from when it samples."""
    process = subprocess.Popen([PROFILER, "-o", path, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, universal_newlines=True)
    descriptors = "/proc/%d/fd" % process.pid

    def samples():
        if process.poll() is not None:
            raise RuntimeError("the profiler ended: " + process.stderr.read())
        links = []
        for name in os.listdir(descriptors):
            try:
                links.append(os.readlink(os.path.join(descriptors, name)))
            except OSError:
                pass
        return links.count("anon_inode:[perf_event]") >= os.cpu_count()

    until("the profiler samples", samples)
    time.sleep(1)
    return process


def record_end(process):
    process.terminate()
    _, errors = process.communicate(timeout=120)
    if process.returncode:
        raise RuntimeError("the profiler failed: " + errors)
    return errors


def selected(*options, meanwhile=None):
    """The functions of ours in a profile of what was selected, and its roots."""
    path = os.path.join(OUT, "selected.folded")
    process = record_begin(path, "--per", "container", "--no-kernel", *options)
    if meanwhile:
        meanwhile()
    time.sleep(4)
    record_end(process)
    with open(path) as file:
        lines = [line for line in file if not line.startswith("#")]
    return {name for line in lines for name in re.findall(r"\bbusy_\w+", line)}, {line.split(";")[0] for line in lines}


def check_selected(options, expected, roots, meanwhile=None):
    found, found_roots = selected(*options, meanwhile=meanwhile)
    found_roots = {re.sub(r" \d+\n$", "", root) for root in found_roots}
    check(" ".join(options), found == expected and (roots is None or found_roots == roots), "%s %s" % (sorted(found), sorted(found_roots)))


def check_selections(workloads):
    check_selected(["--cgroup", "/system.slice/plain.service"], {"busy_plain"}, {"plain.service"})
    check_selected(["--cgroup", "/sys/fs/cgroup/outer.slice"], {"busy_sliced"}, {"sliced.service"})
    check_selected(["--cgroup", "/user.slice/user-1000.slice"], {"busy_user", "busy_user_scope"}, None)
    check_selected(["--cgroup", r"/system.slice/system-busy.slice/busy@a\x2db.service"], {"busy_template"}, {r"busy@a\x2db.service"})
    check_selected(["--container", "al-pha"], {"busy_machine"}, {"al-pha"})
    check_selected(["--container", "web-*"], {"busy_inside"}, {"web-1"})
    check_selected(["--container", "of_*"], {"busy_podman", "busy_split"}, {"of_podman", "of_unit"})
    check_selected(["--cgroup", "/system.slice/later.service"], {"busy_later"}, {"later.service"},
                   meanwhile=lambda: workloads.unit("busy_later", "later"))
    run("systemctl", "stop", "later")


def check_list(expected):
    text = run(PROFILER, "containers", "--json", "-d", "3")
    write(os.path.join(OUT, "containers.json"), text)
    rows = json.loads(text)
    tell("note", "containers", run(PROFILER, "containers", "-d", "3"))
    for function, labels in expected.items():
        if "short" in function or "later" in function:
            continue
        name = labels.get("container_name")
        row = [row for row in rows if (row["name"] == name if name else row["unit"] == labels["systemd_unit"])]
        good = len(row) == 1 and row[0]["python_processes"] == 1 and row[0]["cpu_percent"] > 0 and \
            row[0]["runtime"] == labels.get("runtime") and row[0]["unit"] == labels.get("systemd_unit")
        check("containers --json: " + (name or labels["systemd_unit"]), good, row)


def check_podman():
    """Of the names these alone."""
    check_names("podman")


def check_names(*names):
    workloads = Workloads()
    try:
        workloads.start(*names or ("units", "users", "machines", "podman"))
        until("the machines are up", lambda: time.sleep(5) or True)
        process = record_begin(os.path.join(OUT, "all.pb.gz"), "--all")
        other = record_begin(os.path.join(OUT, "all.otlp.pb"), "--all")
        for number in range(5):
            workloads.short(number)
        time.sleep(15)
        tell("note", "recorded", record_end(process))
        record_end(other)
        attempt(check_list, workloads.expected)
        if not names:
            attempt(check_selections, workloads)
    finally:
        workloads.stop()
        write(os.path.join(OUT, "expected.json"), json.dumps(workloads.expected))


# ---- all of it

def attempt(part, *arguments):
    begin = time.monotonic()
    try:
        part(*arguments)
    except Exception as error:  # the rest is worth seeing all the same
        tell("fail", part.__name__, "%s %s" % (error, traceback.format_exc()))
        tell("note", "the journal's end", run("journalctl", "-n", "25", "--no-pager", "-o", "cat", good=False).stdout)
    tell("note", "%s took" % part.__name__, "%.0f s" % (time.monotonic() - begin))


def leave():
    with open(os.path.join(OUT, "journal"), "w") as file:
        subprocess.run(["journalctl", "--no-pager", "-o", "short-precise"], stdout=file)
    line = os.open("/dev/ttyS2", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    with os.fdopen(line, "wb", closefd=False, buffering=0) as file, tarfile.open(fileobj=file, mode="w|") as archive:
        for name in os.listdir(OUT):
            archive.add(os.path.join(OUT, name), name)
    subprocess.run(["stty", "-F", "/dev/ttyS2", "raw"])  # waits for what is on the wire


def main():
    os.makedirs(OUT)
    write("/check/busy.py", BUSY)
    tell("note", "machine", run("systemctl", "--version").splitlines()[0] + ", Linux " + os.uname().release)
    check("cgroups are of v2 alone", os.path.exists("/sys/fs/cgroup/cgroup.controllers") and
          "cgroup" not in [line.split()[2] for line in open("/proc/mounts")])
    tell("note", "perf_event_paranoid", open("/proc/sys/kernel/perf_event_paranoid").read())
    parts = {"doctor": lambda: tell("note", "doctor", run(PROFILER, "doctor", good=False).stdout), "service": check_service,
             "paranoid": check_paranoid, "outage": check_outage, "failures": check_failures, "names": check_names, "idle": check_idle}
    for name in os.environ.get("PARTS", "").split() or parts:
        attempt({"podman": check_podman, **parts}[name])
    leave()
    tell("ok", "the end")


main()
