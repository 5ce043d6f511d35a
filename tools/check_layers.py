#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fails when an #include in userspace/ points up, against the rules in tools/layers."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
allowed = {}
for line in (root / "tools/layers").read_text().splitlines():
    line = line.split("#")[0].strip()
    if line:
        folder, _, others = line.partition(":")
        allowed[folder] = {folder, *others.split()}

def is_upward(folder, target, name):
    """Whether a file in this folder (None: the loop, STACKTRACE: the package) may not include "target/name"."""
    if folder == STACKTRACE:
        return target is not None and target != "pyprof" and target not in allowed[STACKTRACE]
    if target is None:
        return folder not in (None, "cmd", "capture") or name == "pyprof.skel.h" and folder != "capture"
    if target == "pyprof" or folder == "cmd":
        return False
    if folder is None:
        return target == "cmd"
    return folder not in allowed or target not in allowed[folder]


STACKTRACE = "stacktrace"
sources = {path: STACKTRACE for path in (root / "python/src").glob("*.[ch]")}
for path in (root / "userspace").rglob("*.[ch]"):
    parts = path.relative_to(root / "userspace").parts
    sources[path] = parts[0] if len(parts) > 1 else "cmd" if parts[0] == "main.c" else None

wrong = 0
for path, folder in sorted(sources.items()):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"(?:([a-z_]+)/)?([^"/]+)"', line)
        if found and is_upward(folder, *found.groups()):
            wrong += 1
            print(f"{path.relative_to(root)}:{number}: {folder or 'userspace'} may not include {line.split(None, 1)[1]}")
sys.exit(1 if wrong else 0)
