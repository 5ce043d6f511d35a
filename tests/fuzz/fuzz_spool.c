/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_spool.c - any bytes as a file that an earlier run left in the spool's folder. The first byte
 * chooses: as it is, or with a head that is right for it, of which the next two bytes change one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "export/spool.h"
#include "export/spool_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID 0x1234

static char folder[] = "/tmp/pyprof-fuzz-XXXXXX";

static void folder_remove(void)
{
	char lock[64];

	snprintf(lock, sizeof(lock), "%s/lock", folder);
	unlink(lock);
	rmdir(folder);
}

static void file_make(const char *path, const uint8_t *data, size_t size)
{
	struct spool_head head = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		abort();
	if (data[0] & 1 && size > 3) {
		spool_head_fill(&head, ID, data + 3, size - 3);
		((uint8_t *)&head)[data[1] % sizeof(head)] ^= data[2];
		if (file_write_all(fd, &head, sizeof(head)) || file_write_all(fd, data + 3, size - 3))
			abort();
	} else if (file_write_all(fd, data + 1, size - 1)) {
		abort();
	}
	close(fd);
}

static void take_up(const uint8_t *data, size_t size)
{
	const u64 id = ID;
	struct spool_options options = {.path = folder, .disk_max = 1 << 20, .destinations = &id, .destination_cnt = 1};
	_cleanup_(spool) struct spool *spool = NULL;
	const char *step;

	if (spool_new(&options, &spool, &step))
		abort();
	struct spool_message *message = spool_take(spool, 0);
	if (!message)
		return;
	if (spool_load(spool, message)) {
		spool_remove_damaged(spool, message);
		return;
	}
	/* A right head that is not changed means these bytes. */
	if (data[0] & 1 && size > 3 && !data[2] &&
	    (message->size != size - 3 || memcmp(message->body, data + 3, size - 3)))
		abort();
	spool_remove(spool, message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[SPOOL_NAME_SIZE], path[96];
	static int made;

	if (!size)
		return 0;
	if (!made++) {
		if (!mkdtemp(folder) || atexit(folder_remove))
			abort();
	}
	spool_name(7, name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file_make(path, data, size);
	take_up(data, size);
	unlink(path);
	return 0;
}
