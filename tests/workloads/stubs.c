/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stubs.c - calls a function of a library so often that much of its time is in the
 * stub between them. Built with .plt and with .plt.sec.
 *
 *	stubs TRUTH FILE [lazy]
 *
 * lazy: now and then the stub forgets where it leads to, so that the dynamic linker
 * must find it again.
 */
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "chains.h"

unsigned long trivial(unsigned long x);

static const void *dynamic_find(ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *at = _DYNAMIC; at->d_tag != DT_NULL; at++)
		if (at->d_tag == tag)
			return (const void *)at->d_un.d_ptr;
	abort();
}

/* Where the stub reads its destination. */
static ElfW(Addr) * slot_find(const char *name)
{
	const ElfW(Rela) *at = dynamic_find(DT_JMPREL);
	const ElfW(Sym) *symbols = dynamic_find(DT_SYMTAB);
	const char *strings = dynamic_find(DT_STRTAB);
	/* A PIE's own first byte is at the bias. */
	extern const char __executable_start[];
	const ElfW(Ehdr) *start = (const void *)__executable_start;
	ElfW(Addr) bias = start->e_type == ET_DYN ? (ElfW(Addr))start : 0;

	while (strcmp(strings + symbols[ELF64_R_SYM(at->r_info)].st_name, name))
		at++;
	return (ElfW(Addr) *)(bias + at->r_offset);
}

OWN static unsigned long calls(unsigned long x)
{
	for (int i = 0; i < 100000; i++) {
		x = trivial(x);
		x = trivial(x);
		x = trivial(x);
		x = trivial(x);
	}
	return x;
}

OWN static unsigned long calls_anew(unsigned long x, volatile ElfW(Addr) * slot, ElfW(Addr) unresolved)
{
	for (int i = 0; i < 1000; i++) {
		*slot = unresolved;
		for (int j = 0; j < 5000; j++)
			x = trivial(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	int lazy = argc == 4 && !strcmp(argv[3], "lazy");
	FILE *truth = argc >= 3 ? fopen(argv[1], "w") : NULL;

	if (!truth)
		return 2;
	volatile ElfW(Addr) *slot = slot_find("trivial");
	ElfW(Addr) unresolved = *slot;
	const char *caller = lazy ? "calls_anew" : "calls";

	truth_pair(truth, argv[2], "-", "main", 1, 4);
	truth_pair(truth, argv[2], "main", caller, 0, 0);
	truth_pair(truth, argv[2], caller, "-", 0, lazy ? 12 : 1);
	fprintf(truth, "%s (%s)\ttrivial (libstubs.so)\t0\t0\n", caller, argv[2]);
	if (fclose(truth))
		return 1;
	puts("ready");
	fflush(stdout);
	for (unsigned long x = 0;;)
		x = lazy ? calls_anew(x, slot, unresolved) : calls(x);
}
