# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Of stacks.py, what CPython 2.7 cannot parse: `yield from`, `await` and all that goes with it, annotations."""


def numbers(n: int, spin):
    for i in range(n):
        spin(2)

        yield i
    yield from more_numbers(n, spin)


def more_numbers(n, spin):
    while n:

        yield spin(n)
        n -= 1


class Pause:
    def __init__(self, spin):
        self.spin = spin

    def __await__(self):
        self.spin(3)
        yield
        self.spin(4)

        return 5


async def coroutine(n, spin):
    if n:
        return await coroutine(n - 1, spin)

    value = await Pause(spin)
    async for x in async_numbers(3, spin):
        value += x
    async with AsyncBlock(spin) as block:
        value += block
    return value


async def async_numbers(n, spin):
    for i in range(n):
        spin(2)
        await Pause(spin)
        yield i


class AsyncBlock:
    def __init__(self, spin):
        self.spin = spin

    async def __aenter__(self):
        return self.spin(3)

    async def __aexit__(self, *exc):
        self.spin(2)


def coroutines(spin):
    c = coroutine(6, spin); c.send(None)  # on one line, see truth.py
    try:
        while True:
            c.send(None)
    except StopIteration as stop:
        return stop.value


class Below:
    def method(self, spin):
        return spin(2)


class Above(Below):
    def method(self, spin, *, more=1):
        return super().method(spin) + more


def body(spin):
    sum(numbers(4, spin))

    coroutines(spin)
    Above().method(spin)
