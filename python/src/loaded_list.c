/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loaded_list.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/own_memory.h"

#define AGE_MAX_NS NS_PER_S

/* More than any program loads; and what breaks a circle. */
#define OBJECTS_MAX 65536

/* Read at once. */
#define BATCH OWN_MEMORY_PIECES_MAX

/* What <link.h> says of struct link_map; the linker's own members follow. */
struct link {
	u64 address, name, dynamic, next, previous;
};

/* Of struct r_debug. */
#define DEBUG_FIRST 8

struct loaded_object {
	u64 at;
	struct link link;
};

struct loaded_list {
	u64 debug; /* address of the struct r_debug; 0: none, as in a static program */
	u64 seen_ns; /* when it was read whole */
	u64 first;
	struct loaded_object *objects;
	size_t cnt, capacity;
};

static bool own_read(u64 address, void *ret, size_t size)
{
	return own_memory_read_some(address, ret, size) == (ssize_t)size;
}

/* The linker has put its address where the program's own headers lead to. */
static u64 debug_find(void)
{
	const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
	u64 cnt = getauxval(AT_PHNUM), bias = 0;
	const Elf64_Dyn *dynamic = NULL;

	for (u64 i = 0; headers && i < cnt; i++) {
		if (headers[i].p_type == PT_PHDR)
			bias = (u64)headers - headers[i].p_vaddr;
	}
	for (u64 i = 0; headers && i < cnt; i++) {
		if (headers[i].p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)(bias + headers[i].p_vaddr);
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_DEBUG)
			return dynamic->d_un.d_ptr;
	}
	return 0;
}

int loaded_list_new(struct loaded_list **ret)
{
	struct loaded_list *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	list->debug = debug_find();
	*ret = list;
	return 0;
}

void loaded_list_free(struct loaded_list *list)
{
	if (list)
		free(list->objects);
	free(list);
}

/* All anew; what could not be read ends it. */
static void list_read(struct loaded_list *list, u64 now_ns)
{
	u64 at = 0;

	list->cnt = 0;
	list->seen_ns = now_ns;
	if (!list->debug || !own_read(list->debug + DEBUG_FIRST, &at, sizeof(at)))
		return;
	list->first = at;
	while (at && list->cnt < OBJECTS_MAX) {
		struct loaded_object *objects = array_reserve(list->objects, &list->capacity, list->cnt + 1,
							      sizeof(*objects));
		if (!objects)
			return;
		list->objects = objects;
		struct loaded_object *object = &objects[list->cnt];
		object->at = at;
		if (!own_read(at, &object->link, sizeof(object->link)))
			return;
		at = object->link.next;
		list->cnt++;
	}
}

static bool links_read(const struct loaded_object *objects, size_t cnt, struct link *ret)
{
	u64 addresses[BATCH];

	for (size_t i = 0; i < cnt; i++)
		addresses[i] = objects[i].at;
	return !own_memory_read_pieces(addresses, cnt, sizeof(*ret), ret);
}

static bool is_same(const struct loaded_list *list)
{
	struct link links[BATCH];
	u64 first = 0;

	if (!own_read(list->debug + DEBUG_FIRST, &first, sizeof(first)) || first != list->first)
		return false;
	for (size_t i = 0; i < list->cnt; i += BATCH) {
		const struct loaded_object *objects = &list->objects[i];
		size_t cnt = list->cnt - i < BATCH ? list->cnt - i : BATCH;

		if (!links_read(objects, cnt, links))
			return false;
		for (size_t j = 0; j < cnt; j++) {
			if (memcmp(&objects[j].link, &links[j], sizeof(links[j])))
				return false;
		}
	}
	return true;
}

bool loaded_list_has_changed(struct loaded_list *list)
{
	u64 now_ns = clock_monotonic_ns();

	if (list->cnt && now_ns - list->seen_ns < AGE_MAX_NS && is_same(list))
		return false;
	list_read(list, now_ns);
	return true;
}
