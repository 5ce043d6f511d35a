/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * build_program.h - real programs for tests, made with the compiler and binutils in
 * a directory that goes away with the test, and what other tools say of them.
 */
#ifndef PYPROF_TESTS_BUILD_PROGRAM_H
#define PYPROF_TESTS_BUILD_PROGRAM_H

#include <stdio.h>

#include "elf/elf_file.h"

/* Makes a directory and enters it; leaves and removes it. */
void program_directory_begin(void);
void program_directory_end(void);

/* Writes a C source and runs a shell script beside it; the test fails when the script does. */
void program_build(const char *source_name, const char *source, const char *script);

/* The lines of a command, one at a time, without their newline; NULL at the end. Fails the test when the command does. */
struct program_lines {
	FILE *in;
	char line[65536];
};
void program_lines_begin(struct program_lines *lines, const char *command);
const char *program_line(struct program_lines *lines);

struct elf_file *program_open(const char *path);

/* Each function that `nm` lists in one file is found in the other, by that name. Returns how many. */
int program_check_names(const char *listed, struct elf_file *file);

#endif
