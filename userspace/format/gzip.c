/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/gzip.h"

#include <errno.h>
#include <zlib.h>

#include "base/array.h"
#include "format/output.h"
#include "pyprof/types.h"

#define GZIP_WINDOW   (15 + 16) /* zlib's: the largest window, with gzip's header */
#define GZIP_MEMORY   8 /* zlib's default */
#define GZIP_OUT_SIZE (64u << 10)
/* zlib counts in 32 bits. */
#define GZIP_PIECE_MAX (1u << 30)

struct gzip_writer {
	z_stream z;
	FILE *out;
	u8 bytes[GZIP_OUT_SIZE];
};

int gzip_writer_new(FILE *out, enum gzip_effort effort, struct gzip_writer **ret)
{
	static const int levels[] = {
		[GZIP_SMALL] = Z_DEFAULT_COMPRESSION, [GZIP_FAST] = Z_BEST_SPEED, [GZIP_STORED] = Z_NO_COMPRESSION};
	struct gzip_writer *writer = calloc(1, sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->out = out;
	if (deflateInit2(&writer->z, levels[effort], Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		free(writer);
		return -ENOMEM;
	}
	*ret = writer;
	return 0;
}

void gzip_writer_free(struct gzip_writer *writer)
{
	if (!writer)
		return;
	deflateEnd(&writer->z);
	free(writer);
}

/* Until zlib has taken all, and with Z_FINISH given all. */
static int writer_run(struct gzip_writer *writer, int flush)
{
	do {
		writer->z.next_out = writer->bytes;
		writer->z.avail_out = sizeof(writer->bytes);
		deflate(&writer->z, flush);
		int err = output_put(writer->out, writer->bytes, sizeof(writer->bytes) - writer->z.avail_out);
		if (err)
			return err;
	} while (!writer->z.avail_out);
	return 0;
}

int gzip_writer_put(struct gzip_writer *writer, const void *bytes, size_t size)
{
	while (size) {
		size_t piece = size < GZIP_PIECE_MAX ? size : GZIP_PIECE_MAX;

		writer->z.next_in = (Bytef *)bytes;
		writer->z.avail_in = piece;
		int err = writer_run(writer, Z_NO_FLUSH);
		if (err)
			return err;
		bytes = (const u8 *)bytes + piece;
		size -= piece;
	}
	return 0;
}

int gzip_writer_finish(struct gzip_writer *writer)
{
	writer->z.avail_in = 0;
	return writer_run(writer, Z_FINISH);
}

int gzip_pack(const void *bytes, size_t size, enum gzip_effort effort, void **ret, size_t *ret_size)
{
	_cleanup_(gzip_writer) struct gzip_writer *writer = NULL;
	_cleanup_(free) char *packed = NULL;
	size_t packed_size;
	FILE *out = open_memstream(&packed, &packed_size);

	if (!out)
		return -ENOMEM;
	int err = gzip_writer_new(out, effort, &writer);
	if (!err)
		err = gzip_writer_put(writer, bytes, size);
	if (!err)
		err = gzip_writer_finish(writer);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (err)
		return err;
	*ret = take(packed);
	*ret_size = packed_size;
	return 0;
}

bool gzip_is(const void *bytes, size_t size)
{
	const u8 *at = bytes;

	return size >= 2 && at[0] == 0x1f && at[1] == 0x8b;
}

struct unpacked {
	u8 *at;
	size_t size, capacity, limit;
};

/* The end of one member. */
static int unpack_member(z_stream *z, struct unpacked *unpacked)
{
	int status = Z_OK;

	while (status == Z_OK) {
		if (unpacked->size >= unpacked->limit)
			return -EFBIG;
		u8 *at = array_reserve(unpacked->at, &unpacked->capacity, unpacked->size + GZIP_OUT_SIZE, 1);
		if (!at)
			return -ENOMEM;
		unpacked->at = at;
		z->next_out = at + unpacked->size;
		z->avail_out = GZIP_OUT_SIZE;
		status = inflate(z, Z_NO_FLUSH);
		unpacked->size += GZIP_OUT_SIZE - z->avail_out;
		if (status == Z_OK && !z->avail_in && z->avail_out)
			return -EBADMSG; /* cut */
	}
	return status == Z_STREAM_END ? 0 : status == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int unpack(z_stream *z, struct unpacked *unpacked)
{
	int err = unpack_member(z, unpacked);

	while (!err && gzip_is(z->next_in, z->avail_in))
		err = inflateReset(z) == Z_OK ? unpack_member(z, unpacked) : -EBADMSG;
	return !err && unpacked->size > unpacked->limit ? -EFBIG : err;
}

int gzip_unpack(const void *bytes, size_t size, size_t limit, void **ret, size_t *ret_size)
{
	struct unpacked unpacked = {.limit = limit};
	z_stream z = {.next_in = (Bytef *)bytes, .avail_in = size};

	if (size > GZIP_PIECE_MAX)
		return -EFBIG;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	int err = unpack(&z, &unpacked);
	inflateEnd(&z);
	if (err) {
		free(unpacked.at);
		return err;
	}
	*ret = unpacked.at;
	*ret_size = unpacked.size;
	return 0;
}
