/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/spool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/spool_record.h"

static const u64 ids[] = {0x1111, 0x2222};

#define COST	  (sizeof(struct spool_message) + 1)
#define FILE_COST (sizeof(struct spool_head) + 1)

static struct spool *spool_of(const char *path, u64 memory_max, u64 disk_max)
{
	struct spool_options options = {.path = path,
					.memory_max = memory_max,
					.disk_max = disk_max,
					.destinations = ids,
					.destination_cnt = 2};
	struct spool *spool = NULL;
	const char *step = "";

	int err = spool_new(&options, &spool, &step);
	cr_assert_eq(err, 0, "%s: %s", step, strerror(-err));
	return spool;
}

static void put(struct spool *spool, u32 destination, const char *texts)
{
	for (; *texts; texts++)
		spool_put(spool, destination, texts, 1);
}

/* Takes all of a destination away; '!': its file was not what was written. */
static void expect_all(struct spool *spool, u32 destination, const char *expected)
{
	char seen[64] = "";
	size_t cnt = 0;
	struct spool_message *message;

	while ((message = spool_take(spool, destination))) {
		int err = spool_load(spool, message);
		cr_assert(!err || err == -EBADMSG || err == -ENOENT, "%d", err);
		cr_assert_lt(cnt + 1, sizeof(seen));
		seen[cnt++] = err ? '!' : *(char *)message->body;
		if (err)
			spool_remove_damaged(spool, message);
		else
			spool_remove(spool, message);
	}
	cr_expect_str_eq(seen, expected, "%s instead of %s", seen, expected);
}

static struct spool_counts counts_of(struct spool *spool, u32 destination)
{
	struct spool_counts counts;

	spool_counts(spool, destination, &counts);
	return counts;
}

struct folder {
	char path[64];
};

static struct folder folder_new(void)
{
	struct folder folder = {"/tmp/pyprof-spool-XXXXXX"};

	cr_assert_not_null(mkdtemp(folder.path));
	return folder;
}

static char *file_of(const struct folder *folder, u64 number)
{
	static char path[128];
	char name[SPOOL_NAME_SIZE];

	spool_name(number, name);
	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return path;
}

static void folder_remove(struct folder *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder->path);
	cr_expect_eq(system(command), 0);
}

Test(spool, each_destination_takes_its_own_in_order)
{
	_cleanup_(spool) struct spool *spool = spool_of(NULL, 100 * COST, 0);

	put(spool, 0, "abc");
	put(spool, 1, "xyz");
	cr_expect_eq(counts_of(spool, 0).waiting, 3);
	cr_expect_eq(counts_of(spool, 0).waiting_bytes, 3);
	expect_all(spool, 1, "xyz");
	expect_all(spool, 0, "abc");
	expect_all(spool, 0, "");
}

Test(spool, that_is_full_drops_the_oldest_of_all)
{
	_cleanup_(spool) struct spool *spool = spool_of(NULL, 4 * COST, 0);

	put(spool, 0, "ab");
	put(spool, 1, "xy");
	put(spool, 0, "cde");
	expect_all(spool, 0, "cde");
	expect_all(spool, 1, "y");
	cr_expect_eq(counts_of(spool, 0).dropped, 2);
	cr_expect_eq(counts_of(spool, 1).dropped, 1);
}

Test(spool, what_is_under_way_keeps_its_place_and_is_never_dropped)
{
	_cleanup_(spool) struct spool *spool = spool_of(NULL, 3 * COST, 0);

	put(spool, 0, "ab");
	struct spool_message *taken = spool_take(spool, 0);
	cr_expect_null(spool_take(spool, 0), "one at a time");
	put(spool, 1, "xy");
	cr_expect_eq(counts_of(spool, 0).dropped, 0, "what is under way takes no room");
	cr_expect_eq(*(char *)taken->body, 'a');
	spool_release(spool, taken);
	/* Now there is one too many, and it is the oldest. */
	cr_expect_eq(counts_of(spool, 0).dropped, 1);
	expect_all(spool, 0, "b");
	expect_all(spool, 1, "xy");

	put(spool, 0, "cd");
	taken = spool_take(spool, 0);
	spool_release(spool, taken);
	expect_all(spool, 0, "cd");
}

Test(spool, goes_on_to_disk_when_memory_is_full_and_comes_back_in_order)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 2 * COST, 3 * FILE_COST);

	put(spool, 0, "abcde");
	cr_expect_eq(access(file_of(&folder, 2), F_OK), 0);
	put(spool, 0, "fg");
	/* a and b made room in memory for f and g. */
	cr_expect_eq(counts_of(spool, 0).dropped, 2);
	expect_all(spool, 0, "cdefg");
	cr_expect_neq(access(file_of(&folder, 2), F_OK), 0, "what is gone is gone from the disk");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, at_the_end_all_goes_to_disk_and_the_next_run_takes_it_up)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 2 * COST, 10 * FILE_COST);
	struct stat st;

	put(spool, 0, "ab");
	put(spool, 1, "x");
	put(spool, 0, "c");
	struct spool_message *taken = spool_take(spool, 0);
	spool_release(spool, taken);
	spool_keep(spool);
	cr_expect_eq(counts_of(spool, 0).waiting, 3);
	spool_free(spool);
	cr_expect_eq(stat(file_of(&folder, 0), &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_eq((u64)st.st_size, FILE_COST);

	spool = spool_of(folder.path, 2 * COST, 10 * FILE_COST);
	put(spool, 0, "d");
	expect_all(spool, 0, "abcd");
	expect_all(spool, 1, "x");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, while_a_destination_is_in_trouble_a_program_that_is_killed_loses_nothing)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 100 * COST, 100 * FILE_COST);

	put(spool, 0, "a");
	spool_release(spool, spool_take(spool, 0));
	put(spool, 0, "bc");
	put(spool, 1, "x");
	spool_free(spool); /* without spool_keep() */
	spool = spool_of(folder.path, 100 * COST, 100 * FILE_COST);
	expect_all(spool, 1, "");
	expect_all(spool, 0, "abc");
	put(spool, 0, "d");
	cr_expect_neq(access(file_of(&folder, 3), F_OK), 0, "it is well again: the disk is spared");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, saved_a_program_that_is_killed_loses_nothing_and_what_is_delivered_is_gone)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 100 * COST, 100 * FILE_COST);

	put(spool, 0, "abc");
	put(spool, 1, "xy");
	struct spool_message *under_way = spool_take(spool, 0), *other = spool_take(spool, 1);
	spool_save(spool);
	cr_assert_eq(*(char *)under_way->body, 'a', "who sends it still has it");
	spool_remove(spool, under_way);
	spool_release(spool, other);
	cr_expect_neq(access(file_of(&folder, 0), F_OK), 0);
	spool_free(spool); /* without spool_keep() */
	spool = spool_of(folder.path, 100 * COST, 100 * FILE_COST);
	expect_all(spool, 0, "bc");
	expect_all(spool, 1, "xy");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, saving_drops_nothing_for_want_of_room)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 10 * COST, 2 * FILE_COST);

	put(spool, 0, "abcd");
	spool_save(spool);
	cr_expect_eq(counts_of(spool, 0).waiting, 4);
	expect_all(spool, 0, "abcd");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, what_has_no_room_on_disk_at_the_end_is_the_oldest)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 2 * COST, 3 * FILE_COST);

	put(spool, 0, "abcde");
	spool_keep(spool);
	cr_expect_eq(counts_of(spool, 0).dropped, 2);
	expect_all(spool, 0, "cde");
	spool_free(spool);

	/* Without a folder all of it is. */
	spool = spool_of(NULL, 2 * COST, 0);
	put(spool, 0, "ab");
	spool_keep(spool);
	cr_expect_eq(counts_of(spool, 0).dropped, 2);
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, with_less_room_than_before_keeps_the_newest)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 0, 10 * FILE_COST);

	put(spool, 0, "abcde");
	spool_free(spool);
	spool = spool_of(folder.path, 0, 2 * FILE_COST);
	cr_expect_eq(counts_of(spool, 0).dropped, 3);
	expect_all(spool, 0, "de");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, what_is_larger_than_all_room_drops_nothing_but_itself)
{
	_cleanup_(spool) struct spool *spool = spool_of(NULL, 3 * COST, 0);
	char large[1000] = "";

	put(spool, 0, "abc");
	cr_expect_eq(spool_put(spool, 1, large, sizeof(large)), -EFBIG);
	cr_expect_eq(spool_put(spool, 1, large, 0), -EFBIG);
	cr_expect_eq(counts_of(spool, 1).dropped, 2);
	expect_all(spool, 0, "abc");
}

Test(spool, on_a_disk_that_cannot_be_written_stays_in_memory)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 2 * COST, 10 * FILE_COST);

	put(spool, 0, "abc");
	/* Root writes wherever it likes, but not into what is no more. */
	folder_remove(&folder);
	put(spool, 0, "de");
	cr_expect_eq(spool_disk_error(spool), -ENOENT);
	/* c was on disk. */
	expect_all(spool, 0, "!de");
	cr_expect_eq(counts_of(spool, 0).damaged, 1);
	cr_expect_eq(counts_of(spool, 0).dropped, 2);
	spool_free(spool);
}

Test(spool, what_is_set_aside_holds_up_no_others_and_is_as_old_as_before)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 0, 4 * FILE_COST);

	cr_expect_eq(spool_due_ns(spool, 0), UINT64_MAX);
	put(spool, 0, "abcd");
	spool_set_aside(spool, spool_take(spool, 0), 100);
	spool_set_aside(spool, spool_take(spool, 0), 50);
	cr_expect_eq(counts_of(spool, 0).waiting, 4);
	cr_expect_eq(spool_due_ns(spool, 0), 0, "c can be taken");
	struct spool_message *in_order = spool_take(spool, 0);
	cr_assert_eq(spool_load(spool, in_order), 0);
	cr_expect_eq(*(char *)in_order->body, 'c');
	spool_remove(spool, in_order);
	expect_all(spool, 0, "d");

	cr_expect_eq(spool_due_ns(spool, 0), 50);
	cr_expect_null(spool_take_aside(spool, 0, 49));
	struct spool_message *b = spool_take_aside(spool, 0, 50);
	cr_assert_eq(spool_load(spool, b), 0);
	cr_expect_eq(*(char *)b->body, 'b', "a is not due yet");
	spool_set_aside(spool, b, 60);
	cr_expect_eq(spool_due_ns(spool, 0), 60);
	spool_hurry(spool, 0);
	struct spool_message *a = spool_take_aside(spool, 0, 0);
	cr_assert_eq(spool_load(spool, a), 0);
	cr_expect_eq(*(char *)a->body, 'a');
	spool_release(spool, a);

	/* The oldest goes, aside or not; and the next run begins in order. */
	put(spool, 0, "efg");
	cr_expect_eq(counts_of(spool, 0).dropped, 1);
	spool_free(spool);
	spool = spool_of(folder.path, 0, 4 * FILE_COST);
	expect_all(spool, 0, "befg");
	spool_free(spool);
	folder_remove(&folder);
}

/* So that three more files can be open, and no fourth. */
static void leave_three_descriptors(void)
{
	int fds[3];

	for (int i = 0; i < 3; i++)
		cr_assert_geq(fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	struct rlimit limit = {.rlim_cur = fds[2] + 1, .rlim_max = fds[2] + 1};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

Test(spool, a_file_that_cannot_be_read_just_now_keeps_its_number_and_its_room)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 0, 3 * FILE_COST);
	struct stat before[3], after;

	put(spool, 0, "abc");
	spool_free(spool);
	for (u64 i = 0; i < 3; i++)
		cr_assert_eq(stat(file_of(&folder, i), &before[i]), 0);
	/* The folder, its lock and its list. */
	leave_three_descriptors();
	spool = spool_of(folder.path, 0, 4 * FILE_COST);
	cr_expect_eq(counts_of(spool, 0).waiting + counts_of(spool, 2).damaged, 0);
	put(spool, 0, "d");
	for (u64 i = 0; i < 3; i++) {
		cr_assert_eq(stat(file_of(&folder, i), &after), 0);
		cr_expect_eq(after.st_ino, before[i].st_ino, "%llu was overwritten", (unsigned long long)i);
	}
	cr_expect_eq(access(file_of(&folder, 3), F_OK), 0);
	put(spool, 0, "e");
	cr_expect_eq(counts_of(spool, 0).dropped, 1,
		     "three that were not read and one of ours are all there is room for");
	expect_all(spool, 0, "e");
	spool_free(spool);
	folder_remove(&folder);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

Test(spool, files_that_do_not_add_up_are_removed_and_counted)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 0, 100 * FILE_COST);
	char fifo[128], other[128];

	put(spool, 0, "abcdefgh");
	spool_free(spool);
	overwrite(file_of(&folder, 0), 0, "PYPROFSP", 8); /* no such format */
	overwrite(file_of(&folder, 1), 12, "\xff\xff\xff\xff", 4); /* a size that its file does not have */
	overwrite(file_of(&folder, 2), 16, "\x22\x22", 2); /* for somebody else */
	overwrite(file_of(&folder, 3), FILE_COST - 1, "D", 1); /* another body */
	cr_assert_eq(truncate(file_of(&folder, 4), FILE_COST - 1), 0); /* torn */
	cr_assert_eq(truncate(file_of(&folder, 5), 0), 0);
	unlink(file_of(&folder, 6));
	cr_assert_eq(symlink("/etc/passwd", file_of(&folder, 6)), 0);
	cr_assert_eq(mkfifo(file_of(&folder, 99), 0600), 0);
	snprintf(fifo, sizeof(fifo), "%s/00000000000000aa.msg.tmp", folder.path); /* never finished */
	cr_assert_geq(creat(fifo, 0600), 0);
	snprintf(other, sizeof(other), "%s/letter.txt", folder.path); /* not ours */
	cr_assert_geq(creat(other, 0600), 0);

	spool = spool_of(folder.path, 0, 100 * FILE_COST);
	cr_expect_eq(counts_of(spool, 2).damaged, 7, "%llu", (unsigned long long)counts_of(spool, 2).damaged);
	expect_all(spool, 0, "!h");
	cr_expect_eq(counts_of(spool, 0).damaged, 1);
	cr_expect_neq(access(fifo, F_OK), 0);
	cr_expect_eq(access(other, F_OK), 0);
	cr_expect_eq(access("/etc/passwd", F_OK), 0);
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, a_file_that_changes_while_it_waits_is_not_sent)
{
	struct folder folder = folder_new();
	struct spool *spool = spool_of(folder.path, 0, 100 * FILE_COST);

	put(spool, 0, "ab");
	put(spool, 1, "x");
	/* What was meant for one in the other's place. */
	char *from = strdup(file_of(&folder, 2));
	cr_assert_eq(rename(from, file_of(&folder, 0)), 0);
	free(from);
	expect_all(spool, 0, "!b");
	expect_all(spool, 1, "!");
	spool_free(spool);
	folder_remove(&folder);
}

Test(spool, a_folder_that_is_not_ours_alone_is_refused)
{
	struct folder folder = folder_new();
	struct spool_options options = {
		.path = folder.path, .disk_max = 1000, .destinations = ids, .destination_cnt = 2};
	struct spool *spool = NULL;
	const char *step = "";
	char inner[128], link[128];
	struct stat st;

	cr_assert_eq(chmod(folder.path, 0770), 0);
	cr_expect_eq(spool_new(&options, &spool, &step), -EPERM);
	cr_expect(strstr(step, "chmod go-w"), "%s", step);
	cr_assert_eq(chmod(folder.path, 0700), 0);

	snprintf(inner, sizeof(inner), "%s/inner/", folder.path);
	options.path = inner;
	cr_expect_eq(spool_new(&options, &spool, &step), 0, "%s", step);
	cr_expect_eq(stat(inner, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700);
	spool_free(spool);

	snprintf(link, sizeof(link), "%s/link/", folder.path);
	link[strlen(link) - 1] = 0;
	cr_assert_eq(symlink("inner", link), 0);
	strcat(link, "/");
	options.path = link;
	cr_expect_lt(spool_new(&options, &spool, &step), 0);
	cr_expect(strstr(step, "symlink"), "%s", step);

	if (!geteuid()) {
		cr_assert_eq(chown(inner, 12345, -1), 0);
		options.path = inner;
		cr_expect_eq(spool_new(&options, &spool, &step), -EPERM);
		cr_expect(strstr(step, "another user"), "%s", step);
	}
	options.path = "/nowhere/spool";
	cr_expect_eq(spool_new(&options, &spool, &step), -ENOENT);
	folder_remove(&folder);
}

Test(spool, a_lock_that_is_a_link_leads_nowhere)
{
	struct folder folder = folder_new();
	struct spool_options options = {
		.path = folder.path, .disk_max = 1000, .destinations = ids, .destination_cnt = 2};
	struct spool *spool = NULL;
	const char *step = "";
	char link[128];

	snprintf(link, sizeof(link), "%s/lock", folder.path);
	cr_assert_eq(symlink("/tmp/pyprof-never", link), 0);
	cr_expect_lt(spool_new(&options, &spool, &step), 0);
	cr_expect_neq(access("/tmp/pyprof-never", F_OK), 0);
	folder_remove(&folder);
}

Test(spool, names_of_files_are_read_as_they_are_written)
{
	static const char *const not_ours[] = {"",
					       "lock",
					       "0000000000000000.MSG",
					       "0000000000000000.msgx",
					       "000000000000000.msg",
					       "00000000000000000.msg",
					       "000000000000000A.msg",
					       "ffffffffffffffff.msg",
					       "4000000000000000.msg",
					       " 00000000000000.msg",
					       "."};
	static const u64 numbers[] = {0, 1, 0xabcdef, SPOOL_NUMBER_MAX - 1};
	char name[SPOOL_NAME_SIZE], temporary[64];
	u64 number;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		spool_name(numbers[i], name);
		cr_assert_eq(spool_name_read(name, &number), 0, "%s", name);
		cr_expect_eq(number, numbers[i]);
		snprintf(temporary, sizeof(temporary), "%s.tmp", name);
		cr_expect(spool_name_is_temporary(temporary));
		cr_expect_not(spool_name_is_temporary(name));
	}
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++) {
		cr_expect_eq(spool_name_read(not_ours[i], &number), -ENOENT, "%s", not_ours[i]);
		snprintf(temporary, sizeof(temporary), "%s.tmp", not_ours[i]);
		cr_expect_not(spool_name_is_temporary(temporary), "%s", temporary);
	}
}

Test(spool, destinations_are_told_apart_by_kind_and_address)
{
	u64 id = spool_destination("otlp", "http://a/x");

	cr_expect_eq(id, spool_destination("otlp", "http://a/x"));
	cr_expect_neq(id, spool_destination("otlp", "http://a/y"));
	cr_expect_neq(id, spool_destination("pyroscope", "http://a/x"));
	cr_expect_neq(spool_destination("a", "bc"), spool_destination("ab", "c"));
}
