/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <locale.h>
#include <string.h>

#include "base/strbuf.h"
#include "tui/cells.h"
#include "tui/screen.h"
#include "tui/table.h"

/* Two seconds of two CPUs at 100 Hz. */
static struct table table;

static void row(enum frame_kind kind, u64 self, u64 total, const char *function, const char *place, const char *process)
{
	table.rows[table.cnt++] = (struct table_row){
		.kind = kind,
		.self = self,
		.total = total,
		.function = strdup(function),
		.place = strdup(place),
		.process = strdup(process),
	};
	table.samples += self;
}

static void process(u64 samples, const char *name, const char *function, const char *place)
{
	table.processes[table.process_cnt++] = (struct table_process){
		.samples = samples,
		.process = strdup(name),
		.function = strdup(function),
		.place = strdup(place),
	};
}

static void idle(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	table.whole_host = true;
	table.seconds = 2;
	table.hz = 100;
	table.cpus = 2;
}

static void busy(void)
{
	idle();
	row(FRAME_PYTHON, 186, 186, "parse", "/srv/app/app.py:17", "python3 (1234)");
	row(FRAME_NATIVE, 100, 100, "deflate_slow", "libz.so.1", "nginx (88)");
	row(FRAME_KERNEL, 62, 62, "copy_user", "kernel", "postgres (777)");
	row(FRAME_PYTHON, 0, 186, "main", "/srv/app/app.py:3", "python3 (1234)");
	process(186, "python3 (1234)", "parse", "app.py:17");
	process(100, "nginx (88)", "deflate_slow", "libz.so.1");
	process(62, "postgres (777)", "copy_user", "kernel");
}

static void clear(void)
{
	table_clear(&table);
}

TestSuite(table, .init = busy, .fini = clear);
TestSuite(table_idle, .init = idle, .fini = clear);

static void assert_sentence(int columns, const char *expected)
{
	STRBUF(text);

	table_put_sentence(&table, columns, &text);
	cr_assert_str_eq(text.at, expected);
}

/* The nth line of the table at this size, which the caller frees. */
static char *line_of(int columns, int lines, int n)
{
	struct table_shape shape = {.columns = columns, .lines = lines};
	STRBUF(text);

	table_put(&table, &shape, &text);
	char *line = text.at;
	while (n-- && line)
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
	return line ? strndup(line, strcspn(line, "\n")) : NULL;
}

/* Blanks at the end do not count. */
static void assert_line(int columns, int lines, int n, const char *expected)
{
	char *line = line_of(columns, lines, n);

	cr_assert_not_null(line);
	size_t size = strlen(line);
	while (size && line[size - 1] == ' ')
		line[--size] = 0;
	cr_assert_str_eq(line, expected);
	free(line);
}

Test(table, the_first_line_says_who_uses_how_much)
{
	assert_sentence(200, "2 CPUs, 87 % busy: python3 (1234) uses 93 % of one CPU, mostly in parse (app.py:17); "
			     "then nginx (88) 50 %, postgres (777) 31 %");
	assert_sentence(90, "2 CPUs, 87 % busy: python3 (1234) uses 93 % of one CPU, mostly in parse (app.py:17)");
	assert_sentence(80, "87 % busy: python3 (1234) uses 93 % of one CPU, mostly in parse (app.py:17)");
	assert_sentence(50, "87 % busy: python3 (1234) 93 %, parse (app.py:17)");
	assert_sentence(40, "87 % busy: python3 (1234) 93 %, parse");
	assert_sentence(30, "python3 (1234) 93 %, parse");
	assert_sentence(11, "pytho…parse");
}

Test(table, of_chosen_processes_it_does_not_say_what_the_host_does)
{
	table.whole_host = false;
	assert_sentence(90, "python3 (1234) uses 93 % of one CPU, mostly in parse (app.py:17); then nginx (88) 50 %");
}

Test(table, more_than_one_cpu_is_a_number_of_cpus)
{
	table.seconds = 1;
	assert_sentence(80, "2 CPUs, 100 % busy: python3 (1234) uses 1.9 CPUs, mostly in parse (app.py:17)");
}

Test(table, on_a_machine_with_one_cpu_it_is_the_cpu)
{
	table.cpus = 1;
	assert_sentence(97, "1 CPU, 100 % busy: python3 (1234) uses 93 % of the CPU, mostly in parse (app.py:17)");
}

Test(table, a_function_without_a_name_is_not_named)
{
	*table.processes[0].function = 0;
	assert_sentence(60, "2 CPUs, 87 % busy: python3 (1234) uses 93 % of one CPU");
}

Test(table_idle, nothing_to_show_is_said_and_drawn)
{
	assert_sentence(80, "2 CPUs, idle: nothing has used a CPU so far");
	table.whole_host = false;
	assert_sentence(80, "idle: none of these processes has used a CPU so far");
	assert_line(80, 6, 5, "q quit  p pause  s sort (by self %)");
}

Test(table, a_wide_window_has_all_columns)
{
	assert_line(100, 10, 2, "self %▼   total %  function          file:line                 process");
	assert_line(100, 10, 3, "   53.4      53.4  parse             /srv/app/app.py:17        python3 (1234)");
	assert_line(100, 10, 6, "    0.0      53.4  main              /srv/app/app.py:3         python3 (1234)");
}

Test(table, a_narrow_window_keeps_self_function_and_process)
{
	assert_line(40, 5, 2, "self %▼  function          process");
	assert_line(40, 5, 3, "   53.4  parse             python…(1234)");
}

Test(table, no_size_makes_a_line_too_wide_or_a_line_too_many)
{
	for (int columns = 1; columns <= 300; columns += columns < 80 ? 1 : 13) {
		for (int lines = 1; lines <= 12; lines++) {
			for (int n = 0; n < lines; n++) {
				char *line = line_of(columns, lines, n);
				cr_assert_not_null(line, "%dx%d has no line %d", columns, lines, n);
				cr_assert_leq(cells_width(line), columns, "%dx%d: '%s'", columns, lines, line);
				free(line);
			}
			cr_assert_null(line_of(columns, lines, lines));
		}
	}
}

Test(table, sorts_and_marks_the_column)
{
	table_sort(&table, HOT_SORT_FUNCTION);
	cr_assert_str_eq(table.rows[0].function, "copy_user");
	cr_assert_str_eq(table.rows[3].function, "parse");
	table_sort(&table, HOT_SORT_TOTAL);
	cr_assert_str_eq(table.rows[0].function, "parse");
	cr_assert_str_eq(table.rows[1].function, "main");
	table_sort(&table, HOT_SORT_PROCESS);
	cr_assert_str_eq(table.rows[0].process, "nginx (88)");
	assert_line(60, 10, 2, " self %   total %  function          process▼");
}

Test(table, paused_says_so_and_how_to_go_on)
{
	table.paused = true;
	assert_line(60, 8, 7, "PAUSED  q quit  p go on  s sort (by self %)");
}

Test(table, colours_only_where_asked)
{
	struct table_shape shape = {.columns = 80, .lines = 8};
	STRBUF(none);
	STRBUF(mono);
	STRBUF(colour);

	table_put(&table, &shape, &none);
	shape.palette = PALETTE_MONO;
	table_put(&table, &shape, &mono);
	shape.palette = PALETTE_COLOUR;
	table_put(&table, &shape, &colour);
	cr_assert_null(strchr(none.at, '\033'));
	cr_assert_not_null(strstr(mono.at, "\033[7m"));
	cr_assert_null(strstr(mono.at, "\033[33m"));
	cr_assert_not_null(strstr(colour.at, "\033[33m"));
}

Test(palette, follows_term_and_no_color)
{
	cr_assert_eq(palette_of("xterm-256color", NULL), PALETTE_COLOUR);
	cr_assert_eq(palette_of("xterm", ""), PALETTE_COLOUR);
	cr_assert_eq(palette_of("xterm", "1"), PALETTE_MONO);
	cr_assert_eq(palette_of("dumb", NULL), PALETTE_NONE);
	cr_assert_eq(palette_of(NULL, NULL), PALETTE_NONE);
}

static void assert_cells(const char *text, int width, enum elide elide, const char *expected)
{
	STRBUF(b);

	int used = cells_put(&b, text, width, elide);
	cr_assert_str_eq(b.at, expected);
	cr_assert_eq(used, cells_width(b.at));
	cr_assert_leq(used, width);
}

TestSuite(cells, .init = idle);

Test(cells, what_fits_stays_whole)
{
	assert_cells("parse", 5, ELIDE_MIDDLE, "parse");
	assert_cells("", 5, ELIDE_MIDDLE, "");
}

Test(cells, what_is_too_long_loses_its_middle)
{
	assert_cells("abcdefghij", 7, ELIDE_MIDDLE, "abc…hij");
	assert_cells("abcdefghij", 1, ELIDE_MIDDLE, "…");
	assert_cells("abcdefghij", 0, ELIDE_MIDDLE, "");
	assert_cells("/usr/lib/python3/app.py:17", 13, ELIDE_PATH, "/usr…pp.py:17");
}

Test(cells, wide_characters_take_two_cells_and_are_never_halved)
{
	cr_assert_eq(cells_width("日本語"), 6);
	assert_cells("日本語", 5, ELIDE_MIDDLE, "日…語");
	assert_cells("日本語", 4, ELIDE_MIDDLE, "日…");
}

Test(cells, combining_characters_stay_with_their_letter)
{
	cr_assert_eq(cells_width("e\xcc\x81"), 1);
	assert_cells("ae\xcc\x81xye\xcc\x81z", 5, ELIDE_MIDDLE, "ae\xcc\x81…e\xcc\x81z");
}

Test(cells, bytes_that_a_terminal_must_not_get_become_question_marks)
{
	assert_cells("a\033[31mb", 20, ELIDE_MIDDLE, "a?[31mb");
	assert_cells("a\xff\xc3", 20, ELIDE_MIDDLE, "a??");
	assert_cells("\xc2\x9b", 20, ELIDE_MIDDLE, "?");
}

Test(cells, a_bar_shows_eighths)
{
	STRBUF(b);

	cells_put_bar(&b, 0.5, 4);
	cr_assert_str_eq(b.at, "██  ");
	strbuf_clear(&b);
	cells_put_bar(&b, 1.0 / 32, 4);
	cr_assert_str_eq(b.at, "▏   ");
	strbuf_clear(&b);
	cells_put_bar(&b, 7, 4);
	cr_assert_str_eq(b.at, "████");
}
