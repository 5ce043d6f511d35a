/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/dump_explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "capture/rights.h"
#include "profile/losses.h"
#include "python/python_file.h"

/* One line of /proc/PID/status, behind its name; "" when it cannot be read. Valid with `text`. */
static const char *status_line(u32 pid, const char *name, char **text)
{
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	if (file_read(path, 65536, text, &size))
		return "";
	char *at = strstr(*text, name);
	if (!at)
		return "";
	at += strlen(name);
	at += strspn(at, " \t");
	at[strcspn(at, "\n")] = 0;
	return at;
}

static bool has_right(const char *name)
{
	for (const struct right *right = rights; right->name; right++)
		if (!strcmp(right->name, name))
			return right_held(right);
	return false;
}

static int yama_scope(void)
{
	_cleanup_(free) char *text = NULL;
	size_t size;

	return file_read("/proc/sys/kernel/yama/ptrace_scope", 16, &text, &size) ? 0 : atoi(text);
}

static void explain_rights(u32 pid)
{
	int scope = yama_scope();

	if (has_right("CAP_SYS_PTRACE"))
		log_error(
			"may not read the memory of process %u although CAP_SYS_PTRACE is held: it belongs to another "
			"user namespace, or a security module forbids it; run on the host itself as root",
			pid);
	else if (scope)
		log_error("may not read the memory of process %u: kernel.yama.ptrace_scope is %d, so this takes "
			  "CAP_SYS_PTRACE; run as root",
			  pid, scope);
	else
		log_error("may not read the memory of process %u: this takes CAP_SYS_PTRACE; run as root", pid);
}

static void explain_no_memory(u32 pid)
{
	_cleanup_(free) char *text = NULL;

	if (*status_line(pid, "\nState:", &text) == 'Z')
		log_error("process %u is a zombie: it has ended, and its parent has not taken notice; there is nothing "
			  "to see any more",
			  pid);
	else
		log_error("process %u has no memory of its own: it is a kernel thread, or is about to end", pid);
}

static void explain_phase(u32 pid, const struct snapshot *snapshot)
{
	if (snapshot->phase == PYTHON_FINALIZING)
		log_error("the Python of process %u is finalizing: its threads are gone already", pid);
	else
		log_error("the Python of process %u is not initialised: it is starting (try again in a moment) or was "
			  "shut down",
			  pid);
}

static void explain_no_process(u32 pid)
{
	_cleanup_(free) char *text = NULL;
	u32 process = atoi(status_line(pid, "\nTgid:", &text));

	if (process && process != pid)
		log_error("%u is a thread of process %u: dump that", pid, process);
	else
		log_error("there is no process %u", pid);
}

void dump_explain(u32 pid, int err, const struct snapshot *snapshot)
{
	char version[PYTHON_VERSION_SIZE];

	switch (err) {
	case -ESRCH:
		explain_no_process(pid);
		return;
	case -EPERM:
	case -EACCES:
		explain_rights(pid);
		return;
	case -ENOEXEC:
		log_error("process %u is not a Python process: no CPython is mapped in it (%s)", pid,
			  *snapshot->exe ? snapshot->exe : snapshot->command_line);
		return;
	case -ENODATA:
		explain_no_memory(pid);
		return;
	case -ENOTSUP:
		python_version_format(snapshot->version, snapshot->free_threaded, version);
		log_error("process %u runs CPython %s, which is not supported: 2.7 and 3.6 to 3.15 are", pid, version);
		return;
	case -EAGAIN:
		explain_phase(pid, snapshot);
		return;
	case -EBUSY:
		log_error("a debugger is attached to process %u, so it cannot be frozen: do without --freeze", pid);
		return;
	case -EFAULT:
		log_error("the memory of process %u cannot be read at 0x%llx, where its CPython should be: it may be "
			  "about to end; try again",
			  pid, snapshot->runtime);
		return;
	default:
		log_error_errno(err, "process %u could not be dumped", pid);
	}
}

void dump_explain_capture(int err, const char *step)
{
	STRBUF(missing);
	STRBUF(remedy);

	rights_put_remedy(&remedy);
	if (rights_put_missing(&missing, true))
		log_error("threads cannot be listed without %s: %s", missing.at, remedy.at);
	else
		log_error_errno(err, "%s; pyprof-bpf doctor says what this kernel lacks", step);
}

bool dump_explain_if_none(u32 pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (!access(path, F_OK) || errno != ENOENT)
		return false;
	explain_no_process(pid);
	return true;
}

static bool is_cut(const struct dump_thread *thread)
{
	return thread->loss >= LOSS_PYTHON_FAULT && thread->loss <= LOSS_PYTHON_LOOP;
}

static void explain_cut(const struct snapshot *snapshot)
{
	const struct dump_thread *first = NULL;
	size_t cnt = 0;

	for (size_t i = 0; i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];

		if (thread->taken == TAKEN_NOT || !is_cut(thread))
			continue;
		first = first ? first : thread;
		cnt++;
	}
	if (cnt)
		log_warning("the outermost frames of %zu %s of process %u are missing: %s", cnt,
			    cnt == 1 ? "thread" : "threads", snapshot->pid, loss_sentence(first->loss));
}

static void explain_tasks(const struct snapshot *snapshot)
{
	char version[PYTHON_VERSION_SIZE];

	if (snapshot->tasks_read != TASKS_UNSUPPORTED)
		return;
	python_version_format(snapshot->version, snapshot->free_threaded, version);
	log_warning(
		"the asyncio tasks of process %u are not shown: it runs CPython %s, and --asyncio takes 3.11 or later",
		snapshot->pid, version);
}

void dump_explain_missing(const struct snapshot *snapshot, bool must)
{
	size_t lost = snapshot_count(snapshot).lost, python = 0, idle = 0;

	for (size_t i = 0; i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];

		python += thread->state != 0;
		idle += thread->state && thread->taken != TAKEN_NOT && !thread->python_cnt;
	}
	if (!python && must)
		log_warning("process %u has no Python thread now", snapshot->pid);
	if (python && idle == python && must)
		log_warning("no thread of process %u executes Python code now", snapshot->pid);
	explain_cut(snapshot);
	explain_tasks(snapshot);
	if (lost)
		log_warning("%zu %s of process %u could not be read: it ran each time, and no sample came; "
			    "pyprof-bpf dump --freeze reads all",
			    lost, lost == 1 ? "thread" : "threads", snapshot->pid);
}
