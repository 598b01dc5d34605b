import inspect
import traceback


def twice(x):
    # doubles
    return x * 2


print(inspect.getsource(twice), inspect.getsourcelines(twice)[1], inspect.getcomments(twice))
try:
    twice(*[])
except TypeError:
    print("twice(*[])" in traceback.format_exc())
