/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/option_table.h"
#include "profile/losses.h"

#define HELP_TEXT_COLUMN 27
#define HELP_COLUMNS	 80

/* Words in the text column, which begins at HELP_TEXT_COLUMN; at: where the cursor is now. */
static void help_put_wrapped(struct strbuf *b, size_t at, const char *text)
{
	while (*text) {
		size_t size = strcspn(text, " ");
		bool first = at < HELP_TEXT_COLUMN;

		if (first || at + 1 + size > HELP_COLUMNS) {
			if (!first)
				strbuf_put_char(b, '\n');
			strbuf_printf(b, "%*s", HELP_TEXT_COLUMN - (first ? (int)at : 0), "");
			at = HELP_TEXT_COLUMN;
		} else {
			strbuf_put_char(b, ' ');
			at++;
		}
		strbuf_put_size(b, text, size);
		at += size;
		text += size + (text[size] == ' ');
	}
	strbuf_put_char(b, '\n');
}

static void help_put_option(struct strbuf *b, const struct option_row *row)
{
	STRBUF(left);
	STRBUF(text);

	if (row->letter)
		strbuf_printf(&left, "  -%c, --%s", row->letter, row->name);
	else
		strbuf_printf(&left, "      --%s", row->name);
	if (row->value)
		strbuf_printf(&left, " %s", row->value);

	if (row->help) {
		strbuf_put(&text, row->help);
	} else {
		option_formats_put(&text, false);
		strbuf_put(&text, ", whatever the suffix");
	}
	strbuf_put(b, left.at);
	if (left.size + 1 < HELP_TEXT_COLUMN) {
		help_put_wrapped(b, left.size, text.at);
	} else {
		strbuf_put_char(b, '\n');
		help_put_wrapped(b, 0, text.at);
	}
}

static void help_put_options(struct strbuf *b)
{
	for (size_t i = 0; i < option_row_cnt; i++) {
		if (option_row_is_option(&option_rows[i]))
			help_put_option(b, &option_rows[i]);
		else
			strbuf_printf(b, "%s%s\n", option_rows[i].help[0] == ' ' ? "" : "\n", option_rows[i].help);
	}
}

static void help_put_commands(struct strbuf *b)
{
	strbuf_put(b, "\nCommands:\n");
	for (const struct command *c = commands; c->name; c++) {
		strbuf_printf(b, "  %s", c->name);
		help_put_wrapped(b, 2 + strlen(c->name), c->summary);
	}
}

static const char help_examples[] = "Who is burning CPU on this host?\n"
				    "    pyprof-bpf --all\n"
				    "A flame graph of ten seconds of the whole host, or of two processes:\n"
				    "    pyprof-bpf --all -d 10 -o host.svg\n"
				    "    pyprof-bpf -p 1234,1240 -d 30 -o app.svg\n"
				    "A program from its first instruction to its last, with all that it starts:\n"
				    "    pyprof-bpf -o app.svg -- python3 app.py --its args\n"
				    "One line per stack, for other tools:\n"
				    "    pyprof-bpf -p 1234 -d 30 -F 499 -o app.folded\n"
				    "    pyprof-bpf --all -d 5 -o - | grep psycopg2\n"
				    "For hours, a window a minute:\n"
				    "    pyprof-bpf --all --window 60 >> profile.log\n"
				    "It does not work here?\n"
				    "    pyprof-bpf doctor\n";

static const char help_where[] = "\nWithout -o, --all and -p show the hottest functions on a terminal (keys: q quit,\n"
				 "p pause, s sort) and otherwise write a folded window at a time to stdout. A COMMAND\n"
				 "keeps the terminal; its flame graph is pyprof-bpf-PID.svg.\n"
				 "\nExit status: 0 a profile was written, 1 it could not be, 2 wrong command line;\n"
				 "with a COMMAND its own, 128+N for signal N, 126 not executable, 127 not found.\n";

void record_options_put_help(const char *program, struct strbuf *b)
{
	bool overview = strcmp(program, "record");

	strbuf_printf(b, "Usage: pyprof-bpf %s [OPTION...] (--all | -p PID,... | -- COMMAND ARGS...)\n",
		      overview ? "[record]" : "record");
	if (overview)
		strbuf_put(b, "       pyprof-bpf dump [OPTION...] (-p PID | --all)\n"
			      "       pyprof-bpf convert [OPTION...] FROM TO\n"
			      "       pyprof-bpf pyflame [OPTION...] (-p PID | -t COMMAND ARGS...)\n"
			      "       pyprof-bpf doctor [--json] [--unwind PID]\n");
	strbuf_put(b, "Shows which Python, native and kernel code uses the CPUs; programs need no change.\n\n");
	strbuf_put(b, help_examples);
	if (overview)
		help_put_commands(b);
	help_put_options(b);
	strbuf_put(b, help_where);
}

void record_options_put_losses(struct strbuf *b)
{
	for (int i = 0; i < LOSS_CNT; i++)
		strbuf_printf(b, "%s\t%s\n", loss_reason(i), loss_sentence(i));
}
