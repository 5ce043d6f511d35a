/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/thread_words.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

static const struct error_words error_words[] = {
	{-EPERM, "no rights", "Its memory may not be read: this takes root, or CAP_SYS_PTRACE.", false},
	{-EACCES, "no rights", "Its memory may not be read: this takes root, or CAP_SYS_PTRACE.", false},
	{-ENOTSUP, "not supported", "This version is not supported.", true},
	{-EAGAIN, "not running", "Its interpreter is not initialised, or it becomes another program.", true},
	{-EBUSY, "debugged", "A debugger is attached to it, so it cannot be frozen.", false},
	{-EFAULT, "unreadable", "Its memory cannot be read where its CPython should be.", false},
	{-ENODATA, "ended", "It has ended.", false},
	{0, "failed", "It could not be dumped.", false},
};

const struct error_words *error_words_find(const struct snapshot *snapshot)
{
	const struct error_words *words = error_words;

	if (!snapshot->err)
		return NULL;
	while (words->err && words->err != snapshot->err)
		words++;
	return words;
}

enum thread_activity thread_activity(const struct dump_thread *thread)
{
	static const struct {
		char state;
		enum thread_activity activity;
	} states[] = {{'T', ACTIVITY_STOPPED}, {'t', ACTIVITY_TRACED}, {'Z', ACTIVITY_ZOMBIE}, {'X', ACTIVITY_EXITING}};
	const struct thread_record *record = &thread->record;

	if (!thread->tid)
		return ACTIVITY_GONE;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (record->state == (u32)states[i].state)
			return states[i].activity;
	if (record->flags & THREAD_EXITING)
		return ACTIVITY_EXITING;
	if (record->flags & THREAD_ON_CPU)
		return ACTIVITY_ON_CPU;
	return record->flags & THREAD_RUNNABLE ? ACTIVITY_RUNNABLE : ACTIVITY_WAITING;
}

const char *activity_name(enum thread_activity activity)
{
	static const char *const names[] = {
		[ACTIVITY_GONE] = "gone",	[ACTIVITY_ON_CPU] = "on-cpu",	[ACTIVITY_RUNNABLE] = "runnable",
		[ACTIVITY_WAITING] = "waiting", [ACTIVITY_STOPPED] = "stopped", [ACTIVITY_TRACED] = "traced",
		[ACTIVITY_EXITING] = "exiting", [ACTIVITY_ZOMBIE] = "zombie",
	};

	return names[activity];
}

void duration_put(u64 ns, struct strbuf *b)
{
	static const struct {
		u64 seconds;
		const char *unit, *smaller;
		u64 smaller_seconds;
	} units[] = {{86400, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", "s", 1}};
	u64 seconds = ns / NS_PER_S;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds < units[i].seconds)
			continue;
		strbuf_printf(b, "%" PRIu64 " %s %" PRIu64 " %s", (uint64_t)(seconds / units[i].seconds), units[i].unit,
			      (uint64_t)(seconds % units[i].seconds / units[i].smaller_seconds), units[i].smaller);
		return;
	}
	/* Cut, not rounded: what says 60.0 s would be a minute. */
	if (seconds)
		strbuf_printf(b, "%u.%u s", (unsigned)seconds, (unsigned)(ns / (NS_PER_S / 10) % 10));
	else if (ns >= 10 * NS_PER_MS)
		strbuf_printf(b, "%u ms", (unsigned)(ns / NS_PER_MS));
	else
		strbuf_printf(b, "%u.%u ms", (unsigned)(ns / NS_PER_MS), (unsigned)(ns / (NS_PER_MS / 10) % 10));
}

void python_version_put(u32 version, struct strbuf *b)
{
	static const char *const levels[16] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
	const char *level = levels[version >> 4 & 0xf];

	strbuf_printf(b, "%u.%u.%u", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
	if (level)
		strbuf_printf(b, "%s%u", level, version & 0xf);
}

void clean_put(const char *text, struct strbuf *b)
{
	if (text)
		strbuf_put_clean(b, text, strlen(text));
	else
		strbuf_put_char(b, '?');
}

void thread_name_put(const struct dump_thread *thread, struct strbuf *b)
{
	bool named = thread->name && *thread->name;

	if (!named && !thread->comm[0])
		return strbuf_put(b, "(no name)");
	strbuf_put_char(b, named ? '"' : '[');
	if (named)
		clean_put(thread->name, b);
	else
		strbuf_put_clean(b, thread->comm, strnlen(thread->comm, sizeof(thread->comm)));
	strbuf_put_char(b, named ? '"' : ']');
}

const struct dump_thread *thread_find(const struct snapshot *snapshot, u32 tid)
{
	for (size_t i = 0; tid && i < snapshot->thread_cnt; i++)
		if (snapshot->threads[i].tid == tid)
			return &snapshot->threads[i];
	return NULL;
}

struct thread_span thread_span_of(const struct dump_thread *thread)
{
	return (struct thread_span){
		.first = thread,
		.cnt = 1,
		.least_ns = thread->record.off_cpu_ns,
		.most_ns = thread->record.off_cpu_ns,
		.same_target = true,
	};
}

/* "12.4 s", or "2.1 s to 12.4 s" */
static void span_duration_put(const struct thread_span *span, struct strbuf *b)
{
	STRBUF(least);
	STRBUF(most);

	duration_put(span->least_ns, &least);
	duration_put(span->most_ns, &most);
	if (strcmp(least.at, most.at))
		strbuf_printf(b, "%s to ", least.at);
	strbuf_put(b, most.at);
}

void wait_target_put(const struct dump_wait *wait, struct strbuf *b)
{
	bool said = wait->on && *wait->on;

	if (said)
		clean_put(wait->on, b);
	if (wait->kind == WAIT_LOCK)
		strbuf_printf(b, "%s 0x%" PRIx64, said ? "" : "lock", (uint64_t)wait->address);
	else if (wait->kind == WAIT_THREAD && !wait->owner_tid)
		strbuf_put(b, said ? " of a thread" : "the end of a thread");
}

void wait_owner_put(const struct snapshot *snapshot, const struct dump_wait *wait, struct strbuf *b)
{
	const struct dump_thread *owner = thread_find(snapshot, wait->owner_tid);

	strbuf_printf(b, wait->kind == WAIT_THREAD ? "of tid %u" : "held by tid %u", wait->owner_tid);
	if (owner) {
		strbuf_put_char(b, ' ');
		thread_name_put(owner, b);
	}
	if (wait->owner_inferred)
		strbuf_put(b, " (inferred)");
}

/* ", 1 other thread waits for the same" */
static void others_put(const struct thread_span *span, struct strbuf *b)
{
	u32 others = span->first->wait.others;

	if (!span->same_target || !others)
		return;
	if (span->cnt == 1)
		strbuf_printf(
			b, others == 1 ? ", 1 other thread waits for the same" : ", %u other threads wait for the same",
			others);
	else if (others + 1 == span->cnt)
		strbuf_put(b, ", all for the same");
	else
		strbuf_printf(b, ", and %u more threads for the same", others + 1 - (u32)span->cnt);
}

/* A thread that waits for the GIL wakes up every few milliseconds to ask for it, so how long it sleeps says nothing. */
static void gil_wait_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b)
{
	const struct dump_wait *wait = &span->first->wait;

	strbuf_put(b, "waiting for the GIL");
	if (wait->owner_tid) {
		strbuf_put_char(b, ' ');
		wait_owner_put(snapshot, wait, b);
	}
}

static void waiting_put(const struct thread_span *span, struct strbuf *b)
{
	strbuf_put(b, "waiting");
	if (span->most_ns) {
		strbuf_put_char(b, ' ');
		span_duration_put(span, b);
	}
}

static void lock_wait_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b)
{
	const struct dump_wait *wait = &span->first->wait;

	waiting_put(span, b);
	if (span->same_target) {
		strbuf_put(b, " for ");
		wait_target_put(wait, b);
	} else {
		strbuf_put(b, wait->kind == WAIT_THREAD ? " for other threads" : " for locks");
	}
	if (wait->owner_tid) {
		strbuf_put_char(b, ' ');
		wait_owner_put(snapshot, wait, b);
	}
	others_put(span, b);
}

static void futex_wait_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b)
{
	const struct dump_wait *wait = &span->first->wait;

	waiting_put(span, b);
	strbuf_put(b, " on futex");
	if (wait->owner_tid) {
		strbuf_put(b, " (");
		wait_target_put(wait, b);
		strbuf_put_char(b, ' ');
		wait_owner_put(snapshot, wait, b);
		strbuf_put_char(b, ')');
	}
	others_put(span, b);
}

/* "in read() on fd 7 (socket 10.0.0.1:443) for 3.2 s" */
static void call_wait_put(const struct thread_span *span, struct strbuf *b)
{
	const struct dump_wait *wait = &span->first->wait;

	strbuf_printf(b, "in %s", wait->syscall ? wait->syscall : "system call");
	if (!wait->syscall)
		strbuf_printf(b, " %" PRIu64, (uint64_t)span->first->record.syscall);
	else
		strbuf_put(b, "()");
	if (wait->kind == WAIT_FD && span->same_target)
		strbuf_printf(b, " on fd %d", wait->fd);
	if (span->same_target && wait->on && *wait->on) {
		strbuf_put(b, wait->kind == WAIT_FD ? " (" : " on ");
		clean_put(wait->on, b);
		if (wait->kind == WAIT_FD)
			strbuf_put_char(b, ')');
	}
	if (span->most_ns) {
		strbuf_put(b, " for ");
		span_duration_put(span, b);
	}
	others_put(span, b);
}

/* No system call: a page that is read from disk, a lock of the kernel's. */
static void other_wait_put(const struct thread_span *span, struct strbuf *b)
{
	strbuf_put(b, span->first->record.state == 'D' ? "blocked in the kernel" : "waiting in the kernel");
	if (span->most_ns) {
		strbuf_put(b, " for ");
		span_duration_put(span, b);
	}
}

static void wait_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b)
{
	switch (span->first->wait.kind) {
	case WAIT_GIL:
		return gil_wait_put(snapshot, span, b);
	case WAIT_LOCK:
	case WAIT_THREAD:
		return lock_wait_put(snapshot, span, b);
	case WAIT_FUTEX:
		return futex_wait_put(snapshot, span, b);
	case WAIT_FD:
	case WAIT_SYSCALL:
		return call_wait_put(span, b);
	default:
		return other_wait_put(span, b);
	}
}

void thread_state_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b)
{
	static const char *const words[] = {
		[ACTIVITY_GONE] = "its thread is gone",
		[ACTIVITY_ON_CPU] = "on CPU",
		[ACTIVITY_RUNNABLE] = "runnable, waiting for a CPU",
		[ACTIVITY_STOPPED] = "stopped by a signal",
		[ACTIVITY_TRACED] = "stopped by a debugger",
		[ACTIVITY_EXITING] = "exiting",
		[ACTIVITY_ZOMBIE] = "a zombie",
	};
	enum thread_activity activity = thread_activity(span->first);

	if (activity == ACTIVITY_WAITING)
		return wait_put(snapshot, span, b);
	strbuf_put(b, words[activity]);
	if (activity == ACTIVITY_ON_CPU && span->cnt == 1)
		strbuf_printf(b, " %u", span->first->record.cpu);
	if (activity == ACTIVITY_RUNNABLE && span->most_ns) {
		strbuf_put(b, " for ");
		span_duration_put(span, b);
	}
}
