/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doctor.c - the command that says what this kernel and these rights allow, and how to get what is missing. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "capture/probe.h"
#include "capture/rights.h"
#include "cmd/cmd.h"
#include "cmd/doctor_unwind.h"
#include "container/hierarchies.h"
#include "profiler.h"

static const char help[] = "Usage: pyprof-bpf doctor [--json] [--unwind PID]\n"
			   "Tries what `pyprof-bpf --all` needs, without sampling, and says what is missing\n"
			   "and how to get it. One line a check: ok, warn or fail, a tab, the check's name, a\n"
			   "tab, what was found. `warn` means that profiles are poorer, `fail` that --all\n"
			   "cannot run.\n"
			   "\n"
			   "With --unwind: how the native code of one process is unwound, and why not. One\n"
			   "line for each range of its code, tabs between: addresses, file, how, where its\n"
			   "symbols are.\n"
			   "\n"
			   "      --json               the same as one JSON object\n"
			   "      --unwind PID         look at this process instead\n"
			   "  -h, --help               this text\n"
			   "\n"
			   "Exit status: 0 --all can run, 1 it cannot, 2 wrong command line; with --unwind: 0\n"
			   "it was said, 1 the process cannot be looked into.\n";

static const char *const words[] = {[PROBE_OK] = "ok", [PROBE_WARN] = "warn", [PROBE_FAIL] = "fail"};

/* Where findings go, one at a time: some checks take a moment. */
struct report {
	json_t *checks; /* NULL: lines on stdout */
	bool failed;
};

static void report_add(struct report *report, enum probe_result result, const char *name, const char *detail)
{
	if (result == PROBE_FAIL)
		report->failed = true;
	if (report->checks) {
		json_array_append_new(report->checks,
				      json_pack("{ss ss ss}", "result", words[result], "name", name, "detail", detail));
		return;
	}
	printf("%s\t%s\t%s\n", words[result], name, detail);
	fflush(stdout);
}

/* What no list of parts can promise: the real programs, loaded and attached, but no sample taken. */
static void check_whole(struct report *report)
{
	struct profiler_options options = {.all = true, .kernel_stacks = true, .frequency_hz = 1};
	_cleanup_(profiler) struct profiler *profiler = NULL;
	const char *step = "out of memory";
	STRBUF(detail);

	if (report->failed) {
		report_add(report, PROBE_FAIL, "all", "not tried, see what fails above");
		return;
	}
	int err = profiler_new(&options, &profiler, &step);
	if (!err) {
		report_add(report, PROBE_OK, "all", "the profiler's own programs load and attach: --all can run");
		return;
	}
	strbuf_printf(&detail, "%s: ", step);
	probe_explain(err, &detail);
	report_add(report, PROBE_FAIL, "all", detail.at);
}

static void check_rights(struct report *report)
{
	for (const struct right *r = rights; r->name; r++) {
		STRBUF(detail);

		bool held = right_held(r);
		strbuf_printf(&detail, "%s, %s", held ? "held" : "missing", r->purpose);
		report_add(report, held ? PROBE_OK : r->required ? PROBE_FAIL : PROBE_WARN, r->name, detail.at);
	}
}

/* Whether samples can tell containers apart, and where the names of those come from. */
static void check_containers(struct report *report)
{
	static const char *const v1_words[CGROUP_V1_CNT] = {
		[CGROUP_V1_PIDS] = "pids", [CGROUP_V1_MEMORY] = "memory", [CGROUP_V1_CPU] = "cpu"};
	struct hierarchies h;
	STRBUF(detail);

	int err = hierarchies_open(&h);
	if (err) {
		strbuf_printf(&detail, "the mounts of cgroups cannot be read (%s): all that runs is the host's",
			      strerror(-err));
		report_add(report, PROBE_WARN, "containers", detail.at);
		return;
	}
	bool has_v2 = h.v2.fd >= 0, is_told = h.v1_kind || has_v2;
	if (is_told)
		strbuf_printf(&detail, "told apart by cgroups%s%s%s%s; their names are in files below %s",
			      h.v1_kind ? " v1 (" : "", h.v1_kind ? v1_words[h.v1_kind] : "", h.v1_kind ? ")" : "",
			      has_v2 ? h.v1_kind ? " and v2" : " v2" : "", h.root);
	else
		strbuf_put(&detail, "no cgroups are mounted here, so all that runs is the host's: in a container, use "
				    "--cgroupns host and mount /sys/fs/cgroup");
	report_add(report, is_told ? PROBE_OK : PROBE_WARN, "containers", detail.at);
	hierarchies_close(&h);
}

static void check(struct report *report)
{
	check_rights(report);
	for (const struct probe *p = probes; p->name; p++) {
		STRBUF(detail);

		enum probe_result result = p->run(&detail);
		report_add(report, result, p->name, detail.at);
	}
	check_containers(report);
	check_whole(report);
}

static int write_json(const struct report *report)
{
	json_t *all = json_pack("{sb ss sO}", "ok", !report->failed, "version", PYPROF_VERSION, "checks",
				report->checks);

	int err = all && !json_dumpf(all, stdout, JSON_INDENT(2)) && putchar('\n') != EOF ? 0 : -EIO;
	json_decref(all);
	return err;
}

struct doctor_options {
	bool json;
	u32 unwind_pid; /* 0: not asked */
};

static bool read_pid(const char *text, u32 *ret)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long pid = strtoul(text, &end, 10);
	if (errno || *end || !pid || pid > INT_MAX)
		return false;
	*ret = pid;
	return true;
}

/* false: the answer was given, leave with *ret_status. */
static bool read_options(int argc, char **argv, struct doctor_options *ret, int *ret_status)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			ret->json = true;
		} else if (!strcmp(argv[i], "--unwind") || !strncmp(argv[i], "--unwind=", 9)) {
			const char *text = argv[i][8] ? argv[i] + 9 : argv[++i];

			if (!read_pid(text, &ret->unwind_pid)) {
				log_error("--unwind takes one process id, not '%s'", text ? text : "");
				*ret_status = EXIT_USAGE;
				return false;
			}
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			*ret_status = fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
			return false;
		} else {
			log_error("doctor takes --json, --unwind PID or --help, not '%s'", argv[i]);
			*ret_status = EXIT_USAGE;
			return false;
		}
	}
	return true;
}

int doctor_main(int argc, char **argv)
{
	struct report report = {0};
	struct doctor_options options = {0};
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	if (options.unwind_pid)
		return doctor_unwind(options.unwind_pid, options.json);
	if (options.json)
		report.checks = json_array();
	if (options.json && !report.checks) {
		log_error("out of memory: free some");
		return EXIT_FAILED;
	}

	check(&report);
	int err = options.json ? write_json(&report) : 0;
	json_decref(report.checks);
	if (err || fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to stdout: give it a place that takes it");
		return EXIT_FAILED;
	}
	return report.failed ? EXIT_FAILED : EXIT_OK;
}
