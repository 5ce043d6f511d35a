/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "process/debug_file.h"
#include "tests/unit/build_program.h"

static const char source[] = "#include <stdlib.h>\n"
			     "static __attribute__((noinline)) int inner(int x) { return x * rand(); }\n"
			     "int main(int argc, char **argv) { return inner(argc); }\n";

/*
 * The program is /opt/app/program below the directory `root`. $ID and $REST are the
 * two parts of its build id.
 */
static const char make_root[] = "mkdir -p root/opt/app; cc -O1 -g -Wl,--build-id=sha1 program.c -o whole;"
				"objcopy --only-keep-debug whole program.debug; strip whole -o root/opt/app/program;"
				"objcopy --add-gnu-debuglink=program.debug root/opt/app/program;"
				"BUILD=$(readelf -n whole | sed -n 's/.*Build ID: //p'); ID=$(echo $BUILD | cut "
				"-c1-2); REST=$(echo $BUILD | cut -c3-);"
				"put() { mkdir -p $(dirname root$1); cp program.debug root$1; }; ";

/* A process whose root is `root`; 0: we may not. */
static pid_t run_in_root(void)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	pid_t child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chroot("root") || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	bool is_ready = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return is_ready ? child : 0;
}

static struct elf_file *open_program(void)
{
	struct elf_file *file = NULL;

	cr_assert_eq(elf_file_open_fd(open("root/opt/app/program", O_RDONLY), "/opt/app/program", &file), 0);
	return file;
}

struct place {
	char script[256];
	bool found;
};

ParameterizedTestParameters(debug_file, it_is_found_where_distributions_put_it)
{
	static struct place rows[] = {
		{"true", false},
		{"put /usr/lib/debug/.build-id/$ID/$REST.debug", true},
		{"put /opt/app/program.debug", true},
		{"put /opt/app/.debug/program.debug", true},
		{"put /usr/lib/debug/opt/app/program.debug", true},
		{"put /usr/lib/debug/program.debug", false},
		{"put /elsewhere; mkdir -p root/usr/lib/debug/.build-id/$ID;"
		 "ln -s /elsewhere root/usr/lib/debug/.build-id/$ID/$REST.debug",
		 true},
		{"mkdir -p root/usr/lib/debug/.build-id/$ID;" /* out of the root */
		 "ln -s $PWD/program.debug root/usr/lib/debug/.build-id/$ID/$REST.debug",
		 false},
		{"mkdir -p root/usr/lib/debug/.build-id/$ID; mkfifo root/usr/lib/debug/.build-id/$ID/$REST.debug",
		 false},
		{"cc -O2 -g program.c -o other; objcopy --only-keep-debug other program.debug;"
		 "put /usr/lib/debug/.build-id/$ID/$REST.debug",
		 false},
		{"echo text >program.debug; put /opt/app/program.debug; cp whole program.debug; put "
		 "/opt/app/.debug/program.debug",
		 true},
	};

	return cr_make_param_array(struct place, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct place *row, debug_file, it_is_found_where_distributions_put_it, .timeout = 300)
{
	char script[2048];

	program_directory_begin();
	snprintf(script, sizeof(script), "%s %s", make_root, row->script);
	program_build("program.c", source, script);
	_cleanup_(elf_file) struct elf_file *file = open_program();
	pid_t child = run_in_root();
	int err = child ? debug_file_add(child, file) : 0;

	if (child)
		kill(child, SIGKILL);
	if (child && row->found)
		cr_assert_geq(program_check_names("whole", file), 2);
	program_directory_end();
	if (!child)
		cr_skip_test("no right to change the root");
	cr_assert_eq(err, row->found ? 0 : -ENOENT, "%s", row->script);
}

Test(debug_file, of_a_process_that_is_gone_our_own_root_has_it, .init = program_directory_begin,
     .fini = program_directory_end)
{
	struct elf_file *opened = NULL;
	char path[512];

	program_build("program.c", source, make_root);
	program_build("program.c", source, "cp program.debug root/opt/app/");
	cr_assert_not_null(getcwd(path, 256));
	strcat(path, "/root/opt/app/program");
	cr_assert_eq(elf_file_open_fd(open(path, O_RDONLY), path, &opened), 0);
	_cleanup_(elf_file) struct elf_file *file = opened;
	cr_assert_eq(debug_file_add(0, file), 0);
	cr_assert_geq(program_check_names("whole", file), 2);
}
