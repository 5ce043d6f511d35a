/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/mini_symbols.h"

#include <errno.h>
#include <string.h>

#include <lzma.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "elf/elf_image.h"

/*
 * What it may cost. Symbol tables shrink to a third or a fifth; a bomb is stopped at
 * the ratio. xz -9 asks for 65 MiB to unpack, of which no more is touched than unpacked.
 */
#define MAX_PACKED_SIZE	  (16u << 20)
#define MAX_UNPACKED_SIZE (64u << 20)
#define MAX_RATIO	  32
#define SMALL_SIZE	  (256u << 10) /* pages of zeros may be most of a file of this size */
#define MAX_DECODER_SIZE  (80u << 20)

static bool find_section(Elf *elf, GElf_Shdr *ret)
{
	return elf_image_find_section(elf, ".gnu_debugdata", ret) && ret->sh_type == SHT_PROGBITS &&
	       !(ret->sh_flags & SHF_COMPRESSED);
}

bool mini_symbols_exist(Elf *elf)
{
	GElf_Shdr section;

	return find_section(elf, &section);
}

static inline void lzma_cleanup_(lzma_stream *stream)
{
	lzma_end(stream);
}

static int put_bytes(struct elf_bytes *to, size_t *capacity, const u8 *bytes, size_t size)
{
	u8 *at = array_reserve(to->at, capacity, to->size + size, 1);

	if (!at)
		return -ENOMEM;
	memcpy(at + to->size, bytes, size);
	to->at = at;
	to->size += size;
	return 0;
}

static int unpack(const void *packed, size_t size, struct elf_bytes *to)
{
	_cleanup_(lzma) lzma_stream stream = LZMA_STREAM_INIT;
	size_t limit = SMALL_SIZE + size * MAX_RATIO, capacity = 0;
	lzma_ret status = LZMA_OK;
	u8 bytes[32768];

	if (limit > MAX_UNPACKED_SIZE)
		limit = MAX_UNPACKED_SIZE;
	if (lzma_stream_decoder(&stream, MAX_DECODER_SIZE, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = packed;
	stream.avail_in = size;
	while (status == LZMA_OK) {
		stream.next_out = bytes;
		stream.avail_out = sizeof(bytes);
		status = lzma_code(&stream, LZMA_FINISH);
		if (stream.total_out > limit)
			return -EFBIG;
		int err = put_bytes(to, &capacity, bytes, sizeof(bytes) - stream.avail_out);
		if (err)
			return err;
	}
	return status == LZMA_STREAM_END ? 0 : status == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

int mini_symbols_read(Elf *elf, struct elf_bytes *ret)
{
	_cleanup_(elf_bytes) struct elf_bytes unpacked = ELF_BYTES_NONE;
	GElf_Shdr section;

	if (!find_section(elf, &section))
		return -ENOENT;
	if (section.sh_size > MAX_PACKED_SIZE)
		return -EFBIG;
	const void *packed = elf_image_bytes(elf, section.sh_offset, section.sh_size, ELF_T_BYTE);
	if (!packed)
		return -EBADMSG;
	int err = unpack(packed, section.sh_size, &unpacked);
	if (err)
		return err;
	*ret = unpacked;
	unpacked = ELF_BYTES_NONE;
	return 0;
}
