import sys

def main():
    data = sys.stdin.buffer.read().split()
    n = int(data[0])
    values = list(map(int, data[1 : n + 1]))
    sys.stdout.write("\n".join(map(str, sorted(values))) + "\n")

main()
