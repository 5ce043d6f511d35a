/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_files_sink.c - a file for each container, unit, and the host, at the end. Their names
 * are made of what places are called, which others chose: place_path.h.
 */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "profile/partition.h"
#include "sink/place_path.h"
#include "sink/sink.h"

#define ID_DIGITS 12 /* of a container's id: what people know it by */

struct place_files_sink {
	struct sink sink;
	struct string_table *paths; /* those written; each name is there once */
	u32 cnt;
};

DEFINE_CLEANUP(place_files_sink, struct place_files_sink *, free)

/* Writes nothing: that would be the file of a place which may never be seen. */
static int folder_try(const struct sink_options *options)
{
	struct atomic_file *file;
	int err = atomic_file_open_plain(options->path, options->uid, options->gid, &file);

	if (!err)
		atomic_file_abandon(file);
	return err;
}

static int place_files_open(const struct sink_options *options, struct sink **ret)
{
	_cleanup_(place_files_sink) struct place_files_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->sink = (struct sink){&place_files_sink, *options};

	int err = folder_try(options);
	if (!err)
		err = string_table_new(&s->paths);
	if (err)
		return err;
	*ret = &take(s)->sink;
	return 0;
}

/* True when nobody had it yet. */
static int path_claim(struct place_files_sink *s, const struct strbuf *path, bool *ret)
{
	u32 before = string_table_cnt(s->paths), id;
	int err = path->failed ? -ENOMEM : string_table_intern(s->paths, path->at, &id);

	if (!err)
		*ret = string_table_cnt(s->paths) > before;
	return err;
}

/*
 * "web.svg"; when that is another place's already, "web-3f2a9c1b77de.svg" by the id; and where there is none, or that is
 * taken as well, "web-2.svg" and so on.
 */
static int path_choose(struct place_files_sink *s, const char *name, const char *id, struct strbuf *ret)
{
	char mark[1 + ID_DIGITS + 1] = "";
	bool claimed = false;
	int err = 0;

	for (u32 i = 0; !err && !claimed; i++) {
		if (i == 1 && !*id)
			continue;
		if (i == 1)
			snprintf(mark, sizeof(mark), "-%.*s", ID_DIGITS, id);
		else if (i > 1)
			snprintf(mark, sizeof(mark), "-%u", i);
		strbuf_clear(ret);
		place_path_put(s->sink.options.path, name, mark, ret);
		err = path_claim(s, ret, &claimed);
	}
	return err;
}

/* An id is what a path said: only digits make a mark. */
static const char *place_id(const struct profile_tables *tables, u32 labels)
{
	const char *id = string_table_at(tables->strings,
					 label_table_at(tables->labels, labels)->values[LABEL_CONTAINER_ID]);

	return strspn(id, "0123456789abcdef") >= ID_DIGITS ? id : "";
}

struct writing {
	struct place_files_sink *sink;
	const struct truth *truth;
	int err; /* the first; the others are written all the same */
};

static int part_write(const struct sink_options *options, const char *path, const struct profile *part,
		      const struct truth *truth)
{
	struct atomic_file *file;
	int err = atomic_file_open_plain(path, options->uid, options->gid, &file);

	if (err)
		return err;
	err = options->format->write(part, truth, &options->view, atomic_file_stream(file));
	return atomic_file_finish(file, err);
}

static int part_consume(void *ctx, u32 labels, const struct profile *part)
{
	const struct profile_tables *tables = profile_tables_of(part);
	struct writing *w = ctx;
	struct truth truth;
	STRBUF(path);

	int err = path_choose(w->sink, origin_place_name(tables, &(struct origin){.labels = labels}),
			      place_id(tables, labels), &path);
	if (err)
		return err;
	truth_of_part(w->truth, part, &truth);
	err = part_write(&w->sink->sink.options, path.at, part, &truth);
	if (err == -EEXIST)
		log_error("cannot write '%s': what stands there is no plain file; remove it or choose another folder",
			  path.at);
	else if (err)
		log_error_errno(err, "cannot write '%s'", path.at);
	else
		w->sink->cnt++;
	if (!w->err)
		w->err = err;
	return 0;
}

static int place_files_consume(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last)
{
	struct writing w = {.sink = (struct place_files_sink *)sink, .truth = truth};

	if (!last)
		return 0;
	int err = profile_for_each_place(profile, part_consume, &w);
	return err ? err : w.err;
}

static u64 place_files_period_ns(const struct sink *sink)
{
	return 0;
}

static void place_files_put_words(const struct sink *sink, struct strbuf *b)
{
	const struct place_files_sink *s = (const struct place_files_sink *)sink;

	if (s->cnt)
		strbuf_printf(b, "wrote %u file%s, %s", s->cnt, s->cnt == 1 ? "" : "s", sink->options.path);
	else
		strbuf_printf(b, "wrote no file to %s: there was no sample", sink->options.path);
}

static void place_files_close(struct sink *sink)
{
	struct place_files_sink *s = (struct place_files_sink *)sink;

	string_table_free(s->paths);
	free(s);
}

const struct sink_type place_files_sink = {
	.open = place_files_open,
	.consume = place_files_consume,
	.period_ns = place_files_period_ns,
	.put_words = place_files_put_words,
	.close = place_files_close,
};
