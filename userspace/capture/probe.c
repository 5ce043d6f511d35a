/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "capture/kernel_bug.h"
#include "capture/perf_event.h"
#include "capture/rights.h"
#include "pyprof/limits.h"
#include "pyprof/types.h"

#define SMALL_FILE	65536
#define PROCESSES_TRIED 100

/* Inode numbers of the first namespaces, fixed since 3.8 (include/linux/proc_ns.h). */
#define FIRST_USER_NAMESPACE 0xeffffffd
#define FIRST_PID_NAMESPACE  0xeffffffc

/* ---- small facts ---- */

/* A small text file without its newline; "" when it cannot be read. */
static char *text_of(const char *path)
{
	char *text = NULL;
	size_t size;

	if (file_read(path, SMALL_FILE, &text, &size))
		return strdup("");
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* Short, because the checks of what is missing itself say how to get it. */
static void put_refusal(struct strbuf *b, int err)
{
	STRBUF(missing);

	if (err != -EPERM && err != -EACCES)
		strbuf_printf(b, "the kernel says: %s", strerror(-err));
	else if (rights_put_missing(&missing, true))
		strbuf_printf(b, "needs %s", missing.at);
	else
		strbuf_put(b, "refused, though the capabilities are there: see user-namespace, seccomp and lockdown");
}

static enum probe_result refused(struct strbuf *detail, const char *what, int err)
{
	strbuf_printf(detail, "%s: ", what);
	put_refusal(detail, err);
	return PROBE_FAIL;
}

/* ---- the machine ---- */

static enum probe_result probe_kernel(struct strbuf *detail)
{
	struct kernel_version version = {0};
	struct utsname name;

	uname(&name);
	struct kernel_words words = {name.release, name.version, ""};
	if (!kernel_version_of(&words, &version) &&
	    (version.major > 5 || (version.major == 5 && version.minor >= 10))) {
		strbuf_put(detail, name.release);
		return PROBE_OK;
	}
	/* Not a failure: what counts is what the probes below find. */
	strbuf_printf(detail, "%s is older than 5.10, with which nobody has tried; a newer kernel is the cure",
		      name.release);
	return PROBE_WARN;
}

/* Unknown counts as undecidable. */
static enum kernel_bug kernel_bug_here(struct utsname *name, struct kernel_version *version)
{
	_cleanup_(free) char *signature = text_of("/proc/version_signature");

	uname(name);
	struct kernel_words words = {name->release, name->version, signature ? signature : ""};
	return kernel_version_of(&words, version) ? KERNEL_BUG_UNDECIDABLE : kernel_bug_of(version);
}

int probe_kernel_is_safe(bool force, struct strbuf *why)
{
	struct kernel_version version = {0};
	struct utsname name;

	enum kernel_bug bug = kernel_bug_here(&name, &version);
	if (force || bug == KERNEL_BUG_NONE)
		return 0;

	strbuf_printf(why, "kernel %s", name.release);
	if (bug == KERNEL_BUG_PRESENT)
		strbuf_printf(why, " (upstream %u.%u.%u) is known to hang the machine", version.major, version.minor,
			      version.patch);
	else
		strbuf_put(why, " does not tell whether it hangs the machine");
	strbuf_put(why, " when BPF programs read user memory: boot 6.1.36, 6.3.10, 6.4 or newer, or take the risk with "
			"--force");
	return -EOPNOTSUPP;
}

static enum probe_result probe_bug(struct strbuf *detail)
{
	if (probe_kernel_is_safe(false, detail))
		return PROBE_FAIL;
	strbuf_put(detail, "none: BPF programs can read user memory safely");
	return PROBE_OK;
}

static enum probe_result probe_architecture(struct strbuf *detail)
{
	struct utsname name;

	uname(&name);
	strbuf_put(detail, name.machine);
	if (!strcmp(name.machine, "x86_64"))
		return PROBE_OK;
	strbuf_put(detail, ", but only x86_64 is supported");
	return PROBE_FAIL;
}

static enum probe_result probe_lockdown(struct strbuf *detail)
{
	_cleanup_(free) char *text = text_of("/sys/kernel/security/lockdown");

	if (!text || !*text) {
		strbuf_put(detail, "not in this kernel");
		return PROBE_OK;
	}
	if (strstr(text, "[confidentiality]")) {
		strbuf_put(
			detail,
			"confidentiality forbids BPF to read memory: boot with lockdown=integrity, or without Secure "
			"Boot");
		return PROBE_FAIL;
	}
	strbuf_put(detail, strstr(text, "[integrity]") ? "integrity, which does not matter here" : "none");
	return PROBE_OK;
}

static enum probe_result probe_btf(struct strbuf *detail)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK)) {
		strbuf_put(detail, "/sys/kernel/btf/vmlinux");
		return PROBE_OK;
	}
	strbuf_printf(detail,
		      "/sys/kernel/btf/vmlinux: %s; the kernel must be built with CONFIG_DEBUG_INFO_BTF, as those of "
		      "the distributions are, and /sys mounted",
		      strerror(errno));
	return PROBE_FAIL;
}

/* ---- rights ---- */

static enum probe_result probe_capabilities(struct strbuf *detail)
{
	STRBUF(required);
	STRBUF(others);

	bool fails = rights_put_missing(&required, true);
	bool lacks = rights_put_missing(&others, false);
	if (!fails && !lacks) {
		strbuf_put(detail, "all that are needed");
		return PROBE_OK;
	}
	strbuf_printf(detail, "%s%s%s missing: ", required.at, fails && lacks ? ", " : "", others.at);
	rights_put_remedy(detail);
	return fails ? PROBE_FAIL : PROBE_WARN;
}

static bool in_first_namespace(const char *path, unsigned long first)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino == first;
}

static enum probe_result probe_user_namespace(struct strbuf *detail)
{
	if (in_first_namespace("/proc/self/ns/user", FIRST_USER_NAMESPACE)) {
		strbuf_put(detail, "the host's");
		return PROBE_OK;
	}
	/* What fails because of it, fails below; here is why. */
	strbuf_put(detail, "a container's own: its root has no rights over the host; start it without user namespace "
			   "(docker: --userns=host)");
	return PROBE_WARN;
}

static enum probe_result probe_pid_namespace(struct strbuf *detail)
{
	if (in_first_namespace("/proc/self/ns/pid", FIRST_PID_NAMESPACE)) {
		strbuf_put(detail, "the host's");
		return PROBE_OK;
	}
	strbuf_put(detail,
		   "a container's own: only its processes are seen; start it with the host's (docker: --pid=host)");
	return PROBE_WARN;
}

static enum probe_result probe_seccomp(struct strbuf *detail)
{
	_cleanup_(free) char *status = NULL;
	size_t size;

	const char *line = file_read("/proc/self/status", SMALL_FILE, &status, &size) ? NULL
										      : strstr(status, "\nSeccomp:\t");
	if (!line || line[strlen("\nSeccomp:\t")] == '0') {
		strbuf_put(detail, "no filter");
		return PROBE_OK;
	}
	strbuf_put(detail, "a filter is in force; bpf and perf-events below tell whether it lets them through");
	return PROBE_OK;
}

/* ---- BPF ---- */

/* return 0 */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

static int program_load(enum bpf_prog_type type, const struct bpf_prog_load_opts *opts)
{
	return bpf_prog_load(type, "pyprof_probe", "Dual BSD/GPL", nothing, sizeof(nothing) / sizeof(nothing[0]), opts);
}

static enum probe_result probe_bpf(struct strbuf *detail)
{
	_cleanup_(fd) int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pyprof_probe", sizeof(int), sizeof(int), 1, NULL);
	if (map < 0)
		return refused(detail, "cannot make a map", map);

	_cleanup_(fd) int program = program_load(BPF_PROG_TYPE_PERF_EVENT, NULL);
	if (program < 0)
		return refused(detail, "cannot load a perf_event program", program);
	strbuf_put(detail, "maps and perf_event programs can be loaded");
	return PROBE_OK;
}

static enum probe_result probe_ring_buffer(struct strbuf *detail)
{
	_cleanup_(fd) int map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "pyprof_probe", 0, 0, sysconf(_SC_PAGESIZE), NULL);
	if (map < 0)
		return refused(detail, "cannot make a ring buffer (5.8 or newer)", map);
	strbuf_put(detail, "can be made");
	return PROBE_OK;
}

static enum probe_result probe_tracepoints(struct strbuf *detail)
{
	_cleanup_(fd) int program = program_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL);
	if (program < 0)
		return refused(detail, "cannot load a raw tracepoint program", program);

	_cleanup_(fd) int link = bpf_raw_tracepoint_open("sched_process_exec", program);
	if (link < 0)
		return refused(detail, "cannot attach to sched_process_exec", link);
	strbuf_put(detail, "raw tracepoints can be attached");
	return PROBE_OK;
}

static enum probe_result probe_task_iterator(struct strbuf *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_ITER);

	int id = libbpf_find_vmlinux_btf_id("task", BPF_TRACE_ITER);
	if (id < 0)
		return refused(detail, "not in this kernel's BTF (5.8 or newer)", id);
	opts.attach_btf_id = id;
	_cleanup_(fd) int program = program_load(BPF_PROG_TYPE_TRACING, &opts);
	if (program < 0)
		return refused(detail, "cannot load an iterator program", program);

	_cleanup_(fd) int link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return refused(detail, "cannot attach an iterator", link);
	strbuf_put(detail, "processes that are there at the start can be listed");
	return PROBE_OK;
}

/*
 * Since 5.11 BPF memory is the cgroup's; a helper of the same release tells
 * (libbpf decides the same way). 0: it is; -EPERM: cannot be tried.
 */
static int memory_is_cgroups(void)
{
	static const struct bpf_insn coarse[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_coarse_ns},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_cleanup_(fd) int program = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "pyprof_probe", "GPL", coarse,
						  sizeof(coarse) / sizeof(coarse[0]), NULL);

	return program < 0 ? program : 0;
}

static enum probe_result probe_locked_memory(struct strbuf *detail)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	int err = memory_is_cgroups();
	if (err == -EPERM) {
		strbuf_put(detail, "cannot be told without CAP_BPF");
		return PROBE_WARN;
	}
	if (limit.rlim_max == RLIM_INFINITY || !err) {
		strbuf_put(detail,
			   limit.rlim_max == RLIM_INFINITY ? "no limit" : "maps do not count against the limit");
		return PROBE_OK;
	}
	/* libbpf raises it when it may. */
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	if (!setrlimit(RLIMIT_MEMLOCK, &unlimited)) {
		strbuf_put(detail, "can be raised");
		return PROBE_OK;
	}
	strbuf_printf(detail,
		      "maps count against a limit of %llu KiB, which is too small: run as root, or with "
		      "LimitMEMLOCK=infinity of systemd, or with CAP_SYS_RESOURCE",
		      (unsigned long long)limit.rlim_max / 1024);
	return PROBE_FAIL;
}

/* ---- perf ---- */

static int perf_attach(int fd)
{
	_cleanup_(fd) int program = program_load(BPF_PROG_TYPE_PERF_EVENT, NULL);

	if (program < 0)
		return 0; /* said above */
	return ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) ? -errno : 0;
}

/* Debian and Ubuntu add levels from 3 on. */
static bool level_is_added(const char *level)
{
	return level && strtol(level, NULL, 10) >= 3;
}

/* Whether one of these is why nothing may be opened here. */
static bool paranoid_asks_admin(struct strbuf *detail)
{
	_cleanup_(free) char *level = text_of("/proc/sys/kernel/perf_event_paranoid");
	STRBUF(missing);

	if (!level_is_added(level) || rights_put_missing(&missing, true))
		return false;
	strbuf_printf(detail,
		      "kernel.perf_event_paranoid is %s, with which kernels of Debian and Ubuntu refuse all but "
		      "CAP_SYS_ADMIN: add that (it is given back when sampling has begun), or lower it to 2",
		      level);
	return true;
}

static enum probe_result probe_perf_events(struct strbuf *detail)
{
	_cleanup_(free) int *cpus = calloc(MAX_CPUS, sizeof(*cpus));
	bool hardware = true;
	size_t cnt = 0;

	int err = cpus ? cpus_online(cpus, MAX_CPUS, &cnt) : -ENOMEM;
	if (err)
		return refused(detail, "cannot tell the CPUs", err);
	for (size_t i = 0; i < cnt; i++) {
		_cleanup_(fd) int fd = perf_event_open_cpu(cpus[i], 99, &hardware);

		/* -ENODEV: went offline meanwhile. */
		if (fd == -EACCES && paranoid_asks_admin(detail))
			return PROBE_FAIL;
		if (fd < 0 && fd != -ENODEV)
			return refused(detail, "cannot sample a CPU", fd);
		err = fd < 0 ? 0 : perf_attach(fd);
		if (err)
			return refused(detail, "cannot attach BPF to a perf event", err);
	}
	strbuf_printf(detail, "%zu CPU%s by %s", cnt, cnt == 1 ? "" : "s",
		      hardware ? "hardware cycles" : "the CPU clock (no hardware counters: usual in virtual machines)");
	return PROBE_OK;
}

static enum probe_result probe_perf_event_paranoid(struct strbuf *detail)
{
	_cleanup_(free) char *text = text_of("/proc/sys/kernel/perf_event_paranoid");

	strbuf_printf(detail, "%s, which CAP_PERFMON overrides%s", text && *text ? text : "unknown",
		      level_is_added(text) ? "; Debian's and Ubuntu's kernels want CAP_SYS_ADMIN from 3 on" : "");
	return PROBE_OK;
}

/* ---- names ---- */

static enum probe_result probe_kallsyms(struct strbuf *detail)
{
	_cleanup_(stream) FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long long address = 0;
	char line[256];

	/* The first symbols may truly lie at 0 (per CPU): look a little further. */
	for (int i = 0; file && !address && i < 1000 && fgets(line, sizeof(line), file); i++)
		address = strtoull(line, NULL, 16);
	if (address) {
		strbuf_put(detail, "kernel functions have names");
		return PROBE_OK;
	}
	_cleanup_(free) char *restrict_ = text_of("/proc/sys/kernel/kptr_restrict");
	strbuf_printf(detail,
		      "/proc/kallsyms hides its addresses (kernel.kptr_restrict is %s), kernel functions stay unnamed; "
		      "needs CAP_SYSLOG, and kernel.kptr_restrict 0 or 1",
		      restrict_ && *restrict_ ? restrict_ : "unknown");
	return PROBE_WARN;
}

/* Its first byte. -ENOENT: gone, or a kernel thread, which has no memory. */
static int process_read(u32 pid)
{
	unsigned long start = 0;
	char path[64], byte;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	_cleanup_(stream) FILE *maps = fopen(path, "re");
	if (!maps)
		return -errno;
	errno = 0;
	if (fscanf(maps, "%lx-", &start) != 1)
		return errno == EACCES || errno == EPERM ? -errno : -ENOENT;
	struct iovec local = {&byte, 1}, remote = {(void *)start, 1};
	return process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

/* Of the first processes in /proc: how many can be read, how many forbid it. */
static void processes_count(u32 *ret_readable, u32 *ret_refused)
{
	_cleanup_(directory) DIR *proc = opendir("/proc");
	const struct dirent *entry;
	u32 readable = 0, refused = 0;

	while (proc && readable + refused < PROCESSES_TRIED && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		int err = process_read(strtoul(entry->d_name, NULL, 10));
		readable += !err;
		refused += err == -EPERM || err == -EACCES;
	}
	*ret_readable = readable;
	*ret_refused = refused;
}

static enum probe_result probe_process_memory(struct strbuf *detail)
{
	u32 readable, refused;

	processes_count(&readable, &refused);
	strbuf_printf(detail, "%u of %u processes tried can be read", readable, readable + refused);
	if (refused < readable)
		return PROBE_OK; /* a few protect themselves even from root */

	_cleanup_(free) char *yama = text_of("/proc/sys/kernel/yama/ptrace_scope");
	strbuf_printf(detail, ", what runs in the others stays unnamed; needs CAP_SYS_PTRACE%s",
		      yama && *yama == '3' ? ", and a boot with kernel.yama.ptrace_scope below 3" : "");
	return PROBE_WARN;
}

const struct probe probes[] = {
	{"kernel", probe_kernel},
	{"kernel-bug", probe_bug},
	{"architecture", probe_architecture},
	{"lockdown", probe_lockdown},
	{"btf", probe_btf},
	{"capabilities", probe_capabilities},
	{"user-namespace", probe_user_namespace},
	{"pid-namespace", probe_pid_namespace},
	{"seccomp", probe_seccomp},
	{"bpf", probe_bpf},
	{"ring-buffer", probe_ring_buffer},
	{"tracepoints", probe_tracepoints},
	{"task-iterator", probe_task_iterator},
	{"locked-memory", probe_locked_memory},
	{"perf-events", probe_perf_events},
	{"perf-event-paranoid", probe_perf_event_paranoid},
	{"kallsyms", probe_kallsyms},
	{"process-memory", probe_process_memory},
	{.name = NULL},
};

/* The first thing that fails is the cause of what fails after it, for the table is in that order. */
static bool explain_by_probes(struct strbuf *b)
{
	for (const struct probe *p = probes; p->name; p++) {
		STRBUF(detail);

		if (p->run(&detail) != PROBE_FAIL)
			continue;
		strbuf_printf(b, "%s: %s; pyprof-bpf doctor shows it all", p->name, detail.at);
		return true;
	}
	return false;
}

void probe_explain(int err, struct strbuf *b)
{
	STRBUF(missing);

	/* The likeliest first, and without trying anything. */
	if ((err == -EPERM || err == -EACCES) && rights_put_missing(&missing, true)) {
		strbuf_printf(b, "%s missing: ", missing.at);
		rights_put_remedy(b);
	} else if (err == -EMFILE || err == -ENFILE) {
		strbuf_put(b, "too many open files: raise the limit (ulimit -n, LimitNOFILE= of systemd)");
	} else if (!explain_by_probes(b)) {
		strbuf_printf(b, "%s; pyprof-bpf doctor shows what this kernel allows", strerror(-err));
	}
}
