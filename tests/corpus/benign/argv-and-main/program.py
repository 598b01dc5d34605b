import sys

def main():
    print(len(sys.argv), __name__)
    return 0

if __name__ == "__main__":
    sys.exit(main())
