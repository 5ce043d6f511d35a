/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profiler.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "assemble/assembler.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/remote_memory.h"
#include "capture/capture.h"
#include "container/place.h"
#include "locator.h"
#include "process/process.h"
#include "python/python_file.h"
#include "registrar.h"
#include "selector.h"
#include "supplier.h"
#include "symbolize/symbolizer.h"
#include "unwind/fallback.h"
#include "unwind/stack_inbox.h"

#define TURN_MS	       100 /* the pace of a quiet host: one wakeup for many samples */
#define LEARN_SLICE_NS (10 * NS_PER_MS) /* looking at the processes that were there must not delay samples */
#define BUILD_SLICE_NS (20 * NS_PER_MS) /* nor must unwind tables that are made */
#define BUILD_FIRST_NS (200 * NS_PER_MS)
#define TICK_NS	       NS_PER_S
#define CPUS_NS	       (10 * NS_PER_S) /* CPUs come and go seldom, and to ask costs 0.1 ms */
#define EXITED_KEEP_NS (2 * NS_PER_S) /* their samples may still be in a ring */
/* What a run without end may keep from one window to the next: some 50 MiB at the very most. */
#define FRAMES_KEPT	  (128u << 10)
#define STACKS_KEPT	  (512u << 10)
#define STRING_BYTES_KEPT (8u << 20)
#define ORIGINS_KEPT	  (128u << 10) /* every process that ever was */
#define LABELS_KEPT	  (16u << 10) /* every container */
#define FILES_KEPT	  (16u << 10) /* every build of a library */

struct profiler {
	struct profiler_options options;
	struct capture *capture;
	struct mapped_file_cache *files;
	struct process_table *processes;
	struct supplier *supplier;
	struct registrar *registrar;
	struct place_table *places;
	struct locator *locator;
	struct selector *selector;
	struct profile_tables tables;
	struct symbolizer *symbolizer;
	struct assembler *assembler;
	struct profile *profile;
	struct stack_inbox *inbox;
	struct fallback *fallback;
	u64 unwound_words[MAX_NATIVE_FRAMES]; /* of the sample under way */
	struct unwound unwound; /* in these */

	u64 exec_ns; /* the latest exec: its program is being mapped now */
	u64 tick_ns, cpus_ns;
	int cpus_err; /* as was last said */
	u64 untold; /* as the counters were last seen */
	bool selection_is_open; /* as was last said */
	u32 selected_alive;

	u64 start_ns, stop_ns, first_sample_ns;
	u64 begin_ns; /* of all, loading included */
	struct truth
		truth; /* what is counted here, so far: no process that is still known, no loss of the kernel side's */
};

static int on_record(void *ctx, const struct record *record);

/* Everything that counts and names; the kernel side and what is known of processes are apart. */
static int tables_open(struct profiler *p)
{
	const struct assembler_options assembler = {.native = p->options.native};

	int err = profile_tables_new(&p->tables);

	if (!err)
		err = profile_new(&p->tables, &p->profile);
	if (!err)
		profile_set_common(p->profile, p->options.common);
	if (!err)
		err = symbolizer_new(&p->tables, p->processes, &p->symbolizer);
	if (!err && p->options.sources)
		err = symbolizer_read_sources(p->symbolizer);
	return err ? err : assembler_new(&assembler, &p->tables, p->symbolizer, &p->assembler);
}

static void tables_close(struct profiler *p)
{
	assembler_free(take(p->assembler));
	symbolizer_free(take(p->symbolizer));
	profile_free(take(p->profile));
	profile_tables_free(&p->tables);
	memset(&p->tables, 0, sizeof(p->tables));
}

/* More cgroups than the table holds: what runs in the rest is looked up when it is met. */
static int places_walk(struct profiler *p)
{
	int err = place_table_walk(p->places);

	return err == -ENOSPC ? 0 : err;
}

static int stages_open(struct profiler *p, const char **ret_step)
{
	struct capture_options capture = {
		.all = p->options.all,
		.kernel_stacks = p->options.kernel_stacks,
		.python_native = p->options.native != NATIVE_NONE,
		.stack_copy_size = p->options.stack_copy_size,
		.frequency_hz = p->options.frequency_hz,
		.selected_cgroups = p->options.selection_cnt,
		.on_record = on_record,
		.ctx = p,
		.on_message = p->options.on_message,
	};
	struct registrar_options registrar = {.all = p->options.all, .children = p->options.children};
	struct locator_options locator = {
		.threads = p->options.threads,
		.words = p->options.words,
	};
	int err;

	*ret_step = "out of memory";
	p->files = mapped_file_cache_new();
	if (!p->files)
		return -ENOMEM;
	if ((err = process_table_new(p->files, &p->processes)) || (err = tables_open(p)) ||
	    (err = stack_inbox_new(&p->inbox)) || (err = fallback_new(p->processes, &p->fallback)) ||
	    (err = place_table_new(&p->places)))
		return err;
	capture.cgroup_v1 = place_table_v1(p->places);
	if ((err = capture_open(&capture, &p->capture, ret_step)))
		return err;
	*ret_step = "out of memory";
	if ((err = supplier_new(capture_unwind_memory(p->capture), p->processes, &p->supplier)) ||
	    (err = places_walk(p)) || (err = locator_new(&locator, p->places, &p->locator)) ||
	    (err = selector_new(p->options.selections, p->options.selection_cnt, p->places,
				capture_cgroup_filter(p->capture), &p->selector)))
		return err;
	return registrar_new(&registrar, p->capture, p->processes, p->supplier, &p->registrar);
}

int profiler_new(const struct profiler_options *options, struct profiler **ret, const char **ret_step)
{
	_cleanup_(profiler) struct profiler *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->unwound = (struct unwound){.words = p->unwound_words, .max = MAX_NATIVE_FRAMES};
	p->options = *options;
	p->begin_ns = clock_monotonic_ns();

	int err = stages_open(p, ret_step);
	if (err)
		return err;
	*ret_step = "the processes of this machine could not be listed";
	err = capture_list(p->capture);
	if (err)
		return err;
	*ret = take(p);
	return 0;
}

void profiler_free(struct profiler *p)
{
	if (!p)
		return;
	selector_free(p->selector);
	locator_free(p->locator);
	registrar_free(p->registrar);
	supplier_free(p->supplier);
	capture_close(p->capture);
	tables_close(p);
	fallback_free(p->fallback);
	stack_inbox_free(p->inbox);
	place_table_free(p->places);
	process_table_free(p->processes);
	mapped_file_cache_free(p->files);
	free(p);
}

/* ---- samples */

/*
 * What the kernel side could not know of the sample's Python, if anything: an
 * enum loss. May make the registrar look at the process. Nearly every sample
 * leaves at the first test.
 */
static enum loss python_doubt(struct profiler *p, struct process *process, const struct sample *sample)
{
	if (sample->flags & SAMPLE_KERNEL_THREAD)
		return LOSS_NONE;
	if (sample->thread_state) {
		if (sample->flags & SAMPLE_THREAD_NEW)
			registrar_add_thread(p->registrar, process, sample->thread_pointer, sample->thread_state);
		return LOSS_NONE;
	}
	if (!(sample->flags & SAMPLE_KNOWN)) {
		registrar_remind(p->registrar, process, sample->record.time_ns);
		if (process->python_file && process->python_file->python.supported)
			return LOSS_NEW_PROCESS;
	}
	if (sample->flags & SAMPLE_THREAD_LOOKUP &&
	    registrar_find_thread(p->registrar, process, sample->thread_pointer))
		return LOSS_THREAD_STATE;
	if (process->python_file && !process->python_file->python.supported)
		return LOSS_PYTHON_VERSION;
	return LOSS_NONE;
}

/* A page that was not there when the kernel side looked is there the next time, if it is read once from here. */
static void page_touch(const struct process *process, u64 address)
{
	struct remote_memory memory = remote_memory_of_process(process->id.pid);
	u8 byte;

	if (!process->exited)
		remote_read(&memory, address, &byte, sizeof(byte));
}

static void sample_count(struct truth *truth, const struct sample *sample, const struct assembled *assembled,
			 enum loss doubt)
{
	truth->samples++;
	for (u32 losses = assembled->losses; losses; losses &= losses - 1)
		truth->incomplete[__builtin_ctz(losses)]++;
	if (sample->thread_state || doubt != LOSS_NONE) {
		truth->python_samples++;
		truth->python_complete += !assembled->python_losses;
	}
	truth->native.samples += assembled->has_native;
	truth->native.complete += assembled->native_complete;
	truth->merge.verified += assembled->merge == MERGE_VERIFIED;
	truth->merge.counted += assembled->merge == MERGE_COUNTED;
	truth->merge.unmerged += assembled->merge == MERGE_UNMERGED;
}

/* Everything was forgotten: the sample under way is the price. */
static void parts_forget(struct profiler *p)
{
	assembler_forget(p->assembler);
	capture_forget_parts(p->capture);
}

static int sample_lost(struct profiler *p, int err)
{
	p->truth.lost[err == -ENOSPC ? LOSS_TABLE_FULL : LOSS_NO_MEMORY]++;
	parts_forget(p);
	return 0;
}

/* What is known better than by the kernel side's walk; NULL: nothing. */
static const struct unwound *sample_unwind(struct profiler *p, struct process *process, const struct sample *sample)
{
	const struct stack_record *record = sample->flags & SAMPLE_STACK ? stack_inbox_find(p->inbox, sample) : NULL;

	/* Of a walk by wrong tables only the interrupted instruction is true. */
	if (supplier_was_behind(p->supplier, process, sample)) {
		p->unwound.cnt = 1;
		p->unwound.words[0] = 0;
		p->unwound.end = LOSS_NO_TABLE;
		p->unwound.unmerged = false;
		return &p->unwound;
	}
	if (!record)
		return NULL;
	struct unwind_origin origin = unwind_origin_of(record, sample->flags & SAMPLE_IN_KERNEL);
	if (fallback_unwind(p->fallback, process, &origin, &p->unwound) || p->unwound.end != LOSS_NONE)
		return NULL;
	p->truth.native.fallback++;
	return &p->unwound;
}

/* One that is first heard of by a sample has a row all the same, if its RECORD_FORK was lost: its parent's. */
static int sample_process(struct profiler *p, const struct sample *sample, struct process **ret)
{
	struct process *process = process_table_find(p->processes, &sample->process);
	int err = 0;

	if (!process) {
		err = process_table_get(p->processes, &sample->process, sample->comm, &process);
		if (!err && !(sample->flags & SAMPLE_KERNEL_THREAD))
			err = registrar_note(p->registrar, process);
	}
	if (!err)
		*ret = process;
	return err;
}

static int sample_add(void *ctx, const struct sample *sample)
{
	struct profiler *p = ctx;
	struct assembled assembled;
	struct process *process;
	u32 origin;

	if (!p->first_sample_ns)
		p->first_sample_ns = clock_monotonic_ns();
	int err = sample_process(p, sample, &process);
	if (err)
		return sample_lost(p, err);

	process->sampled = process->selected = true;
	enum loss doubt = python_doubt(p, process, sample);
	if (sample->native_end == LOSS_NO_TABLE) {
		if (supplier_want(p->supplier, process, sample->fault_address))
			registrar_note(p->registrar, process);
	} else if (sample->fault_address) {
		page_touch(process, sample->fault_address);
	}

	const struct unwound *unwound = sample_unwind(p, process, sample);
	err = assembler_stack(p->assembler, process, sample, unwound, doubt, &assembled);
	if (!err)
		err = locator_origin(p->locator, p->profile, process, sample, &origin);
	if (!err)
		err = profile_add(p->profile, origin, assembled.stack, 1);
	if (err)
		return sample_lost(p, err);

	sample_count(&p->truth, sample, &assembled, doubt);
	return 0;
}

static int on_sample(struct profiler *p, const struct sample *sample)
{
	enum selected selected;
	int err = selector_admit(p->selector, sample, &selected);

	/* No part that was sent is missing for it: nothing is to be sent again. */
	if (err)
		p->truth.lost[err == -ENOSPC ? LOSS_TABLE_FULL : LOSS_NO_MEMORY]++;
	return selected == SELECTED_YES ? sample_add(p, sample) : 0;
}

/* ---- processes */

/* One that was there at the start. */
static int on_process(struct profiler *p, const struct process_record *record)
{
	struct process *process;
	int err = process_table_get(p->processes, &record->process, record->comm, &process);

	if (err || !p->options.all) /* what is selected is looked at then */
		return err;
	return registrar_postpone(p->registrar, process);
}

static int on_process_fork(struct profiler *p, const struct process_record *record)
{
	struct process *process;

	int err = process_table_fork(p->processes, record, &process);

	if (err)
		return err;
	process->selected = true; /* or else the kernel side would not have told */
	p->selected_alive++;
	return registrar_note(p->registrar, process);
}

static int on_process_exec(struct profiler *p, const struct process_record *record)
{
	struct process *process;
	int err = process_table_exec(p->processes, record, &process);

	p->exec_ns = clock_monotonic_ns();
	if (err)
		return err;
	process->selected = true;
	return registrar_note(p->registrar, process);
}

static void on_process_exit(struct profiler *p, const struct process_record *record)
{
	if (p->selected_alive)
		p->selected_alive--;
	process_table_exit(p->processes, record);
}

static int on_mapping(struct profiler *p, const struct mapping_record *record)
{
	struct process *process = NULL;
	int err = process_table_map(p->processes, record, &process);

	if (err || !process || process->exited)
		return err;
	return registrar_note(p->registrar, process);
}

static int process_note(void *ctx, struct process *process)
{
	return process->exited ? 0 : registrar_note(ctx, process);
}

static int on_code(struct profiler *p, const struct code_record *record)
{
	struct process *process = process_table_find(p->processes, &record->process);

	return process ? symbolizer_add_code(p->symbolizer, process, record) : 0;
}

static int on_record(void *ctx, const struct record *record)
{
	struct profiler *p = ctx;
	int err = 0;

	switch (record->type) {
	case RECORD_SAMPLE:
		return on_sample(p, (const struct sample *)record);
	case RECORD_STACK:
		err = stack_inbox_put(p->inbox, (const struct stack_record *)record);
		break;
	case RECORD_CODE:
		err = on_code(p, (const struct code_record *)record);
		break;
	case RECORD_PROCESS:
		return on_process(p, (const struct process_record *)record);
	case RECORD_FORK:
		err = on_process_fork(p, (const struct process_record *)record);
		break;
	case RECORD_EXEC:
		err = on_process_exec(p, (const struct process_record *)record);
		break;
	case RECORD_EXIT:
		on_process_exit(p, (const struct process_record *)record);
		break;
	case RECORD_MAPPING:
		err = on_mapping(p, (const struct mapping_record *)record);
		break;
	case RECORD_CGROUP:
	case RECORD_CGROUP_GONE:
		err = selector_on_cgroup(p->selector, (const struct cgroup_record *)record);
		break;
	case RECORD_MAPPINGS_LOST:
		process_table_forget_mappings(p->processes);
		err = process_table_for_each(p->processes, process_note, p->registrar);
		break;
	}
	/* What could not be registered costs names, never the run. */
	return err == -ENOMEM ? err : 0;
}

int profiler_select(struct profiler *p, u32 pid)
{
	struct process *process = process_table_newest(p->processes, pid);

	if (!process || process->exited)
		return -ESRCH;
	process->selected = true;
	p->selected_alive++;
	return registrar_learn(p->registrar, process);
}

static int process_count(void *ctx, struct process *process)
{
	struct truth *truth = ctx;
	char version[PYTHON_VERSION_SIZE];

	if (!process->sampled)
		return 0;
	truth->processes++;
	if (!process->python_file)
		return 0;
	python_version_format(process->python_file->python.version, process->python_file->python.layout.free_threaded,
			      version);
	truth_add_python(truth, version);
	return 0;
}

static void on_gone(void *ctx, struct process *process)
{
	struct profiler *p = ctx;

	process_count(&p->truth, process);
	registrar_forget(p->registrar, process);
	symbolizer_forget(p->symbolizer, process);
}

/* Processes that nobody told of show by their samples; cgroups that are gone do not. */
static bool news_were_lost(struct profiler *p)
{
	struct counters counters;

	if (capture_counters(p->capture, &counters) || counters.untold == p->untold)
		return false;
	p->untold = counters.untold;
	return true;
}

static void filter_check(struct profiler *p)
{
	selector_tick(p->selector, news_were_lost(p));
	if (selector_is_open(p->selector) == p->selection_is_open)
		return;
	p->selection_is_open = !p->selection_is_open;
	if (p->selection_is_open)
		log_warning("more than %d cgroups are chosen, or new: the whole host is sampled until there are fewer, "
			    "and the rest left out afterwards",
			    MAX_SELECTED_CGROUPS);
	else
		log_info("the cgroups that are chosen have room again: only these are sampled");
}

/* Whoever gave back the right to open perf events (admin_right.h) cannot follow. */
static void cpus_check(struct profiler *p)
{
	int err = capture_check_cpus(p->capture);

	if (err && err != p->cpus_err)
		log_warning_errno(err, "CPUs that came online are not sampled until pyprof-bpf is started anew");
	p->cpus_err = err;
}

static void tick(struct profiler *p, u64 now)
{
	p->tick_ns = now;
	process_table_retire(p->processes, now, EXITED_KEEP_NS, on_gone, p);
	registrar_tick(p->registrar);
	supplier_tick(p->supplier, now);
	if (now - p->cpus_ns >= CPUS_NS) {
		p->cpus_ns = now;
		cpus_check(p);
	}
	filter_check(p);
}

/* It may start any moment; but it may as well be a slip of the pen. */
static int unmet_say(void *ctx, const struct selection *selection)
{
	static const char *const options[] = {
		[SELECT_CONTAINER] = "--container",
		[SELECT_CGROUP] = "--cgroup",
		[SELECT_POD] = "--pod",
	};

	log_info("%s %s: nothing of that name runs now; what starts later is taken (`pyprof-bpf containers` lists "
		 "the names)",
		 options[selection->kind], selection->text);
	return 0;
}

int profiler_start(struct profiler *p)
{
	/* What was selected has its tables before its first sample, unless they are very many. */
	int err = supplier_turn(p->supplier, BUILD_FIRST_NS);
	if (!err)
		err = selector_start(p->selector);
	if (!err)
		err = selector_for_each_unmet(p->selector, unmet_say, NULL);
	if (!err)
		err = capture_start(p->capture);

	p->start_ns = p->tick_ns = p->cpus_ns = clock_monotonic_ns();
	p->truth.start_realtime_ns = clock_realtime_ns();
	return err;
}

int profiler_turn(struct profiler *p)
{
	int err = capture_drain(p->capture);
	if (err < 0)
		return err;

	err = registrar_turn(p->registrar);
	if (!err)
		err = supplier_turn(p->supplier, BUILD_SLICE_NS);
	if (err)
		return err;
	registrar_catch_up(p->registrar, LEARN_SLICE_NS);
	u64 now = clock_monotonic_ns();
	err = selector_turn(p->selector, now, sample_add, p);
	if (err)
		return err;
	if (now - p->tick_ns >= TICK_NS)
		tick(p, now);
	return 0;
}

int profiler_fd(const struct profiler *p)
{
	return capture_fd(p->capture);
}

int profiler_timeout_ms(const struct profiler *p)
{
	u64 now = clock_monotonic_ns(), age_ms = (now - p->exec_ns) / NS_PER_MS;
	u64 due_ns = selector_due_ns(p->selector);
	u64 due_ms = due_ns <= now ? 1 : (due_ns - now) / NS_PER_MS + 1;

	if (registrar_is_behind(p->registrar) || supplier_is_busy(p->supplier))
		return 0;
	/* A program that has just begun maps its libraries now: look soon, then less and less often. */
	if (p->exec_ns && age_ms < TURN_MS && age_ms < due_ms)
		return age_ms < 1 ? 1 : (int)age_ms;
	return due_ms < TURN_MS ? (int)due_ms : TURN_MS;
}

int profiler_stop(struct profiler *p)
{
	capture_stop(p->capture);
	p->stop_ns = clock_monotonic_ns();

	int err = capture_drain(p->capture);
	return err < 0 ? err : selector_finish(p->selector, sample_add, p);
}

u32 profiler_selected_alive(const struct profiler *p)
{
	return p->selected_alive;
}

int profiler_name(struct profiler *p)
{
	int err = symbolizer_name_frames(p->symbolizer);

	return err ? err : locator_name(p->locator, &p->tables);
}

struct profile *profiler_profile(struct profiler *p)
{
	return p->profile;
}

void profiler_clear(struct profiler *p)
{
	profile_clear(p->profile);
}

bool profiler_is_full(const struct profiler *p)
{
	return frame_table_cnt(p->tables.frames) > FRAMES_KEPT || stack_table_cnt(p->tables.stacks) > STACKS_KEPT ||
	       string_table_bytes(p->tables.strings) > STRING_BYTES_KEPT ||
	       profile_origin_cnt(p->profile) > ORIGINS_KEPT || label_table_cnt(p->tables.labels) > LABELS_KEPT ||
	       file_table_cnt(p->tables.files) > FILES_KEPT;
}

int profiler_forget(struct profiler *p)
{
	tables_close(p);
	locator_forget(p->locator);
	capture_forget_parts(p->capture);
	return tables_open(p);
}

/* ---- the truth about the run */

static void truth_losses(struct profiler *p, struct truth *truth)
{
	struct counters counters;

	truth->lost[LOSS_BAD_RECORD] += capture_bad_records(p->capture);
	if (capture_counters(p->capture, &counters))
		return;
	truth->bpf_ns = counters.run_ns;
	truth->bpf_runs = counters.runs;
	truth->untold = counters.untold;
	for (size_t i = 0; i < LOSS_CNT; i++)
		truth->lost[i] += counters.losses[i];

	truth->lost[LOSS_NOT_TAKEN] += capture_not_taken(p->capture, &counters);
}

void profiler_truth(struct profiler *p, struct truth *ret)
{
	struct rusage usage;
	u64 end = p->stop_ns ? p->stop_ns : clock_monotonic_ns();

	*ret = p->truth;
	getrusage(RUSAGE_SELF, &usage);
	ret->seconds = (double)(end - p->start_ns) / NS_PER_S;
	ret->first_sample_s = p->first_sample_ns ? (double)(p->first_sample_ns - p->begin_ns) / NS_PER_S : 0;
	ret->hz = p->options.frequency_hz;
	ret->cpus = capture_cpu_cnt(p->capture);
	ret->agent_cpu_s = (double)clock_own_cpu_ns() / NS_PER_S;
	ret->ring_bytes = capture_ring_bytes(p->capture);
	ret->map_bytes = capture_map_bytes(p->capture);
	ret->rss_bytes = (u64)usage.ru_maxrss * 1024;
	truth_losses(p, ret);
	process_table_for_each(p->processes, process_count, ret);
}
