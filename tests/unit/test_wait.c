/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads of this very process that wait for what the test knows; their system calls
 * are what the kernel says of them in /proc/self/task/TID/syscall.
 */
#include "dump/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "dump/syscall_table.h"

#define WAIT_MS 10000

/* One test's view of this process. */
struct own {
	struct snapshot *snapshot;
	struct fd_targets *fds;
	struct namespace_tids *tids;
	struct remote_memory memory;
	struct wait_facts facts;
};

static void own_init(struct own *own)
{
	cr_assert_eq(snapshot_new((u32)getpid(), &own->snapshot), 0);
	cr_assert_eq(fd_targets_new(getpid(), &own->fds), 0);
	cr_assert_eq(namespace_tids_new(getpid(), &own->tids), 0);
	own->memory = remote_memory_of_process(getpid());
	own->facts = (struct wait_facts){.memory = &own->memory, .fds = own->fds, .tids = own->tids};
}

static void own_deinit(struct own *own)
{
	snapshot_free(own->snapshot);
	fd_targets_free(own->fds);
	namespace_tids_free(own->tids);
}

#define OWN(name)                                                   \
	__attribute__((cleanup(own_deinit))) struct own name = {0}; \
	own_init(&name)

static struct dump_wait explain(struct own *own, const struct thread_record *record)
{
	struct dump_wait wait;

	cr_assert_eq(wait_explain(own->snapshot, record, &own->facts, &wait), 0);
	return wait;
}

/* ---- threads that wait ---- */

struct waiter {
	void (*wait)(void *of);
	void *of;
	_Atomic u32 tid;
};

static void *waiter_run(void *argument)
{
	struct waiter *waiter = argument;

	waiter->tid = (u32)gettid();
	waiter->wait(waiter->of);
	return NULL;
}

/* It ends with the test's process. */
static void waiter_start(struct waiter *waiter, void (*wait)(void *), void *of)
{
	pthread_t thread;

	*waiter = (struct waiter){.wait = wait, .of = of};
	cr_assert_eq(pthread_create(&thread, NULL, waiter_run, waiter), 0);
	pthread_detach(thread);
	while (!waiter->tid)
		sched_yield();
}

/* Returns once the thread waits in this system call. */
static struct thread_record record_of(const struct waiter *waiter, u64 number)
{
	struct thread_record record = {.flags = THREAD_IN_SYSCALL, .state = 'S', .tid = waiter->tid};
	char path[64], line[256];
	unsigned long long is;

	snprintf(path, sizeof(path), "/proc/self/task/%u/syscall", waiter->tid);
	for (int ms = 0; ms < WAIT_MS; ms++, usleep(1000)) {
		_cleanup_(stream) FILE *file = fopen(path, "r");
		u64 *a = record.arguments;

		if (!file || !fgets(line, sizeof(line), file) ||
		    sscanf(line, "%llu %llx %llx %llx %llx %llx %llx", &is, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) !=
			    7 ||
		    is != number)
			continue;
		record.syscall = is;
		return record;
	}
	cr_assert(false, "it never got into system call %llu: %s", number, line);
	return record;
}

static struct dump_wait explain_waiter(struct own *own, void (*wait)(void *), void *of, u64 number)
{
	static struct waiter waiters[32]; /* their threads outlive the call */
	static size_t cnt;
	struct waiter *waiter = &waiters[cnt++];

	waiter_start(waiter, wait, of);
	struct thread_record record = record_of(waiter, number);
	return explain(own, &record);
}

/* ---- the table ---- */

Test(wait, system_calls_have_the_names_and_numbers_of_the_kernels_header)
{
	_cleanup_(stream) FILE *header = fopen("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "r");
	char line[256], name[64];
	unsigned number, cnt = 0;

	if (!header)
		cr_skip_test("no <asm/unistd_64.h>");
	while (fgets(line, sizeof(line), header)) {
		if (sscanf(line, "#define __NR_%63s %u", name, &number) != 2)
			continue;
		cr_assert(syscall_name(number), "%s is missing", name);
		cr_assert_str_eq(syscall_name(number), name);
		cnt++;
	}
	cr_assert_gt(cnt, 300);
	cr_assert_null(syscall_name(400)); /* a hole: x86-64 has no such call */
	cr_assert_null(syscall_name((u64)-1));
	cr_assert_null(syscall_name(0x40000000)); /* x32 */
}

/* ---- descriptors ---- */

static void wait_read(void *of)
{
	char c;

	(void)!read(*(int *)of, &c, 1);
}

Test(wait, a_read_says_on_which_pipe)
{
	OWN(own);
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	struct dump_wait wait = explain_waiter(&own, wait_read, &ends[0], SYS_read);
	cr_assert_eq(wait.kind, WAIT_FD);
	cr_assert_str_eq(wait.syscall, "read");
	cr_assert_eq(wait.fd, ends[0]);
	cr_assert_str_eq(wait.on, "pipe");
}

/* A listener on the loopback, its port in *ret_port. */
static int listener(int family, unsigned *ret_port)
{
	struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool is_six = family == AF_INET6;
	void *at = is_six ? (void *)&address6 : (void *)&address;
	socklen_t size = is_six ? sizeof(address6) : sizeof(address);
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, at, size) || listen(fd, 1))
		return -1;
	cr_assert_eq(getsockname(fd, at, &size), 0);
	*ret_port = ntohs(is_six ? address6.sin6_port : address.sin_port);
	return fd;
}

static int connected(int family, int to, unsigned *ret_port)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = socket(family, SOCK_STREAM, 0);

	cr_assert_eq(getsockname(to, (struct sockaddr *)&address, &size), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_port = ntohs(family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
					     : ((struct sockaddr_in *)&address)->sin_port);
	return fd;
}

static void wait_accept(void *of)
{
	accept(*(int *)of, NULL, NULL);
}

static void wait_recv(void *of)
{
	char c;

	recv(*(int *)of, &c, 1, 0);
}

Test(wait, sockets_say_both_their_addresses)
{
	OWN(own);
	unsigned port, local;
	char expected[128];
	int to = listener(AF_INET, &port);

	cr_assert_geq(to, 0);
	int fd = connected(AF_INET, to, &local);
	struct dump_wait wait = explain_waiter(&own, wait_recv, &fd, SYS_recvfrom);
	snprintf(expected, sizeof(expected), "socket 127.0.0.1:%u, local 127.0.0.1:%u", port, local);
	cr_assert_str_eq(wait.on, expected);
	cr_assert_str_eq(wait.syscall, "recvfrom");

	int accepted = accept(to, NULL, NULL);
	snprintf(expected, sizeof(expected), "socket 127.0.0.1:%u, local 127.0.0.1:%u", local, port);
	/* Sockets were listed before it was there. */
	_cleanup_(fd_targets) struct fd_targets *later = NULL;
	cr_assert_eq(fd_targets_new(getpid(), &later), 0);
	cr_assert_str_eq(fd_targets_find(own.fds, accepted), "socket");
	cr_assert_str_eq(fd_targets_find(later, accepted), expected);
}

Test(wait, a_socket_that_listens_says_so)
{
	OWN(own);
	unsigned port;
	char expected[64];
	int fd = listener(AF_INET, &port);

	cr_assert_geq(fd, 0);
	struct dump_wait wait = explain_waiter(&own, wait_accept, &fd, SYS_accept);
	snprintf(expected, sizeof(expected), "socket listening on 127.0.0.1:%u", port);
	cr_assert_str_eq(wait.on, expected);
}

Test(wait, addresses_of_ipv6_stand_in_brackets)
{
	OWN(own);
	unsigned port, local;
	char expected[64];
	int to = listener(AF_INET6, &port);

	if (to < 0)
		cr_skip_test("no IPv6 here");
	snprintf(expected, sizeof(expected), "socket listening on [::1]:%u", port);
	cr_assert_str_eq(fd_targets_find(own.fds, to), expected);
	int fd = connected(AF_INET6, to, &local);
	_cleanup_(fd_targets) struct fd_targets *later = NULL;
	cr_assert_eq(fd_targets_new(getpid(), &later), 0);
	snprintf(expected, sizeof(expected), "socket [::1]:%u, local [::1]:%u", port, local);
	cr_assert_str_eq(fd_targets_find(later, fd), expected);
}

Test(wait, unix_sockets_say_their_path)
{
	OWN(own);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char expected[256];
	int pair[2], fd = socket(AF_UNIX, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in peer = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(53)};

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/pyprof test_wait.%d", getpid());
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_eq(connect(udp, (struct sockaddr *)&peer, sizeof(peer)), 0);
	snprintf(expected, sizeof(expected), "unix socket listening on %s", address.sun_path);
	cr_assert_str_eq(fd_targets_find(own.fds, fd), expected);
	unlink(address.sun_path);
	cr_assert_str_eq(fd_targets_find(own.fds, pair[0]), "unix socket");
	cr_assert_eq(strncmp(fd_targets_find(own.fds, udp), "udp socket 127.0.0.1:53, local ", 31), 0);
}

Test(wait, files_say_their_path_and_other_things_their_kind)
{
	OWN(own);
	char path[64], expected[64];

	snprintf(path, sizeof(path), "/tmp/pyprof\ntest_wait.%d", getpid());
	snprintf(expected, sizeof(expected), "/tmp/pyprof?test_wait.%d", getpid());
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	cr_assert_str_eq(fd_targets_find(own.fds, fd), expected);
	unlink(path);
	cr_assert_str_eq(fd_targets_find(own.fds, open("/dev/null", O_RDONLY)), "/dev/null");
	cr_assert_str_eq(fd_targets_find(own.fds, eventfd(0, 0)), "eventfd");
	cr_assert_str_eq(fd_targets_find(own.fds, epoll_create1(0)), "epoll");
	cr_assert_str_eq(fd_targets_find(own.fds, 9999), "");
	cr_assert_str_eq(fd_targets_find(own.fds, -1), "");
}

static void wait_epoll(void *of)
{
	struct epoll_event ready;

	epoll_wait(*(int *)of, &ready, 1, -1);
}

static void wait_poll(void *of)
{
	struct pollfd polled[3] = {{.fd = ((int *)of)[0]}, {.fd = -1}, {.fd = ((int *)of)[1]}};

	poll(polled, 3, -1);
}

static void wait_poll_one(void *of)
{
	struct pollfd polled = {.fd = *(int *)of, .events = POLLIN};

	poll(&polled, 1, -1);
}

static void wait_select(void *of)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(*(int *)of, &set);
	select(*(int *)of + 1, &set, NULL, NULL, NULL);
}

Test(wait, calls_that_wait_for_several_descriptors_say_which)
{
	OWN(own);
	int ends[2], epoll = epoll_create1(0);
	char expected[64];

	cr_assert_eq(pipe(ends), 0);
	struct dump_wait wait = explain_waiter(&own, wait_epoll, &epoll, SYS_epoll_wait);
	cr_assert_eq(wait.fd, epoll);
	cr_assert_str_eq(wait.on, "epoll");
	wait = explain_waiter(&own, wait_poll, ends, SYS_poll);
	cr_assert_eq(wait.kind, WAIT_SYSCALL);
	snprintf(expected, sizeof(expected), "fds %d, %d", ends[0], ends[1]);
	cr_assert_str_eq(wait.on, expected);
	wait = explain_waiter(&own, wait_poll_one, ends, SYS_poll);
	cr_assert_eq(wait.kind, WAIT_FD);
	cr_assert_eq(wait.fd, ends[0]);
	cr_assert_str_eq(wait.on, "pipe");
	wait = explain_waiter(&own, wait_select, ends, SYS_pselect6);
	cr_assert_eq(wait.kind, WAIT_FD);
	cr_assert_eq(wait.fd, ends[0]);
}

/* ---- words of memory ---- */

static void wait_mutex(void *of)
{
	pthread_mutex_lock(of);
}

static void wait_mutex_until(void *of)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 1000;
	pthread_mutex_timedlock(of, &end);
}

static void wait_semaphore(void *of)
{
	sem_wait(of);
}

static void wait_condition(void *of)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	pthread_cond_wait(of, &mutex);
}

static void wait_stream(void *of)
{
	flockfile(of);
}

static void mutex_make(pthread_mutex_t *mutex, int type, bool robust, int protocol, bool shared)
{
	pthread_mutexattr_t how;

	pthread_mutexattr_init(&how);
	pthread_mutexattr_settype(&how, type);
	pthread_mutexattr_setrobust(&how, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
	pthread_mutexattr_setprotocol(&how, protocol);
	pthread_mutexattr_setpshared(&how, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	cr_assert_eq(pthread_mutex_init(mutex, &how), 0);
	cr_assert_eq(pthread_mutex_lock(mutex), 0);
}

Test(wait, a_pthread_mutex_of_any_type_tells_its_owner)
{
	OWN(own);
	static pthread_mutex_t mutexes[7];

	mutex_make(&mutexes[0], PTHREAD_MUTEX_NORMAL, false, PTHREAD_PRIO_NONE, false);
	mutex_make(&mutexes[1], PTHREAD_MUTEX_RECURSIVE, false, PTHREAD_PRIO_NONE, true);
	mutex_make(&mutexes[2], PTHREAD_MUTEX_ERRORCHECK, false, PTHREAD_PRIO_NONE, false);
	mutex_make(&mutexes[3], PTHREAD_MUTEX_ADAPTIVE_NP, false, PTHREAD_PRIO_NONE, false);
	mutex_make(&mutexes[4], PTHREAD_MUTEX_NORMAL, true, PTHREAD_PRIO_NONE, false);
	mutex_make(&mutexes[5], PTHREAD_MUTEX_RECURSIVE, true, PTHREAD_PRIO_NONE, false);
	mutex_make(&mutexes[6], PTHREAD_MUTEX_NORMAL, false, PTHREAD_PRIO_INHERIT, false);
	pthread_mutex_lock(&mutexes[1]);
	for (size_t i = 0; i < 2 * sizeof(mutexes) / sizeof(mutexes[0]); i++) {
		size_t at = i / 2;
		struct dump_wait wait = explain_waiter(&own, i % 2 ? wait_mutex_until : wait_mutex, &mutexes[at],
						       SYS_futex);

		cr_assert_eq(wait.kind, WAIT_FUTEX, "mutex %zu", at);
		cr_assert_eq(wait.address, (u64)&mutexes[at], "mutex %zu", at);
		cr_assert_eq(wait.owner_tid, (u32)gettid(), "mutex %zu, %zu: %u", at, i % 2, wait.owner_tid);
		cr_assert_not(wait.owner_inferred);
		cr_assert_str_eq(wait.on, "pthread mutex");
	}
}

Test(wait, what_is_no_mutex_has_no_owner)
{
	OWN(own);
	static sem_t semaphore;
	static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

	sem_init(&semaphore, 0, 0);
	flockfile(stderr);
	cr_assert_eq(explain_waiter(&own, wait_semaphore, &semaphore, SYS_futex).owner_tid, 0);
	cr_assert_eq(explain_waiter(&own, wait_condition, &condition, SYS_futex).owner_tid, 0);
	cr_assert_eq(explain_waiter(&own, wait_stream, stderr, SYS_futex).owner_tid, 0);
	funlockfile(stderr);
}

Test(wait, words_that_only_resemble_a_mutex_have_no_owner)
{
	u32 tid = (u32)gettid();
	const u32 words[][8] = {
		{2, 0, tid, 0, 0}, /* nobody uses it */
		{2, 1, tid, 1, 0}, /* counted, but not recursive */
		{2, 0, tid, 1, 1}, /* recursive, but not counted */
		{2, 0, tid, 1, 0x400}, /* no such kind */
		{2, 0, tid, 1, 0x10}, /* robust: the word would be the owner */
		{2, 0, 1, 1, 0}, /* no thread of this process */
		{2, 0, tid, 1, 0, 0x10000}, /* elision of what is locked */
		{1, 0, tid, 1, 0}, /* not what it waits on */
		{2, 0, tid, 0x7fffffff, 0},
	};

	OWN(own);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct remote_memory memory = remote_memory_of_bytes(words[i], sizeof(words[i]), 0x1000);
		struct thread_record record = {.flags = THREAD_IN_SYSCALL,
					       .state = 'S',
					       .syscall = SYS_futex,
					       .arguments = {0x1000, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2}};

		own.facts.memory = &memory;
		cr_assert_eq(explain(&own, &record).owner_tid, 0, "case %zu", i);
	}
	/* The same with nothing wrong: so it is not by chance. */
	const u32 right[8] = {2, 0, tid, 1, 0};
	struct remote_memory memory = remote_memory_of_bytes(right, sizeof(right), 0x1000);
	struct thread_record record = {.flags = THREAD_IN_SYSCALL,
				       .state = 'S',
				       .syscall = SYS_futex,
				       .arguments = {0x1000, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2}};
	own.facts.memory = &memory;
	cr_assert_eq(explain(&own, &record).owner_tid, tid);
}

Test(wait, a_futex_inside_of_the_gil_is_the_gil)
{
	OWN(own);
	static struct {
		u64 before;
		sem_t semaphore;
		u64 behind;
	} gil;

	sem_init(&gil.semaphore, 0, 0);
	own.facts.gil_start = (u64)&gil;
	own.facts.gil_end = (u64)(&gil + 1);
	own.facts.gil_owner_tid = 13168;
	struct dump_wait wait = explain_waiter(&own, wait_semaphore, &gil.semaphore, SYS_futex);
	cr_assert_eq(wait.kind, WAIT_GIL);
	cr_assert_eq(wait.owner_tid, 13168);
	own.facts.gil_end = (u64)&gil.semaphore;
	cr_assert_eq(explain_waiter(&own, wait_semaphore, &gil.semaphore, SYS_futex).kind, WAIT_FUTEX);
}

static void wait_time(void *of)
{
	sleep(1000);
}

Test(wait, a_sleep_is_a_system_call_and_no_more)
{
	OWN(own);
	struct dump_wait wait = explain_waiter(&own, wait_time, NULL, SYS_clock_nanosleep);

	cr_assert_eq(wait.kind, WAIT_SYSCALL);
	cr_assert_str_eq(wait.syscall, "clock_nanosleep");
	cr_assert_eq(wait.fd, -1);
	cr_assert_str_eq(wait.on, "");
}

/* ---- what is no wait, and what makes no sense ---- */

Test(wait, a_thread_that_runs_or_could_waits_for_nothing)
{
	OWN(own);
	const struct thread_record records[] = {
		{.flags = THREAD_ON_CPU | THREAD_IN_SYSCALL, .state = 'R', .syscall = SYS_read},
		{.flags = THREAD_RUNNABLE | THREAD_IN_SYSCALL, .state = 'R', .syscall = SYS_read},
		{.flags = THREAD_EXITING, .state = 'S'},
		{.state = 'Z'},
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		cr_assert_eq(explain(&own, &records[i]).kind, WAIT_NONE, "case %zu", i);
	cr_assert_eq(explain(&own, &(struct thread_record){.state = 'D'}).kind, WAIT_OTHER);
	cr_assert_eq(explain(&own, &(struct thread_record){.state = 'T', .flags = THREAD_IN_SYSCALL}).kind, WAIT_OTHER);
}

Test(wait, arguments_that_make_no_sense_are_not_followed)
{
	OWN(own);
	static const u64 numbers[] = {SYS_poll, SYS_select, SYS_pselect6, SYS_ppoll, SYS_futex, SYS_read, 1000000};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct thread_record record = {.flags = THREAD_IN_SYSCALL, .state = 'S', .syscall = numbers[i]};

		for (u64 value = 1; value; value <<= 7) {
			for (int j = 0; j < 6; j++)
				record.arguments[j] = value - 2;
			struct dump_wait wait = explain(&own, &record);
			cr_assert_neq(wait.kind, WAIT_NONE);
			cr_assert_eq(wait.owner_tid, 0);
		}
	}
}

Test(wait, others_that_wait_for_the_same_are_counted)
{
	struct dump_thread threads[] = {
		{.wait = {.kind = WAIT_FUTEX, .address = 0x1000, .fd = -1}},
		{.wait = {.kind = WAIT_FUTEX, .address = 0x2000, .fd = -1}},
		{.wait = {.kind = WAIT_FUTEX, .address = 0x1000, .fd = -1}},
		{.wait = {.kind = WAIT_LOCK, .address = 0x1000, .fd = -1}},
		{.wait = {.kind = WAIT_FD, .fd = 0}},
		{.wait = {.kind = WAIT_FD, .fd = 0}},
		{.wait = {.kind = WAIT_FUTEX, .address = 0x1000, .fd = -1}},
		{.wait = {.kind = WAIT_SYSCALL, .fd = -1}},
		{.wait = {.kind = WAIT_SYSCALL, .fd = -1}},
		{.wait = {.kind = WAIT_NONE, .fd = -1, .others = 7}},
	};
	static const u32 expected[] = {2, 0, 2, 0, 1, 1, 2, 0, 0, 0};

	cr_assert_eq(wait_count_others(threads, sizeof(threads) / sizeof(threads[0])), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		cr_assert_eq(threads[i].wait.others, expected[i], "thread %zu", i);
	cr_assert_eq(wait_count_others(NULL, 0), 0);
}

/* ---- names of threads in another PID namespace ---- */

/*
 * The first process of a new PID namespace; it lives until the other end of the pipe is closed. 0: there can be
 * none. A process between stands apart from the test, which could start no threads any more.
 */
static int child_in_namespace(const int ends[2])
{
	int answer[2], child = 0;

	cr_assert_eq(pipe(answer), 0);
	if (!fork()) {
		child = unshare(CLONE_NEWPID) ? -1 : fork();
		close(ends[1]);
		close(answer[0]);
		if (!child)
			wait_read((void *)&ends[0]);
		else if (child > 0 && write(answer[1], &child, sizeof(child)) < 0)
			_exit(1);
		_exit(0);
	}
	close(answer[1]);
	ssize_t size = read(answer[0], &child, sizeof(child));
	close(answer[0]);
	return size == sizeof(child) ? child : 0;
}

Test(wait, threads_are_found_by_what_they_call_themselves)
{
	OWN(own);

	cr_assert_eq(namespace_tids_find(own.tids, (u32)gettid()), (u32)gettid());
	cr_assert_eq(namespace_tids_find(own.tids, 1), 0);

	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	int child = child_in_namespace(ends);
	if (!child)
		cr_skip_test("no PID namespaces for us");
	_cleanup_(namespace_tids) struct namespace_tids *tids = NULL;
	cr_assert_eq(namespace_tids_new(child, &tids), 0);
	cr_assert_eq(namespace_tids_find(tids, 1), (u32)child, "the first process of a namespace is 1 in it");
	cr_assert_eq(namespace_tids_find(tids, (u32)child), 0);
}
