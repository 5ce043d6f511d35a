/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "build_profile.h"
#include "sink/sink.h"

struct folder {
	char path[32];
	char pattern[64];
};

static void folder_make(struct folder *folder, const char *name)
{
	strcpy(folder->path, "/tmp/pyprof-places-XXXXXX");
	cr_assert_not_null(mkdtemp(folder->path));
	snprintf(folder->pattern, sizeof(folder->pattern), "%s/%s", folder->path, name);
}

static int is_name(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

/* "NAME TEXT" of each file, sorted. */
static char *folder_text(const struct folder *folder)
{
	struct dirent **entries;
	int cnt = scandir(folder->path, &entries, is_name, alphasort);
	STRBUF(b);

	cr_assert_geq(cnt, 0);
	for (int i = 0; i < cnt; i++) {
		char path[512], *text = NULL;
		size_t size;

		snprintf(path, sizeof(path), "%s/%s", folder->path, entries[i]->d_name);
		strbuf_printf(&b, "%s: ", entries[i]->d_name);
		cr_assert_eq(file_read(path, 1 << 20, &text, &size), 0, "%s", path);
		strbuf_put(&b, text);
		free(text);
		free(entries[i]);
	}
	free(entries);
	return strbuf_take(&b);
}

static void folder_remove(struct folder *folder)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", folder->path);
	cr_assert_eq(system(command), 0);
}

static struct sink_options options_of(const struct folder *folder)
{
	return (struct sink_options){.path = folder->pattern,
				     .format = format_find("folded"),
				     .view = {.lines = true, .pids = true},
				     .uid = (uid_t)-1,
				     .gid = (gid_t)-1};
}

/* What consume gives. words: what the person is told, or NULL. */
static int write_places(const struct folder *folder, const struct built_profile *built, struct strbuf *words)
{
	struct sink_options options = options_of(folder);
	struct sink *sink;

	cr_assert_eq(place_files_sink.open(&options, &sink), 0);
	int err = sink->type->consume(sink, built->profile, &built->truth, true);
	if (words)
		sink->type->put_words(sink, words);
	sink_close(sink);
	return err;
}

static void expect_files(const char *name, const char *folded, const char *expected)
{
	BUILT_PROFILE(built, folded);
	struct folder folder;

	folder_make(&folder, name);
	cr_expect_eq(write_places(&folder, &built, NULL), 0);
	_cleanup_(free) char *text = folder_text(&folder);
	cr_expect_str_eq(text, expected);
	folder_remove(&folder);
}

Test(place_files, each_place_has_its_file_and_nothing_else_is_left)
{
	expect_files("cpu-{container}.folded",
		     "{web};a (1);f (a.py:1) 1\n"
		     "b (2);g (b.py:1) 2\n"
		     "{nginx.service};nginx (3);poll (libc.so.6) 4\n"
		     "{web};a (1);g (a.py:2) 8\n",
		     "cpu-host.folded: b (2);g (b.py:1) 2\n"
		     "cpu-nginx.service.folded: nginx (3);poll (libc.so.6) 4\n"
		     "cpu-web.folded: a (1);f (a.py:1) 1\na (1);g (a.py:2) 8\n");
}

Test(place_files, places_whose_names_collide_have_a_file_each)
{
	expect_files("{container}",
		     "{web=aaaaaaaaaaaa1111};a (1);f (a.py:1) 1\n"
		     "{web=bbbbbbbbbbbb2222};a (1);f (a.py:1) 2\n"
		     "{web=bbbbbbbbbbbb3333};a (1);f (a.py:1) 3\n"
		     "{web};a (1);f (a.py:1) 4\n"
		     "{web=../../x};a (1);f (a.py:1) 5\n"
		     "{a/b};a (1);f (a.py:1) 6\n"
		     "{a_b};a (1);f (a.py:1) 7\n"
		     "{web-2};a (1);f (a.py:1) 8\n",
		     "a_b: a (1);f (a.py:1) 6\n"
		     "a_b-2: a (1);f (a.py:1) 7\n"
		     "web: a (1);f (a.py:1) 1\n"
		     "web-2: a (1);f (a.py:1) 3\n"
		     "web-2-2: a (1);f (a.py:1) 8\n"
		     "web-3: a (1);f (a.py:1) 4\n"
		     "web-4: a (1);f (a.py:1) 5\n"
		     "web-bbbbbbbbbbbb: a (1);f (a.py:1) 2\n");
}

Test(place_files, a_container_that_is_called_host_does_not_take_the_hosts_file)
{
	expect_files("{container}", "{host};a (1);f (a.py:1) 1\nb (2);f (a.py:1) 2\n",
		     "host: b (2);f (a.py:1) 2\nhost-2: a (1);f (a.py:1) 1\n");
}

Test(place_files, a_folder_that_is_not_there_or_none_is_found_before_anything_is_sampled)
{
	struct folder folder;
	struct sink *sink;

	folder_make(&folder, "missing/{container}.svg");
	struct sink_options options = options_of(&folder);
	cr_expect_eq(place_files_sink.open(&options, &sink), -ENOENT);
	options.path = "/dev/null/{container}.svg";
	cr_expect_eq(place_files_sink.open(&options, &sink), -ENOTDIR);
	folder_remove(&folder);
}

/* A link that waits in the folder for a container of its name would lead what root writes anywhere. */
Test(place_files, a_link_is_not_followed_and_no_special_file_is_replaced_and_the_others_are_written)
{
	BUILT_PROFILE(built, "{link};a (1);f (a.py:1) 1\n{pipe};a (1);f (a.py:1) 2\n{web};a (1);f (a.py:1) 4\n");
	struct folder folder;
	char path[128];
	struct stat st;
	STRBUF(words);

	folder_make(&folder, "{container}");
	snprintf(path, sizeof(path), "%s/link", folder.path);
	cr_assert_eq(symlink("victim", path), 0);
	snprintf(path, sizeof(path), "%s/pipe", folder.path);
	cr_assert_eq(mkfifo(path, 0600), 0);

	cr_expect_eq(write_places(&folder, &built, &words), -EEXIST);
	cr_expect(lstat(path, &st) == 0 && S_ISFIFO(st.st_mode));
	unlink(path);
	snprintf(path, sizeof(path), "%s/link", folder.path);
	cr_expect(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
	unlink(path);
	_cleanup_(free) char *text = folder_text(&folder);
	cr_expect_str_eq(text, "web: a (1);f (a.py:1) 4\n");
	cr_expect_eq(strncmp(words.at, "wrote 1 file, ", 14), 0, "%s", words.at);
	folder_remove(&folder);
}

Test(place_files, a_file_of_an_earlier_run_is_replaced_and_keeps_its_permissions)
{
	BUILT_PROFILE(built, "{web};a (1);f (a.py:1) 4\n");
	struct folder folder;
	char path[128];
	struct stat st;

	folder_make(&folder, "{container}");
	snprintf(path, sizeof(path), "%s/web", folder.path);
	FILE *file = fopen(path, "w");
	fputs("old, and longer than what is new: a (1);f (a.py:1) 4\n", file);
	fclose(file);
	cr_assert_eq(chmod(path, 0600), 0);
	cr_expect_eq(write_places(&folder, &built, NULL), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	_cleanup_(free) char *text = folder_text(&folder);
	cr_expect_str_eq(text, "web: a (1);f (a.py:1) 4\n");
	folder_remove(&folder);
}

Test(place_files, what_was_written_is_told_and_that_nothing_was)
{
	BUILT_PROFILE(built, "{web};a (1);f (a.py:1) 4\na (1);f (a.py:1) 4\n");
	BUILT_PROFILE(empty, "");
	struct folder folder;
	STRBUF(words);
	char expected[128];

	folder_make(&folder, "{container}.svg");
	cr_expect_eq(write_places(&folder, &empty, &words), 0);
	cr_expect(strstr(words.at, "there was no sample"), "%s", words.at);
	strbuf_clear(&words);
	cr_expect_eq(write_places(&folder, &built, &words), 0);
	snprintf(expected, sizeof(expected), "wrote 2 files, %s", folder.pattern);
	cr_expect_str_eq(words.at, expected);
	folder_remove(&folder);
}
