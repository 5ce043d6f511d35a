/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/module_name.h"

struct row {
	char path[128], name[64];
};

ParameterizedTestParameters(module_name, a_file_is_called_what_people_call_it)
{
	static struct row rows[] = {
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6"},
		{"/usr/lib/libfoo.so", "libfoo.so"},
		{"/usr/bin/python3.11", "python3.11"},
		{"/usr/bin/python3.11 (deleted)", "python3.11"},
		{"[vdso]", "[vdso]"},
		{"/", "/"},
		{"", ""},
		{"/v/lib/python3.11/site-packages/numpy/core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so",
		 "numpy.core._multiarray_umath"},
		{"/v/site-packages/numpy/core/_simd.cpython-311-x86_64-linux-gnu.so (deleted)", "numpy.core._simd"},
		{"/usr/lib/python3/dist-packages/_cffi_backend.cpython-311-x86_64-linux-gnu.so", "_cffi_backend"},
		{"/v/site-packages/cryptography/hazmat/bindings/_rust.abi3.so", "cryptography.hazmat.bindings._rust"},
		{"/v/site-packages/zmq/_zmq.so", "zmq._zmq"},
		{"/usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so", "_json"},
		{"/usr/lib/python3.11/lib-dynload/_json.cpython-311d-x86_64-linux-gnu.so", "_json"},
		{"/home/me/build/_mine.cpython-313-x86_64-linux-gnu.so", "_mine"},
		{"/home/me/build/_mine.abi3.so", "_mine"},
		{"/v/site-packages/a/site-packages/b/_c.so", "b._c"},
		{"/v/site-packages/site-packages/_c.so", "_c"},
		{"/v/site-packages/lib-dynload/_c.so", "_c"},
		{"/v/site-packages/numpy.libs/libopenblas64_p-r0-5007b62f.3.23.dev.so",
		 "libopenblas64_p-r0-5007b62f.3.23.dev.so"},
		{"/v/site-packages/numpy.libs/libgfortran-040039e1.so.5.0.0", "libgfortran-040039e1.so.5.0.0"},
		{"/v/site-packages/pyarrow/libarrow.so.1500", "libarrow.so.1500"},
		{"/v/site-packages/a/1b.so", "1b.so"},
		{"/v/site-packages/.so", ".so"},
		{"/v/site-packages/a//b.so", "b.so"},
		{"/v/my-site-packages/a/b.so", "b.so"},
		{"/v/.cpython-311.so", ".cpython-311.so"},
	};

	return cr_make_param_array(struct row, rows, sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct row *row, module_name, a_file_is_called_what_people_call_it)
{
	_cleanup_(free) char *name = module_name_of_path(row->path);

	cr_assert_str_eq(name, row->name);
}

/* Python says itself what it calls the modules that it has loaded. */
Test(module_name, python_imports_its_modules_by_that_name)
{
	FILE *in = popen("python3 -c 'import sys, _json, _ctypes, _ssl\n"
			 "for n, m in sorted(sys.modules.items()):\n"
			 "  f = getattr(m, \"__file__\", None) or \"\"\n"
			 "  if f.endswith(\".so\"): print(f, n)'",
			 "r");
	char path[512], expected[256];
	int cnt = 0;

	while (in && fscanf(in, "%511s %255s", path, expected) == 2) {
		_cleanup_(free) char *name = module_name_of_path(path);

		cr_assert_str_eq(name, expected);
		cnt++;
	}
	cr_assert_not_null(in);
	pclose(in);
	cr_assert_gt(cnt, 0, "python3 has extension modules");
}
