/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * native.c - main calls outer calls middle calls leaf, which works and hardly ever
 * returns. Built twice: `native-fp` keeps frame pointers, `native-nofp` keeps none;
 * all four must be seen of both.
 *
 *   native-fp [COMM [THREAD_COMM]]   takes that name, and gives a thread that one
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

__attribute__((noipa)) static unsigned long leaf(unsigned long rounds)
{
	volatile unsigned long sum = 0;

	for (unsigned long i = 0; i < rounds; i++)
		sum += i * i;
	return sum;
}

/* What follows each call keeps it from becoming a jump, noipa from being merged into its caller. */
__attribute__((noipa)) static unsigned long middle(unsigned long rounds)
{
	return leaf(rounds) + 1;
}

__attribute__((noipa)) static unsigned long outer(unsigned long rounds)
{
	return middle(rounds) * 3;
}

static void *in_thread(void *name)
{
	prctl(PR_SET_NAME, name);
	for (;;)
		outer(10000000);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1)
		prctl(PR_SET_NAME, argv[1]);
	if (argc > 2)
		pthread_create(&thread, NULL, in_thread, argv[2]);
	puts("ready");
	fflush(stdout);
	for (;;)
		outer(10000000);
}
