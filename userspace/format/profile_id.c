/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/profile_id.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/strbuf.h"

#define UUID_VERSION_AT 6
#define UUID_VARIANT_AT 8

int profile_id_make(const u8 *window, const struct profile_tables *tables, u32 labels, u32 piece,
		    struct profile_id *ret)
{
	const struct label_set *set = label_table_at(tables->labels, labels);
	XXH128_canonical_t canonical;
	STRBUF(said);

	strbuf_put_size(&said, (const char *)window, WINDOW_ID_SIZE);
	strbuf_put_size(&said, (const char *)&piece, sizeof(piece));
	for (int i = 0; i < LABEL_PLACE_CNT; i++) {
		strbuf_put(&said, string_table_at(tables->strings, set->values[i]));
		strbuf_put_char(&said, 0);
	}
	if (said.failed)
		return -ENOMEM;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(said.at, said.size));
	memcpy(ret->bytes, canonical.digest, sizeof(ret->bytes));
	ret->bytes[UUID_VERSION_AT] = (ret->bytes[UUID_VERSION_AT] & 0x0f) | 0x80;
	ret->bytes[UUID_VARIANT_AT] = (ret->bytes[UUID_VARIANT_AT] & 0x3f) | 0x80;
	return 0;
}

void profile_id_put(const struct profile_id *id, struct strbuf *b)
{
	for (size_t i = 0; i < sizeof(id->bytes); i++)
		strbuf_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id->bytes[i]);
}
