/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/check_merge.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREENLET  "_greenlet" /* switches stacks, and starts new ones */
#define MAX_FILES 8 /* one after the other between two Python frames */

/* Stacks as a tree: a node is a Python frame under just these callers. */
struct node {
	const char *name; /* `QUALNAME (FILE)`; "-": no Python frame, only C code */
	struct how {
		char kind; /* = i c g ? ^ */
		const char *files[MAX_FILES];
		size_t file_cnt;
	} how;
	struct node *children, *next;
};

struct orders {
	struct node root;
	char *text;
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

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* ---- the truth */

/* `c:x,y`, which is cut in place. */
static const char *how_parse(char *text, struct how *ret)
{
	*ret = (struct how){.kind = text[0]};
	if (!text[0] || !strchr("=icg?^", text[0]) || (text[1] && text[1] != ':'))
		return wrong("truth: '%s' is no way to call", text);
	for (char *at = text[1] ? text + 2 : NULL; at;) {
		const char *file = strsep(&at, ",");
		if (!*file || ret->file_cnt == MAX_FILES)
			return wrong("truth: no file, or too many");
		ret->files[ret->file_cnt++] = file;
	}
	if (ret->file_cnt && !strchr("cg", ret->kind))
		return wrong("truth: files under '%c'", ret->kind);
	return NULL;
}

static bool how_equal(const struct how *a, const struct how *b)
{
	if (a->kind != b->kind || a->file_cnt != b->file_cnt)
		return false;
	for (size_t i = 0; i < a->file_cnt; i++)
		if (strcmp(a->files[i], b->files[i]))
			return false;
	return true;
}

static const char *node_get(struct node *parent, char *frame, struct node **ret)
{
	char *name = strchr(frame, ' ');
	struct node *node;
	struct how how;

	if (!name)
		return wrong("truth: '%s' is not HOW QUALNAME (FILE)", frame);
	*name++ = 0;
	const char *problem = how_parse(frame, &how);
	if (problem)
		return problem;
	for (node = parent->children; node; node = node->next)
		if (!strcmp(node->name, name) && how_equal(&node->how, &how))
			break;
	if (!node) {
		node = calloc(1, sizeof(*node));
		if (!node)
			abort();
		*node = (struct node){.name = name, .how = how, .next = parent->children};
		parent->children = node;
	}
	*ret = node;
	return NULL;
}

const char *orders_parse(const char *text, struct orders **ret)
{
	struct orders *orders = calloc(1, sizeof(*orders));
	const char *problem = NULL;

	if (!orders || !(orders->text = strdup(text)))
		abort();
	for (char *at = orders->text; !problem && *at;) {
		char *line = strsep(&at, "\n");
		struct node *node = &orders->root;

		if (!at)
			problem = wrong("truth: the last line has no end");
		while (line && !problem)
			problem = node_get(node, strsep(&line, "\t"), &node);
	}
	if (!problem && !orders->root.children)
		problem = wrong("the truth is empty");
	if (problem)
		orders_free(orders);
	else
		*ret = orders;
	return problem;
}

static void nodes_free(struct node *node)
{
	while (node) {
		struct node *next = node->next;

		nodes_free(node->children);
		free(node);
		node = next;
	}
}

void orders_free(struct orders *orders)
{
	if (!orders)
		return;
	nodes_free(orders->root.children);
	free(orders->text);
	free(orders);
}

/* ---- frames */

/* Of `SYMBOL (FILE)`; the text goes on with `)`. A deleted file says so behind its name. */
static const char *file_of(const char *frame)
{
	const char *last = frame;

	for (const char *at = frame; (at = strstr(at, " (")); at += 2)
		if (strcmp(at, " (deleted))"))
			last = at;
	return last + 2;
}

/* Or what an interpreter made itself, of which only those with a JIT or trampolines make some that calls Python. */
static bool is_interpreter(const char *frame, enum native_shown shown)
{
	const char *file = file_of(frame);

	if (starts_with(file, "lib"))
		file += 3;
	return starts_with(file, "python3") || starts_with(file, "python2") ||
	       (shown == SHOWN_ALL_LOOSELY && starts_with(file, "[anon]"));
}

/* Code that any C code may call; libffi makes its closures itself. */
static bool is_of_everyone(const char *frame)
{
	static const char *const files[] = {"libgcc_s.", "[anon]",  "memfd:libffi", "libc.so", "libc-2.",
					    "libm.so",	 "libm-2.", "libpthread",   "ld-",     "[vdso]"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (starts_with(file_of(frame), files[i]))
			return true;
	return false;
}

/* `_ctypes` is `_ctypes.cpython-313-x86_64-linux-gnu.so`, and not `_ctypes_test`. */
static bool is_of_file(const char *frame, const char *name)
{
	const char *file = file_of(frame);

	return starts_with(file, name) && file[strlen(name)] != '_' && !isalpha(file[strlen(name)]);
}

/* `QUALNAME (FILE:LINE)` without the line. */
static bool is_python(const char *frame, const char *name)
{
	size_t size = strlen(name);

	return size && !strncmp(frame, name, size - 1) && frame[size - 1] == ':';
}

/* ---- what stands between */

/* Native frames of one sample, outermost first. */
struct gap {
	char *const *frames;
	size_t cnt;
};

/* Those that belong to the files, file by file. -> how many frames that is; *ret_files: of how many files. */
static size_t gap_follow(const struct gap *gap, const struct how *how, enum native_shown shown, size_t *ret_files)
{
	size_t file = 0, used = 0;

	for (; used < gap->cnt; used++) {
		const char *frame = gap->frames[used];

		if (is_interpreter(frame, shown))
			continue;
		if (file < how->file_cnt && is_of_file(frame, how->files[file]))
			file++;
		else if (!file || !is_of_file(frame, how->files[file - 1]))
			break;
	}
	*ret_files = file;
	return used;
}

static bool gap_has_interpreter(const struct gap *gap, enum native_shown shown)
{
	for (size_t i = 0; i < gap->cnt; i++)
		if (is_interpreter(gap->frames[i], shown))
			return true;
	return false;
}

/* Ends in the eval loop that executes the next Python frame, or what stands for it. */
static bool gap_ends_in_eval(const struct gap *gap, enum native_shown shown)
{
	if (shown == SHOWN_EXTENSIONS)
		return true;
	return gap->cnt && is_interpreter(gap->frames[gap->cnt - 1], shown);
}

static bool gap_is_call(const struct gap *gap, const struct how *how, enum native_shown shown)
{
	size_t files;

	return gap_follow(gap, how, shown, &files) == gap->cnt && files == how->file_cnt &&
	       gap_ends_in_eval(gap, shown);
}

static bool gap_is_start(const struct gap *gap, enum native_shown shown)
{
	if (shown == SHOWN_EXTENSIONS)
		return !gap->cnt;
	for (size_t i = 0; i < gap->cnt; i++)
		if (!is_interpreter(gap->frames[i], shown) && !is_of_everyone(gap->frames[i]) &&
		    !is_of_file(gap->frames[i], GREENLET))
			return false;
	return gap_ends_in_eval(gap, shown);
}

/* Between two Python frames, of which the inner one was called so. */
static bool gap_is(const struct gap *gap, const struct how *how, enum native_shown shown)
{
	if (shown == SHOWN_NONE)
		return !gap->cnt;
	if (shown == SHOWN_EXTENSIONS && gap_has_interpreter(gap, shown))
		return false;
	switch (how->kind) {
	case '=':
		return !gap->cnt || (shown == SHOWN_ALL_LOOSELY && gap_is_call(gap, how, shown));
	case 'c':
	case 'i':
		return gap_is_call(gap, how, shown);
	case 'g':
		return !gap->cnt || gap_is_call(gap, how, shown);
	case '^':
		return gap_is_start(gap, shown);
	default:
		return !gap->cnt || gap_ends_in_eval(gap, shown);
	}
}

/* The rest of a gap that began well: what any C code calls. */
static bool gap_is_of_everyone(const struct gap *gap, enum native_shown shown, size_t from)
{
	for (size_t i = from; i < gap->cnt; i++)
		if (!is_interpreter(gap->frames[i], shown) && !is_of_everyone(gap->frames[i]))
			return false;
	return true;
}

/* Inward of the innermost Python frame: on the way into what it calls, or back. */
static bool gap_is_tail(const struct gap *gap, const struct node *node, enum native_shown shown)
{
	size_t files;

	if (shown == SHOWN_NONE)
		return !gap->cnt;
	if (shown == SHOWN_EXTENSIONS && gap_has_interpreter(gap, shown))
		return false;
	if (node->how.kind == '?' || gap_is_of_everyone(gap, shown, 0))
		return true;
	for (const struct node *child = node->children; child; child = child->next)
		if (child->how.file_cnt && gap_is_of_everyone(gap, shown, gap_follow(gap, &child->how, shown, &files)))
			return true;
	return false;
}

/* ---- a sample */

static void describe(const struct folded_line *line, char *ret, size_t size)
{
	size_t used = 0;
	/* The inner end matters more. */
	size_t from = line->frame_cnt > 16 ? line->frame_cnt - 16 : 0;

	for (size_t i = from; i < line->frame_cnt && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ";" : "", line->frames[i]);
}

/* frames[from...] as long as they are native. */
static struct gap gap_at(const struct folded_line *line, size_t from)
{
	struct gap gap = {&line->frames[from], 0};

	while (from + gap.cnt < line->frame_cnt && frame_kind_of(line->frames[from + gap.cnt]) == FRAME_NATIVE)
		gap.cnt++;
	return gap;
}

static size_t count_places(const struct how *how)
{
	return how->kind == 'c' || how->kind == 'g';
}

/* From frame `at` to the end. -> what is wrong with it, or NULL. */
static const char *follow(const struct folded_line *line, size_t at, const struct node *node, enum native_shown shown,
			  size_t *ret_places)
{
	for (;;) {
		struct gap gap = gap_at(line, at);
		const struct node *child;
		bool known = false;

		at += gap.cnt;
		if (at == line->frame_cnt || frame_kind_of(line->frames[at]) == FRAME_KERNEL) {
			while (at < line->frame_cnt && frame_kind_of(line->frames[at]) == FRAME_KERNEL)
				at++;
			if (at < line->frame_cnt)
				return wrong("'%s' under a kernel frame", line->frames[at]);
			return gap_is_tail(&gap, node, shown) ? NULL : "C frames at the inner end";
		}
		for (child = node->children; child; child = child->next) {
			bool here = is_python(line->frames[at], child->name);
			known |= here;
			if (here && gap_is(&gap, &child->how, shown))
				break;
		}
		if (!child)
			return wrong("%s '%s'", known ? "C frames before" : "no such call:", line->frames[at]);
		*ret_places += count_places(&child->how);
		node = child;
		at++;
	}
}

static bool has_kind(const struct folded_line *line, enum frame_kind a, enum frame_kind b, size_t *ret)
{
	for (size_t i = 1; i < line->frame_cnt; i++) {
		enum frame_kind kind = frame_kind_of(line->frames[i]);
		if (kind != a && kind != b)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

static void check_line(struct merge_verdict *verdict, const struct folded_line *line, const struct orders *orders,
		       enum native_shown shown)
{
	size_t mark = 0, places = 0;

	verdict->samples += line->count;
	if (has_kind(line, FRAME_UNKNOWN, FRAME_TRUNCATED, &mark)) {
		if (!verdict->incomplete)
			describe(line, verdict->first_incomplete, sizeof(verdict->first_incomplete));
		verdict->incomplete += line->count;
		return;
	}
	if (!has_kind(line, FRAME_PYTHON, FRAME_PYTHON, &mark)) {
		verdict->without_python += line->count;
		return;
	}
	mark = 0;
	bool unmerged = has_kind(line, FRAME_MARK, FRAME_MARK, &mark) && !strcmp(line->frames[mark], "[unmerged]");
	const char *problem = follow(line, mark + 1, &orders->root, unmerged ? SHOWN_NONE : shown, &places);
	if (problem && !verdict->impossible) {
		int used = snprintf(verdict->first_impossible, 400, "%s, in ", problem);
		used = used < 400 ? used : 399;
		describe(line, verdict->first_impossible + used, sizeof(verdict->first_impossible) - (size_t)used);
	}
	if (problem)
		verdict->impossible += line->count;
	else if (unmerged)
		verdict->unmerged += line->count;
	else
		verdict->in_order += line->count;
	if (!problem && !unmerged && places >= 5)
		verdict->deep += line->count;
}

struct merge_verdict check_order(const struct folded *folded, const struct orders *orders, enum native_shown shown)
{
	struct merge_verdict verdict = {0};

	for (size_t i = 0; i < folded->cnt; i++)
		check_line(&verdict, &folded->lines[i], orders, shown);
	return verdict;
}

struct folded folded_of_python(const struct folded *folded, u64 *ret_split)
{
	struct folded ret = {.lines = calloc(folded->cnt + 1, sizeof(*ret.lines)), .cnt = folded->cnt};

	*ret_split = 0;
	ret.samples = folded->samples;
	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		struct folded_line *copy = &ret.lines[i];
		bool python = false, native = false, split = false;

		*copy = (struct folded_line){.frames = calloc(line->frame_cnt, sizeof(char *)), .count = line->count};
		for (size_t j = 0; j < line->frame_cnt; j++) {
			enum frame_kind kind = j ? frame_kind_of(line->frames[j]) : FRAME_MARK;
			if (kind != FRAME_NATIVE)
				copy->frames[copy->frame_cnt++] = line->frames[j];
			split |= kind == FRAME_PYTHON && native;
			python |= kind == FRAME_PYTHON;
			native |= kind == FRAME_NATIVE && python;
		}
		*ret_split += split ? line->count : 0;
	}
	return ret;
}

/* ---- against a debugger */

const char *native_stack_parse(const char *text, struct native_stack *ret)
{
	struct native_stack stack = {.text = strdup(text)};
	size_t line_cnt = 0;

	for (const char *at = text; *at; at++)
		line_cnt += *at == '\n';
	stack.at = calloc(line_cnt + 1, sizeof(*stack.at));
	if (!stack.text || !stack.at)
		abort();
	for (char *at = stack.text; *at;) {
		char *line = strsep(&at, "\n"), *symbol = strsep(&line, "\t");
		if (!at || !line || !*symbol || !*line) {
			const char *problem = wrong("gdb: not SYMBOL<TAB>FILE: '%s'", symbol);
			native_stack_free(&stack);
			return problem;
		}
		stack.at[stack.cnt++] = (struct native_frame){symbol, line};
	}
	if (!stack.cnt) {
		native_stack_free(&stack);
		return wrong("gdb: no frame");
	}
	*ret = stack;
	return NULL;
}

void native_stack_free(struct native_stack *stack)
{
	free(stack->at);
	free(stack->text);
	*stack = (struct native_stack){0};
}

/* The eval loop's name; 2.7's is in 3.6 and later that of a function that calls it. */
static const char *eval_name(const struct native_stack *stack)
{
	for (size_t i = 0; i < stack->cnt; i++)
		if (starts_with(stack->at[i].symbol, "_PyEval_EvalFrameDefault"))
			return "_PyEval_EvalFrameDefault";
	return "PyEval_EvalFrameEx";
}

static bool is_eval(const struct native_frame *frame, const char *eval)
{
	return starts_with(frame->symbol, eval);
}

/* Clones of a function (`.constprop.0`) and its versions (`@plt`, `@@GLIBC_2.34`) go by its name. */
static size_t plain_size(const char *symbol)
{
	return strcspn(symbol, ".@ (");
}

static const char *without_prefix(const char *symbol)
{
	while (*symbol == '_')
		symbol++;
	if (starts_with(symbol, "GI_"))
		return without_prefix(symbol + 3);
	return starts_with(symbol, "libc_") ? symbol + 5 : symbol; /* read() is __libc_read() too */
}

/* Where a library has several names at one address, gdb and we may choose another one. */
static bool symbols_agree(const char *ours, const char *gdbs)
{
	const char *a = without_prefix(ours), *b = without_prefix(gdbs);
	size_t a_size = plain_size(a), b_size = plain_size(b);
	size_t size = a_size < b_size ? a_size : b_size;

	return size && !strncmp(a, b, size) &&
	       (a_size == b_size || !strncmp(a + size, "_impl", 5) || !strncmp(b + size, "_impl", 5));
}

/* `.cpython-313-x86_64-linux-gnu.so`, `.abi3.so`; to 2.7 `.x86_64-linux-gnu.so` or nothing but `.so`. */
static bool is_module_ending(const char *ending)
{
	return starts_with(ending, ".cpython-") || starts_with(ending, ".abi3.") || !strcmp(ending, ".so") ||
	       !strcmp(ending, ".x86_64-linux-gnu.so");
}

/* Extension modules go by the name one imports: `numpy._core.umath` is `umath.cpython-313-x86_64-linux-gnu.so`. */
static bool files_agree(const char *ours, const char *gdbs)
{
	size_t size = strlen(ours) - 1, begin = size;

	if (strlen(gdbs) == size && !strncmp(ours, gdbs, size))
		return true;
	while (begin && ours[begin - 1] != '.')
		begin--;
	return !strncmp(ours + begin, gdbs, size - begin) && is_module_ending(gdbs + size - begin);
}

/* *named counts the frames that have a symbol on both sides. */
static bool frame_agrees(const char *frame, const struct native_frame *gdbs, u64 *named)
{
	if (strcmp(gdbs->file, "?") && !files_agree(file_of(frame), gdbs->file))
		return false;
	if (starts_with(frame, "0x") || !strcmp(gdbs->symbol, "?"))
		return true;
	++*named;
	return symbols_agree(frame, gdbs->symbol);
}

/* Native frames outward of the innermost Python frame; 0 too when the line has what is neither. */
static size_t count_placed(const struct folded_line *line, size_t from)
{
	size_t native = 0, placed = 0;

	for (size_t i = from; i < line->frame_cnt; i++) {
		enum frame_kind kind = frame_kind_of(line->frames[i]);

		if (kind != FRAME_PYTHON && kind != FRAME_NATIVE && kind != FRAME_KERNEL)
			return 0;
		native += kind == FRAME_NATIVE;
		placed = kind == FRAME_PYTHON ? native : placed;
	}
	return placed;
}

/* Where the running greenlet's own frames begin, with those that started it; the frames' number if nowhere. */
static size_t greenlet_start(const struct native_stack *stack)
{
	size_t i = stack->cnt;

	while (i && !strstr(stack->at[i - 1].symbol, "g_initialstub"))
		i--;
	if (!i--)
		return stack->cnt;
	while (i && starts_with(stack->at[i - 1].file, GREENLET "."))
		i--;
	return i;
}

/* A stripped file has no name for its eval loop, so `?` may be one. */
static bool eval_agrees(const struct native_frame *gdbs, const char *eval, bool before_python)
{
	return before_python ? is_eval(gdbs, eval) || !strcmp(gdbs->symbol, "?") : !is_eval(gdbs, eval);
}

/* Goes along both, out of which Python frames are left that come right inside of an eval loop. */
static bool line_agrees(const struct folded_line *line, const struct native_stack *stack, bool *whole, u64 *named)
{
	bool cut = line->frame_cnt > 2 && !strcmp(line->frames[1], "[greenlet]");
	size_t start = cut ? greenlet_start(stack) : 0, native = start, placed = start + count_placed(line, 1 + cut);
	bool same = placed > start && frame_kind_of(line->frames[1 + cut]) == FRAME_NATIVE;
	const char *eval = eval_name(stack);

	*named = 0;
	for (size_t i = 1 + cut; i < line->frame_cnt && same; i++) {
		if (frame_kind_of(line->frames[i]) != FRAME_NATIVE)
			continue;
		bool before_python = i + 1 < line->frame_cnt && frame_kind_of(line->frames[i + 1]) == FRAME_PYTHON;
		const struct native_frame *gdbs = native < stack->cnt ? &stack->at[native] : NULL;
		same = gdbs && frame_agrees(line->frames[i], gdbs, named) && eval_agrees(gdbs, eval, before_python);
		native += same;
	}
	*whole = same && native == stack->cnt;
	for (size_t i = placed; i < stack->cnt; i++) /* a run that we do not have */
		if (is_eval(&stack->at[i], eval))
			return false;
	return placed > start && native >= placed;
}

struct stack_verdict check_native_stack(const struct folded *folded, const struct native_stack *stack)
{
	struct stack_verdict verdict = {0};

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		bool whole = false;
		u64 named = 0;

		verdict.samples += line->count;
		if (line_agrees(line, stack, &whole, &named)) {
			verdict.same += line->count;
			verdict.whole += whole ? line->count : 0;
			verdict.named = named > verdict.named ? named : verdict.named;
		} else if (!*verdict.first_other) {
			describe(line, verdict.first_other, sizeof(verdict.first_other));
		}
	}
	return verdict;
}
