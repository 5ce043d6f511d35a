/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A guess is right when it is near what is written then. */
#include "export/size_guess.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "format/format.h"
#include "format/gzip.h"

static size_t written_size(const struct built_profile *built)
{
	static const struct view view = {.lines = true, .pids = true};
	size_t packed_size, size;
	char *packed;
	void *bytes;
	FILE *out = open_memstream(&packed, &packed_size);

	cr_assert_eq(pprof_write(built->profile, &built->truth, &view, out), 0);
	fclose(out);
	cr_assert_eq(gzip_unpack(packed, packed_size, 1u << 30, &bytes, &size), 0);
	free(packed);
	free(bytes);
	return size;
}

static void expect_near(const char *folded)
{
	BUILT_PROFILE(built, folded);
	size_t size = written_size(&built), first;
	struct size_guess guess;

	cr_assert_eq(size_guess_init(&guess, &built.tables), 0);
	for (int round = 0; round < 2; round++) {
		size_guess_begin(&guess);
		for (size_t i = 0; i < profile_cnt(built.profile); i++)
			size_guess_add(&guess, profile_at(built.profile, i)->stack);
		if (round)
			cr_expect_eq(guess.size, first, "it remembers what was before");
		first = guess.size;
	}
	cr_expect(guess.size > size * 9 / 10 && guess.size < size * 14 / 10, "%zu, and it is %zu", guess.size, size);
	size_guess_deinit(&guess);
}

Test(size_guess, of_many_functions_is_near_what_is_written)
{
	STRBUF(folded);

	for (int i = 0; i < 2000; i++)
		strbuf_printf(&folded, "python3 (10);main (app.py:3);function_%d (lib/of/a/package/file_%d.py:%d) 1\n",
			      i, i % 100, i);
	expect_near(folded.at);
}

Test(size_guess, of_deep_stacks_of_few_functions_is_near_what_is_written)
{
	STRBUF(folded);

	for (int i = 0; i < 1000; i++) {
		strbuf_put(&folded, "python3 (10);main (app.py:3)");
		for (int k = 0; k < 60; k++)
			strbuf_printf(&folded, ";step_%d (libsteps.so)", (i >> k % 10 & 1) + 2 * k);
		strbuf_put(&folded, " 1\n");
	}
	expect_near(folded.at);
}
