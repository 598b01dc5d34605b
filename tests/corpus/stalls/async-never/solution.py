import asyncio

async def forever():
    await asyncio.get_running_loop().create_future()

def add(a, b):
    asyncio.run(forever())
    return a + b
