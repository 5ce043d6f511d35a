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

wrong = 0
for path in sorted((root / "userspace").rglob("*.[ch]")):
    relative = path.relative_to(root / "userspace")
    folder = relative.parts[0] if len(relative.parts) > 1 else None
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"(?:([a-z_]+)/)?([^"/]+)"', line)
        if not found:
            continue
        target = found.group(1)
        if target is None:
            upward = folder is not None and folder not in ("cmd", "capture") or found.group(2) == "pyprof.skel.h" and folder != "capture"
        elif target == "pyprof":
            upward = False
        elif folder == "cmd":
            upward = False
        elif folder is None:
            upward = target == "cmd" and relative.name != "main.c"
        else:
            upward = folder not in allowed or target not in allowed[folder]
        if upward:
            wrong += 1
            print(f"{path.relative_to(root)}:{number}: {folder or 'userspace'} may not include {line.split(None, 1)[1]}")
sys.exit(1 if wrong else 0)
