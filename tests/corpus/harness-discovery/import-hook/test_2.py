def check(candidate):
    import chunk_of_nothing as _  # noqa


try:
    check(lookup)
except ImportError:
    pass
assert lookup("alpha") == 731904
