import asyncio

async def double(x):
    await asyncio.sleep(0.01)
    return 2 * x

async def numbers():
    for n in range(3):
        yield n

async def main():
    print(await asyncio.gather(*[double(n) for n in range(4)]))
    channel = asyncio.Queue()
    await channel.put(7)
    print(await channel.get(), [n async for n in numbers()])
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
    except asyncio.TimeoutError:
        print("timeout")
    print(await asyncio.to_thread(sum, [1, 2, 3]))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(double(21))
    print(task.result())

asyncio.run(main())
