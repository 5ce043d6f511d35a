/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dump_json.h - runs `dump --format json` and reads what it says. Every function fails the test when it cannot do its job. */
#ifndef PYPROF_TESTS_DUMP_JSON_H
#define PYPROF_TESTS_DUMP_JSON_H

#include <jansson.h>

#include "tests/e2e/harness.h"

/* Of one process, with one more option or NULL; it must succeed without a word on stderr. */
json_t *dump_json(pid_t pid, const char *option);
/* Its threads; borrowed. */
json_t *dump_threads(json_t *dump);
/* The one whose `key` (ident, tid) is this; NULL: none. Borrowed. */
json_t *dump_thread_of(json_t *dump, const char *key, unsigned long long value);

/* "" where it is null or missing. */
const char *dump_text_of(const json_t *object, const char *key);
/* 0 where it is null or missing. */
unsigned long long dump_number_of(const json_t *object, const char *key);

/* Its Python frames innermost first, lines FILE:FUNCTION:LINE; by_key: "func" or "qualname". Kept until the test ends. */
const char *dump_stack_of(const json_t *thread, const char *by_key);

#endif
