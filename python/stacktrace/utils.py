# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a stack is made of, and which of it is the interpreter's own doing."""

import os.path
from functools import lru_cache
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple


def printable(text: str) -> str:
    """With ``?`` for all that is no visible character: Python's names may hold what a terminal obeys."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


_Fields = NamedTuple("_Fields", [("addr", int), ("name", str), ("offset", int), ("is_python", bool)])


class StackEntry(_Fields):
    """One frame of a stack: a tuple of four.

    Attributes
    ----------
    addr : int
        Where the frame goes on: its return address. Of the innermost frame of
        another thread, the instruction that is executed next.
    name : str
        The function's symbol. ``'0x1a2b0'``, its start within its file, if the
        file does not name it; ``'?'`` if the address lies in no file.
    offset : int
        In bytes, from the function's start: ``addr - offset``. 0 if that is
        not known.
    is_python : bool
        True for what the interpreter does to run Python code. It is what
        ``show_python=False`` leaves out, and is set in either mode.
    """

    __slots__ = ()

    def __str__(self) -> str:
        offset = " +%d" % self.offset if self.offset else ""
        return "[0x%x] %s%s%s" % (self.addr, self._shown_name(), offset, " [PY]" if self.is_python else "")

    def _shown_name(self) -> str:
        return self.name


class PythonEntry(StackEntry):
    """A frame of Python itself, in stacks asked for with ``python_frames=True``.

    It stands before (inward of) the C frame that executes it. ``name`` is the
    qualified name (before Python 3.11 the plain one), ``addr`` the code object
    plus ``offset``, the byte of its bytecode that is executed; ``is_python``
    is True.

    Attributes
    ----------
    filename : str
        ``co_filename`` of its code.
    lineno : int
        The line that is executed; 0 if it has none.
    """

    filename = ""  # type: str
    lineno = 0  # type: int

    # Six arguments, and no fewer: who makes one of a tuple's four has lost two of them, and shall know.
    def __new__(
        cls, addr: int, name: str, offset: int, is_python: bool, filename: str, lineno: int
    ) -> "PythonEntry":
        new = _new(cls, (addr, name, offset, is_python))
        new.filename, new.lineno = filename, lineno
        return new

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> "PythonEntry":  # type: ignore
        """Of another ``PythonEntry``, or of six values."""
        return cls(*(iterable.__getnewargs__() if isinstance(iterable, PythonEntry) else iterable))

    def _replace(self, **fields: Any) -> "PythonEntry":
        values = dict(zip(_PYTHON_FIELDS, self.__getnewargs__()))
        unknown = sorted(set(fields) - set(values))
        if unknown:
            raise ValueError("Got unexpected field names: %r" % unknown)
        values.update(fields)
        return type(self)(**values)

    def __getnewargs__(self) -> Tuple[Any, ...]:
        return tuple(self) + (self.filename, self.lineno)

    def __repr__(self) -> str:
        fields = zip(_PYTHON_FIELDS, self.__getnewargs__())
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % field for field in fields))

    def _shown_name(self) -> str:
        return printable("%s (%s:%d)" % (self.name, os.path.basename(self.filename), self.lineno))


_PYTHON_FIELDS = StackEntry._fields + ("filename", "lineno")


# The names below are those of CPython 3.6 to 3.15; each is data: what a version does not have does no harm.

# The eval loop. Only the interpreter itself calls it: whatever stands outward of it, with or without a name.
_LOOP_NAMES = frozenset("_PyEval_EvalFrameDefault _PyEval_EvalFrame PyEval_EvalFrameEx".split())

# What surely runs Python code, besides: functions that lead to the loop and to nothing else, and what 0.1 took for such.
_SURE_NAMES = frozenset(
    """
    _PyEval_EvalCodeWithName _PyEval_EvalCode _PyEval_Vector
    _PyFunction_Vectorcall _PyFunction_FastCall _PyFunction_FastCallDict _PyFunction_FastCallKeywords
    function_code_fastcall
    PyObject_Call _PyObject_FastCallDict PyCFuncPtr_call
    """.split()
)

# What the loop calls anything by; C functions use it, too, to call other C functions.
_CALL_NAMES = frozenset(
    """
    _PyObject_Call PyObject_Vectorcall _PyObject_Vectorcall PyObject_VectorcallDict
    _PyObject_FastCall _PyObject_FastCallDictTstate _PyObject_FastCallKeywords
    _PyObject_MakeTpCall _PyObject_VectorcallTstate _PyObject_VectorcallDictTstate
    """.split()
)

# Calls what a type has for tp_call, which is the interpreter's own more often than not.
_SLOT_CALLER = "_PyObject_MakeTpCall"

# 3.14 and later may have a function for each instruction, each of which goes on with the next.
_LOOP_PREFIXES = ("_TAIL_CALL_",)

# What often stands between those, and by itself may be anything.
_MAYBE_NAMES = frozenset(
    """
    function_call fast_function call_function do_call do_call_core method_call method_vectorcall
    slot_tp_call slot_tp_init slot_tp_new slot_tp_iternext slot_tp_getattr_hook slot_tp_repr slot_tp_str slot_tp_hash
    slot_tp_richcompare slot_tp_finalize slot_tp_descr_get slot_tp_setattro
    type_call object_vacall builtin_exec builtin_eval builtin___import__ builtin___build_class__
    partial_call partial_vectorcall
    cfunction_call classmethod_call wrapper_call wrapperdescr_call
    gen_send gen_send_ex gen_send_ex2 gen_iternext async_gen_asend_iternext
    """.split()
)

_MAYBE_PREFIXES = (
    "Py",
    "_Py",
    "cfunction_vectorcall_",
    "method_vectorcall_",
    "slot_nb_",
    "slot_sq_",
    "slot_mp_",
    "slot_am_",
)


_OTHER, _NAMELESS, _NOTE, _MAYBE, _CALL, _SLOT_CALL, _SURE, _LOOP = (
    "other", "nameless", "note", "maybe", "call", "slot call", "sure", "loop"
)
_MACHINERY = (_LOOP, _SURE, _CALL, _SLOT_CALL, _MAYBE)
_CALLS = (_CALL, _SLOT_CALL)

# How many frames outward it is looked from a call for the loop that it may be made by.
LOOKAHEAD = 8


def is_python_stack_sure(entry: StackEntry) -> bool:
    """Whether the function surely runs Python code: it opens a run of the interpreter's frames."""
    return _kind_of(entry.name) in (_SURE, _LOOP)


def is_python_stack_maybe(entry: StackEntry) -> bool:
    """Whether the function belongs to the interpreter if it stands outward of one that surely does."""
    return _kind_of(entry.name) in _MACHINERY


@lru_cache(maxsize=4096)
def _kind_of(name: str) -> str:
    if name in _LOOP_NAMES or name.startswith(_LOOP_PREFIXES):
        return _LOOP
    if name in _SURE_NAMES:
        return _SURE
    if name in _CALL_NAMES:
        return _SLOT_CALL if name == _SLOT_CALLER else _CALL
    if name in _MAYBE_NAMES or name.startswith(_MAYBE_PREFIXES):
        return _MAYBE
    if name.startswith("["):
        return _NOTE  # such as [truncated: python-depth]
    return _NAMELESS if name.startswith("0x") else _OTHER


def _leads_to_loop(kinds: List[str], i: int) -> bool:
    """Whether, from frame i outward, nothing but the ways to call something stand between it and the eval loop."""
    for kind in kinds[i + 1 : i + 1 + LOOKAHEAD]:
        if kind is _LOOP:
            return True
        if kind not in _MACHINERY:
            break
    return False


def _nameless_is_python(kinds: List[str], i: int) -> bool:
    """Whether a function without a name, outward of one of the interpreter's, is the interpreter's, too.

    Of a stripped interpreter most have none, but so has what list.sort() or
    another library does between two runs. So this must follow from who calls
    whom: the eval loop has been called by it, or it by what calls types'
    slots, with a way to call something on its other side.
    """
    return kinds[i - 1] is _LOOP or (kinds[i + 1 : i + 2] == [_SLOT_CALL] and _leads_to_loop(kinds, i))


def _native_runs(kinds: List[str]) -> List[bool]:
    runs = []
    in_run = False
    for i, kind in enumerate(kinds):
        if kind is _NAMELESS:
            in_run = in_run and _nameless_is_python(kinds, i)
        elif kind in _CALLS:
            in_run = in_run or _leads_to_loop(kinds, i)
        else:
            in_run = kind is _LOOP or kind is _SURE or (in_run and kind is _MAYBE)
        runs.append(in_run)
    return runs


def _python_runs(entries: List[StackEntry]) -> List[bool]:
    """For each entry, from the innermost outward, whether it is in one of the interpreter's runs.

    Python's own frames, and what is said of them, stand between those of the
    interpreter and end no run. Where a stack was cut behind one of them, the
    next would have been the eval loop, which executes it.
    """
    kinds = [_NOTE if type(entry) is PythonEntry else _kind_of(entry[1]) for entry in entries]
    if _NOTE not in kinds:
        return _native_runs(kinds)
    native = [kind for kind in kinds if kind is not _NOTE]
    if type(entries[-1]) is PythonEntry:
        native.append(_LOOP)
    runs = iter(_native_runs(native))
    return [kind is not _NOTE and next(runs) for kind in kinds]


_new = tuple.__new__  # what a named tuple's own comes to, and this runs for each frame


def _marked(entry: StackEntry) -> StackEntry:
    return _new(StackEntry, (entry[0], entry[1], entry[2], True))


def mark_python(entries: List[StackEntry]) -> List[StackEntry]:
    """The same entries, with ``is_python`` set in those that ``skip_python()`` would mark or leave out."""
    return [_marked(entry) if in_run else entry for entry, in_run in zip(entries, _python_runs(entries))]


def skip_python(entry_iter: Iterable[StackEntry]) -> Iterator[StackEntry]:
    """Replace each run of the interpreter's own frames.

    Parameters
    ----------
    entry_iter : iterable of StackEntry
        A stack, innermost first.

    Yields
    ------
    StackEntry
        The innermost frame of each run, marked as Python, then one entry
        ``<skipped N Python entries>``, with the address of the first of these
        N, for the rest. All other frames as they are.
    """
    stack = list(entry_iter)
    return _skip(stack, _python_runs(stack))


def _skip(stack: List[StackEntry], runs: List[bool]) -> Iterator[StackEntry]:
    skipped = []  # type: List[StackEntry]
    was_in_run = False
    for entry, in_run in zip(stack, runs):
        if in_run and was_in_run:
            skipped.append(entry)
            continue
        if skipped:
            yield _skipped_entry(skipped)
            skipped = []
        was_in_run = in_run
        yield _marked(entry) if in_run else entry
    if skipped:
        yield _skipped_entry(skipped)


def _skipped_entry(skipped: List[StackEntry]) -> StackEntry:
    return StackEntry(skipped[0].addr, "<skipped %d Python entries>" % len(skipped), 0, True)


def arrange(
    entries: List[StackEntry], show_python: bool, python_frames: bool, maxdepth: Optional[int] = None
) -> List[StackEntry]:
    """A stack as it was traced, in the form that was asked for: see ``stacktrace.get_thread_stack()``.

    With ``maxdepth``, only so many of ``entries``; those behind them, of which
    there may be up to ``LOOKAHEAD``, tell of the last ones what they are.
    """
    runs = _python_runs(entries)[:maxdepth]
    if not show_python and not python_frames:
        return list(_skip(entries, runs))
    if not show_python:
        return [entry for entry, in_run in zip(entries, runs) if not in_run]
    return [_marked(entry) if in_run else entry for entry, in_run in zip(entries, runs)]


def split(rawtrace: str) -> Iterator[StackEntry]:
    """Read the text that ``stacktrace.core`` gives, one frame a line: ``0xaddr:name+0xoffset``.

    A name may contain ``+``; a line without offset has 0.
    """
    for line in rawtrace.splitlines():
        if line:
            addr, _, where = line.partition(":")
            name, plus, offset = where.rpartition("+")
            if plus and offset.startswith("0x"):
                yield StackEntry(int(addr, 16), name.strip(), int(offset, 16), False)
            else:
                yield StackEntry(int(addr, 16), where.strip(), 0, False)


def simple_processing(rawtrace: str) -> Iterator[StackEntry]:
    """``split()`` without the two frames of a signal's delivery with which such a text may begin."""
    for i, entry in enumerate(split(rawtrace)):
        if (i, entry.name) not in ((0, "_bt_callback"), (1, "_sigtramp")):
            yield entry
