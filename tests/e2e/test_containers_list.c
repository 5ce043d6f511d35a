/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `pyprof-bpf containers`: what runs, and how much, against what the runtimes and the cgroups' clocks say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/containers.h"

CONTAINER_SUITE(containers_list, 120);

static const struct pod pod = {"team", "shop-1", "api", "c4a5d1f0-3f0e-4a51-9d0c-5d5bb2a9e001", "registry/api:1"};

static json_t *list_for(const char *seconds)
{
	struct child *child = profiler_run(30, "containers", "--json", "-d", seconds, NULL);
	json_t *list;

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	list = json_loads(child_out(child), 0, NULL);
	cr_assert(json_is_array(list), "%s", child_out(child));
	return list;
}

static const char *text_in(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static double number_in(const json_t *row, const char *key)
{
	json_t *value = json_object_get(row, key);

	cr_assert(json_is_number(value), "%s", key);
	return json_number_value(value);
}

/* The only row with this value. */
static const json_t *row_with(const json_t *list, const char *key, const char *value)
{
	const json_t *row, *found = NULL;
	size_t i;

	json_array_foreach(list, i, row)
	{
		if (!text_in(row, key) || strcmp(text_in(row, key), value))
			continue;
		cr_assert_null(found, "two rows have %s %s", key, value);
		found = row;
	}
	cr_assert_not_null(found, "no row has %s %s: %s", key, value, json_dumps(list, 0));
	return found;
}

Test(containers_list, has_the_names_that_the_runtimes_gave)
{
	struct place place = place_in("/");
	const char *name = podman_name("listed"), *image = podman_name("image"), *shop = container_id_new();
	const char *const shell[] = {"/bin/sh", "-c", "sleep 100 & sleep 100 & echo ready; wait", NULL};

	podman_image(&place, image);
	struct container podman = podman_start(&place, name, image, shell);
	docker_files(shop, "shop", "registry/shop:2");
	struct container docker = runc_python(
		&(struct container_spec){.place = &place, .id = shop, .cgroup = "/docker/%s"}, "called.py", "work", "0",
		"0.1", NULL);
	const char *api = container_id_new();
	pod_files(&pod, api);
	struct container_spec spec = {
		.place = &place, .id = api, .cgroup = "/kubepods/burstable/podc4a5d1f0-3f0e-4a51-9d0c-5d5bb2a9e001/%s"};
	struct container kubernetes = runc_python(&spec, "called.py", "work", "0", "0.1", NULL);

	container_ready(&podman, 20);
	container_ready(&docker, 20);
	container_ready(&kubernetes, 20);
	json_t *list = list_for("0.3");
	const json_t *row = row_with(list, "id", podman.id);

	cr_expect_str_eq(text_in(row, "name"), name);
	cr_expect_str_eq(text_in(row, "runtime"), "podman");
	cr_expect_not_null(strstr(text_in(row, "image"), image));
	cr_expect_str_eq(text_in(row, "cgroup"), podman.cgroup);
	cr_expect_eq(number_in(row, "processes"), 3);
	cr_expect_eq(number_in(row, "python_processes"), 0);

	row = row_with(list, "id", shop);
	cr_expect_str_eq(text_in(row, "name"), "shop");
	cr_expect_str_eq(text_in(row, "runtime"), "docker");
	cr_expect_str_eq(text_in(row, "image"), "registry/shop:2");
	cr_expect_str_eq(text_in(row, "cgroup"), docker.cgroup);
	cr_expect_null(text_in(row, "pod"));
	cr_expect_eq(number_in(row, "processes"), 1);
	cr_expect_eq(number_in(row, "python_processes"), 1);

	row = row_with(list, "id", api);
	cr_expect_str_eq(text_in(row, "name"), "api");
	cr_expect_str_eq(text_in(row, "runtime"), "containerd");
	cr_expect_str_eq(text_in(row, "pod"), "shop-1");
	cr_expect_str_eq(text_in(row, "namespace"), "team");
	cr_expect_str_eq(text_in(row, "image"), "registry/api:1");

	row = row_with(list, "name", "host");
	cr_expect_null(text_in(row, "id"));
	cr_expect_str_eq(text_in(row, "cgroup"), "/");
	cr_expect_gt(number_in(row, "processes"), 1);
}

/*
 * used_s of CPU were used in elapsed_s, of which the list counted seconds: in the rest, which the program takes to start and
 * to end, cpus were busy at most.
 */
static void expect_share(const char *what, double said, double used_s, double elapsed_s, double seconds, double cpus,
			 double tolerance)
{
	double most = 100 * used_s / seconds, least = 100 * (used_s - cpus * (elapsed_s - seconds)) / seconds;

	cr_expect(said > least - tolerance && said < most + tolerance, "%s: %g %%, not between %g %% and %g %%", what,
		  said, least, most);
}

Test(containers_list, counts_what_the_clocks_of_the_groups_count)
{
	struct place place = place_in("/");
	struct container half = podman_python(&place, podman_name("half"), "called.py", "work", "0", "0.5", NULL);
	struct container tenth = runc_python(&(struct container_spec){.place = &place, .cgroup = "/docker/%s"},
					     "called.py", "work", "0", "0.1", NULL);
	struct container *const all[] = {&half, &tenth};
	double before[2], used[2], start;

	container_ready(&half, 20);
	container_ready(&tenth, 20);
	for (size_t i = 0; i < 2; i++)
		before[i] = container_cpu_s(all[i]);
	start = now_s();
	json_t *list = list_for("3");
	for (size_t i = 0; i < 2; i++)
		used[i] = container_cpu_s(all[i]) - before[i];
	double elapsed = now_s() - start;

	for (size_t i = 0; i < 2; i++) {
		double said = number_in(row_with(list, "id", all[i]->id), "cpu_percent");
		expect_share(all[i]->id, said, used[i], elapsed, 3, 1, 2);
		cr_expect_gt(said, 3);
	}
	for (size_t i = 1; i < json_array_size(list); i++)
		cr_expect(number_in(json_array_get(list, i - 1), "cpu_percent") >=
				  number_in(json_array_get(list, i), "cpu_percent"),
			  "row %zu is out of order", i);
}

static double busy_s(void)
{
	unsigned long long ticks[8], sum = 0;
	char *text = file_text("/proc/stat");

	cr_assert_eq(sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
			    &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]),
		     8);
	for (size_t i = 0; i < 8; i++)
		sum += i == 3 || i == 4 || i == 7 ? 0 : ticks[i];
	free(text);
	return (double)sum / (double)sysconf(_SC_CLK_TCK);
}

/* A container in the group of another one, where time would be counted twice. */
Test(containers_list, counts_all_that_the_machine_does_once)
{
	struct place place = place_in("/");
	const char *outer_id = container_id_new();
	struct container outer = runc_python(
		&(struct container_spec){.place = &place, .id = outer_id, .cgroup = "/docker/%s"}, "called.py", "work",
		"0", "0.2", NULL);
	struct container_spec below = {.place = &place, .cgroup = text_of("/docker/%s/docker/%%s", outer_id)};
	struct container inner = runc_python(&below, "called.py", "work", "0", "0.6", NULL);

	container_ready(&outer, 20);
	container_ready(&inner, 20);
	double outer_before = container_cpu_s(&outer), inner_before = container_cpu_s(&inner);
	double before = busy_s(), start = now_s(), sum = 0;
	json_t *list = list_for("3"), *row;
	double busy = busy_s() - before;
	double inner_used = container_cpu_s(&inner) - inner_before;
	double outer_used = container_cpu_s(&outer) - outer_before - inner_used;
	double elapsed = now_s() - start;
	size_t i;

	json_array_foreach(list, i, row) sum += number_in(row, "cpu_percent");
	/* The machine counts by ticks, groups by the clock. */
	expect_share("all", sum, busy, elapsed, 3, (double)sysconf(_SC_NPROCESSORS_ONLN), 12);
	double outer_said = number_in(row_with(list, "id", outer_id), "cpu_percent");
	double inner_said = number_in(row_with(list, "id", text_of("%s/%s", outer_id, inner.id)), "cpu_percent");
	expect_share("inner", inner_said, inner_used, elapsed, 3, 1, 2);
	expect_share("outer", outer_said, outer_used, elapsed, 3, 1, 2);
	cr_expect_gt(inner_used, 0.3);
}

/* As runc's driver for systemd names it: a unit by its path, a container by its file. Its CPU is not counted for both. */
Test(containers_list, has_one_row_for_a_container_that_is_also_a_unit)
{
	struct place place = place_in("/");
	struct container_spec spec = {
		.place = &place, .id = text_of("pyprof-scope-%d", getpid()), .cgroup = "/system.slice/runc-%s.scope"};
	struct container scope = runc_python(&spec, "called.py", "work", "0", "0.4", NULL);

	container_ready(&scope, 20);
	double before = container_cpu_s(&scope), start = now_s();
	json_t *list = list_for("2");
	double used = container_cpu_s(&scope) - before, elapsed = now_s() - start;
	const json_t *row = row_with(list, "cgroup", scope.cgroup);
	double said = number_in(row, "cpu_percent");

	cr_expect_str_eq(text_in(row, "id"), scope.id);
	cr_expect_eq(number_in(row, "processes"), 1);
	expect_share("scope", said, used, elapsed, 2, 1, 2);
	cr_expect_gt(used, 0.1);
}

Test(containers_list, is_a_table_of_whole_lines_whatever_names_there_are)
{
	struct place place = place_in("/");
	const char *id = container_id_new();

	docker_files(id, "a\nb\x1b[31m\u202e</script>", "registry/shop:2");
	struct container container = runc_python(
		&(struct container_spec){.place = &place, .id = id, .cgroup = "/docker/%s"}, "called.py", "work", NULL);
	container_ready(&container, 20);
	struct child *child = profiler_run(30, "containers", "-d", "0.2", NULL);
	const char *text = child_out(child), *line = strstr(text, text_of("%.12s", id));

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	cr_expect(!strncmp(text, "NAME ", 5), "%s", text);
	cr_assert_not_null(line, "%s", text);
	cr_expect(is_utf8(text));
	for (const char *at = text; *at; at++)
		cr_expect(*at == '\n' || (unsigned char)*at >= 0x20, "%s", text);
	cr_expect_null(strstr(text, "\u202e"));
	cr_expect_null(strstr(text, id), "ids are shortened");
}

Test(containers_list, is_not_made_from_a_wrong_line)
{
	static const char *const wrong[][2] = {
		{"--duration", "x"}, {"-d", "0"}, {"--nonsense", NULL}, {"something", NULL}, {"-d", NULL}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct child *child = profiler_run(10, "containers", wrong[i][0], wrong[i][1], NULL);

		cr_expect_eq(child->status, 2, "%s", wrong[i][0]);
		expect_null_problem(check_error_line(child_err(child)), "%s", wrong[i][0]);
	}
}
