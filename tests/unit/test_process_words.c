/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/process_words.h"
#include "pyprof/record.h"

/* `sleep 60` with three variables in its environment, which runs when this returns. */
static struct process_id sleeper_start(void)
{
	char *const words[] = {"sleep", "60", NULL};
	char *const variables[] = {"TOKEN=secret", "NAMES=1", "NAME=the one", NULL};
	int ready[2];
	char byte;

	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (!pid) {
		execve("/bin/sleep", words, variables);
		_exit(1);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 0); /* exec has closed the other end */
	close(ready[0]);
	return (struct process_id){.pid = pid};
}

static void sleeper_end(struct process_id id)
{
	kill(id.pid, SIGKILL);
	waitpid(id.pid, NULL, 0);
}

Test(process_words, its_program_is_told_without_being_asked_and_nothing_else)
{
	const struct words_wanted wanted = {0};
	struct process_id id = sleeper_start();
	struct process_words words;

	cr_assert_eq(process_words_read(&id, &wanted, &words), 0);
	_cleanup_(free) char *sleep_path = realpath("/bin/sleep", NULL);
	cr_assert_str_eq(words.exe, sleep_path);
	cr_assert_null(words.command_line);
	cr_assert_null(words.environment);
	process_words_deinit(&words);
	sleeper_end(id);
}

Test(process_words, of_the_environment_only_the_variables_that_were_named_are_kept)
{
	const char *const names[] = {"NAME", "ABSENT", NULL};
	const struct words_wanted wanted = {.command_line = true, .variables = names};
	struct process_id id = sleeper_start();
	struct process_words words;

	cr_assert_eq(process_words_read(&id, &wanted, &words), 0);
	cr_assert_str_eq(words.command_line, "sleep 60");
	cr_assert_str_eq(words.environment, "NAME=the one");
	process_words_deinit(&words);
	sleeper_end(id);
}

Test(process_words, another_process_under_the_same_pid_is_not_taken_for_it)
{
	const struct words_wanted wanted = {0};
	struct process_id id = sleeper_start();
	struct process_words words;

	id.start_ns = 1; /* began with the machine */
	cr_assert_eq(process_words_read(&id, &wanted, &words), 0);
	cr_assert_null(words.exe);
	sleeper_end(id);
}

Test(process_words, one_that_is_gone_has_none)
{
	const struct words_wanted wanted = {.command_line = true};
	struct process_id id = sleeper_start();
	struct process_words words;

	sleeper_end(id);
	cr_assert_eq(process_words_read(&id, &wanted, &words), 0);
	cr_assert_null(words.exe);
	cr_assert_null(words.command_line);
}
