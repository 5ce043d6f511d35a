# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""systemd_labels.py READERS LEFT - the labels in the profiles that systemd_guest.py left, by their readers, beside expected.json."""
import json
import os
import subprocess
import sys

LABELS = {"all.pb.gz": {name: name for name in ("container_name", "container_id", "runtime", "systemd_unit")},
          "all.otlp.pb": {"container_name": "container.name", "container_id": "container.id", "runtime": "container.runtime.name",
                          "systemd_unit": "systemd.unit.name"}}
HERE = os.path.dirname(os.path.abspath(__file__))


def labels(readers, path, functions):
    """By function and key: values."""
    text = subprocess.run(["python3", os.path.join(HERE, "..", "e2e", "read_labels.py"), readers, path, *functions],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    found = {}
    for line in text.splitlines():
        function, key, value = line.split("\t")
        found.setdefault(function, {}).setdefault(key, set()).add(value)
    return found


def main():
    readers, left = sys.argv[1:]
    with open(os.path.join(left, "expected.json")) as file:
        expected = {function: wanted for function, wanted in json.load(file).items() if function != "busy_later"}
    for name, keys in LABELS.items():
        found = labels(readers, os.path.join(left, name), expected)
        for function, wanted in expected.items():
            told = {label: sorted(found.get(function, {}).get(key, ())) for label, key in keys.items()}
            asked = {label: [wanted[label]] if label in wanted else [] for label in keys}
            if "container_name" in wanted and "container_id" not in wanted:
                asked["container_id"] = [wanted["container_name"]]  # of systemd-nspawn
            print("ok" if told == asked else "fail", "%s: %s" % (name, function), {k: v for k, v in told.items() if v}, sep="\t",
                  flush=True)


main()
