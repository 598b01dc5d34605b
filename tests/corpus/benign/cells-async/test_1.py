import asyncio

assert asyncio.run(double(4)) == 8
