/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * admin_right.h - CAP_SYS_ADMIN, which a service is given for one thing: Debian's and Ubuntu's kernels, whose
 * kernel.perf_event_paranoid is 3 or 4, let nobody else open a perf event, whatever CAP_PERFMON says. Who has opened them
 * gives it back.
 */
#ifndef PYPROF_ADMIN_RIGHT_H
#define PYPROF_ADMIN_RIGHT_H

/*
 * Of the calling thread, for good: rights are each thread's own, and a new one has its maker's. Does nothing to who has
 * CAP_SETPCAP: root by hand has all rights, to which it would make no difference, and may yet want CPUs that come later.
 */
int admin_right_give_back(void);

#endif
