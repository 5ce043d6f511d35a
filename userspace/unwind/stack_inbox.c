/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/stack_inbox.h"

#include <errno.h>
#include <string.h>

struct stack_inbox {
	struct stack_record *of_cpu[MAX_CPUS];
};

int stack_inbox_new(struct stack_inbox **ret)
{
	struct stack_inbox *inbox = calloc(1, sizeof(*inbox));

	if (!inbox)
		return -ENOMEM;
	*ret = inbox;
	return 0;
}

void stack_inbox_free(struct stack_inbox *inbox)
{
	if (!inbox)
		return;
	for (size_t i = 0; i < MAX_CPUS; i++)
		free(inbox->of_cpu[i]);
	free(inbox);
}

int stack_inbox_put(struct stack_inbox *inbox, const struct stack_record *record)
{
	if (record->cpu >= MAX_CPUS)
		return -ERANGE;
	struct stack_record *copy = realloc(inbox->of_cpu[record->cpu], record->record.size);
	if (!copy)
		return -ENOMEM;
	inbox->of_cpu[record->cpu] = memcpy(copy, record, record->record.size);
	return 0;
}

const struct stack_record *stack_inbox_find(const struct stack_inbox *inbox, const struct sample *sample)
{
	const struct stack_record *record = sample->cpu < MAX_CPUS ? inbox->of_cpu[sample->cpu] : NULL;

	return record && record->record.time_ns == sample->record.time_ns && record->tid == sample->tid ? record : NULL;
}
