/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The checks of the merge, fed with what they must refuse. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/e2e/check_merge.h"

#define INNER "\tc inner (/a.py)\t= spin (/a.py)\n"
#define TRUTH                                                                                                       \
	"^ <module> (/a.py)\t= by_sort (/a.py)" INNER                                                               \
	"^ <module> (/a.py)\t= by_qsort (/a.py)\tc:_ctypes,libffi,libc,libffi,_ctypes cb (/a.py)\t= spin (/a.py)\n" \
	"^ <module> (/a.py)\t= zip (/a.py)\tc:zlib,libz -\n"                                                        \
	"^ <module> (/a.py)\ti old (/a.py)\n"                                                                       \
	"^ <module> (/a.py)\t= gen (/a.py)\tg made (/a.py)\n"                                                       \
	"^ <module> (/a.py)\t? load (/b.py)\tc <module> (/c.py)\n"

#define START  "_start (python3.13);__libc_start_main (libc.so.6);Py_RunMain (libpython3.13.so.1.0);"
#define EVAL   "_PyEval_EvalFrameDefault (libpython3.13.so.1.0)"
#define MODULE "<module> (/a.py:9)"
#define TYPES  "_call (_ctypes.cpython-313-x86_64-linux-gnu.so)"
#define FFI    "ffi_call (libffi.so.8)"
#define QSORT  "0x1234 (libc.so.6);msort (libc.so.6)"
#define BACK   "ffi_closure (libffi.so.8);closure_fcn (_ctypes.cpython-313-x86_64-linux-gnu.so)"

static struct folded folded_from(const char *stack)
{
	static char text[4000];
	struct folded folded = {0};

	snprintf(text, sizeof(text), "app (7);%s 1\n", stack);
	const char *problem = folded_parse(text, &folded);
	cr_assert_null(problem, "%s", problem);
	return folded;
}

static struct merge_verdict verdict_of(const char *stack, enum native_shown shown)
{
	struct folded folded = folded_from(stack);
	struct orders *orders = NULL;
	const char *problem = orders_parse(TRUTH, &orders);

	cr_assert_null(problem, "%s", problem);
	struct merge_verdict verdict = check_order(&folded, orders, shown);
	orders_free(orders);
	folded_free(&folded);
	cr_assert_eq(verdict.samples, 1);
	cr_assert_eq(verdict.in_order + verdict.unmerged + verdict.incomplete + verdict.without_python +
			     verdict.impossible,
		     1);
	cr_assert_eq(*verdict.first_impossible != 0, verdict.impossible);
	return verdict;
}

struct row {
	const char *why, *stack;
	enum native_shown shown;
};
#define CNT(a) (sizeof(a) / sizeof((a)[0]))

Test(check_merge, a_true_order_is_in_order)
{
	static const struct row rows[] = {
		{"at the very start", MODULE, SHOWN_EXTENSIONS},
		{"nothing of the interpreter", MODULE ";by_sort (/a.py:3);inner (/a.py:4);spin (/a.py:5)",
		 SHOWN_EXTENSIONS},
		{"a line that is not known", MODULE ";by_sort (/a.py:?)", SHOWN_EXTENSIONS},
		{"through libc", MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";" QSORT ";" BACK ";cb (/a.py:4)",
		 SHOWN_EXTENSIONS},
		{"on the way to libc", MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI, SHOWN_EXTENSIONS},
		{"malloc on the way to libc", MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";malloc (libc.so.6)",
		 SHOWN_EXTENSIONS},
		{"malloc on the way back",
		 MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";" QSORT ";" BACK ";free (libc.so.6)", SHOWN_EXTENSIONS},
		{"a page fault on the way", MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";asm_exc_page_fault_[k]",
		 SHOWN_EXTENSIONS},
		{"a leaf", MODULE ";zip (/a.py:3);compress (zlib.cpython-313-x86_64-linux-gnu.so);deflate (libz.so.1)",
		 SHOWN_EXTENSIONS},
		{"libc anywhere", MODULE ";by_sort (/a.py:3);inner (/a.py:4);memcpy (libc.so.6)", SHOWN_EXTENSIONS},
		{"a closure of libffi",
		 MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";" QSORT ";0x10 (memfd:libffi (deleted))",
		 SHOWN_EXTENSIONS},
		{"a generator that runs",
		 START EVAL ";" MODULE ";gen (/a.py:3);builtin_sum (python3.13);" EVAL ";made (/a.py:3)", SHOWN_ALL},
		{"a generator that is made", START EVAL ";" MODULE ";gen (/a.py:3);made (/a.py:3)", SHOWN_ALL},
		{"what is not ours, by C", START EVAL ";" MODULE ";x (libssl.so);" EVAL ";load (/b.py:3)", SHOWN_ALL},
		{"what is not ours, plainly", START EVAL ";" MODULE ";load (/b.py:3)", SHOWN_ALL},
		{"all frames",
		 START EVAL ";" MODULE ";by_sort (/a.py:3);sort (libpython3.13.so.1.0);" EVAL
			    ";inner (/a.py:4);spin (/a.py:5);PyLong_Add (libpython3.13.so.1.0)",
		 SHOWN_ALL},
		{"a frame half pushed", START EVAL ";" MODULE ";by_sort (/a.py:3);sort (libpython3.13.so.1.0);" EVAL,
		 SHOWN_ALL},
		{"all frames, through libc",
		 START EVAL ";" MODULE ";by_qsort (/a.py:3);0x12 (python3.13);" TYPES ";" FFI ";" QSORT ";" BACK
			    ";0x13 (python3.13);" EVAL ";cb (/a.py:4);spin (/a.py:5)",
		 SHOWN_ALL},
		{"an eval loop each", START EVAL ";" MODULE ";py::zip ([anon]);" EVAL ";zip (/a.py:3)",
		 SHOWN_ALL_LOOSELY},
		{"no native frame", MODULE ";by_qsort (/a.py:3);cb (/a.py:4);sys_read_[k]", SHOWN_NONE},
		{"a call through the interpreter",
		 START EVAL ";" MODULE
			    ";function_call (libpython2.7.so.1.0);PyEval_EvalFrameEx (python2.7);old (/a.py:3)",
		 SHOWN_ALL},
		{"a call through the interpreter, which is left out", MODULE ";old (/a.py:3)", SHOWN_EXTENSIONS},
	};
	for (size_t i = 0; i < CNT(rows); i++) {
		struct merge_verdict verdict = verdict_of(rows[i].stack, rows[i].shown);
		cr_expect_eq(verdict.in_order, 1, "%s: %s", rows[i].why, verdict.first_impossible);
	}
}

Test(check_merge, any_other_order_is_impossible)
{
	static const struct row rows[] = {
		{"the first frame is another", "by_sort (/a.py:3)", SHOWN_EXTENSIONS},
		{"a call that cannot be", MODULE ";inner (/a.py:3)", SHOWN_EXTENSIONS},
		{"a name that is longer", MODULE ";by_sorting (/a.py:3)", SHOWN_EXTENSIONS},
		{"another file", MODULE ";by_sort (/b.py:3)", SHOWN_EXTENSIONS},
		{"another callee", MODULE ";by_sort (/a.py:3);cb (/a.py:3)", SHOWN_EXTENSIONS},
		{"the same frame twice", MODULE ";by_sort (/a.py:3);by_sort (/a.py:3)", SHOWN_EXTENSIONS},
		{"an interpreter's frame that is left out",
		 MODULE ";by_sort (/a.py:3);sort (python3.13);inner (/a.py:4)", SHOWN_EXTENSIONS},
		{"an interpreter's frame at the inner end", MODULE ";by_sort (/a.py:3);sort (python3.13)",
		 SHOWN_EXTENSIONS},
		{"the thread's start", "_start (python3.13);" MODULE, SHOWN_EXTENSIONS},
		{"a call through nothing", START EVAL ";" MODULE ";old (/a.py:3)", SHOWN_ALL},
		{"a call through an extension", MODULE ";" TYPES ";old (/a.py:3)", SHOWN_EXTENSIONS},
		{"libc's part of the thread's start", "start_thread (libc.so.6);" MODULE, SHOWN_EXTENSIONS},
		{"C under a plain call", MODULE ";malloc (libc.so.6);by_sort (/a.py:3)", SHOWN_EXTENSIONS},
		{"a callback without its C", MODULE ";by_qsort (/a.py:3);cb (/a.py:4)", SHOWN_EXTENSIONS},
		{"a callback with half its C", MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";" QSORT ";cb (/a.py:4)",
		 SHOWN_EXTENSIONS},
		{"a callback's C in another order",
		 MODULE ";by_qsort (/a.py:3);" FFI ";" TYPES ";" QSORT ";" BACK ";cb (/a.py:4)", SHOWN_EXTENSIONS},
		{"a callback's C one frame too early",
		 MODULE ";" TYPES ";" FFI ";" QSORT ";" BACK ";by_qsort (/a.py:3);cb (/a.py:4)", SHOWN_EXTENSIONS},
		{"a callback's C one frame too late",
		 MODULE ";by_qsort (/a.py:3);cb (/a.py:4);" TYPES ";" FFI ";" QSORT ";" BACK, SHOWN_EXTENSIONS},
		{"more C than there is",
		 MODULE ";by_qsort (/a.py:3);" TYPES ";" FFI ";" QSORT ";" BACK ";" FFI ";cb (/a.py:4)",
		 SHOWN_EXTENSIONS},
		{"the wrong leaf", MODULE ";by_sort (/a.py:3);deflate (libz.so.1)", SHOWN_EXTENSIONS},
		{"a leaf with another file's name", MODULE ";zip (/a.py:3);x (zlib_ng.so)", SHOWN_EXTENSIONS},
		{"a leaf without its caller", MODULE ";zip (/a.py:3);deflate (libz.so.1)", SHOWN_EXTENSIONS},
		{"no start", MODULE ";by_sort (/a.py:3)", SHOWN_ALL},
		{"another file's start", "x (libssl.so);" EVAL ";" MODULE, SHOWN_ALL},
		{"a callback without an eval loop", START EVAL ";" MODULE ";by_sort (/a.py:3);inner (/a.py:4)",
		 SHOWN_ALL},
		{"an eval loop under a plain call", START EVAL ";" MODULE ";" EVAL ";by_sort (/a.py:3)", SHOWN_ALL},
		{"a run that does not follow its eval loop",
		 START EVAL ";" MODULE ";by_qsort (/a.py:3);" EVAL ";" TYPES ";" FFI ";" QSORT ";" BACK ";cb (/a.py:4)",
		 SHOWN_ALL},
		{"made code where none is made", START EVAL ";" MODULE ";0x1 ([anon]);" EVAL ";by_sort (/a.py:3)",
		 SHOWN_ALL},
		{"a deleted file", MODULE ";by_sort (/a.py:3);x (libfoo.so (deleted))", SHOWN_EXTENSIONS},
		{"another file among trampolines", START EVAL ";" MODULE ";x (libssl.so);" EVAL ";zip (/a.py:3)",
		 SHOWN_ALL_LOOSELY},
		{"all Python under all native",
		 START EVAL ";" TYPES ";" FFI ";" QSORT ";" BACK ";" EVAL ";" MODULE ";by_qsort (/a.py:3);cb (/a.py:4)",
		 SHOWN_ALL},
		{"one run too far out",
		 START EVAL ";" MODULE ";by_sort (/a.py:3);inner (/a.py:4);sort (python3.13);" EVAL, SHOWN_ALL},
		{"any native frame", MODULE ";by_sort (/a.py:3);memcpy (libc.so.6)", SHOWN_NONE},
		{"Python under the kernel", "read_[k];" MODULE, SHOWN_NONE},
		{"native under the kernel", MODULE ";read_[k];memcpy (libc.so.6)", SHOWN_EXTENSIONS},
		{"unmerged, and wrong", "main (app);[unmerged];" MODULE ";inner (/a.py:4)", SHOWN_EXTENSIONS},
		{"unmerged, with native frames inside", "main (app);[unmerged];" MODULE ";memcpy (libc.so.6)",
		 SHOWN_EXTENSIONS},
		{"unmerged, with an outer end", "[unmerged];by_sort (/a.py:4)", SHOWN_EXTENSIONS},
	};
	for (size_t i = 0; i < CNT(rows); i++)
		cr_expect_eq(verdict_of(rows[i].stack, rows[i].shown).impossible, 1, "%s", rows[i].why);
}

Test(check_merge, what_says_that_something_is_missing_is_counted_apart)
{
	cr_expect_eq(verdict_of("main (app);[unmerged];" MODULE ";by_qsort (/a.py:3);cb (/a.py:4)", SHOWN_EXTENSIONS)
			     .unmerged,
		     1);
	cr_expect_eq(verdict_of(START "main (python3.13);read_[k]", SHOWN_EXTENSIONS).without_python, 1);
	cr_expect_eq(verdict_of("main (app);[unmerged]", SHOWN_EXTENSIONS).without_python, 1);
	cr_expect_eq(verdict_of("[truncated: python-fault];cb (/a.py:4)", SHOWN_EXTENSIONS).incomplete, 1);
	cr_expect_eq(verdict_of(MODULE ";[unknown: code-gone]", SHOWN_EXTENSIONS).incomplete, 1);
}

Test(check_merge, places_where_c_calls_python_are_counted)
{
	struct folded folded = folded_from("a (/a.py:1);a (/a.py:1);a (/a.py:1);a (/a.py:1);a (/a.py:1);a (/a.py:1)");
	struct orders *deep = NULL, *shallow = NULL;

	cr_assert_null(
		orders_parse("^ a (/a.py)\tc a (/a.py)\tc a (/a.py)\tc a (/a.py)\tc a (/a.py)\tc a (/a.py)\n", &deep));
	cr_assert_null(orders_parse("^ a (/a.py)\tc a (/a.py)\tc a (/a.py)\tc a (/a.py)\tc a (/a.py)\t= a (/a.py)\n",
				    &shallow));
	cr_expect_eq(check_order(&folded, deep, SHOWN_EXTENSIONS).deep, 1);
	cr_expect_eq(check_order(&folded, shallow, SHOWN_EXTENSIONS).in_order, 1);
	cr_expect_eq(check_order(&folded, shallow, SHOWN_EXTENSIONS).deep, 0);
	orders_free(deep);
	orders_free(shallow);
	folded_free(&folded);
}

Test(check_merge, a_truth_that_is_none_is_refused)
{
	static const char *const texts[] = {"",
					    "^ a (/a.py)",
					    "x a (/a.py)\n",
					    "a\n",
					    "^ a (/a.py)\t\n",
					    "c: a (/a.py)\n",
					    "=:libc a (/a.py)\n",
					    "c:a,,b a (/a.py)\n",
					    "c:1,2,3,4,5,6,7,8,9 a (/a.py)\n"};
	struct orders *orders = NULL;

	for (size_t i = 0; i < CNT(texts); i++)
		cr_expect_not_null(orders_parse(texts[i], &orders), "'%s'", texts[i]);
}

Test(check_merge, native_frames_between_python_frames_are_noticed_when_they_are_left_out)
{
	struct folded split = folded_from(START EVAL ";a (/a.py:1);malloc (libc.so.6);b (/a.py:1);read_[k]");
	struct folded whole = folded_from(START EVAL ";a (/a.py:1);b (/a.py:1);malloc (libc.so.6);read_[k]");
	u64 split_cnt, whole_cnt;
	struct folded python = folded_of_python(&split, &split_cnt), same = folded_of_python(&whole, &whole_cnt);

	cr_expect_eq(split_cnt, 1);
	cr_expect_eq(whole_cnt, 0);
	cr_assert_eq(python.lines[0].frame_cnt, 4);
	cr_expect_str_eq(python.lines[0].frames[2], "b (/a.py:1)");
	cr_expect_str_eq(python.lines[0].frames[3], "read_[k]");
	cr_expect_eq(same.samples, 1);
	folded_free(&python);
	folded_free(&same);
	folded_free(&split);
	folded_free(&whole);
}

#define GDB                                      \
	"_start\tpython3.13\n"                   \
	"__libc_start_main_impl\tlibc.so.6\n"    \
	"_PyEval_EvalFrameDefault\tpython3.13\n" \
	"list_sort\tpython3.13\n"                \
	"_PyEval_EvalFrameDefault\tpython3.13\n" \
	"?\t?\n"                                 \
	"deflate\tlibz.so.1\n"
#define OUTER  "_start (python3.13);__libc_start_main@@GLIBC_2.34 (libc.so.6);"
#define PYEVAL "_PyEval_EvalFrameDefault (python3.13)"

__attribute__((format(printf, 1, 0))) static const char *text_with(const char *format, const char *frame)
{
	static char text[2000];

	snprintf(text, sizeof(text), format, frame);
	return text;
}

static struct stack_verdict stack_in(const char *stack, const char *gdbs)
{
	struct folded folded = folded_from(stack);
	struct native_stack gdb = {0};

	cr_assert_null(native_stack_parse(gdbs, &gdb));
	struct stack_verdict verdict = check_native_stack(&folded, &gdb);
	native_stack_free(&gdb);
	folded_free(&folded);
	return verdict;
}

static struct stack_verdict stack_of(const char *stack)
{
	return stack_in(stack, GDB);
}

Test(check_merge, a_stack_is_the_same_as_the_debuggers_out_to_the_eval_loop_or_wholly)
{
	struct stack_verdict whole = stack_of(OUTER PYEVAL
					      ";a (/a.py:1);b (/a.py:2);list_sort.constprop.0 (python3.13);" PYEVAL
					      ";c (/a.py:1);compress (zlib.so);deflate (libz.so.1)");
	cr_expect_eq(whole.same, 1, "%s", whole.first_other);
	cr_expect_eq(whole.whole, 1);
	cr_expect_eq(whole.named, 6);

	struct stack_verdict other = stack_of(OUTER PYEVAL ";a (/a.py:1);0x123 (python3.13);" PYEVAL
							   ";c (/a.py:1);compress (zlib.so);longest_match (libz.so.1)");
	cr_expect_eq(other.same, 1, "%s", other.first_other);
	cr_expect_eq(other.whole, 0);
	cr_expect_eq(stack_of(OUTER PYEVAL ";a (/a.py:1);list_sort (python3.13);" PYEVAL ";c (/a.py:1);tick_[k]").same,
		     1);
}

Test(check_merge, a_stack_that_is_not_the_debuggers_is_told)
{
	static const char *const stacks[] = {
		OUTER PYEVAL ";a (/a.py:1);list_sort (python3.13)", /* too short */
		OUTER PYEVAL ";a (/a.py:1);" PYEVAL ";c (/a.py:1)", /* one is missing */
		OUTER PYEVAL ";a (/a.py:1);list_sort (python3.13);list_sort (python3.13);" PYEVAL ";c (/a.py:1)",
		OUTER PYEVAL ";a (/a.py:1);list_sort (libc.so.6);" PYEVAL ";c (/a.py:1)",
		OUTER PYEVAL ";a (/a.py:1);list_extend (python3.13);" PYEVAL ";c (/a.py:1)",
		"__libc_start_main (libc.so.6);" PYEVAL ";a (/a.py:1);list_sort (python3.13);" PYEVAL ";c (/a.py:1)",
		OUTER PYEVAL ";list_sort (python3.13);" PYEVAL ";c (/a.py:1)", /* an eval loop without a run */
		OUTER PYEVAL ";a (/a.py:1);list_sort (python3.13);b (/a.py:2);" PYEVAL ";c (/a.py:1)",
		"a (/a.py:1);" OUTER PYEVAL ";list_sort (python3.13);" PYEVAL ";c (/a.py:1)",
		OUTER PYEVAL ";a (/a.py:1);[truncated: no-table]",
	};
	for (size_t i = 0; i < CNT(stacks); i++) {
		struct stack_verdict verdict = stack_of(stacks[i]);
		cr_expect_eq(verdict.same, 0, "%s", stacks[i]);
		cr_expect_neq(*verdict.first_other, 0);
	}
}

Test(check_merge, an_extension_module_is_known_to_the_debugger_by_its_file)
{
	static const char gdb[] = "_PyEval_EvalFrameDefault\tpython3.13\n"
				  "loop\t_umath.cpython-313-x86_64-linux-gnu.so\n"
				  "_PyEval_EvalFrameDefault\tpython3.13\n";

	cr_expect_eq(stack_in(PYEVAL ";a (/a.py:1);loop (numpy._core._umath);" PYEVAL ";b (/a.py:1)", gdb).same, 1);
	cr_expect_eq(stack_in(PYEVAL ";a (/a.py:1);loop (_umath);" PYEVAL ";b (/a.py:1)", gdb).same, 1);
	cr_expect_eq(stack_in(PYEVAL ";a (/a.py:1);loop (numpy._core._uma);" PYEVAL ";b (/a.py:1)", gdb).same, 0);
	cr_expect_eq(stack_in(PYEVAL ";a (/a.py:1);loop (umath);" PYEVAL ";b (/a.py:1)", gdb).same, 0);
}

Test(check_merge, an_eval_loop_and_an_extension_module_of_27_are_known_to_the_debugger)
{
	static const char stack[] = "PyEval_EvalFrameEx (python2.7);a (/a.py:1);scan (_json);"
				    "PyEval_EvalFrameEx (python2.7);b (/a.py:1)";

#define GDB_OF(file) "PyEval_EvalFrameEx\tpython2.7\nscan\t" file "\nPyEval_EvalFrameEx\tpython2.7\n"
	cr_expect_eq(stack_in(stack, GDB_OF("_json.so")).same, 1);
	cr_expect_eq(stack_in(stack, GDB_OF("_json.x86_64-linux-gnu.so")).same, 1);
	cr_expect_eq(stack_in(stack, GDB_OF("_json.so.1")).same, 0);
	cr_expect_eq(stack_in(stack, "PyEval_EvalFrameEx\tpython2.7\nscan\t_json.so\ncall\tpython2.7\n").same, 0);
}

Test(check_merge, a_greenlets_stack_begins_where_the_greenlet_does)
{
	static const char gdb[] = GDB "greenlet::UserGreenlet::g_initialstub(void*)\t_greenlet.cpython-313.so\n"
				      "_PyEval_EvalFrameDefault\tpython3.13\n";
	static const char start[] = "greenlet::UserGreenlet::g_initialstub(void*) (_greenlet)";

	cr_expect_eq(stack_in(text_with("[greenlet];%s;" PYEVAL ";a (/a.py:1)", start), gdb).same, 1);
	cr_expect_eq(stack_in(text_with("[greenlet];%s;a (/a.py:1)", start), gdb).same, 0);
	cr_expect_eq(
		stack_in(text_with("[greenlet];g_switch (_greenlet.so);%s;" PYEVAL ";a (/a.py:1)", start), gdb).same,
		0);
	cr_expect_eq(stack_in(text_with("%s;" PYEVAL ";a (/a.py:1)", start), gdb).same, 0);
	cr_expect_eq(stack_in(text_with("[greenlet];%s;" PYEVAL ";a (/a.py:1)", start), GDB).same, 0);
	cr_expect_eq(verdict_of("[greenlet];x (_greenlet.so);" EVAL ";" MODULE, SHOWN_ALL).in_order, 1);
	cr_expect_eq(verdict_of("[greenlet];x (_ssl.so);" EVAL ";" MODULE, SHOWN_ALL).impossible, 1);
	cr_expect_eq(verdict_of("[greenlet];" MODULE, SHOWN_EXTENSIONS).in_order, 1);
}

Test(check_merge, a_debuggers_stack_that_is_none_is_refused)
{
	struct native_stack stack;

	cr_expect_not_null(native_stack_parse("", &stack));
	cr_expect_not_null(native_stack_parse("main\n", &stack));
	cr_expect_not_null(native_stack_parse("main\tapp", &stack));
	cr_expect_not_null(native_stack_parse("\tapp\n", &stack));
}
