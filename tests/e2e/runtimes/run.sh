#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh BUILD [NAME...] - the profiler beside real container runtimes (all that have a module here), started by hand, with what
# it says compared with what they say. Root. Installs nothing: what is missing is said, and the run fails.
set -eu
cd "$(dirname "$0")/../../.."
build=$1
shift
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # a list
	set -- $(grep -l '^class Runtime' tests/e2e/runtimes/*.py | sed 's|.*/||; s|\.py$||')
fi
status=0
for name; do
	python3 tests/e2e/runtimes/check_runtime.py "$name" "$build/pyprof-bpf" || status=1
done
exit $status
