/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/sampling_clock.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "capture/perf_event.h"
#include "pyprof/limits.h"

#define NOT_TAKEN_SHARE 20 /* the accounts may be wrong by a twentieth ... */
#define NOT_TAKEN_NOISE 50 /* ... and by some ticks */

struct cpu {
	int number;
	struct bpf_link *link; /* owns the perf event too: libbpf closes it with the link */
	int event; /* borrowed from link */
	u64 started_ns;
};

struct sampling_clock {
	struct bpf_program *program;
	u32 frequency_hz;
	bool hardware;
	struct cpu cpus[MAX_CPUS];
	size_t cpu_cnt;
	u64 past_ns; /* CPU time sampled on CPUs that went offline */
	u64 stopped_ns;
	u64 busy_start_ns, busy_stop_ns; /* of all CPUs, by the kernel's accounts */
};

int sampling_clock_new(struct bpf_program *program, u32 frequency_hz, struct sampling_clock **ret)
{
	struct sampling_clock *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->program = program;
	c->frequency_hz = frequency_hz;
	c->hardware = true;
	*ret = c;
	return 0;
}

void sampling_clock_free(struct sampling_clock *c)
{
	if (!c)
		return;
	while (c->cpu_cnt)
		bpf_link__destroy(c->cpus[--c->cpu_cnt].link);
	free(c);
}

static u64 cpu_sampled_ns(const struct sampling_clock *c, const struct cpu *cpu)
{
	return (c->stopped_ns ? c->stopped_ns : clock_monotonic_ns()) - cpu->started_ns;
}

static void cpu_close(struct sampling_clock *c, size_t i)
{
	c->past_ns += cpu_sampled_ns(c, &c->cpus[i]);
	bpf_link__destroy(c->cpus[i].link);
	c->cpus[i] = c->cpus[--c->cpu_cnt];
}

static int cpu_open(struct sampling_clock *c, int number)
{
	int fd = perf_event_open_cpu(number, c->frequency_hz, &c->hardware);
	if (fd < 0)
		return fd;

	/* The link takes the descriptor over. */
	struct bpf_link *link = bpf_program__attach_perf_event(c->program, fd);
	if (!link) {
		int err = -errno;
		close(fd);
		return err;
	}
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		int err = -errno;
		bpf_link__destroy(link);
		return err;
	}
	c->cpus[c->cpu_cnt++] = (struct cpu){number, link, fd, clock_monotonic_ns()};
	return 0;
}

static bool cpu_is_open(const struct sampling_clock *c, int number)
{
	for (size_t i = 0; i < c->cpu_cnt; i++)
		if (c->cpus[i].number == number)
			return true;
	return false;
}

static bool cpu_is_online(int number, const int *online, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (online[i] == number)
			return true;
	return false;
}

int sampling_clock_check(struct sampling_clock *c, void (*on_change)(void *ctx, int cpu, bool online), void *ctx)
{
	int online[MAX_CPUS];
	size_t online_cnt;
	int err = cpus_online(online, MAX_CPUS, &online_cnt);

	if (err)
		return err;
	if (!c->busy_start_ns)
		cpus_busy_ns(&c->busy_start_ns);
	for (size_t i = c->cpu_cnt; i-- > 0;) {
		int number = c->cpus[i].number;

		if (cpu_is_online(number, online, online_cnt))
			continue;
		cpu_close(c, i);
		if (on_change)
			on_change(ctx, number, false);
	}
	for (size_t i = 0; i < online_cnt; i++) {
		if (cpu_is_open(c, online[i]))
			continue;
		err = cpu_open(c, online[i]);
		if (err == -ENODEV)
			continue; /* gone again */
		if (err)
			return err;
		if (on_change)
			on_change(ctx, online[i], true);
	}
	return c->cpu_cnt ? 0 : -ENODEV;
}

void sampling_clock_stop(struct sampling_clock *c)
{
	for (size_t i = 0; i < c->cpu_cnt; i++)
		ioctl(c->cpus[i].event, PERF_EVENT_IOC_DISABLE, 0);
	if (!c->stopped_ns)
		c->stopped_ns = clock_monotonic_ns();
}

u32 sampling_clock_cpu_cnt(const struct sampling_clock *c)
{
	return c->cpu_cnt;
}

/*
 * An idle CPU's timer may rest or come late, which costs no sample. So a shortfall
 * counts only as far as the kernel's own accounts say that CPUs were busy, and
 * beyond what those accounts, in ticks, may be wrong by. Of hardware cycles the
 * kernel itself tunes the period: then nothing can be said.
 */
u64 sampling_clock_not_taken(struct sampling_clock *c, const struct counters *counters)
{
	u64 period_ns = NS_PER_S / c->frequency_hz, sampled_ns = c->past_ns, busy_ns;

	for (size_t i = 0; i < c->cpu_cnt; i++)
		sampled_ns += cpu_sampled_ns(c, &c->cpus[i]);
	u64 expected = sampled_ns / period_ns;
	if (c->hardware || counters->runs >= expected || !c->busy_start_ns)
		return 0;
	if (!c->stopped_ns || !c->busy_stop_ns)
		cpus_busy_ns(&c->busy_stop_ns);
	busy_ns = c->busy_stop_ns - c->busy_start_ns;

	u64 short_by = expected - counters->runs;
	u64 taken = counters->runs - counters->idle, busy = busy_ns / period_ns;
	u64 noise = NOT_TAKEN_NOISE + busy / NOT_TAKEN_SHARE;
	if (busy <= taken + noise || short_by <= noise)
		return 0;
	return short_by < busy - taken ? short_by : busy - taken;
}
