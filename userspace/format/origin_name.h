/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* origin_name.h - what people call an origin, for the lists of threads in other programs. */
#ifndef PYPROF_ORIGIN_NAME_H
#define PYPROF_ORIGIN_NAME_H

struct dictionary;
struct origin;
struct strbuf;

/* "web: python3 (10)", on the host "python3 (10)", and with threads "web: python3 (10), worker (12)". */
void origin_put_name(const struct dictionary *dictionary, const struct origin *origin, struct strbuf *b);

#endif
