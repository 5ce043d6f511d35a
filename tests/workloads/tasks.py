# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""asyncio's tasks in every way they await each other, on several event loops in threads of their own, at rest. CPython
3.11 or later. What it says of itself, lines of words, texts as UTF-8 in hexadecimal:

    interpreter                                  there are tasks; older versions say only "end"
    task ADDRESS STATE IDENT NAME                STATE is running, ready or waiting; IDENT is of its loop's thread
    frame ADDRESS NUMBER LINE FUNCTION FILE      of that task; number 0 is the innermost
    awaits ADDRESS ADDRESS                       the first task awaits the second one
    end

The chains are what CPython's own attributes (cr_await and the like) lead to, who awaits whom is written here; from
3.14 on CPython's own account of that must agree. Ends with its standard input.
"""
import sys

if sys.version_info < (3, 11):
    print("end", flush=True)
    sys.exit()

import asyncio
import gc
import threading
import time
import types

LONG = 36000
MANY = 1000

running = threading.Event()  # never set
awaits = []  # (name, name)
states = {}  # of tasks that do not wait
unnamed = {}  # task: its name, which nobody has asked for


def spawn(coroutine, name, awaited_by=None):
    if awaited_by:
        awaits.append((awaited_by, name))
    return asyncio.get_running_loop().create_task(coroutine, name=name)


async def leaf():
    await asyncio.sleep(LONG)


async def level_1():
    return await level_2()


async def level_2():
    x = 1
    await level_3()
    return x


async def level_3():
    async with asyncio.Lock():
        await level_4()


async def level_4():
    try:
        await level_5()
    finally:
        pass


async def level_5():
    await asyncio.get_running_loop().create_future()


async def groups():
    async with asyncio.TaskGroup() as group:
        group.create_task(leaf(), name="group.a")
        group.create_task(inner_group(), name="group.b")
        awaits.extend([("groups", "group.a"), ("groups", "group.b")])


async def inner_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(leaf(), name="group.b.c")
        group.create_task(level_1(), name="group.b.d")
        awaits.extend([("group.b", "group.b.c"), ("group.b", "group.b.d")])
        await leaf()


async def gathers():
    inner = asyncio.gather(spawn(leaf(), "gather.c", "gathers"), spawn(level_4(), "gather.d", "gathers"))
    await asyncio.gather(spawn(leaf(), "gather.a", "gathers"), spawn(leaf(), "gather.b", "gathers"), inner)


async def gathers_nested():
    await asyncio.gather(spawn(gathers_two(), "nested.a", "nested"), spawn(leaf(), "nested.b", "nested"))


async def gathers_two():
    await asyncio.gather(spawn(leaf(), "nested.c", "nested.a"), spawn(leaf(), "nested.d", "nested.a"))


async def shields():
    await asyncio.shield(spawn(leaf(), "shielded", "shields"))


async def waits():
    await asyncio.wait({spawn(leaf(), "waited.a", "waits"), spawn(leaf(), "waited.b", "waits")})


async def waits_for():
    await asyncio.wait_for(spawn(leaf(), "waited for", "waits for"), LONG)


async def directly():
    await spawn(leaf(), "direct", "directly")


async def two_await(task, name):
    awaits.append((name, "shared"))
    await task


async def consumer(queue):
    while True:
        await queue.get()


async def numbers():
    for i in range(2):
        await asyncio.sleep(0)
        yield i
    await level_3()
    yield 2


async def iterates():
    async for i in numbers():
        pass


async def takes_next():
    iterator = numbers()
    while True:
        await anext(iterator, None)


async def never_ending():
    try:
        yield 1
    except KeyError:
        await level_5()
        yield 2


async def throws():
    generator = never_ending()
    await anext(generator)
    await generator.athrow(KeyError())


class Plain:
    """Awaited by a generator."""

    def __await__(self):
        return (yield from level_5().__await__())


class Wrapping:
    """Awaited by what a coroutine's __await__() is."""

    def __await__(self):
        return level_5().__await__()


@types.coroutine
def old_style():
    yield from level_5()


async def awaits_object(of):
    await of()


async def ring(other):
    await asyncio.sleep(0)
    await other[0]


class DerivedTask(asyncio.Task):
    pass


async def all_kinds():
    """Each task that nothing else holds is held by the list."""
    tasks = [
        spawn(level_1(), "deep"),
        spawn(groups(), "groups"),
        spawn(gathers(), "gathers"),
        spawn(gathers_nested(), "nested"),
        spawn(shields(), "shields"),
        spawn(waits(), "waits"),
        spawn(waits_for(), "waits for"),
        spawn(directly(), "directly"),
        spawn(consumer(asyncio.Queue()), "consumer"),
        spawn(iterates(), "iterates"),
        spawn(takes_next(), "takes next"),
        spawn(throws(), "throws"),
        spawn(awaits_object(Plain), "object"),
        spawn(awaits_object(Wrapping), "wrapping"),
        spawn(awaits_object(old_style), "old style"),
        spawn(leaf(), "n\u00e4me \U0001f40d \u4e2d"),
        DerivedTask(level_4(), name="derived"),
    ]
    shared = spawn(leaf(), "shared")
    tasks += [shared, spawn(two_await(shared, "first"), "first"), spawn(two_await(shared, "second"), "second")]
    one, two = [], []
    one.append(spawn(ring(two), "ring.1", "ring.2"))
    two.append(spawn(ring(one), "ring.2", "ring.1"))
    before = asyncio.get_running_loop().create_task(leaf())
    after = asyncio.get_running_loop().create_task(leaf())
    unnamed[after] = f"Task-{int(before.get_name().rpartition('-')[2]) + 1}"
    tasks += [before, after, one, two]
    await settled(tasks)


async def many():
    await settled([spawn(leaf(), f"many-{i}") for i in range(MANY)])


async def plain_tasks():
    """Tasks and futures that are written in Python."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine, **kw: asyncio.tasks._PyTask(coroutine, loop=loop, **kw))
    loop.create_future = lambda: asyncio.futures._PyFuture(loop=loop)
    await settled([spawn(gathers(), "plain gathers"), spawn(plain_chain(), "plain")])


async def plain_chain():
    await spawn(level_2(), "plain child", "plain")


async def eager():
    if hasattr(asyncio, "eager_task_factory"):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    await settled([spawn(eager_parent(), "eager")])


async def eager_parent():
    await spawn(level_2(), "eager child", "eager")


def hold():
    running.wait()


async def blocker():
    for _ in range(3):
        await asyncio.sleep(0)
    await blocker_inner()


async def blocker_inner():
    future = asyncio.get_running_loop().create_future()
    tasks = [
        asyncio.get_running_loop().create_task(awaits_future(future), name="was waiting"),
        asyncio.get_running_loop().create_task(gives_way(), name="gives way"),
        asyncio.get_running_loop().create_task(waits_on(), name="waits on"),
    ]
    await asyncio.sleep(0)
    tasks.append(asyncio.get_running_loop().create_task(leaf(), name="not begun"))
    future.set_result(None)
    states.update({"blocker": "running", "was waiting": "ready", "gives way": "ready", "not begun": "ready"})
    states["main of blocked"] = "ready"
    hold()


async def waits_on():
    await level_5()


async def awaits_future(future):
    await future


async def gives_way():
    while True:
        await asyncio.sleep(0)


async def blocked():
    await settled([spawn(blocker(), "blocker")])


async def settled(tasks):
    """Some turns of the loop, and then none."""
    asyncio.current_task().set_name(f"main of {threading.current_thread().name}")
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.get_running_loop().create_future()


class QuietLoop(asyncio.SelectorEventLoop):
    """Has no attribute that says which thread runs it, as loops of other libraries."""

    hidden = {}
    _thread_id = property(lambda self: self.hidden.get(self), lambda self, ident: self.hidden.update({self: ident}))


def run(main, loops):
    runner = asyncio.Runner(loop_factory=QuietLoop if main is eager else None)
    loops[threading.get_ident()] = runner.get_loop()
    runner.run(main())


def referents_of(awaitable):
    kinds = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
    wrappers = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
    for value in gc.get_referents(awaitable):
        if isinstance(value, kinds) or type(value).__name__ in wrappers:
            return value
    return None


def chain_of(awaitable):
    """Frames, innermost first, by CPython's own attributes."""
    frames = []
    while awaitable is not None:
        for prefix, awaited in (("cr_", "cr_await"), ("gi_", "gi_yieldfrom"), ("ag_", "ag_await")):
            if hasattr(awaitable, prefix + "frame"):
                frames.insert(0, getattr(awaitable, prefix + "frame"))
                awaitable = getattr(awaitable, awaited)
                break
        else:
            awaitable = referents_of(awaitable)
    return frames


def stack_of(ident, coroutine):
    """Frames of the thread that executes the coroutine."""
    frames = [sys._current_frames()[ident]]
    while frames[-1] is not coroutine.cr_frame:
        frames.append(frames[-1].f_back)
    return frames


def name_of(task):
    return unnamed.get(task) or task.get_name()


def told(text):
    return text.encode().hex()


def tell_task(task, ident):
    name = name_of(task)
    state = states.get(name, "waiting")
    coroutine = task.get_coro()
    print("task", f"{id(task):#x}", state, ident, told(name))
    for i, frame in enumerate(stack_of(ident, coroutine) if state == "running" else chain_of(coroutine)):
        code = frame.f_code
        print("frame", f"{id(task):#x}", i, frame.f_lineno, told(code.co_qualname), told(code.co_filename))


def native_tasks_of(loop):
    """Without a GIL, all_tasks() shows those that were started eagerly to their own thread alone (as of 3.14)."""
    found, answered = [], threading.Event()
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        loop.call_soon_threadsafe(lambda: (found.extend(asyncio.all_tasks(loop)), answered.set()))
        answered.wait(1)  # in vain, where a task blocks its loop
    return asyncio.all_tasks(loop) | set(found)


def tasks_of(loop):
    """From 3.14 on asyncio.all_tasks() does not know of those that are written in Python."""
    return native_tasks_of(loop) | getattr(asyncio.tasks, "_py_all_tasks", asyncio.all_tasks)(loop)


def tell(loops):
    print("interpreter")
    by_name = {}
    for ident, loop in loops.items():
        for task in tasks_of(loop):
            by_name.setdefault((ident, name_of(task)), task)
            tell_task(task, ident)
    edges = set()
    for ident in loops:
        for parent, child in awaits:
            for prefix in "", "plain ":
                if (ident, child) in by_name and (ident, prefix + parent) in by_name:
                    edges.add((by_name[ident, prefix + parent], by_name[ident, child]))
    for parent, child in edges:
        print("awaits", f"{id(parent):#x}", f"{id(child):#x}")
    if sys.version_info >= (3, 14):  # but for tasks that are written in Python
        native = [task for task in by_name.values() if isinstance(task, asyncio.Task)]
        own = {(parent, child) for child in native for parent in child._asyncio_awaited_by or ()}
        if own != {edge for edge in edges if edge[1] in native}:
            sys.exit(f"CPython says otherwise: {own ^ edges}")


def main():
    loops = {}
    for main in all_kinds, many, plain_tasks, eager, blocked:
        threading.Thread(target=run, args=(main, loops), name=main.__name__, daemon=True).start()
    time.sleep(1)
    tell(loops)
    print("end", flush=True)
    sys.stdin.read()


main()
