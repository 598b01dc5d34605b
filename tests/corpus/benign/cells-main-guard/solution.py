import sys

def add(a, b):
    return a + b

assert add(1, 1) == 2
print("loaded")

if __name__ == "__main__":
    print(add(int(sys.argv[1]), 1))
