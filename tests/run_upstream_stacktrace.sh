#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run_upstream_stacktrace.sh SOURCE [PYTHON]... - runs tests that others wrote for
# stacktrace 0.1 against the package stacktrace that each PYTHON (python3) has: those
# in SOURCE, a checkout of https://github.com/numba/stacktrace, and, where it has
# dask's distributed with its tests, those of that one's profiler that look at C stacks.
#
# By hand: this repository has no copy of either. pytest is PYTHON's own or that of
# tools/get_pytest.sh. The last line is how many runs failed.
set -euo pipefail

die() {
	echo "run_upstream_stacktrace: $*" >&2
	exit 1
}

[ $# -ge 1 ] || die "usage: tests/run_upstream_stacktrace.sh SOURCE [PYTHON]..."
tools=$(cd "$(dirname "$0")/../tools" && pwd)
source=$(cd "$1" && pwd)
shift
[ -f "$source/stacktrace/tests/test_core.py" ] || die "$source/stacktrace/tests holds no tests"
[ $# != 0 ] || set -- python3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Under another name, or else `stacktrace` would be the old package around them.
cp -r "$source/stacktrace/tests" "$work/upstream_tests"
cd "$work"

has() { # PYTHON MODULE
	"$1" -c "import $2" 2>/dev/null
}

run() { # PYTHON WHAT ARGUMENTS...: pytest's, which fails where it finds no test
	local python=$1 what=$2 status=0
	shift 2
	timeout --kill-after=10 300 "$python" -m pytest -p no:cacheprovider -q "$@" >log 2>&1 || status=$?
	if [ $status = 0 ]; then
		echo "ok: $python: $what: $(tail -n 1 log)"
	else
		cat log
		echo "FAILED: $python: $what, with status $status"
		failed=$((failed + 1))
	fi
}

export PYTHONDONTWRITEBYTECODE=1
failed=0
for python; do
	file=$("$python" -c 'import stacktrace; print(stacktrace.__file__)') || die "$python has no package stacktrace"
	[[ $file != "$source"/* ]] || die "$python has the old package itself, $file"
	old_path=${PYTHONPATH:-}
	if ! has "$python" pytest; then
		version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
		PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}$("$tools/get_pytest.sh" "$version")
		export PYTHONPATH
	fi
	run "$python" "its own tests" upstream_tests
	if has "$python" distributed.tests.test_profile; then
		run "$python" "distributed" --pyargs distributed.tests.test_profile -k low_level
	else
		echo "left out: $python has no distributed with its tests"
	fi
	PYTHONPATH=$old_path
done
echo "$failed failed"
[ $failed = 0 ]
