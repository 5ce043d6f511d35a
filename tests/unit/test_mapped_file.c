/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "process/file_function.h"
#include "process/mapped_file.h"
#include "process/mapping_origin.h"

TestSuite(mapped_file);

static char directory[64];
static struct mapped_file_cache *cache;

static void set_up(void)
{
	strcpy(directory, "/tmp/pyprof-test-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	cache = mapped_file_cache_new();
	cr_assert_not_null(cache);
}

static void tear_down(void)
{
	char command[128];

	mapped_file_cache_free(cache);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	(void)!system(command);
}

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

/* A copy of some ELF file. */
static void copy_file(const char *from, int to)
{
	_cleanup_(free) char *data = NULL;
	size_t size;

	cr_assert_eq(file_read(from, 64 << 20, &data, &size), 0);
	cr_assert_eq(write(to, data, size), (ssize_t)size);
}

static const char *make_file(const char *from, const char *name)
{
	const char *path = path_of(name);
	_cleanup_(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);

	copy_file(from, fd);
	return path;
}

static void *map_fd(int fd)
{
	void *at = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4096);

	cr_assert_neq(at, MAP_FAILED);
	return at;
}

static void *map_file(const char *path)
{
	_cleanup_(fd) int fd = open(path, O_RDONLY);

	return map_fd(fd);
}

static struct mapping_table *own_table(void)
{
	struct mapping_table *table = mapping_table_new();
	_cleanup_(free) char *maps = NULL;
	size_t size;

	cr_assert_eq(file_read("/proc/self/maps", 16 << 20, &maps, &size), 0);
	cr_assert_eq(mapping_table_parse(&table, maps, size), 0);
	return table;
}

static struct mapped_file *file_at(struct mapping_table *table, const void *at)
{
	struct mapping *mapping = mapping_table_find(table, (u64)at);

	cr_assert_not_null(mapping);
	return mapped_file_get(cache, getpid(), mapping);
}

static bool can_use_map_files(void)
{
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	const struct mapping *mapping = mapping_table_at(table, 0);
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/map_files/%llx-%llx", mapping->start, mapping->end);
	_cleanup_(fd) int fd = open(path, O_RDONLY);
	return fd >= 0;
}

Test(mapped_file, a_file_is_opened_once_for_all_its_mappings, .init = set_up, .fini = tear_down)
{
	const char *path = make_file("/bin/true", "program");
	void *a = map_file(path), *b = map_file(path);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();

	struct mapped_file *file = file_at(table, a);
	cr_assert_not_null(file);
	cr_assert_not_null(file->elf);
	cr_assert_str_eq(file->name, "program");
	cr_assert_eq(file->python.version, 0);
	cr_assert_eq(file_at(table, b), file);
	cr_assert_eq(mapping_table_find(table, (u64)b)->file, file);
}

Test(mapped_file, a_deleted_file_that_is_still_mapped_is_opened, .init = set_up, .fini = tear_down)
{
	const char *path = make_file("/bin/true", "program");
	void *at = map_file(path);

	if (!can_use_map_files())
		cr_skip_test("map_files needs CAP_SYS_ADMIN");
	cr_assert_eq(unlink(path), 0);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	struct mapped_file *file = file_at(table, at);
	cr_assert_not_null(file->elf);
	cr_assert_str_eq(file->name, "program");
}

Test(mapped_file, a_replaced_file_is_another_file, .init = set_up, .fini = tear_down)
{
	const char *path = make_file("/bin/true", "program");
	void *old = map_file(path);

	if (!can_use_map_files())
		cr_skip_test("map_files needs CAP_SYS_ADMIN");
	cr_assert_eq(rename(make_file("/bin/cat", "new"), path), 0);
	void *fresh = map_file(path);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	struct mapped_file *a = file_at(table, old), *b = file_at(table, fresh);
	cr_assert_not_null(a->elf);
	cr_assert_not_null(b->elf);
	cr_assert_neq(a, b);
	cr_assert_neq(a->id, b->id);
}

Test(mapped_file, the_path_of_a_process_that_is_gone_is_believed_only_with_its_inode, .init = set_up, .fini = tear_down)
{
	const char *path = make_file("/bin/true", "program");
	void *at = map_file(path);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	_cleanup_(mapping_table) struct mapping_table *later = own_table();

	/* The same file is held open by nobody yet. */
	struct mapping *mapping = mapping_table_find(table, (u64)at);
	cr_assert_not_null(mapped_file_get(cache, 0, mapping)->elf);

	mapping = mapping_table_find(later, (u64)at);
	mapping->inode += 1;
	struct mapped_file *file = mapped_file_get(cache, 0, mapping);
	cr_assert_not_null(file, "has a name");
	cr_assert_null(file->elf, "but is none that could be opened");
	cr_assert_str_eq(file->name, "program");
}

Test(mapped_file, a_number_reused_by_another_inode_is_another_file, .init = set_up, .fini = tear_down)
{
	/* No ELF files, so that the cache holds none of them open. */
	ino_t first = 0;
	u32 id = 0;

	for (int i = 0; i < 50; i++) {
		_cleanup_(fd) int fd = open(path_of("data"), O_RDWR | O_CREAT | O_TRUNC, 0755);
		struct stat st;

		cr_assert_eq(ftruncate(fd, 65536 + i), 0);
		cr_assert_eq(fstat(fd, &st), 0);
		void *at = map_fd(fd);
		struct mapping mapping = {
			.start = (u64)at,
			.end = (u64)at + 8192,
			.inode = st.st_ino,
			.dev_major = major(st.st_dev),
			.dev_minor = minor(st.st_dev),
			.path = (char *)path_of("data"),
		};
		struct mapped_file *file = mapped_file_get(cache, getpid(), &mapping);
		cr_assert_not_null(file);
		cr_assert_null(file->elf);
		if (id && st.st_ino == first)
			cr_assert_neq(file->id, id);
		first = st.st_ino;
		id = file->id;
		mapped_file_unref(file);
		munmap(at, 8192);
		unlink(path_of("data"));
	}
}

Test(mapped_file, a_memfd_is_opened, .init = set_up, .fini = tear_down)
{
	_cleanup_(fd) int fd = memfd_create("code", 0);

	if (!can_use_map_files())
		cr_skip_test("map_files needs CAP_SYS_ADMIN");
	copy_file("/bin/true", fd);
	void *at = map_fd(fd);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	struct mapped_file *file = file_at(table, at);
	cr_assert_not_null(file->elf);
	cr_assert_str_eq(file->name, "memfd:code");
}

Test(mapped_file, anonymous_and_shared_memory_is_no_file, .init = set_up, .fini = tear_down)
{
	void *anonymous = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *shared = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();

	cr_assert_null(file_at(table, anonymous));
	cr_assert(mapping_table_find(table, (u64)anonymous)->file_failed);
	cr_assert_null(file_at(table, shared));
}

/*
 * Text that was moved to other memory: a copy of libc's file is mapped, and a part
 * of its text replaced as node and others do.
 */
#define TEXT_SIZE  (512 << 10)
#define MOVED_AT   (64 << 10)
#define MOVED_SIZE (256 << 10)

/* Where in libc its text lies. */
static u64 libc_text(char *path, size_t size)
{
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	const struct mapping *text = mapping_table_find(table, (u64)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));

	cr_assert_not_null(text);
	cr_assert_geq(text->end - text->start, TEXT_SIZE);
	snprintf(path, size, "%s", text->path);
	return text->file_offset;
}

static char *map_text(const char *name, u64 *ret_offset)
{
	char libc[256];

	*ret_offset = libc_text(libc, sizeof(libc));
	_cleanup_(fd) int fd = open(make_file(libc, name), O_RDONLY);
	char *at = mmap(NULL, TEXT_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, *ret_offset);
	cr_assert_neq(at, MAP_FAILED);
	return at;
}

static void put_over(char *at, size_t size, int flags, int fd, const void *bytes)
{
	cr_assert_eq(mmap(at, size, PROT_READ | PROT_WRITE | PROT_EXEC, flags | MAP_FIXED, fd, 0), at);
	memcpy(at, bytes, size);
	cr_assert_eq(mprotect(at, size, PROT_READ | PROT_EXEC), 0);
}

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size);

	cr_assert_not_null(copy);
	return memcpy(copy, bytes, size);
}

/* The address leads to the byte of the file that is there in the file. */
static void expect_text(struct mapping_table *table, const char *at, const char *name, u64 file_offset)
{
	struct mapping *mapping = mapping_table_find(table, (u64)at);
	const struct mapped_file *file = mapped_file_get(cache, getpid(), mapping);

	cr_assert_not_null(file);
	cr_expect_not_null(file->elf);
	cr_expect_str_eq(file->name, name);
	cr_expect_eq((u64)at - mapping->start + mapping->file_offset, file_offset);
}

Test(mapped_file, text_that_was_moved_to_other_memory_is_still_the_files, .init = set_up, .fini = tear_down)
{
	_cleanup_(fd) int memfd = memfd_create("text", 0);
	u64 offset;

	cr_assert_eq(ftruncate(memfd, MOVED_SIZE), 0);
	const struct {
		int flags, fd;
	} ways[] = {
		{MAP_PRIVATE | MAP_ANONYMOUS, -1},
		{MAP_SHARED | MAP_ANONYMOUS, -1},
		{MAP_PRIVATE, memfd},
		{MAP_SHARED, memfd},
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char *at = map_text("lib", &offset);
		_cleanup_(free) void *bytes = copy_of(at + MOVED_AT, MOVED_SIZE);

		put_over(at + MOVED_AT, MOVED_SIZE, ways[i].flags, ways[i].fd, bytes);
		_cleanup_(mapping_table) struct mapping_table *table = own_table();
		expect_text(table, at, "lib", offset);
		expect_text(table, at + MOVED_AT + 1234, "lib", offset + MOVED_AT + 1234);
		expect_text(table, at + MOVED_AT + MOVED_SIZE, "lib", offset + MOVED_AT + MOVED_SIZE);
		munmap(at, TEXT_SIZE);
	}
}

Test(mapped_file, text_in_named_memory_and_of_a_deleted_file_is_still_the_files, .init = set_up, .fini = tear_down)
{
	u64 offset;

	if (!can_use_map_files())
		cr_skip_test("map_files needs CAP_SYS_ADMIN");
	char *at = map_text("lib", &offset);
	_cleanup_(free) void *bytes = copy_of(at + MOVED_AT, MOVED_SIZE);
	put_over(at + MOVED_AT, MOVED_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, bytes);
	/* -EINVAL where the kernel cannot: then it has no name. */
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at + MOVED_AT, MOVED_SIZE, "text");
	cr_assert_eq(unlink(path_of("lib")), 0);

	/* Its own range alone asks: nobody has the file open. */
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	expect_text(table, at + MOVED_AT + 1234, "lib", offset + MOVED_AT + 1234);
}

Test(mapped_file, huge_pages_that_hold_text_are_still_the_files, .init = set_up, .fini = tear_down)
{
	const size_t huge = 2 << 20;
	char libc[256];
	u64 offset = libc_text(libc, sizeof(libc));
	_cleanup_(fd) int fd = open(make_file(libc, "lib"), O_RDWR);

	/* A page of one file's text, then a huge page that holds what follows, and zeros behind the end of the file. */
	char *place = mmap(NULL, 3 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = (char *)(((u64)place + 2 * huge - 1) & -huge);
	char *moved = mmap(at, huge, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1, 0);
	if (moved == MAP_FAILED)
		cr_skip_test("no huge pages here: vm.nr_hugepages");
	cr_assert_gt(pread(fd, moved, huge, offset + 4096), TEXT_SIZE);
	cr_assert_eq(mmap(at - 4096, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, offset), at - 4096);

	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	cr_assert_not_null(strstr(mapping_table_find(table, (u64)at)->path, "hugepage"));
	expect_text(table, at + 1234, "lib", offset + 4096 + 1234);
}

Test(mapped_file, other_code_at_the_addresses_of_a_file_is_not_the_files, .init = set_up, .fini = tear_down)
{
	u64 offset;
	char *at = map_text("lib", &offset);

	/* The file's own code, but from elsewhere in it; nothing at all; and code of which one byte in 4 KiB differs. */
	for (int i = 0; i < 3; i++) {
		_cleanup_(free) char *bytes = copy_of(at, MOVED_SIZE);

		for (size_t j = 0; i == 1 && j < MOVED_SIZE; j++)
			bytes[j] = 0;
		for (size_t j = 0; i == 2 && j < MOVED_SIZE; j += 64)
			bytes[j] ^= 1;
		put_over(at + MOVED_AT, MOVED_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, bytes);
		_cleanup_(mapping_table) struct mapping_table *table = own_table();
		cr_expect_null(file_at(table, at + MOVED_AT));
		cr_expect_not_null(mapping_table_find(table, (u64)at + MOVED_AT)->origin);
		expect_text(table, at, "lib", offset);
	}
}

Test(mapped_file, a_deleted_file_is_found_when_its_ranges_changed_since, .init = set_up, .fini = tear_down)
{
	u64 offset;

	if (!can_use_map_files())
		cr_skip_test("map_files needs CAP_SYS_ADMIN");
	char *at = map_text("lib", &offset);
	cr_assert_eq(unlink(path_of("lib")), 0);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	/* Now there are three ranges where we know one, and no event said so. */
	cr_assert_eq(mprotect(at + MOVED_AT, MOVED_SIZE, PROT_READ), 0);
	munmap(at, 4096);
	expect_text(table, at + 8192, "lib", offset + 8192);
}

/* Two layers on two file systems, each with its own numbers: two files may be called the same. */
Test(mapped_file, files_of_an_overlay_are_told_apart, .init = set_up, .fini = tear_down)
{
	char options[512], command[512];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		cr_skip_test("a mount needs root");
	snprintf(command, sizeof(command),
		 "cd %s && mkdir a b up work merged && mount -t tmpfs a a && mount -t tmpfs b b && mkdir a/l b/l && "
		 "cp /bin/true a/l/one && cp /bin/cat b/l/two",
		 directory);
	cr_assert_eq(system(command), 0);
	snprintf(options, sizeof(options), "lowerdir=%s/a/l:%s/b/l,upperdir=%s/up,workdir=%s/work,xino=off", directory,
		 directory, directory, directory);
	if (mount("overlay", path_of("merged"), "overlay", 0, options))
		cr_skip_test("no overlayfs here");

	void *one = map_file(path_of("merged/one")), *two = map_file(path_of("merged/two"));
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	const struct mapped_file *a = file_at(table, one), *b = file_at(table, two);
	cr_expect_not_null(a->elf);
	cr_expect_not_null(b->elf);
	cr_expect_str_eq(a->name, "one");
	cr_expect_str_eq(b->name, "two");
	cr_expect_neq(a, b);
	mapping_table_unref(take(table));
	umount2(path_of("merged"), MNT_DETACH);
	umount2(path_of("a"), MNT_DETACH);
	umount2(path_of("b"), MNT_DETACH);
}

Test(mapped_file, the_vdso_is_one_file_for_everybody, .init = set_up, .fini = tear_down)
{
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	_cleanup_(mapping_table) struct mapping_table *other = own_table();
	const void *at = (const void *)getauxval(AT_SYSINFO_EHDR);

	if (!at)
		cr_skip_test("no vDSO here");
	struct mapped_file *file = file_at(table, at);
	cr_assert_not_null(file);
	cr_assert_str_eq(file->name, "[vdso]");
	cr_assert_eq(mapped_file_get(cache, 0, mapping_table_find(other, (u64)at)), file);

	u64 address;
	cr_assert_eq(elf_file_address_of_offset(file->elf, 0, &address), 0);
}

/* Were a fifo opened as a file is, this would hang. */
Test(mapped_file, a_fifo_in_the_place_of_the_file_is_left_alone, .init = set_up, .fini = tear_down, .timeout = 120)
{
	struct mapping mapping = {.start = 0x1000, .end = 0x2000, .inode = 1, .path = (char *)path_of("fifo")};
	struct stat st;

	cr_assert_eq(mkfifo(mapping.path, 0600), 0);
	cr_assert_eq(stat(mapping.path, &st), 0);
	mapping.inode = st.st_ino;
	mapping.dev_major = major(st.st_dev);
	mapping.dev_minor = minor(st.st_dev);
	struct mapped_file *file = mapped_file_get(cache, 0, &mapping);
	cr_assert_null(file->elf);
	mapped_file_unref(file);
}

Test(mapped_file, a_symbolic_link_in_the_place_of_the_file_is_not_followed, .init = set_up, .fini = tear_down)
{
	const char *target = make_file("/bin/true", "target");
	struct mapping mapping = {.start = 0x1000, .end = 0x2000, .path = (char *)path_of("link")};
	struct stat st;

	cr_assert_eq(symlink(target, mapping.path), 0);
	cr_assert_eq(stat(target, &st), 0);
	mapping.inode = st.st_ino;
	mapping.dev_major = major(st.st_dev);
	mapping.dev_minor = minor(st.st_dev);
	struct mapped_file *file = mapped_file_get(cache, 0, &mapping);
	cr_assert_null(file->elf);
	mapped_file_unref(file);
}

/* A process in another root: its /lib is not ours, and an absolute link there must not lead to ours. */
Test(mapped_file, a_file_in_another_root_is_found_there, .init = set_up, .fini = tear_down)
{
	make_file("/bin/true", "program");
	int ready[2];

	if (getuid())
		cr_skip_test("chroot needs root");
	cr_assert_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chroot(directory) || chdir("/"))
			_exit(1);
		(void)!write(ready[1], "", 1);
		pause();
		_exit(0);
	}
	char byte;
	struct stat st;
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_eq(stat(path_of("program"), &st), 0);
	struct mapping mapping = {
		.start = 0x1000,
		.end = 0x2000,
		.inode = st.st_ino,
		.dev_major = major(st.st_dev),
		.dev_minor = minor(st.st_dev),
		.path = (char *)"/program",
	};
	struct mapped_file *file = mapped_file_get(cache, pid, &mapping);
	cr_assert_not_null(file->elf);
	mapped_file_unref(file);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(mapped_file, files_that_nobody_maps_make_room, .init = set_up, .fini = tear_down)
{
	struct mapping mapping = {.start = 0x1000, .end = 0x2000, .path = (char *)"/nowhere"};

	for (int i = 0; i < 3 * MAPPED_FILE_MAX; i++) {
		mapping.inode = 1000 + i;
		mapping.file = NULL;
		mapping.file_failed = false;
		struct mapped_file *file = mapped_file_get(cache, 0, &mapping);
		cr_assert_not_null(file);
		mapped_file_unref(file);
	}
}

/*
 * Files that neither map_files nor device and inode lead to, as on a FUSE file system without privileges: a
 * mapping that calls its file otherwise stands for them.
 */
static struct mapped_file *file_called_otherwise(struct mapping_table *table, const void *at)
{
	struct mapping *mapping = mapping_table_find(table, (u64)at);

	cr_assert_not_null(mapping);
	mapping->inode += 12345;
	mapping->start += 4096; /* not the range that map_files knows */
	mapping->file_offset += 4096;
	return mapped_file_get(cache, getpid(), mapping);
}

Test(mapped_file, a_file_of_our_own_that_stat_calls_otherwise_is_known_by_its_text, .init = set_up, .fini = tear_down)
{
	u64 offset;
	char *at = map_text("lib", &offset);
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	_cleanup_(mapping_table) struct mapping_table *again = own_table();

	struct mapped_file *file = file_called_otherwise(table, at + 8192);
	cr_assert_not_null(file->elf);
	cr_expect_str_eq(file->name, "lib");
	cr_expect_eq(file_called_otherwise(again, at + 8192), file, "opened once");
}

Test(mapped_file, a_file_of_our_own_that_was_put_there_again_is_known_by_its_text, .init = set_up, .fini = tear_down)
{
	char libc[256], program[256];
	u64 offset;
	char *at = map_text("lib", &offset);

	/* Gone; then the same file once more, under another inode. Others hold the numbers that become free. */
	libc_text(libc, sizeof(libc));
	cr_assert_eq(rename(path_of("lib"), path_of("held")), 0);
	_cleanup_(fd) int held = open(path_of("held"), O_RDONLY);
	unlink(path_of("held"));
	make_file(libc, "held");
	snprintf(program, sizeof(program), "%s", make_file(libc, "lib"));
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	cr_assert_not_null(strstr(mapping_table_find(table, (u64)at)->path, "held (deleted)"));
	struct mapped_file *file = file_called_otherwise(table, at + 8192);
	cr_assert_not_null(file->elf);
	cr_expect_str_eq(file->name, "held");
}

Test(mapped_file, another_file_in_the_place_of_our_own_is_not_believed, .init = set_up, .fini = tear_down)
{
	u64 offset;
	char *at = map_text("lib", &offset);

	/* Other text throughout, and text of which what is compared differs in one bit. */
	for (int i = 0; i < 2; i++) {
		char libc[256];

		libc_text(libc, sizeof(libc));
		unlink(path_of("lib"));
		_cleanup_(fd) int fd = open(make_file(i ? libc : "/bin/bash", "lib"), O_RDWR);
		u8 byte;
		cr_assert_eq(pread(fd, &byte, 1, offset + 4096 + 4000), 1);
		byte ^= 1;
		cr_assert_eq(pwrite(fd, &byte, 1, offset + 4096 + 4000), 1);

		_cleanup_(mapping_table) struct mapping_table *table = own_table();
		struct mapping *mapping = mapping_table_find(table, (u64)at);
		snprintf(mapping->path, strlen(mapping->path) + 1, "%s", path_of("lib"));
		struct mapped_file *file = file_called_otherwise(table, at + 8192);
		cr_expect_null(file->elf, "%d", i);
	}
}

/*
 * Files that are rewritten in place, as some who reload a library do
 */

static const char *function_at(struct mapped_file *file, const char *name)
{
	u64 address, size;
	struct file_function function;

	if (elf_file_object(file->elf, name, &address, &size) ||
	    file_function_find(file, getpid(), address, &function) || !function.symbol)
		return "";
	return function.symbol;
}

static void build_library(const char *function, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && echo 'int %s(int x) { return x * 3; } int last(int x) { return x; }' >lib.c &&"
		 "cc -O1 -fPIC -shared lib.c -o new.so && cat new.so >%s",
		 directory, function, name);
	cr_assert_eq(system(command), 0);
}

static void rewritten_in(struct mapped_file_cache *new_cache, bool tells_old)
{
	mapped_file_cache_free(cache);
	cache = new_cache;
	build_library("before", "lib.so");
	void *at = map_file(path_of("lib.so"));
	_cleanup_(mapping_table) struct mapping_table *table = own_table(), *later = own_table();
	struct mapped_file *old = file_at(table, at);
	u32 id = old->id;
	cr_assert_str_eq(function_at(old, "before"), "before");

	build_library("afterwards", "lib.so");
	struct mapped_file *fresh = file_at(later, at);
	cr_assert_not_null(fresh->elf);
	cr_expect_neq(fresh->id, id);
	cr_expect_str_eq(function_at(fresh, "afterwards"), "afterwards");
	cr_expect_str_eq(function_at(fresh, "before"), "");

	mapped_file_cache_recheck(cache);
	cr_expect_eq(file_at(table, at), tells_old ? fresh : old);
	mapped_file_cache_recheck(cache);
	cr_expect_eq(file_at(later, at), fresh, "nothing happened since");
}

Test(mapped_file, a_file_that_was_rewritten_is_another_one, .init = set_up, .fini = tear_down)
{
	rewritten_in(mapped_file_cache_new_without_descriptors(), true);
}

Test(mapped_file, a_file_that_was_rewritten_is_another_one_for_new_mappings, .init = set_up, .fini = tear_down)
{
	rewritten_in(mapped_file_cache_new(), false);
}

Test(mapped_file, a_file_that_was_rewritten_is_looked_for_again_when_a_read_tells, .init = set_up, .fini = tear_down)
{
	u64 word;

	mapped_file_cache_free(cache);
	cache = mapped_file_cache_new_without_descriptors();
	build_library("before", "lib.so");
	void *at = map_file(path_of("lib.so"));
	_cleanup_(mapping_table) struct mapping_table *table = own_table();
	struct mapped_file *old = file_at(table, at);
	u32 id = old->id;

	build_library("afterwards", "lib.so");
	cr_assert_eq(file_at(table, at), old, "nobody looked");
	cr_expect_eq(elf_file_read(old->elf, 0, &word, sizeof(word)), -ESTALE);
	struct mapped_file *fresh = file_at(table, at);
	cr_expect_neq(fresh->id, id);
	cr_expect_str_eq(function_at(fresh, "afterwards"), "afterwards");

	/* Nothing that can be read any more: what it was is kept, and no signal comes. */
	cr_assert_eq(truncate(path_of("lib.so"), 10), 0);
	mapped_file_cache_recheck(cache);
	cr_expect_eq(file_at(table, at), fresh);
	cr_expect_str_eq(elf_file_symbol(fresh->elf, 0) ? "some" : "none", "none");
	cr_expect_eq(elf_file_read(fresh->elf, 0, &word, sizeof(word)), -ESTALE);
	cr_expect_eq(file_at(table, at), fresh);
}
