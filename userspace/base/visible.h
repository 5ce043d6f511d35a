/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * visible.h - which characters a person sees. A name must not be able to pass for
 * another one: characters that turn text around or hide in it are written out, as \u202e.
 */
#ifndef PYPROF_VISIBLE_H
#define PYPROF_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

struct strbuf;

/* Bytes of the character at text, which is valid UTF-8; 0: it does not end within size. */
size_t char_take(const char *text, size_t size, u32 *ret);
/* Turns text around, or hides in it. */
bool char_is_unseen(u32 point);
/* One that is no ASCII, as it may be shown; what no document may hold becomes U+FFFD. */
void visible_put_char(struct strbuf *b, u32 point, const char *text, size_t size);
/* All of valid UTF-8. */
void visible_put(struct strbuf *b, const char *text);

#endif
