/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * module.c - stacktrace._stacktrace: the one place where Python's objects and the
 * traces of this folder meet. Uses the limited API of 3.6, so that one file serves
 * all CPythons that have a GIL.
 *
 * Locks, outermost first: the GIL (of any interpreter), then shared.lock. Who holds
 * shared.lock never asks for a GIL, runs no Python code and makes no object of Python's, for
 * that may collect garbage, whose finalizers may call us.
 */
#include <Python.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "thread_request.h"
#include "tracer.h"

/* A thread that runs answers within some 50 us. To give up the GIL may cost a switch interval, 5 ms, to get it back. */
#define HOLD_GIL_NS (5 * NS_PER_MS)
#define GIVE_UP_NS  NS_PER_S

/* The first is enough for 100 frames of most programs; those that need more are asked again. */
#define FIRST_STACK_SIZE  (64ul << 10)
#define STACK_SIZE_FACTOR 8
#define MAX_STACK_SIZE	  (32ul << 20)

/* "All of them": a thread's stack has fewer. */
#define MAX_DEPTH (1 << 16)

/* One per process, whatever number of interpreters load this module: mapped files are the process's. */
static struct {
	pthread_once_t once;
	int once_error;
	pthread_mutex_t lock; /* of the tracer */
	struct tracer *tracer; /* made by the first trace */
	atomic_bool is_warm; /* there was a first trace */
	bool is_fork;
} shared = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Of each interpreter's module. */
struct module_state {
	PyObject *tuple_new, *filename, *lineno;
};

/* One call of trace(), over all attempts. */
struct trace_call {
	struct thread_question question; /* owns its walker */
	bool is_self;
	bool wants_python;
	size_t max_cnt;
	u64 hold_until_ns, give_up_ns;
	PyThreadState *released; /* while this thread goes without the GIL */
	bool is_unknown_python; /* what -ENOTSUP is about; else the C library */
};

/* ---- the tracer, and who may use it ---- */

/*
 * Another thread of the parent may have held the lock and left the tracer in the
 * middle of something, so it is left alone: the child's memory of it is the parent's until written.
 */
static void forget_parent(void)
{
	pthread_mutex_init(&shared.lock, NULL);
	shared.tracer = NULL;
	atomic_store(&shared.is_warm, false);
	shared.is_fork = true;
	thread_request_after_fork();
}

static void watch_fork(void)
{
	shared.once_error = -pthread_atfork(NULL, NULL, forget_parent);
}

static void gil_release(struct trace_call *call)
{
	if (!call->released)
		call->released = PyEval_SaveThread();
}

static void gil_retake(struct trace_call *call)
{
	if (call->released)
		PyEval_RestoreThread(take(call->released));
}

static void lock_shared(struct trace_call *call)
{
	if (!pthread_mutex_trylock(&shared.lock))
		return;
	/* Another trace takes microseconds, unless it reads the symbols of a file. */
	if (!call->released) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += HOLD_GIL_NS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
		if (!pthread_mutex_timedlock(&shared.lock, &until))
			return;
		gil_release(call);
	}
	pthread_mutex_lock(&shared.lock);
}

/* On success the caller has the tracer until tracer_give_back(). */
static int tracer_borrow(struct trace_call *call, struct tracer **ret)
{
	int err = 0;

	/* The first one finds and reads the files: not while all others wait for the GIL. */
	if (!atomic_load(&shared.is_warm))
		gil_release(call);
	lock_shared(call);
	if (!shared.tracer)
		err = tracer_new(shared.is_fork, &shared.tracer);
	if (err) {
		pthread_mutex_unlock(&shared.lock);
		return err;
	}
	*ret = shared.tracer;
	return 0;
}

static void tracer_give_back(void)
{
	pthread_mutex_unlock(&shared.lock);
}

/* ---- one trace ---- */

static int walker_take(struct trace_call *call)
{
	struct thread_question *question = &call->question;
	struct tracer *tracer;
	int err = tracer_borrow(call, &tracer);

	if (err)
		return err;
	err = tracer_take_walker(tracer, question->ident, &question->state, &question->walker);
	tracer_give_back();
	call->is_unknown_python = err == -ENOTSUP;
	return err == -ENOENT ? 0 : err; /* a thread that never ran Python has a stack all the same */
}

static void walker_give(struct trace_call *call)
{
	struct tracer *tracer;

	if (call->question.walker && !tracer_borrow(call, &tracer)) {
		tracer_give_walker(tracer, take(call->question.walker));
		tracer_give_back();
	}
}

static int wait_for_copy(struct trace_call *call, struct thread_request *request)
{
	int err = -ETIMEDOUT;

	if (!call->released)
		err = thread_request_wait(request, call->hold_until_ns);
	if (err != -ETIMEDOUT)
		return err;
	gil_release(call);
	return thread_request_wait(request, call->give_up_ns);
}

static int name_copy(struct trace_call *call, const struct thread_copy *copy, struct traced_stack *ret,
		     bool *ret_needs_more)
{
	struct tracer *tracer;
	int err = tracer_borrow(call, &tracer);

	if (err)
		return err;
	err = tracer_trace(tracer, copy, call->max_cnt, ret, ret_needs_more);
	tracer_give_back();
	if (!err)
		atomic_store(&shared.is_warm, true);
	return err;
}

static int trace_once(struct trace_call *call, struct traced_stack *ret, bool *ret_needs_more)
{
	struct thread_request *request;
	int err = call->is_self ? thread_request_self(&call->question, &request)
				: thread_request_send(&call->question, &request);

	if (err)
		return err;
	if (!call->is_self)
		err = wait_for_copy(call, request);
	if (!err)
		err = name_copy(call, thread_request_copy(request), ret, ret_needs_more);
	if (!thread_request_free(request))
		call->question.walker = NULL; /* the thread may still use it: leaked, as thread_request.h says */
	return err;
}

static int trace_thread(struct trace_call *call, struct traced_stack *ret)
{
	struct thread_question *question = &call->question;
	int err = call->wants_python ? walker_take(call) : 0;

	question->stack_size = FIRST_STACK_SIZE;
	while (!err) {
		bool needs_more = false;

		err = trace_once(call, ret, &needs_more);
		if (err || !needs_more || question->stack_size >= MAX_STACK_SIZE)
			break;
		traced_stack_free(ret);
		*ret = (struct traced_stack){0};
		question->stack_size *= STACK_SIZE_FACTOR;
	}
	walker_give(call);
	gil_retake(call);
	return err;
}

/* ---- Python's side ---- */

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

PyDoc_STRVAR(
	trace_doc,
	"trace(ident, maxdepth, python_frames, native_type, python_type, /)\n--\n\n"
	"The stack of a thread, innermost first, as a list of native_type(addr, name, offset, is_python) and, with\n"
	"python_frames, of python_type, which has the attributes filename and lineno besides. Both are classes "
	"derived\n"
	"from tuple. ident 0 is the calling thread. [] if there is no such thread or it did not answer within 1 s.");

/*
 * METH_VARARGS: these go by a C function of the interpreter's own in each version, and that is the first
 * entry of a self-trace. What the eval loop called at once would have a frame of Python there.
 */
static PyObject *trace(PyObject *module, PyObject *args)
{
	PyObject *ident, *depth, *native_type, *python_type;
	int wants_python;
	bool is_ident;
	struct trace_call call = {.give_up_ns = clock_monotonic_ns()};
	struct traced_stack stack = {0};

	if (!PyArg_ParseTuple(args, "OOpOO:trace", &ident, &depth, &wants_python, &native_type, &python_type))
		return NULL;
	if (ident_get(ident, &call.question.ident, &is_ident) || depth_get(depth, &call.max_cnt))
		return NULL;
	if (!is_ident || !call.max_cnt)
		return PyList_New(0);
	if (!call.question.ident)
		call.question.ident = pthread_self();
	call.is_self = call.question.ident == pthread_self();
	call.wants_python = wants_python;
	call.hold_until_ns = call.give_up_ns + HOLD_GIL_NS;
	call.give_up_ns += GIVE_UP_NS;

	int err = trace_thread(&call, &stack);
	PyObject *entries;

	if (is_absence(err))
		entries = PyList_New(0);
	else if (err)
		entries = trace_failed(-err, call.is_unknown_python);
	else
		entries = entries_new(PyModule_GetState(module), &stack, native_type, python_type);
	traced_stack_free(&stack);
	return entries;
}

static PyMethodDef methods[] = {{"trace", trace, METH_VARARGS, trace_doc}, {0}};

static int module_exec(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	pthread_once(&shared.once, watch_fork);
	if (shared.once_error) {
		trace_failed(-shared.once_error, false);
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
