/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "symbolize/demangle.h"

struct name {
	char symbol[96], readable[96];
};

ParameterizedTestParameters(demangle, symbols_read_as_their_authors_wrote_them)
{
	static struct name rows[] = {
		{"main", "main"},
		{"", ""},
		{"@", "@"},
		{"_", "_"},
		{"_Z", "_Z"},
		{"foo.part.0", "foo"},
		{"foo.cold", "foo"},
		{"foo.cold.1", "foo"},
		{"foo.localalias", "foo"},
		{"foo.localalias.0", "foo"},
		{"foo.isra.0", "foo"},
		{"foo.constprop.12", "foo"},
		{"foo.lto_priv.3", "foo"},
		{"foo.llvm.1234567890", "foo"},
		{"foo.constprop.0.isra.0.cold", "foo"},
		{"foo.lto_priv.0.part.1@@V_1", "foo"},
		{"foo.part", "foo.part"},
		{"foo.part.", "foo.part."},
		{"foo.partial.0", "foo.partial.0"},
		{"foo.0", "foo.0"},
		{"foo.cold.x", "foo.cold.x"},
		{"foo.colder", "foo.colder"},
		{".cold", ".cold"},
		{".part.0", ".part.0"},
		{"0", "0"},
		{".0", ".0"},
		{"_Z3fooIiET_S0_.cold", "foo<int>"},
		{"_ZN3FooC2Ev.constprop.0", "Foo::Foo"},
		{"_ZN3Foo3barEv.isra.0.cold", "Foo::bar"},
		{"puts@plt", "puts@plt"},
		{"_ZN3Foo3barEv@plt", "Foo::bar@plt"},
		{"@plt", "@plt"},
		{"puts@plt2", "puts"},
		{"memcpy@@GLIBC_2.14", "memcpy"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi@GLIBCXX_3.4", "std::vector<int, std::allocator<int> >::push_back"},
		{"_Z3fooIiET_S0_", "foo<int>"},
		{"_ZN3FooC1Ev", "Foo::Foo"},
		{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()"},
		{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
		{"_ZN4core3ops8function6FnOnce40call_once$u7b$$u7b$vtable.shim$u7d$$u7d$17h0123456789abcdefE",
		 "core::ops::function::FnOnce::call_once{{vtable.shim}}"},
		{"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
		{"_RNvICsH_0mycrfol", "_RNvICsH_0mycrfol"},
		{"_RNvC7mycrate3foo.llvm.123", "mycrate::foo"},
	};

	return cr_make_param_array(struct name, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct name *row, demangle, symbols_read_as_their_authors_wrote_them)
{
	STRBUF(b);

	demangle_put(&b, row->symbol);
	cr_assert_str_eq(b.at, row->readable);
}

Test(demangle, it_appends)
{
	STRBUF(b);

	strbuf_put(&b, "main;");
	demangle_put(&b, "_Z3foov");
	cr_assert_str_eq(b.at, "main;foo");
}

static void check_stays(const char *symbol)
{
	STRBUF(b);

	demangle_put(&b, symbol);
	cr_assert_str_eq(b.at, symbol);
}

Test(demangle, a_long_symbol_comes_out_as_it_is)
{
	static char symbol[100000] = "_Z";

	memset(symbol + 2, 'P', sizeof(symbol) - 3);
	check_stays(symbol);
}

Test(demangle, a_deep_symbol_comes_out_as_it_is)
{
	static char symbol[1024] = "_Z1fI";

	memset(symbol + 5, 'P', sizeof(symbol) - 6);
	check_stays(symbol);
}

/* p<int, int>, p<S0, S0>, p<S1, S1>, ...: each twice as long as the one before. */
static void put_doublings(struct strbuf *b, const char *pair, int first)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	strbuf_put(b, "1pIiiE");
	for (int i = first; i < 36; i++)
		strbuf_printf(b, "%sIS%c_S%c_E", pair, digits[i], digits[i]);
}

/* c++filt runs out of memory. */
Test(demangle, a_symbol_that_unfolds_without_end_comes_out_as_it_is, .timeout = 120)
{
	STRBUF(symbol);

	strbuf_put(&symbol, "_Z1fI");
	put_doublings(&symbol, "S_", 0);
	strbuf_put(&symbol, "Evv");
	check_stays(symbol.at);
}

/* c++filt runs for ever and prints nothing. */
Test(demangle, a_pack_that_is_searched_without_end_comes_out_as_it_is, .timeout = 120)
{
	STRBUF(symbol);

	strbuf_put(&symbol, "_Z1fIDp1qI");
	put_doublings(&symbol, "S1_", 2);
	strbuf_put(&symbol, "EEvv");
	check_stays(symbol.at);
}

/* Likewise. */
Test(demangle, conversions_that_are_parsed_twice_each_come_out_as_they_are, .timeout = 120)
{
	STRBUF(symbol);

	strbuf_put(&symbol, "_Z");
	for (int i = 0; i < 60; i++)
		strbuf_put(&symbol, "cvT_IL_Z");
	strbuf_put(&symbol, "cvT_IiE");
	for (int i = 0; i < 60; i++)
		strbuf_put(&symbol, "EE");
	strbuf_put(&symbol, "vv");
	check_stays(symbol.at);
}

static FILE *list_symbols(const char *path, const char *filter)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "nm --dynamic --defined-only --without-symbol-versions --format=just-symbols '%s' %s", path, filter);
	FILE *in = popen(command, "r");
	cr_assert_not_null(in);
	return in;
}

/* Everything that libstdc++ exports. */
Test(demangle, cxxfilt_says_the_same)
{
	static char symbol[65536], expected[65536];
	struct link_map *map = NULL;
	void *library = dlopen("libstdc++.so.6", RTLD_NOW);
	size_t cnt = 0, demangled = 0;

	if (!library)
		cr_skip_test("no libstdc++ here");
	dlinfo(library, RTLD_DI_LINKMAP, &map);
	FILE *symbols = list_symbols(map->l_name, "");
	FILE *readable = list_symbols(map->l_name, "| c++filt --no-params --no-verbose");
	while (fgets(symbol, sizeof(symbol), symbols) && fgets(expected, sizeof(expected), readable)) {
		STRBUF(b);

		symbol[strcspn(symbol, "\n")] = 0;
		expected[strcspn(expected, "\n")] = 0;
		demangle_put(&b, symbol);
		cr_assert_str_eq(b.at, expected, "%s is %s, not %s", symbol, expected, b.at);
		demangled += strcmp(symbol, expected) != 0;
		cnt++;
	}
	cr_assert_eq(pclose(symbols) | pclose(readable), 0);
	cr_assert_gt(cnt, 1000);
	cr_assert_gt(demangled, 1000);
}
