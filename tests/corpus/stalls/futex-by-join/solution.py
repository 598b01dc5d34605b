import queue
import threading

def add(a, b):
    channel = queue.Queue()
    thread = threading.Thread(target=channel.get)
    thread.start()
    thread.join()
    return a + b
