def greet(name):
    print(f"hello {name}")
    return len(name)
