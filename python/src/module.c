/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * module.c - stacktrace._stacktrace: the one place where Python's objects and the
 * traces of this folder meet. Uses the limited API of 3.6, so that one file serves
 * all CPythons that have a GIL.
 */
#include <Python.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sleeper.h"
#include "trace_call.h"

/* "All of them": a thread's stack has fewer. */
#define MAX_DEPTH (1 << 16)

/* Of a clock in seconds: 30 years. */
#define MAX_DUE_S 1e9

/* Of each interpreter's module. */
struct module_state {
	PyObject *tuple_new, *filename, *lineno;
};

/* A str of other people's bytes. */
static PyObject *text_object(const char *text, const char *errors)
{
	return PyUnicode_DecodeUTF8(text, strlen(text), errors);
}

/*
 * By tuple's own __new__: that of a named tuple is a function in Python, and to
 * allocate it and fill the items in would leave out what a version keeps beside them (3.14: the hash).
 */
static PyObject *entry_new(const struct module_state *state, PyObject *type, const struct traced_frame *frame)
{
	PyObject *address = PyLong_FromUnsignedLongLong(frame->address);
	PyObject *name = text_object(frame->function, "replace");
	PyObject *offset = PyLong_FromLongLong(frame->address - frame->start);
	PyObject *values = address && name && offset
				   ? PyTuple_Pack(4, address, name, offset, frame->is_python ? Py_True : Py_False)
				   : NULL;
	PyObject *entry = values ? PyObject_CallFunctionObjArgs(state->tuple_new, type, values, NULL) : NULL;

	Py_XDECREF(values);
	Py_XDECREF(offset);
	Py_XDECREF(name);
	Py_XDECREF(address);
	return entry;
}

static int attribute_set(PyObject *object, PyObject *name, PyObject *value)
{
	int err = value ? PyObject_SetAttr(object, name, value) : -1;

	Py_XDECREF(value);
	return err;
}

static PyObject *python_entry_new(const struct module_state *state, PyObject *type, const struct traced_frame *frame)
{
	PyObject *entry = entry_new(state, type, frame);

	if (!entry)
		return NULL;
	if (attribute_set(entry, state->filename, text_object(frame->file, "surrogateescape")) ||
	    attribute_set(entry, state->lineno, PyLong_FromUnsignedLong(frame->line))) {
		Py_DECREF(entry);
		return NULL;
	}
	return entry;
}

static PyObject *entries_new(const struct module_state *state, const struct traced_stack *stack, PyObject *native_type,
			     PyObject *python_type)
{
	PyObject *entries = PyList_New(stack->cnt);

	for (size_t i = 0; entries && i < stack->cnt; i++) {
		const struct traced_frame *frame = &stack->frames[i];
		PyObject *entry = frame->is_python ? python_entry_new(state, python_type, frame)
						   : entry_new(state, native_type, frame);

		if (entry) {
			PyList_SetItem(entries, i, entry);
		} else {
			Py_DECREF(entries);
			entries = NULL;
		}
	}
	return entries;
}

static const struct {
	int error;
	const char *sentence;
} sentences[] = {
	{ENOTSUP, "threads of this C library cannot be found"},
	{EACCES, "this process may not read its own /proc/self/maps"},
	{EPERM, "this process may not read its own memory, or signal its own threads"},
	{EMFILE, "too many files are open to read the symbols of those that are mapped"},
	{ENFILE, "too many files are open to read the symbols of those that are mapped"},
	{0, "the stack could not be traced (is /proc mounted?)"}, /* all others */
};

static PyObject *trace_failed(int error, bool is_unknown_python)
{
	const char *sentence = "python_frames: the frames of this CPython cannot be read, its version is not known";
	size_t i = 0;

	if (error == ENOMEM)
		return PyErr_NoMemory();
	while (sentences[i].error && sentences[i].error != error)
		i++;
	if (!is_unknown_python)
		sentence = sentences[i].sentence;

	PyObject *exception = PyObject_CallFunction(PyExc_OSError, "is", error, sentence);

	if (exception)
		PyErr_SetObject((PyObject *)Py_TYPE(exception), exception); /* OSError makes itself a class that fits */
	Py_XDECREF(exception);
	return NULL;
}

/* No such thread, or none that can answer: it has no stack to show. */
static bool is_absence(int err)
{
	return err == -ESRCH || err == -EAGAIN || err == -ETIMEDOUT;
}

/* What no thread can have for an ident is no error either: *ret_is_ident is false. */
static int ident_get(PyObject *object, u64 *ret, bool *ret_is_ident)
{
	if (!PyLong_Check(object)) {
		PyErr_SetString(PyExc_TypeError, "tid must be an int: threading.get_ident(), or the ident of a Thread "
						 "that was started");
		return -1;
	}
	*ret = PyLong_AsUnsignedLongLong(object);
	*ret_is_ident = !PyErr_Occurred();
	if (!*ret_is_ident && !PyErr_ExceptionMatches(PyExc_OverflowError))
		return -1;
	PyErr_Clear();
	return 0;
}

static int depth_get(PyObject *object, size_t *ret)
{
	int overflow = 0;
	long long depth = PyLong_Check(object) ? PyLong_AsLongLongAndOverflow(object, &overflow) : -1;

	if (!PyLong_Check(object))
		PyErr_SetString(PyExc_TypeError, "maxdepth must be an int");
	if (PyErr_Occurred())
		return -1;
	if (overflow < 0 || (!overflow && depth < 0))
		depth = 0;
	*ret = overflow > 0 || depth > MAX_DEPTH ? MAX_DEPTH : depth;
	return 0;
}

/* The GIL, or what a free-threaded thread has in its place. */
static void gil_release(void *released)
{
	*(PyThreadState **)released = PyEval_SaveThread();
}

static void gil_retake(PyThreadState *released)
{
	if (released)
		PyEval_RestoreThread(released);
}

/* What both functions are asked for. */
struct trace_arguments {
	PyObject *ident, *depth;
	int wants_python;
	PyObject *native_type, *python_type;
};

/* *ret_is_any: false where there is nothing to trace, which is no error. */
static int call_init(struct trace_call *call, const struct trace_arguments *arguments, bool *ret_is_any)
{
	*call = (struct trace_call){.wants_python = arguments->wants_python};
	if (ident_get(arguments->ident, &call->ident, ret_is_any) || depth_get(arguments->depth, &call->max_cnt))
		return -1;
	if (!call->ident)
		call->ident = pthread_self();
	*ret_is_any = *ret_is_any && call->max_cnt;
	return 0;
}

static PyObject *call_answer(PyObject *module, int err, const struct trace_call *call, struct traced_stack *stack,
			     const struct trace_arguments *arguments)
{
	PyObject *entries;

	if (is_absence(err))
		return PyList_New(0);
	if (err)
		return trace_failed(-err, call->is_unknown_python);
	entries = entries_new(PyModule_GetState(module), stack, arguments->native_type, arguments->python_type);
	traced_stack_free(stack);
	return entries;
}

PyDoc_STRVAR(trace_doc,
	     "trace(ident, maxdepth, python_frames, native_type, python_type, /)\n--\n\n"
	     "The stack of a thread, innermost first, as a list of native_type(addr, name, offset, is_python) and,\n"
	     "with python_frames, of python_type, which has the attributes filename and lineno besides. Both are\n"
	     "classes derived from tuple. ident 0 is the calling thread. [] if there is no such thread, or it did\n"
	     "not answer within 1 s.");

/*
 * METH_VARARGS: these go by a C function of the interpreter's own in each version, and that is the first
 * entry of a self-trace. What the eval loop called at once would have a frame of Python there.
 */
static PyObject *trace(PyObject *module, PyObject *args)
{
	PyThreadState *released = NULL;
	struct trace_arguments arguments;
	struct trace_call call;
	struct traced_stack stack;
	bool is_any;

	if (!PyArg_ParseTuple(args, "OOpOO:trace", &arguments.ident, &arguments.depth, &arguments.wants_python,
			      &arguments.native_type, &arguments.python_type) ||
	    call_init(&call, &arguments, &is_any))
		return NULL;
	if (!is_any)
		return PyList_New(0);
	call.release = gil_release;
	call.held = &released;

	int err = trace_call_run(&call, &stack);

	gil_retake(released);
	return call_answer(module, err, &call, &stack, &arguments);
}

#define SLEEPER_NAME "stacktrace._stacktrace.sleeper"

static void sleeper_delete(PyObject *capsule)
{
	sleeper_free(PyCapsule_GetPointer(capsule, SLEEPER_NAME));
}

PyDoc_STRVAR(sleeper_doc, "sleeper()\n--\n\nFor one thread's trace_at(), which another may end by wake().");

static PyObject *sleeper(PyObject *module, PyObject *args)
{
	struct sleeper *made;

	if (sleeper_new(&made))
		return PyErr_NoMemory();

	PyObject *capsule = PyCapsule_New(made, SLEEPER_NAME, sleeper_delete);

	if (!capsule)
		sleeper_free(made);
	return capsule;
}

PyDoc_STRVAR(wake_doc, "wake(sleeper, /)\n--\n\nEnds a trace_at() that sleeps, and each that comes later.");

static PyObject *wake(PyObject *module, PyObject *capsule)
{
	struct sleeper *woken = PyCapsule_GetPointer(capsule, SLEEPER_NAME);

	if (!woken)
		return NULL;
	sleeper_wake(woken);
	Py_INCREF(Py_None);
	return Py_None;
}

PyDoc_STRVAR(trace_at_doc,
	     "trace_at(due, sleeper, ident, maxdepth, python_frames, native_type, python_type, /)\n--\n\n"
	     "What trace() would give at a time of time.monotonic(): then this thread neither has nor wants the GIL,\n"
	     "so the other is found where it is, and not where it had to give the GIL up. None, once the sleeper was\n"
	     "woken.");

static PyObject *trace_at(PyObject *module, PyObject *args)
{
	PyObject *capsule;
	struct trace_arguments arguments;
	struct trace_call call;
	struct traced_stack stack;
	bool is_any, is_woken;
	double due;
	int err = -ESRCH;

	if (!PyArg_ParseTuple(args, "dOOOpOO:trace_at", &due, &capsule, &arguments.ident, &arguments.depth,
			      &arguments.wants_python, &arguments.native_type, &arguments.python_type) ||
	    call_init(&call, &arguments, &is_any))
		return NULL;

	struct sleeper *sleeping = PyCapsule_GetPointer(capsule, SLEEPER_NAME);

	if (!sleeping)
		return NULL;
	if (!(due >= 0 && due < MAX_DUE_S)) {
		PyErr_SetString(PyExc_ValueError, "due must be a time of time.monotonic()");
		return NULL;
	}

	PyThreadState *released = PyEval_SaveThread();

	is_woken = sleeper_sleep(sleeping, due * NS_PER_S);
	if (is_any && !is_woken)
		err = trace_call_run(&call, &stack);
	PyEval_RestoreThread(released);
	if (is_woken) {
		Py_INCREF(Py_None);
		return Py_None;
	}
	return call_answer(module, err, &call, &stack, &arguments);
}

static PyMethodDef methods[] = {
	{"trace", trace, METH_VARARGS, trace_doc},
	{"trace_at", trace_at, METH_VARARGS, trace_at_doc},
	{"sleeper", sleeper, METH_NOARGS, sleeper_doc},
	{"wake", wake, METH_O, wake_doc},
	{0},
};

static int module_exec(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	int err = trace_call_prepare();

	if (err) {
		trace_failed(-err, false);
		return -1;
	}
	state->tuple_new = PyObject_GetAttrString((PyObject *)&PyTuple_Type, "__new__");
	state->filename = PyUnicode_InternFromString("filename");
	state->lineno = PyUnicode_InternFromString("lineno");
	return state->tuple_new && state->filename && state->lineno ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct module_state *state = PyModule_GetState(module);

	if (state)
		Py_VISIT(state->tuple_new);
	return 0;
}

static int module_clear(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	if (!state)
		return 0;
	Py_CLEAR(state->tuple_new);
	Py_CLEAR(state->filename);
	Py_CLEAR(state->lineno);
	return 0;
}

static void module_free(void *module)
{
	module_clear(module);
}

/*
 * What later versions want to be told. The limited API of 3.6 does not know these slots, and earlier
 * CPythons refuse them, so they are numbers (from moduleobject.h), added when the one that runs is new enough.
 */
static const struct {
	int since_minor;
	PyModuleDef_Slot slot;
} later_slots[] = {
	{12, {3, (void *)2}}, /* Py_mod_multiple_interpreters: also with a GIL of its own */
	{13, {4, (void *)1}}, /* Py_mod_gil: not needed */
};

#define LATER_SLOT_CNT (sizeof(later_slots) / sizeof(later_slots[0]))

/* Before 3.9 PyMODINIT_FUNC leaves it as hidden as all else here. */
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__stacktrace(void);

PyMODINIT_FUNC PyInit__stacktrace(void)
{
	static PyModuleDef_Slot slots[1 + LATER_SLOT_CNT + 1] = {{Py_mod_exec, module_exec}};
	static PyModuleDef definition = {
		PyModuleDef_HEAD_INIT,
		.m_name = "stacktrace._stacktrace",
		.m_doc = "C stacks of threads of this process. Use the package stacktrace.",
		.m_size = sizeof(struct module_state),
		.m_methods = methods,
		.m_slots = slots,
		.m_traverse = module_traverse,
		.m_clear = module_clear,
		.m_free = module_free,
	};
	int minor = 0, cnt = 1;

	sscanf(Py_GetVersion(), "3.%d", &minor);
	for (size_t i = 0; i < LATER_SLOT_CNT; i++)
		if (minor >= later_slots[i].since_minor)
			slots[cnt++] = later_slots[i].slot; /* an interpreter that comes later writes the same */
	return PyModuleDef_Init(&definition);
}
