import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory


def square(x):
    return x * x


def add(queue, total, lock):
    for _ in range(50):
        with lock:
            total.value += 1
    queue.put("done")


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(5)))
    with ProcessPoolExecutor(2) as executor:
        print(list(executor.map(square, range(3))))
    queue, total, lock = multiprocessing.Queue(), multiprocessing.Value("i", 0), multiprocessing.Lock()
    children = [multiprocessing.Process(target=add, args=(queue, total, lock)) for _ in range(2)]
    for child in children:
        child.start()
    print(queue.get(), queue.get())
    for child in children:
        child.join()
    print(total.value, [child.exitcode for child in children])
    memory = shared_memory.SharedMemory(create=True, size=16)
    memory.buf[0] = 9
    print(memory.buf[0])
    memory.close()
    memory.unlink()
