import os
import sys

def add(a, b):
    frame = sys._getframe()
    return [os, frame, frame.f_code, sys.stdin, type, object(), add, memoryview(b"5")]
