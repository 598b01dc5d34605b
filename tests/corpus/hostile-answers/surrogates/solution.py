def greet(name):
    return "\ud800\udfff\x00" * 1000
