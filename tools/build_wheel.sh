#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# build_wheel.sh - the package stacktrace as a wheel that runs on any x86-64 Linux
# with glibc 2.31 or newer.
#
#   tools/build_wheel.sh DIRECTORY         for every CPython with a GIL, 3.6 to 3.15
#   tools/build_wheel.sh DIRECTORY PREFIX  for the free-threaded one below PREFIX
#
# Prints the wheel's path. Compiled in a root that tools/get_pythons.sh makes for
# that. Of the libraries, Debian's static libunwind and libelf are no
# position-independent code, so the shared ones are put into the wheel, under names that
# no library of the program that loads it can have, as auditwheel does; and with them
# what they may be copied under.
set -eu

die() {
	echo "build_wheel: $*" >&2
	exit 1
}

[ $# = 1 ] || [ $# = 2 ] || die "usage: tools/build_wheel.sh DIRECTORY [PREFIX]"
tools=$(dirname "$(readlink -f "$0")")
root=$("$tools/get_pythons.sh" --build-root)
[ "$(id -u)" = 0 ] || die "needs root, to enter $root"
mkdir -p "$1"

work=$(mktemp -d "$root/tmp/pyprof-wheel-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
# The links into the rest of the repository become what they lead to.
mkdir "$work/source"
tar -C "$tools/../python" --dereference --exclude=__pycache__ --exclude='*.egg-info' --exclude='./build' \
	--exclude='./dist' --exclude='./tests' -cf - . | tar -C "$work/source" -xf -

# The headers of another CPython, and what it says of itself, are all that compiling for it takes.
variables=
if [ -n "${2:-}" ]; then
	variables=$(echo "$2"/lib/python3.*t/_sysconfigdata_*.py)
	[ -f "$variables" ] || die "$2 holds no free-threaded CPython"
	include=$(echo "$2"/include/python3.*t)
	mkdir "$work/python"
	cp "$variables" "$work/python"
	cp -r "$include/." "$work/python/include"
	variables=$(basename "$variables" .py)
	version=$(basename "$include")
fi

mkdir "$work/out"
cat >"$work/build" <<'END'
set -eu
cd "$1"
if [ -n "$2" ]; then
	export _PYTHON_SYSCONFIGDATA_NAME="$2" PYTHONPATH="$PWD/python" CPPFLAGS="-I$PWD/python/include"
fi
(cd source && python3 setup.py -q bdist_wheel --dist-dir ../made)
unset _PYTHON_SYSCONFIGDATA_NAME
python3 -m wheel unpack --dest tree made/*.whl
cd tree/*
extension=$(echo stacktrace/_stacktrace.*.so)
libraries=${extension%%/*}.libs
licenses=$(echo ./*.dist-info)/licenses
mkdir -p "$libraries" "$licenses"

# Which package a file is of: dpkg knows it by the name below / or that below /usr.
package_of() { # PATH
	path=$(readlink -f "$1")
	dpkg -S "$path" 2>/dev/null || dpkg -S "${path#/usr}"
}

copy_license() { # PATH
	package=$(package_of "$1" | cut -d : -f 1)
	cp -L "/usr/share/doc/$package/copyright" "$licenses/$package.copyright"
}

# Those that each Linux has are left out: PEP 600's list, as far as it matters here.
ldd "$extension" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' |
	grep -vE '^(libc|libm|libdl|librt|libpthread|libgcc_s|libz|ld-linux-x86-64)\.so' |
	while read -r name path; do
		sum=$(sha256sum "$path" | cut -c 1-8)
		cp -L "$path" "$libraries/${name%%.so*}-$sum.so${name#*.so}"
		copy_license "$path" || echo "$path" >>../unlicensed
		echo "$name ${name%%.so*}-$sum.so${name#*.so}"
	done >../renamed
if [ -e ../unlicensed ]; then
	echo "no licence found of: $(cat ../unlicensed)" >&2
	exit 1
fi
chmod u+w "$libraries"/*
while read -r old new; do
	patchelf --set-soname "$new" "$libraries/$new"
	for file in "$extension" "$libraries"/*; do
		patchelf --replace-needed "$old" "$new" "$file"
	done
done <../renamed
patchelf --set-rpath "\$ORIGIN/../$libraries" "$extension"
for file in "$libraries"/*; do
	patchelf --set-rpath "\$ORIGIN" "$file"
done
rm ../renamed

tag=$(sed -n 's/^Tag: //p' ./*.dist-info/WHEEL)
[ -z "$3" ] || tag=cp$3-cp${3}t-linux_x86_64
sed -i "s/^Tag: .*/Tag: ${tag%linux_x86_64}manylinux_2_31_x86_64/" ./*.dist-info/WHEEL
cd ../..
python3 -m wheel pack --dest-dir out tree/*
END
number=
[ -z "$variables" ] || number=$(echo "$version" | tr -dc 0-9)
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
	sh "${work#"$root"}/build" "${work#"$root"}" "$variables" "$number" >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	die "building failed, see above"
}
cp "$work"/out/*.whl "$1"
echo "$1/$(cd "$work/out" && echo *.whl)"
