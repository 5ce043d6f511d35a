/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decode_pprof.h - a pprof file as a test looks at it: decoded from the bytes alone,
 * each rule of the format checked on the way, and back to folded text.
 */
#ifndef PYPROF_TESTS_DECODE_PPROF_H
#define PYPROF_TESTS_DECODE_PPROF_H

#include "wire.h"

#define DECODED_MAX	  20000
#define DECODED_DEPTH_MAX 4096

struct decoded_mapping {
	u64 id, filename, build_id;
	bool has_functions;
};

struct decoded_location {
	u64 id, mapping, address, function, line;
};

struct decoded_function {
	u64 id, name, system_name, filename;
};

struct decoded_label {
	u64 key, str, num;
};

struct decoded_sample {
	u64 locations[DECODED_DEPTH_MAX];
	size_t location_cnt;
	u64 values[4];
	size_t value_cnt;
	struct decoded_label labels[32];
	size_t label_cnt;
};

struct decoded_pprof {
	char *strings[DECODED_MAX];
	struct decoded_mapping mappings[DECODED_MAX];
	struct decoded_location locations[DECODED_MAX];
	struct decoded_function functions[DECODED_MAX];
	struct decoded_sample *samples[DECODED_MAX];
	u64 types[4], units[4], comments[64];
	size_t string_cnt, mapping_cnt, location_cnt, function_cnt, sample_cnt, type_cnt, comment_cnt;
	u64 time_ns, duration_ns, period, period_type, period_unit, default_type;
};

/* Checks all that the format asks for. To be freed with decoded_free. */
struct decoded_pprof *pprof_decode(const void *gzipped, size_t size);
void decoded_free(struct decoded_pprof *pprof);

/* As folded output with lines, pids and threads has it, sorted; to be freed. */
char *decoded_folded(const struct decoded_pprof *pprof);
/* All of it, as golden files have it; to be freed. */
char *decoded_text(const struct decoded_pprof *pprof);

#endif
