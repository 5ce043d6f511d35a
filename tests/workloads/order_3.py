# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Of order.py, what CPython 2.7 cannot parse: ways down through `yield from` and `await`."""
import asyncio

import orders

HOW = {
    "in_async": orders.files("_asyncio").replace("c", "g", 1),
    "in_async_below": "g",
    "in_yield_from": "g",
    "in_yield_from_below": "g",
}
go = None  # is order.py's
loop = asyncio.new_event_loop()


def by_yield_from(ways):
    sum(in_yield_from(ways))


def in_yield_from(ways):
    go(ways)
    yield 1
    go(ways)
    yield from in_yield_from_below(ways)


def in_yield_from_below(ways):
    go(ways)
    yield 2


def by_async(ways):
    loop.run_until_complete(in_async(ways))


async def in_async(ways):
    go(ways)
    await asyncio.sleep(0)
    await in_async_below(ways)


async def in_async_below(ways):
    go(ways)


def add_instants(stacks):
    """A coroutine's frame shows under its maker for an instant."""
    for stack in list(stacks):
        if stack[-1] is in_async.__code__:
            stacks.add(stack[: stack.index(by_async.__code__) + 1] + stack[-1:])
