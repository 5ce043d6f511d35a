/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/retry.h"

#include <stdint.h>
#include <utlist.h>

#include "base/clock.h"

static const u16 retry_waits_ms[RETRY_STEP_CNT] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

static void retry_put(struct retry_queue *queue, struct retry *retry, u8 step, u64 now_ns)
{
	retry->step = step;
	retry->asked_ns = now_ns;
	retry->due_ns = now_ns + retry_waits_ms[step] * NS_PER_MS;
	retry->waits = true;
	DL_APPEND(queue->steps[step], retry);
}

void retry_start_now(struct retry_queue *queue, struct retry *retry, u64 now_ns)
{
	retry_stop(queue, retry);
	retry->since_ns = now_ns;
	retry_put(queue, retry, 0, now_ns);
}

void retry_start(struct retry_queue *queue, struct retry *retry, u64 now_ns)
{
	retry_stop(queue, retry);
	retry->since_ns = now_ns;
	retry_put(queue, retry, 1, now_ns);
}

void retry_start_in(struct retry_queue *queue, struct retry *retry, u64 wait_ns, u64 now_ns)
{
	retry_start_now(queue, retry, now_ns);
	retry->due_ns += wait_ns;
}

bool retry_again(struct retry_queue *queue, struct retry *retry, u64 now_ns)
{
	u8 step = retry->step + 1 < RETRY_STEP_CNT ? retry->step + 1 : retry->step;

	retry_stop(queue, retry);
	if (now_ns >= retry->since_ns + queue->limit_ns)
		return false;
	retry_put(queue, retry, step, now_ns);
	return true;
}

void retry_stop(struct retry_queue *queue, struct retry *retry)
{
	if (retry->waits)
		DL_DELETE(queue->steps[retry->step], retry);
	retry->waits = false;
}

struct retry *retry_due(struct retry_queue *queue, u64 now_ns)
{
	for (size_t i = 0; i < RETRY_STEP_CNT; i++)
		if (queue->steps[i] && queue->steps[i]->due_ns <= now_ns)
			return queue->steps[i];
	return NULL;
}

struct retry *retry_oldest(struct retry_queue *queue, u64 before_ns)
{
	struct retry *oldest = NULL;

	for (size_t i = 0; i < RETRY_STEP_CNT; i++) {
		struct retry *first = queue->steps[i];

		if (first && first->asked_ns < before_ns && (!oldest || first->asked_ns < oldest->asked_ns))
			oldest = first;
	}
	return oldest;
}

u64 retry_due_ns(const struct retry_queue *queue)
{
	u64 due_ns = UINT64_MAX;

	for (size_t i = 0; i < RETRY_STEP_CNT; i++)
		if (queue->steps[i] && queue->steps[i]->due_ns < due_ns)
			due_ns = queue->steps[i]->due_ns;
	return due_ns;
}
