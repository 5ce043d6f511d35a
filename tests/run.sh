#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh BUILD [PATTERN] - runs BUILD/unit and BUILD/e2e (those tests whose
# SUITE/NAME matches PATTERN, as in "@(stream|native)/*") and, without a PATTERN,
# tests/run_pytest.sh. Ends with `N passed, N failed, N skipped`, after a line of
# the Pythons used. Fails when a test does, when a sanitizer has something to
# report, and when nothing ran.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:?"usage: tests/run.sh BUILD [PATTERN]"}
pattern=${2:-*}
results=$build/test-results
reports=$PWD/$build/san
case $build in /*) reports=$build/san ;; esac

rm -rf "$results" "$reports"
mkdir -p "$results" "$reports"
export PYPROF_BUILD=$build
export ASAN_OPTIONS=log_path=$reports/report UBSAN_OPTIONS=print_stacktrace=1
export LSAN_OPTIONS=suppressions=tests/leaks.supp:print_suppressions=0

pythons=$(tools/get_pythons.sh) || pythons=
clean_up() {
	cut -f 3 <<<"$pythons" | sort -u | while read -r root; do
		rm -rf --one-file-system "${root%/}"/tmp/pyprof-e2e-*
	done
}
trap clean_up EXIT

failed=0
run() { # NAME JOBS: the test program's own status counts too, in case it dies without a report
	local status=0
	"$build/$1" --jobs "$2" --tap="$results/$1.tap" --filter "$pattern" || status=$?
	if [ ! -s "$results/$1.tap" ] || { [ $status -ne 0 ] && ! grep -q '^not ok' "$results/$1.tap"; }; then
		echo "run.sh: $build/$1 ended with $status and reported no failed test"
		failed=$((failed + 1))
	fi
}
run_pytest() {
	local status=0
	tests/run_pytest.sh "$build" || status=$?
	if [ $status -ne 0 ] && ! grep -qs '^not ok' "$results"/pytest-*.tap; then
		echo "run.sh: tests/run_pytest.sh ended with $status and reported no failed test"
		failed=$((failed + 1))
	fi
}
run unit "$(nproc)"
[ "$pattern" != '*' ] || run_pytest
# Programs that are profiled get in each other's way, so one at a time.
run e2e 1

count() { cat "$results"/*.tap | grep -cE "$1" || true; }
passed=$(cat "$results"/*.tap | grep -E '^ok ' | grep -cv '# SKIP' || true)
# Tests that the pattern left out are listed as skipped too, without a reason.
[ "$pattern" = '*' ] && skipped=$(count '^ok .*# SKIP') || skipped=$(count '^ok .*# SKIP [^t]')
failed=$((failed + $(count '^not ok')))
if ls "$reports"/report.* >/dev/null 2>&1; then
	cat "$reports"/report.*
	echo "run.sh: the sanitizers have something to report, see above"
	failed=$((failed + 1))
fi
if [ "$passed" = 0 ]; then
	echo "run.sh: nothing was tested"
	failed=$((failed + 1))
fi

echo
# With what Criterion says below the name: of a long run the end is what people keep.
sed -nE 's/^not ok - /failed: /p; /^  ---$/,/^  \.\.\.$/{/^(  - |      )/p}' "$results"/*.tap
used=
while IFS=$'\t' read -r name python root; do
	[ -n "$name" ] && used+="${used:+, }$(chroot "$root" "$python" --version 2>&1 | sed 's/^Python //') ($name)"
done <<<"$pythons"
echo "Pythons: ${used:-none}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
