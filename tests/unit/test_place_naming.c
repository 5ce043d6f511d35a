/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_naming.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/selection.h"

#define A     "aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define B     "bbbbbbbbbbbb0000000000000000000000000000000000000000000000000000"
#define USER  "/user.slice/user-1000.slice/user@1000.service"
#define START (1000 * NS_PER_S)

static char root[] = "/tmp/pyprof-naming-XXXXXX";
static struct place_naming naming;
static struct place_store store;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(place_naming_init(&naming, root), 0);
}

static void tear_down(void)
{
	char command[64];

	place_store_deinit(&store);
	place_naming_deinit(&naming);
	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_expect_eq(system(command), 0);
}

TestSuite(place_naming, .init = set_up, .fini = tear_down, .timeout = 20);

static void put_file(const char *path, const char *text, uid_t owner)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		(void)mkdir(full, 0755);
		*at = '/';
	}
	_cleanup_(stream) FILE *out = fopen(full, "w");
	cr_assert(out && fputs(text, out) >= 0 && !fflush(out));
	cr_assert(owner == geteuid() || !fchown(fileno(out), owner, owner));
}

static void put_docker(const char *id, const char *name)
{
	STRBUF(path);
	STRBUF(text);

	strbuf_printf(&path, "/var/lib/docker/containers/%s/config.v2.json", id);
	strbuf_printf(&text, "{\"Name\": \"/%s\"}", name);
	put_file(path.at, text.at, geteuid());
}

/* A container that just came, of which its path is known. maker: uid in digits, "" for root. */
static struct place_entry *place_new(const char *cgroup, const char *maker)
{
	struct cgroup_path path;
	struct place_entry *entry;

	cgroup_path_read(cgroup, &path);
	cr_assert_eq(place_store_add(&store, cgroup, cgroup, path.size, false, &entry), 0);
	snprintf(entry->maker, sizeof(entry->maker), "%s", maker);
	cr_assert_geq(place_naming_read_path(&naming, entry, &path), 0);
	place_naming_start(&naming, entry, START);
	return entry;
}

static void turn(u64 now_ns)
{
	place_naming_turn(&naming, now_ns, clock_monotonic_ns() + 5 * NS_PER_S);
}

static const char *name_of(const struct place_entry *entry)
{
	return entry->place.values[LABEL_CONTAINER_NAME];
}

static bool selects(const struct place_entry *entry, const char *text)
{
	const struct selection selection = {SELECT_CONTAINER, text};

	return place_select(&entry->place, &selection, 1) == SELECTED_YES;
}

/* The groups of a container are in the hands of who is in it, and those below a user's slice in that user's. */
Test(place_naming, what_others_may_call_as_they_like_is_called_behind_them)
{
	static const struct {
		const char *cgroup, *maker, *name, *id;
	} rows[] = {
		{"/lxc.payload.victim", "", "victim", "victim"},
		{"/docker/" A, "", "victim", A},
		{"/user.slice/user-0.slice/session-1.scope/lxc.payload.mine", "", "mine", "mine"},
		{"/system.slice/docker-" B ".scope/lxc.payload.victim", "", "bbbbbbbbbbbb/victim", B "/victim"},
		{"/docker/" B "/docker/" A, "", "bbbbbbbbbbbb/aaaaaaaaaaaa", B "/" A},
		{"/docker/" B "/docker/" B "/docker/" A, "", "bbbbbbbbbbbb/aaaaaaaaaaaa", B "/" A},
		{"/lxc.payload.c1/machine.slice/machine-victim.scope", "", "c1/victim", "c1/victim"},
		{"/machine.slice/machine-a\\x2db.scope/docker/" A, "", "a-b/aaaaaaaaaaaa", "a-b/" A},
		{USER "/lxc.payload.victim", "", "user-1000/victim", "user-1000/victim"},
		{USER "/docker/" A, "", "user-1000/aaaaaaaaaaaa", "user-1000/" A},
		{USER "/docker/" B "/docker/" A, "", "user-1000/bbbbbbbbbbbb/aaaaaaaaaaaa", "user-1000/" B "/" A},
		{"/mine/lxc.payload.victim", "33", "user-33/victim", "user-33/victim"},
		{"/system.slice/x.service/docker/" A, "4294967295", "user-unknown/aaaaaaaaaaaa", "user-unknown/" A},
	};

	put_docker(A, "victim");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct place_entry *entry = place_new(rows[i].cgroup, rows[i].maker);

		turn(START);
		cr_expect_str_eq(name_of(entry), rows[i].name, "%s: %s", rows[i].cgroup, name_of(entry));
		cr_expect_str_eq(entry->place.values[LABEL_CONTAINER_ID], rows[i].id, "%s: %s", rows[i].cgroup,
				 entry->place.values[LABEL_CONTAINER_ID]);
		bool is_roots = !strchr(rows[i].name, '/');
		cr_expect_eq(selects(entry, "victim") || selects(entry, "mine"), is_roots, "%s", rows[i].cgroup);
		cr_expect(is_roots || (!selects(entry, A) && !selects(entry, "aaaaaaaaaaaa") && !selects(entry, "*v*")),
			  "%s", rows[i].cgroup);
		cr_expect_not(!is_roots && (selects(entry, B) || selects(entry, "bbbbbbbbbbbb")),
			      "what selects the outer one selects that");
		cr_expect(selects(entry, rows[i].name));
		cr_expect(selects(entry, rows[i].id));
		cr_expect(selects(entry, "*"));
	}
}

/* podman and docker without root keep what they know below the user's home. */
Test(place_naming, a_user_who_runs_containers_has_their_names_in_his_files)
{
	if (geteuid())
		cr_skip_test("only root may give files away");
	put_file("/etc/passwd", "me:x:1000:1000::/home/me:/bin/sh\n", 0);
	put_file("/home/me/.local/share/containers/storage/overlay-containers/containers.json",
		 "[{\"id\":\"" A "\",\"names\":[\"box\"]}]", 1000);
	struct place_entry *known = place_new(USER "/user.slice/libpod-" A ".scope", "");
	struct place_entry *unknown = place_new(USER "/user.slice/libpod-" B ".scope", "");
	struct place_entry *other = place_new("/x/libpod-" A ".scope", "33");
	struct place_entry *inner = place_new(USER "/user.slice/libpod-" B ".scope/libpod-" A ".scope", "");

	cr_expect_not(selects(known, A));
	turn(START);
	cr_expect_str_eq(name_of(known), "box");
	cr_expect_str_eq(known->place.values[LABEL_CONTAINER_ID], A);
	cr_expect(selects(known, "box") && selects(known, "aaaaaaaaaaaa"));
	cr_expect_str_eq(name_of(unknown), "user-1000/bbbbbbbbbbbb");
	cr_expect_str_eq(name_of(other), "user-33/aaaaaaaaaaaa");
	cr_expect_str_eq(name_of(inner), "user-1000/bbbbbbbbbbbb/aaaaaaaaaaaa");
}

/* docker rename web web-old; docker run --name web */
Test(place_naming, a_container_that_is_renamed_gives_its_name_away)
{
	struct place_entry *first = place_new("/docker/" A, "");

	put_docker(A, "web");
	turn(START);
	cr_expect_str_eq(name_of(first), "web");
	put_docker(A, "web-old");
	put_docker(B, "web");
	struct place_entry *second = place_new("/docker/" B, "");
	turn(START + NS_PER_S);
	u64 changes = naming.changes;
	u32 generation = first->place.generation;

	cr_expect_leq(place_naming_due_ns(&naming), START + 30 * NS_PER_S);
	turn(place_naming_due_ns(&naming));
	cr_expect_str_eq(name_of(first), "web-old");
	cr_expect_str_eq(name_of(second), "web");
	cr_expect(first->place.named);
	cr_expect_gt(naming.changes, changes, "a selection asks again");
	cr_expect_gt(first->place.generation, generation);
	/* And once more; a file that is gone takes no name away. */
	put_docker(A, "web-older");
	turn(START + 70 * NS_PER_S);
	cr_expect_str_eq(name_of(first), "web-older");
	place_naming_end(&naming, first, START);
	place_naming_end(&naming, second, START);
	cr_expect_eq(place_naming_due_ns(&naming), UINT64_MAX, "of what is gone nobody asks");
}

Test(place_naming, a_thousand_containers_are_asked_again_a_few_at_a_time)
{
	static struct place_entry *entries[1000];
	char id[65], path[80];
	u64 turns = 0;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		snprintf(path, sizeof(path), "/docker/%s", id);
		put_docker(id, "a");
		entries[i] = place_new(path, "");
	}
	turn(START);
	u64 start_ns = clock_own_cpu_ns();
	for (u64 now_ns = START; (now_ns = place_naming_due_ns(&naming)) < START + 90 * NS_PER_S; turns++)
		turn(now_ns);
	u64 used_ns = clock_own_cpu_ns() - start_ns;
	cr_expect_lt(used_ns, 900 * NS_PER_MS, "1 %% of a CPU: %llu ns", (unsigned long long)used_ns);
	cr_expect_gt(turns, 2 * 1000 / 32);
	cr_expect_lt(turns, 3 * (1000 / 32 + 2));

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		put_docker(id, "b");
	}
	turn(place_naming_due_ns(&naming));
	int changed = 0;
	for (unsigned i = 0; i < 1000; i++)
		changed += !strcmp(name_of(entries[i]), "b");
	cr_expect_eq(changed, 32, "%d", changed);
}
