/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/check.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pyprof/losses.h"

static const struct {
	enum loss_effect effect;
	const char *reason, *sentence;
} losses[] = {
#define X(id, effect, reason, sentence) {LOSS_EFFECT_##effect, reason, sentence},
	FOR_EACH_LOSS(X)
#undef X
};

__attribute__((format(printf, 1, 2))) static const char *wrong(const char *format, ...)
{
	static char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

static void *allocate(size_t cnt, size_t size)
{
	void *memory = calloc(cnt + 1, size);

	if (!memory)
		abort();
	return memory;
}

bool is_utf8(const char *text)
{
	const u8 *at = (const u8 *)text;

	while (*at) {
		u32 c = *at++;
		int more = c < 0x80		   ? 0
			   : c >= 0xc2 && c < 0xe0 ? 1
			   : c >= 0xe0 && c < 0xf0 ? 2
			   : c >= 0xf0 && c < 0xf5 ? 3
						   : -1;

		if (more < 0)
			return false;
		c &= 0x7fu >> (more ? more + 1 : 0);
		for (int i = 0; i < more; i++) {
			if ((*at & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*at++ & 0x3f);
		}
		if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
		    (more == 3 && (c < 0x10000 || c > 0x10ffff)))
			return false;
	}
	return true;
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && !strcmp(text + size - end_size, end);
}

static bool loss_has_effect(const char *reason, size_t size, enum loss_effect effect)
{
	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++)
		if (losses[i].effect == effect && strlen(losses[i].reason) == size &&
		    !memcmp(losses[i].reason, reason, size))
			return true;
	return false;
}

/* `[unknown: REASON]` */
static bool is_loss_frame(const char *frame, const char *start, enum loss_effect effect)
{
	size_t size = strlen(start);

	return starts_with(frame, start) && ends_with(frame, "]") &&
	       loss_has_effect(frame + size, strlen(frame) - size - 1, effect);
}

/* `QUALNAME (FILE:LINE)` */
static bool is_python_frame(const char *frame)
{
	const char *file = strstr(frame, " ("), *colon = strrchr(frame, ':');
	char *end;

	if (!file || file == frame || !colon || colon < file + 2)
		return false;
	if (!strcmp(colon, ":?)"))
		return true;
	if (!isdigit(colon[1]))
		return false;
	strtoul(colon + 1, &end, 10);
	return !strcmp(end, ")");
}

enum frame_kind frame_kind_of(const char *frame)
{
	const char *file;

	if (starts_with(frame, "[unknown"))
		return is_loss_frame(frame, "[unknown: ", LOSS_EFFECT_UNKNOWN) ? FRAME_UNKNOWN : FRAME_BAD;
	if (starts_with(frame, "[truncated"))
		return is_loss_frame(frame, "[truncated: ", LOSS_EFFECT_TRUNCATED) ? FRAME_TRUNCATED : FRAME_BAD;
	if (!strcmp(frame, "[unmerged]") || !strcmp(frame, "[greenlet]"))
		return FRAME_MARK;
	if (ends_with(frame, "_[k]"))
		return strlen(frame) > 4 ? FRAME_KERNEL : FRAME_BAD;
	if (is_python_frame(frame))
		return FRAME_PYTHON;
	file = strstr(frame, " (");
	return file && file > frame && ends_with(frame, ")") ? FRAME_NATIVE : FRAME_BAD;
}

int frame_pid(const char *frame)
{
	const char *open = strrchr(frame, '(');
	char *end;

	if (!open || open - frame < 2 || open[-1] != ' ' || !isdigit(open[1]))
		return -1;
	long pid = strtol(open + 1, &end, 10);
	return strcmp(end, ")") ? -1 : (int)pid;
}

/* Cuts line, which is `frame;frame;... COUNT`, in place. */
static const char *parse_line(char *line, struct folded_line *ret)
{
	char *count = strrchr(line, ' '), *end;
	size_t frame_cnt = 1;

	if (!count || count == line || count[1] < '1' || count[1] > '9')
		return wrong("no count at the end: '%s'", line);
	ret->count = strtoull(count + 1, &end, 10);
	if (*end)
		return wrong("no count at the end: '%s'", line);
	*count = 0;
	for (const char *at = line; *at; at++)
		frame_cnt += *at == ';';

	ret->frames = allocate(frame_cnt, sizeof(char *));
	for (char *at = line; at;)
		ret->frames[ret->frame_cnt++] = strsep(&at, ";");
	if (frame_pid(ret->frames[0]) < 0)
		return wrong("'%s' is not COMM (PID)", ret->frames[0]);
	for (size_t i = 1; i < ret->frame_cnt; i++)
		if (frame_kind_of(ret->frames[i]) == FRAME_BAD)
			return wrong("what frame is '%s'?", ret->frames[i]);
	return NULL;
}

/* The stack, without its count, must come after the one before. */
static const char *check_order(const char *before, size_t before_size, const char *line, size_t size)
{
	int order = memcmp(before, line, before_size < size ? before_size : size);

	if (order < 0 || (!order && before_size < size))
		return NULL;
	return wrong("'%.*s' comes %s '%.*s'", (int)size, line, order ? "after" : "again after", (int)before_size,
		     before);
}

static const char *check_text(const char *text)
{
	const char *before = NULL;
	size_t before_size = 0;

	if (!is_utf8(text))
		return wrong("not valid UTF-8");
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		if (!end)
			return wrong("the last line has no end: '%s'", line);
		for (const char *at = line; at < end; at++)
			if ((u8)*at < 32 || *at == 127)
				return wrong("control byte %d in '%.*s'", *at, (int)(end - line), line);
		const char *count = memrchr(line, ' ', (size_t)(end - line));
		size_t size = (size_t)((count ? count : end) - line);
		const char *problem = before ? check_order(before, before_size, line, size) : NULL;
		if (problem)
			return problem;
		before = line;
		before_size = size;
		line = end + 1;
	}
	return NULL;
}

const char *folded_parse(const char *text, struct folded *ret)
{
	struct folded folded = {.text = strdup(text)};
	const char *problem = check_text(text);
	size_t line_cnt = 0;

	for (const char *at = text; *at; at++)
		line_cnt += *at == '\n';
	folded.lines = allocate(line_cnt, sizeof(*folded.lines));
	for (char *at = folded.text; !problem && *at;) {
		char *line = strsep(&at, "\n");
		struct folded_line *parsed = &folded.lines[folded.cnt++];
		problem = parse_line(line, parsed);
		folded.samples += parsed->count;
	}
	if (problem)
		folded_free(&folded);
	else
		*ret = folded;
	return problem;
}

void folded_free(struct folded *folded)
{
	for (size_t i = 0; i < folded->cnt; i++)
		free(folded->lines[i].frames);
	free(folded->lines);
	free(folded->text);
	*folded = (struct folded){0};
}

static bool comm_is(const char *frame, const char *comm)
{
	size_t size = strlen(comm);

	return starts_with(frame, comm) && frame[size] == ' ' && strrchr(frame, '(') == frame + size + 1;
}

/* The copy's frames point into the original's text. */
static struct folded select_lines(const struct folded *folded, int pid, const char *comm)
{
	struct folded ret = {.lines = allocate(folded->cnt, sizeof(*ret.lines))};

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		if (comm ? !comm_is(line->frames[0], comm) : frame_pid(line->frames[0]) != pid)
			continue;
		struct folded_line *copy = &ret.lines[ret.cnt++];
		*copy = *line;
		copy->frames = allocate(line->frame_cnt, sizeof(char *));
		memcpy(copy->frames, line->frames, line->frame_cnt * sizeof(char *));
		ret.samples += line->count;
	}
	return ret;
}

struct folded folded_of_pid(const struct folded *folded, int pid)
{
	return select_lines(folded, pid, NULL);
}

struct folded folded_of_comm(const struct folded *folded, const char *comm)
{
	return select_lines(folded, 0, comm);
}

static bool frame_matches(const char *frame, const char *pattern)
{
	size_t size = strlen(pattern);

	return size && pattern[size - 1] == '*' ? !strncmp(frame, pattern, size - 1) : !strcmp(frame, pattern);
}

u64 folded_count(const struct folded *folded, const char *pattern)
{
	u64 count = 0;

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		for (size_t j = 0; j < line->frame_cnt; j++) {
			if (frame_matches(line->frames[j], pattern)) {
				count += line->count;
				break;
			}
		}
	}
	return count;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *pairs_parse(const char *text, struct pairs *ret)
{
	struct pairs pairs = {.text = strdup(text)};
	size_t line_cnt = 0;

	for (const char *at = text; *at; at++)
		line_cnt += *at == '\n';
	pairs.at = allocate(line_cnt, sizeof(char *));
	for (char *at = pairs.text; *at;) {
		char *line = strsep(&at, "\n");
		if (!at || !strchr(line, '\t')) {
			pairs_free(&pairs);
			return wrong("no pair in the truth");
		}
		pairs.at[pairs.cnt++] = line;
	}
	if (!pairs.cnt) {
		pairs_free(&pairs);
		return wrong("the truth is empty");
	}
	qsort(pairs.at, pairs.cnt, sizeof(char *), compare_strings);
	*ret = pairs;
	return NULL;
}

void pairs_free(struct pairs *pairs)
{
	free(pairs->at);
	free(pairs->text);
	*pairs = (struct pairs){0};
}

static bool pairs_has(const struct pairs *pairs, const char *caller, const char *callee)
{
	char pair[8192];
	const char *key = pair;

	snprintf(pair, sizeof(pair), "%s\t%s", caller, callee);
	return bsearch(&key, pairs->at, pairs->cnt, sizeof(char *), compare_strings);
}

static bool is_complete(const struct folded_line *line)
{
	bool python = false;

	for (size_t i = 1; i < line->frame_cnt; i++) {
		enum frame_kind kind = frame_kind_of(line->frames[i]);
		if (kind == FRAME_UNKNOWN || kind == FRAME_TRUNCATED)
			return false;
		python |= kind == FRAME_PYTHON;
	}
	return python;
}

static void describe(const struct folded_line *line, char *ret, size_t size)
{
	size_t used = 0;
	/* The inner end matters more. */
	size_t from = line->frame_cnt > 8 ? line->frame_cnt - 8 : 0;

	if (from)
		used = (size_t)snprintf(ret, size, "%s;...", line->frames[0]);
	for (size_t i = from; i < line->frame_cnt && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ";" : "", line->frames[i]);
}

static void blame(struct verdict *verdict, const struct folded_line *line, const char *format, const char *a,
		  const char *b)
{
	if (!verdict->impossible) {
		size_t size = sizeof(verdict->first_impossible);
		int used = snprintf(verdict->first_impossible, size, format, a, b);
		if (used >= 0 && (size_t)used < size - 8) {
			strcat(verdict->first_impossible, " in ");
			describe(line, verdict->first_impossible + used + 4, size - (size_t)used - 4);
		}
	}
	verdict->impossible += line->count;
}

static void count_line(struct verdict *verdict, const struct folded_line *line)
{
	verdict->samples += line->count;
	if (is_complete(line))
		verdict->complete += line->count;
	else if (!*verdict->first_incomplete)
		describe(line, verdict->first_incomplete, sizeof(verdict->first_incomplete));
}

/* Python and native frames, then kernel ones; each Python frame and the next one further in a pair. */
static void check_stack(struct verdict *verdict, const struct folded_line *line, const struct pairs *pairs)
{
	const char *caller = ""; /* NULL: not known */
	bool kernel = false;

	for (size_t i = 1; i < line->frame_cnt; i++) {
		const char *frame = line->frames[i];
		enum frame_kind kind = frame_kind_of(frame);

		if (kind == FRAME_UNKNOWN || kind == FRAME_TRUNCATED) {
			caller = NULL;
			continue;
		}
		if (kernel && kind != FRAME_KERNEL) {
			blame(verdict, line, "'%s' under a frame of the kernel%s", frame, "");
			return;
		}
		kernel = kind == FRAME_KERNEL;
		if (kind == FRAME_PYTHON && caller && !pairs_has(pairs, caller, frame)) {
			blame(verdict, line, "'%s' cannot call '%s'", caller, frame);
			return;
		}
		if (kind == FRAME_PYTHON)
			caller = frame;
	}
}

struct verdict check_stacks(const struct folded *folded, const struct pairs *pairs)
{
	struct verdict verdict = {0};

	for (size_t i = 0; i < folded->cnt; i++) {
		count_line(&verdict, &folded->lines[i]);
		check_stack(&verdict, &folded->lines[i], pairs);
	}
	return verdict;
}

struct made {
	unsigned long number, first_line, file_number, file_first_line, line;
	bool line_unknown; /* `?`: gone before it could be read; says nothing wrong */
};

/* `LINE)` or `?)`, and nothing behind it. */
static bool parse_made_line(const char *text, struct made *made)
{
	int end = 0;

	made->line_unknown = !strcmp(text, "?)");
	return made->line_unknown || (sscanf(text, "%lu)%n", &made->line, &end) == 1 && end && !text[end]);
}

/* false: not of reuse.py's making. What does not fit the pattern in full is impossible; then all numbers are 0. */
static bool parse_made(const char *frame, struct made *ret)
{
	int end = 0, got;

	*ret = (struct made){0};
	if (!starts_with(frame, "made_") && !strstr(frame, "(/made/"))
		return false;
	if (starts_with(frame, "made_"))
		got = sscanf(frame, "made_%lu_%lu (/made/%lu/%lu.py:%n", &ret->number, &ret->first_line,
			     &ret->file_number, &ret->file_first_line, &end) == 4;
	else
		got = sscanf(frame, "<module> (/made/%lu/%lu.py:%n", &ret->file_number, &ret->file_first_line, &end) ==
		      2;
	if (!got || !end || !parse_made_line(frame + end, ret))
		*ret = (struct made){0};
	return true;
}

static bool made_adds_up(const char *frame, const struct made *made)
{
	if (made->file_first_line != 1 + made->file_number * 7 % 90)
		return false;
	if (starts_with(frame, "<module>")) /* its first instruction is on line 0; the def, then the call */
		return made->line_unknown || !made->line || made->line == 1 || made->line == made->file_first_line ||
		       made->line == made->file_first_line + 6;
	return made->number == made->file_number && made->first_line == made->file_first_line &&
	       (made->line_unknown || (made->line >= made->first_line && made->line <= made->first_line + 4));
}

static void check_made(struct verdict *verdict, const struct folded_line *line)
{
	unsigned long module = (unsigned long)-1;
	bool named = false;

	for (size_t i = 1; i < line->frame_cnt; i++) {
		const char *frame = line->frames[i];
		struct made made;

		if (!parse_made(frame, &made))
			continue;
		if (!made_adds_up(frame, &made)) {
			blame(verdict, line, "'%s' does not add up%s", frame, "");
			return;
		}
		if (starts_with(frame, "<module>"))
			module = made.file_number;
		else if (module != (unsigned long)-1 && module != made.number) {
			blame(verdict, line, "'%s' is called by '%s'", frame, line->frames[i - 1]);
			return;
		} else {
			named = !made.line_unknown;
		}
	}
	if (named)
		verdict->named += line->count;
}

struct verdict check_reuse(const struct folded *folded)
{
	struct verdict verdict = {0};

	for (size_t i = 0; i < folded->cnt; i++) {
		count_line(&verdict, &folded->lines[i]);
		check_made(&verdict, &folded->lines[i]);
	}
	return verdict;
}

bool nearly_all(u64 part, u64 whole)
{
	return part * 1000 >= whole * 999 || (part && part + 1 == whole);
}

bool share_is_plausible(u64 k, u64 n, double p)
{
	double expected = (double)n * p;

	return fabs((double)k - expected) <= 3.2905 * sqrt(expected * (1 - p)) + 0.5;
}

/* 2026-11-22T00:07:24.123Z in milliseconds; -1 if it is none. */
static long long parse_start(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned ms;
	int used = 0;

	if (!end || sscanf(end, ".%3uZ%n", &ms, &used) != 1 || used != 5 || end[used])
		return -1;
	return timegm(&tm) * 1000LL + ms;
}

struct window {
	long long start_ms, length_ms;
	u64 hz, samples, lost;
};

static const char *parse_window(const char *line, struct window *ret)
{
	char start[64], seconds[32], expected[512];
	unsigned long long hz, samples, lost;

	if (sscanf(line, "# window %63s %31s %llu %llu %llu", start, seconds, &hz, &samples, &lost) != 5)
		return wrong("not a window line: '%.100s'", line);
	/* Single spaces, no signs, no leading zeros: written anew it is the same. */
	snprintf(expected, sizeof(expected), "# window %s %s %llu %llu %llu\n", start, seconds, hz, samples, lost);
	if (strncmp(line, expected, strlen(expected)))
		return wrong("untidy window line: '%.100s'", line);
	const char *point = strchr(seconds, '.');
	if (!point || strlen(point) != 4 || strspn(seconds, "0123456789.") != strlen(seconds))
		return wrong("not seconds with three decimals: '%s'", seconds);
	*ret = (struct window){parse_start(start), llround(strtod(seconds, NULL) * 1000), hz, samples, lost};
	return ret->start_ms < 0 ? wrong("not a time: '%s'", start) : NULL;
}

static const char *check_window_body(const char *from, const char *to, const struct window *window)
{
	char *text = strndup(from, (size_t)(to - from));
	struct folded folded = {0};
	const char *problem = folded_parse(text, &folded);

	if (!problem && folded.samples != window->samples)
		problem = wrong("a window says %llu samples and shows %llu", (unsigned long long)window->samples,
				(unsigned long long)folded.samples);
	folded_free(&folded);
	free(text);
	return problem;
}

static const char *check_neighbours(const struct window *before, const struct window *window, long long first_length)
{
	long long gap = window->start_ms - before->start_ms - before->length_ms;

	if (gap < -2 || gap > 2)
		return wrong("%lld ms between the end of a window and the start of the next", gap);
	if (window->length_ms > first_length + 1000) /* a busy machine may be late */
		return wrong("a window of %lld ms after one of %lld", window->length_ms, first_length);
	if (window->hz != before->hz)
		return wrong("HZ changed");
	return NULL;
}

const char *check_windows(const char *text, struct windows *ret)
{
	struct window before = {0};
	struct windows windows = {0};
	const char *problem = NULL;

	for (const char *at = text; *at && !problem;) {
		struct window window;
		const char *body = strchr(at, '\n'), *next;

		problem = body ? parse_window(at, &window) : wrong("the last line has no end: '%s'", at);
		if (problem)
			return problem;
		body++;
		next = starts_with(body, "# window ") ? body : strstr(body, "\n# window ");
		next = !next ? body + strlen(body) : *next == '\n' ? next + 1 : next;
		problem = check_window_body(body, next, &window);
		if (!windows.cnt)
			windows.first_seconds = (double)window.length_ms / 1000;
		else if (!problem)
			problem = check_neighbours(&before, &window, llround(windows.first_seconds * 1000));
		windows.cnt++;
		windows.samples += window.samples;
		windows.lost += window.lost;
		windows.seconds += (double)window.length_ms / 1000;
		windows.hz = window.hz;
		before = window;
		at = next;
	}
	if (!problem)
		*ret = windows;
	return problem;
}

const char *check_loss_list(const char *text)
{
	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		char expected[512];
		snprintf(expected, sizeof(expected), "%s\t%s\n", losses[i].reason, losses[i].sentence);
		if (!starts_with(text, expected))
			return wrong("expected '%s', found '%.100s'", expected, text);
		text += strlen(expected);
	}
	return *text ? wrong("more than the losses: '%.100s'", text) : NULL;
}

static const char *check_reasons(json_t *reasons, const char *name, bool lost, const struct folded *folded,
				 u64 *ret_sum)
{
	const char *reason;
	json_t *value;

	*ret_sum = 0;
	json_object_foreach(reasons, reason, value)
	{
		size_t size = strlen(reason);
		char frame[128];

		bool is_lost = loss_has_effect(reason, size, LOSS_EFFECT_LOST);
		bool is_unknown = loss_has_effect(reason, size, LOSS_EFFECT_UNKNOWN);
		if (!is_lost && !is_unknown && !loss_has_effect(reason, size, LOSS_EFFECT_TRUNCATED))
			return wrong("stats: %s: no reason is called '%s'", name, reason);
		if (is_lost != lost)
			return wrong("stats: '%s' does not belong in `%s`", reason, name);
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return wrong("stats: %s.%s is no count", name, reason);
		*ret_sum += (u64)json_integer_value(value);
		if (lost || !folded)
			continue;
		snprintf(frame, sizeof(frame), "[%s: %s]", is_unknown ? "unknown" : "truncated", reason);
		u64 shown = folded_count(folded, frame);
		if (shown != (u64)json_integer_value(value))
			return wrong("stats: %s.%s is %lld, the profile shows %llu", name, reason,
				     (long long)json_integer_value(value), (unsigned long long)shown);
	}
	return NULL;
}

static const char *check_incomplete_frames(const struct folded *folded, json_t *incomplete)
{
	for (size_t i = 0; folded && i < sizeof(losses) / sizeof(*losses); i++) {
		char frame[128];
		snprintf(frame, sizeof(frame), "[%s: %s]",
			 losses[i].effect == LOSS_EFFECT_UNKNOWN ? "unknown" : "truncated", losses[i].reason);
		if (folded_count(folded, frame) && !json_object_get(incomplete, losses[i].reason))
			return wrong("stats: the profile shows '%s', `incomplete` does not", frame);
	}
	return NULL;
}

/* A member of a member, -1 when it is missing, no integer or less than 0. */
static json_int_t member_of(json_t *stats, const char *object, const char *name)
{
	json_t *value = json_object_get(json_object_get(stats, object), name);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
}

static const char *check_native(json_t *stats, json_int_t samples)
{
	static const char *const names[][2] = {{"native", "samples"}, {"native", "complete"}, {"native", "fallback"},
					       {"merge", "verified"}, {"merge", "counted"},   {"merge", "unmerged"}};
	json_int_t native = member_of(stats, "native", "samples"), merged;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (member_of(stats, names[i][0], names[i][1]) < 0)
			return wrong("stats: %s.%s is missing or no count", names[i][0], names[i][1]);
	if (native > samples || member_of(stats, "native", "complete") > native ||
	    member_of(stats, "native", "fallback") > native)
		return wrong("stats: not native complete, fallback <= native samples <= samples");
	merged = member_of(stats, "merge", "verified") + member_of(stats, "merge", "counted") +
		 member_of(stats, "merge", "unmerged");
	if (merged > native || merged > member_of(stats, "python", "samples"))
		return wrong("stats: more samples merged or unmerged than have Python and native frames");
	return NULL;
}

static const char *check_values(json_t *stats, const struct folded *folded)
{
	static const char *const numbers[] = {"samples",    "seconds",	 "first_sample_s", "hz",
					      "cpus",	    "bpf_ns",	 "bpf_runs",	   "agent_cpu_s",
					      "ring_bytes", "map_bytes", "rss_bytes"};
	json_t *lost = json_object_get(stats, "lost"), *incomplete = json_object_get(stats, "incomplete");
	json_t *python = json_object_get(stats, "python"), *versions = json_object_get(stats, "python_versions");
	json_t *python_samples = json_object_get(python, "samples"), *complete = json_object_get(python, "complete");
	json_int_t samples = json_integer_value(json_object_get(stats, "samples"));
	const char *problem;
	u64 sum;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		json_t *value = json_object_get(stats, numbers[i]);
		bool none = json_is_null(value) && !strcmp(numbers[i], "first_sample_s") && !samples;
		if (!none && (!json_is_number(value) || json_number_value(value) < 0))
			return wrong("stats: %s is missing or no number", numbers[i]);
	}
	if (!json_is_object(lost) || !json_is_object(incomplete))
		return wrong("stats: lost or incomplete is missing");
	if (!versions)
		return wrong("stats: python_versions is missing");
	if (!json_is_integer(python_samples) || !json_is_integer(complete))
		return wrong("stats: python.samples or python.complete is missing");
	if (json_integer_value(complete) > json_integer_value(python_samples) ||
	    json_integer_value(python_samples) > samples)
		return wrong("stats: not complete <= python samples <= samples");
	if (folded && folded->samples != (u64)samples)
		return wrong("stats: %lld samples, the profile shows %llu", (long long)samples,
			     (unsigned long long)folded->samples);
	problem = check_native(stats, samples);
	if (!problem)
		problem = check_reasons(lost, "lost", true, folded, &sum);
	if (!problem)
		problem = check_reasons(incomplete, "incomplete", false, folded, &sum);
	return problem ? problem : check_incomplete_frames(folded, incomplete);
}

const char *check_stats(const char *text, const struct folded *folded)
{
	json_error_t error;
	json_t *stats = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	const char *problem;

	if (!stats)
		return wrong("stats: line %d: %s", error.line, error.text);
	problem = check_values(stats, folded);
	json_decref(stats);
	return problem;
}

const char *check_error_line(const char *text)
{
	const char *end = strchr(text, '\n');

	if (!starts_with(text, "pyprof-bpf: ") || !end || end - text < 20)
		return wrong("not a line that begins 'pyprof-bpf: ' and says something: '%s'", text);
	if (end[1])
		return wrong("more than one line: '%s'", text);
	return is_utf8(text) ? NULL : wrong("not valid UTF-8");
}

const char *check_doctor(const char *text, bool *ret_fails)
{
	*ret_fails = false;
	if (!*text)
		return wrong("the doctor says nothing");
	for (const char *line = text, *end; *line; line = end + 1) {
		const char *name = strchr(line, '\t'), *detail = name ? strchr(name + 1, '\t') : NULL;

		end = strchr(line, '\n');
		if (!end || !detail || detail > end || detail == name + 1)
			return wrong("not STATE<TAB>NAME<TAB>DETAIL: '%.100s'", line);
		if (memchr(detail + 1, '\t', (size_t)(end - detail - 1)))
			return wrong("a third tab: '%.100s'", line);
		if (starts_with(line, "fail\t"))
			*ret_fails = true;
		else if (!starts_with(line, "ok\t") && !starts_with(line, "warn\t"))
			return wrong("neither ok, warn nor fail: '%.100s'", line);
	}
	return NULL;
}
