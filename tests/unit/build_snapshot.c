/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "build_snapshot.h"

#include <criterion/criterion.h>
#include <string.h>

#include "profile/losses.h"

/* Words of the format, in the order of the enum that they stand for; NULL at the end. */
static const char *const kinds[] = {"python", "native", "kernel", "loss", "mark", NULL};
static const char *const waits[] = {"none", "gil", "lock", "futex", "fd", "syscall", "other", "thread", NULL};
static const char *const takens[] = {"not", "at-rest", "on-cpu", "frozen", NULL};
static const char *const phases[] = {"none", "unsupported", "starting", "running", "finalizing", NULL};

static const char *const tasks_reads[] = {"not", "all", "some", "unsupported", NULL};

static const struct {
	const char *name;
	u32 flags;
	char state;
} states[] = {
	{"on-cpu", THREAD_ON_CPU, 'R'},
	{"runnable", THREAD_RUNNABLE, 'R'},
	{"waiting", 0, 'S'},
	{"stopped", 0, 'T'},
	{"traced", 0, 't'},
	{"exiting", THREAD_EXITING, 'R'},
	{"zombie", 0, 'Z'},
	{"gone", 0, 0},
};

static u32 word_of(const json_t *json, const char *const words[], u32 otherwise)
{
	const char *text = json_string_value(json);

	for (u32 i = 0; text && words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	cr_assert(!text, "what is %s?", text);
	return otherwise;
}

static const char *text_of(struct snapshot *snapshot, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	text = snapshot_text(snapshot, text ? text : "");
	cr_assert(text);
	return text;
}

static u64 count_of(const json_t *object, const char *key)
{
	return (u64)json_integer_value(json_object_get(object, key));
}

static bool flag_of(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static u64 address_of(const json_t *json)
{
	return json_is_string(json) ? strtoull(json_string_value(json), NULL, 16) : 0;
}

static void *room(struct snapshot *snapshot, size_t cnt, size_t size)
{
	void *at = snapshot_room(snapshot, cnt ? cnt : 1, size);

	cr_assert(at);
	return at;
}

static u32 version_of(const json_t *object)
{
	unsigned major, minor, micro;
	const char *text = json_string_value(json_object_get(object, "python"));

	if (!text)
		return 0;
	cr_assert_eq(sscanf(text, "%u.%u.%u", &major, &minor, &micro), 3);
	return major << 24 | minor << 16 | micro << 8 | 0xf0;
}

static u8 loss_of(const json_t *object)
{
	const char *reason = json_string_value(json_object_get(object, "loss"));
	enum loss loss;

	if (!reason)
		return LOSS_NONE;
	cr_assert_eq(loss_find(reason, &loss), 0);
	return loss;
}

static void variables_fill(struct snapshot *snapshot, const json_t *json, struct dump_frame *frame)
{
	struct dump_variable *variables = room(snapshot, json_array_size(json), sizeof(*variables));
	size_t i;
	json_t *item;

	json_array_foreach(json, i, item)
		variables[i] = (struct dump_variable){.name = text_of(snapshot, item, "name"),
						      .value = text_of(snapshot, item, "value"),
						      .is_argument = flag_of(item, "is_argument")};
	frame->variables = variables;
	frame->variable_cnt = json_array_size(json);
}

static const struct dump_frame *frames_of(struct snapshot *snapshot, const json_t *json)
{
	struct dump_frame *frames = room(snapshot, json_array_size(json), sizeof(*frames));
	size_t i;
	json_t *item;

	json_array_foreach(json, i, item)
	{
		frames[i].kind = word_of(json_object_get(item, "kind"), kinds, FRAME_PYTHON);
		frames[i].function = text_of(snapshot, item, "func");
		frames[i].qualname = text_of(snapshot, item, json_object_get(item, "qualname") ? "qualname" : "func");
		frames[i].file = text_of(snapshot, item, "file");
		frames[i].line = (u32)count_of(item, "line");
		variables_fill(snapshot, json_object_get(item, "locals"), &frames[i]);
	}
	return frames;
}

static void wait_fill(struct snapshot *snapshot, const json_t *json, struct dump_thread *thread)
{
	const json_t *fd = json_object_get(json, "fd");
	const char *call = text_of(snapshot, json, "syscall");

	thread->wait = (struct dump_wait){
		.kind = word_of(json_object_get(json, "kind"), waits, WAIT_NONE),
		.syscall = *call ? call : NULL,
		.fd = json_is_integer(fd) ? (int)json_integer_value(fd) : -1,
		.on = text_of(snapshot, json, "on"),
		.address = address_of(json_object_get(json, "address")),
		.owner_tid = (u32)count_of(json, "owner"),
		.owner_inferred = flag_of(json, "owner_inferred"),
		.others = (u32)count_of(json, "others"),
	};
	thread->record.off_cpu_ns = count_of(json, "ns");
	/* Of a lock `on` ends with its address. */
	const char *address = thread->wait.kind == WAIT_LOCK ? strstr(thread->wait.on, " 0x") : NULL;
	if (address) {
		_cleanup_(free) char *kind = strndup(thread->wait.on, (size_t)(address - thread->wait.on));
		thread->wait.on = snapshot_text(snapshot, kind);
	}
}

static void state_fill(const json_t *json, struct dump_thread *thread)
{
	const char *text = json_string_value(json_object_get(json, "state"));

	thread->record.cpu = (u32)count_of(json, "cpu");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, text ? text : "waiting") != 0)
			continue;
		thread->record.flags = states[i].flags;
		thread->record.state = (u32)states[i].state;
		return;
	}
	cr_assert(false, "what state is %s?", text);
}

static void thread_fill(struct snapshot *snapshot, const json_t *json, struct dump_thread *thread)
{
	const json_t *frames = json_object_get(json, "frames");

	thread->tid = (u32)count_of(json, "tid");
	thread->ident = count_of(json, "ident");
	thread->state = thread->ident; /* some address */
	thread->interpreter = (u32)count_of(json, "interp");
	thread->name = text_of(snapshot, json, "name");
	snprintf(thread->comm, sizeof(thread->comm), "%s", text_of(snapshot, json, "comm"));
	thread->is_main = flag_of(json, "is_main");
	thread->holds_gil = flag_of(json, "holds_gil");
	thread->had_gil = flag_of(json, "had_gil");
	state_fill(json, thread);
	wait_fill(snapshot, json_object_get(json, "wait"), thread);
	thread->taken = word_of(json_object_get(json, "taken"), takens, TAKEN_NOT);
	thread->loss = loss_of(json);
	thread->frames = frames_of(snapshot, frames);
	thread->frame_cnt = json_array_size(frames);
	for (size_t i = 0; i < thread->frame_cnt; i++)
		thread->python_cnt += thread->frames[i].kind == FRAME_PYTHON;
}

static void task_fill(struct snapshot *snapshot, const json_t *json, struct dump_task *task)
{
	const json_t *awaited_by = json_object_get(json, "awaited_by");
	u64 *addresses = room(snapshot, json_array_size(awaited_by), sizeof(*addresses));
	size_t i;
	json_t *item;

	json_array_foreach(awaited_by, i, item) addresses[i] = address_of(item);
	*task = (struct dump_task){
		.address = address_of(json_object_get(json, "address")),
		.interpreter = (u32)count_of(json, "interp"),
		.loop_ident = count_of(json, "loop"),
		.name = text_of(snapshot, json, "name"),
		.state = text_of(snapshot, json, "state"),
		.frames = frames_of(snapshot, json_object_get(json, "frames")),
		.frame_cnt = json_array_size(json_object_get(json, "frames")),
		.cut = flag_of(json, "cut"),
		.awaited_by = addresses,
		.awaited_by_cnt = json_array_size(awaited_by),
	};
}

static void deadlock_fill(struct snapshot *snapshot, const json_t *json, struct dump_deadlock *deadlock)
{
	size_t *threads = room(snapshot, json_array_size(json), sizeof(*threads));
	size_t i;
	json_t *item;

	json_array_foreach(json, i, item) threads[i] = (size_t)count_of(item, "thread");
	*deadlock = (struct dump_deadlock){.threads = threads, .cnt = json_array_size(json)};
}

struct snapshot *snapshot_of_json(const json_t *json)
{
	const json_t *threads = json_object_get(json, "threads"), *tasks = json_object_get(json, "tasks"),
		     *deadlocks = json_object_get(json, "deadlocks");
	struct snapshot *snapshot;
	size_t i;
	json_t *item;

	cr_assert_eq(snapshot_new((u32)count_of(json, "pid"), &snapshot), 0);
	snapshot->command_line = text_of(snapshot, json, "command_line");
	snapshot->exe = text_of(snapshot, json, "exe");
	snapshot->cgroup = text_of(snapshot, json, "cgroup");
	snapshot->phase = word_of(json_object_get(json, "phase"), phases, PYTHON_RUNNING);
	snapshot->version = version_of(json);
	snapshot->free_threaded = flag_of(json, "free_threaded");
	snapshot->wall_ns = count_of(json, "wall_ns");
	snapshot->frozen_ns = count_of(json, "frozen_ns");
	snapshot->reread_cnt = (u32)count_of(json, "reread_cnt");

	snapshot->thread_cnt = json_array_size(threads);
	snapshot->threads = room(snapshot, snapshot->thread_cnt, sizeof(*snapshot->threads));
	json_array_foreach(threads, i, item) thread_fill(snapshot, item, &snapshot->threads[i]);
	snapshot->task_cnt = json_array_size(tasks);
	snapshot->tasks = room(snapshot, snapshot->task_cnt, sizeof(*snapshot->tasks));
	json_array_foreach(tasks, i, item) task_fill(snapshot, item, (struct dump_task *)&snapshot->tasks[i]);
	snapshot->tasks_read = word_of(json_object_get(json, "tasks_read"), tasks_reads, TASKS_NOT_ASKED);
	snapshot->deadlock_cnt = json_array_size(deadlocks);
	snapshot->deadlocks = room(snapshot, snapshot->deadlock_cnt, sizeof(*snapshot->deadlocks));
	json_array_foreach(deadlocks, i, item)
		deadlock_fill(snapshot, item, (struct dump_deadlock *)&snapshot->deadlocks[i]);
	return snapshot;
}

struct snapshot *snapshot_of_text(const char *text)
{
	char *quoted = strdup(text);
	json_error_t error;

	cr_assert(quoted);
	for (char *at = quoted; (at = strchr(at, '\''));)
		*at = '"';
	json_t *json = json_loads(quoted, JSON_REJECT_DUPLICATES, &error);
	cr_assert(json, "%d:%d: %s", error.line, error.column, error.text);
	free(quoted);
	struct snapshot *snapshot = snapshot_of_json(json);
	json_decref(json);
	return snapshot;
}
