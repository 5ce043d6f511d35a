/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_folded.c - any text as folded text. What was read once and written must read the same again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "format/format.h"
#include "format/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *folded_of(const struct read_profile *read, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);

	if (folded_write(read->profile, &read->truth, &read->view, out))
		abort();
	fclose(out);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_profile read, again;
	size_t first_size, second_size;
	STRBUF(why);
	int err = profile_read(data, size, &read, &why);

	if (!err && profile_samples(read.profile) < 1ull << 53) {
		char *first = folded_of(&read, &first_size);

		if (profile_read(first, first_size, &again, &why))
			abort();
		if (profile_samples(again.profile) != profile_samples(read.profile))
			abort();
		char *second = folded_of(&again, &second_size);
		free(first);
		free(second);
		read_profile_deinit(&again);
	}
	read_profile_deinit(&read);
	return 0;
}
