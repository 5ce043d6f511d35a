/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "native_names.h"
#include "tests/unit/build_program.h"

static struct mapped_file_cache *files;
static struct process_table *processes;
static struct process *self;
static struct native_names *names;

static void set_up(void)
{
	struct process_id id = {.pid = getpid()};

	program_directory_begin();
	cr_assert_not_null(files = mapped_file_cache_new_without_descriptors());
	cr_assert_eq(process_table_new(files, &processes), 0);
	cr_assert_eq(process_table_get(processes, &id, "test", &self), 0);
	cr_assert_eq(native_names_new(processes, self, &names), 0);
}

static void tear_down(void)
{
	native_names_free(names);
	process_table_free(processes);
	mapped_file_cache_free(files);
	program_directory_end();
}

TestSuite(native_names, .init = set_up, .fini = tear_down);

static struct native_name name_at(const void *pc)
{
	struct native_name name;

	cr_assert_eq(native_names_find(names, (u64)pc, &name), 0, "%p", pc);
	return name;
}

static void *load(const char *file)
{
	char path[512];

	cr_assert_not_null(getcwd(path, 256));
	snprintf(path + strlen(path), 256, "/%s", file);
	void *library = dlopen(path, RTLD_NOW);
	cr_assert_not_null(library, "%s", dlerror());
	return library;
}

/* The vaddr that nm says, and where that is in this process: `where` is exported, and loaded where its vaddr says. */
static char *place_of(const char *whole, void *library, const char *name, unsigned long long *ret_address)
{
	static struct program_lines lines;
	char command[256], found[256];
	unsigned long long address, wanted = 0, exported = 0;

	snprintf(command, sizeof(command), "nm %s", whole);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx %*c %255s", &address, found) != 2)
			continue;
		wanted = strcmp(found, name) ? wanted : address;
		exported = strcmp(found, "outer") ? exported : address;
	}
	cr_assert(wanted && exported, "%s", name);
	*ret_address = wanted;
	return (char *)dlsym(library, "outer") + wanted - exported;
}

static const char source[] = "int puts(const char *);\n"
			     "static __attribute__((noinline)) int inner(int x) { return puts(\"\") + x; }\n"
			     "int outer(int x) { return inner(x) + 1; }\n";

Test(native_names, an_exported_function_is_what_the_dynamic_linker_says)
{
	static const char *const exported[] = {"malloc", "getppid", "qsort", "pthread_create", "dlopen"};

	for (size_t i = 0; i < sizeof(exported) / sizeof(exported[0]); i++) {
		const char *pc = dlsym(RTLD_DEFAULT, exported[i]);
		struct native_name name = name_at(pc + 1), again = name_at(pc + 1);
		Dl_info info;

		cr_assert(dladdr(pc, &info));
		_cleanup_(free) char *path = realpath(info.dli_fname, NULL);
		cr_assert_not_null(path);
		/* Aliases: the better of several names. */
		cr_expect_eq(name.start, (u64)pc, "%s", exported[i]);
		cr_expect_eq(dlsym(RTLD_DEFAULT, name.function), pc, "%s is no name of %s", name.function, exported[i]);
		cr_expect_str_eq(name.file, strrchr(path, '/') + 1);
		cr_expect_eq(again.function, name.function);
	}
}

Test(native_names, a_local_function_is_named_by_its_file)
{
	unsigned long long address;

	program_build("lib.c", source, "cc -O1 -shared -fPIC lib.c -o lib.so");
	const char *inner = place_of("lib.so", load("lib.so"), "inner", &address);
	cr_assert_str_eq(name_at(inner + 4).function, "inner");
	cr_assert_eq(name_at(inner + 4).start, (u64)inner);
}

Test(native_names, a_function_that_no_symbol_names_is_called_after_its_start)
{
	unsigned long long address;
	char expected[32];

	program_build("lib.c", source,
		      "cc -O1 -shared -fPIC -Wl,--build-id=sha1 lib.c -o whole.so; strip whole.so -o lib.so");
	const char *inner = place_of("whole.so", load("lib.so"), "inner", &address);
	snprintf(expected, sizeof(expected), "0x%llx", address);
	for (int i = 0; i < 8; i++) {
		struct native_name name = name_at(inner + i);

		cr_expect_str_eq(name.function, expected);
		cr_expect_eq(name.start, (u64)inner);
		cr_expect_str_eq(name.file, "lib.so");
	}
}

Test(native_names, what_compilers_and_linkers_append_is_left_out)
{
	unsigned long long address;

	program_build("lib.c", source,
		      "cc -O1 -shared -fPIC lib.c -o plain.so;"
		      "objcopy --redefine-sym inner=inner.constprop.0.cold plain.so lib.so");
	const char *inner = place_of("plain.so", load("lib.so"), "inner", &address);
	cr_assert_str_eq(name_at(inner).function, "inner");
}

/* Its first instruction, as objdump names it. */
static u64 stub_of(const char *file, const char *name)
{
	static struct program_lines lines;
	char command[256], found[256];
	unsigned long long address, ret = 0;

	snprintf(command, sizeof(command), "objdump -d %s", file);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx <%255[^>]>:", &address, found) == 2 && !strcmp(found, name))
			ret = address;
	}
	cr_assert_neq(ret, 0);
	return ret;
}

/* Upstream's names are words of letters, digits and underscores. */
Test(native_names, a_stub_is_named_by_what_it_leads_to)
{
	unsigned long long outer;

	program_build("lib.c", source, "cc -O1 -shared -fPIC -fcf-protection=none lib.c -o lib.so");
	const char *outer_at = place_of("lib.so", load("lib.so"), "outer", &outer);
	const char *stub = outer_at - outer + stub_of("lib.so", "puts@plt");
	cr_assert_str_eq(name_at(stub).function, "puts");
	cr_assert_str_eq(name_at(stub).file, "lib.so");
	cr_assert_eq(name_at(stub + 6).start, (u64)stub);
}

Test(native_names, memory_without_a_file_has_no_name_but_from_a_perf_map)
{
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct native_name name;
	char path[64];

	cr_assert_neq(code, MAP_FAILED);
	cr_assert_eq(native_names_find(names, (u64)code, &name), -ENOENT);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	_cleanup_(stream) FILE *out = fopen(path, "w");
	cr_assert_not_null(out);
	fprintf(out, "%llx 40 py::f:/x.py\n", (unsigned long long)code);
	fflush(out);
	usleep(1100 * 1000); /* looked at once a second */
	cr_expect_eq(native_names_find(names, (u64)code + 8, &name), 0);
	cr_expect_str_eq(name.function, "py::f:/x.py");
	unlink(path);
}

Test(native_names, an_address_in_nothing_has_no_name)
{
	struct native_name name;

	cr_assert_eq(native_names_find(names, 16, &name), -ENOENT);
	cr_assert_eq(native_names_find(names, UINT64_MAX, &name), -ENOENT);
}

Test(native_names, the_vdso_is_named)
{
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);

	if (!vdso)
		cr_skip_test("no vDSO here");
	cr_assert_str_eq(name_at(vdso + 0x100).file, "[vdso]");
}

/* What was named before is named the same after, however much there was between. */
Test(native_names, names_are_kept_up_to_a_bound)
{
	const char *malloc_at = dlsym(RTLD_DEFAULT, "malloc");
	char before[64];

	snprintf(before, sizeof(before), "%s", name_at(malloc_at).function);
	size_t used = mallinfo2().uordblks;
	for (int i = 0; i < 200000; i++)
		name_at(malloc_at - 100000 + i);
	cr_expect_lt(mallinfo2().uordblks - used, 10 << 20);
	cr_expect_str_eq(name_at(malloc_at).function, before);
}

/* Other programs' time does not count. */
static u64 cpu_ns(void)
{
	struct timespec time;

	cr_assert_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

Test(native_names, a_name_that_is_known_takes_no_time)
{
	enum { CNT = 100000 };
	const char *malloc_at = dlsym(RTLD_DEFAULT, "malloc");

	name_at(malloc_at);
	u64 begin_ns = cpu_ns();
	for (int i = 0; i < CNT; i++) {
		struct native_name name;

		native_names_find(names, (u64)malloc_at, &name);
	}
	u64 each_ns = (cpu_ns() - begin_ns) / CNT;
	cr_log_info("%llu ns", (unsigned long long)each_ns);
	cr_expect_lt(each_ns, 5000, "%llu ns", (unsigned long long)each_ns);
}
