import functools

add = functools.lru_cache(add)
assert add(2, 3) == add(2, 3) == 5
