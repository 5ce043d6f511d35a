# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Of leaves.py, what CPython 2.7 cannot parse."""
import asyncio


def spin(*_):
    while True:
        for _ in range(1000):
            pass


def by_generators():
    def numbers(n):
        yield from numbers(n - 1) if n else map(spin, (1,))

    sum(next(numbers(3)) for _ in range(2))


def by_asyncio():
    async def inner(n):
        if n:
            await inner(n - 1)
        await asyncio.sleep(0)
        spin()

    asyncio.new_event_loop().run_until_complete(inner(3))
