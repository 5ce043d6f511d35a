/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One process is one object:
 *
 *	version       of this description: 1. Members may be added, none goes or changes its meaning.
 *	pid, command_line, exe, cgroup
 *	python        "3.13.1"; null: no CPython
 *	free_threaded
 *	phase         "none", "unsupported", "starting", "running", "finalizing"
 *	error         why there are no threads: "no rights", "not supported", "not running", "debugged",
 *	              "unreadable", "ended", "failed"; null: it could be looked into. Only among many
 *	threads       interpreters in their order, in each the newest thread first; then those that are not Python's
 *	  ident       threading.get_ident(); null: not Python's
 *	  tid         of the kernel, in the reader's PID namespace; null: the PyThreadState has no living thread
 *	  name        threading.Thread.name; null: not known
 *	  comm        the kernel's name
 *	  interp      id of its interpreter, 0 is the main one
 *	  is_main, holds_gil; had_gil: it had it when all this began, and nobody was read with it
 *	  state       "on-cpu", "runnable", "waiting", "stopped", "traced", "exiting", "zombie", "gone"
 *	  cpu         where it runs, or ran last
 *	  wait        null unless it waits
 *	    kind      "gil", "lock", "futex", "fd", "syscall", "other", "thread" (its end; it is the owner)
 *	    ns        for how long it has not run; null: not known
 *	    on        what it waits for, in words; null: not known
 *	    owner     tid of who has it; null: not known
 *	    owner_inferred  it is a conclusion, not a fact
 *	    syscall   "read"; null: none
 *	    fd        null: none
 *	    address   of the lock or the futex; null: none
 *	    others    how many other threads of the process wait for the same
 *	  taken       how the stack was read: "at-rest", "on-cpu", "frozen"; null: it was not
 *	  loss        why it is not there, or where it was cut (--list-losses); null: it is whole
 *	  frames      innermost first
 *	    kind      "python", "native", "kernel", "loss", "mark"
 *	    func      plain name (co_name)
 *	    qualname  of Python frames
 *	    file      co_filename, or the name of the library; null: none
 *	    line      null: not known
 *	    locals    [{name, value, is_argument}], value as repr() would say it; only with --locals
 *	tasks         of asyncio: address, name, state, interp, loop (ident of its thread or null), frames,
 *	              cut (its innermost frames are not there), awaited_by (addresses of tasks)
 *	tasks_read    "all", "some" (others came and went too fast, are too many or could not be read),
 *	              "unsupported" (not known of this version); null: not asked for
 *	deadlocks     arrays of {thread (index in threads), tid, on, owner, owner_inferred}: each waits for the next
 *	wall_ns, frozen_ns, reread_cnt   what it took; how long the process was stopped; stacks that were read again
 *
 * Addresses are text ("0x7f12"), for not all of them are exact as a JSON number. Many processes are
 * {version, processes: [...]}.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "report/dump_format.h"
#include "report/thread_words.h"
#include "profile/losses.h"

#define JSON_VERSION 1

static void json_cleanup_(json_t **json)
{
	json_decref(*json);
}

static json_t *of_count(u64 count)
{
	return json_integer((json_int_t)count);
}

static json_t *of_count_or_null(u64 count)
{
	return count ? of_count(count) : json_null();
}

static json_t *of_address(u64 address)
{
	char text[2 + 16 + 1];

	if (!address)
		return json_null();
	snprintf(text, sizeof(text), "0x%" PRIx64, (uint64_t)address);
	return json_string(text);
}

/* "" and NULL are null. What is not UTF-8 becomes so; then jansson cannot refuse it. */
static json_t *of_text(const char *text)
{
	STRBUF(clean);

	if (!text || !*text)
		return json_null();
	strbuf_put_clean(&clean, text, strlen(text));
	return clean.failed ? NULL : json_stringn(clean.at, clean.size);
}

static json_t *of_version(u32 version)
{
	STRBUF(text);

	if (!version)
		return json_null();
	python_version_put(version, &text);
	return text.failed ? NULL : json_string(text.at);
}

/* Takes the item. An array that could not grow is no array. */
static json_t *array_append(json_t *array, json_t *item)
{
	if (array && !json_array_append_new(array, item))
		return array;
	json_decref(array);
	return NULL;
}

static json_t *of_variables(const struct dump_frame *frame)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < frame->variable_cnt; i++)
		array = array_append(array, json_pack("{s:o, s:o, s:b}", /**/
						      "name", of_text(frame->variables[i].name), /**/
						      "value", of_text(frame->variables[i].value), /**/
						      "is_argument", frame->variables[i].is_argument));
	return array;
}

static json_t *of_frame(const struct dump_frame *frame)
{
	static const char *const kinds[FRAME_KIND_CNT] = {
		[FRAME_PYTHON] = "python", [FRAME_NATIVE] = "native", [FRAME_KERNEL] = "kernel",
		[FRAME_LOSS] = "loss",	   [FRAME_MARK] = "mark",
	};
	bool python = frame->kind == FRAME_PYTHON;
	json_t *object = json_pack("{s:s, s:o, s:o, s:o}", /**/
				   "kind", kinds[frame->kind], /**/
				   "func", of_text(frame->function), /**/
				   "file", of_text(frame->file), /**/
				   "line", of_count_or_null(frame->line));

	if (!object)
		return NULL;
	if ((python && json_object_set_new(object, "qualname", of_text(frame->qualname))) ||
	    (frame->variable_cnt && json_object_set_new(object, "locals", of_variables(frame)))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *of_frames(const struct dump_frame *frames, size_t cnt)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < cnt; i++)
		array = array_append(array, of_frame(&frames[i]));
	return array;
}

static json_t *of_wait(const struct dump_thread *thread)
{
	static const char *const kinds[] = {
		[WAIT_GIL] = "gil",	    [WAIT_LOCK] = "lock",   [WAIT_FUTEX] = "futex",   [WAIT_FD] = "fd",
		[WAIT_SYSCALL] = "syscall", [WAIT_OTHER] = "other", [WAIT_THREAD] = "thread",
	};
	const struct dump_wait *wait = &thread->wait;
	STRBUF(on);

	if (wait->kind == WAIT_NONE)
		return json_null();
	wait_target_put(wait, &on);
	return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", /**/
			 "kind", kinds[wait->kind], /**/
			 "ns", of_count_or_null(thread->record.off_cpu_ns), /**/
			 "on", on.failed ? NULL : of_text(on.at), /**/
			 "owner", of_count_or_null(wait->owner_tid), /**/
			 "owner_inferred", wait->owner_inferred, /**/
			 "syscall", of_text(wait->syscall), /**/
			 "fd", wait->kind == WAIT_FD ? json_integer(wait->fd) : json_null(), /**/
			 "address", of_address(wait->address), /**/
			 "others", of_count(wait->others));
}

static json_t *of_thread(const struct dump_thread *thread)
{
	static const char *const taken[] = {
		[TAKEN_AT_REST] = "at-rest", [TAKEN_ON_CPU] = "on-cpu", [TAKEN_FROZEN] = "frozen"};
	char comm[sizeof(thread->comm) + 1] = {0};

	memcpy(comm, thread->comm, sizeof(thread->comm));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", /**/
			 "ident", of_count_or_null(thread->ident), /**/
			 "tid", of_count_or_null(thread->tid), /**/
			 "name", of_text(thread->name), /**/
			 "comm", of_text(comm), /**/
			 "interp", of_count(thread->interpreter), /**/
			 "is_main", thread->is_main, /**/
			 "holds_gil", thread->holds_gil, /**/
			 "had_gil", thread->had_gil, /**/
			 "state", activity_name(thread_activity(thread)), /**/
			 "cpu", thread->tid ? of_count(thread->record.cpu) : json_null(), /**/
			 "wait", of_wait(thread), /**/
			 "taken", of_text(taken[thread->taken]), /**/
			 "loss", of_text(thread->loss < LOSS_CNT ? loss_reason(thread->loss) : NULL), /**/
			 "frames", of_frames(thread->frames, thread->frame_cnt));
}

static json_t *of_threads(const struct snapshot *snapshot)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < snapshot->thread_cnt; i++)
		array = array_append(array, of_thread(&snapshot->threads[i]));
	return array;
}

static json_t *of_task(const struct dump_task *task)
{
	json_t *awaited_by = json_array();

	for (size_t i = 0; awaited_by && i < task->awaited_by_cnt; i++)
		awaited_by = array_append(awaited_by, of_address(task->awaited_by[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", /**/
			 "address", of_address(task->address), /**/
			 "name", of_text(task->name), /**/
			 "state", of_text(task->state), /**/
			 "interp", of_count(task->interpreter), /**/
			 "loop", of_count_or_null(task->loop_ident), /**/
			 "frames", of_frames(task->frames, task->frame_cnt), /**/
			 "cut", task->cut, /**/
			 "awaited_by", awaited_by);
}

static json_t *of_tasks(const struct snapshot *snapshot)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < snapshot->task_cnt; i++)
		array = array_append(array, of_task(&snapshot->tasks[i]));
	return array;
}

static json_t *of_deadlock(const struct snapshot *snapshot, const struct dump_deadlock *deadlock)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < deadlock->cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[deadlock->threads[i]];
		const struct dump_thread *next = &snapshot->threads[deadlock->threads[(i + 1) % deadlock->cnt]];
		STRBUF(on);

		wait_target_put(&thread->wait, &on);
		array = array_append(array, json_pack("{s:o, s:o, s:o, s:o, s:b}", /**/
						      "thread", of_count(deadlock->threads[i]), /**/
						      "tid", of_count_or_null(thread->tid), /**/
						      "on", on.failed ? NULL : of_text(on.at), /**/
						      "owner", of_count_or_null(next->tid), /**/
						      "owner_inferred", thread->wait.owner_inferred));
	}
	return array;
}

static json_t *of_deadlocks(const struct snapshot *snapshot)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < snapshot->deadlock_cnt; i++)
		array = array_append(array, of_deadlock(snapshot, &snapshot->deadlocks[i]));
	return array;
}

static json_t *of_snapshot(const struct snapshot *snapshot)
{
	static const char *const phases[] = {
		[PYTHON_NONE] = "none",	      [PYTHON_UNSUPPORTED] = "unsupported", [PYTHON_STARTING] = "starting",
		[PYTHON_RUNNING] = "running", [PYTHON_FINALIZING] = "finalizing",
	};
	static const char *const tasks_read[] = {[TASKS_NOT_ASKED] = NULL,
						 [TASKS_ALL] = "all",
						 [TASKS_SOME] = "some",
						 [TASKS_UNSUPPORTED] = "unsupported"};

	const struct error_words *error = error_words_find(snapshot);

	return json_pack("{s:i, s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", /**/
			 "version", JSON_VERSION, /**/
			 "pid", of_count(snapshot->pid), /**/
			 "python", of_version(snapshot->version), /**/
			 "free_threaded", snapshot->free_threaded, /**/
			 "phase", phases[snapshot->phase], /**/
			 "command_line", of_text(snapshot->command_line), /**/
			 "exe", of_text(snapshot->exe), /**/
			 "cgroup", of_text(snapshot->cgroup), /**/
			 "error", of_text(error ? error->name : NULL), /**/
			 "threads", of_threads(snapshot), /**/
			 "tasks", of_tasks(snapshot), /**/
			 "tasks_read", of_text(tasks_read[snapshot->tasks_read]), /**/
			 "deadlocks", of_deadlocks(snapshot), /**/
			 "wall_ns", of_count(snapshot->wall_ns), /**/
			 "frozen_ns", of_count(snapshot->frozen_ns), /**/
			 "reread_cnt", of_count(snapshot->reread_cnt));
}

static json_t *of_processes(const struct snapshot *const *snapshots, size_t cnt)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < cnt; i++)
		array = array_append(array, of_snapshot(snapshots[i]));
	return json_pack("{s:i, s:o}", "version", JSON_VERSION, "processes", array);
}

static int put_bytes(const char *bytes, size_t size, void *b)
{
	strbuf_put_size(b, bytes, size);
	return 0;
}

int json_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view, struct strbuf *b)
{
	bool many = view->many || cnt != 1;
	_cleanup_(json) json_t *json = many ? of_processes(snapshots, cnt) : of_snapshot(snapshots[0]);
	if (!json || json_dump_callback(json, put_bytes, b, JSON_INDENT(2)))
		return -ENOMEM;
	strbuf_put_char(b, '\n');
	return b->failed ? -ENOMEM : 0;
}
