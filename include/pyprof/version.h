/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PYPROF_VERSION_H
#define PYPROF_VERSION_H

#define PYPROF_VERSION "0.1.0"

#endif
