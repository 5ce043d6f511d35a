/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel and these rights allow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

#define NOBODY 65534

E2E_SUITE(doctor, 60);

static struct child *doctor_as(uid_t uid, const char *option)
{
	struct place place = place_in("/");
	const char *copy = in_place(&place, "pyprof-bpf");
	struct start how = {.uid = uid};

	/* nobody may not be let in where the build is. */
	cr_assert_eq(system(text_of("install -m 755 '%s' '%s'", profiler_path(), copy)), 0);
	struct child *child = child_start(&how, (const char *[]){copy, "doctor", option, NULL});
	child_wait(child, 30);
	return child;
}

Test(doctor, root_is_told_that_all_is_well)
{
	struct child *child = doctor_as(0, NULL);
	bool fails;

	expect_null_problem(check_doctor(child_out(child), &fails), "doctor");
	cr_expect_eq(child->status, 0, "%s%s", child_out(child), child_err(child));
	cr_expect_not(fails, "%s", child_out(child));
}

Test(doctor, nobody_is_told_which_rights_are_missing)
{
	struct child *child = doctor_as(NOBODY, NULL);
	bool fails;

	expect_null_problem(check_doctor(child_out(child), &fails), "doctor");
	cr_expect_neq(child->status, 0);
	cr_expect(child->status < 128, "status %d", child->status);
	cr_expect(fails, "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "CAP_BPF"), "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "CAP_PERFMON"), "%s", child_out(child));
}

Test(doctor, speaks_json_when_asked)
{
	struct child *child = doctor_as(0, "--json");
	json_t *json = json_loads(child_out(child), 0, NULL);

	cr_expect_eq(child->status, 0);
	cr_expect_not_null(json, "%s", child_out(child));
	cr_expect_not_null(strstr(child_out(child), "\"ok\""));
	json_decref(json);
}

/*
 * --unwind
 */

static struct child *unwind_as(uid_t uid, const char *pid, const char *option)
{
	struct place place = place_in("/");
	const char *copy = in_place(&place, "pyprof-bpf");
	struct start how = {.uid = uid};

	cr_assert_eq(system(text_of("install -m 755 '%s' '%s'", profiler_path(), copy)), 0);
	struct child *child = child_start(&how, (const char *[]){copy, "doctor", "--unwind", pid, option, NULL});
	child_wait(child, 30);
	return child;
}

static const char *unwind_of(const struct child *target)
{
	struct child *child = unwind_as(0, text_of("%d", target->pid), NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	cr_expect_str_empty(child_err(child));
	return child_out(child);
}

/* A native workload, changed by a command in which %s is its file. */
static struct child *start_changed(const struct place *place, const char *name, const char *change)
{
	const char *program = in_place(place, name);

	if (change)
		cr_assert_eq(system(text_of(change, program)), 0);
	struct child *child = child_start(&(struct start){0}, (const char *[]){program, NULL});
	child_ready(child, 10);
	return child;
}

/* What stands behind the address and the path of the first line of a file, or of "[anonymous]". */
static const char *line_of(const char *text, const char *path)
{
	const char *at = strstr(text, text_of("\t%s\t", path));

	if (!at)
		return "none";
	at += strlen(path) + 2;
	return text_of("%.*s", (int)strcspn(at, "\n"), at);
}

static size_t count_lines(const char *text)
{
	size_t cnt = 0;

	for (; *text; text++)
		cnt += *text == '\n';
	return cnt;
}

static unsigned long number_from(const char *command)
{
	unsigned long number = 0;
	FILE *out = popen(command, "r");

	cr_assert_eq(fscanf(out, "%lu", &number), 1, "%s", command);
	pclose(out);
	return number;
}

Test(doctor, says_of_each_executable_range_how_it_is_unwound)
{
	struct place place = place_in("/");
	struct child *target = start_changed(&place, "native-nofp", NULL);
	const char *text = unwind_of(target), *copy = in_place(&place, "maps"), *at = text;
	size_t ranges = 0;

	cr_assert_eq(system(text_of("cat /proc/%d/maps > '%s'", target->pid, copy)), 0);
	const char *maps = file_text(copy);

	/* The kernel's own list, in its order. */
	for (const char *line = maps; *line; line = strchr(line, '\n') + 1) {
		unsigned long start, end;
		char permissions[8];

		cr_assert_eq(sscanf(line, "%lx-%lx %4s", &start, &end, permissions), 3);
		if (permissions[2] != 'x')
			continue;
		const char *range = text_of("%lx-%lx\t", start, end);
		cr_assert_eq(strncmp(at, range, strlen(range)), 0, "%s: %s", range, at);
		at = strchr(at, '\n') + 1;
		ranges++;
	}
	cr_expect_eq(count_lines(text), ranges);
	cr_expect_gt(ranges, 2);
}

Test(doctor, knows_the_way_through_a_program_as_binutils_do)
{
	struct place place = place_in("/");
	struct child *target = start_changed(&place, "native-nofp", NULL);
	const char *program = in_place(&place, "native-nofp"), *line = line_of(unwind_of(target), program);
	unsigned int rows, rules;
	double covered, unsupported;

	cr_assert_eq(sscanf(line, "table .eh_frame, %u rows, %u rules, %lf %% of code covered, %lf %% unsupported\t",
			    &rows, &rules, &covered, &unsupported),
		     4, "%s", line);
	cr_expect(rows > rules && rules > 2 && covered > 50 && covered <= 100 && unsupported == 0, "%s", line);
	cr_expect_str_eq(strrchr(line, '\t'), "\t.symtab");

	struct child *child = unwind_as(0, text_of("%d", target->pid), "--json");
	json_t *json = json_loads(child_out(child), 0, NULL), *mappings = json_object_get(json, "mappings");
	cr_assert_eq(json_array_size(mappings), count_lines(unwind_of(target)));
	json_t *first = json_array_get(mappings, 0), *table = json_object_get(first, "table");
	cr_expect_eq(json_integer_value(json_object_get(json, "pid")), target->pid);
	cr_expect_str_eq(json_string_value(json_object_get(first, "path")), program);
	cr_expect_str_eq(json_string_value(json_object_get(first, "how")), "table");
	cr_expect_str_eq(json_string_value(json_object_get(first, "symbols")), ".symtab");
	cr_expect(json_is_null(json_object_get(first, "reason")));
	cr_expect(json_is_false(json_object_get(first, "moved")));
	cr_expect_eq(json_integer_value(json_object_get(table, "rows")), rows);
	cr_expect_eq(json_integer_value(json_object_get(table, "fdes")),
		     number_from(text_of("readelf --debug-dump=frames '%s' | grep -c ' FDE '", program)));
	json_decref(json);
}

Test(doctor, says_where_symbols_are_and_that_frame_pointers_are_all_there_is)
{
	static const struct {
		const char *change, *how, *symbols;
	} cases[] = {
		{"strip '%s'", "table .eh_frame, ", "\t.dynsym only"},
		{"objcopy -R .eh_frame -R .eh_frame_hdr '%s'", "frame pointers: no CFI\t", "\t.symtab"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct place place = place_in("/");
		struct child *target = start_changed(&place, "native-fp", cases[i].change);
		const char *line = line_of(unwind_of(target), in_place(&place, "native-fp"));

		cr_expect_eq(strncmp(line, cases[i].how, strlen(cases[i].how)), 0, "%s", line);
		cr_expect_str_eq(strrchr(line, '\t'), cases[i].symbols);
		child_kill(target);
	}
}

Test(doctor, says_that_made_up_code_has_no_file)
{
	struct child *target = child_start(&(struct start){0},
					   (const char *[]){"/usr/bin/python3", "-c",
							    "import mmap, time\n"
							    "m = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=7)\n"
							    "print('ready', flush=True)\n"
							    "time.sleep(60)\n",
							    NULL});

	child_ready(target, 10);
	cr_expect_str_eq(line_of(unwind_of(target), "[anonymous]"), "frame pointers: anonymous memory\tnone");
}

/* Root opens it all the same; who has no such right is told. */
Test(doctor, says_that_a_file_is_gone)
{
	struct place place = place_in("/");
	const char *program = in_place(&place, "native-fp");
	struct child *target = child_start(&(struct start){.uid = NOBODY}, (const char *[]){program, NULL});
	const char *gone = text_of("%s (deleted)", program);

	child_ready(target, 10);
	unlink(program);
	cr_expect_eq(strncmp(line_of(unwind_of(target), gone), "table .eh_frame, ", 17), 0);
	struct child *child = unwind_as(NOBODY, text_of("%d", target->pid), NULL);
	cr_expect_eq(child->status, 0);
	cr_expect_eq(strncmp(line_of(child_out(child), gone), "cannot: file is gone", 20), 0, "%s", child_out(child));
}

Test(doctor, says_in_one_line_why_a_process_cannot_be_looked_into)
{
	struct place place = place_in("/");
	struct child *target = start_changed(&place, "native-fp", NULL);
	const struct {
		uid_t uid;
		const char *pid;
		int status;
		const char *says;
	} cases[] = {
		{0, "4194304", 1, "there is no process"},
		{0, "2", 1, "kernel thread"},
		{NOBODY, text_of("%d", target->pid), 1, "CAP_SYS_PTRACE"},
		{0, "0", 2, "process id"},
		{0, "-1", 2, "process id"},
		{0, "1x", 2, "process id"},
		{0, "99999999999999999999", 2, "process id"},
		{0, NULL, 2, "process id"},
	};
	const char *second = file_text("/proc/2/comm");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* In a PID namespace of its own, 2 is somebody else. */
		if (cases[i].pid && !strcmp(cases[i].pid, "2") && (!second || strcmp(second, "kthreadd\n")))
			continue;
		struct child *child = unwind_as(cases[i].uid, cases[i].pid, NULL);

		cr_expect_eq(child->status, cases[i].status, "%s", cases[i].pid);
		cr_expect_str_empty(child_out(child));
		cr_expect_eq(count_lines(child_err(child)), 1, "%s", child_err(child));
		cr_expect_not_null(strstr(child_err(child), cases[i].says), "%s", child_err(child));
	}
}
