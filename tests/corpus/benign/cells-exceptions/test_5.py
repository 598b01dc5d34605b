def raises(kind, call, *args):
    try:
        call(*args)
    except kind:
        return True
    return False


assert raises(KeyError, check_size, 50) and not raises(KeyError, check_size, 1)
