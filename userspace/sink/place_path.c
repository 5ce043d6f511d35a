/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/place_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/visible.h"

/* What atomic_file puts behind the name while it writes. */
#define TEMPORARY_SIZE (sizeof(".XXXXXX") - 1)
#define WORD_SIZE      (sizeof(PLACE_PATH_WORD) - 1)

bool place_path_is(const char *path)
{
	return strstr(path, PLACE_PATH_WORD);
}

/* The next {word}. Its size with the braces; 0: there is none. */
static size_t word_find(const char *text, const char **ret)
{
	for (const char *open = text; (open = strchr(open, '{')); open++) {
		size_t size = strcspn(open + 1, "{}");

		if (open[1 + size] != '}')
			continue;
		*ret = open;
		return size + 2;
	}
	return 0;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int place_path_check(const char *path, struct strbuf *error)
{
	const char *word = path;
	size_t size, cnt = 0;

	strbuf_clear(error);
	for (; (size = word_find(word, &word)); word += size) {
		if (size != WORD_SIZE || strncmp(word, PLACE_PATH_WORD, size)) {
			strbuf_put(error, "there is no ");
			strbuf_put_clean(error, word, size);
			strbuf_put(error, " in the name of a file: there is " PLACE_PATH_WORD " alone");
		} else if (word < file_name(path)) {
			strbuf_put(error, PLACE_PATH_WORD " belongs into the name of the file, not of a folder, as in "
							  "flames/" PLACE_PATH_WORD ".svg");
		} else if (cnt++) {
			strbuf_put(error, "once " PLACE_PATH_WORD " is enough for the name of a file");
		}
		if (error->size)
			return -EINVAL;
	}
	/* A name must be left beside it, or it is not known how little that may be. */
	if (cnt && strlen(file_name(path)) - WORD_SIZE > NAME_MAX / 2) {
		strbuf_put(error, "that name of a file leaves too little room for " PLACE_PATH_WORD);
		return -EINVAL;
	}
	return error->failed ? -ENOMEM : 0;
}

/* Of clean text: its control characters have become '?', which shells take for any character. */
static bool is_safe(u32 point, bool first)
{
	if (first && (point == '.' || point == '-'))
		return false;
	return point != '/' && point != '?' && point != '*' && !char_is_unseen(point);
}

static void name_put(struct strbuf *b, const char *name, size_t max)
{
	size_t length, size, start = b->size;
	STRBUF(clean);
	u32 point;

	strbuf_put_clean(&clean, name, strlen(name));
	name = clean.at;
	size = clean.size;
	for (; (length = char_take(name, size, &point)); name += length, size -= length) {
		bool safe = is_safe(point, b->size == start);

		if (b->size - start + (safe ? length : 1) > max)
			break;
		strbuf_put_size(b, safe ? name : "_", safe ? length : 1);
	}
	if (b->size == start)
		strbuf_put_char(b, '_');
	b->failed |= clean.failed;
}

void place_path_put(const char *path, const char *name, const char *mark, struct strbuf *b)
{
	const char *word = strstr(path, PLACE_PATH_WORD);
	size_t around = strlen(file_name(path)) - WORD_SIZE + strlen(mark) + TEMPORARY_SIZE;

	strbuf_put_size(b, path, (size_t)(word - path));
	name_put(b, name, around < NAME_MAX ? NAME_MAX - around : 1);
	strbuf_put(b, mark);
	strbuf_put(b, word + WORD_SIZE);
}
