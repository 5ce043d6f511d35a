#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# install_deps.sh build|test [--check]
#
# Installs what building or testing needs and this machine lacks, with apt-get;
# with nothing missing it touches nothing. --check installs nothing and says a
# line for each missing thing; it works on any distribution.
set -eu

# KIND WHAT PACKAGE: a command, a header, a module of this machine's Python, or a part of clang, and Debian's package that has it.
build='
command cc gcc
command make make
command clang clang
command bpftool bpftool
header stdio.h libc6-dev
header linux/bpf.h linux-libc-dev
header bpf/libbpf.h libbpf-dev
header gelf.h libelf-dev
header zlib.h zlib1g-dev
header lzma.h liblzma-dev
header libunwind.h libunwind-dev
header xxhash.h libxxhash-dev
header libiberty/demangle.h libiberty-dev
header jansson.h libjansson-dev
command protoc-c protobuf-c-compiler
header protobuf-c/protobuf-c.h libprotobuf-c-dev
header cap-ng.h libcap-ng-dev
header curl/curl.h libcurl4-openssl-dev
header uthash.h uthash-dev
'
test='
header criterion/criterion.h libcriterion-dev
command python3 python3
header python3*/Python.h python3-dev
module setuptools python3-setuptools
command readelf binutils
command xz xz-utils
header elfutils/libdw.h libdw-dev
command g++ g++
command gdb gdb
command musl-gcc musl-tools
command ld.lld lld
command clang-format clang-format
clang libclang_rt.fuzzer libclang-rt-dev
command go golang-go
command npm npm
command pip3 python3-pip
command debootstrap debootstrap
command qemu-system-x86_64 qemu-system-x86
command busybox busybox-static
command runc runc
command podman podman
command openssl openssl
command systemd-analyze systemd
'

usage() {
	echo "usage: install_deps.sh build|test [--check]" >&2
	exit 2
}

is_there() { # KIND WHAT
	case $1 in
	command) PATH=$PATH:/usr/sbin:/sbin command -v "$2" >/dev/null ;;
	header) find_file "$2" /usr/include /usr/include/*-linux-gnu /usr/local/include ;;
	module) /usr/bin/python3 -c "import $2" 2>/dev/null ;;
	clang) find_file "$2*" "$(clang -print-resource-dir 2>/dev/null)"/lib/* ;;
	esac
}

find_file() { # PATTERN DIRECTORY...
	pattern=$1
	shift
	for directory; do
		# shellcheck disable=SC2086 # the pattern is one
		ls "$directory"/$pattern >/dev/null 2>&1 && return 0
	done
	return 1
}

case ${1-} in
build) needed=$build ;;
test) needed=$build$test ;;
*) usage ;;
esac
case ${2-} in
'' | --check) ;;
*) usage ;;
esac

missing=
while read -r kind what package; do
	[ -n "$kind" ] || continue
	is_there "$kind" "$what" && continue
	missing="$missing $package"
	[ "${2-}" != --check ] || echo "pyprof-bpf: $what is missing: apt-get install $package" >&2
done <<EOT
$needed
EOT

[ -n "$missing" ] || exit 0
if [ "${2-}" = --check ]; then
	echo "pyprof-bpf: to install all that is missing: tools/install_deps.sh $1" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null; then
	echo "pyprof-bpf: no apt-get here; install what provides, by Debian's names:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "pyprof-bpf: missing:$missing; run as root to install them" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list
apt-get install -y -q --no-install-recommends $missing ||
	{ apt-get update -q && apt-get install -y -q --no-install-recommends $missing; }
