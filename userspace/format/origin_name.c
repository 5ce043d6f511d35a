/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/origin_name.h"

#include <string.h>

#include "base/strbuf.h"
#include "format/dictionary.h"
#include "profile/partition.h"
#include "profile/root.h"

void origin_put_name(const struct dictionary *d, const struct origin *origin, struct strbuf *b)
{
	if (strcmp(origin_place_name(profile_tables_of(d->profile), origin), PLACE_NAME_HOST)) {
		origin_put_place(d->profile, origin, b);
		strbuf_put(b, ": ");
	}
	origin_put_track(d->profile, origin, &d->view, b);
}
