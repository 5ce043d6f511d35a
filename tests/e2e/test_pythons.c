/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which CPythons the other tests run on. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

E2E_SUITE(pythons, 120);

Test(pythons, those_of_debian_are_here)
{
	static const struct {
		int major, minor;
	} needed[] = {{2, 7}, {3, 9}, {3, 11}, {3, 13}, {3, 14}, {3, 15}};
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS);

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		bool here = false;
		for (size_t j = 0; j < cnt; j++)
			here |= found[j].major == needed[i].major && found[j].minor == needed[i].minor;
		cr_expect(here, "no CPython %d.%d: run tools/get_pythons.sh", needed[i].major, needed[i].minor);
	}
}

ParameterizedTestParameters(pythons, each_is_what_its_name_says)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pythons, each_is_what_its_name_says)
{
	struct start how = {.root = python->root};
	const char *program = "import sys; sys.stdout.write(sys.version)";
	struct child *child = child_start(&how, (const char *[]){python->path, "-c", program, NULL});

	cr_assert_eq(child_wait(child, 20), 0, "%s: %s", python->name, child_err(child));
	const char *expected = text_of("%d.%d.", python->major, python->minor);
	cr_assert_eq(strncmp(child_out(child), expected, strlen(expected)), 0, "%s says %s", python->name,
		     child_out(child));
}

#define HZ 499

ParameterizedTestParameters(pythons, one_under_another_name_that_was_deleted_is_recognised)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pythons, one_under_another_name_that_was_deleted_is_recognised)
{
	struct place place = place_in(python->root);
	struct python renamed = *python;
	struct start how = {.root = python->root};

	snprintf(renamed.path, sizeof(renamed.path), "%s/service", place.inside);
	cr_assert_eq(child_wait(child_start(&how, (const char *[]){"/bin/cp", python->path, renamed.path, NULL}), 20),
		     0);
	struct child *workload = python_start(&renamed, &place, "torn.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 30);
	cr_assert_eq(unlink(in_place(&place, "service")), 0);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 2, false);
	cr_assert_gt(profile.folded.samples, FEW);
	cr_expect_eq(stats_number(profile.stats, "python", "complete"), profile.folded.samples, "%s", python->name);
	cr_expect_gt(folded_count(&profile.folded, "hot_a (*"), 0, "%s", python->name);
}

/* Says in its _Py_DebugOffsets, which nobody but others reads, that it is 3.99. */
static void make_newer(const struct python *python, const char *path)
{
	static const char cookie[] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;

	cr_assert(fd >= 0 && !fstat(fd, &status));
	size_t size = (size_t)status.st_size;
	u8 *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert(bytes != MAP_FAILED);
	u64 version = (u64)3 << 24 | 99 << 16, was, changed = 0;
	for (u8 *at = bytes; (at = memmem(at, size - (size_t)(at - bytes), cookie, sizeof(cookie)));) {
		at += sizeof(cookie);
		if (size - (size_t)(at - bytes) < sizeof(was))
			break;
		memcpy(&was, at, sizeof(was));
		if (was >> 16 != (u64)(python->major << 8 | python->minor))
			continue;
		memcpy(at, &version, sizeof(version));
		changed++;
	}
	cr_assert_eq(changed, 1, "%llu times _Py_DebugOffsets", (unsigned long long)changed);
	munmap(bytes, size);
	close(fd);
}

Test(pythons, one_that_is_too_new_is_counted_under_a_reason_of_its_own)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct start how = {.root = python.root};
	const char *newer = text_of("%s/newer", place.inside);

	cr_assert_eq(child_wait(child_start(&how, (const char *[]){"/bin/cp", python.path, newer, NULL}), 20), 0);
	make_newer(&python, in_place(&place, "newer"));
	struct child *workload = child_start(
		&how, (const char *[]){newer, "-c", "print('ready', flush=True)\nwhile True: pass", NULL});
	child_ready(workload, 20);
	struct profile profile = profile_pid(&place, workload->pid, HZ, 1, false);

	cr_assert_gt(profile.folded.samples, FEW);
	cr_expect_eq(folded_count(&profile.folded, "[unknown: python-version]"), profile.folded.samples);
	cr_expect_eq(stats_number(profile.stats, "python", "samples"), profile.folded.samples);
	cr_expect_eq(stats_number(profile.stats, "python", "complete"), 0);
}
