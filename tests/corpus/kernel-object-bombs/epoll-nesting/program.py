import ctypes
import select

held = []
while True:
    held.append(select.epoll())
    held.append(select.epoll())
    held[-1].register(held[-2].fileno())
