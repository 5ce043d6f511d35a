/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_http_answer.c - any bytes as what a server answers. What a person is told of it is one line of text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "export/http_post.h"
#include "export/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STRBUF(words);

	if (size < 3)
		return 0;
	char *location = strndup((const char *)data + 3, size - 3);
	struct http_answer answer = {
		.end = data[0] & 1 ? HTTP_ANSWERED : HTTP_FAILED,
		.status = data[1] | data[2] << 8,
		.location = data[0] & 2 ? location : NULL,
		.body = data + 3,
		.size = size - 3,
		.error = data[1],
		.error_text = location,
	};

	if (!location || !verdict_of(&answer).advice)
		abort();
	verdict_put_words(&answer, &words);
	for (size_t i = 0; i < words.size; i++)
		if ((unsigned char)words.at[i] < ' ' || words.at[i] == 0x7f)
			abort();
	if (words.size > 1000)
		abort();
	free(location);
	return 0;
}
