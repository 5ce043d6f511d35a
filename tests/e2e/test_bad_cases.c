/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes wrong on real machines. Nothing hangs, nothing stays behind, nothing that was collected is lost. */
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

#define HZ     999
#define NOBODY 65534

E2E_SUITE(bad_cases, 240);

static struct pairs truth_of(const struct place *place)
{
	struct pairs pairs = {0};

	expect_null_problem(pairs_parse(file_text(in_place(place, "truth")), &pairs), "truth");
	return pairs;
}

/* --- targets that do not keep still ------------------------------------- */

Test(bad_cases, a_target_may_end_at_any_moment_of_the_start)
{
	struct python python = python_any();
	struct place place = place_in(python.root), here = place_in("/");

	for (int i = 0; i < 25; i++) {
		struct child *target = python_start(&python, &place, "short.py", "0", NULL);
		sleep_s(0.01 * i);
		struct child *child = profiler_run(60, "-p", text_of("%d", target->pid), "-d", "20", "-F", "999", "-o",
						   in_place(&here, "out.folded"), "--stats",
						   in_place(&here, "stats.json"), NULL);
		/* The target is our child and we have not waited: its pid cannot be somebody else's. */
		if (child->status == 0) {
			struct profile profile = profile_read(&here);
			double seconds = json_number_value(json_object_get(profile.stats, "seconds"));
			cr_expect_lt(seconds, 19.9, "after %d ms: its end was not noticed", 10 * i);
		} else {
			expect_null_problem(check_error_line(child_err(child)), "after %d ms", 10 * i);
		}
		cr_expect(child->status == 0 || child->status == 1, "after %d ms: status %d", 10 * i, child->status);
		child_kill(target);
	}
	cr_expect_eq(children_left(), 0);
}

ParameterizedTestParameters(bad_cases, a_command_may_become_another_program_time_and_again)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, bad_cases, a_command_may_become_another_program_time_and_again)
{
	struct place place = place_in(python->root), here = place_in("/");
	struct child *child = profiler_run(60, "-F", "999", "-o", in_place(&here, "out.folded"), "--stats",
					   in_place(&here, "stats.json"), "--", "chroot", python->root, python->path,
					   "-S", "-E", text_of("%s/execs.py", place.inside), "20", NULL);

	cr_assert_eq(child->status, 0, "%s: %s", python->name, child_err(child));
	cr_expect_str_eq(child_out(child), "done\n");
	struct profile profile = profile_read(&here);
	u64 last = folded_count(&profile.folded, "last (*");
	cr_expect(last >= 0.85 * 0.3 * HZ, "%s: `last` in %llu of about 290 samples", python->name,
		  (unsigned long long)last);
	cr_expect_eq(children_left(), 0);
}

Test(bad_cases, the_end_of_the_last_process_is_the_end)
{
	struct python python = python_any();
	struct place place = place_in(python.root), here = place_in("/");
	struct child *target = python_start(&python, &place, "deep.py", NULL);

	child_ready(target, 20);
	struct child *child = profiler_start(NULL, "-p", text_of("%d", target->pid), "-F", "999", "-o",
					     in_place(&here, "out.folded"), "--stats", in_place(&here, "stats.json"),
					     NULL);
	profiler_sampling(child);
	sleep_s(1);
	child_kill(target);
	cr_expect_eq(child_wait(child, 5), 0, "%s", child_err(child));
	struct profile profile = profile_read(&here);
	cr_expect_gt(folded_count(&profile.folded, "deep (*"), FEW);
}

Test(bad_cases, a_process_that_nobody_asked_for_stays_out)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *target = python_start(&python, &place, "deep.py", NULL);
	child_ready(target, 20);
	struct child *bystander = python_start(&python, &place, "bystander.py", "1.5", NULL);
	child_ready(bystander, 20);

	struct profile profile = profile_pid(&place, target->pid, HZ, 4, false); /* sees to it */

	double seconds = json_number_value(json_object_get(profile.stats, "seconds"));
	cr_expect_gt(seconds, 3.9, "sampling ended after %g s of 4, with another's end", seconds);
	cr_expect_eq(child_wait(bystander, 10), 0);
}

/* --- targets that lie --------------------------------------------------- */

ParameterizedTestParameters(bad_cases, garbage_in_one_process_harms_no_other)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, bad_cases, garbage_in_one_process_harms_no_other)
{
	struct place place = place_in(python->root);
	struct child *honest = python_start(python, &place, "torn.py", text_of("%s/truth", place.inside), NULL);
	child_ready(honest, 60);
	struct pairs pairs = truth_of(&place);
	const char *library = text_of("%s/garbage.so", place.inside);
	struct child *liar = python_start(python, &place, "garbage.py", library, "6", NULL);
	child_ready(liar, 20);

	struct child *child = profiler_run(40, "-p", text_of("%d,%d", honest->pid, liar->pid), "-F", "999", "-d", "4",
					   "-o", in_place(&place, "out.folded"), "--stats",
					   in_place(&place, "stats.json"), NULL);

	cr_assert_eq(child->status, 0, "%s: %d: %s", python->name, child->status, child_err(child));
	cr_expect(child->cpu_s < 3, "%s: %g s of CPU", python->name, child->cpu_s);
	struct profile profile = profile_read(&place);
	struct folded of_honest = folded_of_pid(&profile.folded, honest->pid);
	struct folded of_liar = folded_of_pid(&profile.folded, liar->pid);
	struct verdict verdict = check_stacks(&of_honest, &pairs);
	cr_expect_gt(of_liar.samples, FEW, "%s: the liar's samples are missing", python->name);
	cr_expect_gt(verdict.samples, FEW);
	cr_expect_eq(verdict.impossible, 0, "%s: %s", python->name, verdict.first_impossible);
	cr_expect(nearly_all(verdict.complete, verdict.samples), "%s: %s", python->name, verdict.first_incomplete);
	cr_expect_eq(child_wait(liar, 20), 0, "the liar did not come to its end");
}

/* --- many --------------------------------------------------------------- */

Test(bad_cases, two_thousand_processes)
{
	struct python python = python_any();
	struct place place = place_in(python.root), here = place_in("/");
	struct child *parent = python_start(&python, &place, "forks.py", "2000", NULL);
	child_ready(parent, 60);

	struct child *child = profiler_run(60, "--all", "-F", "999", "-d", "8", "-o", in_place(&here, "out.folded"),
					   "--stats", in_place(&here, "stats.json"), NULL);
	cr_assert_eq(child->status, 0, "%s", child_err(child));
	struct profile profile = profile_read(&here);

	u64 samples = 0, named = 0, pids = 0;
	int before = -1;
	const char *work = text_of("work (%s/forks.py:*", place.inside);
	struct folded of_python = folded_of_comm(&profile.folded, strrchr(python.path, '/') + 1);
	for (size_t i = 0; i < of_python.cnt; i++) {
		struct folded one = {.lines = &of_python.lines[i], .cnt = 1};
		int pid = frame_pid(of_python.lines[i].frames[0]);
		bool is_work = folded_count(&one, work), is_child = folded_count(&one, "child (*");
		samples += of_python.lines[i].count;
		named += is_child ? of_python.lines[i].count : 0;
		pids += is_work && pid != before;
		before = is_work ? pid : before;
	}
	printf("2,000 processes: %llu samples, %llu named, of %llu processes\n", (unsigned long long)samples,
	       (unsigned long long)named, (unsigned long long)pids);
	cr_expect_gt(pids, 1500);
	cr_expect(named * 100 >= samples * 99, "%llu of %llu named", (unsigned long long)named,
		  (unsigned long long)samples);
	child_kill(parent);
}

Test(bad_cases, two_thousand_processes_are_born_and_die)
{
	struct python python = python_any();
	struct place place = place_in(python.root), here = place_in("/");
	struct child *child = profiler_run(90, "-F", "999", "-o", in_place(&here, "out.folded"), "--stats",
					   in_place(&here, "stats.json"), "--", "chroot", python.root, python.path,
					   text_of("%s/forks.py", place.inside), "2000", "3", NULL);

	cr_assert_eq(child->status, 0, "%d: %s", child->status, child_err(child));
	struct profile profile = profile_read(&here);
	u64 named = folded_count(&profile.folded, "child (*");
	cr_expect_gt(named, 1000, "%llu of %llu samples in children", (unsigned long long)named,
		     (unsigned long long)profile.folded.samples);
}

Test(bad_cases, five_thousand_threads_in_one_process)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *workload = python_start(&python, &place, "threads.py", text_of("%s/truth", place.inside), "5000",
					      NULL);
	child_ready(workload, 120);
	struct pairs pairs = truth_of(&place);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 8, false);

	struct verdict verdict = check_stacks(&profile.folded, &pairs);
	printf("5,000 threads: %llu samples, %.3f %% complete\n", (unsigned long long)verdict.samples,
	       100.0 * (double)verdict.complete / (double)(verdict.samples + 1));
	cr_expect_gt(verdict.samples, FEW);
	cr_expect_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_expect(nearly_all(verdict.complete, verdict.samples), "%llu of %llu complete: %s",
		  (unsigned long long)verdict.complete, (unsigned long long)verdict.samples, verdict.first_incomplete);
}

Test(bad_cases, a_full_ring_loses_samples_and_says_how_many)
{
	struct python python = python_any();
	struct place place = place_in(python.root), other = place_in(python.root);
	struct child *workloads[] = {
		python_start(&python, &place, "restless.py", text_of("%s/truth", place.inside), NULL),
		python_start(&python, &other, "restless.py", text_of("%s/truth", other.inside), NULL),
	};
	child_ready(workloads[0], 60);
	child_ready(workloads[1], 60);
	struct pairs pairs = truth_of(&place);

	struct child *child = profiler_start(NULL, "-p", text_of("%d,%d", workloads[0]->pid, workloads[1]->pid), "-F",
					     "10000", "-d", "13", "-o", in_place(&place, "out.folded"), "--stats",
					     in_place(&place, "stats.json"), NULL);
	profiler_sampling(child);
	double cpu = child_cpu_s(workloads[0]) + child_cpu_s(workloads[1]);
	child_signal(child, SIGSTOP);
	sleep_s(10);
	cpu = child_cpu_s(workloads[0]) + child_cpu_s(workloads[1]) - cpu;
	child_signal(child, SIGCONT);
	cr_assert_eq(child_wait(child, 60), 0, "%s", child_err(child));

	struct profile profile = profile_read(&place);
	struct folded first = folded_of_pid(&profile.folded, workloads[0]->pid);
	struct verdict verdict = check_stacks(&first, &pairs);
	u64 lost = stats_lost(profile.stats);
	printf("full ring: %llu samples, %llu lost, %.0f expected at least\n",
	       (unsigned long long)profile.folded.samples, (unsigned long long)lost, cpu * 10000);
	cr_expect_gt(stats_number(profile.stats, "lost", "ring-full"), 0, "the ring was never full");
	cr_expect((double)(profile.folded.samples + lost) > 0.9 * cpu * 10000, "%llu samples and %llu lost of %.0f",
		  (unsigned long long)profile.folded.samples, (unsigned long long)lost, cpu * 10000);
	cr_expect_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_expect_not_null(strstr(child_err(child), "ring"), "the summary hides the loss: %s", child_err(child));
}

/* --- outputs that fail -------------------------------------------------- */

static const char *small_disk(const struct place *place)
{
	const char *path = in_place(place, "mount");

	cr_assert_eq(mkdir(path, 0755), 0);
	cr_assert_eq(mount("tmpfs", path, "tmpfs", 0, "size=64k"), 0);
	return path;
}

static void fill(const char *directory)
{
	int fd = open(text_of("%s/filler", directory), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	static const char zeros[4096];

	cr_assert(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
}

struct rescue {
	struct place place;
	const char *disk;
	struct child *workload, *child;
};

static struct rescue rescue_start(bool full_at_start)
{
	struct rescue rescue = {.place = place_in("/")};
	const char *temporary = in_place(&rescue.place, "tmp");
	struct start how = {.environment = {text_of("TMPDIR=%s", temporary)}};

	cr_assert_eq(mkdir(temporary, 0755), 0);
	rescue.disk = small_disk(&rescue.place);
	rescue.workload = native_start(&rescue.place, "native-fp", NULL);
	child_ready(rescue.workload, 10);
	if (full_at_start)
		fill(rescue.disk);
	rescue.child = profiler_start(&how, "-p", text_of("%d", rescue.workload->pid), "-F", "999", "-d", "2", "-o",
				      text_of("%s/x.folded", rescue.disk), NULL);
	return rescue;
}

static void expect_rescued(struct rescue *rescue, const char *why)
{
	glob_t found;
	struct folded folded;

	cr_expect_eq(child_wait(rescue->child, 20), 1, "%s: status %d", why, rescue->child->status);
	cr_assert_eq(glob(in_place(&rescue->place, "tmp/pyprof-bpf-*.folded"), 0, NULL, &found), 0,
		     "%s: no profile in TMPDIR: %s", why, child_err(rescue->child));
	cr_expect_eq(found.gl_pathc, 1);
	/* Under a name that nobody could lie in wait for, for nobody else to read. */
	cr_expect_null(strstr(found.gl_pathv[0], text_of("pyprof-bpf-%d", rescue->child->pid)));
	struct stat kept;
	cr_assert_eq(lstat(found.gl_pathv[0], &kept), 0);
	cr_expect_eq(kept.st_mode, S_IFREG | 0600);
	cr_expect_not_null(strstr(child_err(rescue->child), found.gl_pathv[0]), "%s: stderr names no file: %s", why,
			   child_err(rescue->child));
	expect_null_problem(folded_parse(file_text(found.gl_pathv[0]), &folded), "%s", why);
	cr_expect_gt(folded.samples, FEW, "%s: %llu samples", why, (unsigned long long)folded.samples);
}

Test(bad_cases, a_disk_that_fills_up_while_sampling_loses_nothing)
{
	struct rescue rescue = rescue_start(false);

	profiler_sampling(rescue.child);
	fill(rescue.disk);
	expect_rescued(&rescue, "filled up");
	cr_expect_not(file_exists(text_of("%s/x.folded", rescue.disk)), "half a profile is there");
}

Test(bad_cases, a_disk_that_becomes_read_only_while_sampling_loses_nothing)
{
	struct rescue rescue = rescue_start(false);

	profiler_sampling(rescue.child);
	/* Whoever holds a file open for writing there keeps the disk from becoming so; then it is unmounted. */
	if (mount(NULL, rescue.disk, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		cr_assert_eq(umount2(rescue.disk, MNT_DETACH), 0);
	rmdir(rescue.disk);
	child_wait(rescue.child, 20);
	if (rescue.child->status != 0)
		expect_rescued(&rescue, "read-only");
}

/* Whoever is first in a folder for all may have put links there under every name that we might take. */
Test(bad_cases, a_name_of_our_own_choice_follows_no_link)
{
	struct place place = place_in("/");
	struct start how = {.directory = place.outside};
	const char *victim = in_place(&place, "victim");
	FILE *file = fopen(victim, "we");

	cr_assert(file && fputs("mine", file) >= 0 && !fclose(file));
	for (int pid = getpid(), i = 0; i < 1000; i++)
		cr_assert_eq(symlink(victim, in_place(&place, text_of("pyprof-bpf-%d.svg", pid + i))), 0);
	struct child *child = profiler_start(&how, "-F", "99", "--", "/bin/true", NULL);
	cr_expect_eq(child_wait(child, 20), 1);
	expect_null_problem(check_error_line(child_err(child)), "a link");
	cr_expect_str_eq(file_text(victim), "mine");
}

Test(bad_cases, a_full_disk_is_an_error_and_what_was_sampled_is_kept)
{
	struct rescue rescue = rescue_start(true);
	double start = now_s();

	child_wait(rescue.child, 20);
	if (rescue.child->status == 1 && now_s() - start < 1.5)
		expect_null_problem(check_error_line(child_err(rescue.child)), "tried before sampling");
	else
		expect_rescued(&rescue, "full");
}

Test(bad_cases, a_read_only_directory_is_an_error_before_sampling)
{
	struct place place = place_in("/");
	const char *disk = small_disk(&place);
	double start = now_s();

	cr_assert_eq(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	struct child *child = profiler_run(90, "--all", "-d", "60", "-o", text_of("%s/x.svg", disk), NULL);
	cr_expect_eq(child->status, 1);
	expect_null_problem(check_error_line(child_err(child)), "read-only");
	cr_expect_lt(now_s() - start, 50, "was not tried before sampling");
}

Test(bad_cases, an_output_appears_whole_or_not_at_all)
{
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "native-fp", NULL);
	const char *path = in_place(&place, "out.folded");

	child_ready(workload, 10);
	cr_assert_eq(system(text_of("echo 'an older profile' > '%s'", path)), 0);
	struct child *child = profiler_start(NULL, "-p", text_of("%d", workload->pid), "-o", path, NULL);
	profiler_sampling(child);
	cr_expect_str_eq(file_text(path), "an older profile\n");
	child_signal(child, SIGKILL);
	child_wait(child, 5);
	cr_expect_str_eq(file_text(path), "an older profile\n");
}

Test(bad_cases, a_closed_pipe_is_a_normal_end)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	struct place place = place_in("/");
	const char *stats = in_place(&place, "stats.json");
	struct start how = {.out = ends[1]};
	struct child *child = profiler_start(&how, "--all", "--window", "0.3", "--stats", stats, NULL);
	char byte;

	close(ends[1]);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	cr_expect_eq(byte, '#');
	close(ends[0]);
	cr_expect_eq(child_wait(child, 10), 0, "%s", child_err(child));
	cr_expect(file_exists(stats), "the stats are missing");
}

/* --- rights ------------------------------------------------------------- */

Test(bad_cases, without_rights_the_missing_capability_is_named)
{
	struct place place = place_in("/");
	const char *copy = in_place(&place, "pyprof-bpf"); /* nobody may not be let in where the build is */
	struct start how = {.uid = NOBODY};

	cr_assert_eq(system(text_of("install -m 755 '%s' '%s'", profiler_path(), copy)), 0);
	struct child *child = child_start(
		&how, (const char *[]){copy, "--all", "-d", "1", "-o", in_place(&place, "x.folded"), NULL});
	cr_expect_eq(child_wait(child, 10), 1);
	expect_null_problem(check_error_line(child_err(child)), "nobody");
	cr_expect_not_null(strstr(child_err(child), "CAP_"), "%s", child_err(child));
	cr_expect_not(file_exists(in_place(&place, "x.folded")));
}
