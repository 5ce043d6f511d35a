/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * module.c - stacktrace._stacktrace: the one place where Python's objects and the
 * traces of this folder meet. Uses the limited API of 3.6, so that one file serves
 * all CPythons that have a GIL.
 */
#include <Python.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sampler.h"
#include "trace_call.h"

/* "All of them": a thread's stack has fewer. */
#define MAX_DEPTH (1 << 16)

/* 30 years. */
#define MAX_INTERVAL_S 1e9

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

static PyObject *look_answer(PyObject *module, struct sampler_look *look, PyObject *native_type, PyObject *python_type)
{
	PyObject *entries;

	if (trace_call_is_absence(look->err))
		return PyList_New(0);
	if (look->err)
		return trace_failed(-look->err, look->is_unknown_python);
	entries = entries_new(PyModule_GetState(module), &look->stack, native_type, python_type);
	traced_stack_free(&look->stack);
	return entries;
}

PyDoc_STRVAR(trace_doc,
	     "trace(ident, maxdepth, python_frames, native_type, python_type, /)\n--\n\n"
	     "The stack of a thread, innermost first, as a list of native_type(addr, name, offset, is_python) and,\n"
	     "with python_frames, of python_type, which has the attributes filename and lineno besides. Both are\n"
	     "classes derived from tuple. ident 0 is the calling thread. [] if there is no such thread, or it did\n"
	     "not answer within 1 s.");

/*
 * METH_VARARGS: it goes by a C function of the interpreter's own in each version, and that is the first
 * entry of a self-trace. What the eval loop called at once would have a frame of Python there.
 */
static PyObject *trace(PyObject *module, PyObject *args)
{
	PyThreadState *released = NULL;
	PyObject *ident, *depth, *native_type, *python_type;
	int wants_python;
	struct trace_call call = {.release = gil_release, .held = &released};
	struct sampler_look look;
	bool is_ident;

	if (!PyArg_ParseTuple(args, "OOpOO:trace", &ident, &depth, &wants_python, &native_type, &python_type) ||
	    ident_get(ident, &call.ident, &is_ident) || depth_get(depth, &call.max_cnt))
		return NULL;
	if (!is_ident || !call.max_cnt)
		return PyList_New(0);
	if (!call.ident)
		call.ident = pthread_self();
	call.wants_python = wants_python;
	look.err = trace_call_run(&call, &look.stack);
	look.is_unknown_python = call.is_unknown_python;
	gil_retake(released);
	return look_answer(module, &look, native_type, python_type);
}

#define SAMPLER_NAME "stacktrace._stacktrace.sampler"

static struct sampler *sampler_get(PyObject *capsule)
{
	return PyCapsule_GetPointer(capsule, SAMPLER_NAME);
}

static void sampler_delete(PyObject *capsule)
{
	sampler_free(sampler_get(capsule));
}

static int interval_get(double seconds, u64 *ret)
{
	if (!(seconds >= 0 && seconds < INFINITY)) {
		PyErr_SetString(PyExc_ValueError, "interval must be a finite number of seconds, 0 or more");
		return -1;
	}
	*ret = (seconds < MAX_INTERVAL_S ? seconds : MAX_INTERVAL_S) * NS_PER_S;
	return 0;
}

PyDoc_STRVAR(sampler_doc, "sampler(ident, interval, maxdepth, python_frames, /)\n--\n\n"
			  "What a thread without the GIL sees of another, every so many seconds, once it is started.");

static PyObject *module_sampler(PyObject *module, PyObject *args)
{
	PyObject *ident, *depth;
	double seconds;
	int wants_python;
	struct sampler_options options;
	struct sampler *sampler;
	bool is_ident;

	if (!PyArg_ParseTuple(args, "OdOp:sampler", &ident, &seconds, &depth, &wants_python) ||
	    ident_get(ident, &options.ident, &is_ident) || interval_get(seconds, &options.interval_ns) ||
	    depth_get(depth, &options.max_cnt))
		return NULL;
	if (!is_ident)
		options.ident = 0; /* which is no thread's */
	options.wants_python = wants_python;
	if (sampler_new(&options, &sampler))
		return PyErr_NoMemory();

	PyObject *capsule = PyCapsule_New(sampler, SAMPLER_NAME, sampler_delete);

	if (!capsule)
		sampler_free(sampler);
	return capsule;
}

PyDoc_STRVAR(start_doc, "sampler_start(sampler, /)\n--\n\nRuntimeError: no thread can be made.");

static PyObject *module_sampler_start(PyObject *module, PyObject *capsule)
{
	struct sampler *sampler = sampler_get(capsule);

	if (!sampler)
		return NULL;
	if (sampler_start(sampler)) {
		PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
		return NULL;
	}
	Py_INCREF(Py_None);
	return Py_None;
}

PyDoc_STRVAR(stop_doc, "sampler_stop(sampler, /)\n--\n\nAt once: no look begins any more.");

static PyObject *module_sampler_stop(PyObject *module, PyObject *capsule)
{
	struct sampler *sampler = sampler_get(capsule);

	if (!sampler)
		return NULL;
	sampler_stop(sampler);
	Py_INCREF(Py_None);
	return Py_None;
}

PyDoc_STRVAR(finish_doc, "sampler_finish(sampler, /)\n--\n\n"
			 "Stops it, and waits until no look is under way. Those that nobody took count as dropped.");

static PyObject *module_sampler_finish(PyObject *module, PyObject *capsule)
{
	struct sampler *sampler = sampler_get(capsule);

	if (!sampler)
		return NULL;

	PyThreadState *released = PyEval_SaveThread();

	sampler_finish(sampler);
	PyEval_RestoreThread(released);
	Py_INCREF(Py_None);
	return Py_None;
}

PyDoc_STRVAR(take_doc, "sampler_take(sampler, native_type, python_type, /)\n--\n\n"
		       "The next look's stack, as of trace(); waits for it without the GIL. None: it was stopped, and\n"
		       "all are taken.");

static PyObject *module_sampler_take(PyObject *module, PyObject *args)
{
	PyObject *capsule, *native_type, *python_type;
	struct sampler_look look;
	int err;

	if (!PyArg_ParseTuple(args, "OOO:sampler_take", &capsule, &native_type, &python_type))
		return NULL;

	struct sampler *sampler = sampler_get(capsule);

	if (!sampler)
		return NULL;
	while ((err = sampler_take(sampler, &look)) == -EAGAIN) {
		PyThreadState *released = PyEval_SaveThread();

		sampler_wait(sampler);
		PyEval_RestoreThread(released);
	}
	if (err) {
		Py_INCREF(Py_None);
		return Py_None;
	}
	return look_answer(module, &look, native_type, python_type);
}

PyDoc_STRVAR(dropped_doc, "sampler_dropped(sampler, /)\n--\n\nHow many looks were made, and not taken in time.");

static PyObject *module_sampler_dropped(PyObject *module, PyObject *capsule)
{
	struct sampler *sampler = sampler_get(capsule);

	return sampler ? PyLong_FromUnsignedLongLong(sampler_dropped_cnt(sampler)) : NULL;
}

static PyMethodDef methods[] = {
	{"trace", trace, METH_VARARGS, trace_doc},
	{"sampler", module_sampler, METH_VARARGS, sampler_doc},
	{"sampler_start", module_sampler_start, METH_O, start_doc},
	{"sampler_stop", module_sampler_stop, METH_O, stop_doc},
	{"sampler_take", module_sampler_take, METH_VARARGS, take_doc},
	{"sampler_finish", module_sampler_finish, METH_O, finish_doc},
	{"sampler_dropped", module_sampler_dropped, METH_O, dropped_doc},
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
