/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/thread_name.h"

#include <errno.h>

#include "base/page_cache.h"

struct name_reader {
	const struct python_objects *objects;
	int (*visit)(void *ctx, u64 ident, const char *name);
	void *ctx;
	int answer; /* of visit */
};

/* The attribute behind Thread.name, in 2.7 one that is mangled. */
static int name_attribute(const struct python_objects *objects, u64 thread, u64 *ret)
{
	int err = object_attribute(objects, thread, "_name", ret);

	return err == -ENOENT ? object_attribute(objects, thread, "_Thread__name", ret) : err;
}

/* Threads come and go: one that does not read is left out. */
static int thread_visit(void *ctx, u64 key, u64 thread)
{
	struct name_reader *reader = ctx;
	STRBUF(text);
	STRBUF(name);
	s64 ident;
	u64 attribute;

	if (object_int(reader->objects, key, &ident) || name_attribute(reader->objects, thread, &attribute))
		return 0;
	int err = object_text(reader->objects, attribute, &text);
	if (err)
		return err == -ENOMEM ? err : 0;
	strbuf_put_clean(&name, text.at, text.size);
	if (name.failed)
		return -ENOMEM;
	reader->answer = reader->visit(reader->ctx, ident, name.at);
	return reader->answer;
}

int thread_names_read(const struct python_objects *objects, u64 interpreter,
		      int (*visit)(void *ctx, u64 ident, const char *name), void *ctx)
{
	_cleanup_(page_cache) struct page_cache *cache = NULL;
	int err = page_cache_new(objects->memory, &cache);
	if (err)
		return err;

	/* A few hundred modules and threads are thousands of reads. */
	struct python_objects cached = *objects;
	cached.memory = page_cache_memory(cache);
	struct name_reader reader = {&cached, visit, ctx, 0};
	u64 module, active;
	err = interpreter_module(&cached, interpreter, "threading", &module);
	if (!err)
		err = module_attribute(&cached, module, "_active", &active);
	if (!err)
		err = dict_for_each(&cached, active, thread_visit, &reader);
	return err == -ENOENT && !reader.answer ? 0 : err;
}
