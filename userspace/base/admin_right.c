/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/admin_right.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pyprof/types.h"

#define ADMIN	 CAP_TO_MASK(CAP_SYS_ADMIN)
#define MAY_GIVE CAP_TO_MASK(CAP_SETPCAP)

/* What is not permitted and inheritable is not ambient either. */
int admin_right_give_back(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets))
		return -errno;
	struct __user_cap_data_struct *set = &sets[CAP_TO_INDEX(CAP_SYS_ADMIN)];
	if (!(set->permitted & ADMIN) || set->permitted & MAY_GIVE)
		return 0;
	set->effective &= ~ADMIN;
	set->permitted &= ~ADMIN;
	set->inheritable &= ~ADMIN;
	return syscall(SYS_capset, &header, sets) ? -errno : 0;
}
