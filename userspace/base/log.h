/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * log.h - what the profiler says to the person: one line on stderr each, which
 * begins "pyprof-bpf: ". Only cmd/, profiler.c and sinks call these; stages below
 * return errors. The _errno forms give the error back, to be returned.
 */
#ifndef PYPROF_LOG_H
#define PYPROF_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The process-wide level; LOG_LEVEL_INFO until set. */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Text to write before each line, to step out of the way of a status line ("\r\033[K"); NULL: none. */
void log_set_prefix(const char *prefix);

/*
 * Where stderr is systemd's journal, which says so to services in $JOURNAL_STREAM (systemd.exec(5)), each line
 * carries its level in front, as sd-daemon(3) has it. Once, at the start.
 */
void log_find_journal(void);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);
/* Appends ": " and what -err means. Returns err. */
__attribute__((format(printf, 3, 4))) int log_line_errno(enum log_level level, int err, const char *format, ...);

#define log_error(...)		    log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)	    log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)		    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)		    log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_error_errno(err, ...)   log_line_errno(LOG_LEVEL_ERROR, err, __VA_ARGS__)
#define log_warning_errno(err, ...) log_line_errno(LOG_LEVEL_WARNING, err, __VA_ARGS__)
#define log_debug_errno(err, ...)   log_line_errno(LOG_LEVEL_DEBUG, err, __VA_ARGS__)

#endif
