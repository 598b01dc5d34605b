import multiprocessing
from multiprocessing.dummy import Pool
from multiprocessing.pool import ThreadPool

with ThreadPool(3) as pool:
    print(pool.map(len, ["a", "bb"]), pool.apply(pow, (2, 5)))
with Pool(2) as pool:
    print(list(pool.imap(abs, [-1, -2])))
with multiprocessing.Lock(), multiprocessing.Semaphore(2):
    print(multiprocessing.Value("i", 7).value)
