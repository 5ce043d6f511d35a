#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# get_pythons.sh - the interpreters that the end-to-end tests profile: Debian
# roots, made once, outside the repository, and pyenv's when there are any.
#
#   tools/get_pythons.sh          make what is missing, then list
#   tools/get_pythons.sh --list   list only
#   tools/get_pythons.sh --mirror Debian's mirror, as it is used
#   tools/get_pythons.sh --build-root makes and prints one root more, with a compiler
#                         and the oldest libc of all, for tools/build_wheel.sh
#
# What tools/get_free_threaded.sh built is listed too; that is never called from here.
#
# Each line of the list is NAME<TAB>INTERPRETER<TAB>ROOT: the interpreter's path
# as seen from inside ROOT, which is `/` for those that need no chroot.
#
# PYPROF_ROOTS says where the roots live, PYPROF_MIRROR which mirror to use in
# place of the one that apt is configured with.
set -eu

roots=${PYPROF_ROOTS:-/var/cache/pyprof-bpf/roots}

# SUITE PACKAGE[,PACKAGE...], which are also the interpreters' names in /usr/bin.
interpreters() {
	echo bullseye python2.7,python3.9
	echo bookworm python3.11
	echo trixie python3.13
	echo sid python3.13,python3.14,python3.15
}

# What compiles for any of them must not need a newer libc than theirs.
build_suite=bullseye
build_packages=gcc,libc6-dev,python3-dev,python3-setuptools,python3-wheel,patchelf
build_packages=$build_packages,libunwind-dev,libelf-dev,liblzma-dev,zlib1g-dev,libxxhash-dev,uthash-dev

die() {
	echo "get_pythons: $*" >&2
	exit 1
}

# What apt on this machine calls Debian's archive. Empty: debootstrap's own default.
mirror() {
	if [ -n "${PYPROF_MIRROR:-}" ]; then
		echo "$PYPROF_MIRROR"
		return
	fi
	found=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|//p' | head -n 1)
	if [ -z "$found" ]; then # apt has no lists yet
		found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
			sed -nE 's/^(deb +(\[[^]]*\] +)?|URIs: *)(https?:[^ ]*\/debian\/?)( .*)?$/\3/p' | head -n 1)
	fi
	echo "$found"
}

complete() { # DIRECTORY PACKAGE[,PACKAGE...]
	for package in $(echo "$2" | tr , ' '); do
		# Dpkg writes NAME.list, and NAME:ARCHITECTURE.list where several may be installed.
		find "$roots/$1/var/lib/dpkg/info" -name "$package.list" -o -name "$package:*.list" 2>/dev/null |
			grep -q . || return 1
	done
}

make_root() { # DIRECTORY SUITE PACKAGES
	command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
	[ "$(id -u)" = 0 ] || die "making the root of $2 needs root"
	root=$roots/$1
	part=$root.part
	mkdir -p "${root%/*}"
	# Left over from a run that was killed; debootstrap mounts proc in there.
	umount "$part/proc" "$part/sys" 2>/dev/null || true
	rm -rf --one-file-system "$part"
	echo "get_pythons: making $root with $3" >&2
	# shellcheck disable=SC2046 # no mirror must be no argument
	if ! debootstrap --variant=minbase --include="$3" "$2" "$part" $(mirror) >"$root.log" 2>&1; then
		tail -n 20 "$root.log" >&2
		die "debootstrap failed for $2, see $root.log"
	fi
	umount "$part/proc" "$part/sys" 2>/dev/null || true
	rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
	rm -rf --one-file-system "${root:?}"
	mv "$part" "$root"
	complete "$1" "$3" || die "$root lacks one of $3"
}

list() {
	interpreters | while read -r suite packages; do
		for python in $(echo "$packages" | tr , ' '); do
			if [ -x "$roots/$suite/usr/bin/$python" ]; then
				printf '%s-%s\t%s\t%s\n' "$suite" "${python#python}" "/usr/bin/$python" "$roots/$suite"
			fi
		done
	done
	for python in "$roots"/*/opt/python3.*t/bin/python3.*t; do
		if [ -x "$python" ]; then
			root=${python%/opt/*}
			printf '%s-%s\t%s\t%s\n' "${root##*/}" "${python##*/python}" "${python#"$root"}" "$root"
		fi
	done
	for version in 2.7 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13; do
		for python in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python$version; do
			if [ -x "$python" ]; then
				printf 'pyenv-%s\t%s\t/\n' "$version" "$python"
				break
			fi
		done
	done
}

lock() {
	mkdir -p "$roots" || die "cannot make $roots"
	exec 9>"$roots/.lock"
	flock 9
}

get_root() { # DIRECTORY SUITE PACKAGES
	complete "$1" "$3" || make_root "$1" "$2" "$3" 9>&- </dev/null
}

case ${1:-} in
--mirror) mirror ;;
--list) list ;;
--build-root)
	lock
	get_root "build/$build_suite" "$build_suite" "$build_packages"
	echo "$roots/build/$build_suite"
	;;
*)
	lock
	# Not a pipe: a failure in there must end the script.
	while read -r suite packages; do
		get_root "$suite" "$suite" "$packages"
	done <<-END
		$(interpreters)
	END
	list
	;;
esac
