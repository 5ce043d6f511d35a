/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Live interpreters say of themselves what is read from them (tests/workloads/tasks.py
 * and what it prints); memory made by hand stands for what no interpreter does.
 */
#include "inspect/asyncio_tasks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "live_python.h"
#include "inspect/asyncio_find.h"
#include "python/code_object.h"
#include "inspect/gil.h"

#define OLDEST	    0x030b0000
#define LINES_MAX   16384
#define DIFFERENT   10 /* lines that are told */
#define INTERPRETER 64 /* at most, in one process */

/* Lines as tasks.py has them, sorted. */
struct lines {
	char *at[LINES_MAX];
	size_t cnt;
};

static void lines_free(struct lines *lines)
{
	for (size_t i = 0; i < lines->cnt; i++)
		free(lines->at[i]);
	free(lines);
}
DEFINE_CLEANUP(lines, struct lines *, lines_free)

static struct lines *lines_new(void)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	cr_assert(lines);
	return lines;
}

static void line_add(struct lines *lines, char *line)
{
	cr_assert(line && lines->cnt < LINES_MAX);
	lines->at[lines->cnt++] = line;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_sort(struct lines *lines)
{
	qsort(lines->at, lines->cnt, sizeof(*lines->at), line_compare);
}

/* Every fact but the first, "interpreter", and the last, "end". */
static struct lines *lines_of_facts(const char *facts)
{
	struct lines *lines = lines_new();

	for (const char *line = facts, *end; (end = strchr(line, '\n')); line = end + 1)
		if (strchr(" ", line[strcspn(line, " \n")]))
			line_add(lines, strndup(line, end - line));
	lines_sort(lines);
	return lines;
}

struct told {
	const struct live_python *python;
	struct lines *lines;
	size_t task_cnt;
};

static void hex_put(struct strbuf *b, const char *text)
{
	for (; *text; text++)
		strbuf_printf(b, "%02x", (u8)*text);
}

static void task_tell(struct told *told, const struct asyncio_task *task)
{
	STRBUF(line);

	strbuf_printf(&line, "task %#llx %s %llu ", (unsigned long long)task->address, asyncio_state_name(task->state),
		      (unsigned long long)task->loop_ident);
	hex_put(&line, task->name);
	line_add(told->lines, strbuf_take(&line));
}

static void frame_tell(struct told *told, const struct asyncio_task *task, size_t index)
{
	const struct python_frame *frame = &task->frames[index].frame;
	_cleanup_(code_object) struct code_object *code = NULL;
	STRBUF(line);

	cr_assert(!code_object_read(&told->python->memory, &told->python->file.layout, frame->code, frame->signature,
				    &(struct code_types){0}, &code));
	cr_expect(code_object_is_visible(code, frame->instr));
	strbuf_printf(&line, "frame %#llx %zu %u ", (unsigned long long)task->address, index,
		      code_object_line(code, frame->instr));
	hex_put(&line, code->function);
	strbuf_put(&line, " ");
	hex_put(&line, code->file);
	line_add(told->lines, strbuf_take(&line));
}

static int tell(void *ctx, const struct asyncio_task *task)
{
	struct told *told = ctx;

	told->task_cnt++;
	task_tell(told, task);
	for (size_t i = 0; i < task->frame_cnt; i++)
		frame_tell(told, task, i);
	for (size_t i = 0; i < task->awaited_by_cnt; i++) {
		STRBUF(line);

		strbuf_printf(&line, "awaits %#llx %#llx", (unsigned long long)task->awaited_by[i],
			      (unsigned long long)task->address);
		line_add(told->lines, strbuf_take(&line));
	}
	return 0;
}

static void objects_open(const struct live_python *python, struct python_objects *objects, u64 *ret_interpreter)
{
	struct python_interpreter interpreters[INTERPRETER];
	size_t cnt = INTERPRETER;

	cr_assert(!python_objects_init(objects, &python->memory, &python->file.layout, python->runtime));
	cr_assert(!interpreter_list_read(objects, interpreters, &cnt) && cnt);
	*ret_interpreter = interpreters[cnt - 1].address;
}

static void lines_expect_equal(const char *name, const struct lines *told, const struct lines *truth)
{
	size_t different = 0;

	for (size_t i = 0, j = 0; (i < told->cnt || j < truth->cnt) && different < DIFFERENT;) {
		int order = i == told->cnt ? 1 : j == truth->cnt ? -1 : strcmp(told->at[i], truth->at[j]);

		if (order)
			cr_expect(false, "%s: %s: %s", name, order < 0 ? "only we say" : "we do not say",
				  order < 0 ? told->at[i] : truth->at[j]);
		different += !!order;
		i += order <= 0;
		j += order >= 0;
	}
}

static void check_tasks(const struct live_python *python)
{
	struct python_objects objects;
	_cleanup_(lines) struct lines *truth = lines_of_facts(python->facts);
	struct told told = {.python = python, .lines = lines_new()};
	_cleanup_(lines) struct lines *lines = told.lines;
	u64 interpreter;
	bool complete = false;

	objects_open(python, &objects, &interpreter);
	cr_assert(!asyncio_tasks_read(&objects, interpreter, tell, &told, &complete), "%s", python->name);
	cr_expect(complete, "%s", python->name);
	cr_expect_gt(told.task_cnt, 1000, "%s: %zu tasks", python->name, told.task_cnt);
	lines_sort(lines);
	lines_expect_equal(python->name, lines, truth);
}

Test(asyncio_tasks, are_those_that_the_interpreter_knows_of, .timeout = 600)
{
	for_each_live_python_running("tests/workloads/tasks.py", OLDEST, check_tasks);
}

static void check_description(const struct live_python *python)
{
	struct python_objects objects;
	_cleanup_(asyncio_found) struct asyncio_found *found = NULL;
	struct asyncio_objects asyncio = {.objects = &objects};
	struct asyncio_layout measured;
	u64 interpreter;

	objects_open(python, &objects, &interpreter);
	cr_assert(!asyncio_layout_of_version(python->file.version, python->file.layout.free_threaded, &measured));
	asyncio.layout = measured;
	if (measured.module_state != ABSENT) {
		asyncio.layout.task_node = asyncio.layout.task_name = asyncio.layout.task_coroutine = 8;
		asyncio.layout.thread_tasks = asyncio.layout.interpreter_tasks = 8;
		asyncio.layout.future_awaited_by = 8;
	}
	cr_assert(!asyncio_find(&asyncio, interpreter, &found), "%s", python->name);
	/* Their allocator, of which the interpreter has a part, grew within a version. */
	if (python->file.layout.free_threaded && asyncio.layout.interpreter_tasks != 8)
		measured.interpreter_tasks = asyncio.layout.interpreter_tasks;
	cr_expect(!memcmp(&asyncio.layout, &measured, sizeof(measured)), "%s", python->name);
}

Test(asyncio_tasks, are_where_the_interpreter_itself_says, .timeout = 600)
{
	for_each_live_python_running("tests/workloads/tasks.py", OLDEST, check_description);
}

/* ---- tasks that do not hold still ---- */

struct moving {
	const struct live_python *python;
	size_t task_cnt, frame_cnt, impossible;
	char shown[256]; /* the first impossible one, as far as it was read */
};

static void show(struct moving *moving, const char *function)
{
	size_t used = strlen(moving->shown);

	snprintf(moving->shown + used, sizeof(moving->shown) - used, " %s", function);
}

/* outer_X, middle_X, inner_X, sleep or __sleep0; X is the task's name. Others are asyncio's own. */
static int level_of(const char *function, const char *name)
{
	static const char *const levels[] = {"outer_", "middle_", "inner_"};

	for (int i = 0; i < 3; i++)
		if (!strncmp(function, levels[i], strlen(levels[i])))
			return strcmp(function + strlen(levels[i]), name) ? -1 : i;
	return 3;
}

static int move(void *ctx, const struct asyncio_task *task)
{
	struct moving *moving = ctx;
	int level = -1;

	if (strlen(task->name) != 1 || task->state == ASYNCIO_RUNNING || !task->frame_cnt)
		return 0;
	moving->task_cnt++;
	if (!moving->impossible)
		snprintf(moving->shown, sizeof(moving->shown), "%s:", task->name);
	for (size_t i = task->frame_cnt; i-- > 0;) {
		const struct python_frame *frame = &task->frames[i].frame;
		_cleanup_(code_object) struct code_object *code = NULL;

		if (code_object_read(&moving->python->memory, &moving->python->file.layout, frame->code,
				     frame->signature, &(struct code_types){0}, &code)) {
			moving->impossible++; /* these code objects live as long as the process */
			return 0;
		}
		if (!moving->impossible)
			show(moving, code->function);
		int next = level_of(code->function, task->name);
		if (next < 0 || (next < 3 && next != level + 1))
			moving->impossible++;
		level = next;
		moving->frame_cnt++;
	}
	return 0;
}

static void check_moving(const struct live_python *python)
{
	struct moving moving = {.python = python};
	struct python_objects objects;
	u64 interpreter;

	objects_open(python, &objects, &interpreter);
	for (int i = 0; i < 40; i++) {
		bool complete;

		cr_assert(!asyncio_tasks_read(&objects, interpreter, move, &moving, &complete), "%s", python->name);
	}
	cr_expect_gt(moving.task_cnt, 100, "%s: %zu tasks", python->name, moving.task_cnt);
	cr_expect_gt(moving.frame_cnt, 200, "%s: %zu frames", python->name, moving.frame_cnt);
	cr_expect_eq(moving.impossible, 0, "%s: %zu of %zu tasks, first %s", python->name, moving.impossible,
		     moving.task_cnt, moving.shown);
}

Test(asyncio_tasks, have_no_chain_that_cannot_be_while_they_move, .timeout = 600)
{
	for_each_live_python_running("tests/unit/data/moving_tasks.py", OLDEST, check_moving);
}

/* ---- memory made by hand: an interpreter of 3.14 without threads, and its list of tasks ---- */

#define BASE 0x100000
#define SIZE 0x10000
#define NODE 0x8000 /* the first node in it */

struct made {
	u8 bytes[SIZE];
	struct remote_memory memory;
	struct python_layout layout;
	struct python_objects objects;
	struct asyncio_objects asyncio;
};

static void made_free(struct made *made)
{
	free(made);
}
DEFINE_CLEANUP(made, struct made *, made_free)

static struct made *made_new(void)
{
	struct made *made = calloc(1, sizeof(*made));

	cr_assert(made);
	made->memory = remote_memory_of_bytes(made->bytes, SIZE, BASE);
	made->layout = (struct python_layout){.version = 0x030e0af0, .object_type = 8, .type_name = 24};
	made->objects = (struct python_objects){.memory = &made->memory, .layout = &made->layout, .runtime = BASE};
	cr_assert(!object_layout_of_version(made->layout.version, false, &made->objects.object));
	made->asyncio.objects = &made->objects;
	cr_assert(!asyncio_layout_of_version(made->layout.version, false, &made->asyncio.layout));
	return made;
}

static void node_put(struct made *made, u64 at, u64 next, u64 previous)
{
	memcpy(made->bytes + at, (u64[]){BASE + next, BASE + previous}, 16);
}

static void list_expect(struct made *made, size_t cnt, bool complete)
{
	_cleanup_(asyncio_found) struct asyncio_found *found = NULL;

	cr_assert(!asyncio_find(&made->asyncio, BASE, &found));
	cr_expect_eq(found->task_cnt, cnt, "%zu", found->task_cnt);
	cr_expect_eq(found->complete, complete);
	for (size_t i = 0; i < found->task_cnt; i++)
		cr_expect_eq(found->tasks[i], BASE + NODE + 16 * i - made->asyncio.layout.task_node);
}

Test(asyncio_tasks, of_a_list_are_told_once)
{
	_cleanup_(made) struct made *made = made_new();
	u64 head = made->asyncio.layout.interpreter_tasks;

	node_put(made, head, NODE, NODE + 16);
	node_put(made, NODE, NODE + 16, head);
	node_put(made, NODE + 16, head, NODE);
	list_expect(made, 2, true);
}

Test(asyncio_tasks, of_an_empty_list_are_none)
{
	_cleanup_(made) struct made *made = made_new();
	u64 head = made->asyncio.layout.interpreter_tasks;

	list_expect(made, 0, true); /* asyncio was never used */
	node_put(made, head, head, head);
	list_expect(made, 0, true);
}

Test(asyncio_tasks, of_a_list_that_does_not_close_may_be_missing)
{
	_cleanup_(made) struct made *made = made_new();
	u64 head = made->asyncio.layout.interpreter_tasks;

	node_put(made, head, NODE, NODE);
	node_put(made, NODE, NODE + 16, head);
	node_put(made, NODE + 16, NODE, NODE); /* back, past the head */
	list_expect(made, 2, false);
	node_put(made, NODE + 16, SIZE, NODE); /* out of all memory */
	list_expect(made, 2, false);
	node_put(made, NODE, NODE, NODE); /* to itself */
	list_expect(made, 0, false);
}

Test(asyncio_tasks, that_are_no_tasks_are_not_told)
{
	_cleanup_(made) struct made *made = made_new();
	u64 head = made->asyncio.layout.interpreter_tasks;
	struct told told = {.lines = lines_new()};
	_cleanup_(lines) struct lines *lines = told.lines;
	bool complete = false;

	node_put(made, head, NODE, NODE);
	node_put(made, NODE, head, head);
	cr_assert(!asyncio_tasks_read(&made->objects, BASE, tell, &told, &complete));
	cr_expect(complete);
	cr_expect_eq(told.task_cnt, 0);
	cr_expect_eq(lines->cnt, 0);
}

Test(asyncio_tasks, before_3_11_are_not_read)
{
	_cleanup_(made) struct made *made = made_new();
	bool complete;

	made->layout.version = 0x030a0df0;
	cr_expect_eq(asyncio_tasks_read(&made->objects, BASE, tell, NULL, &complete), -ENOTSUP);
}

/* As Debian's 3.14.10 and 3.15.2 have it (readelf -x .AsyncioDebug). */
static const u64 description_3_14[13] = {168, 136, 96, 108, 109, 128, 152, 225864, 10880, 936, 864, 872, 880};
static const u64 description_3_15[13] = {168, 136, 96, 108, 109, 128, 152, 226240, 10856, 1104, 1024, 1032, 1048};

Test(asyncio_tasks, are_described_as_they_were_measured)
{
	struct asyncio_layout measured, described;

	cr_assert(!asyncio_layout_of_version(0x030e0af0, false, &measured));
	described = measured;
	cr_expect(!asyncio_layout_describe((const u8 *)description_3_14, &described));
	cr_expect(!memcmp(&measured, &described, sizeof(measured)));
	cr_assert(!asyncio_layout_of_version(0x030f02f0, false, &measured));
	described = measured;
	cr_expect(!asyncio_layout_describe((const u8 *)description_3_15, &described));
	cr_expect(!memcmp(&measured, &described, sizeof(measured)));
}

Test(asyncio_tasks, are_not_described_by_what_cannot_be)
{
	struct asyncio_layout measured, described;

	cr_assert(!asyncio_layout_of_version(0x030e0af0, false, &measured));
	for (size_t i = 0; i < 13; i++) {
		u64 description[13];

		memcpy(description, description_3_14, sizeof(description));
		description[i] = 1 << 25;
		described = measured;
		cr_expect_eq(asyncio_layout_describe((const u8 *)description, &described), -EINVAL, "member %zu", i);
		cr_expect(!memcmp(&measured, &described, sizeof(measured)));
	}
}
