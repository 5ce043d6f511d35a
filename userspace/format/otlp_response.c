/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "format/otlp.h"
#include "proto/otlp.pb-c.h"

#define WHY_MAX 512 /* bytes of what a server says that we repeat */

u64 otlp_response_rejected(const void *body, size_t size, struct strbuf *why)
{
	Otlp__ExportProfilesServiceResponse *response = otlp__export_profiles_service_response__unpack(NULL, size,
												       body);
	const Otlp__ExportProfilesPartialSuccess *partial = response ? response->partial_success : NULL;
	u64 rejected = partial && partial->rejected_profiles > 0 ? (u64)partial->rejected_profiles : 0;

	if (rejected)
		strbuf_put_clean(why, partial->error_message, strnlen(partial->error_message, WHY_MAX));
	if (response)
		otlp__export_profiles_service_response__free_unpacked(response, NULL);
	return rejected;
}
