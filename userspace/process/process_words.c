/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/process_words.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "process/proc.h"

#define COMMAND_LINE_MAX 1024 /* bytes of it that are kept */
#define ENVIRONMENT_MAX	 1024
#define FILE_SIZE_MAX	 (4 << 20) /* of what a process may have there: twice what execve takes */
#define DELETED		 " (deleted)"

static int exe_read(int directory, char **ret)
{
	char target[PATH_MAX];
	ssize_t size = readlinkat(directory, "exe", target, sizeof(target) - 1);
	size_t mark = strlen(DELETED);

	if (size < 0)
		return 0;
	target[size] = 0;
	if ((size_t)size > mark && !strcmp(target + size - mark, DELETED))
		target[size - mark] = 0;
	*ret = strdup(target);
	return *ret ? 0 : -ENOMEM;
}

static int command_line_read(int directory, char **ret)
{
	_cleanup_(free) char *text = NULL;
	size_t size;

	int err = proc_read(directory, "cmdline", FILE_SIZE_MAX, &text, &size);
	if (err)
		return err == -ENOMEM ? err : 0;
	while (size && !text[size - 1])
		size--;
	if (size > COMMAND_LINE_MAX)
		size = COMMAND_LINE_MAX;
	for (size_t i = 0; i < size; i++)
		if (!text[i])
			text[i] = ' ';
	text[size] = 0;
	*ret = take(text);
	return 0;
}

static bool is_wanted(const char *variable, const char *const *names)
{
	size_t size = strcspn(variable, "=");

	for (; *names; names++)
		if (strlen(*names) == size && !memcmp(*names, variable, size))
			return true;
	return false;
}

static int environment_read(int directory, const char *const *names, char **ret)
{
	_cleanup_(free) char *text = NULL;
	STRBUF(kept);
	size_t size;

	int err = proc_read(directory, "environ", FILE_SIZE_MAX, &text, &size);
	if (err)
		return err == -ENOMEM ? err : 0;
	for (const char *at = text; at < text + size; at += strlen(at) + 1)
		if (is_wanted(at, names) && kept.size + strlen(at) < ENVIRONMENT_MAX)
			strbuf_printf(&kept, "%s%s", kept.size ? " " : "", at);
	if (kept.failed)
		return -ENOMEM;
	*ret = strdup(kept.size ? kept.at : "");
	return *ret ? 0 : -ENOMEM;
}

int process_words_read(const struct process_id *id, const struct words_wanted *wanted, struct process_words *ret)
{
	_cleanup_(fd) int directory = -1;

	*ret = (struct process_words){0};
	int err = proc_open(id, &directory);
	if (err)
		return err == -ENOMEM ? err : 0;
	err = exe_read(directory, &ret->exe);
	if (!err && wanted->command_line)
		err = command_line_read(directory, &ret->command_line);
	if (!err && wanted->variables)
		err = environment_read(directory, wanted->variables, &ret->environment);
	if (err)
		process_words_deinit(ret);
	return err;
}

static int text_copy(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

int process_words_copy(const struct process_words *words, struct process_words *ret)
{
	*ret = (struct process_words){0};
	int err = text_copy(words->exe, &ret->exe);
	if (!err)
		err = text_copy(words->command_line, &ret->command_line);
	if (!err)
		err = text_copy(words->environment, &ret->environment);
	if (err)
		process_words_deinit(ret);
	return err;
}

void process_words_deinit(struct process_words *words)
{
	free(words->exe);
	free(words->command_line);
	free(words->environment);
	*words = (struct process_words){0};
}
