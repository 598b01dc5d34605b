import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.warn("first")
    warnings.warn("second", RuntimeWarning)
print([(str(one.message), one.category.__name__) for one in caught])
