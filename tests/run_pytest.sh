#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run_pytest.sh BUILD [PATTERN] - runs the tests of the package stacktrace
# (python/tests) on every interpreter of tools/get_pythons.sh from 3.6 on whose
# NAME matches PATTERN, all of those with a GIL from one wheel, and as `asan` on
# this machine's /usr/bin/python3 with the extension under ASan and UBSan.
#
# Results are BUILD/test-results/pytest-NAME.tap; what pytest says is
# pytest-NAME.log beside it, and printed where something failed. PYTEST_ADDOPTS
# goes to pytest: PYTEST_ADDOPTS="-k fork" tests/run_pytest.sh build pyenv-3.8
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(mkdir -p "${1:?"usage: tests/run_pytest.sh BUILD [PATTERN]"}" && cd "$1" && pwd)
pattern=${2:-*}
results=$build/test-results
seconds=${PYPROF_LONG:+1800} # of each interpreter, before it is killed
seconds=${seconds:-300}
mkdir -p "$results"
rm -f "$results"/pytest-*

pythons=$(tools/get_pythons.sh --list)
clean_up() {
	{ cut -f 3 <<<"$pythons" && echo /; } | sort -u | while read -r root; do
		rm -rf --one-file-system "${root%/}/tmp/pyprof-e2e-pytest-$$"-*
	done
}
trap clean_up EXIT

not_ok() { # NAME WHAT
	echo "not ok - $1: $2" >>"$results/pytest-$1.tap"
}

count() { # NAME PATTERN
	grep -cE "$2" "$results/pytest-$1.tap" || true
}

# Unpacked wheels are all that a test needs of the build: no pip, no venv.
unpack() { # DIRECTORY WHEEL
	rm -rf "$1" && mkdir -p "$1" && /usr/bin/python3 -m zipfile -e "$2" "$1"
}

get_package() { # NAME PYTHON ROOT: prints where the package for this interpreter is
	case $1 in
	asan) echo "$build/pytest/asan" ;;
	*t) echo "$build/pytest/$1" ;;
	*) echo "$build/pytest/abi3" ;;
	esac
}

build_packages() {
	local name python root wheel
	rm -rf "$build/pytest"
	wheel=$(tools/build_wheel.sh "$build/pytest") && unpack "$build/pytest/abi3" "$wheel" || return 1
	while IFS=$'\t' read -r name python root; do
		if [[ $name == $pattern && $name == *t ]]; then
			wheel=$(tools/build_wheel.sh "$build/pytest" "$root${python%/bin/*}") &&
				unpack "$build/pytest/$name" "$wheel" || return 1
		fi
	done <<<"$pythons"
}

# Signal frames and stacks are read as the bytes that they are: alignment is checked by the unit tests.
sanitize="-fsanitize=address,undefined -fno-sanitize=alignment -fno-omit-frame-pointer"
build_asan() {
	local source=$build/pytest/source
	mkdir -p "$source"
	tar -C python --dereference --exclude=__pycache__ --exclude='*.egg-info' --exclude=./build -cf - . | tar -C "$source" -xf -
	(cd "$source" && CC=gcc CFLAGS="$sanitize" LDFLAGS="$sanitize" \
		/usr/bin/python3 setup.py -q build --build-lib "$build/pytest/asan") >"$results/asan-build.log" 2>&1 || {
		cat "$results/asan-build.log"
		return 1
	}
}

# In a mount namespace of its own: the package reads /proc, which the roots lack, and glibc wants a tmpfs for semaphores.
enter() { # ROOT COMMAND...
	local root=$1
	shift
	if [ "$root" = / ]; then
		"$@"
	else
		# shellcheck disable=SC2016 # for the inner shell
		unshare --mount sh -c 'mount --rbind /proc "$0/proc" && mount -t tmpfs tmpfs "$0/dev/shm" && exec chroot "$0" "$@"' \
			"$root" "$@"
	fi
}

run_tests() { # NAME PYTHON ROOT; its output is the log
	local name=$1 python=$2 root=$3 version status=0 inside outside pytest
	local -a environment=() left_out=()
	version=$(chroot "$root" "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	pytest=$(tools/get_pytest.sh "$version")
	inside=/tmp/pyprof-e2e-pytest-$$-$name
	outside=${root%/}$inside
	rm -rf --one-file-system "$outside"
	mkdir -p "$outside/tmp"
	cp -rL python/tests "$outside/tests"
	cp -r "$(get_package "$name")" "$outside/package"
	cp -r "$pytest" "$outside/pytest"
	cp tests/pytest_tap.py "$outside/pytest"
	if [ "$name" = asan ]; then
		# gdb takes a minute to look at a process with ASan's shadow, and ASan keeps what is freed.
		left_out=(--ignore=test_gdb.py --deselect=test_many.py::test_memory_does_not_grow)
		# CPython leaves much to the end of the process, so leaks tell nothing.
		environment=(LD_PRELOAD="$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc STACKTRACE_QUICK=1
			ASAN_OPTIONS="detect_leaks=0:log_path=$results/pytest-asan.report"
			UBSAN_OPTIONS="print_stacktrace=1:log_path=$results/pytest-asan.report")
	fi
	environment=(env -i PATH="$PATH" HOME=/tmp LC_ALL=C.UTF-8 TMPDIR="$inside/tmp" PYTHONDONTWRITEBYTECODE=1
		PYTHONPATH="$inside/package:$inside/pytest" PYTEST_TAP="$inside/result.tap" PYTEST_TAP_NAME="$name"
		STACKTRACE_FULL="${PYPROF_LONG:-}" PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-}" "${environment[@]}")

	enter "$root" "${environment[@]}" "$python" -c "
import stacktrace, sys
sys.exit(not stacktrace.__file__.startswith('$inside/package/'))" || {
		not_ok "$name" "the package cannot be imported"
		return
	}
	enter "$root" "${environment[@]}" sh -c 'cd "$1/tests" && shift && exec "$@"' sh "$inside" \
		timeout --kill-after=10 "$seconds" "$python" -m pytest -p no:cacheprovider -p pytest_tap \
		--basetemp="$inside/tmp/pytest" "${left_out[@]}" -q -rs . || status=$?
	cat "$outside/result.tap" >>"$results/pytest-$name.tap" || true
	if ! grep -q '^1\.\.' "$outside/result.tap"; then
		sed -n 's/^not ok - /\n&/p; s/^# //p' "$outside/result.tap" # it could not say so itself
		not_ok "$name" "pytest died, with status $status (124: for it took longer than $seconds s)"
	elif [ $status != 0 ] && [ "$(count "$name" '^not ok')" = 0 ]; then
		not_ok "$name" "pytest ended with status $status"
	fi
	if ls "$results/pytest-$name".report.* >/dev/null 2>&1; then
		cat "$results/pytest-$name".report.*
		not_ok "$name" "the sanitizers have something to report"
	fi
	[ -n "${PYPROF_KEEP:-}" ] || rm -rf --one-file-system "$outside"
}

run() { # NAME PYTHON ROOT
	local name=$1 start=$SECONDS status=0 total failed skipped
	: >"$results/pytest-$name.tap"
	(run_tests "$@") >"$results/pytest-$name.log" 2>&1 || status=$?
	[ $status = 0 ] || not_ok "$name" "running its tests ended with status $status"
	skipped=$(count "$name" '^ok .*# SKIP')
	total=$(count "$name" '^ok ')
	[ $((total - skipped)) != 0 ] || not_ok "$name" "no test passed"
	failed=$(count "$name" '^not ok')
	{
		[ "$failed" = 0 ] || sed "s/^/$name: /" "$results/pytest-$name.log"
		echo "  PYTEST  $name: $((total - skipped)) passed, $failed failed, $skipped skipped, $((SECONDS - start)) s"
	} >"$results/pytest-$name.said"
	cat "$results/pytest-$name.said" # at once, so that two do not mix
}

if ! build_packages; then
	not_ok wheel "cannot be built"
	echo "run_pytest.sh: no wheel, see above"
	exit 1
fi
# None of the tests looks at other processes than its own, and half of the time they sleep: one more than there are CPUs.
at_once=$(($(nproc) + 1))
start() { # NAME PYTHON ROOT
	while [ "$(jobs -rp | wc -l)" -ge $at_once ]; do
		wait -n || true
	done
	run "$@" </dev/null &
}

# The slowest first, so that nothing waits for it at the end.
if [[ asan == $pattern ]]; then
	build_asan && start asan /usr/bin/python3 / || not_ok asan "cannot be built"
fi
while IFS=$'\t' read -r name python root; do
	if [[ $name == $pattern && $name != *-2.7 ]]; then
		start "$name" "$python" "$root"
	fi
done <<<"$pythons"
wait
ls "$results"/pytest-*.tap >/dev/null # something matched
! grep -q '^not ok' "$results"/pytest-*.tap
