/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_naming.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/group_maker.h"

#define LIMIT_NS      (10 * NS_PER_S)
#define SHORT_ID_SIZE 12 /* as the runtimes' own programs show ids */

#define RENEW_NS     (30 * NS_PER_S)
#define RENEW_GAP_NS (250 * NS_PER_MS) /* between two turns that ask again */
#define RENEW_CNT    32 /* in one turn; of more than 3,840 places each is asked for a little less often */

int place_naming_init(struct place_naming *naming, const char *root)
{
	*naming = (struct place_naming){.queue.limit_ns = LIMIT_NS};
	return container_files_open(root, &naming->files);
}

void place_naming_deinit(struct place_naming *naming)
{
	container_files_close(naming->files);
	naming->files = NULL;
}

static void names_apply(struct place_naming *naming, struct place_entry *entry, const struct container_names *names)
{
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		if (names->values[i] && place_entry_set(entry, i, names->values[i], SIZE_MAX) > 0)
			naming->changes++;
}

static void place_stop(struct place_naming *naming, struct place_entry *entry)
{
	retry_stop(entry->place.named ? &naming->renewals : &naming->queue, &entry->retry);
}

/* Nothing more is to be learnt, which is news to a selection that waited for it. */
static void place_settle(struct place_naming *naming, struct place_entry *entry)
{
	place_stop(naming, entry);
	entry->place.named = true;
	naming->changes++;
}

/* Kubernetes and low-level runtimes give no container another name. */
static bool place_may_be_renamed(const struct place_entry *entry)
{
	return !entry->is_ended && !entry->outer_size && !entry->is_told && !entry->place.pod_uid;
}

static struct path_piece place_user(const struct place_entry *entry, const struct cgroup_path *path)
{
	return entry->maker[0] ? (struct path_piece){entry->maker, strlen(entry->maker)} : path->user;
}

/* A user's own files know the container under its id. */
static void place_believe(struct place_naming *naming, struct place_entry *entry, const struct cgroup_path *path)
{
	if (path->user.size && !path->outer_size &&
	    place_entry_set(entry, LABEL_CONTAINER_ID, path->id.at, path->id.size) > 0)
		naming->changes++;
}

/* Looks at the files once. Whether that was all. */
static bool place_look(struct place_naming *naming, struct place_entry *entry)
{
	struct container_names names = {0};
	const char *cgroup = entry->place.cgroup;
	struct cgroup_path path;
	size_t size;
	int err;

	if (entry->is_told) {
		err = container_files_find_by_cgroup(naming->files, cgroup, &names, &size);
	} else {
		cgroup_path_read(cgroup, &path);
		path.outer_size = entry->outer_size; /* files may have told it */
		path.user = place_user(entry, &path); /* his files alone */
		err = container_files_find(naming->files, cgroup, &path, &names);
	}
	if (err)
		return false;
	if (!entry->is_told)
		place_believe(naming, entry, &path);
	names_apply(naming, entry, &names);
	bool is_all = names.complete;
	container_names_deinit(&names);
	return is_all;
}

/* What the path itself says: the name is its own, and the id as well, for its runtime has no other; or the id's beginning. */
static int piece_put(struct strbuf *b, enum label label, const struct cgroup_path *path)
{
	const struct path_piece *id = &path->id;

	if (path->name.size) {
		_cleanup_(free) char *name = cgroup_path_name(path);

		if (!name)
			return -ENOMEM;
		strbuf_put(b, name);
		return 0;
	}
	bool is_cut = label == LABEL_CONTAINER_NAME && id->size > 2 * SHORT_ID_SIZE;
	strbuf_put_size(b, id->at, is_cut ? SHORT_ID_SIZE : id->size);
	return 0;
}

static void user_put(struct strbuf *b, const struct path_piece *user)
{
	if (!user->size)
		return;
	if (strtoul(user->at, NULL, 10) == MAKER_UNKNOWN)
		strbuf_put(b, "user-unknown/");
	else
		strbuf_printf(b, "user-%.*s/", (int)user->size, user->at);
}

/* Behind whoever could choose it. No name that a runtime of root's gives has a slash. */
static int path_set(struct place_entry *entry, enum label label, const struct cgroup_path *path)
{
	struct path_piece user = place_user(entry, path);
	struct cgroup_path outer;
	STRBUF(b);
	int err = 0;

	user_put(&b, &user);
	if (path->outer_size) {
		_cleanup_(free) char *text = strndup(entry->place.cgroup, path->outer_size);

		if (!text)
			return -ENOMEM;
		cgroup_path_read(text, &outer);
		if (outer.runtime)
			err = piece_put(&b, label, &outer);
		else /* files told of it */
			strbuf_put(&b, strrchr(text, '/') + 1);
		strbuf_put_char(&b, '/');
	}
	if (!err)
		err = piece_put(&b, label, path);
	if (err || b.failed)
		return -ENOMEM;
	return place_entry_set(entry, label, b.at, b.size);
}

/* Likewise: behind the user, or the unit, that it is within. */
static int unit_set(struct place_entry *entry, const struct cgroup_path *path)
{
	struct path_piece user = place_user(entry, path);
	STRBUF(b);

	if (path->outer_unit.size && user.size)
		user_put(&b, &user);
	else if (path->outer_unit.size)
		strbuf_printf(&b, "%.*s/", (int)path->outer_unit.size, path->outer_unit.at);
	strbuf_put_size(&b, path->unit.at, path->unit.size);
	return b.failed ? -ENOMEM : place_entry_set(entry, LABEL_SYSTEMD_UNIT, b.at, b.size);
}

int place_naming_read_path(struct place_naming *naming, struct place_entry *entry, const struct cgroup_path *path)
{
	int err = 0;

	if (!path->runtime) {
		entry->place.named = true;
		return unit_set(entry, path);
	}
	entry->place.is_container = true;
	entry->outer_size = path->outer_size;
	if (path->runtime[0])
		err = place_entry_set(entry, LABEL_RUNTIME, path->runtime, SIZE_MAX);
	if (err >= 0)
		err = path_set(entry, LABEL_CONTAINER_ID, path);
	if (err >= 0)
		err = path_set(entry, LABEL_CONTAINER_NAME, path);
	if (err >= 0 && path->pod_uid.size) {
		entry->place.pod_uid = strndup(path->pod_uid.at, path->pod_uid.size);
		err = entry->place.pod_uid ? 0 : -ENOMEM;
	}
	return err;
}

void place_naming_start(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	place_stop(naming, entry);
	entry->place.named = false;
	entry->is_ended = false;
	retry_start_now(&naming->queue, &entry->retry, now_ns);
}

void place_naming_told(struct place_naming *naming, struct place_entry *entry, const struct container_names *names,
		       u64 now_ns)
{
	entry->place.is_container = true;
	names_apply(naming, entry, names);
	if (names->complete)
		place_settle(naming, entry);
	else
		retry_start(&naming->queue, &entry->retry, now_ns);
}

void place_naming_end(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	if (entry->place.named) {
		place_stop(naming, entry);
		return;
	}
	entry->is_ended = true;
	retry_start_now(&naming->queue, &entry->retry, now_ns);
}

void place_naming_forget(struct place_naming *naming, struct place_entry *entry)
{
	place_stop(naming, entry);
}

static struct place_entry *entry_of_retry(struct retry *retry)
{
	return (struct place_entry *)((char *)retry - offsetof(struct place_entry, retry));
}

static void place_ask(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	bool is_last = entry->is_ended || entry->outer_size, is_all = place_look(naming, entry);

	if (!is_all && !is_last && retry_again(&naming->queue, &entry->retry, now_ns))
		return;
	place_settle(naming, entry);
	if (is_all && place_may_be_renamed(entry))
		retry_start_in(&naming->renewals, &entry->retry, RENEW_NS, now_ns);
}

static u64 renewals_due_ns(const struct place_naming *naming)
{
	u64 due_ns = retry_due_ns(&naming->renewals);

	return due_ns > naming->renew_from_ns ? due_ns : naming->renew_from_ns;
}

/* Those whose time comes soon too, so that not each of them takes a turn. */
static void renewals_turn(struct place_naming *naming, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	if (now_ns < renewals_due_ns(naming))
		return;
	naming->renew_from_ns = now_ns + RENEW_GAP_NS;
	for (int i = 0; i < RENEW_CNT && (retry = retry_due(&naming->renewals, now_ns + RENEW_GAP_NS)); i++) {
		place_look(naming, entry_of_retry(retry));
		retry_start_in(&naming->renewals, retry, RENEW_NS, now_ns);
		if (clock_monotonic_ns() > end_ns)
			return;
	}
}

u64 place_naming_due_ns(const struct place_naming *naming)
{
	u64 due_ns = retry_due_ns(&naming->queue), renew_ns = renewals_due_ns(naming);

	return due_ns < renew_ns ? due_ns : renew_ns;
}

bool place_naming_turn(struct place_naming *naming, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	while ((retry = retry_due(&naming->queue, now_ns))) {
		struct place_entry *entry = entry_of_retry(retry);

		place_ask(naming, entry, now_ns);
		if (clock_monotonic_ns() > end_ns)
			return false;
	}
	renewals_turn(naming, now_ns, end_ns);
	return true;
}

void place_naming_hurry(struct place_naming *naming, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	while (clock_monotonic_ns() <= end_ns && (retry = retry_oldest(&naming->queue, now_ns)))
		place_ask(naming, entry_of_retry(retry), now_ns);
}
