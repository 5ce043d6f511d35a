/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/thread_capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "capture/message.h"
#include "capture/record.h"
#include "capture/thread_sampler.h"
#include "pyprof/config.h"
#include "pyprof.skel.h"

#define KERNEL_STACK_SIZE 16384 /* x86-64; only used where bpf_task_pt_regs is absent */
#define LIST_SIZE_FIRST	  (256 << 10)
#define LIST_TRIES	  4 /* of one process alone: threads that end break it off */

struct thread_capture {
	struct thread_capture_options options;
	struct pyprof_bpf *skeleton;
	/* the last list's: kept for the next one of the same process */
	struct bpf_link *link;
	u32 link_pid;
	bool cannot_filter; /* by pid, to 6.0: the program does it */
	struct thread_sampler *sampler; /* NULL: nobody has asked for a sample yet */
	char *list;
	size_t list_size, list_capacity;
};

/* Nothing but the iterator is loaded, and of the maps only what it uses is made: that is most of the time it takes. */
static void leave_out_others(struct pyprof_bpf *skeleton)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_autoload(program, program == skeleton->progs.list_threads);
	bpf_object__for_each_map(map, skeleton->obj) bpf_map__set_autocreate(
		map, map == skeleton->maps.thread_buffers || map == skeleton->maps.rodata || map == skeleton->maps.bss);
}

int thread_capture_open(const struct thread_capture_options *options, struct thread_capture **ret,
			const char **ret_step)
{
	const char *ignored;
	const char **step = ret_step ? ret_step : &ignored;
	_cleanup_(thread_capture) struct thread_capture *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;

	c->options = *options;
	messages_send_to(options->on_message);

	*step = "the BPF programs could not be opened";
	c->skeleton = pyprof_bpf__open();
	if (!c->skeleton)
		return -errno;
	leave_out_others(c->skeleton);
	c->skeleton->rodata->config.thread_size = KERNEL_STACK_SIZE;

	*step = "the kernel refused to load the list of threads";
	int err = pyprof_bpf__load(c->skeleton);
	if (err)
		return err;

	*ret = take(c);
	return 0;
}

void thread_capture_close(struct thread_capture *c)
{
	if (!c)
		return;
	thread_sampler_free(c->sampler);
	bpf_link__destroy(c->link);
	pyprof_bpf__destroy(c->skeleton);
	free(c->list);
	free(c);
}

/* From 6.1 on the kernel visits one process's threads alone; older ones refuse to be told which. */
static int link_make(struct thread_capture *c, u32 pid, struct bpf_link **ret)
{
	union bpf_iter_link_info info = {.task.pid = pid};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_program *program = c->skeleton->progs.list_threads;
	struct bpf_link *link = NULL;

	if (pid && !c->cannot_filter) {
		link = bpf_program__attach_iter(program, &options);
		c->cannot_filter = !link;
	}
	if (!link)
		link = bpf_program__attach_iter(program, NULL);
	if (!link)
		return -errno;
	*ret = link;
	return 0;
}

static int link_get(struct thread_capture *c, u32 pid)
{
	struct bpf_link *link = NULL;

	if (c->link && (c->link_pid == pid || c->cannot_filter))
		return 0;
	int err = link_make(c, pid, &link);
	if (err)
		return err;
	bpf_link__destroy(c->link);
	c->link = link;
	c->link_pid = pid;
	return 0;
}

static int list_make_room(struct thread_capture *c)
{
	size_t capacity = c->list_capacity ? 2 * c->list_capacity : LIST_SIZE_FIRST;

	if (c->list_size < c->list_capacity)
		return 0;
	char *more = realloc(c->list, capacity);
	if (!more)
		return -ENOMEM;
	c->list = more;
	c->list_capacity = capacity;
	return 0;
}

/* The kernel may give any number of bytes at a time. */
static int list_read(struct thread_capture *c, const struct bpf_link *link)
{
	_cleanup_(fd) int fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return -errno;

	c->list_size = 0;
	for (;;) {
		int err = list_make_room(c);
		if (err)
			return err;
		ssize_t got = read(fd, c->list + c->list_size, c->list_capacity - c->list_size);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return 0;
		c->list_size += got;
	}
}

static int by_tid(const void *a, const void *b)
{
	const struct thread_record *const *x = a, *const *y = b;

	return ((*x)->tid > (*y)->tid) - ((*x)->tid < (*y)->tid);
}

/* Where each record is; *ret_cnt of them. */
static int list_index(const struct thread_capture *c, const struct thread_record ***ret, size_t *ret_cnt)
{
	size_t capacity = c->list_size / sizeof(struct thread_record), cnt = 0;
	_cleanup_(free) const struct thread_record **records = calloc(capacity + 1, sizeof(*records));
	if (!records)
		return -ENOMEM;

	for (size_t at = 0; at < c->list_size; at += records[cnt++]->record.size) {
		if (record_check(c->list + at, c->list_size - at))
			return -EBADMSG;
		records[cnt] = (const struct thread_record *)(c->list + at);
	}
	qsort(records, cnt, sizeof(*records), by_tid);
	*ret = take(records);
	*ret_cnt = cnt;
	return 0;
}

/* Each thread says how many there were when it was visited. */
static bool list_is_whole(const struct thread_record *const *records, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (records[i]->thread_cnt > cnt)
			return false;
	return true;
}

static int list_take_once(struct thread_capture *c, const struct bpf_link *link, const struct thread_record ***ret,
			  size_t *ret_cnt)
{
	int err = list_read(c, link);

	return err ? err : list_index(c, ret, ret_cnt);
}

/* Through all threads of the host, in the order of their tids: that goes on behind one that has ended. */
static int list_take_from_all(struct thread_capture *c, const struct thread_record ***ret, size_t *ret_cnt)
{
	struct bpf_link *link = NULL;
	int err = link_make(c, 0, &link);

	if (!err)
		err = list_take_once(c, link, ret, ret_cnt);
	bpf_link__destroy(link);
	return err;
}

/*
 * Asked for one process, the kernel goes from each thread to the next one; its list ends
 * where it is when that thread has ended meanwhile, as if there were no more. Then it is
 * asked again.
 */
static int list_take(struct thread_capture *c, u32 pid, const struct thread_record ***ret, size_t *ret_cnt)
{
	for (int i = 0; i < LIST_TRIES; i++) {
		_cleanup_(free) const struct thread_record **records = NULL;
		size_t cnt;
		int err = list_take_once(c, c->link, &records, &cnt);

		if (err)
			return err;
		if (pid && !c->cannot_filter && !list_is_whole(records, cnt))
			continue;
		*ret = take(records);
		*ret_cnt = cnt;
		return 0;
	}
	return list_take_from_all(c, ret, ret_cnt);
}

/*
 * The clock of our CPU's run queue says how long others have been waiting. It rests
 * between ticks, unless somebody asks how much CPU we have used until now.
 */
static void own_clock_update(void)
{
	struct timespec ignored;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ignored);
}

int thread_capture_list(struct thread_capture *c, u32 pid, bool with_stacks,
			int (*visit)(void *ctx, const struct thread_record *record), void *ctx)
{
	_cleanup_(free) const struct thread_record **records = NULL;
	size_t cnt;
	int err = link_get(c, pid);

	c->skeleton->bss->threads_of = pid;
	c->skeleton->bss->threads_kernel = with_stacks && c->options.kernel_stacks;
	c->skeleton->bss->threads_clock = INT64_MIN;
	own_clock_update();
	if (!err)
		err = list_take(c, pid, &records, &cnt);
	if (!err && pid && !cnt)
		return -ESRCH;
	for (size_t i = 0; !err && i < cnt; i++)
		err = visit(ctx, records[i]);
	return err;
}

int thread_capture_sample(struct thread_capture *c, const struct process_id *process,
			  const struct python_layout *layout, u64 runtime, const u32 *tids, size_t cnt, u64 timeout_ns,
			  int (*visit)(void *ctx, const struct thread_sample *sample), void *ctx)
{
	int err = 0;

	/* The list says how deep our PID namespace lies. */
	if (!c->sampler && !c->list_capacity)
		err = link_get(c, process->pid);
	if (!err && !c->sampler && !c->list_capacity)
		err = list_read(c, c->link);
	if (!err && !c->sampler)
		err = thread_sampler_new(c->options.kernel_stacks, c->skeleton->bss->namespace_level, &c->sampler);
	if (err)
		return err;
	return thread_sampler_take(c->sampler, process, layout, runtime, tids, cnt, timeout_ns, visit, ctx);
}
