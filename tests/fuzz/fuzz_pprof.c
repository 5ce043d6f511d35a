/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_pprof.c - any bytes as pprof, as they are and as what was packed; what is read can be written in every format. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "format/format.h"
#include "format/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(const struct read_profile *read)
{
	for (const struct format *format = formats; format->name; format++) {
		char *bytes = NULL;
		size_t size;
		FILE *out = open_memstream(&bytes, &size);

		if (format->write(read->profile, &read->truth, &read->view, out))
			abort();
		fclose(out);
		free(bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_profile read;
	STRBUF(why);

	if (!profile_read(data, size, &read, &why))
		write_all(&read);
	read_profile_deinit(&read);
	if (!profile_read(NULL, 0, &read, &why) && !pprof_read(data, size, &read, &why))
		write_all(&read);
	read_profile_deinit(&read);
	return 0;
}
