/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_otlp_response.c - any bytes as what an engine answers to OTLP profiles. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "format/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STRBUF(why);

	if (!otlp_response_rejected(data, size, &why) && why.size)
		abort();
	for (size_t i = 0; i < why.size; i++)
		if ((unsigned char)why.at[i] < ' ')
			abort();
	return 0;
}
