/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct wire wire_of(const void *bytes, size_t size)
{
	return (struct wire){bytes, (const u8 *)bytes + size};
}

size_t wire_size(const struct wire *wire)
{
	return (size_t)(wire->end - wire->at);
}

u64 wire_varint(struct wire *wire)
{
	u64 value = 0;

	for (u32 shift = 0; shift < 70; shift += 7) {
		cr_assert(wire->at < wire->end, "a number without end");
		u8 byte = *wire->at++;
		cr_assert(shift < 63 || byte <= 1, "a number of more than 64 bits");
		value |= (u64)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cr_assert(false, "a number of more than ten bytes");
	return value;
}

static u64 wire_fixed(struct wire *wire, size_t size)
{
	u64 value = 0;

	cr_assert_geq(wire_size(wire), size);
	memcpy(&value, wire->at, size);
	wire->at += size;
	return value;
}

bool wire_next(struct wire *wire, struct wire_field *ret)
{
	if (wire->at == wire->end)
		return false;
	u64 tag = wire_varint(wire);

	*ret = (struct wire_field){.number = tag >> 3, .type = tag & 7};
	cr_assert(ret->number && tag >> 3 <= 0x1fffffff);
	switch (ret->type) {
	case 0:
		ret->value = wire_varint(wire);
		break;
	case 1:
		ret->value = wire_fixed(wire, 8);
		break;
	case 2: {
		u64 size = wire_varint(wire);
		cr_assert_leq(size, wire_size(wire), "a piece that is longer than what holds it");
		ret->piece = wire_of(wire->at, size);
		wire->at += size;
		break;
	}
	case 5:
		ret->value = wire_fixed(wire, 4);
		break;
	default:
		cr_assert_fail("no such type: %u", ret->type);
	}
	return true;
}

size_t wire_numbers(const struct wire_field *field, u64 *numbers, size_t cnt, size_t max)
{
	struct wire piece = field->piece;

	if (field->type != 2) {
		cr_assert_lt(cnt, max);
		numbers[cnt++] = field->value;
		return cnt;
	}
	while (piece.at < piece.end) {
		cr_assert_lt(cnt, max);
		numbers[cnt++] = wire_varint(&piece);
	}
	return cnt;
}

bool utf8_is_valid(const u8 *at, size_t size)
{
	for (const u8 *end = at + size; at < end; at++) {
		u32 more = *at < 0x80 ? 0 : *at >= 0xc2 && *at <= 0xdf ? 1 : (*at & 0xf0) == 0xe0 ? 2 : 3;
		u8 low = 0x80, high = 0xbf;

		if (more == 3 && (*at < 0xf0 || *at > 0xf4))
			return false;
		if (*at == 0xe0)
			low = 0xa0;
		if (*at == 0xed)
			high = 0x9f;
		if (*at == 0xf0)
			low = 0x90;
		if (*at == 0xf4)
			high = 0x8f;
		for (; more; more--, low = 0x80, high = 0xbf) {
			if (++at == end || *at < low || *at > high)
				return false;
		}
	}
	return true;
}

char *wire_text(const struct wire_field *field)
{
	size_t size = wire_size(&field->piece);

	cr_assert_eq(field->type, 2);
	cr_assert(utf8_is_valid(field->piece.at, size), "a text that is not UTF-8");
	cr_assert_null(memchr(field->piece.at, 0, size));
	char *text = malloc(size + 1);
	memcpy(text, field->piece.at, size);
	text[size] = 0;
	return text;
}

u8 *gunzip(const void *bytes, size_t size, size_t *ret_size)
{
	size_t capacity = 64u << 20;
	u8 *out = malloc(capacity);
	z_stream z = {.next_in = (u8 *)bytes, .avail_in = size, .next_out = out, .avail_out = capacity};

	cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
	cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END, "no whole gzip file");
	cr_assert_eq(z.avail_in, 0, "something behind the gzip file");
	*ret_size = z.total_out;
	inflateEnd(&z);
	return out;
}
