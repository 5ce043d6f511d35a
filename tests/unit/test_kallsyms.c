/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "symbolize/kallsyms.h"

static struct kallsyms *parse(const char *text)
{
	struct kallsyms *k = NULL;

	cr_assert_eq(kallsyms_parse(text, strlen(text), &k), 0);
	return k;
}

static const char *name_at(const struct kallsyms *k, u64 address)
{
	const char *name = kallsyms_find(k, address);

	return name ? name : "none";
}

Test(kallsyms, a_function_reaches_to_the_next_symbol)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("ffffffff81000000 T first\n"
						       "ffffffff81000100 t second\n"
						       "ffffffff81000200 D data\n"
						       "ffffffff81000300 W weak\n");

	cr_assert_str_eq(name_at(k, 0xffffffff80ffffff), "none");
	cr_assert_str_eq(name_at(k, 0xffffffff81000000), "first");
	cr_assert_str_eq(name_at(k, 0xffffffff810000ff), "first");
	cr_assert_str_eq(name_at(k, 0xffffffff81000100), "second");
	cr_assert_str_eq(name_at(k, 0xffffffff81000200), "none");
	cr_assert_str_eq(name_at(k, 0xffffffff81000300), "weak");
}

Test(kallsyms, what_follows_the_last_function_of_a_module_is_a_gap)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("ffffffffc0000000 t last\t[module]\n"
						       "ffffffffc8000000 t other\t[other]\n");

	cr_assert_str_eq(name_at(k, 0xffffffffc0001000), "last");
	cr_assert_str_eq(name_at(k, 0xffffffffc4000000), "none");
	cr_assert_str_eq(name_at(k, UINT64_MAX), "none");
}

Test(kallsyms, modules_come_in_any_order)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("ffffffffc0002000 t b\t[m]\n"
						       "ffffffff81000000 T a\n"
						       "ffffffffc0001000 t c\t[m]");

	cr_assert_str_eq(name_at(k, 0xffffffff81000004), "a");
	cr_assert_str_eq(name_at(k, 0xffffffffc0001fff), "c");
	cr_assert_str_eq(name_at(k, 0xffffffffc0002001), "b");
}

Test(kallsyms, modules_and_bpf_programs_have_names_without_where_they_are_from)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse(
		"ffffffffc0001000 t ext4_readpage\t[ext4]\n"
		"ffffffffc0401000 t bpf_prog_6deef7357e7b4530_sd_devices\t[bpf]\n"
		"ffffffffc0401100 t bpf_prog_0123456789abcdef\t[bpf]\n"
		"ffffffffc0401200 t bpf_trampoline_6442487186\t[bpf]\n");

	cr_assert_str_eq(name_at(k, 0xffffffffc0001010), "ext4_readpage");
	cr_assert_str_eq(name_at(k, 0xffffffffc0401001), "bpf_prog_6deef7357e7b4530_sd_devices");
	cr_assert_str_eq(name_at(k, 0xffffffffc0401101), "bpf_prog_0123456789abcdef");
	cr_assert_str_eq(name_at(k, 0xffffffffc0401201), "bpf_trampoline_6442487186");
}

Test(kallsyms, the_better_of_two_names_wins)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("ffffffff81000000 t local\n"
						       "ffffffff81000000 T __x64_sys_read\n"
						       "ffffffff81000000 T sys_read\n"
						       "ffffffff81000000 D data\n");

	cr_assert_str_eq(name_at(k, 0xffffffff81000000), "sys_read");
}

Test(kallsyms, hidden_addresses_name_nothing)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("0000000000000000 T first\n0000000000000000 T second\n");

	cr_assert_null(kallsyms_find(k, 0));
	cr_assert_null(kallsyms_find(k, 0xffffffff81000000));
}

Test(kallsyms, lines_that_are_not_understood_are_left_out)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("\n\nT\nffffffff81000000\nffffffff81000000 T\n"
						       "ffffffff81000000 T \nxyz T name\n"
						       "ffffffff810000001 T too_long\nffffffff81000000  T wide\n"
						       "ffffffff81000010 T good\n");

	cr_assert_str_eq(name_at(k, 0xffffffff81000000), "none");
	cr_assert_str_eq(name_at(k, 0xffffffff81000010), "good");
}

Test(kallsyms, nothing_is_nothing)
{
	_cleanup_(kallsyms) struct kallsyms *k = parse("");

	cr_assert_null(kallsyms_find(k, 1));
	kallsyms_free(NULL);
}

struct text_symbol {
	unsigned long long address;
	char type;
	char *name;
};

static int text_symbol_compare(const void *a, const void *b)
{
	const struct text_symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* A plain reading of the file. */
static size_t read_text_symbols(FILE *in, struct text_symbol **ret)
{
	struct text_symbol *list = NULL, next;
	size_t cnt = 0, capacity = 0;

	while (fscanf(in, "%llx %c %ms%*[^\n]", &next.address, &next.type, &next.name) == 3) {
		if (cnt == capacity) {
			capacity = capacity ? capacity * 2 : 1024;
			list = realloc(list, capacity * sizeof(*list));
		}
		list[cnt++] = next;
	}
	qsort(list, cnt, sizeof(*list), text_symbol_compare);
	*ret = list;
	return cnt;
}

Test(kallsyms, the_running_kernel_is_named_as_it_names_itself)
{
	_cleanup_(kallsyms) struct kallsyms *k = NULL;
	_cleanup_(free) struct text_symbol *list = NULL;
	_cleanup_(stream) FILE *in = fopen("/proc/kallsyms", "re");

	int err = kallsyms_open(&k);
	if (!in || err == -EPERM || err == -ENOENT)
		cr_skip_test("the kernel hides its addresses");
	cr_assert_eq(err, 0);
	size_t cnt = read_text_symbols(in, &list), functions = 0;
	for (size_t first = 0, next; first < cnt; first = next) {
		const char *found = kallsyms_find(k, list[first].address);
		bool function = false, same = false;

		for (next = first; next < cnt && list[next].address == list[first].address; next++) {
			bool text = strchr("tTwW", list[next].type);
			function |= text;
			same |= text && found && !strcmp(list[next].name, found);
		}
		cr_assert_eq(function, same, "%s is called %s", list[first].name, found ? found : "nothing");
		functions += function;
	}
	cr_assert_gt(functions, 1000);
	for (size_t i = 0; i < cnt; i++)
		free(list[i].name);
}
