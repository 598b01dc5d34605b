import argparse

parser = argparse.ArgumentParser(prog="x")
parser.add_argument("--n", type=int, default=3)
print(parser.parse_args(["--n", "5"]).n, parser.parse_args([]).n, parser.format_usage().strip())
