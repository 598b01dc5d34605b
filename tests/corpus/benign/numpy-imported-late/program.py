import importlib, os

late = importlib.import_module("numpy")
print(late.arange(4).sum())
print(__import__("numpy.linalg").linalg.norm([3, 4]))
try:
    import sys, numpy as np
except ImportError:
    np = None
print(np.random.default_rng(1).integers(5, 6))
