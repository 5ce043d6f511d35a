/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "report/dump_format.h"
#include "report/stack_groups.h"
#include "report/text_stack.h"
#include "report/text_style.h"
#include "report/text_tasks.h"
#include "report/thread_words.h"
#include "profile/losses.h"

#define COMMAND_SIZE_MAX 300 /* bytes of a command line that are shown */
#define LIST_WIDTH	 110 /* where a list of threads goes on in the next line */

/* ---- the process ---- */

/* The whole of it up to a bound, which does not cut a character in two. */
static void command_put(const char *command, struct strbuf *b)
{
	size_t size = command ? strlen(command) : 0;
	bool cut = size > COMMAND_SIZE_MAX;

	if (cut)
		for (size = COMMAND_SIZE_MAX; size && (command[size] & 0xc0) == 0x80;)
			size--;
	strbuf_put_clean(b, size ? command : "?", size ? size : 1);
	if (cut)
		strbuf_printf(b, " ... (%zu bytes more)", strlen(command) - size);
}

static void version_put(const struct snapshot *snapshot, struct strbuf *b)
{
	strbuf_put(b, snapshot->version ? "CPython " : "no CPython");
	if (snapshot->version)
		python_version_put(snapshot->version, b);
	if (snapshot->free_threaded)
		strbuf_put(b, ", free-threaded");
}

static const char *phase_sentence(enum python_phase phase)
{
	static const char *const sentences[] = {
		[PYTHON_UNSUPPORTED] = "This version is not supported.",
		[PYTHON_STARTING] = "Its interpreter is not initialised yet.",
		[PYTHON_FINALIZING] = "Its interpreter is finalizing.",
	};

	return phase < sizeof(sentences) / sizeof(sentences[0]) ? sentences[phase] : NULL;
}

static void process_put(const struct snapshot *snapshot, const struct dump_view *view, struct strbuf *b)
{
	style_begin(view, STYLE_HEAD, b);
	strbuf_printf(b, "Process %u", snapshot->pid);
	style_end(view, b);
	strbuf_put(b, ": ");
	command_put(snapshot->command_line, b);
	strbuf_put_char(b, '\n');
	version_put(snapshot, b);
	if (snapshot->exe && *snapshot->exe) {
		strbuf_put(b, " (");
		clean_put(snapshot->exe, b);
		strbuf_put_char(b, ')');
	}
	if (snapshot->cgroup && *snapshot->cgroup) {
		strbuf_put(b, ", cgroup ");
		clean_put(snapshot->cgroup, b);
	}
	strbuf_put_char(b, '\n');
	const struct error_words *error = error_words_find(snapshot);
	const char *phase = error && !error->phase_says ? NULL : phase_sentence(snapshot->phase);
	if (phase || error)
		strbuf_printf(b, "%s\n", phase ? phase : error->sentence);
	if (snapshot->thread_cnt)
		strbuf_printf(b, "Stacks: most recent call %s.\n", view->leaf_first ? "first" : "last");
	else if (snapshot->phase == PYTHON_RUNNING && !error)
		strbuf_put(b, "It has no Python threads.\n");
}

/* ---- deadlocks ---- */

/* `thread 12 "worker"` */
static void who_put(const struct dump_thread *thread, struct strbuf *b)
{
	strbuf_printf(b, "thread %u ", thread->tid);
	thread_name_put(thread, b);
}

static void deadlock_put(const struct snapshot *snapshot, const struct dump_deadlock *deadlock,
			 const struct dump_view *view, struct strbuf *b)
{
	strbuf_put_char(b, '\n');
	style_begin(view, STYLE_ALARM, b);
	strbuf_put(b, "Deadlock");
	style_end(view, b);
	if (deadlock->cnt == 1)
		strbuf_put(b, ": a thread waits for itself\n");
	else
		strbuf_printf(b, ": %zu threads wait for each other\n", deadlock->cnt);
	for (size_t i = 0; i < deadlock->cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[deadlock->threads[i]];
		const struct dump_thread *next = &snapshot->threads[deadlock->threads[(i + 1) % deadlock->cnt]];

		strbuf_put(b, "    ");
		who_put(thread, b);
		strbuf_put(b, " waits for ");
		wait_target_put(&thread->wait, b);
		strbuf_put(b, thread->wait.kind == WAIT_THREAD ? " of " : " held by ");
		who_put(next, b);
		strbuf_put(b, thread->wait.owner_inferred ? " (inferred)\n" : "\n");
	}
}

/* ---- threads ---- */

/* `Thread 13168 "payment-worker" (ident 140192592971456), holds the GIL: ` */
static void thread_head_put(const struct dump_thread *thread, const struct dump_view *view, struct strbuf *b)
{
	style_begin(view, STYLE_HEAD, b);
	strbuf_put(b, "Thread ");
	if (thread->tid)
		strbuf_printf(b, "%u ", thread->tid);
	thread_name_put(thread, b);
	style_end(view, b);
	if (thread->ident)
		strbuf_printf(b, " (ident %" PRIu64 ")", (uint64_t)thread->ident);
	if (!thread->state)
		strbuf_put(b, ", not Python's");
	if (thread->is_main && (!thread->name || strcmp(thread->name, "MainThread") != 0))
		strbuf_put(b, ", main thread");
	if (thread->interpreter)
		strbuf_printf(b, ", interpreter %u", thread->interpreter);
	if (dump_thread_has_star(thread)) {
		strbuf_put(b, ", ");
		style_begin(view, STYLE_GIL, b);
		strbuf_put(b, thread->holds_gil ? "holds the GIL" : "had the GIL when this began");
		style_end(view, b);
	}
}

static void group_head_put(const struct snapshot *snapshot, const struct stack_group *group, struct strbuf *b)
{
	const struct dump_thread *first = &snapshot->threads[group->members[0]];

	strbuf_printf(b, "%zu threads like this", group->cnt);
	if (!first->state)
		strbuf_put(b, ", not Python's");
	if (first->interpreter)
		strbuf_printf(b, ", interpreter %u", first->interpreter);
}

/* `    tid 13160 "pool_0", 13161 "pool_1", ...` */
static void members_put(const struct snapshot *snapshot, const struct stack_group *group, const struct dump_view *view,
			struct strbuf *b)
{
	size_t line = b->size;

	style_begin(view, STYLE_DIM, b);
	strbuf_put(b, "  tid ");
	for (size_t i = 0; i < group->cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[group->members[i]];
		STRBUF(name);

		strbuf_printf(&name, "%u ", thread->tid);
		thread_name_put(thread, &name);
		strbuf_put(&name, i + 1 < group->cnt ? "," : "");
		if (i && b->size - line + name.size > LIST_WIDTH) {
			strbuf_put(b, "\n     ");
			line = b->size - 5;
		}
		strbuf_printf(b, "%s%s", i ? " " : "", name.at);
	}
	style_end(view, b);
	strbuf_put_char(b, '\n');
}

static struct thread_span span_of_group(const struct snapshot *snapshot, const struct stack_group *group)
{
	struct thread_span span = thread_span_of(&snapshot->threads[group->members[0]]);
	const struct dump_wait *wait = &span.first->wait;

	span.cnt = group->cnt;
	for (size_t i = 1; i < group->cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[group->members[i]];
		u64 ns = thread->record.off_cpu_ns;

		if (ns < span.least_ns)
			span.least_ns = ns;
		if (ns > span.most_ns)
			span.most_ns = ns;
		if (thread->wait.address != wait->address || thread->wait.fd != wait->fd)
			span.same_target = false;
	}
	return span;
}

/* Why there is no stack. */
static void not_taken_put(const struct dump_thread *thread, const struct dump_view *view, struct strbuf *b)
{
	if (thread->loss >= LOSS_CNT)
		return;
	strbuf_put(b, "    ");
	style_begin(view, STYLE_ALARM, b);
	strbuf_printf(b, "[unknown: %s]", loss_reason(thread->loss));
	style_end(view, b);
	strbuf_printf(b, " %s\n", loss_sentence(thread->loss));
}

/* Returns how many frames were left out. */
static size_t group_put(const struct snapshot *snapshot, const struct stack_group *group, const struct dump_view *view,
			struct strbuf *b)
{
	struct thread_span span = span_of_group(snapshot, group);

	strbuf_put_char(b, '\n');
	if (group->cnt == 1)
		thread_head_put(span.first, view, b);
	else
		group_head_put(snapshot, group, b);
	strbuf_put(b, ": ");
	thread_state_put(snapshot, &span, b);
	strbuf_put_char(b, '\n');
	if (group->cnt > 1)
		members_put(snapshot, group, view, b);
	if (!span.first->frame_cnt) {
		not_taken_put(span.first, view, b);
		return 0;
	}
	return stack_put(span.first, view, b);
}

/* ---- how it was taken ---- */

/* "Stacks: 40 read while the thread did not run, 1 could not be read."; nothing when none was asked for. */
static void taken_put(const struct snapshot *snapshot, struct strbuf *b)
{
	static const char *const words[] = {
		[TAKEN_AT_REST] = "read while the thread did not run",
		[TAKEN_ON_CPU] = "taken by a sample on its CPU",
		[TAKEN_FROZEN] = "read while the process was stopped",
	};
	const size_t word_cnt = sizeof(words) / sizeof(words[0]);
	size_t taken[sizeof(words) / sizeof(words[0])] = {0}, lost = 0;

	for (size_t i = 0; i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];

		if (thread->taken > TAKEN_NOT && thread->taken < word_cnt)
			taken[thread->taken]++;
		else
			lost += thread->loss < LOSS_CNT;
	}
	const char *before = "Stacks: ";
	for (size_t i = TAKEN_AT_REST; i < word_cnt; i++) {
		if (!taken[i])
			continue;
		strbuf_printf(b, "%s%zu %s", before, taken[i], words[i]);
		before = ", ";
	}
	if (lost) {
		strbuf_printf(b, "%s%zu could not be read", before, lost);
		before = ", ";
	}
	if (snapshot->reread_cnt) {
		strbuf_printf(b, "%s%u of them read again, for the thread had run meanwhile", before,
			      snapshot->reread_cnt);
		before = ", ";
	}
	if (*before == ',')
		strbuf_put(b, ".\n");
}

static void footer_put(const struct snapshot *snapshot, size_t left_out, const struct dump_view *view, struct strbuf *b)
{
	strbuf_put_char(b, '\n');
	style_begin(view, STYLE_DIM, b);
	taken_put(snapshot, b);
	strbuf_put(b, "It took ");
	duration_put(snapshot->wall_ns, b);
	if (snapshot->frozen_ns) {
		strbuf_put(b, "; the process was stopped for ");
		duration_put(snapshot->frozen_ns, b);
	} else {
		strbuf_put(b, "; nothing was stopped");
	}
	strbuf_put_char(b, '.');
	if (left_out)
		strbuf_printf(b, " %zu frames that only start threads or imports are left out.", left_out);
	style_end(view, b);
	strbuf_put_char(b, '\n');
}

/* ---- */

static int snapshot_put(const struct snapshot *snapshot, const struct dump_view *view, struct strbuf *b)
{
	_cleanup_(stack_groups) struct stack_groups *groups = NULL;
	size_t left_out = 0;
	int err = stack_groups_new(snapshot, &groups);
	if (err)
		return err;

	process_put(snapshot, view, b);
	for (size_t i = 0; i < snapshot->deadlock_cnt; i++)
		deadlock_put(snapshot, &snapshot->deadlocks[i], view, b);
	for (size_t i = 0; i < groups->cnt; i++)
		left_out += group_put(snapshot, &groups->groups[i], view, b);
	err = text_tasks_put(snapshot, view, b);
	if (err)
		return err;
	if (snapshot->thread_cnt)
		footer_put(snapshot, left_out, view, b);
	return b->failed ? -ENOMEM : 0;
}

int text_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view, struct strbuf *b)
{
	int err = view->many ? overview_put(snapshots, cnt, view, b) : 0;

	for (size_t i = 0; !err && i < cnt; i++) {
		if (i || view->many)
			strbuf_put(b, i ? "\n\n" : "\n");
		err = snapshot_put(snapshots[i], view, b);
	}
	return err;
}
