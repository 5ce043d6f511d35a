/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "folded_lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	char *stack;
	unsigned long long cnt;
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->stack, ((const struct line *)b)->stack);
}

/* Cuts text into lines; to be freed. */
static struct line *lines_of(char *text, size_t *ret_cnt)
{
	struct line *lines = calloc(strlen(text) + 1, sizeof(*lines));
	size_t cnt = 0;

	for (char *line; (line = strsep(&text, "\n")) && *line;) {
		char *space = strrchr(line, ' ');

		cr_assert(space, "no count: %s", line);
		*space = 0;
		lines[cnt++] = (struct line){line, strtoull(space + 1, NULL, 10)};
	}
	qsort(lines, cnt, sizeof(*lines), compare_lines);
	*ret_cnt = cnt;
	return lines;
}

char *folded_lines_sort(const char *text)
{
	char *copy = strdup(text), *sorted = NULL;
	size_t cnt, size;
	struct line *lines = lines_of(copy, &cnt);
	FILE *out = open_memstream(&sorted, &size);

	for (size_t i = 0; i < cnt; i++) {
		unsigned long long sum = lines[i].cnt;

		for (; i + 1 < cnt && !strcmp(lines[i].stack, lines[i + 1].stack); i++)
			sum += lines[i + 1].cnt;
		fprintf(out, "%s %llu\n", lines[i].stack, sum);
	}
	fclose(out);
	free(lines);
	free(copy);
	return sorted;
}
