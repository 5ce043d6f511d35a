// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/floor.h"

#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pyprof/limits.h"
#include "tests/bench/bench.h"

struct floor {
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *links[MAX_CPUS];
};

static struct bpf_link *attach(struct bpf_program *program, u32 cpu, u32 hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = hz,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		bench_die("cannot open a clock on CPU %u", cpu);
	struct bpf_link *link = bpf_program__attach_perf_event(program, fd); /* takes the descriptor over */
	if (!link)
		bench_die("cannot attach the empty program on CPU %u", cpu);
	return link;
}

struct floor *floor_open(u32 hz)
{
	const char *path = getenv("BENCH_EMPTY");
	struct floor *floor = calloc(1, sizeof(*floor));

	if (!floor)
		bench_die("no memory");
	floor->object = bpf_object__open_file(path ? path : "build/tests/bench/empty.bpf.o", NULL);
	if (!floor->object || bpf_object__load(floor->object))
		bench_die("cannot load the empty program");
	floor->program = bpf_object__find_program_by_name(floor->object, "empty");
	if (!floor->program)
		bench_die("the empty program is not where it should be");
	for (u32 cpu = 0; cpu < bench_cpu_cnt(); cpu++)
		floor->links[cpu] = attach(floor->program, cpu, hz);
	return floor;
}

void floor_close(struct floor *floor)
{
	for (u32 cpu = 0; cpu < bench_cpu_cnt(); cpu++)
		bpf_link__destroy(floor->links[cpu]);
	bpf_object__close(floor->object);
	free(floor);
}

struct program_cost floor_cost(const struct floor *floor)
{
	return program_cost_of_fd(bpf_program__fd(floor->program));
}
