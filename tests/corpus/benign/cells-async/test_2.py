import asyncio


async def main():
    return await asyncio.gather(double(1), double(2))


assert asyncio.run(main()) == [2, 4]
