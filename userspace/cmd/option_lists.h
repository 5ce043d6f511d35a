/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* option_lists.h - options of `record` that may be given again for more: what they take, checked and kept. */
#ifndef PYPROF_OPTION_LISTS_H
#define PYPROF_OPTION_LISTS_H

struct option_line;

int apply_container(struct option_line *line, const char *value);
int apply_cgroup(struct option_line *line, const char *value);
int apply_pod(struct option_line *line, const char *value);
int apply_env(struct option_line *line, const char *value);
int apply_export(struct option_line *line, const char *value);
int apply_export_header(struct option_line *line, const char *value);

#endif
