/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/cfi_index.h"

#include <errno.h>

#include "elf/elf_cfi.h"

struct row {
	u64 start, end; /* vaddr, half open */
	u32 offset; /* in its section, where the reader finds the FDE */
	bool debug_frame;
};

struct cfi_index {
	struct elf_cfi *cfi;
	struct cfi_section eh_frame, debug_frame;
	struct row *rows; /* by start; may overlap in files that make no sense */
	size_t cnt, capacity;
	struct cfi_reader reader;
};

static int index_add(struct cfi_index *index, const struct row *row)
{
	if (index->cnt == index->capacity) {
		size_t capacity = index->capacity ? 2 * index->capacity : 64;
		struct row *grown;

		if (capacity * sizeof(*grown) > CFI_INDEX_SIZE_MAX)
			return -E2BIG;
		grown = reallocarray(index->rows, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		index->rows = grown;
		index->capacity = capacity;
	}
	index->rows[index->cnt++] = *row;
	return 0;
}

static int index_collect(struct cfi_index *index, const struct cfi_section *section)
{
	struct cfi_fde fde;
	int err = 0;

	cfi_reader_init(&index->reader, section);
	while (!err) {
		size_t offset = index->reader.offset;

		if (!cfi_reader_next(&index->reader, &fde))
			break;
		err = index_add(index, &(struct row){fde.start, fde.end, offset, section->debug_frame});
	}
	return err;
}

static int row_compare(const void *a_, const void *b_)
{
	const struct row *a = a_, *b = b_;

	return (a->start > b->start) - (a->start < b->start);
}

int cfi_index_build(struct elf_file *file, bool without_eh_frame, struct cfi_index **ret)
{
	_cleanup_(cfi_index) struct cfi_index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	int err = elf_cfi_read(file, &index->cfi);
	if (err)
		return err;
	if (without_eh_frame) {
		free(take(index->cfi->eh_frame.bytes));
		index->cfi->eh_frame.size = 0;
	}
	const struct elf_cfi_section *eh = &index->cfi->eh_frame, *debug = &index->cfi->debug_frame;
	if (!eh->size && !debug->size)
		return -ENOENT;
	if (eh->size > CFI_INDEX_SIZE_MAX || debug->size > CFI_INDEX_SIZE_MAX)
		return -E2BIG;
	index->eh_frame = (struct cfi_section){eh->bytes, eh->size, eh->address, false, eh->ends_at_zero};
	index->debug_frame = (struct cfi_section){debug->bytes, debug->size, debug->address, true, debug->ends_at_zero};

	err = index_collect(index, &index->eh_frame);
	if (!err)
		err = index_collect(index, &index->debug_frame);
	if (err)
		return err;
	if (!index->cnt)
		return -ENOENT;
	qsort(index->rows, index->cnt, sizeof(*index->rows), row_compare);
	*ret = take(index);
	return 0;
}

void cfi_index_free(struct cfi_index *index)
{
	if (!index)
		return;
	elf_cfi_free(index->cfi);
	free(index->rows);
	free(index);
}

size_t cfi_index_size(const struct cfi_index *index)
{
	return sizeof(*index) + index->capacity * sizeof(*index->rows) + index->eh_frame.size + index->debug_frame.size;
}

/* The last that begins at or below address; NULL when that ends before it. */
static const struct row *index_search(const struct cfi_index *index, u64 address)
{
	size_t low = 0, high = index->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->rows[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < index->rows[low - 1].end ? &index->rows[low - 1] : NULL;
}

int cfi_index_find(struct cfi_index *index, u64 address, struct fde **ret)
{
	const struct row *row = index_search(index, address);
	struct cfi_fde cfi;

	if (!row)
		return -ENOENT;
	cfi_reader_init(&index->reader, row->debug_frame ? &index->debug_frame : &index->eh_frame);
	index->reader.offset = row->offset;
	if (!cfi_reader_next(&index->reader, &cfi))
		return -ENOENT;
	return fde_of_cfi(&cfi, address, ret);
}
