/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/unit/build_program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

void program_directory_begin(void)
{
	strcpy(directory, "/tmp/pyprof-test-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

void program_directory_end(void)
{
	char command[128];

	(void)!chdir("/");
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	(void)!system(command);
}

void program_build(const char *source_name, const char *source, const char *script)
{
	_cleanup_(free) char *command = NULL;
	_cleanup_(stream) FILE *out = fopen(source_name, "w");

	cr_assert_not_null(out);
	cr_assert_geq(fputs(source, out), 0);
	cr_assert_eq(fflush(out), 0);
	cr_assert_gt(asprintf(&command, "set -e; %s", script), 0);
	cr_assert_eq(system(command), 0, "%s", script);
}

void program_lines_begin(struct program_lines *lines, const char *command)
{
	lines->in = popen(command, "r");
	cr_assert_not_null(lines->in);
}

const char *program_line(struct program_lines *lines)
{
	if (fgets(lines->line, sizeof(lines->line), lines->in)) {
		lines->line[strcspn(lines->line, "\n")] = 0;
		return lines->line;
	}
	cr_assert_eq(pclose(lines->in), 0);
	return NULL;
}

struct elf_file *program_open(const char *path)
{
	struct elf_file *file = NULL;

	cr_assert_eq(elf_file_open_fd(open(path, O_RDONLY | O_CLOEXEC), path, &file), 0, "%s", path);
	return file;
}

int program_check_names(const char *listed, struct elf_file *file)
{
	static struct program_lines lines;
	char command[256], name[256], type;
	unsigned long long address;
	int cnt = 0;

	snprintf(command, sizeof(command), "nm --defined-only %s", listed);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx %c %255s", &address, &type, name) != 3 || (type != 't' && type != 'T'))
			continue;
		if (name[0] == '_' || strchr(name, '.')) /* the C runtime's own: several names for a place */
			continue;
		const struct symbol *symbol = elf_file_symbol(file, address);
		cr_assert(symbol && symbol->start == address && !strcmp(symbol->name, name), "%s is called %s", name,
			  symbol ? symbol->name : "nothing");
		cnt++;
	}
	return cnt;
}
