/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* syscalls.c - reads from /dev/zero for ever. Must show kernel frames, among them `read_zero` or what it calls. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

int main(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	puts("ready");
	fflush(stdout);
	while (read(fd, block, sizeof(block)) > 0)
		;
	return 1;
}
