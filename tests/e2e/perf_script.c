/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/perf_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t cnt, size_t size)
{
	void *memory = calloc(cnt + 1, size);

	if (!memory)
		abort();
	return memory;
}

/* ---- perf script */

#define MAX_PERF_FRAMES 256

/* `ADDRESS SYMBOL (FILE)`, in place. *ret: `SYMBOL (FILE)`, allocated; NULL for a kernel frame. */
static bool frame_parse(char *line, char **ret)
{
	char *symbol = strchr(line + strspn(line, " \t"), ' ');
	char *file = NULL, *end = strrchr(line, ')');

	for (char *at = symbol; at && (at = strstr(at, " (")); at++)
		file = at; /* the last one: symbols have parentheses too */
	if (!file || !end || end < file)
		return false;
	*file = *end = 0;
	symbol = file > symbol ? symbol + 1 : file;
	file += 2;
	*ret = NULL;
	if (!strncmp(file, "[kernel", 7) || !strncmp(file, "[guest", 6))
		return true;
	char *slash = strrchr(file, '/'), *cold = strstr(symbol, ".cold");
	if (cold)
		*cold = 0;
	if (asprintf(ret, "%s (%s)", strcmp(symbol, "[unknown]") ? symbol : "0x0", slash ? slash + 1 : file) < 0)
		abort();
	return true;
}

/* Frees the frames, which are innermost first. */
static char *stack_join(int pid, char **frames, size_t cnt)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "perf (%d)", pid);
	while (cnt) {
		fprintf(out, ";%s", frames[--cnt]);
		free(frames[cnt]);
	}
	fclose(out);
	return text;
}

/* From behind the line with the pid up to the empty line. *at moves behind that. */
static char *stack_parse(char **at, int pid)
{
	char *frames[MAX_PERF_FRAMES];
	size_t cnt = 0;
	bool good = true;

	while (*at && **at) {
		char *line = strsep(at, "\n"), *frame;
		if (!*line)
			break;
		good = good && cnt < MAX_PERF_FRAMES && frame_parse(line, &frame);
		if (good && frame)
			frames[cnt++] = frame;
	}
	if (good)
		return stack_join(pid, frames, cnt);
	while (cnt)
		free(frames[--cnt]);
	return NULL;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Frees the stacks. */
static char *stacks_count(char **stacks, size_t cnt)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	qsort(stacks, cnt, sizeof(*stacks), compare_strings);
	for (size_t i = 0, same; i < cnt; i += same) {
		for (same = 1; i + same < cnt && !strcmp(stacks[i], stacks[i + same]); same++)
			;
		fprintf(out, "%s %zu\n", stacks[i], same);
	}
	fclose(out);
	for (size_t i = 0; i < cnt; i++)
		free(stacks[i]);
	return text;
}

char *perf_script_fold(const char *text)
{
	char *copy = strdup(text), *at = copy;
	size_t max = 0, cnt = 0;
	bool good = true;

	for (const char *c = text; *c; c++)
		max += *c == '\n';
	char **stacks = allocate(max, sizeof(*stacks));
	while (good && at && *at) {
		char *line = strsep(&at, "\n"), *end;
		if (!line[strspn(line, " ")])
			continue;
		int pid = (int)strtol(line, &end, 10);
		good = end != line && !end[strspn(end, " ")] && at && (stacks[cnt] = stack_parse(&at, pid));
		cnt += good;
	}
	char *folded = stacks_count(stacks, cnt);
	free(stacks);
	free(copy);
	if (good)
		return folded;
	free(folded);
	return NULL;
}

/* ---- the permutation test */

/* How far a lies from its share of a + b, weighed by what chance does. */
static double distance(const u64 *a, const u64 *total, size_t cnt, double share)
{
	double sum = 0;

	for (size_t i = 0; i < cnt; i++) {
		double expected = (double)total[i] * share, off = (double)a[i] - expected;
		sum += total[i] ? off * off / expected : 0;
	}
	return sum;
}

/* xorshift64*: the same every time, so that a test that failed fails again. */
static u64 next_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/* Counts the categories of size samples out of all, drawn by chance. */
static void draw(u32 *all, size_t all_cnt, size_t size, u64 *state, u64 *ret)
{
	for (size_t i = 0; i < size; i++) {
		size_t other = i + next_random(state) % (all_cnt - i);
		u32 category = all[other];
		all[other] = all[i];
		all[i] = category;
		ret[category]++;
	}
}

double permutation_test(const u64 *a, const u64 *b, size_t cnt, unsigned rounds)
{
	u64 *total = allocate(cnt, sizeof(*total)), *drawn = allocate(cnt, sizeof(*drawn)),
	    state = 88172645463325252ull;
	size_t a_cnt = 0, all_cnt = 0;
	unsigned as_far = 0;

	for (size_t i = 0; i < cnt; i++) {
		total[i] = a[i] + b[i];
		a_cnt += a[i];
		all_cnt += total[i];
	}
	u32 *all = allocate(all_cnt, sizeof(*all));
	for (size_t i = 0, at = 0; i < cnt; i++)
		for (u64 j = 0; j < total[i]; j++)
			all[at++] = (u32)i;
	double share = (double)a_cnt / (double)(all_cnt ? all_cnt : 1), seen = distance(a, total, cnt, share);
	for (unsigned round = 0; round < rounds; round++) {
		memset(drawn, 0, cnt * sizeof(*drawn));
		draw(all, all_cnt, a_cnt, &state, drawn);
		as_far += distance(drawn, total, cnt, share) >= seen;
	}
	free(total);
	free(drawn);
	free(all);
	return (as_far + 1.0) / (rounds + 1.0);
}
