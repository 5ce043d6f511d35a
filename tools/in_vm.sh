#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# in_vm.sh - run a command under another kernel: Debian's, in plain emulation.
#
#   tools/in_vm.sh [OPTION]... SUITE COMMAND [ARG]...
#   tools/in_vm.sh bullseye build/pyprof-bpf doctor
#
# SUITE is a Debian release, which names its kernel: bullseye 5.10, bookworm
# 6.1, trixie 6.12. Inside are busybox, COMMAND with its shared libraries and
# what --with adds, all at the same places as here, and nothing else; COMMAND
# runs as root in this directory. Its output and exit status become those of
# this script: stdout while it runs, stderr (with what the kernel says
# meanwhile) at the end. Status 124 means out of time, 125 that the machine
# could not be started.
#
#   --with PATH       a file, which brings its shared libraries, or a directory
#   --timeout SECONDS of the whole run, boot included; 120
#   --cpus N          2
#   --fetch           only make sure that the kernel is there
#
# Kernels are fetched once with apt, from the mirror this machine is configured
# with, to $PYPROF_CACHE/kernels (/var/cache/pyprof-bpf/kernels).
set -eu

cache=${PYPROF_CACHE:-/var/cache/pyprof-bpf}/kernels

die() {
	echo "in_vm: $*" >&2
	exit 125
}

need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

# apt, on lists of our own that hold one suite: this machine's stay as they are.
suite_apt() { # DIRECTORY apt-PROGRAM ARGS
	apt_dir=$1
	shift
	apt_program=$1
	shift
	"$apt_program" -q -q -o Dir::Etc::SourceList="$apt_dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$apt_dir/lists" -o Dir::Cache="$apt_dir" -o APT::Sandbox::User=root \
		-o Acquire::Languages=none -o Acquire::Check-Valid-Until=false "$@"
}

# Debian's archive as apt is configured here; empty when it cannot be told.
mirror() {
	if [ -n "${PYPROF_MIRROR:-}" ]; then
		echo "$PYPROF_MIRROR"
		return
	fi
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	apt-get update --print-uris | sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1
}

fetch_kernel() { # SUITE
	need apt-get apt
	need dpkg-deb dpkg
	fetch=$cache/$1.part
	mirror=$(mirror)
	[ -n "$mirror" ] || die "apt knows no Debian mirror here; set PYPROF_MIRROR"
	echo "in_vm: fetching the kernel of $1" >&2
	rm -rf "$fetch"
	mkdir -p "$fetch/lists/partial" "$fetch/archives/partial" "$fetch/tree"

	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
	echo "deb ${signed:-}$mirror $1 main" >"$fetch/sources.list"
	suite_apt "$fetch" apt-get update >&2
	package=$(suite_apt "$fetch" apt-cache depends linux-image-amd64 |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$package" ] || die "$1 has no kernel for amd64"
	(cd "$fetch" && suite_apt "$fetch" apt-get download "$package") >&2
	dpkg-deb --fsys-tarfile "$fetch/$package"_*.deb | tar -C "$fetch/tree" -x ./boot
	mv "$fetch"/tree/boot/vmlinuz-* "$cache/$1.vmlinuz"
	rm -rf "$fetch"
}

# One at a time: parallel callers wait for the first.
kernel_get() { # SUITE
	mkdir -p "$cache" || die "cannot make $cache"
	[ -e "$cache/$1.vmlinuz" ] || (
		flock 9
		[ -e "$cache/$1.vmlinuz" ] || fetch_kernel "$1" 9>&-
	) 9>"$cache/.lock"
	[ -e "$cache/$1.vmlinuz" ] || die "no kernel for $1"
}

# A merged /usr inside as outside: libraries are asked for as /lib/..., and lie in /usr/lib.
make_tree() {
	mkdir -p "$tree$PWD" "$tree/.in_vm"
	for link in /bin /sbin /lib /lib64; do
		if [ -L "$link" ]; then
			mkdir -p "$tree$(readlink -f "$link")"
			ln -s "$(readlink "$link")" "$tree$link"
		else
			mkdir -p "$tree$link"
		fi
	done
	cp "$(command -v busybox)" "$tree/.in_vm/busybox"
}

copy() { # ABSOLUTE-PATH
	mkdir -p "$tree$(dirname "$1")"
	[ -e "$tree$1" ] || cp -L "$1" "$tree$1"
}

# A file, under its own name and under the one that links lead to, and the libraries it asks for.
pack_file() { # ABSOLUTE-PATH
	real=$(readlink -f "$1")
	copy "$1"
	copy "$real"
	{ ldd "$real" 2>/dev/null || true; } | sed -nE 's/^[^/]*(\/[^ ]*) \(0x[0-9a-f]*\)$/\1/p' |
		while read -r library; do
			copy "$library"
		done
}

quote() {
	for word; do
		printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
	done
}

# The first program of the machine. ttyS1 is COMMAND's stdout, ttyS0 its stderr and the kernel's console.
write_init() { # COMMAND ARGS
	cat <<-END
		#!/.in_vm/busybox sh
		/.in_vm/busybox mkdir -p /.in_vm/bin /bin /proc /sys /dev /tmp /run /root
		/.in_vm/busybox --install -s /.in_vm/bin
		export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/.in_vm/bin
		export HOME=/root LANG=C.UTF-8
		mount -t devtmpfs none /dev
		exec </dev/null >/dev/ttyS0 2>&1
		mkdir -p /dev/shm
		ln -s /proc/self/fd /dev/fd
		[ -e /bin/sh ] || ln -s /.in_vm/busybox /bin/sh
		mount -t proc none /proc
		mount -t sysfs none /sys
		mount -t bpf none /sys/fs/bpf
		mount -t debugfs none /sys/kernel/debug
		mount -t tracefs none /sys/kernel/tracing
		mount -t tmpfs none /dev/shm
		ip link set lo up
		stty -F /dev/ttyS1 raw
		dmesg -n 1
		cd $(quote "$PWD")
		echo in_vm: start
		$(quote "$@") >/dev/ttyS1
		echo "in_vm: status \$?"
		sleep 0.2 # the last bytes are still on the wire
		reboot -f
	END
}

# One archive of all that `find` is told to start from; the kernel unpacks several, one over the other.
archive() { # DIRECTORY START...
	(cd "$1" && shift && find "$@" -xdev -print0 | busybox cpio -0 -o -H newc 2>/dev/null)
}

make_initrd() { # COMMAND ARGS
	make_tree
	printf '%s' "$with" | while read -r path; do
		[ -e "$path" ] || die "no such file: $path"
		path=$(cd "$(dirname "$path")" && pwd)/$(basename "$path")
		if [ -d "$path" ]; then
			mkdir -p "$tree$path"
			archive / ".$path" >>"$work/directories"
		else
			pack_file "$path"
		fi
	done
	command=$(command -v "$1" || true)
	case $command in
	/*) pack_file "$command" ;;
	*/*) pack_file "$PWD/$command" ;;
	esac
	write_init "$@" >"$tree/init"
	chmod 755 "$tree/init"
	archive "$tree" .
	[ ! -e "$work/directories" ] || cat "$work/directories"
	rm -rf "$tree" "$work/directories"
}

boot() {
	# The archive is in memory twice while the kernel unpacks it.
	memory=$((768 + 3 * $(stat -c %s "$work/initrd") / 1048576))
	timeout --foreground --kill-after=5 "$timeout" qemu-system-x86_64 -accel tcg -cpu max -smp "$cpus" -m "$memory" \
		-no-reboot -display none -monitor none -nic none \
		-kernel "$cache/$suite.vmlinuz" -initrd "$work/initrd" \
		-append "console=ttyS0 panic=-1 quiet rdinit=/init" \
		-serial "file:$work/console" -serial stdio </dev/null
}

# Out of what the console got: COMMAND's status, then its stderr.
report() { # STATUS-OF-QEMU
	tr -d '\r' <"$work/console" >"$work/text"
	status=$(sed -n 's/.*in_vm: status \([0-9]*\)$/\1/p' "$work/text" | tail -n 1)
	if [ -n "$status" ]; then
		sed -n '/in_vm: start$/,/in_vm: status [0-9]*$/p' "$work/text" |
			sed -E '/in_vm: (start|status [0-9]+)$/d' >&2
		exit "$status"
	fi
	tail -n 30 "$work/text" >&2
	[ "$1" != 124 ] || { echo "in_vm: $suite: not done after $timeout s" >&2 && exit 124; }
	die "$suite: the machine stopped before the command ended"
}

with= timeout=120 cpus=2 fetch_only=
while [ $# -gt 0 ]; do
	case $1 in
	--with)
		with="$with$2
"
		shift
		;;
	--timeout) timeout=$2 && shift ;;
	--cpus) cpus=$2 && shift ;;
	--fetch) fetch_only=1 ;;
	-*) die "no such option: $1" ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 1 ] || die "usage: in_vm.sh [--with PATH]... [--timeout SECONDS] [--cpus N] SUITE COMMAND..."
suite=$1
shift
kernel_get "$suite"
[ -z "$fetch_only" ] || exit 0
[ $# -ge 1 ] || die "what shall I run?"
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static

work=$(mktemp -d "${TMPDIR:-/tmp}/in_vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 125' INT TERM
tree=$work/tree
make_initrd "$@" >"$work/initrd"
booted=0
boot || booted=$?
report $booted
