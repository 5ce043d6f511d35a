/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/spool_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cursor.h"

#define MAGIC	    "pyprofsp"
#define VERSION	    1
#define NAME_DIGITS 16
#define NAME_SUFFIX ".msg"

_Static_assert(NAME_DIGITS + sizeof(NAME_SUFFIX) <= SPOOL_NAME_SIZE, "a name fits");

u64 spool_destination(const char *kind, const char *url)
{
	/* The kind's NUL separates them. */
	return XXH3_64bits_withSeed(url, strlen(url), XXH3_64bits(kind, strlen(kind) + 1));
}

static u64 head_hash(const struct spool_head *head)
{
	return XXH3_64bits(head, offsetof(struct spool_head, head_hash));
}

void spool_head_fill(struct spool_head *head, u64 destination, const void *body, u32 size)
{
	*head = (struct spool_head){
		.version = VERSION,
		.body_size = size,
		.destination = destination,
		.body_hash = XXH3_64bits(body, size),
	};
	memcpy(head->magic, MAGIC, sizeof(head->magic));
	head->head_hash = head_hash(head);
}

int spool_head_read(const void *bytes, size_t size, u64 file_size, struct spool_head *ret)
{
	struct cursor c = cursor_of(bytes, size);
	const void *at = cursor_take(&c, sizeof(struct spool_head));
	struct spool_head head;

	if (!at)
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) || head.version != VERSION ||
	    head.head_hash != head_hash(&head))
		return -EBADMSG;
	if (!head.body_size || head.body_size > SPOOL_BODY_MAX || file_size != sizeof(head) + head.body_size)
		return -EBADMSG;
	*ret = head;
	return 0;
}

bool spool_body_is(const struct spool_head *head, const void *body, size_t size)
{
	return size == head->body_size && XXH3_64bits(body, size) == head->body_hash;
}

void spool_name(u64 number, char ret[SPOOL_NAME_SIZE])
{
	snprintf(ret, SPOOL_NAME_SIZE, "%0*llx" NAME_SUFFIX, NAME_DIGITS, (unsigned long long)number);
}

int spool_name_read(const char *name, u64 *ret)
{
	static const char digits[] = "0123456789abcdef";
	u64 number = 0;

	for (int i = 0; i < NAME_DIGITS; i++) {
		const char *digit = name[i] ? strchr(digits, name[i]) : NULL;

		if (!digit)
			return -ENOENT;
		number = number << 4 | (u64)(digit - digits);
	}
	if (strcmp(name + NAME_DIGITS, NAME_SUFFIX) || number >= SPOOL_NUMBER_MAX)
		return -ENOENT;
	*ret = number;
	return 0;
}

bool spool_name_is_temporary(const char *name)
{
	char whole[SPOOL_NAME_SIZE];
	size_t size = strlen(name);
	u64 number;

	if (size < 5 || size - 4 >= sizeof(whole) || strcmp(name + size - 4, ".tmp"))
		return false;
	memcpy(whole, name, size - 4);
	whole[size - 4] = 0;
	return !spool_name_read(whole, &number);
}
