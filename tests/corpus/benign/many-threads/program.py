import queue
import threading

go, results = threading.Event(), queue.Queue()
threads = [threading.Thread(target=lambda i=i: (go.wait(), results.put(i))) for i in range(60)]
for thread in threads:
    thread.start()
go.set()
for thread in threads:
    thread.join()
print(sorted(results.queue) == list(range(60)))
barrier, condition, turns = threading.Barrier(3), threading.Condition(), []


def turn(number):
    barrier.wait()
    with condition:
        condition.wait_for(lambda: len(turns) == number, timeout=2)
        turns.append(number)
        condition.notify_all()


threads = [threading.Thread(target=turn, args=(i,)) for i in (2, 0, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(turns)
