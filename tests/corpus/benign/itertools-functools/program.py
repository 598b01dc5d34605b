import functools
import itertools
import operator

print(list(itertools.permutations("abc", 2))[:3], list(itertools.accumulate([1, 2, 3])), list(itertools.chain([1], [2])))
print([(k, list(g)) for k, g in itertools.groupby("aab")], list(itertools.islice(itertools.count(5), 3)), list(itertools.pairwise([1, 2, 3])))
print(functools.reduce(operator.mul, range(1, 6)), sorted("bca", key=functools.cmp_to_key(lambda a, b: (a > b) - (a < b))))

@functools.singledispatch
def kind(x):
    return "other"

@kind.register
def _(x: int):
    return "int"

print(kind(1), kind("x"), operator.itemgetter(1)([7, 8]))
