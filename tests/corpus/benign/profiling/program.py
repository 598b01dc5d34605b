import ast
import cProfile
import dis
import io
import pstats
import timeit
import tracemalloc

profile, out = cProfile.Profile(), io.StringIO()
profile.runcall(sorted, range(100))
pstats.Stats(profile, stream=out).print_stats()
print("function calls" in out.getvalue())
tracemalloc.start()
kept = [0] * 1000
print(tracemalloc.get_traced_memory()[0] > 0)
tracemalloc.stop()
print(timeit.timeit("1 + 1", number=100) > 0, len(list(dis.get_instructions("x + 1"))) > 2)
print(ast.unparse(ast.parse("x=[1 ,2]")), ast.literal_eval("{'a': (1, None)}"))
