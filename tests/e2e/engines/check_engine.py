# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""check_engine.py NAME ENGINE PROFILER - starts an engine, profiles busy Python on the host and in what looks like
containers, with the profiler's folded output beside the export, and compares that with what the engine says it was sent:
the samples of each place, which functions were seen there, and how the places are labelled."""
import collections
import glob
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HZ = 49
WINDOW_S = 2
RUN_S = 7
BUSY = "def {0}():\n while True: pass\ndef outer():\n {0}()\nouter()\n"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url, data=None):
    headers = {"Content-Type": "application/json"} if data else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return answer.read()


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("%s: not within %d s" % (what, seconds))
        time.sleep(0.2)


class Engine:
    def __init__(self, command, directory):
        with open(os.path.join(directory, "log"), "wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Otelcol(Engine):
    kind = "otlp"
    labels = {"id": "container.id", "host": "host.name", "boot": "host.boot.id", "region": "region"}

    def __init__(self, program, directory):
        self.port, self.file = free_port(), os.path.join(directory, "received.json")
        config = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:%d" % self.port}}}},
            "exporters": {"file": {"path": self.file}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"profiles": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        }
        with open(os.path.join(directory, "config.yaml"), "w") as file:
            json.dump(config, file)
        super().__init__([program, "--config", "config.yaml", "--feature-gates", "service.profilesSupport"], directory)

    def is_ready(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def read(self):
        """By service: samples, functions, attributes. What was written when the collector has ended."""
        self.stop()
        places, ids = {}, []
        with open(self.file) as file:
            for line in file:
                self.read_message(json.loads(line), places, ids)
        assert len(ids) == len(set(ids)), "an id is there twice"
        return places

    @staticmethod
    def read_message(message, places, ids):
        tables = message["dictionary"]
        strings = tables["stringTable"]

        # The collector makes indices of texts that it was sent.
        def text(value):
            return value.get("stringValue") or strings[value["stringValueStrindex"]]

        def functions(sample):
            for location in tables["stackTable"][sample.get("stackIndex", 0)].get("locationIndices", []):
                line = tables["locationTable"][location]["lines"][0]
                yield strings[tables["functionTable"][line["functionIndex"]]["nameStrindex"]]

        for resource in message["resourceProfiles"]:
            attributes = {
                item.get("key") or strings[item["keyStrindex"]]: text(item["value"])
                for item in resource["resource"]["attributes"]
            }
            place = places.setdefault(attributes["service.name"], [0, set(), attributes])
            for profile in (p for scope in resource["scopeProfiles"] for p in scope["profiles"]):
                ids.append(profile["profileId"])
                assert int(profile["period"]) == round(1e9 / HZ)
                assert abs(int(profile["timeUnixNano"]) / 1e9 - time.time()) < 120
                for sample in profile["samples"]:
                    place[0] += sum(map(int, sample["values"]))
                    place[1].update(functions(sample))


class Pyroscope(Engine):
    kind = "pyroscope"
    labels = {"id": "container_id", "host": "host", "boot": "boot_id", "region": "region"}
    rings = ("compactor.ring", "distributor.ring", "overrides-exporter.ring", "query-frontend", "query-scheduler.ring",
             "store-gateway.sharding-ring")

    def __init__(self, program, directory):
        self.port = free_port()
        options = {
            "target": "all",
            "server.http-listen-address": "127.0.0.1",
            "server.http-listen-port": self.port,
            "server.grpc-listen-address": "127.0.0.1",
            "server.grpc-listen-port": free_port(),
            "memberlist.bind-addr": "127.0.0.1",
            "memberlist.bind-port": free_port(),
            "ingester.min-ready-duration": "0s",
            "ingester.lifecycler.addr": "127.0.0.1",
            "self-profiling.disable-push": "true",
            "usage-stats.enabled": "false",
        }
        options.update({ring + ".instance-addr": "127.0.0.1" for ring in self.rings})
        super().__init__([program] + ["-%s=%s" % option for option in options.items()], directory)

    def url(self, path, **query):
        return "http://127.0.0.1:%d/%s?%s" % (self.port, path, urllib.parse.urlencode(query))

    def is_ready(self):
        try:
            return b"ready" in get(self.url("ready"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def values(self, name, **matcher):
        now = int(time.time() * 1000)
        query = {"name": name, "start": now - 3600000, "end": now + 60000}
        if matcher:
            query["matchers"] = ["{%s}" % ",".join("%s=%s" % (key, quoted(value)) for key, value in matcher.items())]
        return json.loads(get(self.url("querier.v1.QuerierService/LabelValues"), json.dumps(query).encode())).get("names", [])

    def read(self):
        places = {}
        for service in self.values("service_name"):
            query = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name=%s}' % quoted(service)
            graph = json.loads(get(self.url("pyroscope/render", query=query, **{"from": "now-1h", "until": "now",
                                                                               "format": "json", "maxNodes": 100000})))
            labels = {name: self.values(name, service_name=service) for name in self.labels.values()}
            labels = {name: values[0] for name, values in labels.items() if len(values) == 1}
            flames = graph["flamebearer"]
            places[service] = [flames["numTicks"] / round(1e9 / HZ), set(flames["names"][1:]), labels]
        self.stop()
        return places


def hierarchies():
    """Where a cgroup can be made, in each hierarchy that may tell containers apart."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return ["/sys/fs/cgroup"]
    return [path for name in ("unified", "memory", "pids", "cpu", "systemd") for path in glob.glob("/sys/fs/cgroup/" + name)]


class Busy:
    """A program that is busy in a function of a name of its own, in a group that is called as Docker's are."""

    def __init__(self, function, container):
        self.function, self.id, self.groups = function, container, []
        self.process = subprocess.Popen([sys.executable, "-c", BUSY.format(function)])
        for root in hierarchies() if container else []:
            group = "%s/docker/%s" % (root, container)
            os.makedirs(group)
            self.groups.append(group)
            with open(group + "/cgroup.procs", "w") as file:
                file.write(str(self.process.pid))

    def stop(self):
        self.process.kill()
        self.process.wait()
        for group in self.groups:
            os.rmdir(group)
            try:
                os.rmdir(os.path.dirname(group))
            except OSError:
                pass  # others are in there


def read_folded(path):
    """By place: samples and functions."""
    places = {}
    with open(path) as file:
        for line in file:
            stack, _, samples = line.rstrip("\n").rpartition(" ")
            frames = stack.split(";")
            place = places.setdefault(frames[0], [0, collections.Counter()])
            place[0] += int(samples)
            place[1].update({frame: int(samples) for frame in set(frames[2:])})
    return places


def profile(profiler, engine, directory):
    folded = os.path.join(directory, "out.folded")
    url = "%s=http://127.0.0.1:%d" % (engine.kind, engine.port)
    subprocess.run(
        [profiler, "--all", "--frequency", str(HZ), "--duration", str(RUN_S), "--window", str(WINDOW_S), "--export", url,
         "--label", "region=eu-1", "--per", "container", "-o", folded], check=True, timeout=RUN_S + 60)
    return read_folded(folded)


def compare(engine, told, expected, busy):
    told = {name.replace(";", ":"): place for name, place in told.items()}  # as folded output has it
    total = sum(place[0] for place in expected.values())
    print("%s: %d samples of %d places sent, %s came" %
          (engine.kind, total, len(expected), sum(place[0] for place in told.values())))
    assert set(told) == set(expected), (sorted(told), sorted(expected))
    for name, (samples, _) in expected.items():
        assert abs(told[name][0] - samples) < 1e-6, (name, told[name][0], samples)
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot_id = file.read().strip()
    for worker in busy:
        place = worker.id[:12] if worker.id else "host"  # what Docker calls one that has no name
        samples, functions, labels = told[place]
        assert worker.function in functions and "outer" in functions, (place, sorted(functions)[:50])
        own = sum(count for frame, count in expected[place][1].items() if frame.startswith(worker.function + " ("))
        assert own > RUN_S * HZ / 8, own
        for other in busy:
            assert other is worker or other.function not in functions, (place, other.function)
        wanted = {"region": "eu-1", "host": os.uname().nodename, "boot": boot_id}
        if worker.id:
            wanted["id"] = worker.id
        for key, value in wanted.items():
            assert labels.get(engine.labels[key]) == value, (place, key, labels)
    print("%s: samples, functions and labels of each place are as written beside it" % engine.kind)


def main():
    name, program, profiler = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as directory:
        engine = {"otelcol": Otelcol, "pyroscope": Pyroscope}[name](program, directory)
        busy = []
        try:
            until(name + " is ready", engine.is_ready)
            for function, container in (("on_host", None), ("in_one", secrets.token_hex(32)), ("in_two", secrets.token_hex(32))):
                busy.append(Busy(function, container))
            expected = profile(profiler, engine, directory)
            compare(engine, engine.read(), expected, busy)
        except BaseException:
            with open(os.path.join(directory, "log")) as log:
                sys.stderr.write(log.read()[-3000:])
            raise
        finally:
            for worker in busy:
                worker.stop()
            engine.stop()


main()
