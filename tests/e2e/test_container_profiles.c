/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The profiler beside containers that run: are their samples theirs, by the right names, and theirs alone when
 * asked for? In each, a function of its own is busy, so that a sample says where it was really taken.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/e2e/containers.h"

CONTAINER_SUITE(container_profiles, 300);

#define POD_UID "c4a5d1f0-3f0e-4a51-9d0c-5d5bb2a9e001"
#define POD_SLICE \
	"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podc4a5d1f0_3f0e_4a51_9d0c_5d5bb2a9e001.slice/"

static const struct pod pod = {"team", "shop-1", "api", POD_UID, "registry/api:1"};

/* --- folded text, of which the first frame is a place ------------------- */

/* `FUNCTION (FILE:LINE)` in the line, which is not at its root. */
static bool line_has(const char *line, size_t size, const char *function)
{
	const char *text = text_of(";%s (", function);

	return memmem(line, size, text, strlen(text)) != NULL;
}

/* Samples with the function, under this root, or with root NULL under any other than `not`. */
static u64 samples_of(const char *text, const char *function, const char *root, const char * not )
{
	u64 sum = 0;

	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		size_t size = (size_t)(end - line), first = strcspn(line, ";\n");
		const char *name = text_of("%.*s", (int)first, line);
		const char *count = memrchr(line, ' ', size);

		if (*line == '#' || !count || !line_has(line, size, function))
			continue;
		if (root ? !strcmp(name, root) : strcmp(name, not ))
			sum += strtoull(count + 1, NULL, 10);
	}
	return sum;
}

/* It has samples, and all of them are under this root. */
static void expect_root(const char *text, const char *function, const char *root)
{
	u64 there = samples_of(text, function, root, NULL), elsewhere = samples_of(text, function, NULL, root);

	cr_expect_gt(there, 0, "%s is not under %s:\n%.2000s", function, root, text);
	cr_expect_eq(elsewhere, 0, "%s has %llu samples that are not under %s:\n%.2000s", function, elsewhere, root,
		     text);
}

static const char *written(const struct child *profiler, const char *path)
{
	char *text;

	cr_assert_eq(profiler->status, 0, "the profiler ended with %d: %s", profiler->status, child_err(profiler));
	text = file_text(path);
	cr_assert_not_null(text, "no %s", path);
	cr_assert(is_utf8(text));
	return text;
}

/* --- containers as runtimes make them ----------------------------------- */

static struct container docker_start(const struct place *place, const char *name, const char *function)
{
	const char *id = container_id_new();

	docker_files(id, name, "registry/shop:2");
	return runc_python(&(struct container_spec){.place = place, .id = id, .cgroup = "/docker/%s"}, "called.py",
			   function, NULL);
}

static struct container pod_start(const struct place *place, const struct pod *of, const char *function)
{
	const char *id = container_id_new();

	pod_files(of, id);
	return runc_python(&(struct container_spec){.place = place,
						    .id = id,
						    .cgroup = POD_SLICE "cri-containerd-%s.scope",
						    .user_namespace = true},
			   "called.py", function, NULL);
}

struct trio {
	struct container podman, docker, pod;
	const char *name; /* podman's */
};

static struct trio trio_start(const struct place *place)
{
	struct trio trio = {.name = podman_name("web")};

	trio.podman = podman_python(place, trio.name, "called.py", "in_podman", NULL);
	trio.docker = docker_start(place, "shop", "in_docker");
	trio.pod = pod_start(place, &pod, "in_kube");
	container_ready(&trio.podman, 20);
	container_ready(&trio.docker, 20);
	container_ready(&trio.pod, 20);
	return trio;
}

/* --- names -------------------------------------------------------------- */

Test(container_profiles, per_container_have_its_name_at_the_root)
{
	struct place place = place_in("/");
	const char *path = in_place(&place, "out.folded");
	struct trio trio = trio_start(&place);
	struct child *host = native_start(&place, "native-fp", NULL);
	struct child *profiler = profiler_run(40, "--all", "-F", "499", "-d", "2", "--per", "container", "-o", path,
					      NULL);
	const char *text = written(profiler, path);

	expect_root(text, "in_podman", trio.name);
	expect_root(text, "in_docker", "shop");
	expect_root(text, "in_kube", "api");
	cr_expect_not_null(strstr(text_of("\n%s", text), "\nhost;"), "nothing runs on the host");
	child_kill(host);
}

static const char *readers(void)
{
	struct child *child = child_start(NULL, (const char *[]){"tools/get_readers.sh", NULL});

	cr_assert_eq(child_wait(child, 200), 0, "no readers: %s", child_err(child));
	return text_of("%.*s", (int)strcspn(child_out(child), "\n"), child_out(child));
}

struct expected_label {
	const char *function, *name, *otel, *value;
};

static void expect_labels(const char *path, const struct expected_label *expected, size_t cnt)
{
	const char *argv[] = {
		"python3", "tests/e2e/read_labels.py", readers(), path, "in_podman", "in_docker", "in_kube", NULL};
	struct child *child = child_start(NULL, argv);
	bool otel = strstr(path, ".otlp.pb");

	cr_assert_eq(child_wait(child, 120), 0, "%s: %s", path, child_err(child));
	for (size_t i = 0; i < cnt; i++) {
		const struct expected_label *it = &expected[i];
		const char *key = text_of("\n%s\t%s\t", it->function, otel ? it->otel : it->name);
		const char *text = text_of("\n%s", child_out(child)), *found = strstr(text, key);

		if (!it->value) {
			cr_expect_null(found, "%s: more than there is: %s", path, text);
			continue;
		}
		const char *line = text_of("%s%s\n", key, it->value);
		cr_expect_not_null(strstr(text, line), "%s: no%s in%s", path, line, text);
		cr_expect(!found || !strstr(found + 1, key), "%s: two values of%s:%s", path, key, text);
	}
}

Test(container_profiles, have_their_labels_in_pprof_and_otlp)
{
	struct place place = place_in("/");
	struct trio trio = trio_start(&place);
	static const char *const suffixes[] = {"pb.gz", "otlp.pb"};
	const struct expected_label expected[] = {
		{"in_podman", "container_name", "container.name", trio.name},
		{"in_podman", "container_id", "container.id", trio.podman.id},
		{"in_podman", "runtime", "container.runtime.name", "podman"},
		{"in_podman", "k8s_pod", "k8s.pod.name", NULL},
		{"in_docker", "container_name", "container.name", "shop"},
		{"in_docker", "container_id", "container.id", trio.docker.id},
		{"in_docker", "runtime", "container.runtime.name", "docker"},
		{"in_docker", "image", "container.image.name", "registry/shop:2"},
		{"in_kube", "container_id", "container.id", trio.pod.id},
		{"in_kube", "runtime", "container.runtime.name", "containerd"},
		{"in_kube", "image", "container.image.name", pod.image},
		{"in_kube", "k8s_pod", "k8s.pod.name", pod.name},
		{"in_kube", "k8s_namespace", "k8s.namespace.name", pod.namespace},
		{"in_kube", "k8s_container", "k8s.container.name", pod.container},
	};

	for (size_t i = 0; i < 2; i++) {
		const char *path = in_place(&place, text_of("out.%s", suffixes[i]));
		struct child *profiler = profiler_run(40, "--all", "-F", "499", "-d", "2", "-o", path, NULL);

		cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
		expect_labels(path, expected, sizeof(expected) / sizeof(*expected));
	}
}

#define SHORT_CNT 10

Test(container_profiles, that_last_200_ms_are_named_right)
{
	struct place place = place_in("/");
	const char *path = in_place(&place, "out.folded"), *names[SHORT_CNT];
	struct child *profiler = profiler_start(NULL, "--all", "-F", "999", "--per", "container", "-o", path, NULL);

	profiler_sampling(profiler);
	for (size_t i = 0; i < SHORT_CNT; i++) {
		const char *script = text_of("%s/called.py", place.inside), *function = text_of("short_%zu", i);
		const char *const argv[] = {"python3.11", script, function, "0.2", NULL};

		names[i] = podman_name("short");
		cr_assert_eq(child_wait(podman_begin(&place, names[i], NULL, argv), 30), 0);
	}
	child_signal(profiler, SIGINT);
	child_wait(profiler, 30);
	const char *text = written(profiler, path);
	for (size_t i = 0; i < SHORT_CNT; i++)
		expect_root(text, text_of("short_%zu", i), names[i]);
}

/* --- selection ---------------------------------------------------------- */

/* Which of the three functions are in the profile that these options give. */
static const char *selected_by(const struct place *place, const char *option, const char *value)
{
	const char *path = in_place(place, "out.folded");
	struct child *profiler = profiler_run(40, option, value, "-F", "499", "-d", "1.5", "-o", path, NULL);
	const char *text = written(profiler, path);

	return text_of("%s%s%s", samples_of(text, "in_podman", NULL, "") ? "podman " : "",
		       samples_of(text, "in_docker", NULL, "") ? "docker " : "",
		       samples_of(text, "in_kube", NULL, "") ? "pod " : "");
}

Test(container_profiles, hold_only_what_was_asked_for)
{
	struct place place = place_in("/");
	struct trio trio = trio_start(&place);
	const struct {
		const char *option, *value, *expected;
	} rows[] = {
		{"--container", trio.name, "podman "},
		{"--container", "pyprof-e2e-web-*", "podman "},
		{"--container", "sh?p", "docker "},
		{"--container", "sho", ""},
		{"--container", trio.docker.id, "docker "},
		{"--container", text_of("%.12s", trio.pod.id), "pod "},
		{"--container", "api", "pod "},
		{"--pod", "team/shop-1", "pod "},
		{"--pod", "team/*", "pod "},
		{"--pod", "other/shop-1", ""},
		{"--cgroup", "/docker", "docker "},
		{"--cgroup", trio.podman.cgroup, "podman "},
		{"--cgroup", "/kubepods.slice", "pod "},
		{"--cgroup", "/kubepods", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_str_eq(selected_by(&place, rows[i].option, rows[i].value), rows[i].expected, "%s %s",
				 rows[i].option, rows[i].value);
}

Test(container_profiles, hold_a_container_that_was_asked_for_before_it_began)
{
	struct place place = place_in("/");
	const char *path = in_place(&place, "out.folded"), *name = podman_name("later");
	struct container other = docker_start(&place, "shop", "in_docker");
	struct child *profiler = profiler_start(NULL, "--container", name, "--pod", "team/shop-*", "-F", "499", "-d",
						"5", "-o", path, NULL);

	container_ready(&other, 20);
	profiler_sampling(profiler);
	sleep_s(1);
	podman_python(&place, name, "called.py", "in_podman", NULL);
	pod_start(&place, &pod, "in_kube");
	child_wait(profiler, 30);
	const char *text = written(profiler, path);
	cr_expect_gt(samples_of(text, "in_podman", NULL, ""), FEW, "%.2000s", text);
	cr_expect_gt(samples_of(text, "in_kube", NULL, ""), FEW, "%.2000s", text);
	cr_expect_eq(samples_of(text, "in_docker", NULL, ""), 0, "%.2000s", text);
	cr_expect(strstr(child_err(profiler), text_of("--container %s: nothing of that name runs now", name)), "%s",
		  child_err(profiler));
	cr_expect(strstr(child_err(profiler), "--pod team/shop-*: nothing"), "%s", child_err(profiler));
}

/* --- stacks ------------------------------------------------------------- */

static void expect_whole_stacks(bool user_namespace)
{
	struct place place = place_in("/");
	struct container_spec spec = {.place = &place, .cgroup = "/docker/%s", .user_namespace = user_namespace};
	struct container container = runc_python(&spec, "stacks.py", text_of("%s/truth", place.inside), NULL);
	struct pairs pairs = {0};

	container_ready(&container, 60);
	expect_null_problem(pairs_parse(file_text(in_place(&place, "truth")), &pairs), "truth");
	struct profile profile = profile_pid(&place, container.pid, 999, 3, false);
	struct verdict verdict = check_stacks(&profile.folded, &pairs);
	cr_expect_gt(verdict.samples, FEW);
	cr_expect_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_expect(nearly_all(verdict.complete, verdict.samples), "%llu of %llu complete: %s", verdict.complete,
		  verdict.samples, verdict.first_incomplete);
	container_stop(&container);
}

Test(container_profiles, are_whole_of_the_containers_own_python)
{
	expect_whole_stacks(false);
}

Test(container_profiles, are_whole_in_a_user_namespace)
{
	expect_whole_stacks(true);
}

/* --- files -------------------------------------------------------------- */

Test(container_profiles, can_be_a_file_each)
{
	struct place place = place_in("/");
	struct trio trio = trio_start(&place);
	struct container forged = docker_start(&place, "../../escaped", "in_forged");
	const char *directory = in_place(&place, "flames");

	container_ready(&forged, 20);
	cr_assert_eq(system(text_of("mkdir '%s'", directory)), 0);
	struct child *profiler = profiler_run(40, "--all", "-F", "499", "-d", "2", "-o",
					      text_of("%s/{container}.svg", directory), NULL);
	const char *const rows[][2] = {{trio.name, "in_podman"}, {"shop", "in_docker"}, {"api", "in_kube"}};

	for (size_t i = 0; i < 3; i++) {
		const char *svg = written(profiler, text_of("%s/%s.svg", directory, rows[i][0]));

		for (size_t j = 0; j < 3; j++)
			cr_expect_eq(strstr(svg, rows[j][1]) != NULL, i == j, "%s.svg, %s", rows[i][0], rows[j][1]);
	}
	cr_expect_not_null(written(profiler, text_of("%s/host.svg", directory)));
	/* Where `..` would lead to. */
	cr_expect(!file_exists(in_place(&place, "../escaped.svg")) && !file_exists("/escaped.svg") &&
		  !file_exists(in_place(&place, "escaped.svg")));
	cr_expect_eq(system(text_of("grep -lq in_forged '%s'/*.svg", directory)), 0, "it has no file");
}

/* --- what is forged ----------------------------------------------------- */

Test(container_profiles, say_of_a_container_nothing_that_it_says_itself)
{
	struct place place = place_in("/");
	const char *liar_id = container_id_new(), *lies = in_place(&place, "lies");
	struct container victim = docker_start(&place, "victim", "in_victim");
	const char *config = text_of("{\"ID\": \"%s\", \"Name\": \"/victim\", \"Config\": {\"Image\": \"forged\"}}",
				     liar_id);

	host_file(text_of("%s/lib/docker/containers/%s/config.v2.json", lies, liar_id), config);
	host_file(text_of("%s/run/.containerenv", lies), "name=\"victim\"\n");
	struct container_spec spec = {.place = &place,
				      .id = liar_id,
				      .cgroup = "/docker/%s",
				      .hostname = "victim",
				      .from = {text_of("%s/lib", lies), text_of("%s/run", lies)},
				      .at = {"/var/lib", "/run"}};
	struct container liar = runc_python(&spec, "called.py", "in_liar", NULL);
	const char *path = in_place(&place, "out.folded");

	container_ready(&victim, 20);
	container_ready(&liar, 20);
	const char *text = written(
		profiler_run(40, "--all", "-F", "499", "-d", "2", "--per", "container", "-o", path, NULL), path);
	expect_root(text, "in_victim", "victim");
	/* It has an id, which the kernel says, and no more: it is called by that, as runtimes shorten it. */
	expect_root(text, "in_liar", text_of("%.12s", liar_id));
	cr_expect_null(strstr(text, "forged"));
}

Test(container_profiles, take_no_group_below_a_container_for_another_container)
{
	struct place place = place_in("/");
	struct container victim = docker_start(&place, "victim", "in_victim");
	struct container liar = docker_start(&place, "liar", "in_liar");
	const char *path = in_place(&place, "out.folded");
	const char *below = text_of("%s/docker/%s", liar.cgroup, victim.id);

	container_ready(&victim, 20);
	container_ready(&liar, 20);
	host_cgroup(below);
	host_cgroup_enter(below, liar.pid);
	const char *text = written(
		profiler_run(40, "--all", "-F", "499", "-d", "2", "--per", "container", "-o", path, NULL), path);
	expect_root(text, "in_victim", "victim");
	cr_expect_eq(samples_of(text, "in_liar", "victim", NULL), 0, "a container passes for another:\n%.2000s", text);
	cr_expect_gt(samples_of(text, "in_liar", NULL, "victim"), 0);
}

Test(container_profiles, show_names_that_would_do_harm_as_text)
{
	struct place place = place_in("/");
	static const char *const names[] = {"</script><img src=x onerror=alert(1)>", "\u202egpj.exe",
					    "a;b (c.py:1) 7\nhost;forged_line 1", "\x1b[31mred"};
	char long_name[5001];
	const char *path = in_place(&place, "out.folded"), *svg = in_place(&place, "out.svg");
	const char *group = text_of("/docker/%.200s", "\x01</script>\xff\u202e;%s;%20\\x41");
	struct container all[5], good = docker_start(&place, "good", "in_good");

	memset(long_name, 'n', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = 0;
	for (size_t i = 0; i < 5; i++) {
		all[i] = docker_start(&place, i < 4 ? names[i] : long_name, text_of("forged_%zu", i));
		container_ready(&all[i], 20);
	}
	container_ready(&good, 20);
	host_cgroup(group);
	host_cgroup_enter(group, all[4].pid);
	const char *text = written(
		profiler_run(40, "--all", "-F", "999", "-d", "3", "--per", "container", "-o", path, NULL), path);
	expect_root(text, "in_good", "good");
	for (const char *at = text; *at; at++)
		cr_assert((unsigned char)*at >= 0x20 || *at == '\n', "byte %d at %zu", *at, (size_t)(at - text));
	cr_expect_null(strstr(text, "\nhost;forged_line"));
	for (size_t i = 0; i < 5; i++)
		cr_expect_gt(samples_of(text, text_of("forged_%zu", i), NULL, "good"), 0, "forged_%zu has no samples",
			     i);
	const char *picture = written(
		profiler_run(40, "--all", "-F", "999", "-d", "2", "--per", "container", "-o", svg, NULL), svg);
	cr_expect_null(strstr(picture, "<img"));
}
