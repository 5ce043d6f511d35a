/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>

#include "symbolize/symbol_name.h"

TestSuite(symbol_name);

Test(symbol_name, ends_where_versions_stubs_and_what_compilers_append_begin)
{
	static const struct {
		const char *symbol;
		size_t length;
	} cases[] = {
		{"memcpy@@GLIBC_2.14", 6},
		{"memcpy@GLIBC_2.2.5", 6},
		{"puts@plt", 4},
		{"_ZN3Foo3barEv.isra.0.cold", 13},
		{"_PyEval_EvalFrameDefault.localalias", 24},
		{"main.main", 9}, /* Go's are names of their own */
		{"a", 1},
		{"", 0},
		{"@", 1},
		{".cold", 5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(symbol_name_length(cases[i].symbol), cases[i].length, "%s", cases[i].symbol);
}
