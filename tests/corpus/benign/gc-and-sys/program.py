import gc
import sys
import tracemalloc

gc.disable()
gc.enable()
tracemalloc.start()
data = [0] * 9000
print(gc.isenabled(), sys.getsizeof(data) > 8000, sys.getrefcount(data) >= 2, sys.intern("a") is sys.intern("a"), tracemalloc.get_traced_memory()[0] > 8000, gc.collect() >= 0)
