/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/containers_list.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "cmd/process_usage.h"
#include "container/cgroup_clock.h"
#include "dump/process_list.h"
#include "process/process.h"

#define NO_ROW SIZE_MAX

/* --- which processes there are ------------------------------------------ */

/* A process at one moment. */
struct member {
	struct process_usage usage;
	u32 pid;
	u32 place; /* key */
};

struct members {
	struct member *at; /* by pid */
	size_t cnt;
};

static int members_read(struct place_table *places, struct members *ret)
{
	_cleanup_(free) u32 *pids = NULL;
	size_t cnt;

	int err = process_list_read(0, &pids, &cnt);
	if (err)
		return err;
	ret->at = calloc(cnt + 1, sizeof(*ret->at));
	if (!ret->at)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		struct member *member = &ret->at[ret->cnt];

		/* One that has just ended is left out. */
		if (process_usage_read(pids[i], &member->usage) || member->usage.is_kernel)
			continue;
		member->pid = pids[i];
		member->place = process_place(places, pids[i])->key;
		ret->cnt++;
	}
	return 0;
}

static int member_compare(const void *a, const void *b)
{
	const struct member *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

/* What it used since then: all, when it is younger. */
static u64 member_used_ns(const struct member *member, const struct members *before)
{
	const struct member *then = bsearch(member, before->at, before->cnt, sizeof(*member), member_compare);
	bool is_same = then && then->usage.start_ticks == member->usage.start_ticks;

	if (!is_same)
		return member->usage.cpu_ns;
	return member->usage.cpu_ns > then->usage.cpu_ns ? member->usage.cpu_ns - then->usage.cpu_ns : 0;
}

/* --- rows --------------------------------------------------------------- */

static int row_add(void *ctx, struct place *place)
{
	struct containers_list *list = ctx;

	/* Its group may be there all the same: of another place, since files told that it is a container's. */
	if (place->gone)
		return 0;
	struct container_row *rows = array_reserve(list->rows, &list->capacity, list->cnt + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	list->rows = rows;
	rows[list->cnt++] = (struct container_row){.place = place, .outer = NO_ROW};
	return 0;
}

/* Of those that are younger all time counts. Reads the outermost last, so that it has no less than what is in it. */
static void rows_read_clocks(struct containers_list *list, bool is_before)
{
	const struct hierarchies *hierarchies = place_table_hierarchies(list->places);

	for (size_t i = list->cnt; i-- > 0;) {
		struct container_row *row = &list->rows[i];
		u64 *clock = is_before ? &row->before_ns : &row->after_ns;

		if (cgroup_clock_read(hierarchies, row->place->cgroup, clock))
			*clock = 0;
		row->has_clock = *clock || (!is_before && row->has_clock);
	}
}

/* A slash comes before all else, so that a group stands right before those below it. */
static int path_compare(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	int left = *a == '/' ? 1 : (unsigned char)*a, right = *b == '/' ? 1 : (unsigned char)*b;

	return left - right;
}

static int row_compare_paths(const void *a, const void *b)
{
	const struct container_row *left = a, *right = b;

	return path_compare(left->place->cgroup, right->place->cgroup);
}

static bool is_around(const char *outer, const char *path)
{
	size_t size = strcmp(outer, "/") ? strlen(outer) : 0;

	return !strncmp(outer, path, size) && path[size] == '/' && path[size + 1];
}

/* Rows are in the order of their paths. */
static void rows_nest(struct containers_list *list)
{
	for (size_t i = 0; i < list->cnt; i++) {
		size_t outer = i ? i - 1 : NO_ROW;

		while (outer != NO_ROW && !is_around(list->rows[outer].place->cgroup, list->rows[i].place->cgroup))
			outer = list->rows[outer].outer;
		list->rows[i].outer = outer;
	}
}

static u64 less(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* Of the group as a whole, as far as it has a clock. */
static u64 row_used_ns(const struct container_row *row)
{
	return row->has_clock ? less(row->after_ns, row->before_ns) : row->processes_ns + row->inner_ns;
}

/* Inner rows stand behind outer ones. */
static void rows_count(struct containers_list *list, u64 elapsed_ns)
{
	for (size_t i = list->cnt; i-- > 0;) {
		struct container_row *row = &list->rows[i];
		u64 used = row_used_ns(row);

		if (row->outer != NO_ROW)
			list->rows[row->outer].inner_ns += used;
		row->cpu_percent = 100.0 * (double)less(used, row->inner_ns) / (double)elapsed_ns;
	}
}

static int row_compare_cpu(const void *a, const void *b)
{
	const struct container_row *left = a, *right = b;

	if (left->cpu_percent != right->cpu_percent)
		return left->cpu_percent < right->cpu_percent ? 1 : -1;
	return row_compare_paths(a, b);
}

static bool row_is_listed(const struct container_row *row)
{
	return row->process_cnt || row->cpu_percent > 0 || row->place->key == PLACE_HOST;
}

/* Groups that are left over, and units that have ended, go. */
static void rows_select(struct containers_list *list)
{
	size_t cnt = 0;

	for (size_t i = 0; i < list->cnt; i++)
		if (row_is_listed(&list->rows[i]))
			list->rows[cnt++] = list->rows[i];
	list->cnt = cnt;
	qsort(list->rows, cnt, sizeof(*list->rows), row_compare_cpu);
}

/* --- the look ----------------------------------------------------------- */

struct look {
	struct containers_list *list;
	struct mapped_file_cache *files;
	struct process_table *processes;
	struct members before, after;
	u64 start_ns;
};

static void look_deinit(struct look *look)
{
	if (look->processes)
		process_table_free(look->processes);
	if (look->files)
		mapped_file_cache_free(look->files);
	free(look->before.at);
	free(look->after.at);
}

static int look_init(struct containers_list *list, struct look *ret)
{
	ret->list = list;
	ret->files = mapped_file_cache_new();
	if (!ret->files)
		return -ENOMEM;
	int err = process_table_new(ret->files, &ret->processes);
	return err ? err : place_table_new(&list->places);
}

int containers_list_make_rows(struct containers_list *list)
{
	list->cnt = 0;
	int err = place_table_for_each(list->places, row_add, list);
	if (!err)
		qsort(list->rows, list->cnt, sizeof(*list->rows), row_compare_paths);
	return err;
}

/*
 * So many that they are not all known is still a list, of the rest. Names first: they may tell that
 * groups are of another place.
 */
static int places_read(struct place_table *places)
{
	int err = place_table_walk(places);

	place_table_name_all(places);
	return err == -ENOSPC ? 0 : err;
}

static int look_begin(struct look *look)
{
	int err = places_read(look->list->places);
	if (!err)
		err = members_read(look->list->places, &look->before);
	if (!err)
		err = containers_list_make_rows(look->list);
	if (!err)
		rows_read_clocks(look->list, true);
	look->start_ns = clock_monotonic_ns();
	return err;
}

static bool member_is_python(struct look *look, const struct member *member)
{
	const struct process_id id = {.pid = member->pid};
	struct process *process = process_table_newest(look->processes, member->pid);

	if (!process && process_table_get(look->processes, &id, "", &process))
		return false;
	process_check_python(look->processes, process);
	return process->python_file;
}

/* A group's clock goes on, whosever place it has become in between. */
static int rows_again(struct look *look)
{
	struct containers_list *list = look->list;
	_cleanup_(free) struct container_row *old = take(list->rows);
	size_t old_cnt = list->cnt, next = 0;

	list->capacity = 0;
	int err = containers_list_make_rows(list);
	for (size_t i = 0; !err && i < list->cnt; i++) {
		while (next < old_cnt && row_compare_paths(&old[next], &list->rows[i]) < 0)
			next++;
		if (next < old_cnt && !row_compare_paths(&old[next], &list->rows[i]))
			list->rows[i].before_ns = old[next].before_ns;
	}
	return err;
}

static struct container_row *row_of(struct containers_list *list, u32 key)
{
	for (size_t i = 0; i < list->cnt; i++)
		if (list->rows[i].place->key == key)
			return &list->rows[i];
	return NULL;
}

static void look_count_members(struct look *look)
{
	for (size_t i = 0; i < look->after.cnt; i++) {
		const struct member *member = &look->after.at[i];
		struct container_row *row = row_of(look->list, member->place);

		if (!row)
			continue;
		row->process_cnt++;
		row->processes_ns += member_used_ns(member, &look->before);
		row->python_cnt += member_is_python(look, member);
		look->list->hidden_cnt += !process_may_look(member->pid);
	}
}

static int look_end(struct look *look)
{
	struct containers_list *list = look->list;

	int err = places_read(list->places);
	if (!err)
		err = members_read(list->places, &look->after);
	if (!err)
		err = rows_again(look);
	if (err)
		return err;
	rows_read_clocks(list, false);
	u64 elapsed_ns = clock_monotonic_ns() - look->start_ns;
	list->seconds = (double)elapsed_ns / NS_PER_S;
	look_count_members(look);
	rows_nest(list);
	rows_count(list, elapsed_ns ?: 1);
	rows_select(list);
	return 0;
}

static void sleep_until(u64 monotonic_ns)
{
	const struct timespec until = {(time_t)(monotonic_ns / NS_PER_S), (long)(monotonic_ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int containers_list_take(u64 look_ns, struct containers_list *ret)
{
	__attribute__((cleanup(look_deinit))) struct look look = {0};

	*ret = (struct containers_list){0};
	int err = look_init(ret, &look);
	if (!err)
		err = look_begin(&look);
	if (!err) {
		sleep_until(look.start_ns + look_ns);
		err = look_end(&look);
	}
	if (err)
		containers_list_deinit(ret);
	return err;
}

void containers_list_deinit(struct containers_list *list)
{
	free(list->rows);
	if (list->places)
		place_table_free(list->places);
	*list = (struct containers_list){0};
}
