/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/rights.h"

#include <cap-ng.h>
#include <ctype.h>
#include <linux/capability.h>

#include "base/strbuf.h"

/* Headers of before 5.8 and 5.9 do not know these. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

const struct right rights[] = {
	{"CAP_BPF", CAP_BPF, true, true, "to load BPF programs"},
	{"CAP_PERFMON", CAP_PERFMON, true, true, "to sample all CPUs and to read memory from BPF"},
	{"CAP_SYS_PTRACE", CAP_SYS_PTRACE, false, false, "to read other users' processes and name what runs there"},
	{"CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, false, false,
	 "to open programs and libraries that only others may read"},
	{"CAP_SYSLOG", CAP_SYSLOG, false, false, "to name kernel functions"},
	{"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE, true, false,
	 "to open programs and libraries that were deleted or replaced"},
	{.name = NULL},
};

bool right_held(const struct right *right)
{
	if (capng_get_caps_process())
		return false;
	return capng_have_capability(CAPNG_EFFECTIVE, right->capability) ||
	       (right->admin_instead && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN));
}

size_t rights_put_missing(struct strbuf *b, bool required)
{
	size_t cnt = 0;

	for (const struct right *r = rights; r->name; r++)
		if (r->required == required && !right_held(r))
			strbuf_printf(b, "%s%s", cnt++ ? ", " : "", r->name);
	return cnt;
}

void rights_put_remedy(struct strbuf *b)
{
	const char *separator = "";

	strbuf_put(b, "run as root, or with AmbientCapabilities= of systemd, or: setcap ");
	for (const struct right *r = rights; r->name; r++, separator = ",") {
		strbuf_put(b, separator);
		for (const char *c = r->name; *c; c++)
			strbuf_put_char(b, tolower((unsigned char)*c));
	}
	strbuf_put(b, "=ep pyprof-bpf");
}
