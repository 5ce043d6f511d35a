/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* containers.c - the command that lists what runs on this host by container and unit, and what CPU time each takes. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "base/visible.h"
#include "capture/rights.h"
#include "cmd/cmd.h"
#include "cmd/containers_list.h"
#include "cmd/options.h"
#include "profile/partition.h"

#define LOOK_NS_DEFAULT 1000000000ull

static const char help[] = "Usage: pyprof-bpf containers [-d SECONDS] [--json]\n"
			   "Lists the containers and the units of systemd that run on this host, the busiest\n"
			   "first, and what CPU time each takes while one looks. What runs in neither is the\n"
			   "row `host`. 100 % is one CPU; all rows together are what the machine does.\n"
			   "\n"
			   "  -d, --duration SECONDS   look for so long (default: 1)\n"
			   "      --json               a list of objects, with whole ids\n"
			   "  -h, --help               this text\n"
			   "\n"
			   "--container takes the names and ids of containers that stand here, --cgroup the\n"
			   "path of a unit (--json). `--per container` shows both by these names.\n"
			   "Exit status: 0 listed, 1 it cannot be, 2 wrong command line.\n";

struct containers_options {
	u64 look_ns;
	bool json;
};

/* false: leave with *ret_status. */
static bool read_options(int argc, char **argv, struct containers_options *ret, int *ret_status)
{
	static const struct option longs[] = {{"duration", required_argument, NULL, 'd'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int key;

	*ret_status = EXIT_USAGE;
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while ((key = getopt_long(argc, argv, ":hd:", longs, NULL)) != -1) {
		switch (key) {
		case 'd':
			if (seconds_parse(optarg, &ret->look_ns) || !ret->look_ns) {
				log_error("-d takes seconds, as in 1 or 0.5, not '%s'", optarg);
				return false;
			}
			break;
		case 'j':
			ret->json = true;
			break;
		case 'h':
			*ret_status = fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
			return false;
		case ':':
			log_error("%s needs a value, see pyprof-bpf containers --help", argv[optind - 1]);
			return false;
		default:
			log_error("there is no option '%s', see pyprof-bpf containers --help", argv[optind - 1]);
			return false;
		}
	}
	if (optind < argc) {
		log_error("containers takes no '%s': it lists all there are", argv[optind]);
		return false;
	}
	return true;
}

/* The first that there is, as label_set_name() has it. */
static const char *row_name(const struct container_row *row)
{
	static const enum label names[] = {LABEL_CONTAINER_NAME, LABEL_K8S_CONTAINER, LABEL_K8S_POD, LABEL_CONTAINER_ID,
					   LABEL_SYSTEMD_UNIT};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = row->place->values[names[i]];

		if (value && *value)
			return value;
	}
	return row->place->key == PLACE_HOST ? PLACE_NAME_HOST : row->place->cgroup;
}

/* --- JSON --------------------------------------------------------------- */

/* Valid UTF-8; null: there is none. */
static json_t *json_text(const char *text)
{
	STRBUF(b);

	if (!text || !*text)
		return json_null();
	strbuf_put_clean(&b, text, strlen(text));
	return json_stringn(b.at, b.size);
}

static json_t *row_json(const struct container_row *row)
{
	char *const *values = row->place->values;

	return json_pack("{so so so so so so so so sI sI sf}", "id", json_text(values[LABEL_CONTAINER_ID]), "name",
			 json_text(row_name(row)), "runtime", json_text(values[LABEL_RUNTIME]), "image",
			 json_text(values[LABEL_IMAGE]), "pod", json_text(values[LABEL_K8S_POD]), "namespace",
			 json_text(values[LABEL_K8S_NAMESPACE]), "unit", json_text(values[LABEL_SYSTEMD_UNIT]),
			 "cgroup", json_text(row->place->cgroup), "processes", (json_int_t)row->process_cnt,
			 "python_processes", (json_int_t)row->python_cnt, "cpu_percent", row->cpu_percent);
}

static int list_write_json(const struct containers_list *list)
{
	json_t *all = json_array();
	int err = 0;

	for (size_t i = 0; i < list->cnt && !err; i++)
		err = json_array_append_new(all, row_json(&list->rows[i])) ? -ENOMEM : 0;
	if (!err && (json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) || putchar('\n') == EOF))
		err = -EIO;
	json_decref(all);
	return err;
}

/* --- a table ------------------------------------------------------------ */

#define CELL_MAX 40 /* characters of a cell; of a longer one the beginning is shown */
#define ID_SHOWN 12 /* bytes of an id, as the runtimes' own lists have it */
#define ID_WHOLE 16 /* of what is no longer than this, such as a user's number, all is shown */

static void pod_put(const struct container_row *row, struct strbuf *b)
{
	const char *name = row->place->values[LABEL_K8S_POD], *namespace = row->place->values[LABEL_K8S_NAMESPACE];

	if (name)
		strbuf_printf(b, "%s%s%s", namespace ? namespace : "", namespace ? "/" : "", name);
}

static void name_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_put(b, row_name(row));
}

static void runtime_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_put(b, row->place->values[LABEL_RUNTIME] ?: "");
}

static void id_put(const struct container_row *row, struct strbuf *b)
{
	const char *at = row->place->values[LABEL_CONTAINER_ID] ?: "";

	/* OUTER/INNER: of each the beginning. */
	while (*at) {
		size_t size = strcspn(at, "/");

		strbuf_put_size(b, at, size > ID_WHOLE ? ID_SHOWN : size);
		at += size;
		if (*at)
			strbuf_put_char(b, *at++);
	}
}

static void image_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_put(b, row->place->values[LABEL_IMAGE] ?: "");
}

static void processes_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_printf(b, "%u", row->process_cnt);
}

static void python_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_printf(b, "%u", row->python_cnt);
}

static void cpu_put(const struct container_row *row, struct strbuf *b)
{
	strbuf_printf(b, "%.1f", row->cpu_percent);
}

static const struct column {
	const char *title;
	void (*put)(const struct container_row *row, struct strbuf *b);
	bool is_number; /* at its right end */
} columns[] = {
	{"NAME", name_put, false},    {"RUNTIME", runtime_put, false}, {"ID", id_put, false},
	{"IMAGE", image_put, false},  {"POD", pod_put, false},	       {"PROCS", processes_put, true},
	{"PYTHON", python_put, true}, {"CPU%", cpu_put, true},
};
#define COLUMN_CNT (sizeof(columns) / sizeof(*columns))

/* Puts at most CELL_MAX characters of it, as a person may see them; returns how many. */
static size_t cell_put(const char *text, struct strbuf *b)
{
	size_t cnt = 0, size, left;
	STRBUF(clean);
	STRBUF(shown);
	u32 point;

	strbuf_put_clean(&clean, text, strlen(text));
	visible_put(&shown, clean.size ? clean.at : "-");
	left = shown.size;
	for (const char *at = shown.at; left && (size = char_take(at, left, &point)); at += size, left -= size) {
		if (++cnt == CELL_MAX && left > size) {
			strbuf_put(b, "~");
			break;
		}
		strbuf_put_size(b, at, size);
	}
	return cnt;
}

/* row: NULL for the titles. */
static size_t column_put(const struct column *column, const struct container_row *row, struct strbuf *b)
{
	STRBUF(text);

	if (row)
		column->put(row, &text);
	else
		strbuf_put(&text, column->title);
	return cell_put(text.at, b);
}

static void line_put(const struct container_row *row, const size_t widths[COLUMN_CNT], struct strbuf *b)
{
	for (size_t i = 0; i < COLUMN_CNT; i++) {
		bool is_last = i + 1 == COLUMN_CNT;
		STRBUF(cell);
		int blanks = (int)(widths[i] - column_put(&columns[i], row, &cell));

		strbuf_printf(b, "%*s%s%*s%s", columns[i].is_number ? blanks : 0, "", cell.at,
			      columns[i].is_number ? 0 : blanks, "", is_last ? "\n" : "  ");
	}
}

static int list_write_table(const struct containers_list *list)
{
	size_t widths[COLUMN_CNT] = {0};
	STRBUF(b);

	for (size_t row = 0; row <= list->cnt; row++)
		for (size_t i = 0; i < COLUMN_CNT; i++) {
			STRBUF(cell);
			size_t width = column_put(&columns[i], row ? &list->rows[row - 1] : NULL, &cell);

			if (width > widths[i])
				widths[i] = width;
		}
	line_put(NULL, widths, &b);
	for (size_t i = 0; i < list->cnt; i++)
		line_put(&list->rows[i], widths, &b);
	if (b.failed)
		return -ENOMEM;
	return fwrite(b.at, 1, b.size, stdout) == b.size ? 0 : -EIO;
}

/* ------------------------------------------------------------------------ */

/* With it a few stay hidden that the kernel protects from everyone: no rights help. */
static bool lacks_ptrace(void)
{
	for (const struct right *right = rights; right->name; right++)
		if (right->capability == CAP_SYS_PTRACE)
			return !right_held(right);
	return false;
}

int containers_main(int argc, char **argv)
{
	struct containers_options options = {.look_ns = LOOK_NS_DEFAULT};
	struct containers_list list;
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	int err = containers_list_take(options.look_ns, &list);
	if (err) {
		log_error_errno(err, "cannot tell what runs here");
		return EXIT_FAILED;
	}
	if (list.hidden_cnt && lacks_ptrace())
		log_warning(
			"processes that may not be looked into: %u. Whether they run Python is not known: run as root, "
			"or with CAP_SYS_PTRACE",
			list.hidden_cnt);
	err = options.json ? list_write_json(&list) : list_write_table(&list);
	containers_list_deinit(&list);
	if (!err && (fflush(stdout) || ferror(stdout)))
		err = -EIO;
	if (err)
		log_error_errno(err, "cannot write the list");
	return err ? EXIT_FAILED : EXIT_OK;
}
