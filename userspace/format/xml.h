/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xml.h - text as XML shows it. */
#ifndef PYPROF_XML_H
#define PYPROF_XML_H

#include <stddef.h>

struct strbuf;

/*
 * Valid UTF-8 for an element or a quoted attribute. What XML 1.0 has no character
 * for becomes U+FFFD. Characters that would turn the text around or hide in it are
 * written out, as \u202e: a name must not be able to pass for another one.
 */
void xml_put(struct strbuf *b, const char *text);
void xml_put_size(struct strbuf *b, const char *text, size_t size);

#endif
