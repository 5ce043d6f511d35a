// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/stacks.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"

static bool begins_with(const char *text, const char *beginning)
{
	return !strncmp(text, beginning, strlen(beginning));
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && !strcmp(text + size - end_size, end);
}

/* "QUALNAME (FILE:LINE)": what follows the last colon is a line or a question mark. */
static bool is_python(const char *frame)
{
	const char *colon = strrchr(frame, ':');

	return colon && strstr(frame, " (") && colon[1] && colon[1] != ')' &&
	       !strcmp(colon + 1 + strspn(colon + 1, "0123456789?"), ")");
}

struct line {
	struct stacks frames; /* of one sample */
	bool cut;
};

static void line_add_frame(struct line *line, const char *frame)
{
	if (begins_with(frame, "[truncated: ") || begins_with(frame, "[unknown: ")) {
		line->cut = true;
		line->frames.no_table |= !strcmp(frame, "[truncated: no-table]");
	} else if (frame[0] == '[') {
		return; /* says something of the frames beside it */
	} else if (ends_with(frame, "_[k]")) {
		line->frames.kernel++;
	} else if (is_python(frame)) {
		line->frames.python++;
	} else {
		line->frames.native++;
	}
}

/* Of "COMM (PID);frame;... COUNT"; process is "(PID)", or "" for all. What is no such line is left alone. */
static void stacks_add_line(struct stacks *stacks, char *text, const char *process)
{
	char *space = strrchr(text, ' ');
	char *rest = text;
	struct line line = {0};

	if (!space || text[0] == '#')
		return;
	u64 count = strtoull(space + 1, NULL, 10);

	*space = 0;
	if (!ends_with(strsep(&rest, ";"), process))
		return;
	for (const char *frame; (frame = strsep(&rest, ";"));)
		line_add_frame(&line, frame);
	stacks->samples += count;
	stacks->whole += line.cut ? 0 : count;
	stacks->no_table += line.frames.no_table * count;
	stacks->python += line.frames.python * count;
	stacks->native += line.frames.native * count;
	stacks->kernel += line.frames.kernel * count;
}

static FILE *open_profile(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		bench_die("the profiler wrote no %s", path);
	return file;
}

void stacks_add(struct stacks *stacks, const char *path, pid_t pid)
{
	char process[32];
	_cleanup_(stream) FILE *file = open_profile(path);
	_cleanup_(free) char *text = NULL;
	size_t room = 0;

	snprintf(process, sizeof(process), "(%d)", pid);
	while (getline(&text, &room, file) > 0)
		stacks_add_line(stacks, text, process);
}

/* "# window START SECONDS HZ SAMPLES LOST", START in RFC 3339 */
static bool read_window_line(const char *text, struct stacks_window *ret)
{
	struct tm start = {0};
	double seconds;

	if (!begins_with(text, "# window "))
		return false;
	const char *rest = strptime(text + strlen("# window "), "%Y-%m-%dT%H:%M:%S", &start);
	unsigned ms;
	if (!rest || sscanf(rest, ".%3uZ %lf", &ms, &seconds) != 2)
		bench_die("this is no beginning of a window: %s", text);
	*ret = (struct stacks_window){.start_ns = timegm(&start) * NS_PER_S + ms * NS_PER_MS, .seconds = seconds};
	return true;
}

u32 stacks_read_windows(const char *path, struct stacks_window *ret, u32 max)
{
	_cleanup_(stream) FILE *file = open_profile(path);
	_cleanup_(free) char *text = NULL;
	struct stacks_window window;
	size_t room = 0;
	u32 cnt = 0;

	while (getline(&text, &room, file) > 0) {
		if (read_window_line(text, &window)) {
			if (cnt == max)
				break;
			ret[cnt++] = window;
		} else if (cnt) {
			stacks_add_line(&ret[cnt - 1].stacks, text, "");
		}
	}
	return cnt;
}
