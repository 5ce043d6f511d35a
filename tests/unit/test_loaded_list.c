/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loaded_list.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own_memory.h"

static struct loaded_list *list;

static void set_up(void)
{
	own_memory_open();
	cr_assert_eq(loaded_list_new(&list), 0);
}

static void tear_down(void)
{
	loaded_list_free(list);
}

static u64 last_ns; /* before it was last looked at, with news */

static bool is_changed(void)
{
	last_ns = clock_monotonic_ns();
	return loaded_list_has_changed(list);
}

/* Or so much time is over since that it is thought to have changed. */
static bool is_same(void)
{
	return !loaded_list_has_changed(list) || clock_monotonic_ns() - last_ns >= NS_PER_S;
}

TestSuite(loaded_list, .init = set_up, .fini = tear_down, .timeout = 120);

Test(loaded_list, the_first_look_finds_something_new)
{
	cr_assert(is_changed());
	cr_assert(is_same());
	cr_assert(is_same());
}

Test(loaded_list, what_is_opened_and_closed_is_seen)
{
	static const char *const names[] = {"libanl.so.1", "libutil.so.1", "libnsl.so.1", "libthread_db.so.1"};
	u32 opened = 0;

	is_changed();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *library = dlopen(names[i], RTLD_NOW);
		if (!library)
			continue;
		opened++;
		cr_assert(is_changed(), "%s was opened", names[i]);
		cr_assert(is_same(), "nothing since %s was opened", names[i]);
		cr_assert_eq(dlclose(library), 0);
		cr_assert(is_changed(), "%s was closed", names[i]);
		cr_assert(is_same(), "nothing since %s was closed", names[i]);
	}
	cr_assert_gt(opened, 0u);
}

Test(loaded_list, after_a_second_it_is_thought_to_have_changed)
{
	is_changed();
	usleep(1100 * 1000);
	cr_assert(is_changed());
	cr_assert(is_same());
}

static atomic_bool is_held, is_over;

static int hold(struct dl_phdr_info *info, size_t size, void *nothing)
{
	is_held = true;
	while (!is_over)
		usleep(1000);
	return 1;
}

static void *hold_lock(void *nothing)
{
	dl_iterate_phdr(hold, NULL);
	return NULL;
}

/* The suite's timeout is what tells. */
Test(loaded_list, a_thread_that_has_the_linkers_lock_is_not_waited_for)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, hold_lock, NULL), 0);
	while (!is_held)
		usleep(1000);
	cr_assert(is_changed());
	cr_assert(is_same());
	is_over = true;
	pthread_join(thread, NULL);
}
