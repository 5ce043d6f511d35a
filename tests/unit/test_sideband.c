/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "capture/sideband.h"
#include "capture/sideband_record.h"

TestSuite(sideband);

/* A record as the kernel writes it, put together piece by piece. */
struct perf_bytes {
	u8 at[8192];
	size_t size;
};

static void put(struct perf_bytes *b, const void *data, size_t size)
{
	memcpy(b->at + b->size, data, size);
	b->size += size;
}

static void put_u32(struct perf_bytes *b, u32 value)
{
	put(b, &value, sizeof(value));
}

static void put_u64(struct perf_bytes *b, u64 value)
{
	put(b, &value, sizeof(value));
}

static void put_header(struct perf_bytes *b, u32 type, u16 misc)
{
	struct perf_event_header header = {.type = type, .misc = misc};

	b->size = 0;
	put(b, &header, sizeof(header));
}

static void put_end(struct perf_bytes *b, u64 time_ns)
{
	put_u32(b, 7);
	put_u32(b, 8);
	put_u64(b, time_ns);
	put_u64(b, 0);
	((struct perf_event_header *)b->at)->size = b->size;
}

static void put_mmap2(struct perf_bytes *b, u32 pid, u64 start, u64 length, const char *path)
{
	char padded[4200] = "";

	put_header(b, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
	put_u32(b, pid);
	put_u32(b, pid + 1);
	put_u64(b, start);
	put_u64(b, length);
	put_u64(b, 0x2000);
	put_u32(b, 254);
	put_u32(b, 1);
	put_u64(b, 1835);
	put_u64(b, 99);
	put_u32(b, PROT_READ | PROT_EXEC);
	put_u32(b, MAP_PRIVATE);
	strcpy(padded, path);
	put(b, padded, (strlen(path) + 8) & ~7ul);
	put_end(b, 1000);
}

Test(sideband, a_new_mapping_becomes_a_record)
{
	struct perf_bytes b;
	struct sideband_record record;

	put_mmap2(&b, 7, 0x1000, 0x3000, "/usr/lib/x.so");
	cr_assert_eq(sideband_record_parse(b.at, b.size, &record), 0);
	cr_assert_eq(record.mapping.record.type, RECORD_MAPPING);
	cr_assert_eq(record.mapping.record.size, sizeof(record.mapping) + 16);
	cr_assert_eq(record.mapping.record.time_ns, 1000);
	cr_assert_eq(record.mapping.pid, 7);
	cr_assert_eq(record.mapping.tid, 8);
	cr_assert_eq(record.mapping.start, 0x1000);
	cr_assert_eq(record.mapping.end, 0x4000);
	cr_assert_eq(record.mapping.file_offset, 0x2000);
	cr_assert_eq(record.mapping.dev_major, 254);
	cr_assert_eq(record.mapping.dev_minor, 1);
	cr_assert_eq(record.mapping.inode, 1835);
	cr_assert_eq(record.mapping.path_size, 16);
	cr_assert_str_eq(record.path, "/usr/lib/x.so");
}

Test(sideband, anonymous_memory_has_an_empty_path)
{
	struct perf_bytes b;
	struct sideband_record record;

	put_mmap2(&b, 7, 0x1000, 0x3000, "//anon");
	cr_assert_eq(sideband_record_parse(b.at, b.size, &record), 0);
	cr_assert_str_eq(record.path, "");
	cr_assert_eq(record.mapping.path_size, 8);
}

Test(sideband, the_longest_path_fits_and_a_longer_one_is_refused)
{
	struct perf_bytes b;
	struct sideband_record record;
	char path[PATH_MAX + 1];

	memset(path, 'x', PATH_MAX);
	path[PATH_MAX] = 0;
	put_mmap2(&b, 7, 0x1000, 0x3000, path);
	cr_assert_eq(sideband_record_parse(b.at, b.size, &record), -EBADMSG);
	path[PATH_MAX - 1] = 0;
	put_mmap2(&b, 7, 0x1000, 0x3000, path);
	cr_assert_eq(sideband_record_parse(b.at, b.size, &record), 0);
	cr_assert_eq(strlen(record.path), PATH_MAX - 1);
}

Test(sideband, an_exec_is_an_empty_mapping_and_another_comm_is_nothing)
{
	struct perf_bytes b;
	struct sideband_record record;

	for (int exec = 0; exec < 2; exec++) {
		put_header(&b, PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
		put_u32(&b, 7);
		put_u32(&b, 7);
		put(&b, "python3", 8);
		put_end(&b, 5);
		cr_assert_eq(sideband_record_parse(b.at, b.size, &record), exec ? 0 : -ENOMSG);
	}
	cr_assert_eq(record.mapping.record.type, RECORD_MAPPING);
	cr_assert_eq(record.mapping.pid, 7);
	cr_assert_eq(record.mapping.start, 0);
	cr_assert_eq(record.mapping.end, 0);
	cr_assert_str_eq(record.path, "");
}

Test(sideband, lost_records_are_said)
{
	struct perf_bytes b;
	struct sideband_record record;

	put_header(&b, PERF_RECORD_LOST, 0);
	put_u64(&b, 1);
	put_u64(&b, 12);
	put_end(&b, 5);
	cr_assert_eq(sideband_record_parse(b.at, b.size, &record), 0);
	cr_assert_eq(record.mapping.record.type, RECORD_MAPPINGS_LOST);
	cr_assert_eq(record.mapping.record.size, sizeof(struct record));
}

Test(sideband, what_is_not_ours_or_not_whole_is_refused)
{
	struct perf_bytes b;
	struct sideband_record record;

	put_mmap2(&b, 0, 0x1000, 0x3000, "/x");
	cr_expect_eq(sideband_record_parse(b.at, b.size, &record), -ENOMSG, "a process outside our PID namespace");
	put_mmap2(&b, 7, -0x1000ull, 0x3000, "/x");
	cr_expect_eq(sideband_record_parse(b.at, b.size, &record), -EBADMSG, "beyond the address space");
	put_mmap2(&b, 7, 0x1000, 0, "/x");
	cr_expect_eq(sideband_record_parse(b.at, b.size, &record), -EBADMSG, "an empty one");
	put_mmap2(&b, 7, 0x1000, 0x3000, "/x");
	for (size_t size = 0; size < b.size; size++) {
		((struct perf_event_header *)b.at)->size = size;
		cr_expect_eq(sideband_record_parse(b.at, size, &record), -EBADMSG, "%zu bytes", size);
	}
}

static void ring_put(u8 *ring, size_t size, u64 *head, u16 record_size, u8 fill)
{
	u8 record[256];
	struct perf_event_header header = {.type = fill, .size = record_size};

	memset(record, fill, sizeof(record));
	memcpy(record, &header, sizeof(header));
	for (size_t i = 0; i < record_size; i++)
		ring[(*head)++ % size] = record[i];
}

Test(sideband, a_record_that_wraps_around_the_ring_is_whole)
{
	static u8 data[128], scratch[RING_RECORD_MAX];
	struct perf_ring ring = {.data = data, .size = sizeof(data), .scratch = scratch, .head = 96, .tail = 96};
	const u8 *record;
	size_t size;

	ring_put(data, sizeof(data), &ring.head, 72, 0xaa);
	ring_put(data, sizeof(data), &ring.head, 56, 0xbb);
	cr_assert_eq(perf_ring_next(&ring, (const void **)&record, &size), 0);
	cr_assert_eq(size, 72);
	for (size_t i = 8; i < size; i++)
		cr_assert_eq(record[i], 0xaa);
	cr_assert_eq(perf_ring_next(&ring, (const void **)&record, &size), 0);
	cr_assert_eq(size, 56);
	cr_assert_eq(record[55], 0xbb);
	cr_assert_eq(perf_ring_next(&ring, (const void **)&record, &size), 0);
	cr_assert_null(record);
	cr_assert_eq(ring.tail, ring.head);
}

Test(sideband, a_ring_with_nonsense_is_skipped)
{
	static u8 data[128], scratch[RING_RECORD_MAX];
	const u16 sizes[] = {0, 4, 7, 9, 200};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct perf_ring ring = {.data = data, .size = sizeof(data), .scratch = scratch};
		struct perf_event_header header = {.size = sizes[i]};
		const void *record;
		size_t size;

		ring.head = 64;
		memcpy(data, &header, sizeof(header));
		cr_assert_eq(perf_ring_next(&ring, &record, &size), -EBADMSG);
		cr_assert_eq(perf_ring_next(&ring, &record, &size), 0);
		cr_assert_null(record);
	}
}

/*
 * The kernel itself, from here on.
 */
struct seen {
	u32 pid;
	u64 start; /* of the one that we look for */
	u64 last_ns;
	int mappings, execs, others, out_of_order;
	char path[256];
	u64 size, inode;
};

static int see(void *ctx, const struct record *record)
{
	struct seen *seen = ctx;
	const struct mapping_record *mapping = (const void *)record;

	seen->out_of_order += record->time_ns < seen->last_ns;
	seen->last_ns = record->time_ns;
	if (record->type != RECORD_MAPPING || mapping->pid != seen->pid) {
		seen->others++;
		return 0;
	}
	if (!mapping->start && !mapping->end) {
		seen->execs++;
	} else if (!seen->start || mapping->start == seen->start) {
		seen->mappings++;
		seen->size = mapping->end - mapping->start;
		seen->inode = mapping->inode;
		snprintf(seen->path, sizeof(seen->path), "%s", (const char *)(mapping + 1));
	}
	return 0;
}

/*
 * Everybody's mappings are told through the same rings: on a busy machine there may be no room just when something is
 * done. Then it is done again; what is wrong is wrong each time.
 */
#define TRIES 20

/* What was told before is none of ours. */
static void forget_earlier(struct sideband *sideband)
{
	cr_assert_eq(sideband_drain(sideband, see, &(struct seen){0}), 0);
}

static struct sideband *open_or_skip(void)
{
	struct sideband *sideband;
	int cpus[1024], cnt = sysconf(_SC_NPROCESSORS_CONF);

	for (int i = 0; i < cnt; i++)
		cpus[i] = i;
	int err = sideband_open(cpus, cnt, &sideband);
	if (err == -EPERM || err == -EACCES || err == -ENOSYS)
		cr_skip_test("perf_event_open is not allowed here");
	cr_assert_eq(err, 0, "%s", strerror(-err));
	return sideband;
}

/* Maps our own program once more, executable, in a child; the child tells where. */
static void child_maps_a_file(struct seen *seen)
{
	int tell[2];

	cr_assert_eq(pipe(tell), 0);
	seen->pid = fork();
	if (!seen->pid) {
		_cleanup_(stream) FILE *program = fopen("/proc/self/exe", "r");
		void *at = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(program), 4096);
		(void)!write(tell[1], &at, sizeof(at));
		_exit(0);
	}
	cr_assert_eq(read(tell[0], &seen->start, 8), 8);
	waitpid(seen->pid, NULL, 0);
	close(tell[0]);
	close(tell[1]);
}

Test(sideband, a_child_that_maps_a_file_is_seen_at_once)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	struct seen seen = {0};
	struct stat st;

	for (int i = 0; i < TRIES && (seen.mappings != 1 || seen.out_of_order); i++) {
		seen = (struct seen){0};
		forget_earlier(sideband);
		child_maps_a_file(&seen);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	}
	cr_assert_eq(seen.mappings, 1);
	cr_assert_eq(seen.size, 8192);
	cr_assert_eq(seen.out_of_order, 0);
	cr_assert_eq(stat("/proc/self/exe", &st), 0);
	cr_assert_eq(seen.inode, st.st_ino);

	char path[256];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[size] = 0;
	cr_assert_str_eq(seen.path, path);
}

Test(sideband, memory_made_executable_later_is_seen)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	struct seen seen = {.pid = getpid()};
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	seen.start = (u64)at;
	for (int i = 0; i < TRIES && !seen.mappings; i++) {
		cr_assert_eq(mprotect(at, 4096, PROT_READ | PROT_WRITE), 0);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
		cr_assert_eq(seen.mappings, 0);
		cr_assert_eq(mprotect(at, 4096, PROT_READ | PROT_EXEC), 0);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	}
	cr_assert_eq(seen.mappings, 1);
	cr_assert_str_eq(seen.path, "");
}

Test(sideband, an_exec_comes_before_the_mappings_of_the_new_program)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	struct seen seen = {0};

	for (int i = 0; i < TRIES && (seen.execs != 1 || seen.mappings < 3); i++) {
		seen = (struct seen){0};
		forget_earlier(sideband);
		seen.pid = fork();
		if (!seen.pid) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		waitpid(seen.pid, NULL, 0);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	}
	cr_assert_eq(seen.execs, 1);
	cr_assert_geq(seen.mappings, 3, "/bin/true, ld.so, libc and the vDSO, but %d", seen.mappings);
}

/* Half of it on one and half on another is a quarter of none. */
static void stay_on_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

Test(sideband, a_quarter_full_ring_wakes_us_and_a_full_one_says_so)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	struct seen seen = {.pid = getpid()};
	struct pollfd fd = {.fd = sideband_fd(sideband), .events = POLLIN};
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	seen.start = (u64)at;
	stay_on_this_cpu();
	for (int tries = 0; tries < TRIES && seen.mappings != 300; tries++) {
		seen.mappings = 0;
		forget_earlier(sideband);
		if (poll(&fd, 1, 0))
			continue;
		for (int i = 0; i < 300; i++) {
			mprotect(at, 4096, PROT_READ | PROT_EXEC);
			mprotect(at, 4096, PROT_READ);
		}
		cr_assert_eq(poll(&fd, 1, 60000), 1);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	}
	cr_assert_eq(seen.mappings, 300);

	for (int i = 0; i < 5000; i++) {
		mprotect(at, 4096, PROT_READ | PROT_EXEC);
		mprotect(at, 4096, PROT_READ);
	}
	cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	cr_assert_lt(seen.mappings, 5300);

	/* The kernel says it with the next record that finds room. */
	int losses = 0;
	for (int i = 0; i < 100 && !losses; i++) {
		seen.others = 0;
		mprotect(at, 4096, PROT_READ | PROT_EXEC);
		mprotect(at, 4096, PROT_READ);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
		losses = seen.others;
		usleep(1000);
	}
	cr_assert_gt(losses, 0);
}

static int stop(void *ctx, const struct record *record)
{
	return ++*(int *)ctx == 1 ? -ECANCELED : 0;
}

Test(sideband, what_the_caller_did_not_take_stays_for_the_next_time)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int calls = 0;

	for (int i = 0; i < 10; i++) {
		mprotect(at, 4096, PROT_READ | PROT_EXEC);
		mprotect(at, 4096, PROT_READ);
	}
	cr_assert_eq(sideband_drain(sideband, stop, &calls), -ECANCELED);
	cr_assert_eq(calls, 1);
	cr_assert_eq(sideband_drain(sideband, stop, &calls), 0);
	cr_assert_geq(calls, 10);
}

Test(sideband, a_cpu_can_go_and_come_back)
{
	_cleanup_(sideband) struct sideband *sideband = open_or_skip();
	struct seen seen = {0};
	size_t size = sideband_ring_size(sideband);

	sideband_remove_cpu(sideband, 0);
	sideband_remove_cpu(sideband, 0);
	cr_assert_lt(sideband_ring_size(sideband), size);
	cr_assert_eq(sideband_add_cpu(sideband, 0), 0);
	cr_assert_eq(sideband_add_cpu(sideband, 0), 0);
	cr_assert_eq(sideband_ring_size(sideband), size);
	for (int i = 0; i < TRIES && seen.mappings != 1; i++) {
		seen = (struct seen){0};
		forget_earlier(sideband);
		child_maps_a_file(&seen);
		cr_assert_eq(sideband_drain(sideband, see, &seen), 0);
	}
	cr_assert_eq(seen.mappings, 1);
}
