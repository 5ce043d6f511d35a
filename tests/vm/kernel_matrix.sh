#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# kernel_matrix.sh [PROGRAM] [KERNEL]... - the profiler under each kernel it
# supports: it says it can run (`doctor`), loads, records a Python program, and
# names that program's functions with the right lines; and dumps two, of which one
# runs (a sample on its own CPU) and one sleeps (read where it stands). Where
# cgroups are not mounted yet, in emulation, they are of v2 alone: two containers
# are asked for, of which one begins later. PROGRAM is build/pyprof-bpf; kernels are Debian suites (bullseye: 5.10, bookworm: 6.1,
# trixie: 6.12) and `running`, which are also the default.
#
# One line per kernel, ok|fail|skip<TAB>KERNEL<TAB>DETAIL; status 1 when one
# failed. Under emulation a run takes about 15 s; each is stopped after 120 s.
# MATRIX_SECONDS (4) says how long to record.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
program=${1:-build/pyprof-bpf}
[ $# -eq 0 ] || shift
seconds=${MATRIX_SECONDS:-4}
workload=$here/tests/vm/workload.py
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pyprof-matrix.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# A CPython 3.11 that runs on this machine's libraries: Debian 12's, from its root or from this system.
find_python() {
	root=$(tools/get_pythons.sh --list 2>/dev/null | sed -n 's/^bookworm-3.11\t[^\t]*\t//p')
	for root in "$root" ""; do
		if [ -x "$root/usr/bin/python3.11" ] && [ -d "$root/usr/lib/python3.11" ]; then
			home=$root/usr
			return 0
		fi
	done
	return 1
}

# Two containers as Docker makes them, each busy, and the host is, too.
early=aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd
late=eeeeeeeeeeeeeeeeffffffffffffffff00000000000000001111111111111111
write_container_part() {
	cat <<-END
		groups=/sys/fs/cgroup/docker
		busy_in() {
			mkdir -p \$groups/\$1
			sh -c "echo 0 >\$groups/\$1/cgroup.procs; while :; do :; done" &
		}
		mkdir -p /sys/fs/cgroup
		if [ ! -e /sys/fs/cgroup/pids ] && mount -t cgroup2 none /sys/fs/cgroup; then
			busy_in $early
			sh -c 'while :; do :; done' &
			host=\$!
			(sleep 5 && busy_in $late) &
			$program record --container $early --container 'eeeeeeee????' --per container --no-kernel -d 8 -o - |
				sed 's/^/container /' >&2
			kill \$host \$(cat \$groups/*/cgroup.procs)
		fi
	END
}

# What runs under each kernel. Doctor's lines go to stderr, the profile to stdout.
write_guest_script() {
	cat <<-END
		set -u
		echo "kernel \$(uname -r)" >&2
		$program doctor >&2 || exit 3
		PYTHONHOME=$home $home/bin/python3.11 -S $workload 60 &
		busy=\$!
		PYTHONHOME=$home $home/bin/python3.11 -S -c 'import time; time.sleep(60)' &
		asleep=\$!
		sleep 2
		# It is in work() for 19 of 20 samples: not once in ten is one in 10^13.
		for i in 1 2 3 4 5 6 7 8 9 10; do
			seen=\$($program dump --running -p \$busy | sed 's/^/busy /')
			case \$seen in *:work:*) break ;; esac
		done
		echo "\$seen" >&2
		$program dump -p \$asleep | sed 's/^/asleep /' >&2
		kill \$busy \$asleep
		$(write_container_part)
		PYTHONHOME=$home exec $program record -F 999 -o - --no-pid -- \\
			$home/bin/python3.11 -S $workload $seconds
	END
}

run_under() { # KERNEL
	if [ "$1" = running ]; then
		timeout 120 sh "$scratch/guest.sh"
	else
		tools/in_vm.sh --with "$program" --with "$workload" --with "$scratch/guest.sh" \
			--with "$home/bin/python3.11" --with "$home/lib/python3.11" "$1" sh "$scratch/guest.sh"
	fi
}

# The two stacks that workload.py promises: nearly the whole profile, one to three.
check() { # FOLDED
	awk -v file="$workload" '
	function frame(name, at) { return ";" name " (" file ":" lines[at] ")" }
	FNR == NR {
		if (match($0, /# at: [a-z_]+/))
			lines[substr($0, RSTART + 6, RLENGTH - 6)] = FNR
		next
	}
	{
		all += $NF
		if (index($0, frame("main", "main_once") frame("once", "once") frame("work", "work")))
			once += $NF
		if (index($0, frame("main", "main_thrice") frame("thrice", "thrice") frame("work", "work")))
			thrice += $NF
	}
	END {
		if (!all) {
			print "the profile is empty"
			exit 1
		}
		share = 100 * (once + thrice) / all
		quarter = once + thrice ? 100 * once / (once + thrice) : 0
		printf "%d samples, %.1f %% have the right functions and lines, one path has %.1f %% of them (25)\n",
			all, share, quarter
		exit share < 80 || quarter < 20 || quarter > 30
	}' "$workload" "$1"
}

# Who runs has the GIL and stands in its loop; who sleeps has it not.
check_dumps() { # LOG
	grep -q '^busy [0-9]*\*:$' "$1" && grep -q "^busy $workload:work:[0-9]" "$1" &&
		grep -q '^busy .*:<module>:[0-9]' "$1" &&
		grep -q '^asleep [0-9]*:$' "$1" && grep -q '^asleep <string>:<module>:1$' "$1"
}

# Both containers are there by their short ids, and nothing else is.
check_containers() { # LOG
	awk -v early=$(echo $early | cut -c 1-12) -v late=$(echo $late | cut -c 1-12) '
	/^container / && !/^container #/ { samples[substr($2, 1, index($2, ";") - 1)] += $NF }
	END {
		for (name in samples)
			if (name != early && name != late)
				exit 1
		exit samples[early] < 20 || samples[late] < 10
	}' "$1"
}

report() { # RESULT KERNEL DETAIL
	printf '%s\t%s\t%s\n' "$1" "$2" "$3"
	[ "$1" != fail ] || failed=1
}

try() { # KERNEL
	status=0
	run_under "$1" >"$scratch/folded" 2>"$scratch/log" || status=$?
	release=$(sed -n 's/^kernel //p' "$scratch/log" | head -n 1)
	if [ "$status" != 0 ]; then
		cat "$scratch/log" >&2
		report fail "$1 ${release:-}" "status $status"
	elif ! check_dumps "$scratch/log"; then
		cat "$scratch/log" >&2
		report fail "$1 $release" "a dump is not what it should be"
	elif [ "$1" != running ] && ! check_containers "$scratch/log"; then
		cat "$scratch/log" >&2
		report fail "$1 $release" "the samples are not those of the containers that were asked for"
	elif detail=$(check "$scratch/folded"); then
		report ok "$1 $release" "$detail; lost: $(sed -n "s/^pyprof-bpf: Lost: //p" "$scratch/log" | tail -n 1)"
	else
		cat "$scratch/log" >&2
		awk '{ print $NF "\t" $0 }' "$scratch/folded" | sort -rn | head -n 20 >&2
		report fail "$1 $release" "$detail"
	fi
}

[ "$(id -u)" = 0 ] || { echo "kernel_matrix: needs root" >&2 && exit 1; }
[ $# -gt 0 ] || set -- running bullseye bookworm trixie
failed=0
if ! find_python; then
	report skip "$*" "no Debian 12 python3.11 here: run tools/get_pythons.sh"
	exit 0
fi
write_guest_script >"$scratch/guest.sh"
for kernel; do
	try "$kernel"
done
exit $failed
