# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tasks of asyncio that come, go on and go as fast as two event loops can. A chain of coroutines has one letter at each
level: outer_X awaits middle_X, that awaits inner_X, which waits now and then. Says "end" when all has begun.
"""
import asyncio
import sys
import threading

CHAIN = """
async def inner_{0}(future):
    for _ in range(3):
        await asyncio.sleep(0)
    await future
async def middle_{0}(future):
    await asyncio.sleep(0)
    await inner_{0}(future)
    await inner_{0}(future)
async def outer_{0}(future):
    await middle_{0}(future)
    await middle_{0}(future)
"""
LETTERS = "abcdefgh"


for letter in LETTERS:
    exec(CHAIN.format(letter), globals())
moving = threading.Semaphore(0)


async def work():
    loop = asyncio.get_running_loop()
    while True:
        future = loop.create_future()
        tasks = [asyncio.create_task(globals()["outer_" + letter](future), name=letter) for letter in 4 * LETTERS]
        for _ in range(20):
            await asyncio.sleep(0)
        future.set_result(None)
        await asyncio.gather(*tasks)
        moving.release()


for _ in range(2):
    threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
for _ in range(10):  # rounds, of both
    moving.acquire()
print("end", flush=True)
sys.stdin.read()
