/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/otlp_export.h"

#include <errno.h>

#include "base/cleanup.h"
#include "export/profile_cut.h"
#include "format/gzip.h"
#include "format/otlp.h"

struct bodies {
	const struct window *window;
	size_t size_max;
	int (*put)(void *ctx, const void *body, size_t size);
	void *ctx;
	u32 cnt;
};

static int body_put(void *ctx, const struct profile *piece, bool is_last)
{
	struct bodies *bodies = ctx;
	struct otlp_request request = {
		.window_id = bodies->window->id,
		.piece = bodies->cnt,
		.size_max = is_last ? 0 : bodies->size_max,
	};
	_cleanup_(free) char *message = NULL;
	_cleanup_(free) void *packed = NULL;
	size_t size, packed_size;

	FILE *out = open_memstream(&message, &size);
	if (!out)
		return -ENOMEM;
	int err = otlp_request_write(piece, bodies->window->truth, bodies->window->view, &request, out);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (!err)
		err = gzip_pack(message, size, GZIP_FAST, &packed, &packed_size);
	if (err)
		return err;
	bodies->cnt++;
	return bodies->put(bodies->ctx, packed, packed_size);
}

int otlp_encode(const struct window *window, size_t size_max, int (*put)(void *ctx, const void *body, size_t size),
		void *ctx)
{
	struct bodies bodies = {.window = window, .size_max = size_max, .put = put, .ctx = ctx};

	return profile_samples(window->profile) ? profile_cut(window->profile, body_put, &bodies) : 0;
}

static int encode(const struct window *window, int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	return otlp_encode(window, OTLP_BODY_MAX, put, ctx);
}

const struct destination_kind otlp_kind = {
	.name = "otlp",
	.summary = "OpenTelemetry's profiles over HTTP (opentelemetry-proto 1.10 and newer)",
	.path = "/v1development/profiles",
	.content_type = "application/x-protobuf",
	.encode = encode,
	.rejected = otlp_response_rejected,
};
