/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/cgroup_table.h"
#include "container/hierarchies.h"
#include "container/place.h"
#include "container/place_identity.h"
#include "container/place_store.h"
#include "container/selection.h"

TestSuite(place);

#define ID_A	"aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define ID_B	"bbbbbbbbbbbb0000000000000000000000000000000000000000000000000000"
#define POD	"/kubepods/burstable/pod11111111-2222-3333-4444-555555555555"
#define UNIFIED "/sys/fs/cgroup/unified"
#define FRESH	(1ull << 40) /* an id that no directory has */

/* A root directory of our own, with runtimes' files and two hierarchies in it: plain directories, which have inodes too. */
static char root[] = "/tmp/pyprof-place-XXXXXX";
static struct place_table *table;

static void make_directories(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s%s", root, path);
	for (char *at = part + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(part, 0755);
		*at = '/';
	}
	mkdir(part, 0755);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];

	make_directories(directory);
	snprintf(path, sizeof(path), "%s%s/%s", root, directory, name);
	FILE *file = fopen(path, "w");
	cr_assert(file && fputs(text, file) >= 0 && !fclose(file), "%s", path);
}

static void write_docker(const char *id, const char *name)
{
	STRBUF(directory);
	STRBUF(text);

	strbuf_printf(&directory, "/var/lib/docker/containers/%s", id);
	strbuf_printf(&text, "{\"Name\": \"/%s\", \"Config\": {\"Image\": \"nginx:1.27\"}}", name);
	write_file(directory.at, "config.v2.json", text.at);
}

static void write_runc(const char *id, const char *cgroup)
{
	STRBUF(directory);
	STRBUF(text);

	strbuf_printf(&directory, "/run/runc/%s", id);
	strbuf_printf(&text,
		      "{\"id\": \"%s\", \"cgroup_paths\": {\"pids\": \"/sys/fs/cgroup/pids%s\", "
		      "\"\": \"/sys/fs/cgroup/unified%s\"}, \"config\": {\"labels\": [\"bundle=/b\"]}}",
		      id, cgroup, cgroup);
	write_file(directory.at, "state.json", text.at);
}

static struct hierarchy hierarchy_in(const char *path, const char *controller)
{
	STRBUF(whole);

	make_directories(path);
	strbuf_printf(&whole, "%s%s", root, path);
	return (struct hierarchy){
		.fd = open(whole.at, O_RDONLY | O_DIRECTORY),
		.controller = controller,
		.mount = strdup(path),
		.base = strdup(""),
	};
}

static void open_table(void)
{
	struct hierarchies hierarchies = {
		.root = "/",
		.v1_kind = CGROUP_V1_PIDS,
		.v2 = hierarchy_in("/sys/fs/cgroup/unified", ""),
		.v1 = hierarchy_in("/sys/fs/cgroup/pids", "pids"),
	};

	cr_assert_eq(place_table_new_at(&hierarchies, root, &table), 0);
}

static void set_up(void)
{
	cr_assert(mkdtemp(root));
	open_table();
}

static void tear_down(void)
{
	STRBUF(command);

	place_table_free(table);
	strbuf_printf(&command, "rm -r %s", root);
	cr_expect_eq(system(command.at), 0);
}

static u64 inode_of(const char *path)
{
	STRBUF(whole);
	struct stat st;

	strbuf_printf(&whole, "%s%s", root, path);
	cr_assert_eq(stat(whole.at, &st), 0);
	return st.st_ino;
}

static struct cgroup_record record_of(u64 id, const char *path)
{
	struct cgroup_record record = {.record = {.type = RECORD_CGROUP, .size = sizeof(record)}, .cgroup_id = id};

	snprintf(record.path, sizeof(record.path), "%s", path);
	return record;
}

static struct place *add(u64 id, const char *path)
{
	const struct cgroup_record record = record_of(id, path);
	struct place *place = NULL;

	cr_assert_eq(place_table_add(table, &record, &place), 0);
	cr_assert_not_null(place);
	return place;
}

static void remove_id(u64 id)
{
	const struct cgroup_record record = record_of(id, "");

	place_table_remove(table, &record);
}

static bool value_is(const struct place *place, enum label label, const char *expected)
{
	const char *value = place->values[label];

	return expected ? value && !strcmp(value, expected) : !value;
}

/* What is due now. */
static void turn(void)
{
	for (int i = 0; i < 10 && place_table_due_ns(table) <= clock_monotonic_ns(); i++)
		place_table_turn(table, clock_monotonic_ns(), NULL, NULL);
}

static const char *name_of(struct place *place)
{
	place_table_name(table);
	return place->values[LABEL_CONTAINER_NAME] ?: "";
}

/* Turns as often as something is due, until then, and as whoever waits by milliseconds. */
static int turn_until(u64 end_ns, void (*gone)(void *ctx, struct place *place), void *ctx)
{
	int turns = 0;
	u64 due_ns;

	while ((due_ns = place_table_due_ns(table)) <= end_ns && turns < 10000) {
		place_table_turn(table, (due_ns / NS_PER_MS + 1) * NS_PER_MS, gone, ctx);
		turns++;
	}
	return turns;
}

Test(place, the_host_is_what_no_group_tells_otherwise, .init = set_up, .fini = tear_down)
{
	struct place *host = place_table_find(table, 0, 0, 0);

	cr_expect_eq(host->key, PLACE_HOST);
	cr_expect(host->named);
	cr_expect_str_eq(host->cgroup, "/");
	cr_expect_eq(place_table_at(table, PLACE_HOST), host);
	cr_expect_eq(add(FRESH, "/"), host);
	cr_expect_eq(add(FRESH + 1, POD), host, "a pod's own group is no container");
	cr_expect_eq(add(FRESH + 2, "/user.slice"), host);
}

Test(place, a_container_has_its_name_at_the_first_turn, .init = set_up, .fini = tear_down)
{
	write_docker(ID_A, "web");
	struct place *place = add(FRESH, "/docker/" ID_A);

	cr_expect(place->is_container);
	cr_expect_not(place->named, "news waits for no file");
	cr_expect_leq(place_table_due_ns(table), clock_monotonic_ns(), "but the turn is due at once");
	turn();
	cr_expect(place->named);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"));
	cr_expect(value_is(place, LABEL_CONTAINER_ID, ID_A));
	cr_expect(value_is(place, LABEL_RUNTIME, "docker"));
	cr_expect(value_is(place, LABEL_IMAGE, "nginx:1.27"));
	cr_expect(value_is(place, LABEL_SYSTEMD_UNIT, NULL));
	cr_expect_gt(place_table_due_ns(table), clock_monotonic_ns() + 20 * NS_PER_S, "nothing is left to do soon");
}

Test(place, a_name_that_comes_later_is_found_later, .init = set_up, .fini = tear_down)
{
	struct place *place = add(FRESH, "/docker/" ID_A);
	u64 start_ns = clock_monotonic_ns();

	cr_expect_not(place->named);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "aaaaaaaaaaaa"), "the short id until then");
	u32 generation = place->generation;
	u64 all = place_table_generation(table);
	turn_until(start_ns + 30 * NS_PER_MS, NULL, NULL);
	cr_expect_eq(place->generation, generation);
	write_docker(ID_A, "web");
	turn_until(start_ns + 60 * NS_PER_MS, NULL, NULL);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"));
	cr_expect(place->named);
	cr_expect_gt(place->generation, generation);
	cr_expect_gt(place_table_generation(table), all);
}

Test(place, what_has_no_files_is_left_alone_after_ten_seconds, .init = set_up, .fini = tear_down)
{
	struct place *place = add(FRESH, "/docker/" ID_A);

	int turns = turn_until(clock_monotonic_ns() + 9 * NS_PER_S, NULL, NULL);
	cr_expect_not(place->named);
	cr_expect_lt(turns, 25);
	turn_until(clock_monotonic_ns() + 12 * NS_PER_S, NULL, NULL);
	cr_expect(place->named);
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

Test(place, all_groups_of_a_container_are_one_place, .init = set_up, .fini = tear_down)
{
	struct place *place = add(FRESH, "/system.slice/docker-" ID_A ".scope");

	cr_expect_eq(add(FRESH + 1, "/system.slice/docker-" ID_A ".scope/init"), place);
	cr_expect_eq(add(FRESH + 2, "/system.slice/docker-" ID_A ".scope/system.slice/x.service"), place);
	cr_expect_eq(add(FRESH | CGROUP_V1_BIT, "/docker/" ID_A), place, "under another path in the other hierarchy");
	cr_expect_neq(add(FRESH + 3, "/docker/" ID_B), place);
	cr_expect_str_eq(place->cgroup, "/system.slice/docker-" ID_A ".scope");
}

/* Of an id that a person chose there may be two, and whoever may make groups may name one like another's. */
Test(place, forged_and_equal_names_are_places_of_their_own, .init = set_up, .fini = tear_down)
{
	write_docker(ID_A, "victim");
	struct place *victim = add(FRESH, "/docker/" ID_A);
	struct place *nested = add(FRESH + 1, "/docker/" ID_B "/docker/" ID_A);
	struct place *user = add(FRESH + 2, "/user.slice/user-1000.slice/user@1000.service/docker/" ID_A);

	cr_expect_neq(nested, victim);
	cr_expect_neq(user, victim);
	cr_expect_neq(user, nested);
	turn();
	cr_expect(value_is(victim, LABEL_CONTAINER_NAME, "victim"));
	cr_expect_not(value_is(nested, LABEL_CONTAINER_NAME, "victim"));
	cr_expect(nested->named, "no file of the host's will ever tell");
	cr_expect_not(value_is(user, LABEL_CONTAINER_NAME, "victim"));
	cr_expect_neq(add(FRESH + 3, "/lxc.payload.a"), add(FRESH + 4, "/x/lxc.payload.a"));
	cr_expect_eq(add(FRESH + 5, "/lxc.payload.a/init.scope"), add(FRESH | CGROUP_V1_BIT, "/lxc.payload.a"));
}

Test(place, a_unit_is_a_place_with_its_name, .init = set_up, .fini = tear_down)
{
	struct place *place = add(FRESH, "/system.slice/nginx.service");

	cr_expect(value_is(place, LABEL_SYSTEMD_UNIT, "nginx.service"));
	cr_expect(place->named);
	cr_expect_not(place->is_container);
	cr_expect_eq(add(FRESH + 1, "/system.slice/nginx.service/worker"), place);
}

/* Whoever runs in a delegated unit calls units as he likes. */
Test(place, no_unit_within_another_passes_for_one_of_the_hosts, .init = set_up, .fini = tear_down)
{
	struct place *users = add(FRESH, "/user.slice/user-1.slice/user@1.service/app.slice/nginx.service");
	struct place *session = add(FRESH + 1, "/user.slice/user-1.slice/session-3.scope");
	struct place *services = add(FRESH + 2, "/system.slice/ci.service/nginx.service");

	cr_expect(value_is(users, LABEL_SYSTEMD_UNIT, "user-1/nginx.service"));
	cr_expect(value_is(session, LABEL_SYSTEMD_UNIT, "session-3.scope"), "root's systemd made that one");
	cr_expect(value_is(services, LABEL_SYSTEMD_UNIT, "ci.service/nginx.service"));
}

Test(place, a_container_wins_over_a_unit_and_a_unit_over_the_host, .init = set_up, .fini = tear_down)
{
	struct place *unit = add(FRESH, "/system.slice/x.service");
	struct place *container = add(FRESH | CGROUP_V1_BIT, "/docker/" ID_A);
	struct place *host = add(FRESH + 1, "/");
	const u64 host_v1 = (FRESH + 1) | CGROUP_V1_BIT;

	cr_expect_eq(add(host_v1, "/"), host);
	cr_expect_eq(place_table_find(table, FRESH, FRESH | CGROUP_V1_BIT, 0), container);
	cr_expect_eq(place_table_find(table, FRESH + 1, FRESH | CGROUP_V1_BIT, 0), container);
	cr_expect_eq(place_table_find(table, FRESH, host_v1, 0), unit);
	cr_expect_eq(place_table_find(table, FRESH + 1, host_v1, 0), host);
	cr_expect_eq(place_table_find(table, FRESH, 0, 0), unit);
}

Test(place, a_path_that_somebody_chose_is_a_container_when_runc_says_so, .init = set_up, .fini = tear_down)
{
	struct place *host = add(FRESH, "/mine/t1");
	struct place *unit = add(FRESH + 1, "/mine/t1/system.slice/a.service");
	const struct selection selection = {SELECT_CONTAINER, "t1"};
	u64 start_ns = clock_monotonic_ns(), all = place_table_generation(table);

	struct place *inner = add(FRESH + 5, "/mine/t1/docker/" ID_B);

	cr_expect_eq(host->key, PLACE_HOST);
	cr_expect_not(place_table_is_settled(table, FRESH));
	cr_expect(value_is(unit, LABEL_SYSTEMD_UNIT, "a.service"));
	write_runc("t1", "/mine/t1");
	turn_until(start_ns + 50 * NS_PER_MS, NULL, NULL);
	struct place *place = place_table_find(table, FRESH, 0, 0);
	cr_expect(place->is_container);
	cr_expect(value_is(place, LABEL_CONTAINER_ID, "t1"));
	cr_expect_eq(place_select(place, &selection, 1), SELECTED_YES);
	cr_expect_gt(place_table_generation(table), all);
	cr_expect(place_table_is_settled(table, FRESH));
	struct place *nested = place_table_find(table, FRESH + 5, 0, 0);
	cr_expect(nested->is_container && nested != place, "a container stays its own");
	cr_expect_neq(nested, inner, "but it is none of the host's");
	cr_expect(inner->gone);
	cr_expect_eq(place_table_find(table, FRESH + 1, 0, 0), place, "what is inside of it has no unit");
	cr_expect_eq(add(FRESH + 2, "/mine/t1/b.service/deep"), place);
	cr_expect_eq(add(FRESH | CGROUP_V1_BIT, "/mine/t1"), place);
	cr_expect_eq(add(FRESH + 3, "/mine/t11")->key, PLACE_HOST);
	cr_expect_neq(add(FRESH + 4, "/mine/t1/docker/" ID_A), place, "of nested ones the inner");
}

/* Who is in a container that only files tell may call groups as he likes, too. */
Test(place, inside_of_what_files_told_nothing_is_another_container_of_the_host, .init = set_up, .fini = tear_down)
{
	write_docker(ID_A, "victim");
	write_runc("t1", "/mine");
	write_runc("t2", "/other");
	struct place *victim = add(FRESH, "/system.slice/docker-" ID_A ".scope");
	add(FRESH + 1, "/mine");
	add(FRESH + 2, "/other");
	turn();
	struct place *inner = add(FRESH + 3, "/mine/docker/" ID_A);
	struct place *other = add(FRESH + 4, "/other/docker/" ID_A);
	struct place *deep = add(FRESH + 5, "/mine/docker/" ID_A "/docker/" ID_B);
	struct place *user = add(FRESH + 6, "/mine/user.slice/user-0.slice/docker-" ID_A ".scope");

	turn();
	struct place *const others[] = {inner, other, deep, user};
	for (size_t i = 0; i < 4; i++) {
		cr_expect_neq(others[i], victim, "%zu", i);
		cr_expect(others[i]->is_container && others[i]->named);
		cr_expect_str_neq(name_of(others[i]), "victim", "%zu", i);
		cr_expect(value_is(others[i], LABEL_IMAGE, NULL));
	}
	cr_expect_neq(inner, other);
	cr_expect_neq(inner, deep);
	cr_expect_str_eq(name_of(victim), "victim");
	cr_expect_eq(add(FRESH + 7, "/mine/docker/" ID_A "/init"), inner);
	cr_expect_eq(add(FRESH | CGROUP_V1_BIT, "/mine/docker/" ID_A), inner);
}

Test(place, what_was_taken_for_another_container_is_let_go_when_files_tell, .init = set_up, .fini = tear_down)
{
	write_docker(ID_A, "victim");
	struct place *victim = add(FRESH, "/system.slice/docker-" ID_A ".scope");
	add(FRESH + 1, "/mine");
	u64 start_ns = clock_monotonic_ns();
	turn_until(start_ns + 30 * NS_PER_S, NULL, NULL);
	write_runc("t1", "/mine");
	/* What a container can do, it does after that, and it is not a second until it is noticed. */
	cr_expect_eq(add(FRESH + 2, "/mine/docker/" ID_A), victim);
	place_table_turn(table, clock_monotonic_ns(), NULL, NULL);
	struct place *inner = place_table_find(table, FRESH + 2, 0, 0);
	cr_expect_neq(inner, victim);
	cr_expect_str_neq(name_of(inner), "victim");
	cr_expect_not(victim->gone);
	cr_expect_eq(place_table_find(table, FRESH, 0, 0), victim);
	remove_id(FRESH);
	cr_expect(victim->gone, "what is inside of another does not keep it");
}

/* Hooks for GPUs and networks run between the group and the file, which may take long. */
Test(place, a_container_of_runc_is_known_whenever_its_file_comes, .init = set_up, .fini = tear_down)
{
	make_directories(UNIFIED "/walked/inner");
	cr_assert_eq(place_table_walk(table), 0);
	u64 walked = inode_of(UNIFIED "/walked/inner"), start_ns = clock_monotonic_ns();
	add(FRESH, "/late");
	add(FRESH + 1, "/late/inner");
	turn_until(start_ns + 30 * NS_PER_S, NULL, NULL);
	cr_expect_eq(place_table_find(table, FRESH, 0, 0)->key, PLACE_HOST);
	cr_expect(place_table_is_settled(table, FRESH), "nobody waits for it so long");
	write_runc("l1", "/late");
	write_runc("w1", "/walked");
	u64 generation = place_table_generation(table);
	turn_until(start_ns + 32 * NS_PER_S, NULL, NULL);
	struct place *late = place_table_find(table, FRESH, 0, 0);
	cr_expect(value_is(late, LABEL_CONTAINER_ID, "l1"));
	cr_expect_eq(place_table_find(table, FRESH + 1, 0, 0), late);
	cr_expect(value_is(place_table_find(table, walked, 0, 0), LABEL_CONTAINER_ID, "w1"));
	cr_expect_gt(place_table_generation(table), generation, "what was selected is asked again");
}

Test(place, thousands_of_groups_of_nobody_cost_a_look_at_four_directories, .init = set_up, .fini = tear_down)
{
	for (u64 i = 0; i < 10000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/nobody/%u", (unsigned)i);
		add(FRESH + i, path);
	}
	u64 start_ns = clock_monotonic_ns();
	/* Their first second, with rests in between. */
	turn_until(start_ns + 1000 * NS_PER_S, NULL, NULL);
	u64 cpu_ns = clock_own_cpu_ns();
	int turns = turn_until(start_ns + 1100 * NS_PER_S, NULL, NULL);
	cr_expect_leq(turns, 101, "%d turns", turns);
	cpu_ns = clock_own_cpu_ns() - cpu_ns;
	cr_expect_lt(cpu_ns, 100 * NS_PER_MS, "%llu us for 100 s", (unsigned long long)cpu_ns / 1000);
	write_runc("t1", "/nobody/77");
	turn_until(start_ns + 1102 * NS_PER_S, NULL, NULL);
	cr_expect(value_is(place_table_find(table, FRESH + 77, 0, 0), LABEL_CONTAINER_ID, "t1"));
}

Test(place, a_group_of_nobody_is_asked_about_for_a_second, .init = set_up, .fini = tear_down)
{
	u64 start_ns = clock_monotonic_ns();

	add(FRESH, "/mine");
	u64 all = place_table_generation(table);
	cr_expect_leq(place_table_due_ns(table), clock_monotonic_ns() + 2 * NS_PER_MS);
	cr_expect_lt(turn_until(start_ns + 5 * NS_PER_S, NULL, NULL), 20);
	cr_expect(place_table_is_settled(table, FRESH));
	cr_expect_gt(place_table_generation(table), all);
	cr_expect_leq(turn_until(start_ns + 25 * NS_PER_S, NULL, NULL), 20,
		      "then news of all is looked for, once a second");
	remove_id(FRESH);
	turn_until(start_ns + 100 * NS_PER_S, NULL, NULL);
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

Test(place, a_container_of_runc_is_known_though_its_end_is_the_first_news, .init = set_up, .fini = tear_down)
{
	add(FRESH, "/mine/short");
	write_runc("short", "/mine/short");
	remove_id(FRESH);
	turn();
	struct place *place = place_table_find(table, FRESH, 0, 0);
	u32 key = place->key;
	cr_expect(value_is(place, LABEL_CONTAINER_ID, "short"));
	cr_expect(place->gone);
	turn_until(clock_monotonic_ns() + 100 * NS_PER_S, NULL, NULL);
	cr_expect_null(place_table_at(table, key), "and forgotten like any other");
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

/* As a flood of mkdir and rmdir would have it: neither the news of a group nor of its end asks files. */
Test(place, a_flood_of_groups_costs_its_news_only, .init = set_up, .fini = tear_down)
{
	for (int i = 0; i < 300; i++) {
		char id[32], path[32];

		snprintf(id, sizeof(id), "c%d", i);
		snprintf(path, sizeof(path), "/g%d", i);
		write_runc(id, path);
	}
	u64 start_ns = clock_own_cpu_ns();
	for (u64 i = 0; i < 10000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/flood%u", (unsigned)i);
		add(FRESH + i, path);
		remove_id(FRESH + i);
	}
	cr_expect_lt(clock_own_cpu_ns() - start_ns, NS_PER_S);
	u64 now_ns = clock_monotonic_ns();
	place_table_turn(table, now_ns, NULL, NULL);
	place_table_turn(table, clock_monotonic_ns(), NULL, NULL);
	u64 took_ns = clock_monotonic_ns() - now_ns;
	cr_expect_geq(place_table_due_ns(table), now_ns + took_ns, "a turn rests longer than it took");
}

Test(place, what_is_missing_at_a_windows_end_costs_some_milliseconds, .init = set_up, .fini = tear_down)
{
	for (u64 i = 0; i < 20000; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/docker/%064llx", (unsigned long long)i);
		add(FRESH + i, path);
	}
	write_docker(ID_A, "web");
	struct place *place = add(FRESH + 20000, "/docker/" ID_A);
	u64 start_ns = clock_own_cpu_ns();
	place_table_name(table);
	cr_expect_lt(clock_own_cpu_ns() - start_ns, 50 * NS_PER_MS);
	cr_expect_not(place->named, "the oldest come first");
	place_table_name_all(table);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"));
}

Test(place, one_that_is_forgotten_is_looked_for_no_more, .init = set_up, .fini = tear_down)
{
	for (u64 i = 0; i < MAX_GONE_PLACES + 10; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/docker/%064llx", (unsigned long long)i);
		add(FRESH + i, path);
		remove_id(FRESH + i);
	}
	/* The removed groups are forgotten, then the places that are too many, while all wait for their last look. */
	place_table_turn(table, clock_monotonic_ns() + 3 * NS_PER_S, NULL, NULL);
	place_table_turn(table, clock_monotonic_ns() + 4 * NS_PER_S, NULL, NULL);
	place_table_turn(table, clock_monotonic_ns() + 100 * NS_PER_S, NULL, NULL);
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

static void count_gone(void *ctx, struct place *place)
{
	++*(int *)ctx;
}

Test(place, what_is_gone_is_known_for_a_minute, .init = set_up, .fini = tear_down)
{
	struct place *place = add(FRESH, "/docker/" ID_A);
	u32 key = place->key;
	int gone = 0;

	cr_expect_eq(add(FRESH + 1, "/docker/" ID_A "/x"), place);
	remove_id(FRESH + 1);
	cr_expect_not(place->gone, "one group is left");
	write_docker(ID_A, "web");
	remove_id(FRESH);
	u64 start_ns = clock_monotonic_ns();
	cr_expect(place->gone);
	turn();
	cr_expect(place->named);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"), "looked for once more at its end");
	cr_expect_eq(place_table_find(table, FRESH, 0, 0), place, "its last samples come later");
	turn_until(start_ns + 3 * NS_PER_S, count_gone, &gone);
	cr_expect_eq(place_table_find(table, FRESH, 0, 0)->key, PLACE_HOST);
	cr_expect_eq(place_table_at(table, key), place);
	turn_until(start_ns + 59 * NS_PER_S, count_gone, &gone);
	cr_expect_eq(gone, 0);
	turn_until(start_ns + 61 * NS_PER_S, count_gone, &gone);
	cr_expect_eq(gone, 1);
	cr_expect_null(place_table_at(table, key));
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

Test(place, a_container_that_starts_again_is_the_same_under_its_new_name, .init = set_up, .fini = tear_down)
{
	int gone = 0;

	write_docker(ID_A, "old");
	struct place *place = add(FRESH, "/docker/" ID_A);
	turn();
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "old"));
	remove_id(FRESH);
	cr_expect(place->gone);
	write_docker(ID_A, "new");
	cr_expect_eq(add(FRESH + 1, "/docker/" ID_A), place);
	cr_expect_not(place->gone);
	turn();
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "new"));
	turn_until(clock_monotonic_ns() + 100 * NS_PER_S, count_gone, &gone);
	cr_expect_eq(gone, 0);
}

Test(place, a_path_of_runc_is_used_again_by_another_container, .init = set_up, .fini = tear_down)
{
	write_runc("t1", "/mine");
	add(FRESH, "/mine");
	turn();
	struct place *first = place_table_find(table, FRESH, 0, 0);
	cr_expect(value_is(first, LABEL_CONTAINER_ID, "t1"));
	remove_id(FRESH);
	STRBUF(old);
	strbuf_printf(&old, "%s/run/runc/t1/state.json", root);
	cr_assert_eq(unlink(old.at), 0);
	*strrchr(old.at, '/') = 0;
	cr_assert_eq(rmdir(old.at), 0);
	write_runc("t2", "/mine");
	add(FRESH + 1, "/mine");
	turn();
	struct place *second = place_table_find(table, FRESH + 1, 0, 0);
	cr_expect_neq(first, second);
	cr_expect(value_is(first, LABEL_CONTAINER_ID, "t1"));
	cr_expect(value_is(second, LABEL_CONTAINER_ID, "t2"));
}

Test(place, a_container_that_comes_back_has_its_path_again, .init = set_up, .fini = tear_down)
{
	static const char *const ids[] = {"t1", "t2", "t1"};
	struct place *places[3];
	STRBUF(command);

	strbuf_printf(&command, "rm -r %s/run/runc", root);
	for (u64 i = 0; i < 3; i++) {
		write_runc(ids[i], "/mine");
		add(FRESH + i, "/mine");
		place_table_name(table);
		places[i] = place_table_find(table, FRESH + i, 0, 0);
		cr_expect(value_is(places[i], LABEL_CONTAINER_ID, ids[i]));
		cr_expect_eq(add(FRESH + 10 + i, "/mine/inner"), places[i]);
		remove_id(FRESH + 10 + i);
		remove_id(FRESH + i);
		cr_expect_eq(system(command.at), 0);
	}
	cr_expect_eq(places[0], places[2]);
	cr_expect_neq(places[0], places[1]);
}

Test(place, memory_is_bounded_however_many_containers_there_were, .init = set_up, .fini = tear_down)
{
	int gone = 0;

	for (u64 i = 0; i < 40000; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/docker/%064llx", (unsigned long long)i);
		add(FRESH + i, path);
		remove_id(FRESH + i);
		if (i % 1000 == 999)
			place_table_turn(table, clock_monotonic_ns() + 3 * NS_PER_S, count_gone, &gone);
	}
	cr_expect_geq(gone, 40000 - MAX_GONE_PLACES - 1000);
}

static struct place *find_again_after(u64 wait_ns, u64 id)
{
	place_table_turn(table, clock_monotonic_ns() + wait_ns, NULL, NULL);
	return place_table_find(table, id, 0, getpid());
}

/* These directories have no handles of kernfs, so it is our own /proc/PID/cgroup that tells. */
Test(place, an_unknown_id_is_the_hosts_and_costs_nothing_again, .init = set_up, .fini = tear_down)
{
	cr_expect_eq(place_table_find(table, FRESH, FRESH | CGROUP_V1_BIT, INT_MAX)->key, PLACE_HOST);
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
	cr_expect_eq(find_again_after(0, FRESH)->key, PLACE_HOST);
	struct place *place = add(FRESH, "/docker/" ID_A);
	cr_expect_eq(find_again_after(0, FRESH), place, "what is told then counts");
}

/* Names of containers that have no files cost a look each time: no more than a tenth of a CPU in all. */
Test(place, a_flood_of_containers_leaves_the_cpu_to_others, .init = set_up, .fini = tear_down)
{
	for (u64 i = 0; i < 20000; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/docker/%064llx", (unsigned long long)i);
		add(FRESH + i, path);
	}
	u64 now_ns = clock_monotonic_ns() + NS_PER_S;
	place_table_turn(table, now_ns, NULL, NULL);
	cr_expect_lt(clock_monotonic_ns(), now_ns, "it stopped before it was through");
	cr_expect_geq(place_table_due_ns(table), now_ns + 22 * NS_PER_MS, "and rests nine times as long");
}

struct visited {
	u64 ids[64];
	int cnt;
	const char *path;
	u64 path_id;
};

static int visit_id(void *ctx, u64 id)
{
	struct visited *visited = ctx;

	visited->ids[visited->cnt++ % 64] = id;
	return 0;
}

static int visit_path(void *ctx, u64 id, const char *path, struct place *place)
{
	struct visited *visited = ctx;

	visited->cnt++;
	if (!strcmp(path, visited->path))
		visited->path_id = id;
	return 0;
}

Test(place, a_walk_finds_every_group_of_both_hierarchies, .init = set_up, .fini = tear_down)
{
	struct visited all = {.path = "/docker/" ID_A}, own = {0};

	write_docker(ID_A, "web");
	make_directories("/sys/fs/cgroup/pids/docker/" ID_A "/inner");
	make_directories("/sys/fs/cgroup/unified/system.slice/a.service");
	cr_expect_eq(place_table_walk(table), 0);
	cr_expect_eq(place_table_walk(table), 0, "again changes nothing");
	cr_expect_eq(place_table_for_each_cgroup_all(table, visit_path, &all), 0);
	cr_expect_eq(all.cnt, 4 + 3);
	u64 id = inode_of("/sys/fs/cgroup/pids/docker/" ID_A) | CGROUP_V1_BIT;
	cr_expect_eq(all.path_id, id);
	struct place *place = place_table_find(table, inode_of("/sys/fs/cgroup/unified"), id, 0);
	turn();
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"));
	cr_expect_eq(place_table_for_each_cgroup(table, place, visit_id, &own), 0);
	cr_expect_eq(own.cnt, 2);
	cr_expect(value_is(place_table_find(table, inode_of("/sys/fs/cgroup/unified/system.slice/a.service"), 0, 0),
			   LABEL_SYSTEMD_UNIT, "a.service"));
}

Test(place, records_of_another_hierarchy_or_without_a_path_are_none, .init = set_up, .fini = tear_down)
{
	struct hierarchies none = {.root = "/", .v2 = {-1, ""}, .v1 = {-1, ""}};
	struct cgroup_record record = record_of(FRESH | CGROUP_V1_BIT, "/docker/" ID_A);
	struct place *place = NULL;

	place_table_free(table);
	cr_assert_eq(place_table_new_at(&none, root, &table), 0);
	cr_expect_eq(place_table_add(table, &record, &place), 0);
	cr_expect_null(place);
	record = record_of(FRESH, "");
	cr_expect_eq(place_table_add(table, &record, &place), 0);
	cr_expect_null(place);
	cr_expect_eq(place_table_walk(table), 0);
	record = record_of(FRESH, "/docker/" ID_A);
	memset(record.path + 8, 'x', sizeof(record.path) - 8); /* no NUL */
	cr_expect_eq(place_table_add(table, &record, &place), 0);
	remove_id(FRESH + 99);
}

/* A process in a group of v2 of this machine. Its pid; 0: that cannot be had here. */
static pid_t fork_into(char directory[PATH_MAX])
{
	struct hierarchies hierarchies;
	char procs[PATH_MAX + 16];

	cr_assert_eq(hierarchies_open(&hierarchies), 0);
	snprintf(directory, PATH_MAX, "%s/pyprof-%d.service", hierarchies.v2.mount ?: "/nowhere", getpid());
	hierarchies_close(&hierarchies);
	if (geteuid() || mkdir(directory, 0755))
		return 0;
	pid_t child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", directory);
	FILE *file = fopen(procs, "w");
	cr_assert(file && fprintf(file, "%d", child) > 0 && !fclose(file));
	return child;
}

/* The group lies in no directory of ours: so it is only the process that tells. */
Test(place, what_could_not_be_read_is_not_read_again_for_a_second, .init = set_up, .fini = tear_down)
{
	char directory[PATH_MAX];
	pid_t child = fork_into(directory);

	if (!child)
		cr_skip("needs root, and cgroups v2");
	cr_expect_eq(place_table_find(table, FRESH, 0, INT_MAX)->key, PLACE_HOST);
	cr_expect_eq(place_table_find(table, FRESH, 0, child)->key, PLACE_HOST, "not read");
	place_table_turn(table, clock_monotonic_ns() + NS_PER_S, NULL, NULL);
	cr_expect(value_is(place_table_find(table, FRESH, 0, child), LABEL_SYSTEMD_UNIT, strrchr(directory, '/') + 1));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rmdir(directory);
}

Test(place, the_last_process_of_a_group_still_tells_what_it_was)
{
	char directory[PATH_MAX];
	struct stat st;
	int tries = 1000;

	pid_t child = fork_into(directory);
	if (!child)
		cr_skip("needs root, and cgroups v2");
	cr_assert_eq(stat(directory, &st), 0);
	cr_assert_eq(place_table_new(&table), 0);
	kill(child, SIGKILL); /* and nobody waits for it */
	while (rmdir(directory) && --tries)
		usleep(1000);
	cr_assert_gt(tries, 0);
	struct place *place = place_table_find(table, st.st_ino, 0, child);
	cr_expect(value_is(place, LABEL_SYSTEMD_UNIT, strrchr(directory, '/') + 1));
	cr_expect(place->gone);
	waitpid(child, NULL, 0);
	place_table_free(table);
}

/* The groups of this machine, made just now, as the kernel side would name them. */
Test(place, a_real_group_that_nobody_told_of_is_found)
{
	char directory[PATH_MAX];
	struct stat st;

	cr_assert_eq(place_table_new(&table), 0);
	const struct hierarchies *hierarchies = place_table_hierarchies(table);
	bool is_v1 = place_table_v1(table) != CGROUP_V1_NONE;
	const struct hierarchy *hierarchy = is_v1 ? &hierarchies->v1 : &hierarchies->v2;
	snprintf(directory, sizeof(directory), "%s/pyprof-%d.service", hierarchy->mount ?: "/nowhere", getpid());
	if (geteuid() || mkdir(directory, 0755)) {
		place_table_free(table);
		cr_skip("needs root, and cgroups");
	}
	cr_assert_eq(stat(directory, &st), 0);
	u64 id = st.st_ino | (is_v1 ? CGROUP_V1_BIT : 0);
	struct place *place = is_v1 ? place_table_find(table, 0, id, 0) : place_table_find(table, id, 0, 0);
	cr_expect(value_is(place, LABEL_SYSTEMD_UNIT, strrchr(directory, '/') + 1));
	rmdir(directory);
	place_table_free(table);
}

static void remove_directory(const char *path)
{
	STRBUF(whole);

	strbuf_printf(&whole, "%s%s", root, path);
	cr_assert_eq(rmdir(whole.at), 0);
}

static int count_there(void)
{
	struct visited all = {.path = ""};

	cr_expect_eq(place_table_for_each_cgroup_all(table, visit_path, &all), 0);
	return all.cnt;
}

/* The news of their end were lost with the ring full; so were those of one that came. */
Test(place, what_nobody_told_of_is_made_up_for, .init = set_up, .fini = tear_down)
{
	const char *const stays = "/sys/fs/cgroup/unified/docker/" ID_A, *const goes =
										 "/sys/fs/cgroup/pids/docker/" ID_B;

	make_directories(stays);
	make_directories(goes);
	cr_assert_eq(place_table_walk(table), 0);
	struct place *stayed = place_table_find(table, inode_of(stays), 0, 0);
	struct place *went = place_table_find(table, 0, inode_of(goes) | CGROUP_V1_BIT, 0);
	remove_directory(goes);
	make_directories("/sys/fs/cgroup/unified/lxc.payload.new");
	u64 before = place_table_generation(table);
	cr_expect_eq(place_table_resync(table), 0);
	cr_expect_not(stayed->gone);
	cr_expect(went->gone);
	cr_expect_gt(place_table_generation(table), before, "what was selected is to be asked again");
	cr_expect_eq(count_there(), 6);
	cr_expect(value_is(place_table_find(table, inode_of("/sys/fs/cgroup/unified/lxc.payload.new"), 0, 0),
			   LABEL_CONTAINER_NAME, "new"));
	before = place_table_generation(table);
	cr_expect_eq(place_table_resync(table), 0);
	cr_expect_eq(place_table_generation(table), before, "nothing is new");
}

/* A hierarchy that nobody can look into says nothing of what is gone. */
Test(place, what_cannot_be_looked_at_stays, .init = set_up, .fini = tear_down)
{
	struct hierarchies none = {.root = "/", .v2 = {-1, ""}, .v1 = {-1, ""}};

	place_table_free(table);
	cr_assert_eq(place_table_new_at(&none, root, &table), 0);
	struct place *place = add(FRESH, "/docker/" ID_A);
	cr_expect_eq(place_table_resync(table), 0);
	cr_expect_not(place->gone);
}

Test(place, a_table_full_of_what_is_gone_makes_room_by_itself, .init = set_up, .fini = tear_down)
{
	char path[64];

	for (u64 i = 0; i < MAX_CGROUPS; i++) {
		snprintf(path, sizeof(path), "/burst/%llu", (unsigned long long)i);
		add(FRESH + i, path);
	}
	write_docker(ID_A, "web");
	struct place *place = add(FRESH + MAX_CGROUPS, "/docker/" ID_A);
	place_table_name_all(table);
	cr_expect(value_is(place, LABEL_CONTAINER_NAME, "web"));
	cr_expect_eq(count_there(), 1);
}

/* One that nobody knew while it was there: what waited for an answer has it. */
Test(place, a_group_that_goes_before_there_is_an_answer_is_news, .init = set_up, .fini = tear_down)
{
	add(FRESH, "/mine");
	cr_expect_not(place_table_is_settled(table, FRESH));
	u64 before = place_table_generation(table);
	remove_id(FRESH);
	place_table_turn(table, clock_monotonic_ns(), NULL, NULL);
	cr_expect(place_table_is_settled(table, FRESH));
	cr_expect_gt(place_table_generation(table), before);
}

#define UNIT "/system.slice/foo.service"

/* To be made after what is below it: root alone may do that. */
static void give_away(const char *path, uid_t uid)
{
	STRBUF(whole);

	make_directories(path);
	strbuf_printf(&whole, "%s%s", root, path);
	cr_assert_eq(chown(whole.at, uid, uid), 0);
}

/* Whoever was given a group makes others in it, and calls them as he likes. */
Test(place, a_group_in_one_that_is_not_roots_is_not_another_container, .init = set_up, .fini = tear_down)
{
	static const char *const forged[] = {
		UNIT "/docker-" ID_A ".scope",
		UNIT "/docker/" ID_A,
		UNIT "/x/docker-" ID_A ".scope/init",
		UNIT "/user.slice/user-0.slice/docker-" ID_A ".scope",
		UNIT "/docker-" ID_A ".scope/docker-" ID_B ".scope",
		UNIT POD "/cri-containerd-" ID_A ".scope",
	};

	if (geteuid())
		cr_skip("needs root");
	write_docker(ID_A, "victim");
	write_docker(ID_B, "victim");
	give_away(UNIFIED UNIT, 65534);
	make_directories(UNIFIED "/docker");
	struct place *victim = add(FRESH, "/docker/" ID_A);
	for (u64 i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
		struct place *place = add(FRESH + 1 + i, forged[i]);

		cr_expect_neq(place, victim, "%s", forged[i]);
		cr_expect(place->is_container);
		cr_expect_str_neq(name_of(place), "victim", "%s", forged[i]);
		cr_expect(value_is(place, LABEL_IMAGE, NULL));
		cr_expect(value_is(place, LABEL_K8S_POD, NULL));
	}
	cr_expect_str_eq(name_of(victim), "victim");
	cr_expect_str_eq(name_of(add(FRESH | CGROUP_V1_BIT, UNIT "/docker-" ID_A ".scope")),
			 "user-unknown/aaaaaaaaaaaa",
			 "in the other hierarchy nothing is left of the unit, nor is it known whose it was");
}

Test(place, a_unit_that_is_gone_with_its_groups_may_have_been_anybodys, .init = set_up, .fini = tear_down)
{
	write_docker(ID_A, "victim");
	cr_expect_str_eq(name_of(add(FRESH, UNIT "/docker-" ID_A ".scope")), "user-unknown/aaaaaaaaaaaa");
	cr_expect_str_eq(name_of(add(FRESH + 1, "/system.slice/docker-" ID_A ".scope")), "victim");
}

Test(place, a_directory_that_a_group_may_write_to_is_not_roots_alone, .init = set_up, .fini = tear_down)
{
	if (geteuid())
		cr_skip("needs root");
	write_docker(ID_A, "victim");
	give_away(UNIFIED "/shared/docker-" ID_A ".scope", 65534);
	make_directories(UNIFIED "/shared/docker-" ID_B ".scope");
	STRBUF(shared);
	strbuf_printf(&shared, "%s" UNIFIED "/shared", root);
	cr_assert(!chown(shared.at, 0, 65534) && !chmod(shared.at, 0775));
	cr_expect_str_eq(name_of(add(FRESH, "/shared/docker-" ID_A ".scope")), "user-65534/aaaaaaaaaaaa");
	write_docker(ID_B, "by-root");
	cr_expect_str_eq(name_of(add(FRESH + 1, "/shared/docker-" ID_B ".scope")), "by-root");
}

/* Runtimes of root's give the container's own group to the root of its user namespace: podman --userns, LXC, nspawn -U. */
Test(place, a_container_with_a_user_namespace_keeps_its_name, .init = set_up, .fini = tear_down)
{
	if (geteuid())
		cr_skip("needs root");
	write_docker(ID_A, "web");
	give_away(UNIFIED "/machine.slice/docker-" ID_A ".scope", 100000);
	give_away(UNIFIED "/lxc.payload.c1", 100000);
	struct place *place = add(FRESH, "/machine.slice/docker-" ID_A ".scope");
	cr_expect_str_eq(name_of(place), "web");
	cr_expect_eq(add(FRESH + 1, "/machine.slice/docker-" ID_A ".scope/inner"), place);
	struct place *lxc = add(FRESH + 2, "/lxc.payload.c1");
	cr_expect_eq(add(FRESH + 3, "/lxc.payload.c1/system.slice/x.service"), lxc);
	struct place *inner = add(FRESH + 4, "/lxc.payload.c1/docker/" ID_A);
	cr_expect_neq(inner, place);
	cr_expect_str_eq(name_of(inner), "c1/aaaaaaaaaaaa");
}

/* `runc --systemd-cgroup` makes runc-NAME.scope, and a cgroupsPath may lead below a unit. */
Test(place, runcs_containers_are_found_in_units_and_as_units, .init = set_up, .fini = tear_down)
{
	make_directories(UNIFIED UNIT);
	write_runc("mine", UNIT "/mine");
	write_runc("other", "/system.slice/runc-other.scope");
	struct place *unit = add(FRESH, UNIT);
	struct place *worker = add(FRESH + 1, UNIT "/worker");
	add(FRESH + 2, UNIT "/mine");
	add(FRESH + 3, "/system.slice/runc-other.scope");
	place_table_name(table);
	cr_expect_str_eq(name_of(place_table_find(table, FRESH + 2, 0, 0)), "mine");
	cr_expect_str_eq(name_of(place_table_find(table, FRESH + 3, 0, 0)), "other");
	cr_expect_eq(place_table_find(table, FRESH + 1, 0, 0), worker);
	cr_expect_eq(worker, unit);
	cr_expect_eq(add(FRESH + 4, UNIT "/mine/inner"), place_table_find(table, FRESH + 2, 0, 0));
}

Test(place, units_that_are_systemds_own_wait_for_nothing, .init = set_up, .fini = tear_down)
{
	static const char *const paths[] = {
		"/system.slice/nginx.service",
		"/init.scope",
		"/user.slice/user-1000.slice/session-2.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-12.scope",
		"/system.slice/run-r0123456789abcdef.scope",
	};

	for (u64 i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		add(FRESH + i, paths[i]);
		cr_expect(place_table_is_settled(table, FRESH + i), "%s", paths[i]);
	}
}

/* Root's container was there, and its state is left: the group is made again by who owns the unit. */
Test(place, what_runc_says_is_not_said_of_groups_that_others_make, .init = set_up, .fini = tear_down)
{
	if (geteuid())
		cr_skip("needs root");
	give_away(UNIFIED UNIT, 65534);
	write_runc("mine", UNIT "/mine");
	struct place *place = add(FRESH, UNIT "/mine");
	place_table_name(table);
	cr_expect_eq(place_table_find(table, FRESH, 0, 0), place);
	cr_expect_not(place->is_container);
}
