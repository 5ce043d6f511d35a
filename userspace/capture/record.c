/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pyprof/losses.h"
#include "pyprof/thread_record.h"

static bool end_is_sane(u8 end)
{
	return end < LOSS_CNT || end == LOSS_NONE;
}

static int sample_check(const struct sample *sample)
{
	if (sample->record.size < sizeof(*sample))
		return -EBADMSG;
	if (sample->kernel_cnt > MAX_KERNEL_FRAMES || sample->python_cnt > MAX_PYTHON_FRAMES ||
	    sample->native_cnt > MAX_NATIVE_FRAMES || sample->run_cnt > MAX_PYTHON_RUNS)
		return -EBADMSG;
	if (!end_is_sane(sample->python_end) || !end_is_sane(sample->native_end))
		return -EBADMSG;

	size_t parts = sample->kernel_cnt * sizeof(u64) + sample->python_cnt * sizeof(struct python_frame) +
		       sample->native_cnt * sizeof(u64);
	return sample->record.size == sizeof(*sample) + parts ? 0 : -EBADMSG;
}

static int code_check(const struct code_record *code)
{
	static const size_t capacities[] = {
		[CODE_PIECE_OBJECT] = CODE_OBJECT_SIZE,	    [CODE_PIECE_NAME] = CODE_NAME_SIZE,
		[CODE_PIECE_QUALNAME] = CODE_QUALNAME_SIZE, [CODE_PIECE_FILENAME] = CODE_FILENAME_SIZE,
		[CODE_PIECE_LINES] = CODE_LINES_SIZE,
	};

	if (code->record.size != sizeof(*code))
		return -EBADMSG;
	for (size_t i = 0; i < CODE_PIECE_CNT; i++)
		if (code->pieces[i].size > capacities[i])
			return -EBADMSG;
	return 0;
}

static int stack_check(const struct stack_record *stack)
{
	if (stack->record.size < sizeof(*stack))
		return -EBADMSG;
	if (stack->cpu >= MAX_CPUS || stack->run_cnt > MAX_PYTHON_RUNS || stack->stack_size > MAX_STACK_COPY)
		return -EBADMSG;
	return stack->record.size == sizeof(*stack) + stack->stack_size ? 0 : -EBADMSG;
}

static int thread_check(const struct thread_record *thread)
{
	if (thread->record.size < sizeof(*thread) || thread->kernel_cnt > MAX_KERNEL_FRAMES)
		return -EBADMSG;
	return thread->record.size == sizeof(*thread) + thread->kernel_cnt * sizeof(u64) ? 0 : -EBADMSG;
}

static int cgroup_check(const struct cgroup_record *cgroup)
{
	size_t head = offsetof(struct cgroup_record, path);

	if (cgroup->record.size <= head || cgroup->record.size > sizeof(*cgroup))
		return -EBADMSG;
	return memchr(cgroup->path, 0, cgroup->record.size - head) ? 0 : -EBADMSG;
}

int record_check(const void *data, size_t size)
{
	const struct record *record = data;

	/* The ring may round sizes up; a record says its own. */
	if (size < sizeof(*record) || record->size < sizeof(*record) || record->size > size || (uintptr_t)data % 8)
		return -EBADMSG;

	switch (record->type) {
	case RECORD_SAMPLE:
		return sample_check(data);
	case RECORD_FORK:
	case RECORD_EXEC:
	case RECORD_EXIT:
	case RECORD_PROCESS:
		return record->size == sizeof(struct process_record) ? 0 : -EBADMSG;
	case RECORD_CODE:
		return code_check(data);
	case RECORD_STACK:
		return stack_check(data);
	case RECORD_CGROUP:
	case RECORD_CGROUP_GONE:
		return cgroup_check(data);
	case RECORD_THREAD:
		return thread_check(data);
	default:
		return -EBADMSG;
	}
}
