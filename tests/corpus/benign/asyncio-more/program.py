import asyncio
import contextlib
import os
import signal


@contextlib.asynccontextmanager
async def session():
    print("open")
    yield "s"
    print("close")


async def fail():
    await asyncio.sleep(0.001)
    raise ValueError("part")


async def main():
    async with session() as name, asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0.001, i)) for i in range(3)]
    print(name, [task.result() for task in tasks], await asyncio.to_thread(sum, [1, 2]))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(asyncio.sleep(5))
    except* ValueError as errors:
        print(errors.exceptions)
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    async with asyncio.timeout(2):
        await got.wait()
    try:
        await asyncio.open_connection("127.0.0.1", 9)
    except OSError:
        print("no network")


asyncio.run(main())
