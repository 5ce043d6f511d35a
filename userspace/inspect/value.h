/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * value.h - an object of another process as text, as repr() of that version would
 * say it, without running it: str, bytes, int, float, bool, None, and
 * lists, tuples, dicts and sets of them. What is not looked into, or cannot be read,
 * is `<Type at 0x7f...>`.
 */
#ifndef PYPROF_PYTHON_VALUE_H
#define PYPROF_PYTHON_VALUE_H

#include "inspect/object.h"

struct python_value_options {
	u32 text_max; /* characters of a str, bytes of a bytes; what is longer ends in U+2026 before its quote */
	u32 item_max; /* of a container; `...` stands for the rest */
	u32 depth_max; /* containers inside of containers; deeper ones are `[...]`; 0: not even the outermost */
};

#define PYTHON_VALUE_OPTIONS ((struct python_value_options){.text_max = 80, .item_max = 8, .depth_max = 2})

#define PYTHON_VALUE_SIZE_MAX 4096 /* bytes of text, roughly; what comes later is `...` */

/*
 * Appends the text: always some, printable UTF-8 on one line. Only -ENOMEM, -ESRCH
 * and -EPERM are errors; what is unreadable or torn becomes `<unreadable at 0x...>`.
 */
int python_value_put(struct strbuf *b, const struct python_objects *objects, u64 address,
		     const struct python_value_options *options);

#endif
