/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tools/pyprof-bpf.service and tools/Containerfile promise: enough rights and libraries, and no more. */
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/harness.h"

E2E_SUITE(packaging, 120);

#define UNIT	      "tools/pyprof-bpf.service"
#define CONTAINERFILE "tools/Containerfile"
#define RIGHTS_MAX    16

static bool has_program(const char *name)
{
	return !system(text_of("PATH=$PATH:/usr/sbin command -v %s >/dev/null", name));
}

/* What a command of the shell prints. */
static const char *said_by(const char *command)
{
	struct child *child = child_start(NULL, (const char *[]){"/bin/sh", "-c", command, NULL});

	cr_assert_eq(child_wait(child, 60), 0, "%s: %s", command, child_err(child));
	return child_out(child);
}

Test(packaging, the_image_has_the_libraries_that_the_program_is_linked_with)
{
	if (!has_program("dpkg"))
		cr_skip_test("no dpkg");
	const char *needed = said_by(text_of(
		"for i in $(readelf -d '%s' | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'); do dpkg -S \"*/$i\" | "
		"cut -d: -f1 | head -n 1; done | grep -vE '^libc6|^libgcc' | sort -u",
		profiler_path()));
	/* Of the second stage, behind its FROM. */
	const char *named = said_by("sed '1,/^FROM.*-slim$/d; /^#/d' " CONTAINERFILE
				    " | grep -oE '\\b(lib|zlib)[a-z0-9-]+\\b' | sort -u");

	cr_expect_str_not_empty(needed);
	cr_expect_str_eq(named, needed);
}

Test(packaging, systemd_takes_the_unit_as_it_is)
{
	struct place place = place_in("/");
	const char *unit = in_place(&place, "pyprof-bpf.service");

	if (!has_program("systemd-analyze"))
		cr_skip_test("no systemd-analyze");
	/* Where make install puts the program, nothing is yet. */
	said_by(text_of("sed 's|/usr/local/bin/pyprof-bpf|/bin/true|' " UNIT " >'%s'", unit));
	struct child *child = child_start(NULL, (const char *[]){"systemd-analyze", "verify", "--man=no", unit, NULL});

	cr_expect_eq(child_wait(child, 60), 0);
	/* It complains of what it does not know, and goes on. */
	cr_expect_null(strstr(child_err(child), "pyprof-bpf.service:"), "%s", child_err(child));
}

#define FOR_A_MOMENT "CAP_SYS_ADMIN" /* and stands for others */

/* As the unit has them; lasting: but for the one that it gives back. */
static size_t rights_of_unit(bool lasting, char *ret[RIGHTS_MAX])
{
	const char *bounding = said_by("sed -n 's/^CapabilityBoundingSet=//p' " UNIT);
	char *rest = strdup(bounding), *word;
	size_t cnt = 0;

	cr_assert_str_eq(bounding, said_by("sed -n 's/^AmbientCapabilities=//p' " UNIT));
	while ((word = strsep(&rest, " \n")))
		if (*word && !(lasting && !strcmp(word, FOR_A_MOMENT))) {
			cr_assert(cnt < RIGHTS_MAX && !strncmp(word, "CAP_", 4), "%s", word);
			ret[cnt++] = word;
		}
	return cnt;
}

/* As a user who has these rights, but for one of them, and can gain no others. */
static struct child *start_with(char *const rights[], size_t cnt, size_t without, const char *const command[])
{
	const char *argv[40] = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"};
	const char *set = "-all";
	size_t at = 7;

	for (size_t i = 0; i < cnt; i++)
		if (i != without)
			set = text_of("%s,+%s", set, rights[i] + strlen("CAP_"));
	for (char *c = (char *)set; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	argv[at++] = text_of("--bounding-set=%s", set);
	argv[at++] = text_of("--inh-caps=%s", set);
	argv[at++] = text_of("--ambient-caps=%s", set);
	for (size_t i = 0; command[i]; i++)
		argv[at++] = command[i];
	return child_start(NULL, argv);
}

static struct child *run_with(char *const rights[], size_t cnt, size_t without, const char *const command[])
{
	struct child *child = start_with(rights, cnt, without, command);

	child_wait(child, 60);
	return child;
}

/* Where everyone may execute it. */
static const char *program_for_all(const struct place *place)
{
	const char *path = in_place(place, "pyprof-bpf");

	said_by(text_of("install -m 755 '%s' '%s'", profiler_path(), path));
	return path;
}

Test(packaging, the_units_rights_are_enough_for_whole_profiles)
{
	struct place place = place_in("/");
	struct python python = python_any();
	struct place inside = place_in(python.root);
	struct child *workload = python_start(&python, &inside, "called.py", "in_service", NULL);
	char *rights[RIGHTS_MAX];
	size_t cnt = rights_of_unit(true, rights);
	const char *const record[] = {program_for_all(&place),
				      "--all",
				      "-F",
				      "499",
				      "-d",
				      "2",
				      "-o",
				      in_place(&place, "out.folded"),
				      "--stats",
				      in_place(&place, "stats.json"),
				      NULL};

	child_ready(workload, 20);
	struct child *profiler = run_with(rights, cnt, SIZE_MAX, record);

	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	struct profile profile = profile_read(&place);
	struct folded of_workload = folded_of_pid(&profile.folded, workload->pid);

	cr_expect_gt(folded_count(&of_workload, "in_service (*"), FEW);
	cr_expect(folded_count(&of_workload, "<module> (*") * 100 >= of_workload.samples * 95, "%llu of %llu are whole",
		  folded_count(&of_workload, "<module> (*"), of_workload.samples);
	child_kill(workload);
}

/* How many of its threads have a capability, by its number, and how many there are. */
static size_t threads_with(const struct child *child, int right, size_t *ret_all)
{
	const char *sets = said_by(text_of("sed -n 's/^CapPrm:[ \t]*//p' /proc/%d/task/*/status", child->pid));
	unsigned long long set;
	size_t cnt = 0;
	int size;

	for (*ret_all = 0; sscanf(sets, "%llx%n", &set, &size) == 1; sets += size) {
		cnt += set >> right & 1;
		++*ret_all;
	}
	return cnt;
}

Test(packaging, the_right_that_the_start_needs_is_given_back_by_all_threads)
{
	struct place place = place_in("/");
	char *rights[RIGHTS_MAX];
	size_t cnt = rights_of_unit(false, rights), threads = 0, left = SIZE_MAX;
	const char *const record[] = {
		program_for_all(&place), "--all", "--export", "otlp=http://127.0.0.1:9", "-d", "60", NULL};

	cr_assert_eq(cnt, rights_of_unit(true, rights) + 1);
	cnt = rights_of_unit(false, rights);
	struct child *profiler = start_with(rights, cnt, SIZE_MAX, record);
	profiler_sampling(profiler);
	for (double end = now_s() + 20; left && now_s() < end; sleep_s(0.1))
		left = threads_with(profiler, CAP_SYS_ADMIN, &threads);
	cr_expect_eq(left, 0, "%zu of %zu threads have it", left, threads);
	cr_expect_geq(threads, 2, "it exports in a thread of its own");
	cr_expect_gt(threads_with(profiler, CAP_SYS_PTRACE, &threads), 0, "the others stay");
	child_kill(profiler);
}

Test(packaging, each_of_the_units_rights_is_needed)
{
	struct place place = place_in("/");
	const char *const doctor[] = {program_for_all(&place), "doctor", NULL};
	char *rights[RIGHTS_MAX];
	size_t cnt = rights_of_unit(true, rights);
	struct child *child = run_with(rights, cnt, SIZE_MAX, doctor);

	cr_assert_eq(child->status, 0, "%s", child_out(child));
	for (size_t i = 0; i < cnt; i++) {
		cr_expect_not_null(strstr(child_out(child), text_of("ok\t%s\t", rights[i])), "%s is of no use",
				   rights[i]);
		const char *text = child_out(run_with(rights, cnt, i, doctor));

		cr_expect_null(strstr(text, text_of("ok\t%s\t", rights[i])), "%s: %s", rights[i], text);
		cr_expect_not_null(strstr(text, text_of("\t%s\t", rights[i])), "%s: %s", rights[i], text);
	}
	cr_expect_null(strstr(child_out(child), "warn\tCAP_"), "%s", child_out(child));
}
