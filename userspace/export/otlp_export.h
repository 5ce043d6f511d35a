/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * otlp_export.h - a window for OpenTelemetry's engines: format/otlp.c's message, all places in one as long as that is
 * no larger than receivers take.
 */
#ifndef PYPROF_OTLP_EXPORT_H
#define PYPROF_OTLP_EXPORT_H

#include "export/destination.h"

/* What gRPC takes by default, and so what a collector can hand on; before gzip. */
#define OTLP_BODY_MAX (4u << 20)

/* encode of otlp_kind, with a bound of the caller's. */
int otlp_encode(const struct window *window, size_t size_max, int (*put)(void *ctx, const void *body, size_t size),
		void *ctx);

#endif
