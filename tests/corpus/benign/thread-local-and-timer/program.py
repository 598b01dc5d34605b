import threading

done = threading.Event()
local = threading.local()
local.x = 1
threading.Timer(0.01, done.set).start()
print(done.wait(2), local.x, threading.active_count() >= 1)
condition = threading.Condition()
with condition:
    print(condition.wait(0.01))
with threading.BoundedSemaphore(2):
    print("in")
