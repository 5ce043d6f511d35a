/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

/* One of the two globals that the house rules allow: a level belongs to the process, not to a stage. */
static struct {
	enum log_level level;
	const char *prefix;
	bool journal; /* stderr is systemd's */
} state = {.level = LOG_LEVEL_INFO};

void log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level log_level(void)
{
	return state.level;
}

void log_set_prefix(const char *prefix)
{
	state.prefix = prefix;
}

void log_find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat stat;
	int end = 0;

	state.journal = stream && sscanf(stream, "%llu:%llu%n", &device, &inode, &end) == 2 && !stream[end] &&
			!fstat(STDERR_FILENO, &stat) && stat.st_dev == device && stat.st_ino == inode;
}

static void log_write(enum log_level level, const char *format, va_list args, int err)
{
	static const char *const levels[] = {"<3>", "<4>", "<6>", "<7>"}; /* as in syslog(3) */
	char message[2048];
	STRBUF(line);

	vsnprintf(message, sizeof(message), format, args);
	strbuf_put(&line, "pyprof-bpf: ");
	strbuf_put_clean(&line, message, strlen(message));
	if (err)
		strbuf_printf(&line, ": %s", strerror(-err));
	fprintf(stderr, "%s%s%s\n", state.journal ? levels[level] : "", state.prefix ? state.prefix : "", line.at);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > state.level)
		return;
	va_start(args, format);
	log_write(level, format, args, 0);
	va_end(args);
}

int log_line_errno(enum log_level level, int err, const char *format, ...)
{
	va_list args;

	if (level > state.level)
		return err;
	va_start(args, format);
	log_write(level, format, args, err);
	va_end(args);
	return err;
}
