/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/root.h"

#include <criterion/criterion.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "profile/partition.h"

/* "web: python3 (10), main (10) STACK 4" per entry, in the order of the profile. */
static void expect_tracks(const char *folded, struct view view, const char *expected)
{
	BUILT_PROFILE(built, folded);
	_cleanup_(profile) struct profile *tracks = NULL;
	STRBUF(b);

	cr_assert_eq(profile_by_track(built.profile, &view, &tracks), 0);
	cr_assert_eq(profile_samples(tracks), profile_samples(built.profile));
	for (size_t i = 0; i < profile_cnt(tracks); i++) {
		const struct profile_entry *entry = profile_at(tracks, i);
		const struct origin *origin = profile_origin_at(tracks, entry->origin);

		strbuf_printf(&b, "%s: ", origin_place_name(&built.tables, origin));
		origin_put_track(tracks, origin, &view, &b);
		strbuf_printf(&b, " %llu\n", entry->samples);
	}
	cr_assert_str_eq(b.at, expected);
}

static const char places[] = "{web};python3 (10);@main (10);f (a.py:1) 4\n"
			     "{web=other};python3 (10);@main (10);f (a.py:1) 2\n"
			     "{nginx.service};python3 (10);@main (10);f (a.py:1) 1\n"
			     "python3 (10);@main (10);f (a.py:1) 8\n"
			     "python3 (10);@pool (12);f (a.py:1) 16\n";

Test(root, tracks_are_processes_with_their_place_and_places_of_one_name_are_one)
{
	expect_tracks(places, (struct view){.pids = true},
		      "web: python3 (10) 6\nnginx.service: python3 (10) 1\nhost: python3 (10) 24\n");
}

Test(root, tracks_are_threads_where_the_view_tells_them_apart)
{
	expect_tracks(places, (struct view){.pids = true, .threads = true, .per = PER_THREAD},
		      "web: python3 (10), main (10) 6\nnginx.service: python3 (10), main (10) 1\n"
		      "host: python3 (10), main (10) 8\nhost: python3 (10), pool (12) 16\n");
}

Test(root, per_comm_does_not_ask_where_a_process_runs)
{
	expect_tracks(places, (struct view){.per = PER_COMM}, "host: python3 31\n");
}

Test(root, a_container_that_is_called_host_shares_the_hosts)
{
	expect_tracks("{host};a (1);f (a.py:1) 1\na (1);f (a.py:1) 2\n", (struct view){.pids = true},
		      "host: a (1) 3\n");
}

/* What is not shown must not tell two rows apart that read the same. */
Test(root, the_path_of_a_program_tells_no_tracks_apart)
{
	BUILT_PROFILE(built, "a (1);f (a.py:1) 1\n");
	struct origin origin = *profile_origin_at(built.profile, 0);
	_cleanup_(profile) struct profile *tracks = NULL;
	u32 id;

	cr_assert_eq(string_table_intern(built.tables.strings, "/bin/a", &origin.exe), 0);
	cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
	cr_assert_eq(profile_add(built.profile, id, profile_at(built.profile, 0)->stack, 5), 0);
	cr_assert_eq(profile_by_track(built.profile, &(struct view){.pids = true}, &tracks), 0);
	cr_assert_eq(profile_cnt(tracks), 1);
	cr_assert_eq(profile_at(tracks, 0)->samples, 6);
}
