/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/spool.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "export/spool_folder.h"
#include "export/spool_record.h"

struct queue {
	struct spool_message *first; /* utlist, by next_own */
	struct spool_message *aside; /* likewise, in the order in which they were set aside */
	struct spool_counts counts;
	u64 id; /* spool_destination() */
	bool in_trouble; /* its last delivery failed: what it waits for may take long, so disk comes first */
};

struct spool {
	struct spool_folder *folder; /* NULL: memory alone */
	u64 memory_max, memory_used, disk_max, disk_used;
	struct spool_message *first; /* utlist, by next */
	u32 message_cnt;
	u64 next_number;
	int disk_error;
	u32 destination_cnt;
	struct queue queues[]; /* and one more: of destinations that this run does not have */
};

static u64 memory_cost(const struct spool_message *message)
{
	return sizeof(*message) + message->size;
}

static u64 disk_cost(const struct spool_message *message)
{
	return sizeof(struct spool_head) + message->size;
}

static struct queue *queue_of(struct spool *spool, const struct spool_message *message)
{
	return &spool->queues[message->destination];
}

static void forget_memory(struct spool *spool, struct spool_message *message)
{
	if (message->in_memory)
		spool->memory_used -= memory_cost(message);
	message->in_memory = false;
	free(take(message->body));
}

static void forget_disk(struct spool *spool, struct spool_message *message)
{
	if (!message->on_disk)
		return;
	spool_folder_remove(spool->folder, message->number);
	spool->disk_used -= disk_cost(message);
	message->on_disk = false;
}

static void append(struct spool *spool, struct spool_message *message)
{
	struct queue *queue = queue_of(spool, message);

	DL_APPEND(spool->first, message);
	DL_APPEND2(queue->first, message, prev_own, next_own);
	spool->message_cnt++;
	queue->counts.waiting++;
	queue->counts.waiting_bytes += message->size;
}

static void leave_queue(struct queue *queue, struct spool_message *message)
{
	if (message->is_aside)
		DL_DELETE2(queue->aside, message, prev_own, next_own);
	else
		DL_DELETE2(queue->first, message, prev_own, next_own);
}

static void forget(struct spool *spool, struct spool_message *message)
{
	struct queue *queue = queue_of(spool, message);

	forget_memory(spool, message);
	forget_disk(spool, message);
	DL_DELETE(spool->first, message);
	leave_queue(queue, message);
	spool->message_cnt--;
	queue->counts.waiting--;
	queue->counts.waiting_bytes -= message->size;
	free(message);
}

static void drop(struct spool *spool, struct spool_message *message)
{
	queue_of(spool, message)->counts.dropped++;
	forget(spool, message);
}

void spool_remove(struct spool *spool, struct spool_message *message)
{
	queue_of(spool, message)->in_trouble = false;
	forget(spool, message);
}

void spool_remove_damaged(struct spool *spool, struct spool_message *message)
{
	queue_of(spool, message)->counts.damaged++;
	forget(spool, message);
}

/* Where one message may be put, now or once others are gone. */
struct room {
	bool memory, disk;
};

static struct room room_at_all(const struct spool *spool, const struct spool_message *message, bool disk_failed)
{
	return (struct room){
		.memory = memory_cost(message) <= spool->memory_max,
		.disk = spool->folder && !disk_failed && disk_cost(message) <= spool->disk_max,
	};
}

/* The oldest whose going makes room of that kind; NULL: none does. */
static struct spool_message *oldest(const struct spool *spool, struct room room, const struct spool_message *placed)
{
	struct spool_message *message;

	DL_FOREACH(spool->first, message)
	if (!message->taken &&
	    (message == placed || (room.memory && message->in_memory) || (room.disk && message->on_disk)))
		return message;
	return NULL;
}

static int write_down(struct spool *spool, struct spool_message *message)
{
	int err = spool_folder_write(spool->folder, message->number, queue_of(spool, message)->id, message->body,
				     message->size);

	spool->disk_error = err;
	if (err)
		return err;
	message->on_disk = true;
	spool->disk_used += disk_cost(message);
	if (!message->taken) /* else who took it has its body in hand */
		forget_memory(spool, message);
	return 0;
}

static bool place_in_memory(struct spool *spool, struct spool_message *message)
{
	if (spool->memory_used + memory_cost(message) > spool->memory_max)
		return false;
	message->in_memory = true;
	spool->memory_used += memory_cost(message);
	return true;
}

/* Of the disk's failure is told in disk_error. */
static bool place_on_disk(struct spool *spool, struct spool_message *message, bool *disk_failed)
{
	if (!room_at_all(spool, message, *disk_failed).disk || spool->disk_used + disk_cost(message) > spool->disk_max)
		return false;
	*disk_failed = write_down(spool, message);
	return !*disk_failed;
}

/* A message with its body that is in the list already finds its place, or is itself the oldest that has to go. */
static int place(struct spool *spool, struct spool_message *message)
{
	bool disk_first = queue_of(spool, message)->in_trouble, disk_failed = false;

	for (;;) {
		if ((disk_first && place_on_disk(spool, message, &disk_failed)) || place_in_memory(spool, message) ||
		    place_on_disk(spool, message, &disk_failed))
			return 0;
		struct room room = room_at_all(spool, message, disk_failed);
		struct spool_message *victim = room.memory || room.disk ? oldest(spool, room, message) : message;
		if (victim == message || !victim) {
			drop(spool, message);
			return -EFBIG;
		}
		drop(spool, victim);
	}
}

static void make_room_in_list(struct spool *spool)
{
	struct spool_message *message;

	if (spool->message_cnt < SPOOL_MESSAGES_MAX)
		return;
	DL_FOREACH(spool->first, message)
	if (!message->taken)
		break;
	if (message)
		drop(spool, message);
}

static struct spool_message *message_new(u32 destination, const void *body, size_t size)
{
	_cleanup_(free) struct spool_message *message = calloc(1, sizeof(*message));

	if (!message || !(message->body = malloc(size)))
		return NULL;
	memcpy(message->body, body, size);
	message->destination = destination;
	message->size = size;
	return take(message);
}

int spool_put(struct spool *spool, u32 destination, const void *body, size_t size)
{
	if (!size || size > SPOOL_BODY_MAX) {
		spool->queues[destination].counts.dropped++;
		return -EFBIG;
	}
	struct spool_message *message = message_new(destination, body, size);
	if (!message) {
		spool->queues[destination].counts.dropped++;
		return -ENOMEM;
	}
	make_room_in_list(spool);
	message->number = spool->next_number++;
	append(spool, message);
	return place(spool, message);
}

static struct spool_message *take_this(struct spool *spool, struct spool_message *message)
{
	if (!message || message->taken)
		return NULL;
	message->taken = true;
	if (message->in_memory)
		spool->memory_used -= memory_cost(message);
	message->in_memory = false;
	return message;
}

struct spool_message *spool_take(struct spool *spool, u32 destination)
{
	return take_this(spool, spool->queues[destination].first);
}

struct spool_message *spool_take_aside(struct spool *spool, u32 destination, u64 now_ns)
{
	struct spool_message *message;

	DL_FOREACH2(spool->queues[destination].aside, message, next_own)
	if (message->until_ns <= now_ns)
		break;
	return take_this(spool, message);
}

u64 spool_due_ns(const struct spool *spool, u32 destination)
{
	const struct queue *queue = &spool->queues[destination];
	const struct spool_message *message;
	u64 due = queue->first ? 0 : UINT64_MAX;

	for (message = queue->aside; message && due; message = message->next_own)
		due = message->until_ns < due ? message->until_ns : due;
	return due;
}

int spool_load(struct spool *spool, struct spool_message *message)
{
	size_t size;
	void *body;

	if (message->body)
		return 0;
	int err = spool_folder_read(spool->folder, message->number, spool->queues[message->destination].id, &body,
				    &size);
	if (err)
		return err;
	if (size != message->size) {
		free(body);
		return -EBADMSG;
	}
	message->body = body;
	return 0;
}

void spool_release(struct spool *spool, struct spool_message *message)
{
	message->taken = false;
	queue_of(spool, message)->in_trouble = true;
	if (message->on_disk)
		forget_memory(spool, message);
	else
		place(spool, message);
}

void spool_set_aside(struct spool *spool, struct spool_message *message, u64 until_ns)
{
	struct queue *queue = queue_of(spool, message);

	leave_queue(queue, message);
	message->is_aside = true;
	message->until_ns = until_ns;
	DL_APPEND2(queue->aside, message, prev_own, next_own);
	spool_release(spool, message);
}

void spool_hurry(struct spool *spool, u32 destination)
{
	struct spool_message *message;

	DL_FOREACH2(spool->queues[destination].aside, message, next_own)
	message->until_ns = 0;
}

void spool_save(struct spool *spool)
{
	struct spool_message *message;
	bool disk_failed = false;

	DL_FOREACH(spool->first, message)
	if (!message->on_disk)
		place_on_disk(spool, message, &disk_failed);
}

void spool_keep(struct spool *spool)
{
	struct spool_message *message, *next;

	spool->memory_max = 0;
	DL_FOREACH_SAFE(spool->first, message, next)
	{
		if (message->on_disk)
			continue;
		if (message->in_memory)
			spool->memory_used -= memory_cost(message);
		message->in_memory = false;
		/* Drops only what is older: next stays. */
		place(spool, message);
	}
}

static u32 destination_find(const struct spool *spool, u64 id)
{
	u32 i = 0;

	while (i < spool->destination_cnt && spool->queues[i].id != id)
		i++;
	return i;
}

static int take_up_file(struct spool *spool, const struct spool_file *file)
{
	struct spool_message *message = calloc(1, sizeof(*message));

	if (!message)
		return -ENOMEM;
	message->destination = destination_find(spool, file->destination);
	message->size = file->body_size;
	message->number = file->number;
	message->on_disk = true;
	spool->disk_used += disk_cost(message);
	append(spool, message);
	return 0;
}

static int take_up(struct spool *spool)
{
	_cleanup_(free) struct spool_file *files = NULL;
	struct spool_listing listing;
	int err = spool_folder_list(spool->folder, SPOOL_MESSAGES_MAX, &files, &listing);

	if (err)
		return err;
	spool->queues[spool->destination_cnt].counts.damaged = listing.damaged;
	spool->next_number = listing.next_number;
	spool->disk_used = listing.unread_size;
	for (size_t i = 0; !err && i < listing.cnt; i++)
		err = take_up_file(spool, &files[i]);
	/* The bound may be a smaller one now. */
	while (!err && spool->first && spool->disk_used > spool->disk_max)
		drop(spool, spool->first);
	return err;
}

int spool_new(const struct spool_options *options, struct spool **ret, const char **ret_step)
{
	_cleanup_(spool) struct spool *spool = calloc(1, sizeof(*spool) + (options->destination_cnt + 1) *
										  sizeof(spool->queues[0]));

	*ret_step = "the spool could not be made";
	if (!spool)
		return -ENOMEM;
	spool->memory_max = options->memory_max;
	spool->disk_max = options->disk_max;
	spool->destination_cnt = options->destination_cnt;
	for (size_t i = 0; i < options->destination_cnt; i++)
		spool->queues[i].id = options->destinations[i];
	if (options->path) {
		int err = spool_folder_open(options->path, &spool->folder, ret_step);
		if (err)
			return err;
		*ret_step = "the spool's folder cannot be read";
		err = take_up(spool);
		if (err)
			return err;
	}
	*ret = take(spool);
	return 0;
}

void spool_free(struct spool *spool)
{
	struct spool_message *message, *next;

	DL_FOREACH_SAFE(spool->first, message, next)
	{
		free(message->body);
		free(message);
	}
	if (spool->folder)
		spool_folder_close(spool->folder);
	free(spool);
}

void spool_counts(const struct spool *spool, u32 destination, struct spool_counts *ret)
{
	*ret = spool->queues[destination].counts;
}

int spool_disk_error(const struct spool *spool)
{
	return spool->disk_error;
}
