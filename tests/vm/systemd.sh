#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# systemd.sh BUILD [KERNEL] - the profiler where systemd is PID 1 and cgroups are of v2 alone: a Debian of this machine's own
# release in emulation, with what `make install` installs. tests/vm/systemd_guest.py says there what is shown: the service
# with its rights and limits, and units, systemd-nspawn's machines and podman's containers by their names. By hand: a run takes
# ten minutes. KERNEL is a Debian suite as in tools/in_vm.sh; this machine's own is the default.
#
# PARTS ("service names") chooses among the parts that are in systemd_guest.py.
#
# One line for each thing shown, ok|fail|note<TAB>WHAT<TAB>DETAIL; status 1 when one failed, or the last line never
# came. What the guest left (profiles, the journal, what was exported) goes to BUILD/systemd-vm.
#
# The root is made once with debootstrap, in $PYPROF_CACHE/vm (/var/cache/pyprof-bpf/vm).
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?systemd.sh BUILD [KERNEL]}" && pwd)
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
kernel=${2:-$suite}
cache=${PYPROF_CACHE:-/var/cache/pyprof-bpf}
root=$cache/vm/$suite
left=$build/systemd-vm
packages=systemd,systemd-sysv,systemd-container,libpam-systemd,dbus,dbus-user-session,podman,runc,python3
libraries=libbpf1,libelf1,zlib1g,liblzma5,libunwind8,libjansson4,libprotobuf-c1,libcap-ng0,libcurl4

die() {
	echo "systemd.sh: $*" >&2
	exit 1
}

need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

make_root() {
	echo "systemd.sh: making $root" >&2
	mkdir -p "$cache/vm"
	rm -rf --one-file-system "$root.part"
	# shellcheck disable=SC2046 # no mirror must be no argument
	debootstrap --variant=minbase --include="$packages,$libraries" "$suite" "$root.part" \
		$("$here/tools/get_pythons.sh" --mirror) >"$root.log" 2>&1 </dev/null || die "debootstrap failed, see $root.log"
	umount "$root.part/proc" "$root.part/sys" 2>/dev/null || true
	rm -rf "$root.part"/var/cache/apt/* "$root.part"/var/lib/apt/lists/* "$root.part"/usr/share/doc \
		"$root.part"/usr/share/locale "$root.part"/usr/share/man
	mv "$root.part" "$root"
}

archive() { # DIRECTORY
	(cd "$1" && find . -xdev -print0 | busybox cpio -0 -o -H newc 2>/dev/null)
}

# The kernel's first root cannot be pivoted away from, which containers do: systemd gets a mount of it above it.
write_init() {
	cat <<-'END'
		#!/check/busybox sh
		/check/busybox mkdir /.root
		/check/busybox mount --bind / /.root
		cd /.root
		/check/busybox mount --move . /
		exec /check/busybox chroot . /lib/systemd/systemd
	END
}

write_check_unit() {
	cat <<-END
		[Unit]
		After=multi-user.target dbus.service systemd-logind.service
		SuccessAction=poweroff-force
		FailureAction=poweroff-force
		[Service]
		Type=oneshot
		ExecStart=/usr/bin/python3 /check/systemd_guest.py
		StandardOutput=file:/dev/ttyS1
		Environment=HOME=/root "PARTS=${PARTS:-}"
		[Install]
		WantedBy=multi-user.target
	END
}

# What is laid over Debian's root.
make_overlay() { # DIRECTORY
	units=$1/etc/systemd/system
	mkdir -p "$1/check" "$units/multi-user.target.wants"
	make -s -C "$here" O="$build" DESTDIR="$1" install >&2
	cp "$here/tests/vm/systemd_guest.py" "$here/tests/e2e/receiver.py" "$(command -v busybox)" "$1/check/"
	write_init >"$1/check/init"
	chmod 755 "$1/check/init"
	write_check_unit >"$units/check.service"
	ln -s ../check.service "$units/multi-user.target.wants/"
	for unit in getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
		podman-auto-update.timer podman.socket podman-restart.service serial-getty@ttyS0.service; do
		ln -s /dev/null "$units/$unit"
	done
	echo 0123456789abcdef0123456789abcdef >"$1/etc/machine-id"
}

boot() {
	memory=$((1536 + 2 * $(stat -c %s "$work/initrd") / 1048576))
	timeout --foreground --kill-after=5 1500 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory" \
		-no-reboot -display none -monitor none -nic none \
		-kernel "$cache/kernels/$kernel.vmlinuz" -initrd "$work/initrd" \
		-append "console=ttyS0 panic=-1 rdinit=/check/init systemd.show_status=0 systemd.log_target=journal audit=0" \
		-serial "file:$work/console" -serial stdio -serial "file:$work/left.tar" </dev/null
}

[ "$(id -u)" = 0 ] || die "needs root"
need debootstrap debootstrap
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
"$here/tools/in_vm.sh" --fetch "$kernel"
[ -d "$root" ] || make_root
work=$(mktemp -d "${TMPDIR:-/tmp}/pyprof-systemd.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
make_overlay "$work/overlay"
{ archive "$root" && archive "$work/overlay"; } >"$work/initrd"
boot | tee "$work/results" || true
rm -rf "$left"
mkdir -p "$left"
cp "$work/results" "$work/console" "$left/"
tar -C "$left" -xf "$work/left.tar" || die "nothing came out of the machine; its last words are in $left/console"
if [ -e "$left/all.pb.gz" ]; then
	python3 "$here/tests/vm/systemd_labels.py" "$("$here/tools/get_readers.sh")" "$left" | tee -a "$work/results"
fi
! grep -q '^fail' "$work/results" && grep -q '^ok	the end' "$work/results"
