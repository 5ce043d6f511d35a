/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/stack_groups.h"

#include <errno.h>
#include <string.h>

#include "report/thread_words.h"

struct hashed {
	u64 hash;
	size_t index;
	size_t group; /* index of the first thread of its group */
	const struct dump_thread *thread;
};

/* FNV-1a */
static u64 hash_bytes(u64 hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const u8 *)bytes)[i]) * 0x100000001b3;
	return hash;
}

static u64 hash_text(u64 hash, const char *text)
{
	return text ? hash_bytes(hash, text, strlen(text) + 1) : hash;
}

static u64 thread_hash(const struct dump_thread *thread)
{
	u64 hash = 0xcbf29ce484222325;

	hash = hash_bytes(hash, &thread->wait.kind, sizeof(thread->wait.kind));
	hash = hash_bytes(hash, &thread->wait.owner_tid, sizeof(thread->wait.owner_tid));
	for (size_t i = 0; i < thread->frame_cnt; i++) {
		hash = hash_bytes(hash, &thread->frames[i].line, sizeof(thread->frames[i].line));
		hash = hash_text(hash, thread->frames[i].function);
		hash = hash_text(hash, thread->frames[i].file);
	}
	return hash;
}

static bool same_text(const char *one, const char *other)
{
	return one && other ? !strcmp(one, other) : one == other;
}

static bool same_frame(const struct dump_frame *one, const struct dump_frame *other)
{
	if (one->kind != other->kind || one->line != other->line || one->variable_cnt != other->variable_cnt ||
	    !same_text(one->function, other->function) || !same_text(one->qualname, other->qualname) ||
	    !same_text(one->file, other->file))
		return false;
	for (size_t i = 0; i < one->variable_cnt; i++)
		if (!same_text(one->variables[i].name, other->variables[i].name) ||
		    !same_text(one->variables[i].value, other->variables[i].value))
			return false;
	return true;
}

static bool stays_alone(const struct dump_thread *thread)
{
	return dump_thread_has_star(thread) || thread->is_main || (!thread->frame_cnt && thread->loss == LOSS_NONE);
}

static bool same_thread(const struct dump_thread *one, const struct dump_thread *other)
{
	if (one->frame_cnt != other->frame_cnt || one->interpreter != other->interpreter ||
	    !one->state != !other->state || one->loss != other->loss ||
	    thread_activity(one) != thread_activity(other) || one->wait.kind != other->wait.kind ||
	    one->wait.owner_tid != other->wait.owner_tid || !same_text(one->wait.syscall, other->wait.syscall))
		return false;
	for (size_t i = 0; i < one->frame_cnt; i++)
		if (!same_frame(&one->frames[i], &other->frames[i]))
			return false;
	return true;
}

static int compare_hash(const void *a, const void *b)
{
	const struct hashed *one = a, *other = b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	return one->index < other->index ? -1 : one->index > other->index;
}

static int compare_group(const void *a, const void *b)
{
	const struct hashed *one = a, *other = b;

	if (one->group != other->group)
		return one->group < other->group ? -1 : 1;
	return one->index < other->index ? -1 : one->index > other->index;
}

/*
 * Each joins the first that is the same among those of its hash. Threads of one hash that differ (in what
 * they do) are kept as a list of firsts, `firsts`, of which there are few.
 */
static void join_groups(struct hashed *threads, size_t cnt, size_t *firsts)
{
	size_t first_cnt = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (!i || threads[i].hash != threads[i - 1].hash)
			first_cnt = 0;
		threads[i].group = threads[i].index;
		if (stays_alone(threads[i].thread))
			continue;
		size_t at = 0;
		while (at < first_cnt && !same_thread(threads[firsts[at]].thread, threads[i].thread))
			at++;
		if (at == first_cnt)
			firsts[first_cnt++] = i;
		threads[i].group = threads[firsts[at]].index;
	}
}

static void groups_fill(struct stack_groups *groups, const struct hashed *threads, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		groups->members[i] = threads[i].index;
		if (!i || threads[i].group != threads[i - 1].group)
			groups->groups[groups->cnt++] = (struct stack_group){.members = &groups->members[i]};
		groups->groups[groups->cnt - 1].cnt++;
	}
}

int stack_groups_new(const struct snapshot *snapshot, struct stack_groups **ret)
{
	size_t cnt = snapshot->thread_cnt;
	_cleanup_(stack_groups) struct stack_groups *groups = calloc(1, sizeof(*groups));
	_cleanup_(free) struct hashed *threads = calloc(cnt + 1, sizeof(*threads));
	_cleanup_(free) size_t *firsts = calloc(cnt + 1, sizeof(*firsts));
	if (!groups || !threads || !firsts)
		return -ENOMEM;
	groups->groups = calloc(cnt + 1, sizeof(*groups->groups));
	groups->members = calloc(cnt + 1, sizeof(*groups->members));
	if (!groups->groups || !groups->members)
		return -ENOMEM;

	for (size_t i = 0; i < cnt; i++)
		threads[i] = (struct hashed){
			.hash = thread_hash(&snapshot->threads[i]), .index = i, .thread = &snapshot->threads[i]};
	qsort(threads, cnt, sizeof(*threads), compare_hash);
	join_groups(threads, cnt, firsts);
	qsort(threads, cnt, sizeof(*threads), compare_group);
	groups_fill(groups, threads, cnt);
	*ret = take(groups);
	return 0;
}

void stack_groups_free(struct stack_groups *groups)
{
	if (!groups)
		return;
	free(groups->groups);
	free(groups->members);
	free(groups);
}
