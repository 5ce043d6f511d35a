/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/origin_name.h"

#include "base/strbuf.h"
#include "base/visible.h"
#include "format/dictionary.h"

const char *origin_place(const struct dictionary *d, const struct origin *origin)
{
	static const enum label names[] = {LABEL_CONTAINER_NAME, LABEL_K8S_CONTAINER, LABEL_K8S_POD, LABEL_CONTAINER_ID,
					   LABEL_SYSTEMD_UNIT};
	const struct profile_tables *tables = profile_tables_of(d->profile);
	const struct label_set *set = label_table_at(tables->labels, origin->labels);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (set->values[names[i]] != STRING_EMPTY)
			return string_table_at(tables->strings, set->values[names[i]]);
	return "";
}

void origin_put_name(const struct dictionary *d, const struct origin *origin, struct strbuf *b)
{
	const char *place = origin_place(d, origin);
	STRBUF(name);

	if (*place)
		strbuf_printf(&name, "%s: ", place);
	origin_put_process(d->profile, origin, &d->view, &name);
	if (origin->tid) {
		strbuf_put(&name, ", ");
		origin_put_thread(d->profile, origin, &name);
	}
	visible_put(b, name.at);
	b->failed |= name.failed;
}
