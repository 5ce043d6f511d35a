/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chains.c - goes down chains of 40 functions, all of them known (chains.h), some
 * through libc, libraries and signal handlers. Built many times, by gcc and clang,
 * for glibc and musl, with and without what unwinding needs.
 *
 *	chains TRUTH FILE WORD...
 *
 * writes the truth to TRUTH, in which the program goes by the name FILE, says
 * `ready` and works until it is killed. Words:
 *
 *	threads		eight threads work, main waits
 *	signals		timers interrupt, one on the thread's stack, one on another
 *	narrow		no frames that are too large for a copy of 64 KiB of stack
 *	plugin=PATH	goes through this library too
 *	vfork=PATH	executes this in a loop, and nothing else
 *	late		loads the plugin only a second after `ready`
 *	anonymous	moves its text to memory that is no file's, and calls remapped
 *			what it was ("huge pages for text", as node does it)
 *	once		works for 100 ms, then ends
 */
#include <alloca.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifndef NO_PLUGIN
#include <dlfcn.h>
#endif

#include "chains.h"

#define THREAD_CNT   8
#define THREAD_STACK (16u << 20)
#define SIGNAL_STACK (256u << 10)

struct options {
	bool threads, signals, leave_libc_out, narrow, late, anonymous, once;
	const char *plugin, *vfork;
	const char *truth, *file;
};

/* Read by all threads, written before there are any. */
static struct options options;

/* ---- nothing special */

LEAF(d39)
FORTY(PLAIN, d)

/* ---- frames whose size is known at run time only */

#define ALLOCA(self, callee)                                               \
	OWN static unsigned long self(unsigned long x)                     \
	{                                                                  \
		volatile char *some = alloca(16 + x % 500);                \
		volatile char more[1 + x % 77];                            \
		some[0] = more[0] = 1;                                     \
		x = callee(spin(x, WORK));                                 \
		return spin(x, WORK) + (unsigned char)(some[0] + more[0]); \
	}
LEAF(a39)
FORTY(ALLOCA, a)

/* ---- frames of 64 KiB */

#define BIG(self, callee)                                     \
	OWN static unsigned long self(unsigned long x)        \
	{                                                     \
		volatile char big[65536];                     \
		big[x % sizeof(big)] = 1;                     \
		x = callee(spin(x, WORK));                    \
		return spin(x, WORK) + (unsigned char)big[0]; \
	}
LEAF(b39)
FORTY(BIG, b)

/* ---- frames that align the stack */

#define REALIGNED(self, callee)                                \
	OWN static unsigned long self(unsigned long x)         \
	{                                                      \
		_Alignas(64) volatile char line[64];           \
		line[x % 64] = 1;                              \
		x = callee(spin(x, WORK));                     \
		return spin(x, WORK) + (unsigned char)line[0]; \
	}
LEAF(r39)
FORTY(REALIGNED, r)

/* ---- the same, and of a size that is not known: CFA and rsp both by way of other registers */

#define REALIGNED_ALLOCA(self, callee)                                     \
	OWN static unsigned long self(unsigned long x)                     \
	{                                                                  \
		_Alignas(64) volatile char line[64];                       \
		volatile char *some = alloca(16 + x % 500);                \
		line[x % 64] = some[0] = 1;                                \
		x = callee(spin(x, WORK));                                 \
		return spin(x, WORK) + (unsigned char)(line[0] + some[0]); \
	}
LEAF(e39)
FORTY(REALIGNED_ALLOCA, e)

/* ---- functions that spend their time in a half that the compiler believes to be cold */

static volatile unsigned long never;

__attribute__((cold)) OWN static void rare(void)
{
}
#define COLD(self, callee)                             \
	OWN static unsigned long self(unsigned long x) \
	{                                              \
		if (x != never) {                      \
			rare();                        \
			x = callee(spin(x, WORK));     \
			x = spin(x, WORK);             \
		}                                      \
		return x + 1;                          \
	}
LEAF(c39)
FORTY(COLD, c)

/* ---- through libc: 10 levels, qsort, 10 levels, bsearch, 20 levels */

/* Not the one that a header inlines. */
static void *(*volatile search)(const void *, const void *, size_t, size_t,
				int (*)(const void *, const void *)) = bsearch;

LEAF(q39)
TEN(PLAIN, q3)
PLAIN(q29, q30)
TEN(PLAIN, q2)
OWN static int found(const void *a, const void *b)
{
	unsigned long x = q20(*(const unsigned long *)a);

	return (int)(x & 1) - (int)(*(const unsigned long *)b & 1);
}

OWN static unsigned long q19(unsigned long x)
{
	unsigned long items[1] = {x};

	return search(&x, items, 1, sizeof(*items), found) ? 1 : 2;
}
TEN(PLAIN, q1)
OWN static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	q10(x);
	return x < y ? -1 : x > y;
}

OWN static unsigned long q09(unsigned long x)
{
	unsigned long items[] = {x % 7, x % 5, x % 3};

	qsort(items, 3, sizeof(*items), compare);
	return items[0];
}
TEN(PLAIN, q0)

/* ---- longjmp out of the innermost */

static _Thread_local jmp_buf back;

OWN static unsigned long j39(unsigned long x)
{
	volatile unsigned long sum = spin(x, LEAF_WORK);

	longjmp(back, (int)(sum & 0xffff) + 1);
}
FORTY(PLAIN, j)
OWN static unsigned long jumps(unsigned long x)
{
	return setjmp(back) ? 1 : j00(x);
}

/* ---- calls that are their function's last instruction, for they do not return */

OWN __attribute__((noreturn)) static void n39(unsigned long x)
{
	volatile unsigned long sum = spin(x, LEAF_WORK);

	longjmp(back, (int)(sum & 0xffff) + 1);
}
#define NO_RETURN(self, callee)                                         \
	OWN __attribute__((noreturn)) static void self(unsigned long x) \
	{                                                               \
		volatile char frame[24];                                \
		frame[x % 24] = 1;                                      \
		callee(spin(x, WORK) + (unsigned char)frame[0]);        \
	}
FORTY(NO_RETURN, n)
OWN static unsigned long never_returns(unsigned long x)
{
	if (!setjmp(back))
		n00(x);
	return 1;
}

/* ---- through a library that was loaded at run time, and back: twice */

#ifndef NO_PLUGIN
static unsigned long (*volatile plugin_call_a)(unsigned long, unsigned long (*)(unsigned long));
static unsigned long (*volatile plugin_call_b)(unsigned long, unsigned long (*)(unsigned long));

LEAF(p20)
OWN static unsigned long p19(unsigned long x)
{
	return plugin_call_b(spin(x, WORK), p20) + 1;
}
TEN(PLAIN, p1)
OWN static unsigned long p09(unsigned long x)
{
	return plugin_call_a(spin(x, WORK), p10) + 1;
}
TEN(PLAIN, p0)

static void plugin_load(void)
{
	void *library = dlopen(options.plugin, RTLD_NOW);

	if (!library) {
		fprintf(stderr, "chains: %s\n", dlerror());
		exit(1);
	}
	plugin_call_b = (unsigned long (*)(unsigned long, unsigned long (*)(unsigned long)))dlsym(library,
												  "plugin_call_b");
	plugin_call_a = (unsigned long (*)(unsigned long, unsigned long (*)(unsigned long)))dlsym(library,
												  "plugin_call_a");
}
#endif

/* ---- in signal handlers */

#define HANDLER_WORK(self, callee)                     \
	OWN static unsigned long self(unsigned long x) \
	{                                              \
		x = callee(spin(x, 4 * WORK));         \
		return spin(x, 4 * WORK);              \
	}
#define FIVE(X, p) X(p##3, p##4) X(p##2, p##3) X(p##1, p##2) X(p##0, p##1)

OWN static unsigned long h4(unsigned long x)
{
	return spin(x, 4 * LEAF_WORK);
}
FIVE(HANDLER_WORK, h)
OWN static unsigned long g4(unsigned long x)
{
	return spin(x, 6 * LEAF_WORK);
}
FIVE(HANDLER_WORK, g)

static volatile unsigned long signalled;

OWN static void on_signal(int number)
{
	signalled = h0(signalled + (unsigned long)number);
}

OWN static void on_other_stack(int number)
{
	signalled = g0(signalled + (unsigned long)number);
}

static void other_stack_begin(void)
{
	stack_t stack = {.ss_sp = malloc(SIGNAL_STACK), .ss_size = SIGNAL_STACK};

	if (!stack.ss_sp || sigaltstack(&stack, NULL))
		abort();
}

static void signals_begin(void)
{
	struct sigaction plain = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction other = {.sa_handler = on_other_stack, .sa_flags = SA_RESTART | SA_ONSTACK};
	struct itimerval every_7_ms = {{0, 7000}, {0, 7000}}, every_11_ms = {{0, 11000}, {0, 11000}};

	sigaddset(&plain.sa_mask, SIGVTALRM);
	sigaddset(&other.sa_mask, SIGPROF);
	sigaction(SIGPROF, &plain, NULL);
	sigaction(SIGVTALRM, &other, NULL);
	setitimer(ITIMER_PROF, &every_7_ms, NULL);
	setitimer(ITIMER_VIRTUAL, &every_11_ms, NULL);
}

/* ---- a child that lives on its parent's stack for a while */

OWN static unsigned long v6(unsigned long x)
{
	return spin(x, 10 * LEAF_WORK);
}
OWN static unsigned long v5(unsigned long x)
{
	return v6(spin(x, LEAF_WORK)) + 1;
}
OWN static unsigned long v4(unsigned long x)
{
	volatile unsigned long sum = spin(x, LEAF_WORK);
	pid_t pid = vfork();

	if (!pid) {
		sum = v5(sum);
		execl(options.vfork, options.vfork, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return spin(sum, LEAF_WORK);
}
FIVE(PLAIN, v)

/* ---- everything */

#define ONE_EACH(X) X(d00) X(a00) X(r00) X(e00) X(c00) X(jumps) X(never_returns)

OWN static unsigned long cycle(unsigned long x)
{
#define CALL(first) x = first(x + 1);
	ONE_EACH(CALL)
	if (!options.leave_libc_out)
		x = q00(x);
	if (!options.narrow)
		x = b00(x);
#ifndef NO_PLUGIN
	if (plugin_call_a)
		x = p00(x);
#endif
	return x + 1;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

OWN static void work(unsigned long x)
{
	double start = now_s();

	for (;;) {
		x = options.vfork ? v0(x) : cycle(x);
		if (options.once && now_s() - start > 0.1)
			return;
#ifndef NO_PLUGIN
		if (options.late && !plugin_call_a && now_s() - start > 1)
			plugin_load();
#endif
	}
}

OWN static void *in_thread(void *nothing)
{
	other_stack_begin();
	work((unsigned long)pthread_self());
	return nothing;
}

/* ---- the truth */

static const char *plugin_file(void)
{
	const char *slash = strrchr(options.plugin, '/');

	return slash ? slash + 1 : options.plugin;
}

#define PAIR(caller, callee)		  truth_pair(truth, options.file, #caller, #callee, 0, 0);
#define PAIR_PLUGIN(caller, callee)	  truth_pair(truth, plugin_file(), #caller, #callee, 0, 0);
#define THROUGH(caller, callee, min, max) truth_pair(truth, options.file, #caller, #callee, min, max);
#define PAIR_OUT(caller, callee)	  fprintf(truth, #caller " (%s)\t" #callee " (%s)\t0\t0\n", options.file, plugin_file());
#define PAIR_IN(caller, callee)		  fprintf(truth, #caller " (%s)\t" #callee " (%s)\t0\t0\n", plugin_file(), options.file);
#define LEAF_OF(self, max)		  truth_pair(truth, options.file, #self, "-", 0, max);

/* How many frames of libc and of the dynamic linker may stand where. */
#define LIBC   6 /* a plain call */
#define SORT   8 /* qsort() and its recursion */
#define LOADER 60 /* dlopen() */

static void truth_of_plugin(FILE *truth)
{
	PAIR(cycle, p00)
	TEN(PAIR, p0)
	PAIR_OUT(p09, plugin_call_a)
	PAIR_PLUGIN(plugin_call_a, s00)
	TEN(PAIR_PLUGIN, s0)
	PAIR_IN(s09, p10)
	TEN(PAIR, p1)
	PAIR_OUT(p19, plugin_call_b)
	PAIR_PLUGIN(plugin_call_b, u00)
	TEN(PAIR_PLUGIN, u0)
	PAIR_IN(u09, p20)
}

static void truth_of_signals(FILE *truth)
{
	truth_pair(truth, options.file, "*", "on_signal", 1, 1);
	truth_pair(truth, options.file, "*", "on_other_stack", 1, 1);
	PAIR(on_signal, h0)
	FIVE(PAIR, h)
	PAIR(on_other_stack, g0)
	FIVE(PAIR, g)
}

static void truth_of_libc(FILE *truth)
{
	PAIR(cycle, q00)
	TEN(PAIR, q0)
	THROUGH(q09, compare, 1, SORT)
	PAIR(compare, q10)
	TEN(PAIR, q1)
	THROUGH(q19, found, 1, 1)
	PAIR(found, q20)
	TEN(PAIR, q2)
	PAIR(q29, q30)
	TEN(PAIR, q3)
	LEAF_OF(q09, LIBC + SORT)
	LEAF_OF(q19, LIBC)
}

static void truth_of_cycle(FILE *truth)
{
#define FROM_CYCLE(first) PAIR(cycle, first)
	PAIR(work, cycle)
	ONE_EACH(FROM_CYCLE)
	FORTY(PAIR, d)
	FORTY(PAIR, a)
	FORTY(PAIR, r)
	FORTY(PAIR, e)
	FORTY(PAIR, c)
#define TO_RARE(self, callee) LEAF_OF(self, 1)
	FORTY(TO_RARE, c)
	PAIR(jumps, j00)
	FORTY(PAIR, j)
	LEAF_OF(jumps, LIBC)
	LEAF_OF(j39, LIBC)
	PAIR(never_returns, n00)
	FORTY(PAIR, n)
	LEAF_OF(never_returns, LIBC)
	LEAF_OF(n39, LIBC)
	if (!options.leave_libc_out)
		truth_of_libc(truth);
	if (!options.narrow) {
		PAIR(cycle, b00)
		FORTY(PAIR, b)
	}
}

static void truth_of_vfork(FILE *truth)
{
	PAIR(work, v0)
	FIVE(PAIR, v)
	PAIR(v4, v5)
	PAIR(v5, v6)
	LEAF_OF(v4, LIBC)
}

static int truth_write(void)
{
	FILE *truth = fopen(options.truth, "w");

	if (!truth)
		return -1;
	if (options.threads) {
		truth_pair(truth, options.file, "-", "in_thread", 1, 3);
		PAIR(in_thread, work)
	} else {
		truth_pair(truth, options.file, "-", "main", 1, 4);
		PAIR(main, work)
	}
	LEAF_OF(work, options.plugin ? LOADER : LIBC)
	if (options.vfork)
		truth_of_vfork(truth);
	else
		truth_of_cycle(truth);
	if (options.plugin)
		truth_of_plugin(truth);
	if (options.signals)
		truth_of_signals(truth);
	return fclose(truth);
}

/* ---- text that is no file's */

/* The kernel replaces the pages in one step, by pages with the same bytes. */
static void pages_move(void *start, size_t size)
{
	void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		abort();
	memcpy(copy, start, size);
	if (mprotect(copy, size, PROT_READ | PROT_EXEC) ||
	    mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, start) != start)
		abort();
}

static int text_move(struct dl_phdr_info *program, size_t size, void *nothing)
{
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
		uintptr_t start = program->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		start &= ~4095ul;
		pages_move((void *)start, ((end + 4095) & ~4095ul) - start);
	}
	return 1; /* the first one is the program itself */
}

/* ---- the command line */

static const char *value_of(const char *word, const char *name)
{
	size_t size = strlen(name);

	return !strncmp(word, name, size) && word[size] == '=' ? word + size + 1 : NULL;
}

static bool option_parse(const char *word)
{
	const struct {
		const char *name;
		bool *flag;
		const char **value;
	} words[] = {
		{"threads", &options.threads, NULL},
		{"signals", &options.signals, NULL},
		{"leave-libc-out", &options.leave_libc_out, NULL},
		{"narrow", &options.narrow, NULL},
		{"late", &options.late, NULL},
		{"anonymous", &options.anonymous, NULL},
		{"once", &options.once, NULL},
		{"plugin", NULL, &options.plugin},
		{"vfork", NULL, &options.vfork},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].flag && !strcmp(word, words[i].name))
			return *words[i].flag = true;
		const char *value = value_of(word, words[i].name);
		if (words[i].value && value) {
			*words[i].value = value;
			return true;
		}
	}
	return false;
}

static void threads_begin(void)
{
	pthread_attr_t attributes;
	pthread_t threads[THREAD_CNT];
	sigset_t all;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (int i = 0; i < THREAD_CNT; i++)
		if (pthread_create(&threads[i], &attributes, in_thread, NULL))
			abort();
	/* They get the signals; main waits. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

int main(int argc, char **argv)
{
	bool understood = argc >= 3;

	for (int i = 3; i < argc; i++)
		understood = understood && option_parse(argv[i]);
	if (!understood) {
		fprintf(stderr, "usage: chains TRUTH FILE WORD...\n");
		return 2;
	}
	options.truth = argv[1];
	options.file = argv[2];
	if (truth_write()) {
		perror(options.truth);
		return 1;
	}
	if (options.anonymous)
		dl_iterate_phdr(text_move, NULL);
#ifndef NO_PLUGIN
	if (options.plugin && !options.late)
		plugin_load();
#endif
	other_stack_begin();
	if (options.threads)
		threads_begin();
	if (options.signals)
		signals_begin();
	puts("ready");
	fflush(stdout);
	if (!options.threads)
		work((unsigned long)getpid());
	while (options.threads)
		pause();
	return 0;
}
