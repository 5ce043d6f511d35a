/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/dump_json.h"

#include <stdio.h>
#include <string.h>

json_t *dump_json(pid_t pid, const char *option)
{
	json_error_t error;
	struct child *child = profiler_run(30, "dump", "-p", text_of("%d", pid), "-f", "json", option, NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	cr_expect_str_empty(child_err(child));
	json_t *dump = json_loads(child_out(child), 0, &error);
	cr_assert_not_null(dump, "%s in %s", error.text, child_out(child));
	cr_expect_eq(dump_number_of(dump, "pid"), (unsigned long long)pid);
	return dump;
}

json_t *dump_threads(json_t *dump)
{
	json_t *threads = json_object_get(dump, "threads");

	cr_assert(json_is_array(threads));
	return threads;
}

json_t *dump_thread_of(json_t *dump, const char *key, unsigned long long value)
{
	json_t *thread;
	size_t i;

	json_array_foreach(dump_threads(dump), i, thread) if (dump_number_of(thread, key) == value) return thread;
	return NULL;
}

const char *dump_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

unsigned long long dump_number_of(const json_t *object, const char *key)
{
	return (unsigned long long)json_integer_value(json_object_get(object, key));
}

const char *dump_stack_of(const json_t *thread, const char *by_key)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	json_t *frame;

	cr_assert_not_null(out);
	json_array_foreach(json_object_get(thread, "frames"), i, frame)
	{
		if (!strcmp(dump_text_of(frame, "kind"), "python"))
			fprintf(out, "%s:%s:%llu\n", dump_text_of(frame, "file"), dump_text_of(frame, by_key),
				dump_number_of(frame, "line"));
	}
	fclose(out);
	return text;
}
