/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tests/e2e/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CHILDREN 4096
#define MAX_PLACES   64
#define MAX_ARGS     64

/* Each test is a process of its own, so these are per test. */
static struct child children[MAX_CHILDREN];
static size_t child_cnt;
static char places[MAX_PLACES][260];
static size_t place_cnt;

/* Texts are kept until the test's process ends; the leaks that count are the profiler's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* --- time --------------------------------------------------------------- */

double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void sleep_s(double seconds)
{
	struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

bool long_run(void)
{
	const char *value = getenv("PYPROF_LONG");

	return value && !strcmp(value, "1");
}

/* --- text --------------------------------------------------------------- */

const char *text_of(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	int size = vasprintf(&text, format, args);
	va_end(args);
	cr_assert(size >= 0);
	return text; /* the test's process is about to end anyway */
}

/* From its beginning to its end, whatever it says of its size: files of /proc say 0. */
static char *descriptor_text(int fd)
{
	size_t size = 0, capacity = 4096;
	char *text = NULL;
	ssize_t got;

	do {
		text = realloc(text, capacity);
		cr_assert_not_null(text);
		got = pread(fd, text + size, capacity - size - 1, (off_t)size);
		size += got > 0 ? (size_t)got : 0;
		if (size + 1 == capacity)
			capacity *= 2;
	} while (got > 0);
	text[size] = 0;
	return text;
}

char *file_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : descriptor_text(fd);

	if (fd >= 0)
		close(fd);
	return text;
}

bool file_exists(const char *path)
{
	return !access(path, F_OK);
}

/* --- begin and end ------------------------------------------------------ */

void harness_begin(void)
{
	/* What a dying child leaves behind becomes ours, so that it is seen and ended. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(geteuid(), 0, "the end-to-end tests need root");
}

static void reap(struct child *child, int options)
{
	struct rusage usage;
	int status;

	if (child->status >= 0 || wait4(child->pid, &status, options, &usage) != child->pid)
		return;
	child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	child->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Kills what is left of our descendants: those that are our own children by now. */
static size_t kill_descendants(void)
{
	char *text = file_text(text_of("/proc/self/task/%d/children", (int)getpid()));
	size_t cnt = 0;

	for (char *at = text, *word; at && (word = strsep(&at, " "));) {
		if (!*word)
			continue;
		kill(atoi(word), SIGKILL);
		cnt++;
	}
	free(text);
	return cnt;
}

void harness_end(void)
{
	for (size_t i = 0; i < child_cnt; i++)
		if (children[i].status < 0)
			kill(children[i].pid, SIGKILL);
	for (int i = 0; i < 1000 && kill_descendants(); i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sleep_s(0.01);
	}
	for (size_t i = 0; i < place_cnt && !getenv("PYPROF_KEEP"); i++) {
		umount2(text_of("%s/mount", places[i]), MNT_DETACH);
		if (!fork()) {
			execl("/bin/rm", "rm", "-rf", "--one-file-system", places[i], NULL);
			_exit(1);
		}
		wait(NULL);
	}
}

/* --- interpreters ------------------------------------------------------- */

size_t pythons_list(struct python *ret, size_t max)
{
	FILE *list = popen("tools/get_pythons.sh --list", "r");
	char line[1024];
	size_t cnt = 0;

	while (list && cnt < max && fgets(line, sizeof(line), list)) {
		struct python *python = &ret[cnt];
		if (sscanf(line, "%31[^\t]\t%199[^\t]\t%199[^\n]", python->name, python->path, python->root) != 3)
			continue;
		const char *version = strrchr(python->name, '-');
		if (!version || sscanf(version, "-%d.%d", &python->major, &python->minor) != 2)
			continue;
		cnt++;
	}
	if (list)
		pclose(list);
	return cnt;
}

struct criterion_test_params pythons_that(bool (*is_meant)(const struct python *python))
{
	struct python found[MAX_PYTHONS];
	size_t all = pythons_list(found, MAX_PYTHONS), cnt = 0;
	struct python *parameters = cr_calloc(all + 1, sizeof(*parameters));

	for (size_t i = 0; i < all; i++)
		if (is_meant(&found[i]))
			parameters[cnt++] = found[i];
	return cr_make_param_array(struct python, parameters, cnt);
}

static bool is_any(const struct python *python)
{
	return python != NULL;
}

struct criterion_test_params pythons_as_parameters(void)
{
	return pythons_that(is_any);
}

struct python python_any(void)
{
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS), best = 0;

	cr_assert(cnt, "no interpreter: run tools/get_pythons.sh");
	for (size_t i = 1; i < cnt; i++)
		if (python_is_since(&found[i], found[best].major, found[best].minor + 1))
			best = i;
	return found[best];
}

bool python_is_since(const struct python *python, int major, int minor)
{
	return python->major > major || (python->major == major && python->minor >= minor);
}

bool python_has_runs(const struct python *python)
{
	return python_is_since(python, 3, 11);
}

bool python_has_gil(const struct python *python)
{
	return python->name[strlen(python->name) - 1] != 't';
}

bool python_has_anchors(const struct python *python)
{
	return python_is_since(python, 3, 10);
}

/* One of the same version, with or without a GIL, comes before it in the list. */
static bool python_is_double(const struct python *python)
{
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS);

	for (size_t i = 0; i < cnt && strcmp(found[i].name, python->name); i++) {
		if (found[i].major == python->major && found[i].minor == python->minor &&
		    python_has_gil(&found[i]) == python_has_gil(python))
			return true;
	}
	return false;
}

double sampling_seconds(const struct python *python, double asked)
{
	return long_run() ? asked : python_is_since(python, 3, 11) && !python_is_double(python) ? 10 : 3;
}

/* --- places ------------------------------------------------------------- */

static const char *build_directory(void)
{
	const char *value = getenv("PYPROF_BUILD");

	return value && *value ? value : "build";
}

struct place place_in(const char *root)
{
	struct place place;
	const char *command;

	if (!strcmp(root, "/"))
		root = "";
	cr_assert(place_cnt < MAX_PLACES);
	snprintf(place.outside, sizeof(place.outside), "%s/tmp/pyprof-e2e-XXXXXX", root);
	cr_assert_not_null(mkdtemp(place.outside), "cannot make %s: %s", place.outside, strerror(errno));
	memcpy(places[place_cnt++], place.outside, sizeof(place.outside));
	snprintf(place.inside, sizeof(place.inside), "%s", place.outside + strlen(root));
	chmod(place.outside, 0777);
	command = text_of("cp tests/workloads/*.py '%s' && find '%s/tests/workloads' -maxdepth 1 -type f -perm /1 "
			  "-exec cp -t '%s' {} +",
			  place.outside, build_directory(), place.outside);
	cr_assert_eq(system(command), 0, "cannot copy the workloads; is everything built?");
	return place;
}

const char *in_place(const struct place *place, const char *name)
{
	return text_of("%s/%s", place->outside, name);
}

/* --- processes ---------------------------------------------------------- */

static void fail_in_child(const char *what)
{
	dprintf(2, "harness: %s: %s\n", what, strerror(errno));
	_exit(126);
}

/* Puts source at descriptor target, or /dev/null. */
static void place_descriptor(int source, int target)
{
	if (source <= 0) {
		source = open("/dev/null", target ? O_WRONLY : O_RDONLY);
		if (source < 0)
			fail_in_child("/dev/null");
	}
	if (source != target && dup2(source, target) < 0)
		fail_in_child("dup2");
}

static void become(const struct start *how, const char *const argv[])
{
	if (how->own_terminal && (setsid() < 0 || ioctl(0, TIOCSCTTY, 0)))
		fail_in_child("terminal");
	if (how->root && strcmp(how->root, "/") && chroot(how->root))
		fail_in_child("chroot");
	if (chdir(how->directory ? how->directory : how->root ? "/" : "."))
		fail_in_child("chdir");
	for (size_t i = 0; i < 8 && how->environment[i]; i++)
		putenv(strdup(how->environment[i]));
	if (how->uid && (setgroups(0, NULL) || setgid(how->uid) || setuid(how->uid)))
		fail_in_child("setuid");
	/* After setuid, which takes it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], (char *const *)argv);
	fail_in_child(argv[0]);
}

struct child *child_start(const struct start *how, const char *const argv[])
{
	static const struct start plainly;
	struct child *child = &children[child_cnt++];

	cr_assert(child_cnt <= MAX_CHILDREN);
	how = how ? how : &plainly;
	*child = (struct child){.status = -1};
	child->out = memfd_create("out", MFD_CLOEXEC);
	child->err = memfd_create("err", MFD_CLOEXEC);
	cr_assert(child->out >= 0 && child->err >= 0);
	fflush(NULL);
	child->pid = fork();
	cr_assert(child->pid >= 0);
	if (!child->pid) {
		place_descriptor(how->in, 0);
		place_descriptor(how->out ? how->out : child->out, 1);
		place_descriptor(how->err ? how->err : child->err, 2);
		become(how, argv);
	}
	return child;
}

/* argv[cnt...] from what follows first. */
static void take_arguments(const char **argv, size_t cnt, const char *first, va_list args)
{
	for (const char *arg = first; arg; arg = va_arg(args, const char *)) {
		cr_assert(cnt + 1 < MAX_ARGS);
		argv[cnt++] = arg;
	}
	argv[cnt] = NULL;
}

struct child *python_start(const struct python *python, const struct place *place, const char *script, ...)
{
	struct start how = {.root = python->root,
			    .directory = place->inside,
			    .environment = {"LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}};
	const char *argv[MAX_ARGS] = {python->path};
	va_list args;

	va_start(args, script);
	take_arguments(argv, 1, text_of("%s/%s", place->inside, script), args);
	va_end(args);
	return child_start(&how, argv);
}

struct child *native_start(const struct place *place, const char *name, ...)
{
	const char *argv[MAX_ARGS];
	va_list args;

	va_start(args, name);
	take_arguments(argv, 0, in_place(place, name), args);
	va_end(args);
	return child_start(NULL, argv);
}

bool child_is_running(struct child *child)
{
	reap(child, WNOHANG);
	return child->status < 0;
}

void child_ready(struct child *child, double seconds)
{
	double end = now_s() + seconds;

	for (;;) {
		char *text = descriptor_text(child->out);
		bool ready = !strncmp(text, "ready\n", 6) || strstr(text, "\nready\n");
		free(text);
		if (ready)
			return;
		cr_assert(child_is_running(child), "the workload ended with %d before it was ready: %s", child->status,
			  child_err(child));
		cr_assert(now_s() < end, "the workload was not ready after %g s", seconds);
		sleep_s(0.01);
	}
}

int child_wait(struct child *child, double seconds)
{
	double end = now_s() + seconds;

	while (child_is_running(child)) {
		if (now_s() >= end) {
			kill(child->pid, SIGKILL);
			reap(child, 0);
			cr_assert_fail("pid %d hung: not ended after %g s; stderr: %s", child->pid, seconds,
				       child_err(child));
		}
		sleep_s(0.002);
	}
	return child->status;
}

void child_signal(struct child *child, int signal)
{
	cr_assert_eq(child->status, -1);
	kill(child->pid, signal);
}

void child_kill(struct child *child)
{
	if (child->status >= 0)
		return;
	kill(child->pid, SIGKILL);
	kill(child->pid, SIGCONT);
	reap(child, 0);
}

const char *child_out(const struct child *child)
{
	return descriptor_text(child->out);
}

const char *child_err(const struct child *child)
{
	return descriptor_text(child->err);
}

double child_cpu_s(const struct child *child)
{
	struct timespec used;
	clockid_t clock;

	cr_assert_eq(clock_getcpuclockid(child->pid, &clock), 0, "pid %d is gone", (int)child->pid);
	cr_assert_eq(clock_gettime(clock, &used), 0, "pid %d is gone", (int)child->pid);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

size_t children_left(void)
{
	char *text = file_text(text_of("/proc/self/task/%d/children", (int)getpid()));
	size_t cnt = 0;

	for (char *at = text, *word; at && (word = strsep(&at, " "));)
		cnt += *word != 0;
	free(text);
	return cnt;
}

/* --- the profiler ------------------------------------------------------- */

const char *profiler_path(void)
{
	const char *path = text_of("%s/pyprof-bpf", build_directory());
	char *full = realpath(path, NULL);

	cr_assert_not_null(full, "%s is not built", path);
	return full;
}

struct child *profiler_start(const struct start *how, const char *arg, ...)
{
	const char *argv[MAX_ARGS] = {profiler_path()};
	va_list args;

	va_start(args, arg);
	take_arguments(argv, 1, arg, args);
	va_end(args);
	return child_start(how, argv);
}

struct child *profiler_run(double seconds, const char *arg, ...)
{
	const char *argv[MAX_ARGS] = {profiler_path()};
	va_list args;

	va_start(args, arg);
	take_arguments(argv, 1, arg, args);
	va_end(args);
	struct child *child = child_start(NULL, argv);
	child_wait(child, seconds);
	return child;
}

static size_t perf_events_of(pid_t pid)
{
	const char *path = text_of("/proc/%d/fd", (int)pid);
	DIR *fds = opendir(path);
	struct dirent *entry;
	size_t cnt = 0;

	while (fds && (entry = readdir(fds))) {
		char target[64] = "";
		if (readlink(text_of("%s/%s", path, entry->d_name), target, sizeof(target) - 1) > 0)
			cnt += !strcmp(target, "anon_inode:[perf_event]");
	}
	if (fds)
		closedir(fds);
	return cnt;
}

void profiler_sampling(struct child *profiler)
{
	size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
	double end = now_s() + 20;

	while (perf_events_of(profiler->pid) < cpus) {
		cr_assert(child_is_running(profiler), "the profiler ended with %d: %s", profiler->status,
			  child_err(profiler));
		cr_assert(now_s() < end, "the profiler opened no perf events within 20 s");
		sleep_s(0.01);
	}
	sleep_s(0.5); /* they are attached and enabled one by one */
}

struct profile profile_read(const struct place *place)
{
	struct profile profile = {0};
	char *text = file_text(in_place(place, "out.folded")), *stats = file_text(in_place(place, "stats.json"));

	cr_assert_not_null(text, "no profile was written");
	cr_assert_not_null(stats, "no stats were written");
	expect_null_problem(folded_parse(text, &profile.folded), "profile");
	expect_null_problem(check_stats(stats, &profile.folded), "stats");
	profile.stats = json_loads(stats, 0, NULL);
	free(text);
	free(stats);
	return profile;
}

u64 stats_number(const json_t *stats, const char *a, const char *b)
{
	json_t *value = json_object_get(stats, a);

	if (b)
		value = json_object_get(value, b);
	return value ? (u64)json_number_value(value) : 0;
}

u64 stats_lost(const json_t *stats)
{
	const char *reason;
	json_t *value;
	u64 sum = 0;

	json_object_foreach(json_object_get(stats, "lost"), reason, value) sum += (u64)json_integer_value(value);
	return sum;
}

struct profile profile_pid(const struct place *place, pid_t pid, int hz, double seconds, bool follow)
{
	struct child *profiler = profiler_run(seconds + 30, "record", "-p", text_of("%d", (int)pid), "-F",
					      text_of("%d", hz), "-d", text_of("%g", seconds), "-o",
					      in_place(place, "out.folded"), "--stats", in_place(place, "stats.json"),
					      follow ? "--children" : NULL, NULL);

	cr_assert_eq(profiler->status, 0, "the profiler ended with %d: %s", profiler->status, child_err(profiler));
	for (size_t i = 0; i < child_cnt; i++)
		cr_assert(children[i].pid != pid || child_is_running(&children[i]),
			  "the workload ended with %d while it was profiled: %s", children[i].status,
			  child_err(&children[i]));
	struct profile profile = profile_read(place);
	for (size_t i = 0; i < profile.folded.cnt && !follow; i++)
		cr_assert_eq(frame_pid(profile.folded.lines[i].frames[0]), (int)pid, "-p %d shows '%s'", (int)pid,
			     profile.folded.lines[i].frames[0]);
	return profile;
}
