#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh BUILD-DIRECTORY BENCHMARK... - the machine's facts, then each benchmark.
# Started by `make bench`. Prints NAME<TAB>VALUE<TAB>UNIT<TAB>GOAL lines; facts
# and notes begin with #. A goal that was missed is printed as such and is no
# failure. BENCH_LONG=1 measures four times as long, BENCH_PYTHON names the
# interpreter that does the work, BENCH_STACKTRACE where pip finds the old stacktrace.
set -eu

build=$1
shift
BENCH_DIR=$(dirname "$0")
BENCH_EMPTY=$build/tests/bench/empty.bpf.o
BENCH_LEVELS=$(realpath "$build/tests/bench/levels.so")
PYPROF_BPF=${PYPROF_BPF:-$build/pyprof-bpf}
export BENCH_DIR BENCH_EMPTY BENCH_LEVELS PYPROF_BPF

die() {
	echo "bench: $*" >&2
	exit 1
}

# Newest first: what people will run for years.
find_python() {
	for name in python3.14 python3.13 python3.12 python3.11; do
		for python in "$name" "$HOME"/.pyenv/versions/"${name#python}".*/bin/"$name"; do
			if "$python" -c '' 2>/dev/null; then
				"$python" -c 'import sys; print(sys.executable)'
				return
			fi
		done
	done
	die "no CPython from 3.11 on is here; set BENCH_PYTHON"
}

# The file that holds the interpreter, itself or its libpython: the most code that it maps.
find_interpreter() {
	"$BENCH_PYTHON" -c '
def size(line):
    start, end = line.split()[0].split("-")
    return int(end, 16) - int(start, 16)

print(max((line for line in open("/proc/self/maps") if " r-xp " in line), key=size).split()[-1])'
}

rate_source() {
	if [ -e /sys/bus/event_source/devices/cpu ]; then
		echo "hardware cycles (PMU)"
	else
		echo "cpu-clock (no PMU)"
	fi
}

facts() {
	echo "# date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	echo "# kernel: $(uname -sr) $(uname -v)"
	echo "# cpus: $(getconf _NPROCESSORS_ONLN) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "# rate source: $(rate_source)"
	echo "# python: $("$BENCH_PYTHON" -c 'import sys; print(sys.version.split()[0], sys.executable)')"
	echo "# pyprof-bpf: $("$PYPROF_BPF" --version | head -n 1)"
	echo "# load before the first run: $(cut -d ' ' -f 1-3 /proc/loadavg)"
	echo "# length: ${BENCH_LONG:+long}${BENCH_LONG:-quick}"
}

run() {
	case $1 in
	*.py) "$BENCH_PYTHON" "$1" ;;
	*) "$1" ;;
	esac
}

[ "$(id -u)" = 0 ] || die "needs root"
[ -x "$PYPROF_BPF" ] || die "$PYPROF_BPF is not built"
BENCH_PYTHON=${BENCH_PYTHON:-$(find_python)}
BENCH_SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/pyprof-bench.XXXXXX")
trap 'rm -rf "$BENCH_SCRATCH"' EXIT
trap 'exit 130' INT TERM
BENCH_INTERPRETER=$(find_interpreter)
export BENCH_PYTHON BENCH_INTERPRETER BENCH_SCRATCH

facts
status=0
for bench; do
	run "$bench" || {
		echo "# $(basename "$bench") did not finish"
		status=1
	}
done
exit $status
