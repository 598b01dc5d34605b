import contextlib

with contextlib.suppress(KeyError):
    check_size(50)
    assert False
