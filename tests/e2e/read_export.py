# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""read_export.py READERS KIND DIR NAME... - what an engine was sent: the bodies that receiver.py saved in DIR.

KIND is otlp, read by what OpenTelemetry generates from its protocol (READERS is what tools/get_readers.sh prints), or
pyroscope, read by field numbers here. Prints

    samples N               of all
    bodies N
    windows N               with different beginnings
    gap_ms N                the longest time that is in no window, between the first and the last
    repeated N              ids that came more than once
    in NAME SERVICE N       samples that have the function NAME in their stack, by service
    label SERVICE KEY VALUE
"""
import collections
import gzip
import os
import sys


def fields(data):
    """(number, value) of a protobuf message; a value is an int or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 2:
            size = varint()
            assert at + size <= len(data), "a length that does not fit"
            yield key >> 3, data[at:at + size]
            at += size
        else:
            assert kind == 1, "wire type %d" % kind
            yield key >> 3, int.from_bytes(data[at:at + 8], "little")
            at += 8


def members(data):
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


def packed(data):
    # As the values of members numbered 1.
    at, values = 0, []
    while at < len(data):
        end = at
        while data[end] >= 128:
            end += 1
        values.append(next(fields(b"\x08" + data[at:end + 1]))[1])
        at = end + 1
    return values


class Export:
    def __init__(self, names):
        self.names = names
        self.samples = self.bodies = 0
        self.spans = set()
        self.ids = []
        self.where = collections.Counter()
        self.labels = set()

    def add_profile(self, identity, start_ns, duration_ns, service, labels):
        self.ids.append(identity)
        self.spans.add((start_ns, start_ns + duration_ns))
        self.labels.update((service, key, value) for key, value in labels)

    def add_sample(self, service, functions, value):
        self.samples += value
        for name in self.names & functions:
            self.where[name, service] += value

    def put(self):
        spans = sorted(self.spans)
        gaps = [b[0] - a[1] for a, b in zip(spans, spans[1:])]
        print("samples", self.samples)
        print("bodies", self.bodies)
        print("windows", len(spans))
        print("gap_ms", max(map(abs, gaps), default=0) // 1000000)
        print("repeated", len(self.ids) - len(set(self.ids)))
        for (name, service), value in sorted(self.where.items()):
            print("in", name, service, value)
        for row in sorted(self.labels):
            print("label", *row)


def read_otlp(body, export):
    from opentelemetry.proto.profiles.v1development import profiles_pb2

    data = profiles_pb2.ProfilesData.FromString(body)
    words = data.dictionary
    text = words.string_table
    for resource in data.resource_profiles:
        labels = [(a.key, a.value.string_value) for a in resource.resource.attributes]
        service = dict(labels)["service.name"]
        for profile in (p for scope in resource.scope_profiles for p in scope.profiles):
            export.add_profile(profile.profile_id, profile.time_unix_nano, profile.duration_nano, service, labels)
            for sample in profile.samples:
                lines = [line for i in words.stack_table[sample.stack_index].location_indices
                         for line in words.location_table[i].lines]
                functions = {text[words.function_table[line.function_index].name_strindex] for line in lines}
                export.add_sample(service, functions, sum(sample.values))


def read_pprof(data, export, identity, service, labels):
    profile = members(gzip.decompress(data))
    text = [word.decode() for word in profile[6]]
    names = {f[1][0]: text[f[2][0]] for f in map(members, profile[5])}
    lines = {m[1][0]: {names[members(line)[1][0]] for line in m[4]} for m in map(members, profile[4])}
    export.add_profile(identity, profile[9][0], profile[10][0], service, labels)
    for sample in map(members, profile[2]):
        functions = set().union(*(lines[i] for i in packed(b"".join(sample[1]))))  # a sample may have no frame
        export.add_sample(service, functions, packed(sample[2][0])[0])


def read_pyroscope(body, export):
    for series in map(members, members(body)[1]):
        labels = [(m[1][0].decode(), m[2][0].decode()) for m in map(members, series[1])]
        service = dict(labels)["service_name"]
        for sample in map(members, series[2]):
            read_pprof(sample[1][0], export, sample[2][0], service, labels)


def main():
    readers, kind, directory = sys.argv[1:4]
    sys.path.insert(0, os.path.join(readers, "python"))
    export = Export(set(sys.argv[4:]))
    for name in sorted(os.listdir(directory), key=int):
        with open(os.path.join(directory, name), "rb") as file:
            body = gzip.decompress(file.read())
        export.bodies += 1
        {"otlp": read_otlp, "pyroscope": read_pyroscope}[kind](body, export)
    export.put()


main()
