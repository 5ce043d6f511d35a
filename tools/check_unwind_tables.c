/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * check_unwind_tables.c - are our unwind tables true? Compares them with what libdw's
 * interpreter of call frame information (dwarf_cfi_addrframe) says of the same file,
 * address by address. What libdw says is put into a rule here anew, from its parsed
 * operations, so that no line is shared with what is checked.
 *
 *	check_unwind_tables [--all] [--files N] [--addresses N] [--quiet] PATH...
 *
 * One line a file: rows; the share of them that is claimed (not UNWIND_UNSUPPORTED);
 * addresses compared; `own`: those where libdw knows nothing, or what cannot be, and our
 * rule comes from the code's bytes (known_code.h), which are looked at again here;
 * `missed`: those where libdw knows something and we nothing; `wrong`: disagreements
 * about a rule that we claim. Then the sums. Exit status 1 when something is wrong, 2 for
 * a wrong command line.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "unwind/unwind_table.h"

#define MAX_SHOWN	   8 /* disagreements of one file */
#define MAX_SEGMENTS	   32
#define GAP_BYTES	   4096 /* so much of a gap is looked at byte by byte */
#define SIGNAL_RETURN	   "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05" /* mov $15 (rt_sigreturn), %rax; syscall */
#define SIGNAL_RETURN_SIZE (sizeof(SIGNAL_RETURN) - 1)
#define CLOSURE \
	"\x48\x83\xec\x10\x4c\x89\x14\x24\x4c\x8b\x15" /* sub $16, %rsp; mov %r10, (%rsp); mov ...(%rip), %r10 */
#define CLOSURE_SIZE	 34 /* the same again, with 8(%rsp); jmp *%r10 */
#define CLOSURE_SUB_SIZE 4
#define ENDBR64		 "\xf3\x0f\x1e\xfa"

struct options {
	u64 address_cnt; /* 0: every row of both */
	u64 file_cnt; /* 0: all */
	bool all, quiet;
};

struct counts {
	u64 files, rows, unsupported, compared, missed, own, wrong;
};

/* One file, seen by both. */
struct subject {
	const char *path;
	const struct options *options;
	struct counts counts;
	struct elf_file *file;
	struct unwind_table *table;
	u64 *starts; /* of our rows, ascending */
	size_t start_cnt;
	Elf *elf;
	Dwarf *dwarf; /* NULL: no debug information */
	Dwarf_CFI *eh_frame, *debug_frame; /* NULL: none */
	struct {
		u64 start, end;
	} code[MAX_SEGMENTS];
	size_t code_cnt;
};

/* What libdw says of one address. */
struct theirs {
	bool known; /* it has a row */
	bool expressible; /* rule says the same */
	struct unwind_rule rule;
	u64 end; /* of the row */
};

/*
 * What libdw says
 */

static bool is_breg(const Dwarf_Op *op, u32 *ret_register, s64 *ret_offset)
{
	if (op->atom == DW_OP_bregx) {
		*ret_register = op->number;
		*ret_offset = op->number2;
		return true;
	}
	*ret_register = op->atom - DW_OP_breg0;
	*ret_offset = op->number;
	return op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31;
}

static bool is_plt(const Dwarf_Op *ops, size_t cnt, struct unwind_rule *ret)
{
	static const u8 atoms[] = {DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
				   DW_OP_ge,	DW_OP_lit3,   DW_OP_shl,   DW_OP_plus};

	if (cnt != sizeof(atoms) || ops[0].number != 8 || ops[1].number)
		return false;
	for (size_t i = 0; i < cnt; i++) {
		if (atoms[i] && ops[i].atom != atoms[i])
			return false;
	}
	ret->cfa = UNWIND_PLT;
	ret->cfa_offset = ops[4].atom - DW_OP_lit0;
	return ret->cfa_offset >= 0 && ret->cfa_offset <= 31;
}

static bool read_cfa(Dwarf_Frame *frame, struct unwind_rule *ret)
{
	Dwarf_Op *ops;
	size_t cnt;
	u32 number;
	s64 offset;

	if (dwarf_frame_cfa(frame, &ops, &cnt) || !cnt || !is_breg(&ops[0], &number, &offset) || number > 15)
		return false;
	if (is_plt(ops, cnt, ret))
		return true;
	if (cnt == 1) {
		ret->cfa = UNWIND_CFA(UNWIND_REGISTER, number);
		ret->cfa_offset = offset;
		return offset == ret->cfa_offset;
	}
	if (ops[1].atom != DW_OP_deref || cnt > 3 || (cnt == 3 && ops[2].atom != DW_OP_plus_uconst))
		return false;
	u64 add = cnt == 3 ? ops[2].number : 0;
	ret->cfa = UNWIND_CFA(UNWIND_DEREF, number);
	ret->cfa_offset = (s32)((add & 0xffff) << 16 | (offset & 0xffff));
	return add <= 0xffff && offset == (s16)offset;
}

/* Saved at CFA + offset. */
static bool is_saved(const Dwarf_Op *ops, size_t cnt, s64 *ret)
{
	if (!cnt || cnt > 2 || ops[0].atom != DW_OP_call_frame_cfa || (cnt == 2 && ops[1].atom != DW_OP_plus_uconst))
		return false;
	*ret = cnt == 2 ? (s64)ops[1].number : 0;
	return true;
}

/* Saved at register + offset: libdw pushes the CFA before the expression, as DWARF has it. */
static bool is_saved_by_register(const Dwarf_Op *ops, size_t cnt, u32 *ret_register, s64 *ret_offset)
{
	return cnt == 2 && ops[0].atom == DW_OP_call_frame_cfa && is_breg(&ops[1], ret_register, ret_offset);
}

static bool read_rbp(Dwarf_Frame *frame, struct unwind_rule *ret)
{
	Dwarf_Op memory[3], *ops;
	size_t cnt;
	u32 number;
	s64 offset = 0;

	if (dwarf_frame_register(frame, REG_RBP, memory, &ops, &cnt))
		return false;
	if (!cnt)
		ret->rbp = ops == memory ? UNWIND_RBP_UNDEFINED : UNWIND_RBP_SAME;
	else if (is_saved(ops, cnt, &offset))
		ret->rbp = UNWIND_RBP_CFA;
	else if (is_saved_by_register(ops, cnt, &number, &offset) && number == REG_RBP)
		ret->rbp = UNWIND_RBP_BP;
	else
		return false;
	ret->rbp_offset = offset;
	return offset == ret->rbp_offset;
}

/* The kernel's ucontext_t as <ucontext.h> of the C library has it; all registers are where that says. */
static bool is_signal_frame(Dwarf_Frame *frame)
{
	static const u8 offsets[REG_CNT] = {144, 136, 152, 128, 112, 104, 120, 160, 40,
					    48,	 56,  64,  72,	80,  88,  96,  168};
	Dwarf_Op memory[3], *ops;
	size_t cnt;
	u32 number;
	s64 offset;

	if (dwarf_frame_cfa(frame, &ops, &cnt) || cnt != 2 || !is_breg(&ops[0], &number, &offset) ||
	    number != REG_RSP || offset != offsets[REG_RSP] || ops[1].atom != DW_OP_deref)
		return false;
	for (int i = 0; i < REG_CNT; i++) {
		if (dwarf_frame_register(frame, i, memory, &ops, &cnt) ||
		    !is_saved_by_register(ops, cnt, &number, &offset) || number != REG_RSP || offset != offsets[i])
			return false;
	}
	return true;
}

static bool express(Dwarf_Frame *frame, int return_register, bool signal, struct unwind_rule *ret)
{
	Dwarf_Op memory[3], *ops;
	size_t cnt;
	s64 offset;

	if (return_register != REG_RIP || dwarf_frame_register(frame, REG_RIP, memory, &ops, &cnt))
		return false;
	if (!cnt && ops == memory) {
		ret->cfa = UNWIND_END;
		return true;
	}
	if (signal) {
		ret->cfa = UNWIND_SIGNAL;
		return is_signal_frame(frame);
	}
	if (cnt == 1 && ops[0].atom == DW_OP_regx) {
		u32 link = ops[0].number;

		if (!read_cfa(frame, ret) || ret->cfa != UNWIND_CFA(UNWIND_REGISTER, REG_RSP))
			return false;
		ret->cfa = UNWIND_CFA(UNWIND_LINK, link);
		return link < REG_RIP && read_rbp(frame, ret);
	}
	if (!is_saved(ops, cnt, &offset) || offset != -8 || !read_cfa(frame, ret))
		return false;
	return read_rbp(frame, ret);
}

static bool ask_section(Dwarf_CFI *cfi, u64 address, struct theirs *ret)
{
	Dwarf_Frame *frame;
	Dwarf_Addr start, end;
	bool signal;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame))
		return false;
	int return_register = dwarf_frame_info(frame, &start, &end, &signal);
	*ret = (struct theirs){.known = true, .end = end};
	ret->expressible = express(frame, return_register, signal, &ret->rule);
	free(frame);
	return true;
}

static struct theirs ask(struct subject *s, u64 address)
{
	struct theirs theirs = {0};

	if (!ask_section(s->eh_frame, address, &theirs))
		ask_section(s->debug_frame, address, &theirs);
	return theirs;
}

/*
 * Comparing
 */

static bool has_bytes(struct subject *s, u64 address, const char *bytes, size_t size)
{
	char found[16];

	return !elf_file_read(s->file, address, found, size) && !memcmp(found, bytes, size);
}

static bool is_signal_return(struct subject *s, u64 address)
{
	for (u64 back = 0; back < SIGNAL_RETURN_SIZE; back++) {
		if (has_bytes(s, address - back, SIGNAL_RETURN, SIGNAL_RETURN_SIZE))
			return true;
	}
	/* A return address to it is looked up one byte before. */
	return has_bytes(s, address + 1, SIGNAL_RETURN, SIGNAL_RETURN_SIZE);
}

/* How far the CFA of a libffi closure is from rsp; 0 when there is none. */
static s32 closure_cfa(struct subject *s, u64 address)
{
	for (u64 back = 0; back < CLOSURE_SIZE; back++) {
		if (has_bytes(s, address - back, CLOSURE, sizeof(CLOSURE) - 1))
			return back < CLOSURE_SUB_SIZE ? 8 : 24;
	}
	for (u64 ahead = 1; ahead <= sizeof(ENDBR64) - 1; ahead++) {
		if (has_bytes(s, address + ahead, CLOSURE, sizeof(CLOSURE) - 1))
			return has_bytes(s, address + ahead - (sizeof(ENDBR64) - 1), ENDBR64, sizeof(ENDBR64) - 1) ? 8
														   : 0;
	}
	return 0;
}

/* Rules of ours where the file says nothing, or what cannot be: only for code that is known by its bytes. */
static bool is_known_code(struct subject *s, const struct unwind_rule *ours, u64 address, bool known)
{
	if (UNWIND_KIND(ours) == UNWIND_SIGNAL)
		return is_signal_return(s, address);
	return !known && ours->cfa == UNWIND_CFA(UNWIND_REGISTER, REG_RSP) && !ours->rbp &&
	       ours->cfa_offset == closure_cfa(s, address);
}

static bool rules_equal(const struct unwind_rule *a, const struct unwind_rule *b)
{
	return a->cfa == b->cfa && a->rbp == b->rbp && a->rbp_offset == b->rbp_offset && a->cfa_offset == b->cfa_offset;
}

static void show(struct subject *s, u64 address, const struct unwind_rule *ours, const struct theirs *theirs)
{
	if (++s->counts.wrong > MAX_SHOWN)
		return;
	printf("%s: %#llx: ours %x %d %d %d, libdw ", s->path, address, ours->cfa, ours->cfa_offset, ours->rbp,
	       ours->rbp_offset);
	if (!theirs->known)
		printf("nothing\n");
	else if (!theirs->expressible)
		printf("something else\n");
	else
		printf("%x %d %d %d\n", theirs->rule.cfa, theirs->rule.cfa_offset, theirs->rule.rbp,
		       theirs->rule.rbp_offset);
}

/* Returns libdw's answer, for where to go on. */
static struct theirs compare(struct subject *s, u64 address)
{
	const struct unwind_rule *ours = unwind_table_find(s->table, address);
	struct theirs theirs = ask(s, address);

	s->counts.compared++;
	switch (UNWIND_KIND(ours)) {
	case UNWIND_UNSUPPORTED:
		break;
	case UNWIND_FRAME_POINTER: /* a guess, where nobody says anything */
		*(theirs.known ? &s->counts.wrong : &s->counts.own) += 1;
		break;
	case UNWIND_NONE:
		s->counts.missed += theirs.known;
		if (theirs.known && !s->options->quiet && s->counts.missed <= MAX_SHOWN)
			printf("%s: %#llx: libdw knows something\n", s->path, address);
		break;
	default:
		if (theirs.expressible && rules_equal(ours, &theirs.rule))
			break;
		if (is_known_code(s, ours, address, theirs.known))
			s->counts.own++;
		else
			show(s, address, ours, &theirs);
	}
	return theirs;
}

/* The first start of a row of ours behind address; end when there is none before it. */
static u64 next_start(const struct subject *s, size_t *i, u64 address, u64 end)
{
	while (*i < s->start_cnt && s->starts[*i] <= address)
		(*i)++;
	return *i < s->start_cnt && s->starts[*i] < end ? s->starts[*i] : end;
}

/* Every row of theirs and of ours. */
static void compare_range(struct subject *s, u64 start, u64 end)
{
	u64 gap = 0;
	size_t i = 0;

	for (u64 at = start; at < end;) {
		u64 next = next_start(s, &i, at, end);
		struct theirs theirs = compare(s, at);

		gap = theirs.known ? 0 : gap + 1;
		if (theirs.known && theirs.end > at && theirs.end < next)
			next = theirs.end;
		else if (!theirs.known && gap < GAP_BYTES)
			next = at + 1;
		at = next;
	}
}

/* The same numbers on each run. */
static u64 random_next(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 20;
}

/* Also both ends of the row that holds it. */
static void compare_some(struct subject *s)
{
	u64 state = 1;

	for (u64 n = 0; n < s->options->address_cnt; n++) {
		size_t i = random_next(&state) % s->code_cnt;
		u64 size = s->code[i].end - s->code[i].start;
		u64 address = s->code[i].start + random_next(&state) % size;

		struct theirs theirs = compare(s, address);
		if (theirs.known && theirs.end < s->code[i].end) {
			compare(s, theirs.end - 1);
			compare(s, theirs.end);
		}
	}
}

static void compare_all(struct subject *s)
{
	if (!s->code_cnt)
		return;
	if (s->options->address_cnt && s->start_cnt > s->options->address_cnt) {
		compare_some(s);
		return;
	}
	for (size_t i = 0; i < s->code_cnt; i++)
		compare_range(s, s->code[i].start, s->code[i].end);
}

/*
 * A file
 */

static void subject_find_code(struct subject *s)
{
	GElf_Phdr segment;

	for (int i = 0; s->code_cnt < MAX_SEGMENTS && gelf_getphdr(s->elf, i, &segment); i++) {
		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || !segment.p_filesz)
			continue;
		s->code[s->code_cnt].start = segment.p_vaddr;
		s->code[s->code_cnt++].end = segment.p_vaddr + segment.p_filesz;
	}
}

static void subject_find_starts(struct subject *s)
{
	const struct unwind_table *table = s->table;

	s->starts = calloc(table->row_cnt + 1, sizeof(*s->starts));
	if (!s->starts)
		exit(EX_OSERR);
	for (u32 p = 0; p < table->page_cnt; p++) {
		for (u32 i = 0; i < table->pages[p].cnt; i++) {
			const struct unwind_row *row = &table->rows[table->pages[p].row + i];

			s->starts[s->start_cnt++] = ((table->first + p) << UNWIND_PAGE_SHIFT) + row->pc;
			s->counts.rows += row->rule != 0;
		}
	}
	s->counts.unsupported = table->unsupported_cnt;
}

static void subject_deinit(struct subject *s)
{
	if (s->dwarf)
		dwarf_end(s->dwarf);
	if (s->eh_frame)
		dwarf_cfi_end(s->eh_frame);
	elf_end(s->elf);
	free(s->starts);
	unwind_table_free(s->table);
	elf_file_unref(s->file);
}

/*
 * libdw ends where a length is 0, even in .debug_frame, where padding between two
 * object files has that. Make the entry before it longer: zeros are no operations.
 * Only private memory is written to.
 */
static void subject_bridge_zeros(struct subject *s)
{
	Elf_Scn *section = NULL;
	size_t names, at = 0;
	GElf_Shdr header;

	if (elf_getshdrstrndx(s->elf, &names))
		return;
	while ((section = elf_nextscn(s->elf, section)) && gelf_getshdr(section, &header)) {
		const char *name = elf_strptr(s->elf, names, header.sh_name);

		if (name && !strcmp(name, ".debug_frame"))
			break;
	}
	if (!section || ((header.sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0))
		return;
	Elf_Data *data = elf_getdata(section, NULL);
	for (u32 *last = NULL; data && at + sizeof(u32) <= data->d_size;) {
		u32 *length = (u32 *)((char *)data->d_buf + at);

		if (*length == UINT32_MAX)
			return; /* 64-bit lengths: nobody writes them */
		at += sizeof(*length) + *length;
		if (!*length && last)
			*last += sizeof(*length);
		else
			last = length;
	}
}

/* False: nothing to compare here. */
static bool subject_init(struct subject *s, int fd)
{
	int err = elf_file_open_fd(dup(fd), s->path, &s->file);
	if (err)
		return false;
	err = unwind_table_build(s->file, &s->table);
	if (err == -ENOEXEC)
		return false;
	if (err) {
		printf("%s: %s\n", s->path, strerror(-err));
		s->counts.wrong++;
		return false;
	}
	s->elf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	subject_bridge_zeros(s);
	s->eh_frame = dwarf_getcfi_elf(s->elf);
	s->dwarf = dwarf_begin_elf(s->elf, DWARF_C_READ, NULL);
	s->debug_frame = s->dwarf ? dwarf_getcfi(s->dwarf) : NULL;
	subject_find_code(s);
	subject_find_starts(s);
	return true;
}

static double percent(u64 part, u64 all)
{
	return all ? 100.0 * (double)part / (double)all : 100;
}

static void print_counts(const struct counts *c, const char *what)
{
	printf("%10llu rows %8.3f%% claimed %10llu compared %6llu own "
	       "%6llu missed %6llu wrong  %s\n",
	       c->rows, percent(c->rows - c->unsupported, c->rows), c->compared, c->own, c->missed, c->wrong, what);
}

static void counts_add(struct counts *sum, const struct counts *c)
{
	sum->files++;
	sum->rows += c->rows;
	sum->unsupported += c->unsupported;
	sum->compared += c->compared;
	sum->missed += c->missed;
	sum->own += c->own;
	sum->wrong += c->wrong;
}

static void check_file(const char *path, const struct options *options, struct counts *sum)
{
	struct subject s = {.path = path, .options = options};
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (subject_init(&s, fd)) {
		compare_all(&s);
		if (!options->quiet || s.counts.wrong)
			print_counts(&s.counts, path);
		counts_add(sum, &s.counts);
	} else {
		sum->wrong += s.counts.wrong;
	}
	subject_deinit(&s);
}

/*
 * Files
 */

/* What a sample never leaves out: what is on nearly every stack, and what is strange. */
static const char *const favourites[] = {
	"libc.so",  "libc-",	  "ld-linux",  "ld-musl", "libcrypto",	"libssl",  "libstdc++", "libgcc_s",
	"libm.so",  "libpthread", "libpython", "python3", "libffi",	"libLLVM", "libclang",	"libGL",
	"libepoxy", "libgmp",	  "libz.so",   "libzstd", "libsqlite3", "_ctypes", "_ssl",	"cc1",
	"lto1",	    "clang",	  "gdb",       "perl",	  "bash",	"dash",	   "ldconfig",	"busybox",
	"node",	    "java",	  "libjvm",    "go",
};

struct paths {
	char **at;
	size_t cnt, capacity;
};

/* nftw() hands nothing through. */
static struct paths found;

static bool is_program(const char *path)
{
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;

	return fd >= 0 && read(fd, &header, sizeof(header)) == sizeof(header) &&
	       !memcmp(header.e_ident, ELFMAG, SELFMAG) && header.e_ident[EI_CLASS] == ELFCLASS64 &&
	       header.e_machine == EM_X86_64 && (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

static int walk_visit(const char *path, const struct stat *status, int type, struct FTW *where)
{
	if (type != FTW_F || !S_ISREG(status->st_mode) || !is_program(path))
		return 0;
	if (found.cnt == found.capacity) {
		found.capacity = found.capacity ? 2 * found.capacity : 1024;
		found.at = realloc(found.at, found.capacity * sizeof(*found.at));
	}
	if (!found.at || !(found.at[found.cnt++] = strdup(path)))
		exit(EX_OSERR);
	return 0;
}

static bool is_favourite(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(favourites) / sizeof(favourites[0]); i++) {
		if (!strncmp(name, favourites[i], strlen(favourites[i])))
			return true;
	}
	return false;
}

/* FNV-1a: the same order everywhere. */
static u32 path_hash(const char *path)
{
	u32 hash = 2166136261;

	for (; *path; path++)
		hash = (hash ^ (u8)*path) * 16777619;
	return hash;
}

static int path_compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	bool x_first = is_favourite(x), y_first = is_favourite(y);
	u32 x_hash = path_hash(x), y_hash = path_hash(y);

	if (x_first != y_first)
		return x_first ? -1 : 1;
	return x_hash < y_hash ? -1 : x_hash > y_hash;
}

static void check_directories(char *const *paths, const struct options *options, struct counts *sum)
{
	for (; *paths; paths++)
		nftw(*paths, walk_visit, 16, FTW_PHYS);
	if (options->file_cnt)
		qsort(found.at, found.cnt, sizeof(*found.at), path_compare);
	for (size_t i = 0; i < found.cnt; i++) {
		if (!options->file_cnt || i < options->file_cnt)
			check_file(found.at[i], options, sum);
		free(found.at[i]);
	}
	free(found.at);
}

static int usage(void)
{
	fprintf(stderr, "Usage: check_unwind_tables [--all] [--files N] [--addresses N] [--quiet] PATH...\n"
			"  --all          PATHs are directories: every ELF file below\n"
			"  --files N      of these N: what is on many stacks first, then by the hash of the path\n"
			"  --addresses N  files with more rows than N: so many pseudo-random addresses\n"
			"  --quiet        only files with a disagreement, and the sums\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct counts sum = {0};
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--all"))
			options.all = true;
		else if (!strcmp(argv[i], "--quiet"))
			options.quiet = true;
		else if (!strcmp(argv[i], "--files") && i + 1 < argc)
			options.file_cnt = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--addresses") && i + 1 < argc)
			options.address_cnt = strtoull(argv[++i], NULL, 10);
		else
			return usage();
	}
	if (i == argc)
		return usage();

	elf_version(EV_CURRENT);
	if (options.all)
		check_directories(argv + i, &options, &sum);
	for (; !options.all && i < argc; i++)
		check_file(argv[i], &options, &sum);
	char files[32];
	snprintf(files, sizeof(files), "%llu files", sum.files);
	print_counts(&sum, files);
	return sum.wrong ? 1 : 0;
}
