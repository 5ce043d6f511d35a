/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/thread_sampler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "capture/perf_event.h"
#include "capture/probe.h"
#include "capture/record.h"
#include "pyprof/config.h"
#include "pyprof.skel.h"
#include "scratch.bpf.h"

#define FREQUENCY_HZ	  4000
#define TIME_BUDGET_NS	  (500 * 1000ull)
#define KERNEL_STACK_SIZE 16384 /* x86-64; only used where bpf_task_pt_regs is absent */
#define RING_SIZE_MIN	  (2u << 20)
#define RING_SIZE_OF_CPU  (128u << 10) /* all CPUs may send the largest stack at once */
#define POLL_MS		  10 /* each sample wakes us up */

DEFINE_CLEANUP(ring, struct ring_buffer *, ring_buffer__free)

struct thread_sampler {
	struct pyprof_bpf *skeleton;
	int ring;
	u32 ring_size;
	u32 frequency_hz;
	u32 cpu_cnt; /* possible ones */
	bool hardware;
	/* by CPU: of the sample that comes next from there */
	struct stack_record **stacks;
};

/* One thread to be taken. */
struct wanted {
	u32 tid;
	int event; /* -1: it was taken, or is gone */
};

/* One thread_sampler_take() under way. */
struct taking {
	struct thread_sampler *sampler;
	const struct process_id *process;
	struct wanted *wanted;
	size_t cnt, left;
	u64 start_ns;
	int (*visit)(void *ctx, const struct thread_sample *sample);
	void *ctx;
	int err; /* visit's answer */
};

static void configure(struct thread_sampler *s, bool kernel_stacks)
{
	struct bpf_map *per_cpu[] = {s->skeleton->maps.scratches, s->skeleton->maps.signature_caches,
				     s->skeleton->maps.stack_records};
	/* Never written, or of the native walk, which is left out. */
	struct bpf_map *unused[] = {s->skeleton->maps.threads,	    s->skeleton->maps.unwind_mappings,
				    s->skeleton->maps.unwind_files, s->skeleton->maps.unwind_pages,
				    s->skeleton->maps.unwind_rows,  s->skeleton->maps.unwind_rules,
				    s->skeleton->maps.processes,    s->skeleton->maps.layouts};
	struct bpf_program *program;

	for (size_t i = 0; i < sizeof(per_cpu) / sizeof(*per_cpu); i++)
		bpf_map__set_max_entries(per_cpu[i], s->cpu_cnt);
	for (size_t i = 0; i < sizeof(unused) / sizeof(*unused); i++)
		bpf_map__set_max_entries(unused[i], 1);
	bpf_map__set_autocreate(s->skeleton->maps.thread_buffers, false);
	bpf_object__for_each_program(program, s->skeleton->obj)
		bpf_program__set_autoload(program, program == s->skeleton->progs.sample);
	s->skeleton->rodata->config = (struct config){
		.time_budget_ns = TIME_BUDGET_NS,
		.ring_size = s->ring_size,
		.all = 1, /* only those that are wanted have a clock */
		.kernel_stacks = kernel_stacks,
		.thread_size = KERNEL_STACK_SIZE,
		.stack_copy_size = MAX_STACK_COPY,
		.stack_copies = UINT32_MAX,
		.asked_for = 1,
	};
}

static u32 ring_size_for(u32 cpu_cnt)
{
	u32 size = RING_SIZE_MIN;

	while (size < cpu_cnt * RING_SIZE_OF_CPU)
		size *= 2;
	return size;
}

/* What the kernel allows: less than it once did, where interrupts took long. */
static u32 frequency_allowed(void)
{
	_cleanup_(stream) FILE *file = fopen("/proc/sys/kernel/perf_event_max_sample_rate", "re");
	unsigned int most;

	return file && fscanf(file, "%u", &most) == 1 && most && most < FREQUENCY_HZ ? most : FREQUENCY_HZ;
}

/* One ring for all CPUs. */
static int ring_make(struct thread_sampler *s)
{
	s->ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, s->ring_size, NULL);
	if (s->ring < 0)
		return -errno;
	for (u32 i = 0; i * CPUS_PER_RING < s->cpu_cnt; i++)
		if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.rings), &i, &s->ring, BPF_ANY))
			return -errno;
	return 0;
}

int thread_sampler_new(bool kernel_stacks, u32 namespace_level, struct thread_sampler **ret)
{
	_cleanup_(thread_sampler) struct thread_sampler *s = calloc(1, sizeof(*s));
	int cpu_cnt = libbpf_num_possible_cpus();

	STRBUF(why);

	if (!s)
		return -ENOMEM;
	s->ring = -1;
	/* Reading user memory in an interrupt may hang some kernels: there, threads are read at rest or not at all. */
	if (probe_kernel_is_safe(false, &why))
		return -EOPNOTSUPP;
	if (cpu_cnt < 1 || cpu_cnt > MAX_CPUS)
		return -E2BIG;
	s->cpu_cnt = cpu_cnt;
	s->ring_size = ring_size_for(cpu_cnt);
	s->frequency_hz = frequency_allowed();
	s->hardware = true;
	s->stacks = calloc(s->cpu_cnt, sizeof(*s->stacks));
	if (!s->stacks)
		return -ENOMEM;

	s->skeleton = pyprof_bpf__open();
	if (!s->skeleton)
		return -errno;
	configure(s, kernel_stacks);
	s->skeleton->bss->namespace_level = namespace_level;
	int err = pyprof_bpf__load(s->skeleton);
	if (!err)
		err = ring_make(s);
	if (err)
		return err;
	*ret = take(s);
	return 0;
}

void thread_sampler_free(struct thread_sampler *s)
{
	if (!s)
		return;
	if (s->ring >= 0)
		close(s->ring);
	for (u32 i = 0; s->stacks && i < s->cpu_cnt; i++)
		free(s->stacks[i]);
	free(s->stacks);
	pyprof_bpf__destroy(s->skeleton);
	free(s);
}

/* There is one process and one layout at a time. */
static int process_set(struct thread_sampler *s, const struct process_id *process, const struct python_layout *layout,
		       u64 runtime)
{
	int processes = bpf_map__fd(s->skeleton->maps.processes);
	struct process_row row = {
		.start_ns = process->start_ns,
		.exec_id = process->exec_id,
		.runtime = runtime,
		.flags = PROCESS_SELECTED, /* not known, and so each sample wakes us up */
	};
	u32 zero = 0, before;

	if (!bpf_map_get_next_key(processes, NULL, &before))
		bpf_map_delete_elem(processes, &before);
	if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.layouts), &zero, layout, BPF_ANY) ||
	    bpf_map_update_elem(processes, &process->pid, &row, BPF_ANY))
		return -errno;
	return 0;
}

/* Its event ends with its first overflow: a thread is interrupted, and its stack copied, once. */
static int clock_start(struct thread_sampler *s, struct wanted *wanted)
{
	int fd = perf_event_open_thread(wanted->tid, s->frequency_hz, &s->hardware);

	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(s->skeleton->progs.sample)) ||
	    ioctl(fd, PERF_EVENT_IOC_REFRESH, 1)) {
		int err = -errno;

		close(fd);
		return err;
	}
	wanted->event = fd;
	return 1;
}

/* When there are more than descriptors, the first ones are taken: the others can be asked for again. */
static int clocks_start(struct taking *t)
{
	int err = 0;

	for (size_t i = 0; i < t->cnt && err >= 0; i++) {
		err = clock_start(t->sampler, &t->wanted[i]);
		t->left += err > 0;
	}
	if (err == -EMFILE && t->left)
		return 0;
	return err < 0 ? err : 0;
}

static void clocks_stop(struct taking *t)
{
	for (size_t i = 0; i < t->cnt; i++)
		if (t->wanted[i].event >= 0)
			close(t->wanted[i].event);
}

static int stack_keep(struct taking *t, const struct stack_record *stack)
{
	struct stack_record **kept = &t->sampler->stacks[stack->cpu % t->sampler->cpu_cnt];

	free(*kept);
	*kept = malloc(stack->record.size);
	if (!*kept)
		return -ENOMEM;
	memcpy(*kept, stack, stack->record.size);
	return 0;
}

static struct wanted *wanted_find(const struct taking *t, u32 tid)
{
	for (size_t i = 0; i < t->cnt; i++)
		if (t->wanted[i].tid == tid && t->wanted[i].event >= 0)
			return &t->wanted[i];
	return NULL;
}

static int sample_hand_over(struct taking *t, const struct sample *sample)
{
	const struct stack_record *stack = t->sampler->stacks[sample->cpu % t->sampler->cpu_cnt];
	struct wanted *wanted = wanted_find(t, sample->tid);
	struct thread_sample whole = {.sample = sample};

	/* Of an earlier taking, or after an exec. */
	if (!wanted || sample->record.time_ns < t->start_ns || sample->process.start_ns != t->process->start_ns ||
	    sample->process.exec_id != t->process->exec_id)
		return 0;
	if (sample->flags & SAMPLE_STACK && stack && stack->tid == sample->tid &&
	    stack->record.time_ns == sample->record.time_ns)
		whole.stack = stack;
	close(wanted->event);
	wanted->event = -1;
	t->left--;
	return t->visit(t->ctx, &whole);
}

static int on_ring_record(void *ctx, void *data, size_t size)
{
	struct taking *t = ctx;
	const struct record *record = data;

	if (t->err || record_check(data, size))
		return 0;
	if (record->type == RECORD_STACK)
		t->err = stack_keep(t, data);
	else if (record->type == RECORD_SAMPLE)
		t->err = sample_hand_over(t, data);
	return 0;
}

static int clocks_wait(struct taking *t, u64 timeout_ns)
{
	_cleanup_(ring) struct ring_buffer *reader = ring_buffer__new(t->sampler->ring, on_ring_record, t, NULL);
	u64 start_ns = clock_monotonic_ns();

	if (!reader)
		return -errno;
	while (t->left && !t->err && clock_monotonic_ns() - start_ns < timeout_ns) {
		int err = ring_buffer__poll(reader, POLL_MS);

		if (err < 0 && err != -EINTR)
			return err;
	}
	return t->err;
}

int thread_sampler_take(struct thread_sampler *s, const struct process_id *process, const struct python_layout *layout,
			u64 runtime, const u32 *tids, size_t cnt, u64 timeout_ns,
			int (*visit)(void *ctx, const struct thread_sample *sample), void *ctx)
{
	_cleanup_(free) struct wanted *wanted = calloc(cnt + 1, sizeof(*wanted));
	struct taking t = {
		.sampler = s,
		.process = process,
		.wanted = wanted,
		.cnt = cnt,
		.start_ns = clock_monotonic_ns(),
		.visit = visit,
		.ctx = ctx,
	};

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		wanted[i] = (struct wanted){.tid = tids[i], .event = -1};

	int err = process_set(s, process, layout, runtime);
	if (!err)
		err = clocks_start(&t);
	if (!err)
		err = clocks_wait(&t, timeout_ns);
	clocks_stop(&t);
	return err;
}
