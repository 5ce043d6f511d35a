/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/truth.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "profile/losses.h"

void truth_add_python(struct truth *truth, const char *version)
{
	size_t i = 0;

	truth->python_processes++;
	while (i < TRUTH_VERSION_CNT && truth->versions[i].version[0] &&
	       strcmp(truth->versions[i].version, version) < 0)
		i++;
	if (i == TRUTH_VERSION_CNT)
		return;
	if (strcmp(truth->versions[i].version, version)) {
		memmove(&truth->versions[i + 1], &truth->versions[i],
			(TRUTH_VERSION_CNT - 1 - i) * sizeof(truth->versions[0]));
		truth->versions[i] = (struct python_version_cnt){0};
		strncat(truth->versions[i].version, version, sizeof(truth->versions[i].version) - 1);
	}
	truth->versions[i].processes++;
}

u64 truth_lost(const struct truth *truth)
{
	u64 lost = 0;

	for (int i = 0; i < LOSS_CNT; i++)
		lost += truth->lost[i];
	return lost;
}

u64 truth_complete(const struct truth *truth)
{
	u64 incomplete = 0;

	for (int i = 0; i < LOSS_CNT; i++)
		incomplete += truth->incomplete[i];
	return incomplete < truth->samples ? truth->samples - incomplete : 0;
}

/* Counts never go back; if one did, nothing is better than 2^64. */
static u64 since(u64 now, u64 before)
{
	return now > before ? now - before : 0;
}

static double seconds_since(double now, double before)
{
	return now > before ? now - before : 0;
}

void truth_since(const struct truth *now, const struct truth *before, struct truth *ret)
{
	struct truth truth = *now;

	truth.samples = since(now->samples, before->samples);
	for (int i = 0; i < LOSS_CNT; i++) {
		truth.lost[i] = since(now->lost[i], before->lost[i]);
		truth.incomplete[i] = since(now->incomplete[i], before->incomplete[i]);
	}
	truth.python_samples = since(now->python_samples, before->python_samples);
	truth.python_complete = since(now->python_complete, before->python_complete);
	truth.native.samples = since(now->native.samples, before->native.samples);
	truth.native.complete = since(now->native.complete, before->native.complete);
	truth.native.fallback = since(now->native.fallback, before->native.fallback);
	truth.merge.verified = since(now->merge.verified, before->merge.verified);
	truth.merge.counted = since(now->merge.counted, before->merge.counted);
	truth.merge.unmerged = since(now->merge.unmerged, before->merge.unmerged);
	truth.bpf_ns = since(now->bpf_ns, before->bpf_ns);
	truth.untold = since(now->untold, before->untold);
	truth.bpf_runs = since(now->bpf_runs, before->bpf_runs);
	truth.agent_cpu_s = seconds_since(now->agent_cpu_s, before->agent_cpu_s);
	truth.seconds = seconds_since(now->seconds, before->seconds);
	if (before->start_realtime_ns)
		truth.start_realtime_ns = before->start_realtime_ns + (u64)(before->seconds * NS_PER_S);
	/* Counted from the start; of a later window it says nothing. */
	truth.first_sample_s = before->samples ? 0 : seconds_since(now->first_sample_s, before->seconds);
	*ret = truth;
}

static double truth_cpu_s(const struct truth *truth)
{
	return truth->agent_cpu_s + (double)truth->bpf_ns / NS_PER_S;
}

double truth_us_per_sample(const struct truth *truth)
{
	return truth->samples ? truth_cpu_s(truth) * 1e6 / (double)truth->samples : 0;
}

double truth_percent(u64 part, u64 whole)
{
	return whole ? floor((double)part * 1e4 / (double)whole) / 100 : 100;
}

/* ": 10 ring-full, 2 not-taken"; nothing when all are 0. */
static void losses_put(const u64 losses[LOSS_CNT], struct strbuf *b)
{
	const char *before = ": ";

	for (int i = 0; i < LOSS_CNT; i++) {
		if (!losses[i])
			continue;
		strbuf_printf(b, "%s%llu %s", before, losses[i], loss_reason(i));
		before = ", ";
	}
}

static void truth_put_python(const struct truth *truth, struct strbuf *b)
{
	strbuf_printf(b, "Python: %llu samples of threads that run it", truth->python_samples);
	if (truth->python_samples)
		strbuf_printf(b, ", %.2f %% of them complete",
			      truth_percent(truth->python_complete, truth->python_samples));
	for (size_t i = 0; i < TRUTH_VERSION_CNT && truth->versions[i].version[0]; i++)
		strbuf_printf(b, "%s %s (%u process%s)", i ? "," : "; CPython", truth->versions[i].version,
			      truth->versions[i].processes, truth->versions[i].processes == 1 ? "" : "es");
	strbuf_put(b, ".\n");
}

static void truth_put_native(const struct truth *truth, struct strbuf *b)
{
	const struct native_truth *native = &truth->native;
	const struct merge_truth *merge = &truth->merge;
	u64 placed = merge->verified + merge->counted;

	strbuf_printf(b, "Native: %llu samples with a native stack, %.2f %% of them to its first frame",
		      native->samples, truth_percent(native->complete, native->samples));
	if (native->fallback)
		strbuf_printf(b, " (%llu by libunwind)", native->fallback);
	if (placed + merge->unmerged)
		strbuf_printf(b, "; Python has its place in %.2f %%", truth_percent(placed, placed + merge->unmerged));
	strbuf_put(b, ".\n");
}

static void truth_put_cost(const struct truth *truth, struct strbuf *b)
{
	double cpu_s = truth_cpu_s(truth), host_s = truth->seconds * truth->cpus;

	strbuf_printf(b, "Cost: %.3f s of CPU, of which %.3f s in the kernel", cpu_s, (double)truth->bpf_ns / NS_PER_S);
	if (truth->samples)
		strbuf_printf(b, "; %.1f us per sample", truth_us_per_sample(truth));
	if (host_s > 0)
		strbuf_printf(b, "; %.3f %% of %u CPU%s", cpu_s * 100 / host_s, truth->cpus,
			      truth->cpus == 1 ? "" : "s");
	strbuf_printf(b, "; %.1f MiB of memory.",
		      (double)(truth->rss_bytes + truth->ring_bytes + truth->map_bytes) / (1 << 20));
}

static void truth_put_span(const struct truth *truth, struct strbuf *b)
{
	strbuf_printf(b, "%llu sample%s", truth->samples, truth->samples == 1 ? "" : "s");
	if (truth->seconds > 0 || !truth->from_file)
		strbuf_printf(b, " in %.1f s", truth->seconds);
	if (truth->hz || !truth->from_file)
		strbuf_printf(b, " at %u Hz", truth->hz);
	if (!truth->from_file)
		strbuf_printf(b, ", of %u process%s (%u with Python)", truth->processes,
			      truth->processes == 1 ? "" : "es", truth->python_processes);
	if (truth->whole_samples)
		strbuf_printf(b, ", of %llu in the whole run", truth->whole_samples);
	strbuf_put(b, ".\n");
}

void truth_put_words(const struct truth *truth, struct strbuf *b)
{
	u64 lost = truth_lost(truth), complete = truth_complete(truth);

	truth_put_span(truth, b);

	if (truth->samples) {
		strbuf_printf(b, "Complete: %.2f %% have their whole stack", truth_percent(complete, truth->samples));
		if (complete < truth->samples)
			strbuf_put(b, "; the others say what is missing");
		losses_put(truth->incomplete, b);
		strbuf_put(b, ".\n");
	}
	if (lost)
		strbuf_printf(b,
			      truth->whole_samples ? "Lost: %llu samples of the whole run, whose place is not known"
						   : "Lost: %llu samples are not in the profile",
			      lost);
	else
		strbuf_put(b, truth->losses_unknown ? "Lost: not known" : "Lost: nothing");
	losses_put(truth->lost, b);
	strbuf_put(b, truth->from_file ? "." : ".\n");
	if (truth->from_file)
		return;

	if (truth->python_processes || truth->python_samples)
		truth_put_python(truth, b);
	if (truth->native.samples)
		truth_put_native(truth, b);
	truth_put_cost(truth, b);
}
