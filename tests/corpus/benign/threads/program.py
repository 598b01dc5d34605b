import queue
import threading

total, lock, channel, barrier = 0, threading.Lock(), queue.Queue(), threading.Barrier(8)

def work(n):
    global total
    barrier.wait()
    with lock:
        total += n
    channel.put(n)

threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(total, sorted(channel.get() for _ in range(8)))
