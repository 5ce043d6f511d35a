#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh BUILD [NAME...] - the profiler's exports to the engines that they are for (all, or otelcol and
# pyroscope), read back through the engines' own APIs. Root. Builds the engines when they are first asked
# for: minutes, so not in CI.
set -eu
cd "$(dirname "$0")/../../.."
build=$1
shift
[ $# -gt 0 ] || set -- otelcol pyroscope
for name; do
	engine=$(tools/get_engines.sh "$name")
	python3 tests/e2e/engines/check_engine.py "$name" "$engine" "$build/pyprof-bpf"
done
