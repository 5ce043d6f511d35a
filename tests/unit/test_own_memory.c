/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own_memory.h"
#include "process/file_function.h"
#include "process/own_file.h"
#include "process/process.h"

TestSuite(own_memory);

Test(own_memory, it_is_read_up_to_where_it_ends)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), copy[32];
	const struct remote_memory memory = own_or_remote_memory(getpid());

	memset(at, 'x', 8192);
	munmap(at + 4096, 4096);
	cr_expect_eq(own_memory_read_some((u64)at + 4096 - 16, copy, sizeof(copy)), 16);
	cr_expect_eq(copy[15], 'x');
	cr_expect_eq(remote_read(&memory, (u64)at + 4096 - 16, copy, 16), 0);
	cr_expect_eq(remote_read(&memory, (u64)at + 4096 - 16, copy, 17), -EFAULT);
}

static __attribute__((noinline)) int a_function_of_this_test(int x)
{
	return x * 3 + rand();
}

/* What is known of our own process when its first thread has ended; 0, or the line that failed. */
#define NEED(condition)                  \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static int look_at_ourselves(struct mapped_file_cache *cache)
{
	_cleanup_(process_table) struct process_table *table = NULL;
	const struct process_id id = {.pid = getpid()};
	struct file_function function;
	struct process *process;
	u64 word = 0x1234, copy, address;

	const struct remote_memory memory = own_or_remote_memory(getpid());
	NEED(!remote_read(&memory, (u64)&word, &copy, sizeof(copy)) && copy == word);
	NEED(!process_table_new(cache, &table) && !process_table_get(table, &id, "", &process));

	u64 pc = (u64)a_function_of_this_test;
	const struct mapping *mapping = process_mapping_file(table, process, pc);
	NEED(mapping && mapping->file && mapping->file->elf);
	struct mapped_file *file = mapping->file;
	NEED(own_file_matches(mapping, file->elf));
	NEED(!elf_file_address_of_offset(file->elf, pc - mapping->start + mapping->file_offset, &address));
	NEED(!file_function_find(file, getpid(), address, &function));
	NEED(function.symbol && !strcmp(function.symbol, "a_function_of_this_test") && function.start == address);
	return 0;
}

static void *survive(void *leader)
{
	/* In one without descriptors, and in one with. */
	struct mapped_file_cache *caches[] = {mapped_file_cache_new_without_descriptors(), mapped_file_cache_new()};
	int line = 0;

	pthread_join(*(pthread_t *)leader, NULL);
	for (int i = 0; i < 2 && !line; i++)
		line = look_at_ourselves(caches[i]);
	_exit(line ? line % 250 + 1 : 0);
}

Test(own_memory, our_own_process_is_known_when_its_first_thread_has_ended, .timeout = 120)
{
	int status;
	pid_t child = fork();

	if (!child) {
		static pthread_t leader, survivor;

		leader = pthread_self();
		if (pthread_create(&survivor, NULL, survive, &leader))
			_exit(255);
		pthread_exit(NULL);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "%x", status);
	cr_assert_eq(WEXITSTATUS(status), 0, "line %d (mod 250)", WEXITSTATUS(status) - 1);
}

Test(own_memory, pieces_are_read_together_or_not_at_all)
{
	const u64 words[] = {11, 22, 33};
	const u64 there[] = {(u64)&words[2], (u64)&words[0]}, hole[] = {(u64)&words[1], 4096};
	u64 ret[2] = {0};

	own_memory_open();
	cr_assert_eq(own_memory_read_pieces(there, 2, sizeof(*ret), ret), 0);
	cr_assert_eq(ret[0], 33);
	cr_assert_eq(ret[1], 11);
	cr_assert_eq(own_memory_read_pieces(hole, 2, sizeof(*ret), ret), -EFAULT);
}
