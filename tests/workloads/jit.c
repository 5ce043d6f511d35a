/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * jit.c - makes five functions in memory at run time, as a JIT does that keeps
 * frame pointers; they call each other, and the last one calls a function of ours,
 * which keeps none.
 *
 *	jit TRUTH FILE [map]
 *
 * map: writes /tmp/perf-PID.map, which names them made0 to made4.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chains.h"

#define MADE_CNT  5
#define MADE_SIZE 64

typedef unsigned long function(unsigned long x);

OWN static unsigned long called_back(unsigned long x)
{
	return spin(x, LEAF_WORK);
}

OWN static unsigned long enters(unsigned long x, function *made)
{
	x = made(spin(x, WORK));
	return spin(x, WORK);
}

/* push %rbp; mov %rsp,%rbp; sub $32,%rsp; mov $ROUNDS,%ecx; 1: dec %ecx; jnz 1b; movabs $CALLEE,%rax; call *%rax; leave; ret */
static void made_write(unsigned char *at, const void *callee)
{
	static const unsigned char before[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xb9, 0x20,
					       0x4e, 0,	   0,	 0xff, 0xc9, 0x75, 0xfc, 0x48, 0xb8};
	static const unsigned char after[] = {0xff, 0xd0, 0xc9, 0xc3};

	memcpy(at, before, sizeof(before));
	memcpy(at + sizeof(before), &callee, sizeof(callee));
	memcpy(at + sizeof(before) + sizeof(callee), after, sizeof(after));
}

static void map_write(const unsigned char *code)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *map = fopen(path, "w");
	if (!map)
		exit(1);
	for (int i = 0; i < MADE_CNT; i++)
		fprintf(map, "%lx %x made%d\n", (unsigned long)(code + i * MADE_SIZE), MADE_SIZE, i);
	fclose(map);
}

int main(int argc, char **argv)
{
	FILE *truth = argc >= 3 ? fopen(argv[1], "w") : NULL;
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const void *callee = (const void *)called_back;

	if (!truth || code == MAP_FAILED)
		return 2;
	for (int i = MADE_CNT - 1; i >= 0; i--) {
		made_write(code + i * MADE_SIZE, callee);
		callee = code + i * MADE_SIZE;
	}
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC))
		return 1;
	if (argc == 4 && !strcmp(argv[3], "map"))
		map_write(code);

	truth_pair(truth, argv[2], "-", "main", 1, 4);
	truth_pair(truth, argv[2], "main", "enters", 0, 0);
	truth_pair(truth, argv[2], "enters", "called_back", MADE_CNT, MADE_CNT);
	truth_pair(truth, argv[2], "enters", "-", 0, MADE_CNT);
	if (fclose(truth))
		return 1;
	puts("ready");
	fflush(stdout);
	for (unsigned long x = 0;;)
		x = enters(x, (function *)code);
}
