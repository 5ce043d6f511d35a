/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "format/format.h"
#include "format/output.h"
#include "profile/losses.h"

static void json_cleanup_(json_t **json)
{
	json_decref(*json);
}

static json_t *json_of_count(u64 count)
{
	return json_integer((json_int_t)count);
}

/* JSON has no infinities; what was never measured is null. */
static json_t *json_of_seconds(double seconds)
{
	return isfinite(seconds) ? json_real(seconds) : json_null();
}

/* Only the reasons that happened: an empty object is good news that a script can see at once. */
static json_t *json_of_losses(const u64 losses[LOSS_CNT])
{
	json_t *object = json_object();

	for (int i = 0; i < LOSS_CNT; i++)
		if (losses[i] && json_object_set_new(object, loss_reason(i), json_of_count(losses[i])))
			return json_decref(object), NULL;
	return object;
}

/* Processes by version. */
static json_t *json_of_versions(const struct truth *truth)
{
	json_t *object = json_object();

	for (size_t i = 0; i < TRUTH_VERSION_CNT && truth->versions[i].version[0]; i++)
		if (json_object_set_new(object, truth->versions[i].version,
					json_of_count(truth->versions[i].processes)))
			return json_decref(object), NULL;
	return object;
}

static json_t *json_of_native(const struct native_truth *native)
{
	return json_pack("{s:o, s:o, s:o}", /**/
			 "samples", json_of_count(native->samples), /**/
			 "complete", json_of_count(native->complete), /**/
			 "fallback", json_of_count(native->fallback));
}

static json_t *json_of_merge(const struct merge_truth *merge)
{
	return json_pack("{s:o, s:o, s:o}", /**/
			 "verified", json_of_count(merge->verified), /**/
			 "counted", json_of_count(merge->counted), /**/
			 "unmerged", json_of_count(merge->unmerged));
}

static json_t *json_of_truth(const struct truth *truth)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o}", /**/
			 "samples", json_of_count(truth->samples), /**/
			 "lost", json_of_losses(truth->lost), /**/
			 "incomplete", json_of_losses(truth->incomplete), /**/
			 "untold", json_of_count(truth->untold), /**/
			 "python", /**/
			 "samples", json_of_count(truth->python_samples), /**/
			 "complete", json_of_count(truth->python_complete), /**/
			 "native", json_of_native(&truth->native), /**/
			 "merge", json_of_merge(&truth->merge), /**/
			 "python_versions", json_of_versions(truth), /**/
			 "seconds", json_of_seconds(truth->seconds), /**/
			 "first_sample_s", json_of_seconds(truth->first_sample_s), /**/
			 "hz", json_of_count(truth->hz), /**/
			 "cpus", json_of_count(truth->cpus), /**/
			 "bpf_ns", json_of_count(truth->bpf_ns), /**/
			 "bpf_runs", json_of_count(truth->bpf_runs), /**/
			 "agent_cpu_s", json_of_seconds(truth->agent_cpu_s), /**/
			 "ring_bytes", json_of_count(truth->ring_bytes), /**/
			 "map_bytes", json_of_count(truth->map_bytes), /**/
			 "rss_bytes", json_of_count(truth->rss_bytes));
}

int stats_json_write(const struct truth *truth, FILE *out)
{
	_cleanup_(json) json_t *json = json_of_truth(truth);
	if (!json)
		return -ENOMEM;

	errno = 0;
	if (json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)))
		return errno ? -errno : -EIO;
	int err = output_put(out, "\n", 1);
	return err ? err : output_flush(out);
}
