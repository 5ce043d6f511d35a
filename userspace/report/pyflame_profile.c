/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/pyflame_profile.h"

#include <errno.h>
#include <uthash.h>

#include "base/strbuf.h"
#include "report/dump_format.h"

struct bucket {
	char *stack;
	u64 cnt;
	UT_hash_handle hh;
};

struct pyflame_profile {
	struct pyflame_options options;
	FILE *out;
	struct bucket *buckets;
	u64 idle, failed;
};

int pyflame_profile_new(const struct pyflame_options *options, FILE *out, struct pyflame_profile **ret)
{
	struct pyflame_profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return -ENOMEM;
	profile->options = *options;
	profile->out = out;
	*ret = profile;
	return 0;
}

void pyflame_profile_free(struct pyflame_profile *profile)
{
	struct bucket *bucket, *next;

	if (!profile)
		return;
	HASH_ITER(hh, profile->buckets, bucket, next)
	{
		HASH_DEL(profile->buckets, bucket);
		free(bucket->stack);
		free(bucket);
	}
	free(profile);
}

static int bucket_add(struct pyflame_profile *profile, struct strbuf *stack)
{
	struct bucket *bucket;

	HASH_FIND(hh, profile->buckets, stack->at, stack->size, bucket);
	if (bucket) {
		bucket->cnt++;
		return 0;
	}
	bucket = calloc(1, sizeof(*bucket));
	size_t size = stack->size;
	char *text = strbuf_take(stack);

	if (!bucket || !text) {
		free(bucket);
		free(text);
		return -ENOMEM;
	}
	bucket->stack = text;
	bucket->cnt = 1;
	HASH_ADD_KEYPTR(hh, profile->buckets, bucket->stack, size, bucket);
	return 0;
}

/* Outermost first; what is between two frames, or behind each. */
static void stack_put(const struct pyflame_profile *profile, const struct dump_thread *thread, struct strbuf *b)
{
	bool first = true;

	for (size_t i = thread->frame_cnt; i-- > 0;) {
		const struct dump_frame *frame = &thread->frames[i];

		if (frame->kind != FRAME_PYTHON)
			continue;
		if (!first)
			strbuf_put_char(b, ';');
		first = false;
		pyflame_frame_put(frame, profile->options.no_lines, b);
	}
	if (profile->options.chart && !first)
		strbuf_put_char(b, ';');
}

static int chart_write(struct pyflame_profile *profile, u64 realtime_us, const char *stack)
{
	errno = 0;
	if (fprintf(profile->out, "%llu\n%s\n", realtime_us, stack) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

static int thread_add(struct pyflame_profile *profile, const struct dump_thread *thread, u64 realtime_us)
{
	STRBUF(stack);

	stack_put(profile, thread, &stack);
	if (stack.failed)
		return -ENOMEM;
	return profile->options.chart ? chart_write(profile, realtime_us, stack.at) : bucket_add(profile, &stack);
}

static int none_add(struct pyflame_profile *profile, u64 *counter, const char *what, u64 realtime_us)
{
	++*counter;
	return profile->options.chart ? chart_write(profile, realtime_us, what) : 0;
}

/* Who has the GIL; where there is none, whoever runs, or could: others may have the CPU just now. */
static bool is_wanted(const struct pyflame_profile *profile, const struct snapshot *snapshot,
		      const struct dump_thread *thread)
{
	return profile->options.threads || dump_thread_has_star(thread) ||
	       (snapshot->free_threaded && thread->record.state == 'R');
}

int pyflame_profile_add(struct pyflame_profile *profile, const struct snapshot *snapshot, u64 realtime_us)
{
	bool seen = false, failed = false;
	int err = 0;

	for (size_t i = 0; !err && i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];

		if (!is_wanted(profile, snapshot, thread))
			continue;
		if (thread->python_cnt) {
			seen = true;
			err = thread_add(profile, thread, realtime_us);
		} else if (thread->state && thread->taken == TAKEN_NOT) {
			failed = true;
		}
	}
	if (!err && failed)
		return none_add(profile, &profile->failed, "(failed)", realtime_us);
	if (!err && !seen && !profile->options.exclude_idle)
		return none_add(profile, &profile->idle, "(idle)", realtime_us);
	return err;
}

int pyflame_profile_write(struct pyflame_profile *profile)
{
	struct bucket *bucket, *next;

	errno = 0;
	if (!profile->options.chart && profile->idle)
		fprintf(profile->out, "(idle) %llu\n", profile->idle);
	if (!profile->options.chart && profile->failed)
		fprintf(profile->out, "(failed) %llu\n", profile->failed);
	HASH_ITER(hh, profile->buckets, bucket, next)
	fprintf(profile->out, "%s %llu\n", bucket->stack, bucket->cnt);
	if (fflush(profile->out) || ferror(profile->out))
		return errno ? -errno : -EIO;
	return 0;
}
