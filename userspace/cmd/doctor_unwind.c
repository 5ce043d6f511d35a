/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/doctor_unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cmd/cmd.h"
#include "process/debug_file.h"
#include "process/mapping_origin.h"
#include "process/process.h"
#include "unwind/unwind_table.h"

enum how { HOW_TABLE, HOW_FRAME_POINTERS, HOW_CANNOT };

static const char *const hows[] = {
	[HOW_TABLE] = "table",
	[HOW_FRAME_POINTERS] = "frame pointers",
	[HOW_CANNOT] = "cannot",
};

/* What is said of one mapping. */
struct finding {
	const struct mapping *mapping;
	const char *path; /* of the mapping, or of the file whose text it is */
	enum how how;
	const struct unwind_table *table; /* HOW_TABLE: borrowed from the view */
	const char *reason; /* else */
	const char *symbols; /* ".symtab", "" for none; NULL: there is no file to have any */
};

/* A process as it is being looked at. */
struct view {
	u32 pid;
	struct mapped_file_cache *files;
	struct process_table *processes;
	struct process *process; /* of `processes` */
	struct mapped_file *file; /* whose table this is; borrowed from its mapping, and only compared */
	struct unwind_table *table; /* NULL: it has none, see err */
	int err;
};

static void view_deinit(struct view *view)
{
	unwind_table_free(view->table);
	process_table_free(view->processes);
	mapped_file_cache_free(view->files);
}

/*
 * What cannot be looked into
 */

static bool is_kernel_thread(u32 pid)
{
	static const unsigned int pf_kthread = 0x00200000; /* include/linux/sched.h, PF_KTHREAD */
	_cleanup_(free) char *stat = NULL;
	unsigned int flags;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (file_read(path, 65536, &stat, &size))
		return false;
	const char *at = strrchr(stat, ')');
	return at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & pf_kthread);
}

/* One line, for the person. */
static void explain_no_mappings(u32 pid)
{
	_cleanup_(free) char *maps = NULL;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	int err = file_read(path, 64 << 20, &maps, &size);
	if (err == -ENOENT || err == -ESRCH)
		log_error("there is no process %u", pid);
	else if (err == -EACCES || err == -EPERM)
		log_error("may not look into process %u: run as root or with CAP_SYS_PTRACE", pid);
	else if (err)
		log_error_errno(err, "cannot read %s", path);
	else if (is_kernel_thread(pid))
		log_error("%u is a kernel thread: it has no code outside of the kernel", pid);
	else
		log_error("process %u has no memory any more: it has ended, or is about to", pid);
}

/* Why a mapped file could not be opened as what it is. */
static const char *explain_no_file(u32 pid, const struct mapping *mapping)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", pid, mapping->start, mapping->end);
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) /* opening a device may do things */
		return "no 64-bit ELF file";
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return "no 64-bit ELF file";
	if (errno == EPERM && mapping_is_nameless(mapping))
		return "file is gone; what is left of it opens with CAP_CHECKPOINT_RESTORE";
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return "out of file descriptors or memory";

	STRBUF(outside);
	strbuf_printf(&outside, "/proc/%u/root%s", pid, mapping->path);
	_cleanup_(fd) int by_path = open(outside.at, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (by_path < 0)
		return errno == EACCES || errno == EPERM ? "file may not be opened" : "file is gone";
	if (access(outside.at, R_OK))
		return "file may not be read";
	return "file is gone, or is no 64-bit ELF file";
}

static const char *explain_no_table(int err)
{
	switch (err) {
	case -E2BIG:
		return "more call frame information than a table holds";
	case -ENOMEM:
		return "out of memory";
	default:
		return "call frame information cannot be read";
	}
}

/*
 * Finding
 */

/* The table of a mapping's file. Mappings of one file mostly follow each other, so the last one is kept. */
static int view_get_table(struct view *view, struct mapped_file *file, const struct unwind_table **ret)
{
	if (view->file != file) {
		unwind_table_free(take(view->table));
		view->file = file;
		view->err = unwind_table_build(file->elf, &view->table);
	}
	*ret = view->table;
	return view->err;
}

static void find_way_through_file(struct view *view, struct finding *finding)
{
	const struct mapping *mapping = finding->mapping;
	const struct unwind_table *table;
	u64 address;

	finding->how = HOW_CANNOT;
	if (elf_file_address_of_offset(mapping->file->elf, mapping->file_offset, &address)) {
		finding->reason = "no segment of the file holds this part";
		return;
	}
	int err = view_get_table(view, mapping->file, &table);
	if (err) {
		finding->reason = explain_no_table(err);
		return;
	}
	if (table->row_cnt) {
		finding->how = HOW_TABLE;
		finding->table = table;
		return;
	}
	finding->how = table->frame_pointers ? HOW_FRAME_POINTERS : HOW_CANNOT;
	finding->reason = "no CFI";
}

static const char *find_symbols(struct view *view, struct elf_file *elf)
{
	if (elf_file_is_stripped(elf))
		debug_file_add(view->pid, elf);
	return elf_file_symbol_source(elf);
}

/* As the supplier of the kernel side decides it. */
static struct finding view_find(struct view *view, struct mapping *mapping)
{
	const struct mapped_file *file = mapped_file_get(view->files, view->pid, mapping);
	struct finding finding = {
		.mapping = mapping,
		.path = mapping_is_copy(mapping) ? mapping->origin->path : mapping->path,
	};

	if (file && file->elf) {
		find_way_through_file(view, &finding);
		finding.symbols = find_symbols(view, file->elf);
	} else if (file && !mapping_is_memory_file(mapping)) {
		finding.how = HOW_CANNOT;
		finding.reason = explain_no_file(view->pid, mapping);
	} else {
		finding.how = HOW_FRAME_POINTERS;
		finding.reason = file ? "memory file" : "anonymous memory";
	}
	return finding;
}

/*
 * Saying
 */

static double percent(u64 part, u64 whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void put_table(struct strbuf *out, const struct unwind_table *table)
{
	strbuf_printf(out, "table %s, %u rows, %u rules, %.1f %% of code covered, %.2f %% unsupported", table->source,
		      table->row_cnt, table->rule_cnt, percent(table->covered_size, table->code_size),
		      percent(table->unsupported_cnt, table->row_cnt));
	if (table->frame_pointers)
		strbuf_put(out, ", the rest by frame pointers");
}

static const char *name_symbols(const char *symbols)
{
	if (!symbols || !*symbols)
		return "none";
	return strcmp(symbols, ".dynsym") ? symbols : ".dynsym only";
}

static int print_finding(const struct finding *finding)
{
	STRBUF(line);

	strbuf_printf(&line, "%llx-%llx\t", finding->mapping->start, finding->mapping->end);
	strbuf_put_clean(&line, finding->path, strlen(finding->path));
	strbuf_put(&line, *finding->path ? "\t" : "[anonymous]\t");
	if (finding->table)
		put_table(&line, finding->table);
	else
		strbuf_printf(&line, "%s: %s", hows[finding->how], finding->reason);
	if (mapping_is_copy(finding->mapping))
		strbuf_put(&line, ", moved to other memory");
	strbuf_printf(&line, "\t%s\n", name_symbols(finding->symbols));
	if (line.failed)
		return -ENOMEM;
	return fputs(line.at, stdout) < 0 ? -EIO : 0;
}

static json_t *table_to_json(const struct unwind_table *table)
{
	return json_pack("{ss sI sI sI sI sI sI sb}", "source", table->source, "rows", (json_int_t)table->row_cnt,
			 "rules", (json_int_t)table->rule_cnt, "fdes", (json_int_t)table->fde_cnt, "unsupported_rows",
			 (json_int_t)table->unsupported_cnt, "code_bytes", (json_int_t)table->code_size,
			 "covered_bytes", (json_int_t)table->covered_size, "frame_pointers", table->frame_pointers);
}

/* Addresses are text: not every number of 64 bits is one in JSON. */
static json_t *finding_to_json(const struct finding *finding)
{
	char start[20], end[20];
	STRBUF(path);

	snprintf(start, sizeof(start), "%llx", finding->mapping->start);
	snprintf(end, sizeof(end), "%llx", finding->mapping->end);
	strbuf_put_clean(&path, finding->path, strlen(finding->path));
	return json_pack("{ss ss ss ss so ss? ss? sb}", "start", start, "end", end, "path", path.at, "how",
			 hows[finding->how], "table", finding->table ? table_to_json(finding->table) : json_null(),
			 "reason", finding->reason, "symbols",
			 finding->symbols && *finding->symbols ? finding->symbols : NULL, "moved",
			 mapping_is_copy(finding->mapping));
}

static int view_print(struct view *view)
{
	struct mapping_table *mappings = view->process->mappings;
	int err = 0;

	for (size_t i = 0; !err && i < mapping_table_cnt(mappings); i++) {
		const struct finding finding = view_find(view, mapping_table_at(mappings, i));

		err = print_finding(&finding);
	}
	return err;
}

static int view_write_json(struct view *view)
{
	struct mapping_table *mappings = view->process->mappings;
	json_t *found = json_array();
	int err = found ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < mapping_table_cnt(mappings); i++) {
		const struct finding finding = view_find(view, mapping_table_at(mappings, i));

		err = json_array_append_new(found, finding_to_json(&finding)) ? -ENOMEM : 0;
	}
	json_t *all = json_pack("{sI ss so}", "pid", (json_int_t)view->pid, "version", PYPROF_VERSION, "mappings",
				found);
	if (!all)
		return -ENOMEM;
	if (!err && (json_dumpf(all, stdout, JSON_INDENT(2)) || putchar('\n') == EOF))
		err = -EIO;
	json_decref(all);
	return err;
}

static int view_init(struct view *view, u32 pid)
{
	/* A start of 0 is compared with nothing: whoever has the pid now. */
	const struct process_id id = {.pid = pid};

	view->pid = pid;
	view->files = mapped_file_cache_new();
	if (!view->files)
		return -ENOMEM;
	int err = process_table_new(view->files, &view->processes);
	if (!err)
		err = process_table_get(view->processes, &id, "", &view->process);
	if (err)
		return err;
	process_mapping(view->process, 0);
	return view->process->mappings_read ? 0 : -ENODATA;
}

int doctor_unwind(u32 pid, bool json)
{
	__attribute__((cleanup(view_deinit))) struct view view = {0};

	int err = view_init(&view, pid);
	if (err == -ENODATA) {
		explain_no_mappings(pid);
		return EXIT_FAILED;
	}
	if (!err)
		err = json ? view_write_json(&view) : view_print(&view);
	if (err == -ENOMEM) {
		log_error("out of memory: free some");
		return EXIT_FAILED;
	}
	if (err || fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to stdout: give it a place that takes it");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
