#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# get_free_threaded.sh - CPythons without a GIL, which Debian does not package:
# built from Debian's source, once, into the root of sid.
#
#   tools/get_free_threaded.sh [VERSION...]   3.14 unless told
#
# From then on tools/get_pythons.sh lists them as sid-3.14t and so on, and every
# test that runs on each interpreter runs on them. Only by hand: it compiles for
# two minutes of CPU time at best, so neither `make test` nor .ci/run calls it.
#
# What is built: -O2, neither PGO nor LTO, and of the extension modules those that
# need no library but libc, libffi, sqlite and zlib. With the compiler of this
# machine, whose libc must not be newer than sid's.
#
# PYPROF_ROOTS and PYPROF_MIRROR as in tools/get_pythons.sh. PYPROF_PYTHON_SOURCE is
# a CPython's source as a tar file, for one VERSION, where a mirror lags behind its
# own index and apt finds none that can be had.
set -eu

tools=$(dirname "$(readlink -f "$0")")
roots=${PYPROF_ROOTS:-/var/cache/pyprof-bpf/roots}
root=$roots/sid
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Modules that want other libraries, or are large and of no use to the tests.
left_out="_bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _multibytecodec _curses
	_curses_panel _dbm _decimal _elementtree _gdbm _hashlib _lsprof _lzma _ssl _tkinter _uuid _zstd
	ossaudiodev pyexpat readline"

die() {
	echo "get_free_threaded: $*" >&2
	exit 1
}

say() {
	echo "get_free_threaded: $*" >&2
}

# In a corner of its own: what apt knows of this machine stays as it is.
apart() { # COMMAND...
	"$@" -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User=root
}

# Downloads the newest that can be had into the current directory; apt checks signatures and sums.
download() { # VERSION
	[ -f "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"
	mirror=$("$tools/get_pythons.sh" --mirror)
	mkdir -p apt/lists/partial apt/cache/archives/partial
	for suite in sid testing stable; do
		echo "deb-src [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main"
	done >apt/sources.list
	apart apt-get update >>log 2>&1 || die "apt-get update failed, see $PWD/log"
	offered=$(apart apt-cache showsrc "python$1" | sed -n 's/^Version: //p' | sort -Vru)
	for release in $offered; do
		say "fetching Debian's source of $release"
		if apart apt-get source --tar-only --download-only "python$1=$release" >>log 2>&1; then
			return
		fi
	done
	die "no source of $1 can be had (offered: $(echo ${offered:-none})), see $PWD/log; or set PYPROF_PYTHON_SOURCE"
}

build() { # VERSION PREFIX
	mkdir source build
	tar -xf ./*.orig.tar.[gx]z -C source --strip-components=1
	cd build
	../source/configure --prefix="$2" --disable-gil --disable-test-modules --without-ensurepip \
		--without-doc-strings >>../log 2>&1 || die "configure failed, see $roots/python$1t.part/log"
	{ echo "*disabled*"; echo $left_out; } >Modules/Setup.local
	say "compiling, for minutes; $roots/python$1t.part/log grows"
	make -j"${PYPROF_JOBS:-$(nproc)}" OPT="-DNDEBUG -O2" >>../log 2>&1 &&
		make install DESTDIR="$PWD/image" >>../log 2>&1 || die "make failed, see $roots/python$1t.part/log"
	rm -rf "image$2/lib/python$1t/test" "image$2/lib/python$1t/idlelib"
	rm -rf --one-file-system "${root:?}$2"
	mv "image$2" "$root$2"
}

get() { # VERSION
	prefix=/opt/python$1t
	python=$prefix/bin/python$1t
	if ! [ -x "$root$python" ]; then
		part=$roots/python$1t.part
		rm -rf --one-file-system "$part"
		mkdir "$part"
		cd "$part"
		if [ -n "${PYPROF_PYTHON_SOURCE:-}" ]; then
			cp "$given" given.orig.tar.xz # or what else: tar looks into it
		else
			download "$1"
		fi
		build "$1" "$prefix"
		cd /
		rm -rf --one-file-system "$part"
	fi
	said=$(chroot "$root" "$python" -c 'import sys; print(sys.version.split()[0], sys._is_gil_enabled())') ||
		die "$root$python does not run"
	case $said in
	"$1".*" False") say "$python in $root is ${said% *}, without a GIL" ;;
	*) die "$root$python is no free-threaded $1: $said" ;;
	esac
}

[ "$(id -u)" = 0 ] || die "needs root, to enter $root"
[ -x "$root/usr/bin/env" ] || die "$root is missing: run tools/get_pythons.sh first"
for program in gcc make apt-get xz; do
	command -v $program >/dev/null || die "$program is missing"
done
for version in "${@:-3.14}"; do
	case $version in
	3.1[3-9]) ;;
	*) die "'$version' is no version like 3.14" ;;
	esac
done
[ -z "${PYPROF_PYTHON_SOURCE:-}" ] || [ $# -le 1 ] || die "PYPROF_PYTHON_SOURCE is for one version"
if [ -n "${PYPROF_PYTHON_SOURCE:-}" ]; then
	given=$(readlink -e "$PYPROF_PYTHON_SOURCE") || die "$PYPROF_PYTHON_SOURCE is missing"
fi
exec 9>"$roots/.lock"
flock 9
for version in "${@:-3.14}"; do
	get "$version"
done
