/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "capture/sideband.h"
#include "process/process.h"

DEFINE_CLEANUP(pipe_stream, FILE *, pclose)

TestSuite(process_table);

static struct mapped_file_cache *files;
static struct process_table *table;

static void set_up(void)
{
	files = mapped_file_cache_new();
	cr_assert_not_null(files);
	cr_assert_eq(process_table_new(files, &table), 0);
}

static void tear_down(void)
{
	process_table_free(table);
	mapped_file_cache_free(files);
}

#define ProcessTest(name, ...) Test(process_table, name, .init = set_up, .fini = tear_down, ##__VA_ARGS__)

/* Pids beyond what a kernel gives, so that /proc has nothing to say of them. */
#define PID 0x40000000u

static struct process_record record_of(enum record_type type, u32 pid, u64 start_ns, u64 exec_id, u64 time_ns)
{
	return (struct process_record){
		.record = {.type = type, .size = sizeof(struct process_record), .time_ns = time_ns},
		.process = {.start_ns = start_ns, .exec_id = exec_id, .pid = pid},
		.comm = "name",
	};
}

static struct process *add(u32 pid, u64 start_ns, u64 exec_id)
{
	const struct process_id id = {.start_ns = start_ns, .exec_id = exec_id, .pid = pid};
	struct process *process;

	cr_assert_eq(process_table_get(table, &id, "name", &process), 0);
	return process;
}

static struct process *fork_of(const struct process *parent, u32 pid, u64 time_ns)
{
	struct process_record record = record_of(RECORD_FORK, pid, time_ns, parent->id.exec_id, time_ns);
	struct process *child;

	record.parent = parent->id;
	cr_assert_eq(process_table_fork(table, &record, &child), 0);
	return child;
}

static struct process *exec_of(const struct process *old, u64 time_ns)
{
	const struct process_record record = record_of(RECORD_EXEC, old->id.pid, old->id.start_ns, old->id.exec_id + 1,
						       time_ns);
	struct process *process;

	cr_assert_eq(process_table_exec(table, &record, &process), 0);
	return process;
}

static struct process *map(u32 pid, u64 start, u64 end, const char *path, u64 time_ns)
{
	struct {
		struct mapping_record record;
		char path[64];
	} r = {.record = {.record = {.type = RECORD_MAPPING, .size = sizeof(r), .time_ns = time_ns},
			  .pid = pid,
			  .tid = pid,
			  .start = start,
			  .end = end,
			  .inode = 1,
			  .path_size = sizeof(r.path)}};
	struct process *process;

	snprintf(r.path, sizeof(r.path), "%s", path);
	cr_assert_eq(process_table_map(table, &r.record, &process), 0);
	return process;
}

static void begin_exec(u32 pid, u64 time_ns)
{
	map(pid, 0, 0, "", time_ns);
}

static const char *path_at(struct process *process, u64 address)
{
	const struct mapping *mapping = process_mapping(process, address);

	return mapping ? mapping->path : "none";
}

ProcessTest(a_process_is_found_by_all_of_its_id)
{
	struct process *process = add(PID, 5, 1);

	cr_assert_eq(add(PID, 5, 1), process);
	cr_assert_eq(process_table_find(table, &(struct process_id){5, 1, PID, 0xffff}), process);
	cr_assert_null(process_table_find(table, &(struct process_id){6, 1, PID, 0}));
	cr_assert_null(process_table_find(table, &(struct process_id){5, 2, PID, 0}));
	cr_assert_null(process_table_find(table, &(struct process_id){5, 1, PID + 1, 0}));
	cr_assert_str_eq(process->comm, "name");
	cr_assert_eq(process_table_cnt(table), 1);
}

ProcessTest(a_reused_pid_is_another_process)
{
	struct process *old = add(PID, 5, 1);
	struct process *fresh = add(PID, 6, 1);

	cr_assert_neq(old, fresh);
	cr_assert_neq(old->key, fresh->key);
	cr_assert(old->exited);
	cr_assert_not(fresh->exited);
	cr_assert_eq(process_table_newest(table, PID), fresh);
	cr_assert_null(process_table_newest(table, PID + 1));

	/* A late sample of an even older one. */
	cr_assert(add(PID, 4, 7)->exited);
	cr_assert_eq(process_table_newest(table, PID), fresh);
}

ProcessTest(a_child_has_what_its_parent_had_and_no_more)
{
	struct process *parent = add(PID, 5, 1);

	map(PID, 0x1000, 0x2000, "/a", 10);
	struct process *child = fork_of(parent, PID + 1, 20);
	map(PID, 0x3000, 0x4000, "/parent", 30);
	map(PID + 1, 0x5000, 0x6000, "/child", 30);
	cr_assert_str_eq(path_at(child, 0x1000), "/a");
	cr_assert_str_eq(path_at(child, 0x3000), "none");
	cr_assert_str_eq(path_at(child, 0x5000), "/child");
	cr_assert_str_eq(path_at(parent, 0x3000), "/parent");
	cr_assert_str_eq(path_at(parent, 0x5000), "none");
}

ProcessTest(a_child_of_an_unknown_parent_has_nothing)
{
	struct process_record record = record_of(RECORD_FORK, PID, 5, 1, 5);
	struct process *child;

	record.parent = (struct process_id){.pid = PID + 1, .start_ns = 1};
	cr_assert_eq(process_table_fork(table, &record, &child), 0);
	cr_assert_eq(mapping_table_cnt(child->mappings), 0);
	cr_assert_not(child->mappings_read);
}

ProcessTest(an_exec_makes_another_process_without_the_old_mappings)
{
	struct process *old = add(PID, 5, 1);

	map(PID, 0x1000, 0x2000, "/old", 10);
	struct process *fresh = exec_of(old, 20);
	cr_assert_neq(old, fresh);
	cr_assert(old->exited);
	cr_assert_eq(old->exited_ns, 20);
	cr_assert_not(fresh->mappings_read);
	cr_assert_str_eq(path_at(fresh, 0x1000), "none");
	cr_assert_str_eq(path_at(old, 0x1000), "/old", "its samples may still come");
}

/* The kernel maps the program before it tells of the exec. */
ProcessTest(what_the_new_program_maps_is_not_the_old_ones)
{
	struct process *old = add(PID, 5, 1);
	u64 now_ns = clock_monotonic_ns();

	map(PID, 0x1000, 0x2000, "/old", 10);
	begin_exec(PID, now_ns + 20);
	map(PID, 0x3000, 0x4000, "/new", now_ns + 21);
	cr_assert_str_eq(path_at(old, 0x3000), "none");
	struct process *fresh = exec_of(old, now_ns + 22);
	map(PID, 0x5000, 0x6000, "/ld.so", now_ns + 23);
	cr_assert(fresh->mappings_read, "all of it came by events");
	cr_assert_str_eq(path_at(fresh, 0x1000), "none");
	cr_assert_str_eq(path_at(fresh, 0x3000), "/new");
	cr_assert_str_eq(path_at(fresh, 0x5000), "/ld.so");
	cr_assert_str_eq(path_at(old, 0x1000), "/old");
}

ProcessTest(a_side_band_that_comes_after_the_exec_is_right_too)
{
	struct process *fresh = exec_of(add(PID, 5, 1), 22);

	map(PID, 0x1000, 0x2000, "/old", 10);
	begin_exec(PID, 20);
	map(PID, 0x3000, 0x4000, "/new", 21);
	cr_assert_str_eq(path_at(fresh, 0x1000), "none");
	cr_assert_str_eq(path_at(fresh, 0x3000), "/new");
}

ProcessTest(a_sample_that_comes_before_its_exec_does_no_harm)
{
	struct process *old = add(PID, 5, 1);
	struct process *fresh = add(PID, 5, 2);

	begin_exec(PID, 20);
	map(PID, 0x3000, 0x4000, "/new", 21);
	cr_assert_eq(exec_of(old, 22), fresh);
	cr_assert_str_eq(path_at(fresh, 0x3000), "/new");
}

ProcessTest(a_child_says_of_itself_what_its_parent_did)
{
	struct process *parent = add(PID, 5, 1);

	parent->words = (struct process_words){.exe = strdup("/usr/bin/app")};
	parent->words_read = true;
	struct process *child = fork_of(parent, PID + 1, 20);
	cr_assert(child->words_read);
	cr_assert_str_eq(child->words.exe, "/usr/bin/app");
	cr_assert_neq(child->words.exe, parent->words.exe);
	cr_assert_null(child->words.command_line);
}

/* vfork and posix_spawn: a child that runs in its parent's memory until it execs. */
ProcessTest(an_exec_of_a_child_leaves_its_parent_alone)
{
	struct process *parent = add(PID, 5, 1);
	u64 now_ns = clock_monotonic_ns();

	map(PID, 0x1000, 0x2000, "/a", 10);
	_cleanup_(mapping_table) struct mapping_table *before = mapping_table_ref(parent->mappings);
	struct process *child = fork_of(parent, PID + 1, now_ns + 20);
	cr_assert_eq(child->mappings, before, "shared");
	begin_exec(PID + 1, now_ns + 21);
	map(PID + 1, 0x1000, 0x2000, "/new", now_ns + 22);
	cr_assert_str_eq(path_at(child, 0x1000), "/a", "until it has exec'ed");
	struct process *program = exec_of(child, now_ns + 23);
	cr_assert_str_eq(path_at(program, 0x1000), "/new");
	cr_assert_str_eq(path_at(parent, 0x1000), "/a");
	cr_assert_eq(parent->mappings, before);
	cr_assert_not(parent->exited);
}

ProcessTest(whether_mappings_changed_shows_by_the_pointer)
{
	struct process *process = add(PID, 5, 1);
	u64 now_ns = clock_monotonic_ns();

	map(PID, 0x1000, 0x3000, "/a", now_ns + 10);
	_cleanup_(mapping_table) struct mapping_table *a = mapping_table_ref(process->mappings);
	map(PID, 0x1000, 0x3000, "/a", now_ns + 11);
	process_table_forget_mappings(table);
	begin_exec(PID, now_ns + 12);
	map(PID, 0x5000, 0x6000, "/next", now_ns + 13);
	cr_assert_eq(process->mappings, a, "that belongs to the next program");
	process_table_forget_mappings(table);
	map(PID, 0x2000, 0x3000, "/b", now_ns + 14);
	cr_assert_neq(process->mappings, a);
	_cleanup_(mapping_table) struct mapping_table *b = mapping_table_ref(process->mappings);
	begin_exec(PID, now_ns + 15);
	struct process *next = exec_of(process, now_ns + 16);
	cr_assert_neq(next->mappings, b);
	_cleanup_(mapping_table) struct mapping_table *c = mapping_table_ref(next->mappings);
	/* A side-band that comes late. */
	begin_exec(PID, now_ns + 15);
	map(PID, 0x7000, 0x8000, "/c", now_ns + 16);
	cr_assert_neq(next->mappings, c);
	cr_assert_eq(mapping_table_cnt(a), 1);
	cr_assert_eq(mapping_table_cnt(b), 2);
	cr_assert_eq(mapping_table_cnt(c), 0);
}

ProcessTest(a_mapping_of_an_unknown_pid_is_ignored)
{
	cr_assert_null(map(PID, 0x1000, 0x2000, "/a", 1));
	cr_assert_eq(process_table_cnt(table), 0);
}

ProcessTest(a_mapping_record_that_lies_about_its_path_is_refused)
{
	struct {
		struct mapping_record record;
		char path[8];
	} r = {.record = {.record = {.size = sizeof(r)}, .pid = PID, .start = 1, .end = 2}, .path = "abcdefg"};
	const u32 sizes[] = {0, 7, 16, 0xffffffff};
	struct process *process;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		r.record.path_size = sizes[i];
		cr_expect_eq(process_table_map(table, &r.record, &process), -EINVAL, "%u", sizes[i]);
	}
}

static void count_gone(void *ctx, struct process *process)
{
	(*(int *)ctx)++;
}

ProcessTest(what_exited_is_kept_for_a_while)
{
	int gone = 0;

	add(PID, 5, 1);
	add(PID + 1, 5, 1);
	const struct process_record record = record_of(RECORD_EXIT, PID, 5, 1, 1000);
	process_table_exit(table, &record);
	process_table_retire(table, 1100, 100, count_gone, &gone);
	cr_assert_eq(gone, 0);
	process_table_retire(table, 1101, 100, count_gone, &gone);
	cr_assert_eq(gone, 1);
	process_table_retire(table, 9999, 100, NULL, NULL);
	cr_assert_null(process_table_newest(table, PID));
	cr_assert_not_null(process_table_newest(table, PID + 1));
}

static int count_up_to_three(void *ctx, struct process *process)
{
	return ++*(int *)ctx == 3 ? 42 : 0;
}

ProcessTest(all_are_visited_until_told_to_stop)
{
	int visited = 0;

	add(PID, 5, 1);
	add(PID, 6, 1);
	cr_assert_eq(process_table_for_each(table, count_up_to_three, &visited), 0);
	cr_assert_eq(visited, 2, "the exited one too");
	cr_assert_eq(process_table_for_each(table, count_up_to_three, &visited), 42);
	cr_assert_eq(visited, 3);
}

ProcessTest(a_full_table_drops_the_longest_exited, .timeout = 300)
{
	const struct process_id first = {.start_ns = 1, .pid = PID}, second = {.start_ns = 2, .pid = PID};
	int gone = 0;

	/* One pid that is reused all the time: each but the last has exited. */
	for (u32 i = 1; i <= MAX_PROCESSES; i++)
		add(PID, i, 0);
	cr_assert_not_null(process_table_find(table, &first));
	add(PID, MAX_PROCESSES + 1, 0);
	cr_assert_eq(process_table_cnt(table), MAX_PROCESSES);
	cr_assert_null(process_table_find(table, &first));
	cr_assert_not_null(process_table_find(table, &second));
	process_table_retire(table, 0, 0, count_gone, &gone);
	cr_assert_eq(gone, 1, "the caller is told");
}

ProcessTest(a_table_full_of_processes_whose_end_we_missed_makes_room, .timeout = 300)
{
	struct process *process;
	struct process_id id = {.start_ns = 1};

	for (u32 i = 0; i < MAX_PROCESSES; i++) {
		id.exec_id = 0;
		id.pid = PID + i;
		cr_assert_eq(process_table_get(table, &id, "x", &process), 0);
	}
	/* No kernel has such pids, so one look at the system frees them. */
	id.pid = PID - 1;
	cr_assert_eq(process_table_get(table, &id, "x", &process), 0);
	cr_assert_eq(process_table_cnt(table), MAX_PROCESSES);
}

/*
 * Living processes, from here on.
 */
static struct process_id id_of(pid_t pid)
{
	char path[32], *at;
	_cleanup_(free) char *stat = NULL;
	unsigned long long ticks = 0;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	cr_assert_eq(file_read(path, 65536, &stat, &size), 0);
	at = strrchr(stat, ')');
	cr_assert_eq(sscanf(at, ") %*c %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %llu",
			    &ticks),
		     1);
	return (struct process_id){.start_ns = ticks * 10000000 + 1234567, .exec_id = 1, .pid = pid};
}

static struct process *add_living(pid_t pid)
{
	const struct process_id id = id_of(pid);

	return add(pid, id.start_ns, id.exec_id);
}

ProcessTest(a_living_process_is_read_on_first_need)
{
	struct process *process = add_living(getpid());
	char program[256] = "";

	cr_assert_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	cr_assert_eq(mapping_table_cnt(process->mappings), 0);
	cr_assert_str_eq(path_at(process, (u64)set_up), program);
	cr_assert(process->mappings_read);

	const struct mapping *mapping = process_mapping_file(table, process, (u64)set_up);
	cr_assert_not_null(mapping->file);
	cr_assert_not_null(mapping->file->elf);
	cr_assert_not(process_check_python(table, process));
	cr_assert_null(process->python_file);
}

ProcessTest(a_process_with_another_start_is_another_process)
{
	const struct process_id id = id_of(getpid());

	cr_assert_str_eq(path_at(add(getpid(), id.start_ns - 20000000, 1), (u64)set_up), "none");
	cr_assert_str_eq(path_at(add(getpid(), 0, 1), (u64)set_up), "none", "an older one has exited");
}

ProcessTest(a_miss_reads_anew_but_not_all_the_time)
{
	struct process *process = add_living(getpid());

	u64 begin_ns = clock_monotonic_ns(), reads = 0;

	cr_assert_str_eq(path_at(process, 1), "none");
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool is_too_early = !strcmp(path_at(process, (u64)at), "none");
	cr_assert(is_too_early || clock_monotonic_ns() - begin_ns >= 100 * NS_PER_MS);
	usleep(150000);
	cr_assert_str_eq(path_at(process, (u64)at), "");

	/* Each time that it is read the next may be a tenth of a second later. */
	begin_ns = clock_monotonic_ns();
	for (int i = 0; i < 1000; i++) {
		u64 next_ns = process->mappings_next_ns;

		path_at(process, 1);
		reads += process->mappings_next_ns != next_ns;
	}
	cr_assert_leq(reads, (clock_monotonic_ns() - begin_ns) / (100 * NS_PER_MS) + 1);
}

ProcessTest(after_a_loss_the_living_are_read_anew)
{
	struct process *process = add_living(getpid());
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_str_eq(path_at(process, (u64)at), "");
	munmap(at, 4096);
	cr_assert_str_eq(path_at(process, (u64)at), "", "nobody reports munmap");
	process_table_forget_mappings(table);
	cr_assert_str_eq(path_at(process, (u64)at), "none");
}

ProcessTest(a_living_process_that_maps_nothing_new_keeps_its_table)
{
	struct process *process = add_living(getpid());

	path_at(process, (u64)set_up);
	_cleanup_(mapping_table) struct mapping_table *before = mapping_table_ref(process->mappings);
	process_table_forget_mappings(table);
	path_at(process, (u64)set_up);
	cr_assert(process->mappings_read);
	cr_assert_eq(process->mappings, before);

	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	process_table_forget_mappings(table);
	path_at(process, (u64)at);
	cr_assert_neq(process->mappings, before);
}

static void *sleep_forever(void *arg)
{
	while (pause())
		;
	return NULL;
}

static char state_of(pid_t pid)
{
	_cleanup_(free) char *stat = NULL;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	cr_assert_eq(file_read(path, 65536, &stat, &size), 0);
	return strrchr(stat, ')')[2];
}

ProcessTest(a_process_whose_first_thread_has_ended_is_read)
{
	pid_t pid = fork();
	pthread_t thread;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_create(&thread, NULL, sleep_forever, NULL);
		pthread_exit(NULL);
	}
	bool has_ended = false;
	for (int i = 0; i < 60000 && !has_ended; i++) {
		usleep(1000);
		has_ended = state_of(pid) == 'Z';
	}
	cr_assert(has_ended);
	struct process *process = add_living(pid);
	cr_expect_str_neq(path_at(process, (u64)set_up), "none");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int apply(void *ctx, const struct record *record)
{
	struct process *process;

	return record->type == RECORD_MAPPING ? process_table_map(table, (const void *)record, &process) : 0;
}

ProcessTest(a_program_that_is_gone_already_keeps_its_mappings)
{
	_cleanup_(sideband) struct sideband *sideband = NULL;
	int cpus[256], cnt = sysconf(_SC_NPROCESSORS_CONF);

	for (int i = 0; i < cnt; i++)
		cpus[i] = i;
	if (sideband_open(cpus, cnt, &sideband))
		cr_skip_test("perf_event_open is not allowed here");

	pid_t pid = fork();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	struct process *old = add(pid, 5, 1);
	waitpid(pid, NULL, 0);
	cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
	struct process *fresh = exec_of(old, clock_monotonic_ns());

	bool has_program = false, has_libc = false;
	for (size_t i = 0; i < mapping_table_cnt(fresh->mappings); i++) {
		const struct mapping *mapping = mapping_table_at(fresh->mappings, i);

		has_program |= strstr(mapping->path, "bin/true") != NULL;
		has_libc |= strstr(mapping->path, "libc.so") != NULL;
		process_mapping_file(table, fresh, mapping->start);
		if (mapping->path[0] == '/')
			cr_expect_not_null(mapping->file->elf, "%s", mapping->path);
	}
	cr_assert(has_program);
	cr_assert(has_libc);
}

/* All that happens from here on is told. NULL: not allowed. */
static struct sideband *open_sideband(void)
{
	int cpus[256], cnt = sysconf(_SC_NPROCESSORS_CONF);
	struct sideband *sideband;

	for (int i = 0; i < cnt; i++)
		cpus[i] = i;
	return sideband_open(cpus, cnt, &sideband) ? NULL : sideband;
}

static void make_file(const char *from, char *path, size_t size)
{
	_cleanup_(free) char *data = NULL;
	size_t data_size;

	snprintf(path, size, "/tmp/pyprof-test-XXXXXX");
	_cleanup_(fd) int fd = mkstemp(path);
	cr_assert_eq(file_read(from, 64 << 20, &data, &data_size), 0);
	cr_assert_eq(write(fd, data, data_size), (ssize_t)data_size);
}

/* No event tells of munmap: what is mapped next says that something else is there. */
ProcessTest(libraries_that_come_and_go_are_told_apart, .timeout = 300)
{
	static const char *const libraries[] = {"liblzma.so.5", "libz.so.1", "libcap-ng.so.0", "libjansson.so.4"};
	_cleanup_(sideband) struct sideband *sideband = open_sideband();
	struct process *process = add_living(getpid());
	u64 start = 0, end = 0;
	int reused = 0;

	if (!sideband)
		cr_skip_test("perf_event_open is not allowed here");
	path_at(process, (u64)set_up);
	for (int i = 0; i < 60; i++) {
		Dl_info info;
		char from[300], path[64];

		/* A copy of one that is loaded already, under a new name, so that it is loaded anew. */
		const char *name = libraries[i % 4],
			   *function = (const char *[]){"lzma_version_string", "zlibVersion", "capng_print_caps_text",
							"json_object"}[i % 4];
		void *system_wide = dlopen(name, RTLD_NOW);
		cr_assert_not_null(system_wide, "%s", dlerror());
		cr_assert(dladdr(dlsym(system_wide, function), &info));
		snprintf(from, sizeof(from), "%s", info.dli_fname);
		make_file(from, path, sizeof(path));
		void *own = dlopen(path, RTLD_NOW);
		cr_assert_not_null(own, "%s", dlerror());
		u64 address = (u64)dlsym(own, function);

		cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
		const struct mapping *mapping = process_mapping_file(table, process, address);
		cr_assert_not_null(mapping);
		cr_expect_str_eq(mapping->path, path);
		cr_assert_not_null(mapping->file);
		cr_assert_not_null(mapping->file->elf);
		u64 vaddr, expected, size;
		cr_expect_eq(elf_file_object(mapping->file->elf, function, &expected, &size), 0);
		cr_expect_eq(elf_file_address_of_offset(mapping->file->elf,
							address - mapping->start + mapping->file_offset, &vaddr),
			     0);
		cr_expect_eq(vaddr, expected, "%s", name);

		reused += mapping->start < end && start < mapping->end;
		start = mapping->start;
		end = mapping->end;
		dlclose(own);
		dlclose(system_wide);
		unlink(path);
	}
	/* Whether the loader used an address twice is its own affair. */
	printf("%d of 60 libraries came where another had been\n", reused);
}

/* The same for certain: one file after another at one address, with nothing in between. */
ProcessTest(files_that_take_each_others_place_are_told_apart, .timeout = 300)
{
	static const char *const programs[] = {"/bin/true", "/bin/cat", "/bin/ls", "/bin/sh"};
	_cleanup_(sideband) struct sideband *sideband = open_sideband();
	struct process *process = add_living(getpid());
	void *at = NULL;
	u32 before = 0;

	if (!sideband)
		cr_skip_test("perf_event_open is not allowed here");
	path_at(process, (u64)set_up);
	for (int i = 0; i < 20; i++) {
		char path[64];

		make_file(programs[i % 4], path, sizeof(path));
		_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
		void *got = mmap(at, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | (at ? MAP_FIXED : 0), fd, 0);
		cr_assert_neq(got, MAP_FAILED);
		at = got;
		cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
		const struct mapping *mapping = process_mapping_file(table, process, (u64)at);
		cr_assert_not_null(mapping);
		cr_expect_str_eq(mapping->path, path);
		before = i ? before : process->replaced_cnt;
		cr_expect_eq(process->replaced_cnt - before, (u32)i, "each takes the place of the one before it");
		munmap(at, 8192);
		unlink(path);
	}
}

#define MOVED_SIZE (256 << 10)

/* As node --use-largepages does it: by the events alone, and asked before the bytes are there too. */
static void move_text(bool ask_early)
{
	_cleanup_(sideband) struct sideband *sideband = open_sideband();
	struct process *process = add_living(getpid());
	char path[64];

	if (!sideband)
		cr_skip_test("perf_event_open is not allowed here");
	const struct mapping *libc = process_mapping(process, (u64)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
	cr_assert_not_null(libc);
	u64 offset = libc->file_offset;
	make_file(libc->path, path, sizeof(path));
	_cleanup_(fd) int fd = open(path, O_RDONLY);
	char *at = mmap(NULL, 2 * MOVED_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
	_cleanup_(free) void *bytes = malloc(MOVED_SIZE);

	cr_assert_neq(at, MAP_FAILED);
	memcpy(bytes, at + 8192, MOVED_SIZE);
	cr_assert_eq(mmap(at + 8192, MOVED_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		     at + 8192);
	if (ask_early) {
		cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
		cr_expect_null(process_mapping_file(table, process, (u64)at + 9000)->file, "it is empty so far");
	}
	_cleanup_(mapping_table) struct mapping_table *before = mapping_table_ref(process->mappings);
	memcpy(at + 8192, bytes, MOVED_SIZE);
	cr_assert_eq(mprotect(at + 8192, MOVED_SIZE, PROT_READ | PROT_EXEC), 0);
	cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
	cr_expect_neq(process->mappings, before);

	const u64 offsets[] = {0, 8192, 9000, 8192 + MOVED_SIZE - 1, 8192 + MOVED_SIZE};
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		const struct mapping *mapping = process_mapping_file(table, process, (u64)at + offsets[i]);

		cr_assert_not_null(mapping->file, "%llx", offsets[i]);
		cr_expect_str_eq(mapping->file->name, strrchr(path, '/') + 1);
		cr_expect_eq((u64)at + offsets[i] - mapping->start + mapping->file_offset, offset + offsets[i]);
	}
	unlink(path);
}

ProcessTest(text_that_was_moved_is_known_by_events)
{
	move_text(false);
}

ProcessTest(text_that_is_asked_for_while_it_is_moved_is_known_afterwards)
{
	move_text(true);
}

/* posix_spawn is vfork: the child is in our memory when it execs. */
ProcessTest(what_posix_spawn_starts_changes_nothing_of_ours)
{
	_cleanup_(sideband) struct sideband *sideband = open_sideband();
	struct process *process = add_living(getpid());
	char *arguments[] = {(char *)"true", NULL};
	pid_t pid;

	if (!sideband)
		cr_skip_test("perf_event_open is not allowed here");
	path_at(process, (u64)set_up);
	_cleanup_(mapping_table) struct mapping_table *before = mapping_table_ref(process->mappings);
	size_t cnt = mapping_table_cnt(before);

	cr_assert_eq(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ), 0);
	struct process *child = fork_of(process, pid, clock_monotonic_ns());
	waitpid(pid, NULL, 0);
	cr_assert_eq(sideband_drain(sideband, apply, NULL), 0);
	cr_expect_eq(process->mappings, before);
	cr_expect_eq(mapping_table_cnt(before), cnt);
	cr_expect_null(process->exec_mappings);

	struct process *program = exec_of(child, clock_monotonic_ns());
	bool has_program = false;
	for (size_t i = 0; i < mapping_table_cnt(program->mappings); i++)
		has_program |= strstr(mapping_table_at(program->mappings, i)->path, "bin/true") != NULL;
	cr_expect(has_program);
	cr_expect_null(mapping_table_find(program->mappings, (u64)set_up));
	cr_expect_eq(process->mappings, before);
}

/* What binutils and the kernel say: where the section or object lies in the file, and where the file lies. */
static u64 runtime_from_outside(pid_t pid, const char *path)
{
	char command[512], line[512];
	unsigned long long address = 0, start, offset, vaddr, file_offset, size;
	u64 bias = 0;

	snprintf(command, sizeof(command), "readelf -SW /proc/%d/root%s | sed -n 's/.* \\.PyRuntime *PROGBITS *//p'",
		 pid, path);
	_cleanup_(pipe_stream) FILE *out = popen(command, "r");
	if (fscanf(out, "%llx", &address) != 1) {
		snprintf(command, sizeof(command),
			 "readelf -W --dyn-syms --syms /proc/%d/root%s | awk '$8 == \"_PyRuntime\" {print $2; exit}'",
			 pid, path);
		_cleanup_(pipe_stream) FILE *symbols = popen(command, "r");
		cr_assert_eq(fscanf(symbols, "%llx", &address), 1);
	}

	/* The segment that is mapped first. */
	snprintf(command, sizeof(command), "readelf -lW /proc/%d/root%s | grep -m1 ' LOAD'", pid, path);
	_cleanup_(pipe_stream) FILE *segments = popen(command, "r");
	cr_assert_eq(fscanf(segments, " LOAD %llx %llx %*x %llx", &file_offset, &vaddr, &size), 3);
	snprintf(command, sizeof(command), "/proc/%d/maps", pid);
	_cleanup_(stream) FILE *maps = fopen(command, "r");
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, path) || sscanf(line, "%llx-%*x %*s %llx", &start, &offset) != 2)
			continue;
		cr_assert_eq(offset, file_offset);
		bias = start - vaddr;
		break;
	}
	return bias + address;
}

static pid_t start_python(const char *program, int *ret_output)
{
	int input[2], output[2];

	cr_assert_eq(pipe(input) | pipe(output), 0);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input[0], 0);
		dup2(output[1], 1);
		(void)!freopen("/dev/null", "w", stderr); /* a version manager's regrets */
		execlp(program, program, "-c", "print(end='x', flush=True); input()", NULL);
		_exit(127);
	}
	close(output[1]);
	*ret_output = output[0];
	return pid;
}

ProcessTest(a_living_python_is_found_where_binutils_say, .timeout = 300)
{
	const char *programs[] = {"/usr/bin/python3", "python3",    "python3.11",
				  "python3.12",	      "python3.13", "python3.14"};
	int found = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char ready;
		int output;
		pid_t pid = start_python(programs[i], &output);
		if (read(output, &ready, 1) == 1) {
			/* A version manager's shim has made way for the program by now. */
			struct process *process = add_living(pid);

			cr_expect(process_check_python(table, process));
			cr_assert_not_null(process->python_file, "%s", programs[i]);
			const struct mapping *text = process_mapping(process, process->python_start);
			cr_expect_eq(process->python_runtime, runtime_from_outside(pid, text->path), "%s", text->path);
			cr_expect(process_is_interpreter(process, process->python_start));
			cr_expect(process_is_interpreter(process, process->python_end - 1));
			cr_expect_not(process_is_interpreter(process, process->python_end));
			cr_expect_not(process_check_python(table, process), "nothing is new");

			/* Its child has it too, its next program not. */
			struct process *child = fork_of(process, PID + i, process->id.start_ns + NS_PER_S);
			cr_expect_eq(child->python_runtime, process->python_runtime);
			cr_expect_not(process_check_python(table, child));
			struct process *next = exec_of(child, process->id.start_ns + 2 * NS_PER_S);
			cr_expect_not(process_check_python(table, next));
			cr_expect_null(next->python_file);
			found++;
		}
		close(output);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (!found)
		cr_skip_test("no Python here");
}
