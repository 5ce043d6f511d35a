/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/file.h"
#include "capture/cgroup_filter.h"
#include "capture/message.h"
#include "capture/perf_event.h"
#include "capture/record.h"
#include "capture/sampling_clock.h"
#include "capture/sideband.h"
#include "capture/unwind_maps.h"
#include "pyprof.skel.h"
#include "scratch.bpf.h"

#define TIME_BUDGET_NS	    (500 * 1000ull)
#define KERNEL_STACK_SIZE   16384 /* x86-64; only used where bpf_task_pt_regs is absent */
#define RING_SIZE_MIN	    (1u << 20)
#define RING_SIZE_MAX	    (32u << 20)
#define RECORD_SIZE_TYPICAL 512
#define STACK_COPIES_PER_S  20 /* by CPU: half a millisecond of copying and unwinding at worst, a second each */
#define RING_SECONDS	    2 /* how long we may stay without the CPU */

struct capture {
	struct capture_options options;
	struct pyprof_bpf *skeleton;
	struct ring_buffer *reader;
	struct sideband *sideband;
	struct unwind_memory unwind;
	struct cgroup_filter filter;
	int epoll;
	struct sampling_clock *clock;
	bool started;
	int rings[MAX_CPUS / CPUS_PER_RING];
	size_t ring_cnt;
	u32 ring_size;
	u32 possible_cpu_cnt;
	u32 layout_cnt;
	struct python_layout layouts[MAX_LAYOUTS];
	/* mappings of this drain, in the order of time */
	struct mapping_record **mappings;
	size_t mapping_cnt, mapping_capacity, mapping_next;
	bool mappings_lost;
	int drained; /* records of this drain */
	u64 map_bytes; /* all maps are preallocated: what they take does not change */
	u64 bad_records;
};

static u32 ring_size_for(u32 frequency_hz, u32 cpu_cnt)
{
	u32 cpus = cpu_cnt < CPUS_PER_RING ? cpu_cnt : CPUS_PER_RING;
	u64 wanted = (u64)frequency_hz * cpus * RECORD_SIZE_TYPICAL * RING_SECONDS;
	u32 size = RING_SIZE_MIN;

	while (size < wanted && size < RING_SIZE_MAX)
		size *= 2;
	return size;
}

static void configure(struct capture *c)
{
	struct bpf_map *per_cpu[] = {c->skeleton->maps.scratches, c->skeleton->maps.signature_caches,
				     c->skeleton->maps.sent_caches, c->skeleton->maps.rule_caches,
				     c->skeleton->maps.stack_records};
	struct pyprof_bpf__rodata *rodata = c->skeleton->rodata;

	bpf_program__set_autoload(c->skeleton->progs.list_threads, false); /* of thread_capture.h */
	bpf_map__set_autocreate(c->skeleton->maps.thread_buffers, false);
	for (size_t i = 0; i < sizeof(per_cpu) / sizeof(*per_cpu); i++)
		bpf_map__set_max_entries(per_cpu[i], c->possible_cpu_cnt);
	bpf_map__set_value_size(c->skeleton->maps.stack_records,
				sizeof(struct stack_record) + c->options.stack_copy_size);
	bpf_map__set_max_entries(c->skeleton->maps.selected_cgroups,
				 c->options.selected_cgroups ? MAX_SELECTED_CGROUPS : 1);
	rodata->config = (struct config){
		.weight_ns = NS_PER_S / c->options.frequency_hz,
		.time_budget_ns = TIME_BUDGET_NS,
		.ring_size = c->ring_size,
		.all = c->options.all,
		.kernel_stacks = c->options.kernel_stacks,
		.thread_size = KERNEL_STACK_SIZE,
		.python_native = c->options.python_native,
		.stack_copy_size = c->options.stack_copy_size,
		.stack_copies = STACK_COPIES_PER_S,
		.cgroup_v1 = c->options.cgroup_v1,
		.selected_cgroups = c->options.selected_cgroups,
	};
}

static int on_ring_record(void *ctx, void *data, size_t size);

static int rings_open(struct capture *c)
{
	for (u32 i = 0; i < c->ring_cnt; i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, c->ring_size, NULL);
		if (fd < 0)
			return -errno;
		c->rings[i] = fd;

		int err = bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.rings), &i, &fd, BPF_ANY);
		if (err)
			return -errno;
		if (!c->reader) {
			c->reader = ring_buffer__new(fd, on_ring_record, c, NULL);
			if (!c->reader)
				return -errno;
		} else if ((err = ring_buffer__add(c->reader, fd, on_ring_record, c))) {
			return err;
		}
	}
	return 0;
}

static int watch(struct capture *c, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int sideband_watch(struct capture *c)
{
	int cpus[MAX_CPUS];
	size_t cpu_cnt;
	int err = cpus_online(cpus, MAX_CPUS, &cpu_cnt);

	if (!err)
		err = sideband_open(cpus, cpu_cnt, &c->sideband);
	if (err)
		return err;
	return watch(c, sideband_fd(c->sideband));
}

static int programs_attach(struct capture *c)
{
	struct {
		struct bpf_program *program;
		struct bpf_link **link;
	} wanted[] = {
		{c->skeleton->progs.on_fork, &c->skeleton->links.on_fork},
		{c->skeleton->progs.on_exec, &c->skeleton->links.on_exec},
		{c->skeleton->progs.on_exit, &c->skeleton->links.on_exit},
		{c->skeleton->progs.on_cgroup_mkdir, &c->skeleton->links.on_cgroup_mkdir},
		{c->skeleton->progs.on_cgroup_rmdir, &c->skeleton->links.on_cgroup_rmdir},
		{c->skeleton->progs.list_processes, &c->skeleton->links.list_processes},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		*wanted[i].link = bpf_program__attach(wanted[i].program);
		if (!*wanted[i].link)
			return -errno;
	}
	return 0;
}

/* What the kernel itself charges for a map, 0 when it does not say. */
static u64 map_charge(int fd)
{
	char path[64];
	_cleanup_(free) char *text = NULL;
	size_t size;
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read(path, 65536, &text, &size))
		return 0;
	const char *line = strstr(text, "\nmemlock:");
	if (line)
		sscanf(line, " memlock: %llu", &bytes);
	return bytes;
}

static u64 maps_charge(const struct capture *c)
{
	struct bpf_map *map;
	u64 bytes = 0;

	bpf_object__for_each_map(map, c->skeleton->obj) bytes += map_charge(bpf_map__fd(map));
	for (size_t i = 0; i < c->ring_cnt; i++)
		bytes += map_charge(c->rings[i]);
	return bytes;
}

int capture_open(const struct capture_options *options, struct capture **ret, const char **ret_step)
{
	const char *ignored;
	const char **step = ret_step ? ret_step : &ignored;
	_cleanup_(capture) struct capture *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;

	c->options = *options;
	c->epoll = -1;
	c->possible_cpu_cnt = libbpf_num_possible_cpus();
	if (c->possible_cpu_cnt > MAX_CPUS)
		return -E2BIG;
	c->ring_cnt = (c->possible_cpu_cnt + CPUS_PER_RING - 1) / CPUS_PER_RING;
	c->ring_size = ring_size_for(options->frequency_hz, c->possible_cpu_cnt);
	for (size_t i = 0; i < c->ring_cnt; i++)
		c->rings[i] = -1;
	messages_send_to(options->on_message);

	*step = "epoll";
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return -errno;

	*step = "the BPF programs could not be opened";
	c->skeleton = pyprof_bpf__open();
	if (!c->skeleton)
		return -errno;
	configure(c);

	*step = "the kernel refused to load the BPF programs";
	int err = pyprof_bpf__load(c->skeleton);
	if (err)
		return err;

	c->filter = (struct cgroup_filter){
		.map = bpf_map__fd(c->skeleton->maps.selected_cgroups),
		.overflows = &c->skeleton->bss->selection_overflows,
		.settled = &c->skeleton->bss->selection_settled,
	};
	*step = "the BPF maps of unwind tables could not be mapped";
	err = unwind_maps_open(c->skeleton, &c->unwind);
	if (err)
		return err;

	*step = "a BPF ring buffer could not be made";
	err = rings_open(c);
	if (!err)
		err = watch(c, ring_buffer__epoll_fd(c->reader));
	if (err)
		return err;

	*step = "perf_event_open was refused for the mapping side-band";
	err = sideband_watch(c);
	if (err)
		return err;

	*step = "the BPF programs could not be attached to fork, exec, exit and the making of cgroups";
	err = programs_attach(c);
	if (!err)
		err = sampling_clock_new(c->skeleton->progs.sample, options->frequency_hz, &c->clock);
	if (err)
		return err;

	c->map_bytes = maps_charge(c);
	*ret = take(c);
	return 0;
}

static void on_cpu_change(void *ctx, int cpu, bool online)
{
	struct capture *c = ctx;

	if (online)
		sideband_add_cpu(c->sideband, cpu); /* or else /proc is read on first need */
	else
		sideband_remove_cpu(c->sideband, cpu);
}

int capture_check_cpus(struct capture *c)
{
	return c->started ? sampling_clock_check(c->clock, on_cpu_change, c) : 0;
}

int capture_start(struct capture *c)
{
	c->started = true;
	return capture_check_cpus(c);
}

void capture_stop(struct capture *c)
{
	sampling_clock_stop(c->clock);
	c->started = false;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	sampling_clock_free(c->clock);
	ring_buffer__free(c->reader);
	for (size_t i = 0; i < c->ring_cnt; i++)
		if (c->rings[i] >= 0)
			close(c->rings[i]);
	sideband_close(c->sideband);
	unwind_maps_close(c->skeleton, &c->unwind);
	pyprof_bpf__destroy(c->skeleton);
	if (c->epoll >= 0)
		close(c->epoll);
	for (size_t i = 0; i < c->mapping_cnt; i++)
		free(c->mappings[i]);
	free(c->mappings);
	free(c);
}

int capture_list(struct capture *c)
{
	_cleanup_(fd) int fd = bpf_iter_create(bpf_link__fd(c->skeleton->links.list_processes));
	if (fd < 0)
		return -errno;

	struct process_record records[64];
	size_t have = 0;

	/* The kernel may give any number of bytes at a time, but always the whole list in the end. */
	for (;;) {
		ssize_t got = read(fd, (char *)records + have, sizeof(records) - have);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return have ? -EBADMSG : 0;
		have += got;

		size_t cnt = have / sizeof(*records);
		for (size_t i = 0; i < cnt; i++) {
			records[i].record.type = RECORD_PROCESS;
			int err = c->options.on_record(c->options.ctx, &records[i].record);
			if (err)
				return err;
		}
		have -= cnt * sizeof(*records);
		memmove(records, &records[cnt], have);
	}
}

int capture_fd(const struct capture *c)
{
	return c->epoll;
}

static int on_mapping(void *ctx, const struct record *record)
{
	struct capture *c = ctx;

	if (record->type == RECORD_MAPPINGS_LOST) {
		c->mappings_lost = true;
		return 0;
	}
	if (c->mapping_cnt == c->mapping_capacity) {
		size_t capacity = c->mapping_capacity ? 2 * c->mapping_capacity : 256;
		void *more = realloc(c->mappings, capacity * sizeof(*c->mappings));
		if (!more)
			return -ENOMEM;
		c->mappings = more;
		c->mapping_capacity = capacity;
	}
	struct mapping_record *copy = malloc(record->size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, record, record->size);
	c->mappings[c->mapping_cnt++] = copy;
	return 0;
}

static int hand_over(struct capture *c, const struct record *record)
{
	c->drained++;
	return c->options.on_record(c->options.ctx, record);
}

/* Mappings up to an instant, before what happened then. */
static int mappings_hand_over(struct capture *c, u64 until_ns)
{
	int err = 0;

	while (!err && c->mapping_next < c->mapping_cnt && c->mappings[c->mapping_next]->record.time_ns <= until_ns)
		err = hand_over(c, &c->mappings[c->mapping_next++]->record);
	return err;
}

static int on_ring_record(void *ctx, void *data, size_t size)
{
	struct capture *c = ctx;

	if (record_check(data, size)) {
		c->bad_records++;
		return 0;
	}
	int err = mappings_hand_over(c, ((const struct record *)data)->time_ns);
	if (!err)
		err = hand_over(c, data);
	return err < 0 ? err : 0;
}

static void mappings_forget(struct capture *c)
{
	for (size_t i = 0; i < c->mapping_cnt; i++)
		free(c->mappings[i]);
	c->mapping_cnt = c->mapping_next = 0;
	c->mappings_lost = false;
}

/*
 * The side-band first, for a sample needs the mappings from before it. What is
 * mapped while the rings are read waits for the next drain at the latest.
 */
int capture_drain(struct capture *c)
{
	c->drained = 0;

	int err = sideband_drain(c->sideband, on_mapping, c);
	if (!err && c->mappings_lost) {
		struct record lost = {
			.type = RECORD_MAPPINGS_LOST, .size = sizeof(lost), .time_ns = clock_monotonic_ns()};
		err = hand_over(c, &lost);
	}
	if (!err) {
		err = ring_buffer__consume(c->reader);
		if (err > 0)
			err = 0;
	}
	if (!err)
		err = mappings_hand_over(c, UINT64_MAX);
	mappings_forget(c);
	return err ? err : c->drained;
}

int capture_set_process(struct capture *c, u32 pid, const struct process_row *row)
{
	return bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.processes), &pid, row, BPF_ANY) ? -errno : 0;
}

void capture_forget_process(struct capture *c, const struct process_id *id)
{
	int fd = bpf_map__fd(c->skeleton->maps.processes);
	struct process_row row;

	if (!bpf_map_lookup_elem(fd, &id->pid, &row) && row.start_ns == id->start_ns && row.exec_id == id->exec_id)
		bpf_map_delete_elem(fd, &id->pid);
}

int capture_add_layout(struct capture *c, const struct python_layout *layout, u32 *ret)
{
	for (u32 i = 0; i < c->layout_cnt; i++) {
		if (!memcmp(&c->layouts[i], layout, sizeof(*layout))) {
			*ret = i;
			return 0;
		}
	}
	if (c->layout_cnt == MAX_LAYOUTS)
		return -ENOSPC;

	u32 index = c->layout_cnt;
	if (bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.layouts), &index, layout, BPF_ANY))
		return -errno;
	c->layouts[c->layout_cnt++] = *layout;
	*ret = index;
	return 0;
}

int capture_set_thread(struct capture *c, u32 pid, u64 thread_pointer, u64 state)
{
	struct thread_key key = {pid, thread_pointer};

	return bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.threads), &key, &state, BPF_ANY) ? -errno : 0;
}

void capture_forget_thread(struct capture *c, u32 pid, u64 thread_pointer)
{
	struct thread_key key = {pid, thread_pointer};

	bpf_map_delete_elem(bpf_map__fd(c->skeleton->maps.threads), &key);
}

struct cgroup_filter *capture_cgroup_filter(struct capture *c)
{
	return &c->filter;
}

void capture_forget_parts(struct capture *c)
{
	__atomic_add_fetch(&c->skeleton->bss->epoch, 1, __ATOMIC_RELAXED);
}

const struct unwind_memory *capture_unwind_memory(const struct capture *c)
{
	return &c->unwind;
}

int capture_counters(struct capture *c, struct counters *ret)
{
	/* Values are padded to 8 bytes each; struct counters is made of them. */
	_cleanup_(free) struct counters *each = calloc(c->possible_cpu_cnt, sizeof(*each));
	u32 zero = 0;

	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.counters), &zero, each))
		return -errno;

	memset(ret, 0, sizeof(*ret));
	for (u32 cpu = 0; cpu < c->possible_cpu_cnt; cpu++)
		for (size_t i = 0; i < sizeof(*ret) / sizeof(u64); i++)
			((u64 *)ret)[i] += ((const u64 *)&each[cpu])[i];
	return 0;
}

u64 capture_not_taken(struct capture *c, const struct counters *counters)
{
	return sampling_clock_not_taken(c->clock, counters);
}

u64 capture_ring_bytes(const struct capture *c)
{
	return (u64)c->ring_size * c->ring_cnt;
}

u64 capture_map_bytes(const struct capture *c)
{
	return c->map_bytes;
}

u32 capture_cpu_cnt(const struct capture *c)
{
	return sampling_clock_cpu_cnt(c->clock);
}

u64 capture_bad_records(const struct capture *c)
{
	return c->bad_records;
}
