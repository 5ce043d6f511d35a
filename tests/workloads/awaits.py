# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tasks at rest on the main thread's event loop: it is the only loop that CPython 3.14's own tools look at."""
import asyncio


async def leaf():
    await asyncio.sleep(36000)


async def chain(n):
    if n:
        return await chain(n - 1)
    await asyncio.get_running_loop().create_future()


async def group(depth):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(leaf(), name=f"leaf {depth}")
        if depth:
            tasks.create_task(group(depth - 1), name=f"group {depth - 1}")
        else:
            tasks.create_task(chain(5), name="chain")


async def gathers():
    await asyncio.gather(*[asyncio.create_task(chain(i), name=f"gathered {i}") for i in range(3)])


async def awaits(task):
    await task


async def main():
    shared = asyncio.create_task(leaf(), name="shared")
    tasks = [
        asyncio.create_task(awaits(shared), name="first"),
        asyncio.create_task(awaits(shared), name="second"),
        asyncio.create_task(gathers(), name="gathers"),
        asyncio.create_task(group(2), name="group 2"),
    ]
    asyncio.current_task().set_name("main")
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    await asyncio.wait(tasks)


asyncio.run(main())
