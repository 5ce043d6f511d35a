/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/snapshot.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "dump/about.h"
#include "dump/process_list.h"
#include "profile/losses.h"

static struct snapshot *snapshot_of(u32 pid)
{
	struct snapshot *snapshot;

	cr_assert_eq(snapshot_new(pid, &snapshot), 0);
	return snapshot;
}

Test(snapshot, room_is_zeroed_aligned_and_stays_where_it_is)
{
	static const size_t sizes[] = {1, 24, 7, 100000, 3, 65536, 8, 4000, 65537, 1};
	unsigned char *rooms[200 * sizeof(sizes) / sizeof(*sizes)];
	size_t cnt = 0;
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of(1);

	for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++, cnt++) {
		size_t size = sizes[i % (sizeof(sizes) / sizeof(*sizes))];

		rooms[cnt] = snapshot_room(snapshot, size, 1);
		cr_assert_not_null(rooms[cnt]);
		cr_assert_eq((uintptr_t)rooms[cnt] % 16, 0);
		for (size_t j = 0; j < size; j++)
			cr_assert_eq(rooms[cnt][j], 0);
		memset(rooms[cnt], 1 + i % 250, size);
	}
	for (size_t i = 0; i < cnt; i++)
		cr_assert_eq(rooms[i][0], 1 + i % 250, "room %zu was written over", i);
}

Test(snapshot, room_for_more_than_there_is_memory_is_refused)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of(1);

	cr_expect_null(snapshot_room(snapshot, SIZE_MAX / 2, 4));
	cr_expect_null(snapshot_room(snapshot, 1, SIZE_MAX));
	cr_expect_not_null(snapshot_room(snapshot, 0, 8));
}

Test(snapshot, counts_threads_that_were_read_and_those_that_could_not_be)
{
	struct dump_thread threads[] = {
		{.tid = 1, .state = 1, .taken = TAKEN_AT_REST, .loss = LOSS_NONE},
		{.tid = 2, .state = 1, .taken = TAKEN_ON_CPU, .loss = LOSS_PYTHON_DEPTH},
		{.tid = 3, .state = 1, .taken = TAKEN_NOT, .loss = LOSS_TIME},
		{.tid = 4, .state = 1, .taken = TAKEN_NOT, .loss = LOSS_NONE}, /* its stack was not asked for */
		{.tid = 0, .state = 1, .taken = TAKEN_NOT, .loss = LOSS_NONE},
		{.tid = 0,
		 .state = 1,
		 .taken = TAKEN_AT_REST,
		 .loss = LOSS_NONE}, /* its thread did not survive a fork */
	};
	struct snapshot_counts all = snapshot_count(&(struct snapshot){.threads = threads, .thread_cnt = 6});
	struct snapshot_counts lost = snapshot_count(&(struct snapshot){.threads = &threads[2], .thread_cnt = 1});

	cr_expect_eq(all.read, 4);
	cr_expect_eq(all.lost, 1);
	cr_expect_eq(lost.read, 0);
	cr_expect_eq(lost.lost, 1);
}

Test(snapshot, a_text_is_kept_once_and_made_fit_for_every_output)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of(1);
	char name[] = "worker";
	const char *first = snapshot_text(snapshot, name);

	name[0] = 'W';
	cr_expect_str_eq(first, "worker");
	cr_expect_eq(snapshot_text(snapshot, "worker"), first);
	cr_expect_str_eq(snapshot_text(snapshot, "a\033[31mb\xff"), "a?[31mb\xef\xbf\xbd");
}

Test(snapshot, the_cgroup_is_that_of_version_2_unless_nobody_uses_it)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
		{"0::/system.slice/web.service\n", "/system.slice/web.service"},
		{"0::/\n", "/"},
		{"12:pids:/a\n1:name=systemd:/user.slice\n0::/\n", "/user.slice"},
		{"12:pids:/a\n1:name=systemd:/user.slice\n0::/user.slice/x:y\n", "/user.slice/x:y"},
		{"9:name=systemd:/\n8:pids:/\n", "/"},
		{"8:pids:/\n", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t size = 0;
		const char *path = about_cgroup_path(rows[i].text, &size);

		if (!rows[i].path) {
			cr_expect_null(path, "%s", rows[i].text);
			continue;
		}
		cr_assert_not_null(path, "%s", rows[i].text);
		cr_expect(size == strlen(rows[i].path) && !memcmp(path, rows[i].path, size), "%.*s of %s", (int)size,
			  path, rows[i].text);
	}
}

Test(snapshot, says_of_a_process_what_proc_says)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of(getpid());
	char exe[4096];
	ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	cr_assert_gt(size, 0);
	exe[size] = 0;
	cr_assert_eq(about_read(snapshot), 0);
	cr_expect_str_eq(snapshot->exe, exe);
	cr_expect_str_not_empty(snapshot->command_line);
	cr_expect_null(strchr(snapshot->command_line, '\n'));
}

Test(snapshot, a_parent_is_found_behind_any_command)
{
	cr_expect_eq(process_list_parent("12 (sleep) S 34 12 12 0 -1"), 34);
	cr_expect_eq(process_list_parent("12 (a) S 1 (b) S 56 12 12"), 56);
	cr_expect_eq(process_list_parent("12 (a\n) Z 7 x"), 7);
	cr_expect_eq(process_list_parent("12 (a"), 0);
	cr_expect_eq(process_list_parent(""), 0);
}

static bool contains(const u32 *pids, size_t cnt, u32 pid)
{
	for (size_t i = 0; i < cnt; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

Test(snapshot, the_children_of_a_process_are_all_that_it_started)
{
	int alive[2], up[2];
	pid_t grandchild, other;
	u32 *pids;
	size_t cnt;
	char byte;

	cr_assert(!pipe(alive) && !pipe(up));
	pid_t child = fork();
	if (!child) {
		close(alive[1]);
		grandchild = fork();
		if (grandchild && write(up[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		_exit(read(alive[0], &byte, 1) < 0); /* until our parent has seen enough */
	}
	other = fork();
	if (!other) {
		close(alive[1]);
		_exit(read(alive[0], &byte, 1) < 0);
	}
	cr_assert_eq(read(up[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	cr_assert_eq(process_list_read(child, &pids, &cnt), 0);
	cr_expect_eq(cnt, 2);
	cr_expect(contains(pids, cnt, child) && contains(pids, cnt, grandchild));
	free(pids);
	cr_assert_eq(process_list_read(0, &pids, &cnt), 0);
	cr_expect(contains(pids, cnt, other) && contains(pids, cnt, getpid()) && contains(pids, cnt, 1));
	free(pids);
	close(alive[1]);
}
