// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_fallback.c - stacks that libunwind must finish, because the kernel side
 * cannot follow their rules: how many they are among samples of Debian's own
 * programs (hand-written assembly, interpreters, compressors, all at once, sampled
 * fast), and what one of them costs. The latter is measured on this program's
 * own stack with the profiler's own code, in CPU time.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "pyprof/losses.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "unwind/fallback.h"

#define HZ		      999
#define FALLBACK_GOAL_PERCENT 0.5
#define STACK_COPY_SIZE	      16384 /* the default of --stack-copy */
#define STACK_DEPTH	      30
#define UNWIND_CNT	      1000
#define DATA_SIZE	      "4000000"
#define DATA_REPEATS	      100

/* Each a line of sh that ends in one process which works for a minute or more; $DATA: 400 MB of files. */
static const struct program {
	const char *name, *line;
} programs[] = {
	{"openssl", "exec openssl speed -seconds 600 -evp aes-256-gcm"},
	{"openssl", "exec openssl speed -seconds 600 rsa2048"},
	{"openssl", "exec openssl speed -seconds 600 ecdsap256"},
	{"sha256sum", "exec sha256sum /dev/zero"},
	{"gzip", "exec gzip -9c $DATA"},
	{"bzip2", "exec bzip2 -9c $DATA"},
	{"xz", "exec xz -T1 -c $DATA"},
	{"zstd", "exec zstd -9 -q -c $DATA"},
	{"sqlite3", "exec sqlite3 :memory: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
		    "SELECT x % 7, count(*) FROM c GROUP BY 1'"},
	{"sed", "exec sed ':again; s/\\([^:]*\\):/:\\1/; b again' /etc/passwd"},
	{"perl", "exec perl -e 'for (;;) { $s = join(q(,), map { $_ * 7 % 999 } 1 .. 999); $s =~ s/(\\d)(\\d)/$2$1/g; "
		 "@a = sort { $a <=> $b } split(/,/, $s) }'"},
	{"mawk",
	 "exec mawk 'BEGIN { for (;;) { s = s \"x\" i++; gsub(/x1/, \"y\", s); if (length(s) > 999) s = \"\" } }'"},
	{"bash", "exec bash -c 'for ((;;)); do x=${x//a/b}$RANDOM; ((${#x} > 999)) && x=a; done'"},
	{"/usr/bin/python3", "exec /usr/bin/python3 -c 'import json, re, zlib\n"
			     "while True:\n"
			     "    text = json.dumps([{str(n): n / 3} for n in range(200)])\n"
			     "    zlib.compress(re.sub(r\"(\\d)(\\d)\", r\"\\2\\1\", text).encode())\n"
			     "    sorted(json.loads(text), key=lambda item: -len(str(item)))'"},
};

#define PROGRAM_CNT (sizeof(programs) / sizeof(programs[0]))

static bool is_here(const char *name)
{
	char line[256];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", name);
	return !system(line);
}

/* What the compressors read: pieces of programs, again and again. */
static void make_data(void)
{
	char line[1024], names[16384];
	size_t size = 0;

	snprintf(line, sizeof(line), "cat /bin/* 2>/dev/null | head -c " DATA_SIZE " >%s/data", bench_scratch());
	if (system(line))
		bench_die("cannot write %s/data", bench_scratch());
	for (u32 i = 0; i < DATA_REPEATS && size < sizeof(names) - sizeof(line); i++)
		size += snprintf(names + size, sizeof(names) - size, "%s/data ", bench_scratch());
	setenv("DATA", names, 1);
}

static u32 programs_start(pid_t pids[PROGRAM_CNT])
{
	u32 cnt = 0;

	for (size_t i = 0; i < PROGRAM_CNT; i++) {
		const char *argv[] = {"sh", "-c", programs[i].line, NULL};

		if (is_here(programs[i].name))
			pids[cnt++] = child_start(argv, ANY_CPU, NULL);
	}
	return cnt;
}

/* Samples whose unwind tables were there: those of the first second could not come as far as a rule. */
static double samples_with_tables(const json_t *stats)
{
	const json_t *without = json_object_get(json_object_get(stats, "incomplete"), "no-table");

	return stats_number_in(stats, "native", "samples") - json_number_value(without); /* 0 when there is none */
}

static void measure_share(void)
{
	pid_t pids[PROGRAM_CNT];
	char list[PROGRAM_CNT * 12];
	size_t size = 0;

	make_data();
	u32 cnt = programs_start(pids);

	for (u32 i = 0; i < cnt; i++)
		size += snprintf(list + size, sizeof(list) - size, "%s%d", i ? "," : "", pids[i]);
	bench_note("fallback: %u of %zu programs are here", cnt, PROGRAM_CNT);
	bench_sleep(1); /* the shells are programs of their own */
	struct agent agent = agent_start_with(&(struct agent_options){.hz = HZ, .pids = list});

	bench_sleep(bench_times(8));
	json_t *stats = agent_stop(&agent);

	for (u32 i = 0; i < cnt; i++)
		child_stop(pids[i], SIGKILL);
	double samples = samples_with_tables(stats);
	if (samples <= 0)
		bench_die("no sample was taken when tables were there");
	bench_line("fallback_samples", samples, "samples", NO_GOAL);
	bench_line("fallback_share", 100 * stats_number_in(stats, "native", "fallback") / samples, "% of samples",
		   FALLBACK_GOAL_PERCENT);
	bench_line("fallback_complete", 100 * stats_number_in(stats, "native", "complete") / samples, "% of samples",
		   NO_GOAL);
	json_decref(stats);
}

/* This thread, as the kernel side would have sent it. */
struct own_stack {
	struct stack_record record;
	u8 bytes[STACK_COPY_SIZE];
};

/* In the order of their DWARF numbers. */
static const int registers[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
				REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

static void own_stack_take(struct own_stack *ret)
{
	struct stack_record *record = &ret->record;
	ucontext_t context;
	_cleanup_(fd) int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	getcontext(&context);
	memset(record, 0, sizeof(*record));
	record->record.type = RECORD_STACK;
	record->process.pid = getpid();
	record->tid = gettid();
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		record->registers[i] = context.uc_mcontext.gregs[registers[i]];
	record->stack_start = context.uc_mcontext.gregs[REG_RSP] & ~4095ull;
	ssize_t size = pread(memory, ret->bytes, sizeof(ret->bytes), record->stack_start);
	if (size <= 0)
		bench_die("cannot read this program's stack");
	record->stack_size = size & ~4095ull;
	record->record.size = sizeof(*record) + record->stack_size;
}

/* A little is left to do after the call, so that each level has its frame. */
static __attribute__((noinline)) u32 own_stack_take_below(u32 depth, struct own_stack *ret)
{
	if (!depth) {
		own_stack_take(ret);
		return 0;
	}
	volatile u32 below = own_stack_take_below(depth - 1, ret);

	return below + 1;
}

static void measure_cost(void)
{
	_cleanup_(mapped_file_cache) struct mapped_file_cache *files = mapped_file_cache_new();
	_cleanup_(process_table) struct process_table *processes = NULL;
	_cleanup_(fallback) struct fallback *fallback = NULL;
	struct process_id id = {.pid = getpid()};
	struct process *process;
	static struct own_stack stack;
	static u64 words[MAX_NATIVE_FRAMES];
	struct unwound unwound = {.words = words, .max = MAX_NATIVE_FRAMES};
	u64 sum_ns = 0;

	if (!files || process_table_new(files, &processes) || fallback_new(processes, &fallback) ||
	    process_table_get(processes, &id, "bench", &process))
		bench_die("no memory");
	own_stack_take_below(STACK_DEPTH, &stack);
	for (u32 i = 0; i <= UNWIND_CNT; i++) {
		u64 before_ns = bench_cpu_ns();

		const struct unwind_origin origin = unwind_origin_of(&stack.record, false);
		if (fallback_unwind(fallback, process, &origin, &unwound))
			bench_die("no memory");
		u64 ns = bench_cpu_ns() - before_ns;
		if (i)
			sum_ns += ns;
		else
			bench_line("fallback_first", ns / 1e3, "us, files not opened yet", NO_GOAL);
	}
	bench_line("fallback_cost", sum_ns / 1e3 / UNWIND_CNT, "us/stack", NO_GOAL);
	bench_line("fallback_frames", unwound.cnt, "frames", NO_GOAL);
	if (unwound.end != LOSS_NONE || unwound.cnt <= STACK_DEPTH)
		bench_note("fallback: that stack is not whole");
}

int main(void)
{
	measure_cost();
	measure_share();
	return 0;
}
