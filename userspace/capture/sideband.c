/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/sideband_record.h"

#define RING_SIZE 65536 /* of one CPU; a record is 100 to 200 bytes */
#define QUEUE_MAX (16 << 20) /* bytes that wait for their turn, of all CPUs */

struct cpu_ring {
	int cpu;
	int fd;
	struct perf_event_mmap_page *page; /* the data follow it */
	size_t size; /* of the data */
};

/* Records that were taken out of the rings; each lies at an offset in `bytes`, 8-byte aligned. */
struct queue_entry {
	u64 time_ns;
	size_t offset;
};

struct sideband {
	int epoll_fd;
	size_t page_size;
	struct cpu_ring *rings;
	size_t ring_cnt;

	u8 *bytes;
	size_t size, capacity;
	struct queue_entry *entries;
	size_t cnt, entry_capacity;
	bool lost; /* the queue was full, or a record made no sense: say so on the next drain */

	u8 scratch[RING_RECORD_MAX];
	struct sideband_record record;
};

static int event_open(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU, /* see struct sample_id */
		.sample_id_all = 1,
		.mmap = 1, /* executable only: mmap_data is 0 */
		.mmap2 = 1,
		.comm = 1, /* for the mark of exec */
		.comm_exec = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = RING_SIZE / 4,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void cpu_ring_deinit(struct cpu_ring *ring, size_t page_size)
{
	munmap(ring->page, page_size + ring->size);
	close(ring->fd);
}

/* Without CAP_IPC_LOCK a user's locked memory is limited, which gives EPERM: take a smaller ring then. */
static int cpu_ring_init(struct cpu_ring *ring, int cpu, size_t page_size)
{
	_cleanup_(fd) int fd = event_open(cpu);
	size_t size = RING_SIZE;
	void *page;

	if (fd < 0)
		return fd;
	for (;; size /= 2) {
		page = mmap(NULL, page_size + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED)
			break;
		if ((errno != EPERM && errno != ENOMEM) || size <= page_size)
			return -errno;
	}
	*ring = (struct cpu_ring){.cpu = cpu, .fd = take_fd(fd), .page = page, .size = size};
	return 0;
}

int sideband_open(const int *cpus, size_t cpu_cnt, struct sideband **ret)
{
	_cleanup_(sideband) struct sideband *sideband = calloc(1, sizeof(*sideband));

	if (!sideband)
		return -ENOMEM;
	sideband->page_size = sysconf(_SC_PAGESIZE);
	sideband->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sideband->epoll_fd < 0)
		return -errno;

	for (size_t i = 0; i < cpu_cnt; i++) {
		int err = sideband_add_cpu(sideband, cpus[i]);

		if (err && err != -ENODEV)
			return err;
	}
	*ret = take(sideband);
	return 0;
}

void sideband_close(struct sideband *sideband)
{
	if (!sideband)
		return;
	for (size_t i = 0; i < sideband->ring_cnt; i++)
		cpu_ring_deinit(&sideband->rings[i], sideband->page_size);
	if (sideband->epoll_fd >= 0)
		close(sideband->epoll_fd);
	free(sideband->rings);
	free(sideband->bytes);
	free(sideband->entries);
	free(sideband);
}

int sideband_fd(const struct sideband *sideband)
{
	return sideband->epoll_fd;
}

size_t sideband_ring_size(const struct sideband *sideband)
{
	size_t size = 0;

	for (size_t i = 0; i < sideband->ring_cnt; i++)
		size += sideband->rings[i].size;
	return size;
}

static struct cpu_ring *sideband_find_cpu(struct sideband *sideband, int cpu)
{
	for (size_t i = 0; i < sideband->ring_cnt; i++) {
		if (sideband->rings[i].cpu == cpu)
			return &sideband->rings[i];
	}
	return NULL;
}

int sideband_add_cpu(struct sideband *sideband, int cpu)
{
	struct cpu_ring ring;

	if (sideband_find_cpu(sideband, cpu))
		return 0;

	struct cpu_ring *rings = reallocarray(sideband->rings, sideband->ring_cnt + 1, sizeof(*rings));
	if (!rings)
		return -ENOMEM;
	sideband->rings = rings;

	int err = cpu_ring_init(&ring, cpu, sideband->page_size);
	if (err)
		return err;
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll_ctl(sideband->epoll_fd, EPOLL_CTL_ADD, ring.fd, &event)) {
		err = -errno;
		cpu_ring_deinit(&ring, sideband->page_size);
		return err;
	}
	rings[sideband->ring_cnt++] = ring;
	return 0;
}

/* Grows an array to hold cnt items and more to come. */
static int array_reserve(void **at, size_t *capacity, size_t cnt, size_t item_size)
{
	if (cnt <= *capacity)
		return 0;

	size_t more = *capacity ? *capacity : 4096 / item_size;
	while (more < cnt)
		more *= 2;
	void *array = reallocarray(*at, more, item_size);
	if (!array)
		return -ENOMEM;
	*at = array;
	*capacity = more;
	return 0;
}

/* False when there is no room. */
static bool queue_put(struct sideband *s, const struct record *record)
{
	/* Path sizes are multiples of 8, and so is everything else in a record. */
	if (s->size + record->size > QUEUE_MAX)
		return false;
	if (array_reserve((void **)&s->bytes, &s->capacity, s->size + record->size, 1) ||
	    array_reserve((void **)&s->entries, &s->entry_capacity, s->cnt + 1, sizeof(*s->entries)))
		return false;
	memcpy(s->bytes + s->size, record, record->size);
	s->entries[s->cnt++] = (struct queue_entry){.time_ns = record->time_ns, .offset = s->size};
	s->size += record->size;
	return true;
}

static void sideband_read_ring(struct sideband *sideband, struct cpu_ring *from)
{
	struct perf_ring ring = {
		.data = (const u8 *)from->page + from->page->data_offset,
		.size = from->size,
		/* Pairs with the kernel's barrier between writing data and data_head. */
		.head = __atomic_load_n(&from->page->data_head, __ATOMIC_ACQUIRE),
		.tail = from->page->data_tail,
		.scratch = sideband->scratch,
	};

	for (;;) {
		const void *data;
		size_t size;
		int err = perf_ring_next(&ring, &data, &size);

		if (!err && !data)
			break;
		if (!err)
			err = sideband_record_parse(data, size, &sideband->record);
		if (!err && !queue_put(sideband, &sideband->record.mapping.record))
			err = -ENOMEM;
		if (err && err != -ENOMSG)
			sideband->lost = true;
	}
	/* Our reads are done before the kernel may write over them. */
	__atomic_store_n(&from->page->data_tail, ring.tail, __ATOMIC_RELEASE);
}

void sideband_remove_cpu(struct sideband *sideband, int cpu)
{
	struct cpu_ring *ring = sideband_find_cpu(sideband, cpu);

	if (!ring)
		return;
	sideband_read_ring(sideband, ring);
	cpu_ring_deinit(ring, sideband->page_size);
	*ring = sideband->rings[--sideband->ring_cnt];
}

/* By time; equal times keep the order of their ring. */
static int entry_compare(const void *a, const void *b)
{
	const struct queue_entry *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Forgets the first cnt entries. The few that stay move to the front, bytes too. */
static void queue_drop(struct sideband *s, size_t cnt)
{
	size_t kept = s->cnt - cnt, size = 0;

	if (!kept) {
		s->cnt = s->size = 0;
		return;
	}
	memmove(s->entries, s->entries + cnt, kept * sizeof(*s->entries));
	s->cnt = kept;

	u8 *bytes = malloc(s->size);
	if (!bytes)
		return; /* the dropped ones' bytes stay until the next drain: QUEUE_MAX still holds */
	for (size_t i = 0; i < kept; i++) {
		const struct record *record = (const struct record *)(s->bytes + s->entries[i].offset);

		memcpy(bytes + size, record, record->size);
		s->entries[i].offset = size;
		size += record->size;
	}
	free(s->bytes);
	s->bytes = bytes;
	s->capacity = s->size;
	s->size = size;
}

int sideband_drain(struct sideband *sideband, int (*on_record)(void *ctx, const struct record *record), void *ctx)
{
	u64 until_ns = clock_monotonic_ns();
	size_t done = 0;
	int err = 0;

	for (size_t i = 0; i < sideband->ring_cnt; i++)
		sideband_read_ring(sideband, &sideband->rings[i]);
	if (sideband->cnt)
		qsort(sideband->entries, sideband->cnt, sizeof(*sideband->entries), entry_compare);

	while (!err && done < sideband->cnt && sideband->entries[done].time_ns <= until_ns)
		err = on_record(ctx, (const struct record *)(sideband->bytes + sideband->entries[done++].offset));
	queue_drop(sideband, done);
	if (err || !sideband->lost)
		return err;

	sideband->lost = false;
	const struct record lost = {.type = RECORD_MAPPINGS_LOST, .size = sizeof(lost), .time_ns = until_ns};
	return on_record(ctx, &lost);
}
