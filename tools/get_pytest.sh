#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# get_pytest.sh VERSION - prints a directory that holds pytest and what it needs, for
# PYTHONPATH of a CPython of that VERSION (3.6 to 3.15): as Debian packages it, fetched
# once, beside the roots of tools/get_pythons.sh. Nothing is installed anywhere.
#
# PYPROF_ROOTS and PYPROF_MIRROR as in tools/get_pythons.sh.
set -eu

tools=$(dirname "$(readlink -f "$0")")
roots=${PYPROF_ROOTS:-/var/cache/pyprof-bpf/roots}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
	echo "get_pytest: $*" >&2
	exit 1
}

# pytest 6.0 cannot rewrite asserts for 3.10, pytest 8.3 does not run below 3.8.
case ${1:-} in
3.[6-9]) suite=bullseye ;;
3.1[0-5] | 3.1[0-5]t) suite=trixie ;;
*) die "'${1:-}' is no version like 3.11" ;;
esac

# In a corner of its own, as if nothing were installed: what apt knows of this machine stays as it is.
apart() { # COMMAND...
	"$@" -q -q -o Dir::Etc::SourceList="$part/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$part/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$part/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
}

# Of all that the package needs, the modules in Python: the rest comes with the interpreter.
modules() { # PACKAGE
	apart apt-get install --print-uris --no-install-recommends "$1" |
		sed -n "s/^'[^']*' \(python3-[^_]*\)_[^ ]*_all\.deb .*/\1/p"
}

fetch() {
	command -v apt-get >/dev/null || die "apt-get is missing: this needs Debian"
	[ -f "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"
	part=$directory.part
	rm -rf "$part"
	mkdir -p "$part/lists/partial" "$part/cache/archives/partial" "$part/debs"
	mirror=$("$tools/get_pythons.sh" --mirror)
	echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" >"$part/sources.list"
	echo "get_pytest: fetching $suite's pytest to $directory" >&2
	apart apt-get update >&2 || die "apt-get update failed for $suite"
	packages=$(modules python3-pytest)
	[ -n "$packages" ] || die "$suite has no python3-pytest"
	cd "$part/debs"
	# shellcheck disable=SC2086 # a list
	apart apt-get download $packages >&2 || die "cannot download: $(echo $packages)"
	for package in ./*.deb; do
		dpkg-deb -x "$package" "$part/files"
	done
	cd /
	rm -rf "$directory"
	mv "$part/files/usr/lib/python3/dist-packages" "$directory"
	rm -rf "$part"
}

directory=$roots/pytest/$suite
mkdir -p "${directory%/*}" || die "cannot make ${directory%/*}"
exec 9>"$roots/pytest/.lock"
flock 9
[ -d "$directory/_pytest" ] || fetch 9>&-
echo "$directory"
