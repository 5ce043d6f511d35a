/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* origin_name.h - what people call an origin, for the lists of threads in other programs. */
#ifndef PYPROF_ORIGIN_NAME_H
#define PYPROF_ORIGIN_NAME_H

struct dictionary;
struct origin;
struct strbuf;

/* Of what it runs in: "web", "cron.service"; "" on the host. */
const char *origin_place(const struct dictionary *dictionary, const struct origin *origin);
/* "web: python3 (10)", and with threads "web: python3 (10), worker (12)". */
void origin_put_name(const struct dictionary *dictionary, const struct origin *origin, struct strbuf *b);

#endif
