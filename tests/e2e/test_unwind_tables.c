/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Are the unwind tables true? tools/check_unwind_tables asks libdw about each row of
 * many files; readelf is asked about what `pyprof-bpf unwind-table` prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

#define SAMPLE_FILES "200"
#define FEWEST_FILES 100 /* a bare machine has that many */
/* Shares of rows that are claimed: the goals. */
#define CLAIMED		  99.9
#define CLAIMED_LIBCRYPTO 99.8

E2E_SUITE(unwind_tables, 300);

/* The last line: sums over all files. */
struct sums {
	unsigned long long rows, compared, own, missed, wrong, files;
	double claimed; /* percent */
};

static const char *tool(void)
{
	const char *build = getenv("PYPROF_BUILD");

	return text_of("%s/tools/check_unwind_tables", build && *build ? build : "build");
}

static const char *last_line(const char *text)
{
	const char *end = strrchr(text, '\n'), *at = end;

	cr_assert_not_null(end, "nothing was said: %s", text);
	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

/* Fails when a row is wrong; shows what was said. */
static struct sums check_tables(const char *arguments)
{
	struct child *child = child_start(NULL,
					  (const char *[]){"sh", "-c", text_of("%s %s", tool(), arguments), NULL});
	struct sums sums = {0};

	child_wait(child, 250);
	cr_assert_eq(child->status, 0, "%s: status %d\n%s%s", arguments, child->status, child_out(child),
		     child_err(child));
	int got = sscanf(last_line(child_out(child)),
			 "%llu rows %lf%% claimed %llu compared %llu own %llu missed %llu wrong %llu files", &sums.rows,
			 &sums.claimed, &sums.compared, &sums.own, &sums.missed, &sums.wrong, &sums.files);
	cr_assert_eq(got, 7, "%s", child_out(child));
	cr_expect_eq(sums.wrong, 0);
	cr_expect_eq(sums.missed, 0, "%s", child_out(child));
	cr_expect_geq(sums.compared, sums.rows);
	return sums;
}

static const char *existing_directories(void)
{
	const char *roots = getenv("PYPROF_ROOTS");

	return text_of("/usr/bin /usr/lib $(ls -d %s/*/usr 2>/dev/null)",
		       roots ? roots : "/var/cache/pyprof-bpf/roots");
}

Test(unwind_tables, a_sample_of_the_machines_files_is_as_libdw_says)
{
	struct sums sums = check_tables(text_of("--all --files " SAMPLE_FILES " %s", existing_directories()));

	cr_expect_geq(sums.files, (unsigned long long)FEWEST_FILES);
	cr_expect_geq(sums.claimed, CLAIMED);
}

Test(unwind_tables, libcrypto_is_claimed_but_for_a_few_rows)
{
	struct sums sums = check_tables(
		"$(ldconfig -p | sed -n 's/.*libcrypto.so.* => //p' | grep x86_64 | head -n 1)");

	cr_expect_eq(sums.files, 1);
	cr_expect_geq(sums.claimed, CLAIMED_LIBCRYPTO);
}

Test(unwind_tables, the_vdso_is_as_libdw_says)
{
	struct place place = place_in("/");
	const char *path = in_place(&place, "vdso");
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	FILE *file = fopen(path, "w");

	cr_assert_not_null(vdso);
	cr_assert_not_null(file);
	/* Two pages everywhere; what is behind it is not read. */
	cr_assert_eq(fwrite(vdso, 4096, 2, file), 2u);
	cr_assert_eq(fclose(file), 0);
	struct sums sums = check_tables(path);
	cr_expect_eq(sums.files, 1);
	cr_expect_gt(sums.rows, 4u);
}

/*
 * What compilers and linkers make
 */

static const char c_source[] = "#include <alloca.h>\n"
			       "#include <stdio.h>\n"
			       "#include <stdlib.h>\n"
			       "#define APART __attribute__((noinline))\n"
			       "APART int deep(int n, char *at) {\n"
			       "	char here[n + 1]; here[n] = at[0]; return n ? deep(n - 1, here) : here[0];\n"
			       "}\n"
			       "APART double realigned(double d) {\n"
			       "	double v[8] __attribute__((aligned(64)));\n"
			       "	for (int i = 0; i < 8; i++) v[i] = d * i;\n"
			       "	return v[deep(3, (char *)v) & 7];\n"
			       "}\n"
			       "APART __attribute__((cold, noreturn)) void die(int n) { printf(\"%d\", n); exit(n); }\n"
			       "int main(int c, char **v) {\n"
			       "	char *big = (char *)alloca(c * 100), more[100000];\n"
			       "	more[c] = big[c] = 1;\n"
			       "	if (c > 9) die(more[c]);\n"
			       "	return realigned(c) + deep(c, more);\n"
			       "}\n";

static const char go_source[] = "package main\n"
				"import \"fmt\"\n"
				"func main() { fmt.Println(\"hello\") }\n";

#define NO_EH_FRAME "-g -fno-asynchronous-unwind-tables -fno-unwind-tables"
#define GO_BUILD    "HOME=${HOME:-$PWD} go build"

struct recipe {
	char name[24];
	char needs[16]; /* the command without which there is nothing to test */
	char command[160]; /* makes `out` of x.c, x.cc or x.go */
	bool strips; /* also without section headers, where .eh_frame_hdr still leads to .eh_frame */
};

static const struct recipe recipes[] = {
	{"usual", "cc", "cc -O2 -g x.c -o out", true},
	{"not PIE", "cc", "cc -O2 -no-pie -fno-pie x.c -o out", true},
	{"static", "cc", "cc -O2 -static x.c -o out", false},
	{"frame pointers", "cc", "cc -O1 -fno-omit-frame-pointer x.c -o out", true},
	{"large model", "cc", "cc -O2 -mcmodel=large -fPIC x.c -o out", true},
	{"close together", "cc", "cc -O2 -ffunction-sections -falign-functions=1 x.c -o out", true},
	{"CET", "cc", "cc -O2 -fcf-protection=full -Wl,-z,ibtplt,-z,lazy x.c -o out", true},
	{"debug_frame", "cc", "cc -O2 " NO_EH_FRAME " x.c -o out", false},
	{"compressed", "cc", "cc -O2 -gz=zlib " NO_EH_FRAME " x.c -o out", false},
	{"zdebug_frame", "cc", "cc -O2 -gz=zlib-gnu " NO_EH_FRAME " x.c -o out", false},
	{"exceptions", "c++", "c++ -O2 -fexceptions x.cc -o out", true},
	{"gold", "ld.gold", "cc -O2 -fuse-ld=gold x.c -o out", true},
	{"clang", "clang", "clang -O2 x.c -o out", true},
	{"lld", "ld.lld", "clang -O2 -fuse-ld=lld x.c -o out", true},
	{"musl", "musl-gcc", "musl-gcc -O2 -static x.c -o out", false},
	{"go", "go", GO_BUILD " -o out x.go", false},
	{"go, stripped", "go", GO_BUILD " -ldflags='-s -w' -o out x.go", false},
};

static void write_source(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

/* e_shoff, e_shnum and e_shstrndx become 0. */
static void strip_section_headers(const char *path)
{
	cr_assert_eq(system(text_of("dd if=/dev/zero of='%s' bs=1 seek=40 count=8 conv=notrunc status=none && "
				    "dd if=/dev/zero of='%s' bs=1 seek=60 count=4 conv=notrunc status=none",
				    path, path)),
		     0);
}

ParameterizedTestParameters(unwind_tables, what_compilers_make_is_as_libdw_says)
{
	struct recipe *copies = cr_calloc(sizeof(recipes) / sizeof(recipes[0]), sizeof(recipes[0]));

	memcpy(copies, recipes, sizeof(recipes));
	return cr_make_param_array(struct recipe, copies, sizeof(recipes) / sizeof(recipes[0]));
}

ParameterizedTest(struct recipe *recipe, unwind_tables, what_compilers_make_is_as_libdw_says)
{
	if (system(text_of("command -v %s >/dev/null", recipe->needs)))
		cr_skip_test("no %s here", recipe->needs);

	struct place place = place_in("/");
	const char *out = in_place(&place, "out");
	write_source(in_place(&place, "x.c"), c_source);
	write_source(in_place(&place, "x.cc"), c_source);
	write_source(in_place(&place, "x.go"), go_source);
	cr_assert_eq(system(text_of("cd '%s' && %s", place.outside, recipe->command)), 0, "%s", recipe->name);

	struct sums sums = check_tables(out);
	cr_expect_eq(sums.files, 1);
	cr_expect_geq(sums.claimed, 99.0, "%s: %f", recipe->name, sums.claimed);
	if (!recipe->strips)
		return;
	strip_section_headers(out);
	struct sums stripped = check_tables(out);
	cr_expect_eq(stripped.rows, sums.rows, "%s: %llu rows, without section headers %llu", recipe->name, sums.rows,
		     stripped.rows);
}

/*
 * What is printed
 */

/* A row in readelf's notation. */
struct row {
	u64 start;
	char cfa[32], rbp[16], ra[16];
};

/* The columns of the last head line that are of use: `LOC CFA rbx rbp ra`. */
struct columns {
	int rbp, ra;
};

static void read_head(const char *line, struct columns *ret)
{
	char word[32];
	int at = 0, used;

	*ret = (struct columns){-1, -1};
	for (; sscanf(line, "%31s%n", word, &used) == 1; line += used, at++) {
		if (!strcmp(word, "rbp"))
			ret->rbp = at;
		if (!strcmp(word, "ra"))
			ret->ra = at;
	}
}

static void read_row(const char *line, const struct columns *columns, struct row *ret)
{
	char word[32];
	int at = 0, used;

	*ret = (struct row){.rbp = "u"};
	for (; sscanf(line, "%31s%n", word, &used) == 1; line += used, at++) {
		if (!at)
			ret->start = strtoull(word, NULL, 16);
		else if (at == 1)
			snprintf(ret->cfa, sizeof(ret->cfa), "%s", word);
		else if (at == columns->rbp)
			snprintf(ret->rbp, sizeof(ret->rbp), "%.15s", word);
		else if (at == columns->ra)
			snprintf(ret->ra, sizeof(ret->ra), "%.15s", word);
	}
}

/* Moves to the line behind. */
static const char *line_next(const char **at, char *line, size_t size)
{
	const char *end = strchr(*at, '\n');

	if (!end)
		return NULL;
	snprintf(line, size, "%.*s", (int)(end - *at), *at);
	*at = end + 1;
	return line;
}

#define MAX_ROWS 20000

struct rows {
	struct row at[MAX_ROWS];
	size_t cnt;
};

static void read_ours(const char *printed, struct rows *ret)
{
	static const struct columns columns = {.rbp = 2, .ra = 3};
	char line[200];

	while (line_next(&printed, line, sizeof(line))) {
		cr_assert_lt(ret->cnt, (size_t)MAX_ROWS);
		read_row(line, &columns, &ret->at[ret->cnt++]);
		cr_assert(ret->cnt < 2 || ret->at[ret->cnt - 1].start > ret->at[ret->cnt - 2].start, "%s", line);
	}
}

static const struct row *row_find(const struct rows *rows, u64 address)
{
	static const struct row none;
	size_t i = rows->cnt;

	while (i && rows->at[i - 1].start > address)
		i--;
	return i ? &rows->at[i - 1] : &none;
}

/* The next row of readelf's that says register + offset, with a return address. */
static bool next_plain_row(const char **at, struct columns *columns, struct row *ret)
{
	char line[400];

	while (line_next(at, line, sizeof(line))) {
		if (strstr(line, "LOC "))
			read_head(line, columns);
		if (strspn(line, "0123456789abcdef") != 16)
			continue;
		read_row(line, columns, ret);
		/* A CIE's own row has no address; lines of CIEs and FDEs have no CFA. */
		if (ret->start && strchr(ret->cfa, '+') && !strcmp(ret->ra, "c-8"))
			return true;
	}
	return false;
}

Test(unwind_tables, what_is_printed_is_what_readelf_prints)
{
	const char *file = text_of("/proc/%d/exe", getpid());
	struct child *ours = child_start(NULL, (const char *[]){profiler_path(), "unwind-table", file, NULL});
	struct child *theirs = child_start(
		NULL, (const char *[]){"readelf", "--wide", "--debug-dump=frames-interp", file, NULL});
	static struct rows rows;
	struct columns columns = {0};
	size_t compared = 0;
	struct row row;

	cr_assert_eq(child_wait(ours, 20), 0, "%s", child_err(ours));
	cr_assert_eq(child_wait(theirs, 20), 0);
	cr_expect_not_null(strstr(child_err(ours), "rules"), "%s", child_err(ours));
	read_ours(child_out(ours), &rows);
	for (const char *at = child_out(theirs); next_plain_row(&at, &columns, &row); compared++) {
		const struct row *our = row_find(&rows, row.start);

		cr_expect(!strcmp(our->cfa, row.cfa) && !strcmp(our->rbp, row.rbp) && !strcmp(our->ra, row.ra),
			  "%llx: readelf says %s %s %s, we %s %s %s", row.start, row.cfa, row.rbp, row.ra, our->cfa,
			  our->rbp, our->ra);
	}
	cr_expect_gt(compared, 100u);
}

Test(unwind_tables, one_address_gives_one_row)
{
	const char *library = text_of("/proc/%d/exe", getpid());
	struct child *one = child_start(
		NULL, (const char *[]){profiler_path(), "unwind-table", "--at", "0xfffffffff0", library, NULL});

	cr_expect_eq(child_wait(one, 20), 0);
	cr_expect_not_null(strstr(child_out(one), " none u u\n"), "%s", child_out(one));
}

Test(unwind_tables, what_is_no_program_is_refused_in_one_line)
{
	static const char *const paths[] = {"/etc/passwd", "/", "/dev/null", "/no/such/file"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct child *child = child_start(NULL,
						  (const char *[]){profiler_path(), "unwind-table", paths[i], NULL});

		cr_expect_eq(child_wait(child, 20), 1, "%s", paths[i]);
		cr_expect_str_empty(child_out(child));
		expect_null_problem(check_error_line(child_err(child)), "%s", paths[i]);
	}
}
