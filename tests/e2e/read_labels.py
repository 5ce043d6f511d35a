# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""read_labels.py READERS FILE NAME... - the labels of the samples that have the function NAME in their stack.

READERS is what tools/get_readers.sh prints. pprof is read by `go tool pprof -traces`, OTLP by what OpenTelemetry
generates from its protocol. Prints, sorted, a line `NAME TAB KEY TAB VALUE` for each value that there is.
"""
import os
import re
import subprocess
import sys


def read_pprof(readers, path):
    """-traces: a block for each stack, its labels first, with a colon behind the key."""
    text = subprocess.run(["go", "tool", "pprof", "-traces", "-sample_index=samples", path], stdout=subprocess.PIPE,
                          check=True, timeout=120).stdout.decode()
    for block in re.split(r"^-+\+-+$", text, flags=re.M)[1:]:
        labels, functions = [], set()
        for line in block.splitlines():
            label = not functions and re.match(r" *([a-z0-9_.]+):  (.*)$", line)
            frame = re.match(r" +(?:\d+ +)?(\S.*)$", line)
            if label:
                labels.append((label.group(1), label.group(2)))
            elif frame:
                functions.add(frame.group(1))
        yield functions, labels


def read_otlp(readers, path):
    sys.path.insert(0, os.path.join(readers, "python"))
    from opentelemetry.proto.profiles.v1development import profiles_pb2

    with open(path, "rb") as file:
        data = profiles_pb2.ProfilesData.FromString(file.read())
    words = data.dictionary
    text = words.string_table

    def value_of(value):
        kind = value.WhichOneof("value")
        return str(getattr(value, kind)) if kind else ""

    for resource in data.resource_profiles:
        of_resource = [(a.key, value_of(a.value)) for a in resource.resource.attributes]
        for profile in (p for scope in resource.scope_profiles for p in scope.profiles):
            for sample in profile.samples:
                rows = [words.attribute_table[i] for i in sample.attribute_indices]
                stack = words.stack_table[sample.stack_index].location_indices
                lines = [line for i in stack for line in words.location_table[i].lines]
                yield ({text[words.function_table[line.function_index].name_strindex] for line in lines},
                       of_resource + [(text[row.key_strindex], value_of(row.value)) for row in rows])


def main():
    readers, path, names = sys.argv[1], sys.argv[2], set(sys.argv[3:])
    found = set()
    for functions, labels in (read_otlp if path.endswith(".otlp.pb") else read_pprof)(readers, path):
        found.update((name, key, value) for name in functions & names for key, value in labels)
    for row in sorted(found):
        print("\t".join(row))


main()
