/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Folded text and pprof, read back: what we write ourselves, what others write, and what nobody should. */
#include "format/reader.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "format/format.h"
#include "format/gzip.h"

static const struct view all = {.lines = true, .pids = true, .threads = true};

static const char ours[] = "idle (30) 1\n"
			   "python3 (10);main (10);<module> (a.py:1);f (a.py:3);deflate (libz.so.1);vfs_read_[k] 4\n"
			   "python3 (10);pool (12);f (a.py:3);[unknown: code-gone] 2\n"
			   "python3 (10);pool (12);main (libc.so.6);[unmerged];g (b.py:?) 3\n"
			   "sshd (20);sshd (20);0x1000 (sshd) 5\n";

typedef int (*write_fn)(const struct profile *, const struct truth *, const struct view *, FILE *);

static char *written(write_fn write, const struct profile *profile, const struct truth *truth, struct view view,
		     size_t *ret_size)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_size);

	cr_assert_eq(write(profile, truth, &view, out), 0);
	fclose(out);
	return bytes;
}

static void read_all(const void *bytes, size_t size, struct read_profile *ret)
{
	STRBUF(why);
	int err = profile_read(bytes, size, ret, &why);

	cr_assert_eq(err, 0, "%s: %s", strerror(-err), why.at);
}

static void expect_folded(const struct read_profile *read, const char *expected)
{
	size_t size;
	char *text = written(folded_write, read->profile, &read->truth, read->view, &size);

	cr_expect_str_eq(text, expected);
	free(text);
}

#define READ(name, bytes, size)                                                       \
	__attribute__((cleanup(read_profile_deinit))) struct read_profile name = {0}; \
	read_all(bytes, size, &name)

static void expect_read_as(const char *folded, const char *expected)
{
	READ(read, folded, strlen(folded));
	expect_folded(&read, expected);
}

static void expect_refused(const void *bytes, size_t size, const char *phrase)
{
	__attribute__((cleanup(read_profile_deinit))) struct read_profile read = {0};
	STRBUF(why);

	cr_assert_eq(profile_read(bytes, size, &read, &why), -EBADMSG, "%s", phrase);
	cr_assert(strstr(why.at, phrase), "it says '%s', not '%s'", why.at, phrase);
}

/* ---- folded ---- */

Test(folded_read, our_own_comes_back_as_it_was)
{
	expect_read_as(ours, ours);
	expect_read_as("", "");
	expect_read_as("python3;f (a.py) 1\npython3;g (liba.so) 2\n", "python3;f (a.py) 1\npython3;g (liba.so) 2\n");
}

Test(folded_read, names_with_parentheses_are_cut_at_the_last_pair)
{
	READ(read, "a (1);f (x (copy).py:3);g(int (*)(int)) (lib.so) 1\n", 51);
	const struct frame *f = frame_table_get(read.tables.frames, 0), *g = frame_table_get(read.tables.frames, 1);

	cr_assert_str_eq(string_table_at(read.tables.strings, f->function), "f");
	cr_assert_str_eq(string_table_at(read.tables.strings, f->file), "x (copy).py");
	cr_assert(f->kind == FRAME_PYTHON && f->line == 3);
	cr_assert_str_eq(string_table_at(read.tables.strings, g->function), "g(int (*)(int))");
	cr_assert_str_eq(string_table_at(read.tables.strings, g->file), "lib.so");
	cr_assert_eq(g->kind, FRAME_NATIVE);
}

Test(folded_read, frames_are_of_the_kind_that_they_read_like)
{
	READ(read, "a (1);read_[k];[truncated: native-fault];[greenlet];[unknown: nonsense] 7\n", 74);
	static const u8 kinds[] = {FRAME_KERNEL, FRAME_LOSS, FRAME_MARK, FRAME_NATIVE};

	for (u32 i = 0; i < 4; i++)
		cr_assert_eq(frame_table_get(read.tables.frames, i)->kind, kinds[i], "%u", i);
	cr_assert_eq(read.truth.incomplete[LOSS_NATIVE_FAULT], 7);
	cr_assert_eq(read.truth.samples, 7);
}

Test(folded_read, what_others_write_is_read_too)
{
	/* perf's, with the process alone; py-spy's, with a function first; and a file from another system. */
	expect_read_as("swapper;cpu_idle_[k];native_halt_[k] 5\r\n\r\n", "swapper;cpu_idle_[k];native_halt_[k] 5\n");
	expect_read_as("<module> (app.py:1);f (app.py:2) 3\n", "?;<module> (app.py:1);f (app.py:2) 3\n");
	expect_read_as("main;std::vector<int, std::allocator<int> >::push_back 2",
		       "main;std::vector<int, std::allocator<int> >::push_back 2\n");
}

Test(folded_read, windows_of_a_stream_are_one_profile)
{
	const char *stream = "# window 2026-11-22T00:07:24.123Z 10.000 99 3 2\na (1);f (x.py:1) 3\n"
			     "# window 2026-11-22T00:07:34.123Z 2.500 99 1 0\na (1);f (x.py:1) 1\n";
	READ(read, stream, strlen(stream));

	expect_folded(&read, "a (1);f (x.py:1) 4\n");
	cr_assert_float_eq(read.truth.seconds, 12.5, 1e-9);
	cr_assert_eq(read.truth.hz, 99);
	cr_assert_eq(read.lost, 2);
}

Test(folded_read, a_frequency_that_cannot_be_is_not_believed)
{
	const char *stream = "# window 2026-11-22T00:07:24.123Z nan 4294967295 3 0\na (1);f (x.py:1) 3\n";
	READ(read, stream, strlen(stream));

	cr_assert_eq(read.truth.hz, 0);
	cr_assert_eq(read.truth.seconds, 0);
}

Test(folded_read, a_process_called_as_comments_begin_is_none)
{
	const char *text = "# a comment 5\n# (1);f (x.py:1) 3\n";
	READ(read, text, strlen(text));

	expect_folded(&read, "# (1);f (x.py:1) 3\n");
}

Test(folded_read, stacks_without_samples_are_counted_and_left_out)
{
	READ(read, "a (1);f 0\na (1);g 1\n", 20);

	cr_assert_eq(read.skipped, 1);
	expect_folded(&read, "a (1);g 1\n");
}

Test(folded_read, a_wrong_line_is_named)
{
	expect_refused("a;b 1\na;b\n", 10, "line 2 does not end in a number");
	expect_refused("a;b 1.5\n", 8, "line 1 ");
	expect_refused("a;b -1\n", 7, "line 1 ");
	expect_refused("a;b 99999999999999999999\n", 25, "line 1 ");
}

Test(folded_read, a_stack_without_end_is_refused)
{
	size_t size = 40000;
	char *text = malloc(size);

	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, "a;", 2);
	memcpy(text + size - 3, "a 1", 3);
	expect_refused(text, size, "deeper than any stack");
	free(text);
}

Test(folded_read, hostile_names_become_harmless_ones)
{
	expect_read_as("a\x1b[2J (1);\xff\xfe (x.py:1);\x01 1\n", "a?[2J (1);\xef\xbf\xbd\xef\xbf\xbd (x.py:1);? 1\n");
}

/* ---- pprof: ours ---- */

static void expect_round_trip(const char *folded)
{
	READ(first, folded, strlen(folded));
	size_t size;
	char *bytes = written(pprof_write, first.profile, &first.truth, first.view, &size);
	READ(second, bytes, size);

	expect_folded(&second, folded);
	free(bytes);
}

Test(pprof_read, our_own_comes_back_as_it_was)
{
	expect_round_trip(ours);
	expect_round_trip("python3;f (a.py) 1\npython3;g (liba.so) 2\n");
	expect_round_trip("a (1);0x10 (liba.so) 1\na (1);0x10 (libb.so) 1\n");
	expect_round_trip("");
}

Test(pprof_read, the_truth_comes_back_too)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1);[unknown: code-gone] 3\n");
	size_t size;

	built.truth.hz = 99;
	built.truth.cpus = 4;
	built.truth.seconds = 2.5;
	built.truth.start_realtime_ns = 1795306044123000000;
	built.truth.lost[LOSS_RING_FULL] = 7;
	char *bytes = written(pprof_write, built.profile, &built.truth, all, &size);
	READ(read, bytes, size);
	cr_assert(read.truth.hz == 99 && read.truth.cpus == 4 && read.truth.samples == 3);
	cr_assert_float_eq(read.truth.seconds, 2.5, 1e-9);
	cr_assert_eq(read.truth.start_realtime_ns, 1795306044123000000);
	cr_assert_eq(read.truth.lost[LOSS_RING_FULL], 7);
	cr_assert_eq(read.truth.incomplete[LOSS_CODE_GONE], 3);
	cr_assert_not(read.truth.losses_unknown);
	free(bytes);
}

Test(pprof_read, labels_come_back)
{
	BUILT_PROFILE(built, "a (1);@w (2);f (x.py:1) 3\n");
	struct label_set set = {0};
	struct origin origin = *profile_origin_at(built.profile, 0);
	size_t size;
	u32 id;

	cr_assert_eq(string_table_intern(built.tables.strings, "web", &set.values[LABEL_CONTAINER_NAME]), 0);
	cr_assert_eq(string_table_intern(built.tables.strings, "/usr/bin/a", &origin.exe), 0);
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
	profile_clear(built.profile);
	cr_assert_eq(profile_add(built.profile, id, STACK_ROOT, 5), 0);
	char *bytes = written(pprof_write, built.profile, &built.truth, all, &size);
	READ(read, bytes, size);
	struct label_value values[LABEL_CNT];
	size_t cnt = origin_labels(&read.tables, profile_origin_at(read.profile, 0), &read.view, values);

	cr_assert_eq(cnt, 6);
	cr_assert(values[0].label == LABEL_CONTAINER_NAME && !strcmp(values[0].text, "web"));
	cr_assert(values[2].label == LABEL_EXE && !strcmp(values[2].text, "/usr/bin/a"));
	cr_assert(values[5].label == LABEL_TID && values[5].number == 2);
	free(bytes);
}

/* One process that became another by exec, or two with --no-pid: what they were started as tells them apart. */
Test(pprof_read, command_lines_of_one_name_stay_apart)
{
	static const char *const lines[] = {"serve --role=alpha", "serve --role=beta"};
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");
	struct origin origin = *profile_origin_at(built.profile, 0);
	size_t size;

	profile_clear(built.profile);
	for (u32 i = 0; i < 2; i++) {
		u32 id;

		cr_assert_eq(string_table_intern(built.tables.strings, lines[i], &origin.command_line), 0);
		cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
		cr_assert_eq(profile_add(built.profile, id, STACK_ROOT, 5 + i), 0);
	}
	char *bytes = written(pprof_write, built.profile, &built.truth, all, &size);
	READ(read, bytes, size);

	cr_assert_eq(profile_cnt(read.profile), 2);
	for (u32 i = 0; i < 2; i++) {
		const struct profile_entry *entry = profile_at(read.profile, i);
		const struct origin *of = profile_origin_at(read.profile, entry->origin);

		cr_assert_str_eq(string_table_at(read.tables.strings, of->command_line), lines[entry->samples - 5]);
	}
	free(bytes);
}

/* ---- pprof: of others, made by hand ---- */

struct bytes {
	u8 at[4096];
	size_t size;
};

static void put_varint(struct bytes *b, u64 value)
{
	for (; value >= 0x80; value >>= 7)
		b->at[b->size++] = value | 0x80;
	b->at[b->size++] = value;
}

static void put_number(struct bytes *b, u32 field, u64 value)
{
	put_varint(b, field << 3);
	put_varint(b, value);
}

static void put_piece(struct bytes *b, u32 field, const void *at, size_t size)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, size);
	memcpy(b->at + b->size, at, size);
	b->size += size;
}

/* A message of numbers: field, value, ..., 0. */
static void put_message(struct bytes *b, u32 field, ...)
{
	struct bytes piece = {.size = 0};
	va_list args;
	u32 member;

	va_start(args, field);
	while ((member = va_arg(args, u32)))
		put_number(&piece, member, va_arg(args, u64));
	va_end(args);
	put_piece(b, field, piece.at, piece.size);
}

static void put_strings(struct bytes *b, const char *const *strings)
{
	for (; *strings; strings++)
		put_piece(b, 6, *strings, strlen(*strings));
}

/* One type, samples of two locations, the inner one with an inlined function. */
static struct bytes foreign(u64 type, u64 unit, u64 period, u64 value)
{
	static const char *const strings[] = {
		"",	     "samples", "count",   "cpu",	  "nanoseconds", "/usr/bin/app",
		"main.main", "run",	"inlined", "/src/app.go", NULL};
	struct bytes b = {.size = 0}, location = {.size = 0};

	put_message(&b, 1, 1, type, 2, unit, 0);
	put_message(&b, 11, 1, 3ull, 2, 4ull, 0);
	put_number(&b, 12, period);
	put_message(&b, 2, 1, 77ull, 1, 99ull, 2, value, 0);
	put_message(&b, 3, 1, 5ull, 2, 0x400000ull, 3, 0x500000ull, 5, 5ull, 0);
	put_message(&b, 5, 1, 1ull, 2, 6ull, 4, 9ull, 0);
	put_message(&b, 5, 1, 2ull, 2, 7ull, 4, 9ull, 0);
	put_message(&b, 5, 1, 3ull, 2, 8ull, 4, 9ull, 0);
	put_number(&location, 1, 77);
	put_number(&location, 2, 5);
	put_number(&location, 3, 0x401000);
	put_message(&location, 4, 1, 3ull, 2, 30ull, 0);
	put_message(&location, 4, 1, 2ull, 2, 20ull, 0);
	put_piece(&b, 4, location.at, location.size);
	location.size = 0;
	put_number(&location, 1, 99);
	put_number(&location, 2, 5);
	put_number(&location, 3, 0x402000);
	put_message(&location, 4, 1, 1ull, 2, 10ull, 0);
	put_piece(&b, 4, location.at, location.size);
	put_strings(&b, strings);
	return b;
}

Test(pprof_read, inlined_functions_are_frames_and_the_program_names_the_process)
{
	struct bytes b = foreign(1, 2, 10000000, 7);
	READ(read, b.at, b.size);

	expect_folded(&read, "app;main.main (app);run (app);inlined (app) 7\n");
	cr_assert_eq(read.truth.hz, 100);
	cr_assert_eq(frame_table_get(read.tables.frames, 0)->address, 0x1000);
}

Test(pprof_read, the_path_and_the_build_id_of_others_are_kept)
{
	static const char *const strings[] = {"",	  "samples", "count",  "/usr/lib/libz.so.1",
					      "0123abcd", "f",	     "zlib.c", NULL};
	struct bytes b = {.size = 0}, location = {.size = 0};

	put_message(&b, 1, 1, 1ull, 2, 2ull, 0);
	put_message(&b, 2, 1, 7ull, 2, 4ull, 0);
	put_message(&b, 3, 1, 5ull, 5, 3ull, 6, 4ull, 0);
	put_message(&b, 5, 1, 1ull, 2, 5ull, 4, 6ull, 0);
	put_number(&location, 1, 7);
	put_number(&location, 2, 5);
	put_number(&location, 3, 0x1000);
	put_message(&location, 4, 1, 1ull, 0);
	put_piece(&b, 4, location.at, location.size);
	put_strings(&b, strings);
	READ(read, b.at, b.size);

	expect_folded(&read, "libz.so.1;f (libz.so.1) 4\n");
	const struct frame *frame = frame_table_get(read.tables.frames, 0);
	const struct file_row *row = file_table_at(read.tables.files, frame->file_id);
	cr_expect_str_eq(string_table_at(read.tables.strings, row->path), "/usr/lib/libz.so.1");
	cr_expect_str_eq(string_table_at(read.tables.strings, row->build_id), "0123abcd");
}

Test(pprof_read, cpu_time_alone_is_counted_by_its_period)
{
	struct bytes b = foreign(3, 4, 10000000, 69999999);
	READ(read, b.at, b.size);

	expect_folded(&read, "app;main.main (app);run (app);inlined (app) 7\n");
}

Test(pprof_read, other_values_are_taken_as_they_are)
{
	struct bytes b = foreign(6, 2, 0, 5);
	READ(read, b.at, b.size);

	cr_assert_eq(read.truth.samples, 5);
	cr_assert_eq(read.truth.hz, 0);
}

Test(pprof_read, differences_are_refused)
{
	struct bytes b = foreign(1, 2, 0, (u64)-3);

	expect_refused(b.at, b.size, "negative");
}

Test(pprof_read, strings_that_are_not_there_are_empty_ones)
{
	struct bytes b = foreign(1, 2, 0, 1);

	put_message(&b, 5, 1, 4ull, 2, 5000ull, 4, (u64)-1, 0);
	put_message(&b, 2, 1, 99ull, 2, 1ull, 0);
	READ(read, b.at, b.size);
	cr_assert_eq(read.truth.samples, 2);
}

Test(pprof_read, what_refers_to_nothing_is_refused)
{
	struct bytes b = foreign(1, 2, 0, 1), c = b, d = b, e = b;

	put_message(&b, 2, 1, 1234ull, 2, 1ull, 0);
	expect_refused(b.at, b.size, "a location that is not there");
	put_message(&c, 2, 1, 99ull, 2, 1ull, 2, 1ull, 0);
	expect_refused(c.at, c.size, "one value for each type");
	put_message(&d, 4, 1, 99ull, 0);
	expect_refused(d.at, d.size, "the same id");
	put_piece(&e, 4, "\x08\x09\x22\x02\x08\x63", 6);
	expect_refused(e.at, e.size, "a function that is not there");
}

Test(pprof_read, samples_deeper_than_any_stack_are_refused)
{
	struct bytes b = foreign(1, 2, 0, 1), sample = {.size = 0};
	struct {
		u8 at[40000];
	} *deep = malloc(sizeof(*deep));

	/* A packed list of locations of two frames each, in two pieces. */
	memset(sample.at, 77, 3000);
	sample.size = 3000;
	size_t size = 0;
	u8 head[] = {1 << 3 | 2, (3000 & 0x7f) | 0x80, 3000 >> 7};
	for (int i = 0; i < 2; i++, size += sizeof(head) + sample.size) {
		memcpy(deep->at + size, head, sizeof(head));
		memcpy(deep->at + size + sizeof(head), sample.at, sample.size);
	}
	memcpy(deep->at + size, "\x10\x01", 2);
	size += 2;
	u8 *whole = malloc(b.size + size + 8);
	memcpy(whole, b.at, b.size);
	u8 key[] = {2 << 3 | 2, (size & 0x7f) | 0x80, size >> 7};
	memcpy(whole + b.size, key, sizeof(key));
	memcpy(whole + b.size + sizeof(key), deep->at, size);
	expect_refused(whole, b.size + sizeof(key) + size, "deeper than any stack");
	free(deep);
	free(whole);
}

Test(pprof_read, a_cut_file_is_refused_wherever_it_is_cut)
{
	struct bytes b = foreign(1, 2, 0, 1);
	int refused = 0;

	for (size_t size = 1; size < b.size; size++) {
		__attribute__((cleanup(read_profile_deinit))) struct read_profile read = {0};
		STRBUF(why);

		/* Between two fields a shorter message is one, too; nothing crashes. */
		refused += profile_read(b.at, size, &read, &why) != 0;
	}
	cr_assert_gt(refused, (int)b.size * 3 / 4);
}

/* ---- gzip ---- */

static char *packed(const void *bytes, size_t size, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);
	struct gzip_writer *writer;

	cr_assert_eq(gzip_writer_new(out, GZIP_SMALL, &writer), 0);
	cr_assert_eq(gzip_writer_put(writer, bytes, size), 0);
	cr_assert_eq(gzip_writer_finish(writer), 0);
	gzip_writer_free(writer);
	fclose(out);
	return text;
}

Test(gzip, what_is_packed_comes_back)
{
	size_t size = 300000, packed_size, back_size;
	u8 *bytes = malloc(size);
	void *back;

	for (size_t i = 0; i < size; i++)
		bytes[i] = i * i >> 3;
	char *text = packed(bytes, size, &packed_size);
	cr_assert(gzip_is(text, packed_size));
	cr_assert_eq(gzip_unpack(text, packed_size, size, &back, &back_size), 0);
	cr_assert_eq(back_size, size);
	cr_assert(!memcmp(back, bytes, size));
	free(back);
	free(text);
	free(bytes);
}

Test(gzip, a_bomb_is_refused)
{
	size_t size = 64 << 20, packed_size, back_size;
	void *zeros = calloc(1, size), *back;
	char *text = packed(zeros, size, &packed_size);

	cr_assert_lt(packed_size, 100000);
	cr_assert_eq(gzip_unpack(text, packed_size, 1 << 20, &back, &back_size), -EFBIG);
	cr_assert_eq(gzip_unpack(text, packed_size, size - 1, &back, &back_size), -EFBIG);
	free(text);
	free(zeros);
}

Test(gzip, a_cut_or_changed_file_is_refused)
{
	size_t packed_size, back_size;
	char *text = packed("hello hello hello", 17, &packed_size);
	void *back;

	for (size_t size = 2; size < packed_size; size++)
		cr_assert_eq(gzip_unpack(text, size, 1000, &back, &back_size), -EBADMSG, "%zu", size);
	text[packed_size - 1] ^= 1;
	cr_assert_eq(gzip_unpack(text, packed_size, 1000, &back, &back_size), -EBADMSG);
	free(text);
}
